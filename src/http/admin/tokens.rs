//! `POST /admin/v1/tokens/revoke`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;

use super::{AdminSide, Caller, Shared, answer, read_body, to_its_end};
use crate::admin::{IssuedBefore, RevokeTokens};
use crate::http::error::{self, Malformed};
use crate::time::Timestamp;

/// Exactly one of `jti`, `client_id` with `issued_before`, and `issued_before` alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    #[serde(default)]
    jti: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    issued_before: Option<Before>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Before {
    /// Unix seconds.
    At(u64),
    /// `"now"`.
    Word(Now),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Now {
    Now,
}

impl From<Before> for IssuedBefore {
    fn from(before: Before) -> Self {
        match before {
            Before::At(seconds) => Self::At(Timestamp::from_seconds(seconds)),
            Before::Word(Now::Now) => Self::Now,
        }
    }
}

impl Revoke {
    fn tokens(self) -> Option<RevokeTokens> {
        match self {
            Self { jti: Some(jti), client_id: None, issued_before: None } => Some(RevokeTokens::One(jti)),
            Self { jti: None, client_id, issued_before: Some(before) } => {
                Some(RevokeTokens::Before(client_id, before.into()))
            }
            _ => None,
        }
    }
}

pub(super) fn router() -> Router<Arc<AdminSide>> {
    Router::new().route("/admin/v1/tokens/revoke", post(revoke))
}

async fn revoke(State(side): Shared, caller: Caller, headers: HeaderMap, body: Bytes) -> Response {
    let asked: Revoke = match read_body(&headers, &body, &caller) {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let Some(tokens) = asked.tokens() else {
        let detail = "name either jti, or issued_before (Unix seconds, or \"now\") with or without client_id";
        return error::malformed(Malformed::Body, detail, &caller.0.request_id);
    };
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.revoke_tokens(&actor, &tokens).await }).await;
    answer(done, &caller.0.request_id, |revoked| error::json(&revoked))
}
