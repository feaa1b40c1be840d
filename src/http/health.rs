//! Alive and ready. Alive never touches the store; ready tells what the background probes found.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::{Public, error};

/// The process answers.
pub(super) async fn live() -> &'static str {
    "alive\n"
}

/// Tokens can be issued now, or what is in the way.
pub(super) async fn ready(State(public): State<Arc<Public>>) -> Response {
    error::readiness(&public.health.complaints())
}
