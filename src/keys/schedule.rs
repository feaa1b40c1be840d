//! Which step of the rings is due, and when: the timers of a key's life.
//!
//! Pure and total. The only inputs are the committed ring and the settings, so
//! a run that is late, skipped or repeated, or a restart, changes nothing but
//! the moment: a step comes when it is due or later, never twice, never back.
//!
//! The bounds that the settings keep, by the letters of the design: T longest
//! token lifetime, C verifier's cache, P propagation between nodes, S largest
//! difference between two clocks, l verifier's leeway, A publish-ahead, R
//! retention, L active period.
//!
//! - A ≥ C + P + S. A key published at t by one clock may by another node still be
//!   missing at t + P, and a verifier may keep that answer for C more.
//! - R ≥ T + max(P, S) + 2S + l. A node that lags signs with the old key until
//!   P after its successor's activation, by a clock S ahead; a verifier takes
//!   that token for T + l by a clock S behind.
//! - L ≥ max(A, R). One generation is gone before the next one comes, so a ring
//!   has at most three keys in the JWKS unless an operator rotates or retains.

use std::time::Duration;

use super::plan::{self, Mark, Plan, Reason, Subject, Transition};
use super::{KeyFacts, KeyRing, KeyState};
use crate::jose::Algorithm;
use crate::time::Timestamp;

/// The settings that time a key's life; named as in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantities {
    /// L: how long a key signs.
    pub active_for: Duration,
    /// A: how long a key is published before it signs.
    pub publish_ahead: Duration,
    /// C: how long a conforming verifier keeps a JWKS.
    pub jwks_max_age: Duration,
    /// P: how long it takes until every node serves a committed change.
    pub propagation: Duration,
    /// S: the largest difference between two clocks.
    pub clock_skew: Duration,
    /// l: how long after `exp` a verifier may still accept.
    pub leeway: Duration,
    /// R: how long a key stays in the JWKS after its successor's activation.
    pub retain_for: Duration,
    /// T: the longest lifetime of an access token.
    pub max_lifetime: Duration,
}

impl Quantities {
    /// C + P + S: how long after its publication every verifier surely knows a key.
    /// `publish_ahead` must be at least this.
    pub fn known_after(&self) -> Duration {
        self.jwks_max_age.saturating_add(self.propagation).saturating_add(self.clock_skew)
    }

    /// T + max(P, S) + 2S + l: the least sound `retain_for`.
    pub fn least_retain_for(&self) -> Duration {
        self.max_lifetime.saturating_add(self.lag()).saturating_add(self.doubt())
    }

    /// max(A, R): the least sound `active_for`.
    pub fn least_active_for(&self) -> Duration {
        self.publish_ahead.max(self.retain_for)
    }

    /// min(C, A - P - S, A / 2): the `max-age` that the JWKS may carry. A verifier
    /// that keeps to it has fetched a key at least twice before it signs.
    pub fn served_max_age(&self) -> Duration {
        let spare = self.publish_ahead.saturating_sub(self.propagation).saturating_sub(self.clock_skew);
        self.jwks_max_age.min(spare).min(self.publish_ahead / 2)
    }

    /// P + C: how long a revoked key may still be believed.
    pub fn revocation_exposure(&self) -> Duration {
        self.propagation.saturating_add(self.jwks_max_age)
    }

    /// max(P, S): how long ago a key that looks active may have come to rest.
    fn lag(&self) -> Duration {
        self.propagation.max(self.clock_skew)
    }

    /// 2S + l: how long after `exp`, by the issuer's clock, a token may be accepted somewhere.
    fn doubt(&self) -> Duration {
        self.clock_skew.saturating_mul(2).saturating_add(self.leeway)
    }
}

/// The step that is due at `now`, or nothing. Apply it and ask again until there is nothing.
///
/// `algorithms` are those of the configuration. A ring whose algorithm is not among
/// them rests: it gets no new key and does not rotate, but what is passive still goes.
pub fn schedule(
    ring: &KeyRing,
    algorithms: &[Algorithm],
    quantities: &Quantities,
    now: Timestamp,
) -> Option<Plan> {
    next(ring, algorithms, quantities).filter(|plan| plan.due <= now)
}

/// The step that comes next, whenever that is: [`Plan::due`] tells.
pub fn next(ring: &KeyRing, algorithms: &[Algorithm], quantities: &Quantities) -> Option<Plan> {
    if !ring.ever_served() {
        return first_start(ring, algorithms, quantities);
    }
    // `min_by_key` takes the first of equals: a longer retention holds before any
    // token needs it, and what leaves the JWKS leaves before a new key enters it,
    // so that a ring never has four keys in between.
    lengthening(ring, quantities)
        .into_iter()
        .chain(removals(ring, quantities))
        .chain(configured(algorithms).filter_map(|algorithm| succession(ring, algorithm, quantities)))
        .min_by_key(|plan| plan.due)
}

/// All rings start in one act: after it, a ring counts as added later and has to wait.
fn first_start(ring: &KeyRing, algorithms: &[Algorithm], quantities: &Quantities) -> Option<Plan> {
    let transitions: Vec<_> =
        configured(algorithms).flat_map(|algorithm| plan::succeed(ring, algorithm)).collect();
    let plan = Plan::new(ring, Reason::FirstStart, Timestamp::default(), quantities.retain_for);
    (!transitions.is_empty()).then(|| plan.with(transitions))
}

