//! `/admin/v1/keys`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::{AdminSide, Caller, Shared, answer, listing, read_body, to_its_end};
use crate::http::error;
use crate::jose::Algorithm;
use crate::keys::KeyFacts;
use crate::keys::schedule::{Quantities, remove_at};
use crate::time::Timestamp;

#[derive(Serialize)]
struct KeyBody {
    kid: String,
    alg: &'static str,
    state: &'static str,
    published_at: Option<u64>,
    activated_at: Option<u64>,
    passive_at: Option<u64>,
    /// When it leaves, or left, the JWKS.
    remove_at: Option<u64>,
    retain: bool,
    reason: Option<String>,
}

impl KeyBody {
    fn of(key: &KeyFacts, quantities: &Quantities) -> Self {
        let seconds = |time: Option<Timestamp>| time.map(Timestamp::seconds);
        Self {
            kid: key.kid.to_string(),
            alg: key.algorithm.as_str(),
            state: key.state.as_str(),
            published_at: seconds(key.published_at),
            activated_at: seconds(key.activated_at),
            passive_at: seconds(key.passive_at),
            remove_at: seconds(key.revoked_at.or(key.removed_at).or_else(|| remove_at(key, quantities))),
            retain: key.retain,
            reason: key.reason.clone(),
        }
    }
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
    rotated: bool,
    /// Seconds for which verifiers may misjudge tokens.
    exposure: u64,
    activates_at: Option<u64>,
}

pub(super) fn router() -> Router<Arc<AdminSide>> {
    Router::new().route("/admin/v1/keys", get(list)).route("/admin/v1/keys/rotate", post(rotate))
}

async fn list(State(side): Shared, caller: Caller, RawQuery(query): RawQuery) -> Response {
    if let Err(refused) = listing::read_query(query.as_deref(), &[], &caller.0.request_id) {
        return *refused;
    }
    let rotator = side.admin.rotator();
    let keys = rotator.ring().keys.iter().map(|key| KeyBody::of(key, rotator.quantities())).collect();
    listing::items::<KeyBody>(keys, None, "", 0)
}

async fn rotate(State(side): Shared, caller: Caller, headers: HeaderMap, body: Bytes) -> Response {
    let Rotate { alg, now } = match read_body(&headers, &body, &caller) {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let actor = caller.0.name.clone();
    let done = to_its_end(async move { Ok(side.admin.rotator().rotate(alg, now, &actor).await?) }).await;
    answer(done, &caller.0.request_id, |(plan, waits)| {
        let activates_at = waits.map(Timestamp::seconds);
        let body = RotationBody { rotated: waits.is_none(), exposure: plan.exposure.as_secs(), activates_at };
        if waits.is_some() {
            (error::ACCEPTED, error::json(&body)).into_response()
        } else {
            error::json(&body)
        }
    })
}
