//! `GET /log/*`: the transparency log. C2SP tlog-tiles and tlog-proof.

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::error;
use crate::audit::served::{NoReceipt, Served};
use crate::oauth::form::Form;

const TEXT: &str = "text/plain; charset=utf-8";
/// A tile never changes: its content follows from its path and the log's name.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Checkpoint, tiles, entry bundles, key, receipts.
pub(super) fn router(served: Served, vkey: &str) -> Router {
    let vkey = format!("{vkey}\n");
    Router::new()
        .route("/log/checkpoint", get(checkpoint))
        .route("/log/tile/{*path}", get(tile))
        .route("/log/proof", get(proof))
        .with_state(served)
        .route("/log/vkey", get(move || std::future::ready(([(header::CONTENT_TYPE, TEXT)], vkey.clone()))))
}

async fn checkpoint(State(served): State<Served>) -> Response {
    match served.published() {
        Some(published) => ([(header::CONTENT_TYPE, TEXT)], published.note).into_response(),
        None => error::try_later(),
    }
}

async fn tile(State(served): State<Served>, Path(path): Path<String>) -> Response {
    match served.tile(&path).await {
        Ok(Some(bytes)) => {
            let headers =
                [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, FOR_EVER)];
            (headers, bytes).into_response()
        }
        Ok(None) => error::log_read(None),
        Err(fault) => error::log_read(Some(&fault)),
    }
}

async fn proof(State(served): State<Served>, RawQuery(query): RawQuery) -> Response {
    let form = Form::parse(query.unwrap_or_default().as_bytes()).ok();
    let Some(jti) = form.as_ref().and_then(|form| form.value("jti")) else { return error::log_read(None) };
    match served.receipt(jti).await {
        Ok(receipt) => ([(header::CONTENT_TYPE, TEXT)], receipt.to_string()).into_response(),
        Err(NoReceipt::Unknown) => error::log_read(None),
        Err(NoReceipt::NotYet) => error::try_later(),
        Err(NoReceipt::Store(fault)) => error::log_read(Some(&fault)),
    }
}
