//! The operator's acts on the rings: rotate, revoke, retain, release.
//!
//! Pure, as plans that the caller applies like those of the schedule. They
//! never wait and never ask whether the operator may: that is `admin`'s work.

use std::time::Duration;

use super::plan::{self, Mark, Plan, Reason, Subject, Transition};
use super::schedule::Quantities;
use super::{KeyFacts, KeyRing, KeyState};
use crate::jose::{Algorithm, Kid};
use crate::time::Timestamp;

/// Why a rotation by hand does not happen now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// Some verifier may not know the successor yet. Applying `request` asks the schedule to do it then.
    #[error("the successor is not known to every verifier before {activates_at}")]
    NotYet {
        /// When the last of the rings can rotate.
        activates_at: Timestamp,
        /// Marks the active keys; each ring rotates as soon as it can.
        request: Box<Plan>,
    },
    /// No key of that algorithm has signed yet, so there is none to replace.
    #[error("there is no active key of that algorithm")]
    NoActiveKey,
}

/// Rotates one ring, or every ring that has started when `algorithm` is `None`: all of them or none.
///
/// The standbys need to be published for C + P + S, else [`NotNow::NotYet`].
/// With `at_once` it goes ahead all the same; [`Plan::exposure`] then tells for how
/// long verifiers may meet an unknown `kid`.
pub fn rotate_by_hand(
    ring: &KeyRing,
    algorithm: Option<Algorithm>,
    at_once: bool,
    quantities: &Quantities,
    now: Timestamp,
) -> Result<Plan, NotNow> {
    let wanted = |candidate: &Algorithm| algorithm.is_none_or(|algorithm| algorithm == *candidate);
    let active: Vec<_> =
        Algorithm::ALL.into_iter().filter(wanted).filter_map(|each| ring.active(each)).collect();
    let known_at = |key: &&KeyFacts| {
        let published = ring.standby(key.algorithm).and_then(|standby| standby.published_at);
        published.unwrap_or(now).plus(quantities.known_after())
    };
    let activates_at = active.iter().map(known_at).max().ok_or(NotNow::NoActiveKey)?;
    if activates_at > now && !at_once {
        let mut request = Plan::new(ring, Reason::RotationRequested, now);
        request.marks = active.iter().map(|key| Mark::RequestRotation(key.kid)).collect();
        return Err(NotNow::NotYet { activates_at, request: Box::new(request) });
    }
    let transitions = active.iter().flat_map(|key| plan::rotate(ring, key.algorithm));
    let mut plan = Plan::new(ring, Reason::ByHand, now).with(transitions);
    plan.exposure = activates_at.since(now);
    Ok(plan)
}

/// Why an act on one key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No key has that identifier.
    #[error("there is no such key")]
    UnknownKey,
    /// The key is revoked: it is never served again, and cannot be revoked twice.
    #[error("the key is revoked")]
    Revoked,
    /// Only a key that is in the JWKS can be held there.
    #[error("the key is not in the JWKS")]
    NotServed,
    /// It is as asked already.
    #[error("the key is so already")]
    NoChange,
}

/// Takes a key out of the JWKS at once and for ever, from any state.
///
/// In the same act the standby follows an active key, or a new key where there is
/// none, and a fresh standby is published. [`Plan::exposure`] is P + C.
pub fn revoke(
    ring: &KeyRing,
    kid: Kid,
    reason: &str,
    quantities: &Quantities,
    now: Timestamp,
) -> Result<Plan, Refusal> {
    let key = find(ring, kid)?;
    let out = Transition { subject: Subject::Kid(kid), from: key.state, to: KeyState::Revoked };
    let mut plan = Plan::new(ring, Reason::Revoked(reason.to_owned()), now).with([out]);
    plan.exposure = if key.state.is_served() { quantities.revocation_exposure() } else { Duration::ZERO };
    Ok(match key.state {
        KeyState::Active => plan.with(plan::succeed(ring, key.algorithm)),
        KeyState::Published => plan.with(plan::publish(ring, key.algorithm)),
        KeyState::Staged | KeyState::Passive | KeyState::Removed | KeyState::Revoked => plan,
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

fn find(ring: &KeyRing, kid: Kid) -> Result<&KeyFacts, Refusal> {
    let key = ring.key(kid).ok_or(Refusal::UnknownKey)?;
    if key.state == KeyState::Revoked { Err(Refusal::Revoked) } else { Ok(key) }
}

fn mark(ring: &KeyRing, reason: Reason, mark: Mark, now: Timestamp) -> Plan {
    let mut plan = Plan::new(ring, reason, now);
    plan.marks.push(mark);
    plan
}

#[cfg(test)]
mod tests;
