//! `POST /admin/v1/audit/find`: whether the log knows a token. The token comes in the body, never in the URL.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use crate::http::admin::{Caller, Shared, answer, read_body, to_its_end};
use crate::http::error;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FindBody {
    token: String,
}

pub(super) async fn find(State(side): Shared, caller: Caller, headers: HeaderMap, body: Bytes) -> Response {
    let FindBody { token } = match read_body(&headers, &body, &caller) {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.find_token(&actor, &token).await }).await;
    answer(done, &caller.0.request_id, |found| error::json(&found))
}
