//! The admin API: on the Unix socket, where who can open it is the admin, and over TCP, where a token says who it is.

mod audit;
mod bearer;
mod body;
mod clients;
mod cursor;
mod keys;
mod listing;
mod metrics;
mod once;
mod policy;
mod preview;
mod report;
pub mod roles;
mod rules;
mod secrets;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Serialize;

pub use bearer::{Gate, admin_router_over_tcp};
pub use body::MAX_POLICY;
use body::{read_body, read_patch};
pub use cursor::Cursors;

use super::accept::PeerUid;
use super::error::{self, Malformed};
use super::openapi::Document;
use super::{RequestIds, log, openapi};
use crate::admin::{Actor, Admin, Answer, Expected, Outcome, Refusal};
use crate::audit::served::Served;
use crate::policy::AdminScopes;
use crate::telemetry::metrics::Metrics;

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
    /// The numbers of this process.
    pub metrics: Metrics,
}

type Shared = State<Arc<AdminSide>>;

/// Every route of the admin listener on the Unix socket.
pub fn admin_router(side: Arc<AdminSide>) -> Router {
    let log = log::router(side.served.clone(), &side.vkey);
    let by_socket = middleware::from_fn_with_state(side.clone(), name_the_peer);
    acts(side).layer(by_socket).merge(log).layer(middleware::map_response(super::hardened))
}

/// The routes of the acts, for callers who are known already.
fn acts(side: Arc<AdminSide>) -> Router {
    Router::new()
        .merge(clients::router())
        .merge(secrets::router())
        .merge(rules::router())
        .merge(keys::router())
        .merge(tokens::router())
        .merge(audit::router())
        .merge(policy::router())
        .route("/admin/v1/token/preview", post(preview::preview))
        .route("/metrics", get(metrics::metrics))
        .route("/admin/openapi.json", get(openapi::shown(Document::Admin)))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(side.clone(), once::once))
        .with_state(side)
}

async fn no_route(caller: Caller) -> Response {
    error::malformed(Malformed::Route, "there is no such route", &caller.0.request_id)
}

async fn no_method(caller: Caller) -> Response {
    error::malformed(Malformed::Method, "this route does not have that method", &caller.0.request_id)
}

/// Who calls: what the door that the request came by found out. No door, nobody.
#[derive(Clone)]
struct Caller(Actor);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| error::unauthenticated(false, "none"))
    }
}

/// The socket's door: the kernel says who it is.
async fn name_the_peer(State(side): Shared, mut request: Request, next: Next) -> Response {
    // Without a peer there is no socket: requests made in process, by tests.
    let uid = request.extensions().get::<PeerUid>().map_or(0, |peer| peer.0);
    let request_id = side.request_ids.next();
    let held = AdminScopes::all();
    request.extensions_mut().insert(Caller(Actor {
        name: format!("unix:{uid}"),
        via: "socket",
        request_id,
        once: None,
        held,
    }));
    next.run(request).await
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

/// An object with its version as `ETag`.
fn object(version: u64, object: &impl Serialize, created: bool) -> Response {
    let outcome = if created { Outcome::Made } else { Outcome::Done };
    told(Answer::new(outcome, Some(version), object))
}

/// The answer to an act, now or again.
fn told(Answer { outcome, version, body }: Answer) -> Response {
    let mut response = error::done(outcome, body);
    let tag = version.and_then(|version| HeaderValue::from_str(&format!("\"v{version}\"")).ok());
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    response
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
