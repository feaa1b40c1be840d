//! `/admin/v1/keys`.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::listing::{Listing, Route};
use super::{AdminSide, Caller, Shared, answer, read_body, to_its_end};
use crate::admin::{Refusal, Revoke};
use crate::audit::unexpired::Unexpired;
use crate::http::error;
use crate::jose::{Algorithm, Kid};
use crate::keys::by_hand::Rotation;
use crate::keys::rotator::{Revocation, Rotator};
use crate::keys::timeline::{Planned, planned};
use crate::keys::{KeyFacts, KeyRing};
use crate::time::Timestamp;

const KEYS: &str = "/admin/v1/keys";

#[derive(Serialize)]
struct KeyBody {
    kid: String,
    alg: &'static str,
    state: &'static str,
    created_at: u64,
    published_at: Option<u64>,
    activated_at: Option<u64>,
    passive_at: Option<u64>,
    /// When it leaves, or left, the JWKS.
    remove_at: Option<u64>,
    revoked_at: Option<u64>,
    rotation_requested_at: Option<u64>,
    retain: bool,
    reason: Option<String>,
    /// What is ahead of it, as things stand.
    planned: PlannedBody,
}

#[expect(clippy::struct_field_names, reason = "the names are those of the key's own times")]
#[derive(Serialize)]
struct PlannedBody {
    activated_at: Option<u64>,
    passive_at: Option<u64>,
    remove_at: Option<u64>,
}

impl KeyBody {
    fn of(ring: &KeyRing, key: &KeyFacts, rotator: &Rotator) -> Self {
        let Planned { activated_at, passive_at, remove_at } =
            planned(ring, key, rotator.algorithms(), rotator.quantities());
        Self {
            kid: key.kid.to_string(),
            alg: key.algorithm.as_str(),
            state: key.state.as_str(),
            created_at: key.created_at.seconds(),
            published_at: seconds(key.published_at),
            activated_at: seconds(key.activated_at),
            passive_at: seconds(key.passive_at),
            remove_at: seconds(key.revoked_at.or(key.removed_at).or(remove_at)),
            revoked_at: seconds(key.revoked_at),
            rotation_requested_at: seconds(key.rotation_requested_at),
            retain: key.retain,
            reason: key.reason.clone(),
            planned: PlannedBody {
                activated_at: seconds(activated_at),
                passive_at: seconds(passive_at),
                remove_at: seconds(remove_at),
            },
        }
    }
}

fn seconds(time: Option<Timestamp>) -> Option<u64> {
    time.map(Timestamp::seconds)
}

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

#[derive(Serialize)]
struct RotationBody {
    /// The algorithms whose next key signs now.
    rotated: Vec<&'static str>,
    waiting: Vec<WaitingBody>,
    /// When the last of those that wait signs; `null` if none waits.
    activates_at: Option<u64>,
    /// Seconds for which verifiers may misjudge tokens.
    exposure: u64,
}

#[derive(Serialize)]
struct WaitingBody {
    alg: &'static str,
    activates_at: u64,
}

async fn rotate(State(side): Shared, caller: Caller, headers: HeaderMap, body: Bytes) -> Response {
    let Rotate { alg, now } = match read_body(&headers, &body, &caller) {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.rotate_keys(&actor, alg, now).await }).await;
    answer(done, &caller.0.request_id, |Rotation { plan, rotated, waiting }| {
        let last = waiting.iter().map(|(_, at)| *at).max();
        let waits = |(alg, at): &(Algorithm, Timestamp)| WaitingBody {
            alg: alg.as_str(),
            activates_at: at.seconds(),
        };
        let body = error::json(&RotationBody {
            rotated: rotated.iter().map(|algorithm| algorithm.as_str()).collect(),
            waiting: waiting.iter().map(waits).collect(),
            activates_at: seconds(last),
            exposure: plan.exposure.as_secs(),
        });
        if waiting.is_empty() { body } else { (error::ACCEPTED, body).into_response() }
    })
}

