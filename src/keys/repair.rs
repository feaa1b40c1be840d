//! What a ring does about keys that are lost: a private half that does not open, a
//! key that gave a wrong signature, a row that cannot be read.
//!
//! Pure, as plans like those of the schedule, and made before those: the schedule
//! believes the ring. A lost standby never signed, so it is revoked and another is
//! published. A lost active key can only no longer sign: it rests, its tokens stay
//! good, and its successor takes over at once. Nothing here waits for verifiers,
//! because without it there would be no tokens at all.

use std::collections::BTreeSet;

use super::plan::{self, Plan, Reason, Subject, Transition};
use super::schedule::{Quantities, configured};
use super::{KeyFacts, KeyRing, KeyState};
use crate::jose::{Algorithm, Kid};
use crate::time::Timestamp;

/// What cannot be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Keys whose private half is gone, does not open, or gave a wrong signature.
    pub keys: BTreeSet<Kid>,
    /// Rows that cannot be read: of which algorithm, where that much can be read.
    pub rows: Vec<Option<Algorithm>>,
}

impl Losses {
    fn hit(&self, algorithm: Algorithm) -> bool {
        self.rows.iter().any(|row| row.is_none_or(|lost| lost == algorithm))
    }
}

/// The next step that repairs a ring, or nothing. Apply it and ask again until there is nothing.
pub fn repair(
    ring: &KeyRing,
    losses: &Losses,
    algorithms: &[Algorithm],
    quantities: &Quantities,
) -> Option<Plan> {
    let transitions = lost_staged(ring, losses)
        .or_else(|| lost_standby(ring, losses, algorithms))
        .or_else(|| configured(algorithms).find_map(|algorithm| successor(ring, losses, algorithm)))?;
    let plan = Plan::new(ring, Reason::Lost, Timestamp::default(), quantities.retain_for);
    Some(plan.with(transitions))
}

fn lost_staged(ring: &KeyRing, losses: &Losses) -> Option<Vec<Transition>> {
    let lost: Vec<_> = lost_in(ring, losses, KeyState::Staged).map(revoked).collect();
    (!lost.is_empty()).then_some(lost)
}

fn lost_standby(ring: &KeyRing, losses: &Losses, algorithms: &[Algorithm]) -> Option<Vec<Transition>> {
    let key = lost_in(ring, losses, KeyState::Published).next()?;
    let mut transitions = vec![revoked(key)];
    if algorithms.contains(&key.algorithm) {
        transitions.extend(plan::publish(ring, key.algorithm));
    }
    Some(transitions)
}

/// The active key is lost, or is not even in the ring although the ring has signed.
fn successor(ring: &KeyRing, losses: &Losses, algorithm: Algorithm) -> Option<Vec<Transition>> {
    let needed = match ring.active(algorithm) {
        Some(active) => losses.keys.contains(&active.kid),
        None => ring.ever_served() && (ring.has_signed(algorithm) || losses.hit(algorithm)),
    };
    needed.then(|| plan::rotate(ring, algorithm).collect())
}

fn lost_in<'a>(ring: &'a KeyRing, losses: &'a Losses, state: KeyState) -> impl Iterator<Item = &'a KeyFacts> {
    ring.keys.iter().filter(move |key| key.state == state && losses.keys.contains(&key.kid))
}

fn revoked(key: &KeyFacts) -> Transition {
    Transition { subject: Subject::Kid(key.kid), from: key.state, to: KeyState::Revoked }
}

#[cfg(test)]
mod tests;
