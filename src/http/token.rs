//! `POST /oauth2/token`. RFC 6749 section 3.2.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::Serialize;

use super::{Public, error, origin};
use crate::failpoint::failpoint;
use crate::issue::{Denial, Issued, Origin};
use crate::oauth::OAuthError;
use crate::oauth::credential::Credential;
use crate::oauth::request::{TokenRequest, read_form};

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
    let (credential, request) =
        read(parts, body).map_err(|error| public.mint.refuse_unread(error, origin))?;
    public.mint.issue(credential, &request, origin).await
}

/// Bytes → who and what. Whether either is true or allowed is not asked here.
fn read(parts: &Parts, body: &[u8]) -> Result<(Credential, TokenRequest), OAuthError> {
    if !is_form(&parts.headers) {
        return Err(OAuthError::CONTENT_TYPE);
    }
    let form = read_form(parts.uri.query(), body)?;
    let mut authorizations = parts.headers.get_all(header::AUTHORIZATION).iter();
    let authorization = authorizations.next();
    if authorizations.next().is_some() {
        return Err(OAuthError::TWO_METHODS);
    }
    let credential = Credential::parse(authorization.map(header::HeaderValue::as_bytes), &form)?;
    Ok((credential, TokenRequest::parse(&form)?))
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(first), None) = (types.next(), types.next()) else { return false };
    let essence = first.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
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
