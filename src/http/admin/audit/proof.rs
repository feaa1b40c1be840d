//! `GET /admin/v1/audit/proof`: the receipt of any entry, not only of a token's. C2SP tlog-proof.

use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::super::{Caller, Shared, answer, listing, to_its_end};
use crate::admin::Proved;
use crate::audit::decimal;
use crate::http::error::{self, Malformed};

pub(super) async fn proof(State(side): Shared, caller: Caller, RawQuery(query): RawQuery) -> Response {
    let known = |name: &str| ["index", "jti"].contains(&name);
    let form = match listing::read_query(query.as_deref(), known, &caller.0.request_id) {
        Ok(form) => form,
        Err(refused) => return *refused,
    };
    let proved = match (form.value("index").map(decimal), form.value("jti")) {
        (Some(Some(index)), None) => Proved::Entry(index),
        (None, Some(jti)) => Proved::Token(jti.to_owned()),
        (Some(None), None) => {
            return error::malformed(Malformed::Query, "index is a number", &caller.0.request_id);
        }
        _ => {
            let detail = "give index or jti, one of them";
            return error::malformed(Malformed::Query, detail, &caller.0.request_id);
        }
    };
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.prove(&actor, &proved).await }).await;
    answer(done, &caller.0.request_id, |receipt| {
        ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], receipt.to_string()).into_response()
    })
}
