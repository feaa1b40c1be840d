//! Answers to acts on the signing keys, and what a list says of each.

use serde::Serialize;

use super::{Answer, Outcome};
use crate::admin::Revoke;
use crate::audit::unexpired::Unexpired;
use crate::jose::Algorithm;
use crate::keys::by_hand::Rotation;
use crate::keys::rotator::{InRing, Revocation, Rotator};
use crate::keys::timeline::{Planned, planned};
use crate::keys::{KeyFacts, KeyRing};
use crate::time::Timestamp;

/// A key: times are Unix seconds.
#[derive(Serialize)]
pub struct KeyBody {
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

/// When a key enters the states that are ahead of it.
#[expect(clippy::struct_field_names, reason = "the names are those of the key's own times")]
#[derive(Serialize)]
struct PlannedBody {
    activated_at: Option<u64>,
    passive_at: Option<u64>,
    remove_at: Option<u64>,
}

impl KeyBody {
    /// The key as it stands in this ring.
    pub fn of(ring: &KeyRing, key: &KeyFacts, rotator: &Rotator) -> Self {
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

/// What a rotation by hand does now, and what it waits for.
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

/// A ring whose next key some verifier may not know yet.
#[derive(Serialize)]
struct WaitingBody {
    alg: &'static str,
    activates_at: u64,
}

/// What a revocation did, or would do.
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

/// Tokens by a key that live still.
#[derive(Serialize)]
struct UnexpiredBody {
    count: u64,
    latest_exp: Option<u64>,
}

/// What sealing the keys anew did.
#[derive(Serialize)]
struct RewrapBody<'a> {
    /// The public fingerprint of the KEK in force.
    kek_id: &'a str,
    /// How many keys were sealed anew, the log's among them.
    keys: usize,
}

impl Answer {
    pub(in crate::admin) fn of_rotation(rotation: &Rotation) -> Self {
        let Rotation { plan, rotated, waiting } = rotation;
        let last = waiting.iter().map(|(_, at)| *at).max();
        let waits = |(alg, at): &(Algorithm, Timestamp)| WaitingBody {
            alg: alg.as_str(),
            activates_at: at.seconds(),
        };
        let body = RotationBody {
            rotated: rotated.iter().map(|algorithm| algorithm.as_str()).collect(),
            waiting: waiting.iter().map(waits).collect(),
            activates_at: seconds(last),
            exposure: plan.exposure.as_secs(),
        };
        Self::new(if waiting.is_empty() { Outcome::Done } else { Outcome::Awaited }, None, &body)
    }

    pub(in crate::admin) fn of_key(outcome: Outcome, key: &InRing, rotator: &Rotator) -> Self {
        Self::new(outcome, None, &KeyBody::of(&key.ring, &key.key, rotator))
    }

    pub(in crate::admin) fn of_revocation(
        revocation: &Revocation,
        asked: &Revoke,
        unexpired: Option<&Unexpired>,
    ) -> Self {
        let Revocation { key, revoked_at, successor, plan } = revocation;
        let told =
            |found: &Unexpired| UnexpiredBody { count: found.count, latest_exp: seconds(found.latest_exp) };
        Self::done(&RevocationBody {
            kid: key.kid.to_string(),
            alg: key.algorithm.as_str(),
            state: key.state.as_str(),
            dry_run: asked.dry_run,
            revoked_at: seconds(*revoked_at),
            since: asked.since,
            successor: successor.map(|kid| kid.to_string()),
            exposure: plan.exposure.as_secs(),
            unexpired: unexpired.map(told),
        })
    }

    pub(in crate::admin) fn of_rewrap(kek_id: &str, keys: usize) -> Self {
        Self::done(&RewrapBody { kek_id, keys })
    }
}
