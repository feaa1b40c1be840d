//! `/admin/v1/audit`: the log as auditors read it, each question recorded once.

mod entries;
mod erase;
mod export;
mod find;
mod proof;
mod tail;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::AdminSide;

pub(super) fn router() -> Router<Arc<AdminSide>> {
    Router::new()
        .route("/admin/v1/audit/entries", get(entries::search))
        .route("/admin/v1/audit/entries/{index}", get(entries::show))
        .route("/admin/v1/audit/export", get(export::export))
        .route("/admin/v1/audit/proof", get(proof::proof))
        .route("/admin/v1/audit/report", get(super::report::report))
        .route("/admin/v1/audit/find", post(find::find))
        .route("/admin/v1/audit/erase", post(erase::erase))
        .route("/admin/v1/audit/tail", get(tail::tail))
}
