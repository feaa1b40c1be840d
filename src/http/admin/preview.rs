//! `POST /admin/v1/token/preview`: what a client would get. It asks and changes nothing.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::{Caller, Shared, answer, read_body};
use crate::admin::{Asked, Previewed};
use crate::http::error;
use crate::issue::preview::Preview;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreviewBody {
    client_id: String,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    resource: Option<String>,
}

/// A token that would be granted.
#[derive(Serialize)]
struct Granted<'a> {
    granted: bool,
    #[serde(flatten)]
    preview: &'a Preview,
}

/// What the token endpoint would say instead.
#[derive(Serialize)]
struct Refused<'a> {
    granted: bool,
    error: &'static str,
    error_description: &'a str,
}

pub(super) async fn preview(
    State(side): Shared,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let PreviewBody { client_id, scope, resource } = match read_body(&headers, &body, &caller) {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    let previewed = side.admin.preview_token(&Asked { client_id, scope, resource });
    answer(previewed, &caller.0.request_id, |previewed| match previewed {
        Previewed::Granted(preview) => error::json(&Granted { granted: true, preview: &preview }),
        Previewed::Refused(code, why) => {
            error::json(&Refused { granted: false, error: code.as_str(), error_description: &why })
        }
    })
}
