//! `/admin/v1/keys`.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::listing::{Listing, Route};
use super::{AdminSide, Caller, Shared, answer, read_body, to_its_end, told};
use crate::admin::{KeyBody, Refusal, Revoke};
use crate::http::error;
use crate::jose::{Algorithm, Kid};

const KEYS: &str = "/admin/v1/keys";

pub(super) fn router() -> Router<Arc<AdminSide>> {
    Router::new()
        .route(KEYS, get(list))
        .route("/admin/v1/keys/rotate", post(rotate))
        .route("/admin/v1/keys/import", post(import))
        .route("/admin/v1/keys/rewrap", post(rewrap))
        .route("/admin/v1/keys/{kid}/retain", post(retain))
        .route("/admin/v1/keys/{kid}/release", post(release))
        .route("/admin/v1/keys/{kid}/revoke", post(revoke))
}

#[derive(Serialize)]
struct KeyList {
    items: Vec<KeyBody>,
    /// The issuer's time, to draw what is past and what is ahead.
    now: u64,
}

/// In the order in which the keys were made.
async fn list(State(side): Shared, caller: Caller, RawQuery(query): RawQuery) -> Response {
    let listing = match Listing::read(Route::whole(KEYS), query.as_deref(), &caller, &side.cursors) {
        Ok(listing) => listing,
        Err(refused) => return *refused,
    };
    let rotator = side.admin.rotator();
    let ring = rotator.ring();
    let after = listing.after_name().and_then(Kid::parse);
    let seen = after.and_then(|kid| ring.keys.iter().position(|key| key.kid == kid));
    let rest = ring.keys.get(seen.map_or(0, |last| last + 1)..).unwrap_or_default();
    let page = rest.get(..listing.limit).unwrap_or(rest);
    let next = page.last().filter(|_| page.len() < rest.len()).map(|key| key.kid.to_string());
    let items = page.iter().map(|key| KeyBody::of(&ring, key, rotator)).collect();
    let list = KeyList { items, now: side.admin.now().seconds() };
    listing.linked(error::json(&list), next.as_deref().map(str::as_bytes), &side.cursors)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    /// One ring, or all.
    #[serde(default)]
    alg: Option<Algorithm>,
    /// Also where some verifier may not know the successor yet.
    #[serde(default)]
    now: bool,
}

async fn rotate(State(side): Shared, caller: Caller, headers: HeaderMap, body: Bytes) -> Response {
    let Rotate { alg, now } = match read_body(&headers, &body, &caller) {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.rotate_keys(&actor, alg, now).await }).await;
    answer(done, &caller.0.request_id, told)
}

/// The key that a path names; what is no `kid` names none.
fn named(kid: &str) -> Result<Kid, Refusal> {
    Kid::parse(kid).ok_or(Refusal::NotFound("key"))
}

async fn retain(State(side): Shared, caller: Caller, Path(kid): Path<String>) -> Response {
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.retain_key(&actor, named(&kid)?).await }).await;
    answer(done, &caller.0.request_id, told)
}

async fn release(State(side): Shared, caller: Caller, Path(kid): Path<String>) -> Response {
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.release_key(&actor, named(&kid)?).await }).await;
    answer(done, &caller.0.request_id, told)
}

async fn revoke(
    State(side): Shared,
    caller: Caller,
    Path(kid): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let revoke: Revoke = match read_body(&headers, &body, &caller) {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.revoke_key(&actor, named(&kid)?, &revoke).await }).await;
    answer(done, &caller.0.request_id, told)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    /// PKCS#8 in PEM.
    pkcs8: String,
    /// By default the one that follows from the key.
    #[serde(default)]
    alg: Option<Algorithm>,
}

async fn import(State(side): Shared, caller: Caller, headers: HeaderMap, body: Bytes) -> Response {
    let Import { pkcs8, alg } = match read_body(&headers, &body, &caller) {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let (actor, pem) = (caller.0.clone(), Zeroizing::new(pkcs8));
    let done = to_its_end(async move { side.admin.import_key(&actor, pem, alg).await }).await;
    answer(done, &caller.0.request_id, told)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rewrap {
    /// An absolute path on the issuer's machine.
    kek_file: PathBuf,
}

async fn rewrap(State(side): Shared, caller: Caller, headers: HeaderMap, body: Bytes) -> Response {
    let Rewrap { kek_file } = match read_body(&headers, &body, &caller) {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.rewrap_keys(&actor, kek_file).await }).await;
    answer(done, &caller.0.request_id, told)
}
