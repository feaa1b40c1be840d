//! `GET /metrics`: every number of this process, for an operator's monitoring. OpenMetrics 1.0.0.

use axum::extract::State;
use axum::response::Response;

use super::{Caller, Shared};
use crate::http::error;
use crate::telemetry::metrics::MEDIA_TYPE;

/// The page as it is now.
pub(super) async fn metrics(State(side): Shared, caller: Caller) -> Response {
    error::written(side.metrics.text(), MEDIA_TYPE, &caller.0.request_id)
}