/// Before a token may live longer than those before, its key must be kept for longer.
fn lengthening(ring: &KeyRing, quantities: &Quantities) -> Option<Plan> {
    let shorter = |key: &&KeyFacts| {
        key.state == KeyState::Active && key.retain_for.is_none_or(|now| now < quantities.retain_for)
    };
    let mut plan = Plan::new(ring, Reason::Lengthened, Timestamp::default(), quantities.retain_for);
    plan.marks = ring.keys.iter().filter(shorter).map(|key| Mark::Lengthen(key.kid)).collect();
    (!plan.is_idle()).then_some(plan)
}

pub(super) fn configured(algorithms: &[Algorithm]) -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.into_iter().filter(|algorithm| algorithms.contains(algorithm))
}

fn removals(ring: &KeyRing, quantities: &Quantities) -> impl Iterator<Item = Plan> {
    ring.keys.iter().filter_map(move |key| {
        ring.active(key.algorithm)?;
        let due = remove_at(key, quantities)?;
        Some(Plan::new(ring, Reason::Retention, due, quantities.retain_for).with([Transition {
            subject: Subject::Kid(key.kid),
            from: KeyState::Passive,
            to: KeyState::Removed,
        }]))
    })
}

fn succession(ring: &KeyRing, algorithm: Algorithm, quantities: &Quantities) -> Option<Plan> {
    let active = ring.active(algorithm);
    let Some(standby) = ring.standby(algorithm) else {
        let reason = if active.is_some() { Reason::StandbyMissing } else { Reason::RingAdded };
        let publish = plan::publish(ring, algorithm);
        return Some(Plan::new(ring, reason, Timestamp::default(), quantities.retain_for).with(publish));
    };
    let planned = by_age(active, standby, quantities)?;
    let (due, reason) = match (active, active.and_then(|active| by_wish(active, standby, quantities))) {
        (_, Some(wished)) if wished < planned => (wished, Reason::Requested),
        (Some(_), _) => (planned, Reason::Age),
        (None, _) => (planned, Reason::RingStarted),
    };
    Some(Plan::new(ring, reason, due, quantities.retain_for).with(plan::rotate(ring, algorithm)))
}

fn by_age(active: Option<&KeyFacts>, standby: &KeyFacts, quantities: &Quantities) -> Option<Timestamp> {
    let known = standby.published_at?.plus(quantities.publish_ahead);
    match active {
        Some(active) => Some(known.max(active.activated_at?.plus(quantities.active_for))),
        None => Some(known),
    }
}

fn by_wish(active: &KeyFacts, standby: &KeyFacts, quantities: &Quantities) -> Option<Timestamp> {
    let wished = active.rotation_requested_at?;
    Some(wished.max(standby.published_at?.plus(quantities.known_after())))
}

/// When the standby will sign, as things stand; `None` without a standby.
pub fn planned_activation(
    ring: &KeyRing,
    algorithm: Algorithm,
    quantities: &Quantities,
) -> Option<Timestamp> {
    ring.standby(algorithm)?;
    succession(ring, algorithm, quantities).map(|plan| plan.due)
}

/// The latest time in the life of the keys that wait for a timer, if it lies so far ahead of
/// `now` that a rotation would be missed by it: the clock went wrong, then or now.
pub fn ahead(ring: &KeyRing, quantities: &Quantities, now: Timestamp) -> Option<Timestamp> {
    let waits_since = |key: &KeyFacts| match key.state {
        KeyState::Published | KeyState::Active | KeyState::Passive => key.entered(key.state),
        KeyState::Staged | KeyState::Removed | KeyState::Revoked => None,
    };
    let latest = ring.keys.iter().filter_map(waits_since).max()?;
    (latest > now.plus(quantities.publish_ahead)).then_some(latest)
}

/// When a passive key leaves the JWKS: its own retention after its successor's
/// activation. `None` for every other state, and for a key that is retained.
pub fn remove_at(key: &KeyFacts, quantities: &Quantities) -> Option<Timestamp> {
    let rests = key.state == KeyState::Passive && !key.retain;
    rests.then_some(key.passive_at?.plus(key.retain_for.unwrap_or(quantities.retain_for)))
}

/// The longest lifetime of a token that `key` signs now, so that exp + 2S + l is
/// not after the removal of its key. Zero for a key that does not sign.
///
/// An active key is removed its retention R after its successor's activation.
/// That may come any moment by hand, and this node may learn of it max(P, S)
/// late, so a token issued at t has its key until t - max(P, S) + R at least, and
/// the answer is
///
/// ```text
/// R - max(P, S) - 2S - l  ≥  T      as R ≥ T + max(P, S) + 2S + l
/// ```
///
/// With sound settings it never shortens a token. It bites only where the
/// retention that the ring remembers is shorter than the settings ask for.
/// `retain` does not count, as it can be ended at any time.
pub fn longest_lifetime(key: &KeyFacts, quantities: &Quantities) -> Duration {
    let retained = key.retain_for.filter(|_| key.state == KeyState::Active).unwrap_or_default();
    retained.saturating_sub(quantities.lag()).saturating_sub(quantities.doubt())
}

#[cfg(test)]
mod tests;
