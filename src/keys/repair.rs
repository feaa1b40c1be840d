//! What a ring does about keys that are lost: a private half that does not open, a
//! key that gave a wrong signature, a row that cannot be read.
//!
//! Pure, as plans like those of the schedule, and made before those: the schedule
//! believes the ring. A lost standby never signed, so it is revoked and another is
//! published. A lost active key can only no longer sign: it rests, its tokens stay
//! good, and its successor takes over at once. Nothing here waits for verifiers,
//! because without it there would be no tokens at all. All of a ring is one plan,
//! so that no half of it can stand in the way of the other.

use std::collections::BTreeSet;
use std::iter;

use super::plan::{Plan, Reason, Subject, Transition};
use super::schedule::Quantities;
use super::{KeyFacts, KeyRing, KeyState};
use crate::jose::{Algorithm, Kid};
use crate::time::Timestamp;

/// What cannot be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Keys whose private half is gone, does not open, or gave a wrong signature.
    pub keys: BTreeSet<Kid>,
    /// Rows that cannot be read or believed and may have been an active key: of which
    /// algorithm, where that much can be read.
    pub rows: Vec<Option<Algorithm>>,
}

impl Losses {
    fn hit(&self, algorithm: Algorithm) -> bool {
        self.rows.iter().any(|row| row.is_none_or(|lost| lost == algorithm))
    }
}

/// The step that repairs the ring of one algorithm, or nothing. Once it is applied there is nothing left to do.
pub fn repair(
    ring: &KeyRing,
    losses: &Losses,
    algorithm: Algorithm,
    (algorithms, quantities): (&[Algorithm], &Quantities),
) -> Option<Plan> {
    let lost = |key: &&KeyFacts| losses.keys.contains(&key.kid);
    let waits = |key: &&KeyFacts| matches!(key.state, KeyState::Staged | KeyState::Published);
    let moved = |key: &KeyFacts, to| Transition { subject: Subject::Kid(key.kid), from: key.state, to };

    let mut transitions: Vec<_> =
        ring.of(algorithm).filter(waits).filter(lost).map(|key| moved(key, KeyState::Revoked)).collect();
    if algorithms.contains(&algorithm) {
        let standby = ring.standby(algorithm);
        let mut heirs = heirs(ring, losses, algorithm);
        if needs_successor(ring, losses, algorithm) {
            let rests = ring.active(algorithm).map(|key| moved(key, KeyState::Passive));
            transitions.extend(rests);
            transitions.extend(enters(heirs.next(), KeyState::Active));
            transitions.extend(enters(heirs.next(), KeyState::Published));
        } else if standby.as_ref().is_some_and(lost) {
            transitions.extend(enters(heirs.next(), KeyState::Published));
        }
    }
    let plan = Plan::new(ring, Reason::Lost, Timestamp::default(), quantities.retain_for);
    (!transitions.is_empty()).then(|| plan.with(transitions))
}

/// The active key is lost, or is not even in the ring although the ring has signed.
fn needs_successor(ring: &KeyRing, losses: &Losses, algorithm: Algorithm) -> bool {
    match ring.active(algorithm) {
        Some(active) => losses.keys.contains(&active.kid),
        None => ring.ever_served() && (ring.has_signed(algorithm) || losses.hit(algorithm)),
    }
}

/// Keys that may sign next, each with its state: the standby, what is staged, then new ones without end.
fn heirs<'a>(
    ring: &'a KeyRing,
    losses: &'a Losses,
    algorithm: Algorithm,
) -> impl Iterator<Item = (Subject, KeyState)> + 'a {
    let whole = |state| {
        let keys = ring.of(algorithm).filter(move |key| key.state == state);
        let keys = keys.filter(|key| !losses.keys.contains(&key.kid));
        keys.map(move |key| (Subject::Kid(key.kid), state))
    };
    whole(KeyState::Published)
        .chain(whole(KeyState::Staged))
        .chain(iter::repeat((Subject::New(algorithm), KeyState::Staged)))
}

fn enters(heir: Option<(Subject, KeyState)>, to: KeyState) -> Option<Transition> {
    heir.map(|(subject, from)| Transition { subject, from, to })
}

#[cfg(test)]
mod tests;