/// The key that a path names; what is no `kid` names none.
fn named(kid: &str) -> Result<Kid, Refusal> {
    Kid::parse(kid).ok_or(Refusal::NotFound("key"))
}

fn one_key(done: Result<KeyFacts, Refusal>, side: &AdminSide, caller: &Caller) -> Response {
    answer(done, &caller.0.request_id, |key| {
        let rotator = side.admin.rotator();
        error::json(&KeyBody::of(&rotator.ring(), &key, rotator))
    })
}

async fn retain(State(side): Shared, caller: Caller, Path(kid): Path<String>) -> Response {
    let (admin, actor) = (side.admin.clone(), caller.0.clone());
    let done = to_its_end(async move { admin.retain_key(&actor, named(&kid)?).await }).await;
    one_key(done, &side, &caller)
}

async fn release(State(side): Shared, caller: Caller, Path(kid): Path<String>) -> Response {
    let (admin, actor) = (side.admin.clone(), caller.0.clone());
    let done = to_its_end(async move { admin.release_key(&actor, named(&kid)?).await }).await;
    one_key(done, &side, &caller)
}

#[derive(Serialize)]
struct RevocationBody {
    kid: String,
    alg: &'static str,
    /// The state before.
    state: &'static str,
    dry_run: bool,
    revoked_at: Option<u64>,
    since: Option<u64>,
    /// The key that signs instead, where the revoked one signed and the other exists.
    successor: Option<String>,
    /// Seconds for which verifiers may still believe the key.
    exposure: u64,
    /// `null` where they could not be counted in time.
    unexpired: Option<UnexpiredBody>,
}

#[derive(Serialize)]
struct UnexpiredBody {
    count: u64,
    latest_exp: Option<u64>,
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
    let (since, dry_run, actor) = (revoke.since, revoke.dry_run, caller.0.clone());
    let done = to_its_end(async move { side.admin.revoke_key(&actor, named(&kid)?, &revoke).await }).await;
    answer(done, &caller.0.request_id, |(revocation, unexpired)| {
        let Revocation { key, revoked_at, successor, plan } = revocation;
        let told = |Unexpired { count, latest_exp }| UnexpiredBody { count, latest_exp: seconds(latest_exp) };
        error::json(&RevocationBody {
            kid: key.kid.to_string(),
            alg: key.algorithm.as_str(),
            state: key.state.as_str(),
            dry_run,
            revoked_at: seconds(revoked_at),
            since,
            successor: successor.map(|kid| kid.to_string()),
            exposure: plan.exposure.as_secs(),
            unexpired: unexpired.map(told),
        })
    })
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
    let (admin, actor, pem) = (side.admin.clone(), caller.0.clone(), Zeroizing::new(pkcs8));
    let done = to_its_end(async move { admin.import_key(&actor, pem, alg).await }).await;
    answer(done, &caller.0.request_id, |key| {
        let rotator = side.admin.rotator();
        (error::CREATED, error::json(&KeyBody::of(&rotator.ring(), &key, rotator))).into_response()
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rewrap {
    /// An absolute path on the issuer's machine.
    kek_file: PathBuf,
}

#[derive(Serialize)]
struct RewrapBody {
    /// The public fingerprint of the KEK in force.
    kek_id: String,
    /// How many keys were sealed anew, the log's among them.
    keys: usize,
}

async fn rewrap(State(side): Shared, caller: Caller, headers: HeaderMap, body: Bytes) -> Response {
    let Rewrap { kek_file } = match read_body(&headers, &body, &caller) {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let actor = caller.0.clone();
    let done = to_its_end(async move { side.admin.rewrap_keys(&actor, kek_file).await }).await;
    answer(done, &caller.0.request_id, |(kek_id, keys)| error::json(&RewrapBody { kek_id, keys }))
}
