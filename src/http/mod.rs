//! Bytes in, bytes out: the HTTP side of the issuer, by RFC 9110, 9112 and 9113.
//!
//! Nothing here decides who gets a token, and nothing outside this folder
//! (but the command line's own client) names axum or hyper.

pub mod accept;
pub mod admin;
pub mod bounds;
mod class;
mod documents;
mod error;
mod form;
mod health;
mod introspect;
mod log;
pub mod openapi;
mod origin;
mod pace;
mod revoke;
mod shed;
mod strict;
pub mod tls;
mod token;
pub mod traffic;

use std::sync::Arc;

use arc_swap::ArcSwap;

use self::openapi::Document;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};

use crate::audit::served::Served;
use crate::config::Network;
use crate::introspect::Introspector;
use crate::issue::{Mint, WallClock};
use crate::keys::rotator::Rotator;
use crate::policy::Policy;
use crate::telemetry::Health;

pub use axum::Router;
pub use origin::RequestIds;
pub use shed::Rooms;

/// What the public listener serves.
pub struct Public {
    /// Byte-identical to the configuration.
    pub issuer: String,
    /// Issues tokens.
    pub mint: Mint,
    /// Tells good tokens from others.
    pub introspector: Arc<Introspector>,
    /// Has the JWKS.
    pub rotator: Arc<Rotator>,
    /// The policy in force, for the metadata.
    pub policy: Arc<ArcSwap<Policy>>,
    /// The published log.
    pub served: Served,
    /// The log's public key as text.
    pub vkey: String,
    /// Whether the log is public.
    pub log_is_public: bool,
    /// What readiness reports.
    pub health: Arc<Health>,
    /// Whether the time can be believed.
    pub wall_clock: Arc<WallClock>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Names requests.
    pub request_ids: Arc<RequestIds>,
    /// How much of what is less important than tokens is let in at once.
    pub rooms: Arc<Rooms>,
}

/// Every public route.
pub fn public_router(public: &Arc<Public>) -> Router {
    let shed = || axum::middleware::from_fn_with_state(public.rooms.clone(), shed::shed);
    let log = log::router(public.served.clone(), &public.vkey).route_layer(shed());
    let router = Router::new()
        .route("/oauth2/introspect", post(introspect::introspect))
        .route("/oauth2/revoke", post(revoke::revoke))
        .route_layer(shed())
        .route("/oauth2/token", post(token::token))
        .route("/livez", get(health::live))
        .route("/health/alive", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/openapi.json", get(openapi::shown(Document::Public { log: public.log_is_public })))
        .route("/health/ready", get(health::ready))
        .with_state(public.clone())
        .merge(documents::router(public));
    let router = if public.log_is_public { router.merge(log) } else { router };
    router.layer(axum::middleware::map_response(hardened))
}

/// What is true of every answer: no cache keeps it unless it says so, and no browser guesses its type.
async fn hardened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
