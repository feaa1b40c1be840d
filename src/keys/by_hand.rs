//! The operator's acts on the rings: rotate, revoke, retain, release, import.
//!
//! Pure, as plans that the caller applies like those of the schedule. They
//! never wait and never ask whether the operator may: that is `admin`'s work.

use std::time::Duration;

use super::plan::{self, Mark, Plan, Reason, Subject, Transition};
use super::schedule::Quantities;
use super::{KeyFacts, KeyRing, KeyState};
use crate::jose::{Algorithm, Kid, PublicJwk};
use crate::time::Timestamp;

/// As many staged keys as one ring may hold: imported ones wait for their turn there.
pub const MOST_STAGED: usize = 4;

/// A rotation by hand: what happens now, and what the schedule is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Idle when every ring waits already. [`Plan::exposure`] tells for how long verifiers may
    /// meet an unknown `kid`; zero unless it goes ahead at once.
    pub plan: Plan,
    /// Rings whose standby signs once the plan is applied.
    pub rotated: Vec<Algorithm>,
    /// Rings whose standby some verifier may not know yet, and when all of them do.
    pub waiting: Vec<(Algorithm, Timestamp)>,
}

/// No key of these algorithms has signed yet, so there is none to replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no active key of that algorithm")]
pub struct NoActiveKey;

/// Rotates the rings of `algorithms` that have started, each by itself.
///
/// A standby needs to be published for C + P + S; else its ring is marked, and the
/// schedule activates it as soon as that is over. With `at_once` it goes ahead all the same.
pub fn rotate_by_hand(
    ring: &KeyRing,
    algorithms: &[Algorithm],
    at_once: bool,
    quantities: &Quantities,
    now: Timestamp,
) -> Result<Rotation, NoActiveKey> {
    let plan = Plan::new(ring, Reason::ByHand, now, quantities.retain_for);
    let mut rotation = Rotation { plan, rotated: Vec::new(), waiting: Vec::new() };
    let mut transitions = Vec::new();
    for key in algorithms.iter().filter_map(|algorithm| ring.active(*algorithm)) {
        let published = ring.standby(key.algorithm).and_then(|standby| standby.published_at);
        let known_at = published.unwrap_or(now).plus(quantities.known_after());
        if known_at <= now || at_once {
            transitions.extend(plan::rotate(ring, key.algorithm));
            rotation.rotated.push(key.algorithm);
            rotation.plan.exposure = rotation.plan.exposure.max(known_at.since(now));
        } else {
            rotation.waiting.push((key.algorithm, known_at));
            // Asked again, it stays the first wish.
            if key.rotation_requested_at.is_none() {
                rotation.plan.marks.push(Mark::RequestRotation(key.kid));
            }
        }
    }
    if rotation.rotated.is_empty() && rotation.waiting.is_empty() {
        return Err(NoActiveKey);
    }
    rotation.plan = rotation.plan.with(transitions);
    Ok(rotation)
}

/// Why an act on one key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No key has that identifier.
    #[error("there is no such key")]
    UnknownKey,
    /// The key is revoked: it is never served again, and cannot be revoked twice.
    #[error("the key is revoked: it never comes back, and no verifier with a fresh JWKS takes its tokens")]
    Revoked,
    /// Only a key that is in the JWKS can be held there.
    #[error("the key is not in the JWKS")]
    NotServed,
    /// It is as asked already.
    #[error("the key is so already")]
    NoChange,
    /// A `kid` is never used again, whatever became of its key.
    #[error("the key was in this ring before; a key is never used twice")]
    Known,
    /// Nothing to seal anew.
    #[error("the keys are sealed under this KEK already; keys.kek_file must name it before the next start")]
    SameKek,
    /// The algorithm is not one of the configured.
    #[error("keys.algorithms does not name that algorithm")]
    NotConfigured,
    /// Imported keys wait in line, and the line is bounded.
    #[error("several staged keys wait already; rotate first")]
    TooManyStaged,
}

