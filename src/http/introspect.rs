//! `POST /oauth2/introspect`. RFC 7662.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Serialize;

use super::{Public, error, form, origin};
use crate::jose::verify::AccessTokenClaims;

/// What is said of a good token; members in this order.
#[derive(Serialize)]
struct ActiveBody<'a> {
    active: bool,
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    token_type: &'static str,
    exp: u64,
    iat: u64,
    jti: &'a str,
}

/// What is said of every other token, whatever is wrong with it.
#[derive(Serialize)]
struct InactiveBody {
    active: bool,
}

/// Tells a client what a token of its own, or for an API that it speaks for, is worth.
pub(super) async fn introspect(State(public): State<Arc<Public>>, parts: Parts, body: Bytes) -> Response {
    let origin = origin::origin(&parts, &public.trusted_proxies, &public.request_ids);
    let (caller, token) = match form::about_a_token(&public, &parts, &body, &origin).await {
        Ok(asked) => asked,
        Err(denial) => return error::not_told(&denial, &origin.request_id),
    };
    match public.introspector.introspect(&caller.client, &token, &origin).await {
        Ok(Some(claims)) => error::json(&active(&claims)),
        Ok(None) => error::json(&InactiveBody { active: false }),
        Err(fault) => error::unanswered(&fault, fault.is_overload(), &origin.request_id),
    }
}

fn active(claims: &AccessTokenClaims) -> ActiveBody<'_> {
    ActiveBody {
        active: true,
        iss: &claims.issuer,
        sub: &claims.subject,
        aud: &claims.audience,
        client_id: &claims.client_id,
        scope: claims.scope.as_deref(),
        token_type: "Bearer",
        exp: claims.expires_at.seconds(),
        iat: claims.issued_at.seconds(),
        jti: &claims.jti,
    }
}
