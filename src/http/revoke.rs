//! `POST /oauth2/revoke`. RFC 7009.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};

use super::{Public, error, form, origin};
use crate::introspect::NotRevoked;

/// Revokes a client's own token. Done, and nothing to do, are one answer: 200 without a body.
pub(super) async fn revoke(State(public): State<Arc<Public>>, parts: Parts, body: Bytes) -> Response {
    let origin = origin::origin(&parts, &public.trusted_proxies, &public.request_ids);
    let (caller, token) = match form::about_a_token(&public, &parts, &body, &origin).await {
        Ok(asked) => asked,
        Err(denial) => return error::not_told(&denial, &origin.request_id),
    };
    match public.introspector.revoke(&caller.client, &token, &origin).await {
        Ok(()) => ().into_response(),
        Err(NotRevoked::Refused(error)) => error::refused(error, &origin.request_id),
        Err(NotRevoked::Unknown(fault)) => error::unanswered(&fault, fault.is_overload(), &origin.request_id),
    }
}
