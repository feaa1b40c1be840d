//! `GET /admin/v1/audit/export`: a range of entries in the form that proves itself complete.

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::super::{Caller, Shared, answer, listing, to_its_end};
use crate::http::error::{self, Malformed};

pub(super) async fn export(State(side): Shared, caller: Caller, RawQuery(query): RawQuery) -> Response {
    let known = |name: &str| ["first", "end"].contains(&name);
    let form = match listing::read_query(query.as_deref(), known, &caller.0.request_id) {
        Ok(form) => form,
        Err(refused) => return *refused,
    };
    let number = |name| form.value(name).map(str::parse::<u64>).transpose();
    let (Ok(first), Ok(end)) = (number("first"), number("end")) else {
        return error::malformed(Malformed::Query, "first and end are numbers", &caller.0.request_id);
    };
    let (actor, admin) = (caller.0.clone(), side.admin.clone());
    let done = to_its_end(async move { admin.begin_export(&actor, first, end).await }).await;
    answer(done, &caller.0.request_id, |(range, header)| {
        let first_line = format!("{}\n", header.line());
        let head = stream::once(std::future::ready(Ok::<_, std::io::Error>(Bytes::from(first_line))));
        let rest = stream::try_unfold((side, range), |(side, mut range)| async move {
            let page = side.admin.export_page(range.clone()).await.map_err(std::io::Error::other)?;
            let Some(last) = page.last() else { return Ok(None) };
            range.start = last.index.saturating_add(1);
            let lines: String = page.iter().map(|entry| entry.line() + "\n").collect();
            Ok(Some((Bytes::from(lines), (side, range))))
        });
        // A failure midway cuts the stream, which the reader sees: the last line or the chunk is missing.
        let body = Body::from_stream(futures_util::StreamExt::chain(head, rest));
        ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
    })
}
