//! Metadata and JWKS: from memory, whatever the store does. RFC 8414 section 3, RFC 7517 section 5.
//!
//! A document is composed, hashed and given its header fields once for each
//! change of what it is made of; every answer in between is a copy of counters.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::{Public, error};
use crate::digest::Digest;
use crate::keys::jwks::Document;
use crate::keys::rotator::Rotator;
use crate::oauth::metadata::Metadata;
use crate::policy::Policy;

/// The documents under their well-known paths.
pub(super) fn router(public: &Public) -> Router {
    let documents = Documents {
        issuer: public.issuer.clone(),
        rotator: public.rotator.clone(),
        policy: public.policy.clone(),
        jwks: ArcSwapOption::empty(),
        metadata: ArcSwapOption::empty(),
    };
    Router::new()
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/.well-known/openid-configuration", get(metadata))
        .route("/.well-known/jwks.json", get(jwks))
        .with_state(Arc::new(documents))
}

/// What the documents are made of, and the last of each that was made.
struct Documents {
    issuer: String,
    rotator: Arc<Rotator>,
    policy: Arc<ArcSwap<Policy>>,
    jwks: ArcSwapOption<Made<Arc<Document>>>,
    metadata: ArcSwapOption<Made<(Arc<Policy>, Arc<Document>)>>,
}

/// A document and what it was made of, which tells whether it is still the one in force.
struct Made<S> {
    of: S,
    ready: Ready,
}

/// The JWKS in force.
async fn jwks(State(documents): State<Arc<Documents>>, headers: HeaderMap) -> Response {
    let source = documents.rotator.document();
    let made = documents.jwks.load();
    if let Some(made) = made.as_ref().filter(|made| Arc::ptr_eq(&made.of, &source)) {
        return made.ready.answer(&headers);
    }
    let ready = Ready::new(source.body.clone(), &source.etag, &source.cache_control);
    let response = ready.answer(&headers);
    documents.jwks.store(Some(Arc::new(Made { of: source, ready })));
    response
}

/// The issuer's own document.
async fn metadata(State(documents): State<Arc<Documents>>, headers: HeaderMap) -> Response {
    let (policy, document) = (documents.policy.load(), documents.rotator.document());
    let is_of =
        |of: &(Arc<Policy>, Arc<Document>)| Arc::ptr_eq(&of.0, &policy) && Arc::ptr_eq(&of.1, &document);
    let made = documents.metadata.load();
    if let Some(made) = made.as_ref().filter(|made| is_of(&made.of)) {
        return made.ready.answer(&headers);
    }
    let metadata = Metadata::compose(&documents.issuer, policy.stored_scopes().map(|rule| &rule.name));
    let body = Bytes::from(serde_json::to_vec(&metadata).unwrap_or_default());
    let etag = format!("\"{}\"", Digest::of(&[&body]));
    let ready = Ready::new(body, &etag, &document.cache_control);
    let response = ready.answer(&headers);
    documents.metadata.store(Some(Arc::new(Made { of: (Arc::clone(&policy), document), ready })));
    response
}

/// A document as it goes out.
struct Ready {
    body: Bytes,
    etag: String,
    /// `ETag` and `Cache-Control`, which a 304 carries too. RFC 9110 section 15.4.5.
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Ready {
    fn new(body: Bytes, etag: &str, cache_control: &str) -> Self {
        let fields = [(header::ETAG, etag), (header::CACHE_CONTROL, cache_control)];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?)));
        Self { body, etag: etag.to_owned(), fields: fields.collect() }
    }

    /// The document, or 304 to whom has it. RFC 9110 section 13.1.2.
    fn answer(&self, headers: &HeaderMap) -> Response {
        let mut response = if has_already(headers, &self.etag) {
            error::NOT_MODIFIED.into_response()
        } else {
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            ([(header::CONTENT_TYPE, json)], self.body.clone()).into_response()
        };
        response.headers_mut().extend(self.fields.iter().cloned());
        response
    }
}

/// Whether `If-None-Match` names this `ETag`, by the weak comparison of RFC 9110 section 8.8.3.2.
/// The tag itself has no comma, so that a list may be taken apart at each of them.
fn has_already(headers: &HeaderMap, etag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
