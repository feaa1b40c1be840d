//! The admin API on the Unix socket. Who can open the socket is the admin.

mod audit;
mod clients;
mod cursor;
mod keys;
mod listing;
mod report;
mod rules;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use cursor::Cursors;

use super::accept::PeerUid;
use super::error::{self, Malformed};
use super::{RequestIds, log};
use crate::admin::{Actor, Admin, Refusal};
use crate::audit::served::Served;
use crate::jose::strict_json;

/// What the admin listener serves.
pub struct AdminSide {
    /// The acts.
    pub admin: Arc<Admin>,
    /// Names requests.
    pub request_ids: Arc<RequestIds>,
    /// The published log, which is served here too.
    pub served: Served,
    /// The log's public key as text.
    pub vkey: String,
    /// Where pages go on.
    pub cursors: Cursors,
}

type Shared = State<Arc<AdminSide>>;

/// Every route of the admin listener.
pub fn admin_router(side: Arc<AdminSide>) -> Router {
    let log = log::router(side.served.clone(), &side.vkey);
    Router::new()
        .merge(clients::router())
        .merge(rules::router())
        .merge(keys::router())
        .merge(tokens::router())
        .merge(audit::router())
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .with_state(side)
        .merge(log)
        .layer(axum::middleware::map_response(super::hardened))
}

async fn no_route(caller: Caller) -> Response {
    error::malformed(Malformed::Route, "there is no such route", &caller.0.request_id)
}

async fn no_method(caller: Caller) -> Response {
    error::malformed(Malformed::Method, "this route does not have that method", &caller.0.request_id)
}

/// Who calls, from the socket's own knowledge.
struct Caller(Actor);

impl FromRequestParts<Arc<AdminSide>> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, side: &Arc<AdminSide>) -> Result<Self, Self::Rejection> {
        // Without a peer there is no socket: requests made in process, by tests.
        let uid = parts.extensions.get::<PeerUid>().map_or(0, |peer| peer.0);
        Ok(Self(Actor { name: format!("unix:{uid}"), via: "socket", request_id: side.request_ids.next() }))
    }
}

/// Runs an act to its end, whether or not the caller stays: a change that was
/// committed must also come into force.
async fn to_its_end<T, F>(act: F) -> Result<T, Refusal>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Refusal>> + Send + 'static,
{
    tokio::spawn(act).await.unwrap_or(Err(Refusal::Internal("the act failed")))
}

/// Reads a strict JSON body of one form.
fn read_body<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &Bytes,
    caller: &Caller,
) -> Result<T, Box<Response>> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let refuse = |what, detail: &str| Box::new(error::malformed(what, detail, &caller.0.request_id));
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(refuse(Malformed::MediaType, "send application/json"));
    }
    let value = strict_json::parse(body, strict_json::MAX_DEPTH)
        .map_err(|cause| refuse(Malformed::Body, &cause.to_string()))?;
    // serde would also take an array of the members' values.
    if !value.is_object() {
        return Err(refuse(Malformed::Body, "send an object"));
    }
    serde_json::from_value(value).map_err(|cause| refuse(Malformed::Body, &cause.to_string()))
}

/// An object with its version as `ETag`.
fn object(version: u64, object: &impl Serialize, created: bool) -> Response {
    let mut response = error::json(object);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"v{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    if created { (error::CREATED, response).into_response() } else { response }
}

/// The version that `If-Match` names. What names none that we ever gave is
/// version 0, which no object has. RFC 9110 section 13.1.1.
fn if_match(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::IF_MATCH)?;
    let tag = value.to_str().unwrap_or_default().trim();
    let version = tag.strip_prefix("\"v").and_then(|tag| tag.strip_suffix('"'));
    Some(version.and_then(|version| version.parse().ok()).unwrap_or(0))
}

fn answer<T>(done: Result<T, Refusal>, caller: &str, show: impl FnOnce(T) -> Response) -> Response {
    match done {
        Ok(value) => show(value),
        Err(refusal) => error::not_done(&refusal, caller),
    }
}
