//! `/admin/v1/audit/report`: the auditor's report.
//!
//! A million entries take longer than a request may, so the answer begins at
//! once and its body computes while it runs: blanks as signs of life, which
//! JSON allows before a value (RFC 8259 section 2), then the whole report. A
//! failure midway cuts the body, and then it is no JSON.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::{AdminSide, Caller, Shared, answer, listing, to_its_end};
use crate::admin::{Progress, Reporting};
use crate::audit::report::Period;
use crate::http::error::{self, Malformed};
use crate::time::Timestamp;

pub(super) async fn report(State(side): Shared, caller: Caller, RawQuery(query): RawQuery) -> Response {
    let known = |name: &str| ["from", "to"].contains(&name);
    let form = match listing::read_query(query.as_deref(), known, &caller.0.request_id) {
        Ok(form) => form,
        Err(refused) => return *refused,
    };
    let seconds = |name| {
        let text: Option<&str> = form.value(name);
        text.map(|text| text.parse().map(Timestamp::from_seconds)).transpose()
    };
    let (Ok(from), Ok(to)) = (seconds("from"), seconds("to")) else {
        return error::malformed(Malformed::Query, "from and to are in Unix seconds", &caller.0.request_id);
    };
    let (actor, admin) = (caller.0.clone(), side.admin.clone());
    let done = to_its_end(async move { admin.begin_report(&actor, Period { from, to }).await }).await;
    answer(done, &caller.0.request_id, |reporting| {
        let next = Some((side, Box::new(reporting)));
        let body = Body::from_stream(stream::try_unfold(next, step));
        ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
    })
}

type Next = Option<(Arc<AdminSide>, Box<Reporting>)>;

async fn step(next: Next) -> io::Result<Option<(Bytes, Next)>> {
    let Some((side, reporting)) = next else { return Ok(None) };
    Ok(Some(match side.admin.report(reporting).await.map_err(io::Error::other)? {
        Progress::More(reporting) => (Bytes::from_static(b" "), Some((side, reporting))),
        Progress::Done(report) => (Bytes::from(serde_json::to_vec(&report)?), None),
    }))
}
