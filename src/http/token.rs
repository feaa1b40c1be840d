//! `POST /oauth2/token`. RFC 6749 section 3.2.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Serialize;

use super::{Public, error, form, origin};
use crate::failpoint::failpoint;
use crate::issue::{Denial, Issued, Origin};
use crate::oauth::request::TokenRequest;

#[derive(Serialize)]
struct TokenBody<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    scope: String,
}

/// Answers one request for a token.
pub(super) async fn token(State(public): State<Arc<Public>>, parts: Parts, body: Bytes) -> Response {
    let origin = origin::origin(&parts, &public.trusted_proxies, &public.request_ids);
    match issue(&public, &parts, &body, &origin).await {
        Ok(issued) => {
            failpoint!("issue.before_respond");
            issued_response(&issued)
        }
        Err(denial) => error::denied(&denial, &origin.request_id),
    }
}

async fn issue(public: &Public, parts: &Parts, body: &[u8], origin: &Origin) -> Result<Issued, Denial> {
    let read =
        form::read(parts, body).and_then(|(credential, form)| Ok((credential, TokenRequest::parse(&form)?)));
    let (credential, request) = read.map_err(|error| public.mint.refuse_unread(error, origin))?;
    public.mint.issue(credential, &request, origin).await
}

fn issued_response(issued: &Issued) -> Response {
    let mut response = error::json(&TokenBody {
        access_token: &issued.access_token,
        token_type: "Bearer",
        expires_in: issued.lifetime.as_secs(),
        scope: issued.scope.to_string(),
    });
    error::limits(&mut response, &issued.limits);
    response
}
