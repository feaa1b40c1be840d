//! `POST /admin/v1/audit/erase`: erases what the log says of a client or subject, some thousand bodies a request.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use crate::admin::Whose;
use crate::http::admin::{Caller, Shared, answer, read_body, to_its_end};
use crate::http::error::{self, Malformed};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EraseBody {
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    subject: Option<String>,
}

pub(super) async fn erase(State(side): Shared, caller: Caller, headers: HeaderMap, body: Bytes) -> Response {
    let asked: EraseBody = match read_body(&headers, &body, &caller) {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let whose = match (asked.client_id, asked.subject) {
        (Some(id), None) if !id.is_empty() => Whose::Client(id),
        (None, Some(subject)) if !subject.is_empty() => Whose::Subject(subject),
        _ => {
            let detail = "name either client_id or subject";
            return error::malformed(Malformed::Body, detail, &caller.0.request_id);
        }
    };
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.erase(&actor, &whose).await }).await;
    answer(done, &caller.0.request_id, |erased| error::json(&erased))
}
