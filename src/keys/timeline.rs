//! What the schedule has in mind for a key, as things stand.
//!
//! Pure, for `key list`. It never decides anything: the plans of `schedule` do.

use super::schedule::{Quantities, planned_activation, remove_at};
use super::{KeyFacts, KeyRing, KeyState};
use crate::jose::Algorithm;
use crate::time::Timestamp;

/// When a key will enter the states that are ahead of it; `None` where nothing is planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// When it begins to sign.
    pub activated_at: Option<Timestamp>,
    /// When its successor begins to sign.
    pub passive_at: Option<Timestamp>,
    /// When it leaves the JWKS.
    pub remove_at: Option<Timestamp>,
}

/// The plan for one key of the ring. The ring of an algorithm that is not among
/// `algorithms` does not rotate, so only what rests already has an end.
pub fn planned(ring: &KeyRing, key: &KeyFacts, algorithms: &[Algorithm], quantities: &Quantities) -> Planned {
    let succession =
        planned_activation(ring, key.algorithm, quantities).filter(|_| algorithms.contains(&key.algorithm));
    let gone = |rests: Option<Timestamp>| {
        let retained = key.retain_for.unwrap_or_default().max(quantities.retain_for);
        Some(rests?.plus(retained)).filter(|_| !key.retain)
    };
    match key.state {
        KeyState::Published => {
            let passive_at = succession.map(|at| at.plus(quantities.active_for));
            Planned { activated_at: succession, passive_at, remove_at: gone(passive_at) }
        }
        KeyState::Active => {
            Planned { activated_at: None, passive_at: succession, remove_at: gone(succession) }
        }
        KeyState::Passive => Planned { remove_at: remove_at(key, quantities), ..Planned::default() },
        KeyState::Staged | KeyState::Removed | KeyState::Revoked => Planned::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::{DEFAULTS, at, days, run};

    const ES256: &[Algorithm] = &[Algorithm::Es256];

    #[test]
    fn each_key_has_what_is_ahead_of_it() {
        let first = run(&KeyRing::default(), ES256, &DEFAULTS, at(0));
        let ring = run(&first, ES256, &DEFAULTS, at(0).plus(days(14)));
        let plans: Vec<_> = ring.keys.iter().map(|key| planned(&ring, key, ES256, &DEFAULTS)).collect();
        let after = |count| Some(at(0).plus(days(count)));
        let gone = |count| Some(at(0).plus(days(count)).plus(DEFAULTS.retain_for));
        assert_eq!(
            plans,
            [
                Planned { activated_at: None, passive_at: None, remove_at: gone(14) },
                Planned { activated_at: None, passive_at: after(28), remove_at: gone(28) },
                Planned { activated_at: after(28), passive_at: after(42), remove_at: gone(42) },
            ]
        );
    }

    /// What is foretold is what the schedule does.
    #[test]
    fn what_was_foretold_happens() {
        let ring = run(&KeyRing::default(), ES256, &DEFAULTS, at(0));
        let foretold = planned(&ring, &ring.keys[1], ES256, &DEFAULTS);
        let mut lived = ring;
        for time in [foretold.activated_at, foretold.passive_at, foretold.remove_at].map(Option::unwrap) {
            let before = run(&lived, ES256, &DEFAULTS, time.minus(std::time::Duration::from_micros(1)));
            lived = run(&before, ES256, &DEFAULTS, time);
            assert_ne!(before.keys[1].state, lived.keys[1].state, "{time}");
        }
        assert_eq!(lived.keys[1].state, KeyState::Removed);
    }

    #[test]
    fn a_retained_key_has_no_planned_end_and_a_resting_ring_no_rotation() {
        let mut ring = run(&KeyRing::default(), ES256, &DEFAULTS, at(0));
        ring.keys[0].retain = true;
        let held = planned(&ring, &ring.keys[0], ES256, &DEFAULTS);
        assert!(held.passive_at.is_some() && held.remove_at.is_none());
        for key in &ring.keys {
            assert_eq!(planned(&ring, key, &[Algorithm::EdDsa], &DEFAULTS), Planned::default());
        }
    }
}
