//! `/admin/v1/audit`: the log as auditors read it, each question recorded once.

mod entries;
mod export;
mod proof;
mod tail;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::AdminSide;

pub(super) fn router() -> Router<Arc<AdminSide>> {
    Router::new()
        .route("/admin/v1/audit/entries", get(entries::search))
        .route("/admin/v1/audit/entries/{index}", get(entries::show))
        .route("/admin/v1/audit/export", get(export::export))
        .route("/admin/v1/audit/proof", get(proof::proof))
        .route("/admin/v1/audit/tail", get(tail::tail))
}