/// Takes a key out of the JWKS at once and for ever, from any state.
///
/// In the same act the standby follows an active key, or a new key where there is
/// none, and a new standby is published if the algorithm is one of `algorithms`. A
/// staged key is passed over: who could read this one could read that one too.
/// [`Plan::exposure`] is P + C.
pub fn revoke(
    ring: &KeyRing,
    kid: Kid,
    reason: &str,
    (algorithms, quantities): (&[Algorithm], &Quantities),
    now: Timestamp,
) -> Result<Plan, Refusal> {
    let key = find(ring, kid)?;
    let configured = algorithms.contains(&key.algorithm);
    let out = Transition { subject: Subject::Kid(kid), from: key.state, to: KeyState::Revoked };
    let reason = Reason::Revoked(reason.to_owned());
    let mut plan = Plan::new(ring, reason, now, quantities.retain_for).with([out]);
    plan.exposure = if key.state.is_served() { quantities.revocation_exposure() } else { Duration::ZERO };
    Ok(match key.state {
        // A ring that rests gets an heir, as one that signed must have, and no standby.
        KeyState::Active => {
            plan.with(plan::succeed_unseen(ring, key.algorithm).take(if configured { 2 } else { 1 }))
        }
        KeyState::Published if configured => plan.with([plan::publish_unseen(key.algorithm)]),
        KeyState::Published
        | KeyState::Staged
        | KeyState::Passive
        | KeyState::Removed
        | KeyState::Revoked => plan,
    })
}

/// Holds a key in the JWKS whatever the timers say, until it is released or revoked.
pub fn retain(ring: &KeyRing, kid: Kid, now: Timestamp) -> Result<Plan, Refusal> {
    let key = find(ring, kid)?;
    if !key.state.is_served() {
        return Err(Refusal::NotServed);
    }
    if key.retain {
        return Err(Refusal::NoChange);
    }
    Ok(mark(ring, Reason::Retained, Mark::Retain(kid), now))
}

/// Gives a retained key back to the timers. If its time is over, it goes with the next step.
pub fn release(ring: &KeyRing, kid: Kid, now: Timestamp) -> Result<Plan, Refusal> {
    if !find(ring, kid)?.retain {
        return Err(Refusal::NoChange);
    }
    Ok(mark(ring, Reason::Released, Mark::Release(kid), now))
}

/// Takes a key that was made elsewhere into the ring, staged: the next standby that the
/// ring needs is this one instead of a fresh one.
pub fn import(
    ring: &KeyRing,
    public: &PublicJwk,
    algorithms: &[Algorithm],
    now: Timestamp,
) -> Result<Plan, Refusal> {
    let algorithm = public.algorithm();
    if ring.key(public.kid()).is_some() {
        return Err(Refusal::Known);
    }
    if !algorithms.contains(&algorithm) {
        return Err(Refusal::NotConfigured);
    }
    if ring.of(algorithm).filter(|key| key.state == KeyState::Staged).count() >= MOST_STAGED {
        return Err(Refusal::TooManyStaged);
    }
    let enters =
        Transition { subject: Subject::New(algorithm), from: KeyState::Staged, to: KeyState::Staged };
    Ok(Plan::new(ring, Reason::Imported, now, Duration::ZERO).with([enters]))
}

fn find(ring: &KeyRing, kid: Kid) -> Result<&KeyFacts, Refusal> {
    let key = ring.key(kid).ok_or(Refusal::UnknownKey)?;
    if key.state == KeyState::Revoked { Err(Refusal::Revoked) } else { Ok(key) }
}

fn mark(ring: &KeyRing, reason: Reason, mark: Mark, now: Timestamp) -> Plan {
    // It activates nothing, so it gives no retention.
    let mut plan = Plan::new(ring, reason, now, Duration::ZERO);
    plan.marks.push(mark);
    plan
}

#[cfg(test)]
mod tests;
