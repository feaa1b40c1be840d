//! Metadata and JWKS: from memory, whatever the store does. RFC 8414 section 3, RFC 7517 section 5.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use super::{Public, error};
use crate::digest::Digest;
use crate::keys::jwks::Document;
use crate::oauth::metadata::Metadata;

/// The JWKS in force.
pub(super) async fn jwks(State(public): State<Arc<Public>>, headers: HeaderMap) -> Response {
    let Document { body, etag, cache_control } = (*public.rotator.document()).clone();
    document(&headers, body, &etag, &cache_control)
}

/// The issuer's own document.
pub(super) async fn metadata(State(public): State<Arc<Public>>, headers: HeaderMap) -> Response {
    let policy = public.policy.load();
    let metadata = Metadata::compose(&public.issuer, policy.scopes.keys());
    let body = Bytes::from(serde_json::to_vec(&metadata).unwrap_or_default());
    let etag = format!("\"{}\"", Digest::of(&[&body]));
    document(&headers, body, &etag, &public.rotator.document().cache_control)
}

/// The document, or 304 to whom has it. RFC 9110 section 13.1.2.
fn document(headers: &HeaderMap, body: Bytes, etag: &str, cache_control: &str) -> Response {
    let known =
        headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
            value.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
        });
    let mut response = if known { error::NOT_MODIFIED.into_response() } else { body.into_response() };
    let fields = [(header::ETAG, etag), (header::CACHE_CONTROL, cache_control)];
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    if !known {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    response
}
