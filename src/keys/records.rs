//! What the log says of a step: one record for each state that a key entered, and for each mark.

use serde::Serialize;

use super::plan::{Mark, Plan, Reason};
use super::{Change, KeyRing, KeyState};
use crate::audit::body;
use crate::audit::event::EventType;
use crate::audit::leaf::Record;
use crate::jose::{Algorithm, Kid};
use crate::time::Timestamp;

/// The actor of what happens by itself.
pub(super) const SCHEDULE: &str = "schedule";

/// Who does it, and what that person says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    /// `unix:<uid>`, `client:<id>` or [`SCHEDULE`].
    pub(super) actor: &'a str,
    /// Since when a revoked key may have been in other hands.
    pub(super) since: Option<Timestamp>,
}

impl Told<'_> {
    /// By itself.
    pub(super) const BY_SCHEDULE: Told<'static> = Told { actor: SCHEDULE, since: None };
}

/// The body of a `key.*` record; members in this order.
#[derive(Serialize)]
struct KeyBody<'a> {
    alg: &'static str,
    reason: &'a str,
    since: Option<String>,
    actor: &'a str,
}

/// The body of a `config.changed` record; members in this order, spans in seconds.
#[derive(Serialize)]
struct ConfigBody<'a> {
    actor: &'a str,
    via: &'static str,
    request_id: Option<&'a str>,
    object: &'static str,
    before: u64,
    after: u64,
}

/// The body of a `clock.skew` record of the keys; members in this order.
#[derive(Serialize)]
struct MovedBody {
    before: String,
    after: String,
    object: &'static str,
}

/// The dates of the keys were moved, because the clock was.
pub(super) fn of_move(before: Timestamp, after: Timestamp) -> Record {
    let body = MovedBody { before: before.to_string(), after: after.to_string(), object: "keys" };
    Record::of(EventType::ClockSkew, body::line(&body))
}

/// The records of a step from `before` to `after`, in the order of the log.
pub(super) fn of_step(before: &KeyRing, after: &KeyRing, plan: &Plan, told: Told<'_>) -> Vec<Record> {
    let reason = plan.reason.as_str();
    let entered = after.changes_since(before).into_iter().map(|Change { kid, algorithm, to }| {
        let since = told.since.filter(|_| to == KeyState::Revoked);
        of_key(entering(to, &plan.reason), (kid, algorithm), reason, Told { since, ..told })
    });
    let marked = plan.marks.iter().filter_map(|mark| {
        let event = match mark {
            Mark::RequestRotation(_) => EventType::KeyRotationRequested,
            Mark::Retain(_) => EventType::KeyRetained,
            Mark::Release(_) => EventType::KeyReleased,
            Mark::Lengthen(_) => return None,
        };
        let key = after.key(mark.kid())?;
        Some(of_key(event, (key.kid, key.algorithm), reason, Told { since: None, ..told }))
    });
    entered.chain(marked).chain(lengthened(before, plan, told)).collect()
}

/// A record of `event` about one key.
pub(super) fn of_key(
    event: EventType,
    (kid, algorithm): (Kid, Algorithm),
    reason: &str,
    told: Told<'_>,
) -> Record {
    let since = told.since.map(|since| since.to_string());
    let body = KeyBody { alg: algorithm.as_str(), reason, since, actor: told.actor };
    Record { kid: Some(kid), ..Record::of(event, body::line(&body)) }
}

/// One for all keys: what changed is a setting.
fn lengthened(before: &KeyRing, plan: &Plan, told: Told<'_>) -> Option<Record> {
    let least = plan.marks.iter().filter_map(|mark| match mark {
        Mark::Lengthen(kid) => Some(before.key(*kid)?.retain_for.unwrap_or_default()),
        Mark::RequestRotation(_) | Mark::Retain(_) | Mark::Release(_) => None,
    });
    let body = ConfigBody {
        actor: told.actor,
        via: "settings",
        request_id: None,
        object: "keys.retain_for",
        before: least.min()?.as_secs(),
        after: plan.retain_for.as_secs(),
    };
    Some(Record::of(EventType::ConfigChanged, body::line(&body)))
}

fn entering(state: KeyState, reason: &Reason) -> EventType {
    match state {
        KeyState::Staged if *reason == Reason::Imported => EventType::KeyImported,
        KeyState::Staged => EventType::KeyStaged,
        KeyState::Published => EventType::KeyPublished,
        KeyState::Active => EventType::KeyActivated,
        KeyState::Passive => EventType::KeyPassive,
        KeyState::Removed => EventType::KeyRemoved,
        KeyState::Revoked => EventType::KeyRevoked,
    }
}
