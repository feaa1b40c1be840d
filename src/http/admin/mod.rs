//! The admin API on the Unix socket. Who can open the socket is the admin.

mod audit;
mod clients;
mod cursor;
mod keys;
mod listing;
mod preview;
mod report;
mod rules;
mod secrets;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use cursor::Cursors;

use super::accept::PeerUid;
use super::error::{self, Malformed};
use super::{RequestIds, log};
use crate::admin::{Actor, Admin, Expected, Refusal, without_values};
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
        .merge(secrets::router())
        .merge(rules::router())
        .merge(keys::router())
        .merge(audit::router())
        .route("/admin/v1/token/preview", post(preview::preview))
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

const JSON: &str = "application/json";
/// RFC 7396.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Reads a strict JSON body of one form.
fn read_body<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &Bytes,
    caller: &Caller,
) -> Result<T, Box<Response>> {
    let members = read_members(headers, body, caller, &[JSON])?;
    serde_json::from_value(Value::Object(members)).map_err(|cause| {
        Box::new(error::malformed(Malformed::Body, &without_values(&cause), &caller.0.request_id))
    })
}

/// Reads a strict merge patch, under its own name or as JSON. RFC 5789 section 2.2: a refusal names what is taken.
fn read_patch(
    headers: &HeaderMap,
    body: &Bytes,
    caller: &Caller,
) -> Result<Map<String, Value>, Box<Response>> {
    read_members(headers, body, caller, &[MERGE_PATCH, JSON]).map_err(|mut refused| {
        refused.headers_mut().insert("accept-patch", HeaderValue::from_static(MERGE_PATCH));
        refused
    })
}

fn read_members(
    headers: &HeaderMap,
    body: &Bytes,
    caller: &Caller,
    kinds: &[&str],
) -> Result<Map<String, Value>, Box<Response>> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let refuse = |what, detail: &str| Box::new(error::malformed(what, detail, &caller.0.request_id));
    if !kinds.iter().any(|kind| essence.eq_ignore_ascii_case(kind)) {
        return Err(refuse(Malformed::MediaType, &format!("send {}", kinds.join(" or "))));
    }
    let value = strict_json::parse(body, strict_json::MAX_DEPTH)
        .map_err(|cause| refuse(Malformed::Body, &cause.to_string()))?;
    // serde would also take an array of the members' values.
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(refuse(Malformed::Body, "send an object")),
    }
}

/// An object with its version as `ETag`.
fn object(version: u64, object: &impl Serialize, created: bool) -> Response {
    let mut response = error::json(object);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"v{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    if created { (error::CREATED, response).into_response() } else { response }
}

/// What `If-Match` says. What names no version that we ever gave is
/// version 0, which no object has. RFC 9110 section 13.1.1.
fn if_match(headers: &HeaderMap) -> Expected {
    let Some(value) = headers.get(header::IF_MATCH) else { return Expected::Unsaid };
    let tag = value.to_str().unwrap_or_default().trim();
    if tag == "*" {
        return Expected::Any;
    }
    let version = tag.strip_prefix("\"v").and_then(|tag| tag.strip_suffix('"'));
    Expected::Version(version.and_then(|version| version.parse().ok()).unwrap_or(0))
}

/// The answer to an act after which there is nothing to show.
fn gone((): ()) -> Response {
    error::NO_CONTENT.into_response()
}

fn answer<T>(done: Result<T, Refusal>, caller: &str, show: impl FnOnce(T) -> Response) -> Response {
    match done {
        Ok(value) => show(value),
        Err(refusal) => error::not_done(&refusal, caller),
    }
}
