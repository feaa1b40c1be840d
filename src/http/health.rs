//! Alive and ready. Alive never touches anything; ready tells what the background tasks found, and
//! looks itself whether they still look and whether the clock can be right. Neither touches the store.

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
    let mut readiness = public.health.readiness();
    if let Err(insane) = public.wall_clock.look() {
        readiness.obstruct(format!(
            "clock: {insane}; set the clock of this machine, or restart the service if it is right"
        ));
    }
    error::readiness(&readiness)
}
