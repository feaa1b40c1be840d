use proptest::prelude::*;

use super::*;
use crate::keys::schedule::schedule;
use crate::keys::tests::{DEFAULTS, at, days, fresh_for, run};

const ES256: &[Algorithm] = &[Algorithm::Es256];
const BOTH: &[Algorithm] = &[Algorithm::Es256, Algorithm::EdDsa];

fn started() -> KeyRing {
    run(&KeyRing::default(), BOTH, &DEFAULTS, at(0))
}

/// Repairs each ring; once is enough.
fn repaired(ring: &KeyRing, losses: &Losses, now: Timestamp) -> KeyRing {
    let mut ring = ring.clone();
    for algorithm in Algorithm::ALL {
        let Some(plan) = of_both(&ring, losses, algorithm) else { continue };
        ring = plan.apply(&ring, fresh_for(&plan.needs_new(), 500 + ring.version, now), now).unwrap();
        assert_eq!(of_both(&ring, losses, algorithm), None, "nothing is left to do");
    }
    ring
}

fn of_both(ring: &KeyRing, losses: &Losses, algorithm: Algorithm) -> Option<Plan> {
    repair(ring, losses, algorithm, (BOTH, &DEFAULTS))
}

fn states(ring: &KeyRing) -> Vec<&'static str> {
    ring.of(Algorithm::Es256).map(|key| key.state.as_str()).collect()
}

fn of(ring: &KeyRing, state: KeyState) -> Kid {
    ring.of(Algorithm::Es256).find(|key| key.state == state).unwrap().kid
}

fn losing(keys: impl IntoIterator<Item = Kid>) -> Losses {
    Losses { keys: keys.into_iter().collect(), rows: Vec::new() }
}

#[test]
fn nothing_lost_nothing_done() {
    let ring = started();
    assert_eq!(of_both(&ring, &Losses::default(), Algorithm::Es256), None);
    let rested = run(&ring, BOTH, &DEFAULTS, at(0).plus(days(14)));
    let passive = losing([of(&rested, KeyState::Passive)]);
    assert_eq!(of_both(&rested, &passive, Algorithm::Es256), None, "a key at rest needs no private half");
}

#[test]
fn a_lost_active_key_rests_and_the_standby_signs_at_once() {
    let ring = started();
    let after = repaired(&ring, &losing([of(&ring, KeyState::Active)]), at(60));
    assert_eq!(states(&after), ["passive", "active", "published"]);
    assert_eq!(of(&after, KeyState::Active), of(&ring, KeyState::Published));
    assert_eq!(after.active(Algorithm::EdDsa), ring.active(Algorithm::EdDsa), "the other ring is as it was");
}

#[test]
fn a_lost_standby_never_signs() {
    let ring = started();
    let after = repaired(&ring, &losing([of(&ring, KeyState::Published)]), at(60));
    assert_eq!(states(&after), ["active", "revoked", "published"]);
    let later = run(&after, BOTH, &DEFAULTS, at(0).plus(days(14)));
    assert_eq!(states(&later), ["passive", "revoked", "active", "published"]);
}

#[test]
fn all_private_halves_of_a_ring_may_be_lost_at_once() {
    let mut ring = started();
    ring.keys.extend(fresh_for(ES256, 77, at(0)));
    let after = repaired(&ring, &losing(ring.of(Algorithm::Es256).map(|key| key.kid)), at(60));
    assert_eq!(states(&after), ["passive", "revoked", "revoked", "active", "published"]);
    assert_eq!(after.check(), Ok(()));
}

#[test]
fn a_ring_whose_active_key_cannot_be_read_goes_on_with_the_standby() {
    let ring = started();
    let mut orphaned = ring.clone();
    orphaned.keys.retain(|key| key.kid != of(&ring, KeyState::Active));
    let unread = |algorithm| Losses { keys: BTreeSet::new(), rows: vec![algorithm] };
    for losses in [unread(Some(Algorithm::Es256)), unread(None)] {
        let after = repaired(&orphaned, &losses, at(60));
        assert_eq!(states(&after), ["active", "published"]);
    }
    // A ring that was added and waits for its first activation is not orphaned.
    assert_eq!(of_both(&orphaned, &unread(Some(Algorithm::EdDsa)), Algorithm::Es256), None);
    // One that has signed is, whoever tells.
    let mut bereft = run(&ring, BOTH, &DEFAULTS, at(0).plus(days(14)));
    bereft.keys.retain(|key| key.algorithm == Algorithm::EdDsa || key.state == KeyState::Passive);
    let after = repaired(&bereft, &Losses::default(), at(0).plus(days(15)));
    assert_eq!(states(&after), ["passive", "active", "published"]);
}

#[test]
fn a_ring_that_is_not_configured_gets_no_new_key() {
    let ring = started();
    let eddsa = ring.of(Algorithm::EdDsa).map(|key| key.kid);
    let losses = losing(eddsa);
    let of_one = |ring: &KeyRing| repair(ring, &losses, Algorithm::EdDsa, (ES256, &DEFAULTS));
    let plan = of_one(&ring).unwrap();
    assert!(plan.needs_new().is_empty());
    let after = plan.apply(&ring, Vec::new(), at(60)).unwrap();
    assert_eq!(of_one(&after), None);
}

/// A ring that is damaged holds up its own plans, never those of another.
#[test]
fn a_damaged_ring_does_not_stop_the_rotation_of_another() {
    let mut ring = run(&started(), BOTH, &DEFAULTS, at(0).plus(days(14)));
    ring.keys.retain(|key| key.algorithm == Algorithm::EdDsa || key.state == KeyState::Passive);
    let due = at(0).plus(days(28));
    let plan = schedule(&ring, &[Algorithm::EdDsa], &DEFAULTS, due).unwrap();
    plan.apply(&ring, fresh_for(&plan.needs_new(), 9, due), due).unwrap();
}

/// One bad page of the disk: the active key's row is gone, and its neighbours' private halves.
#[test]
fn a_ring_that_lost_its_active_row_and_its_standby_is_repaired_in_one_step() {
    let mut ring = run(&started(), BOTH, &DEFAULTS, at(0).plus(days(14)));
    let losses = losing([of(&ring, KeyState::Published)]);
    let unread = of(&ring, KeyState::Active);
    ring.keys.retain(|key| key.kid != unread);
    let after = repaired(&ring, &losses, at(0).plus(days(15)));
    assert_eq!(states(&after), ["passive", "revoked", "active", "published"]);
    assert_eq!(after.check(), Ok(()));
}

proptest! {
    /// Whatever is lost whenever, halves and rows: after the repair one key signs and one stands by, both whole.
    #[test]
    fn any_loss_is_repaired(
        lost in proptest::collection::vec(0_u8..3, 8), days_on in 0_u64..60, staged in any::<bool>()
    ) {
        let now = at(0).plus(days(days_on));
        let mut ring = run(&started(), BOTH, &DEFAULTS, now);
        if staged {
            ring.keys.extend(fresh_for(ES256, 77, now));
        }
        let mut losses = losing(ring.keys.iter().zip(&lost).filter(|(_, how)| **how == 1).map(|(key, _)| key.kid));
        let rows: BTreeSet<_> =
            ring.keys.iter().zip(&lost).filter(|(_, how)| **how == 2).map(|(key, _)| key.kid).collect();
        let gone = |key: &&KeyFacts| rows.contains(&key.kid) && key.state == KeyState::Active;
        losses.rows = ring.keys.iter().filter(gone).map(|key| Some(key.algorithm)).collect();
        ring.keys.retain(|key| !rows.contains(&key.kid));
        prop_assume!(ring.ever_served());
        let after = repaired(&ring, &losses, now);
        let after = run(&after, BOTH, &DEFAULTS, now);
        for algorithm in BOTH {
            let begun = after.active(*algorithm).is_some();
            prop_assert!(begun || (!ring.has_signed(*algorithm) && !losses.hit(*algorithm)), "a ring that signed signs");
            prop_assert_eq!(after.check_ring(*algorithm), Ok(()));
            for key in after.active(*algorithm).into_iter().chain(after.standby(*algorithm)) {
                prop_assert!(!losses.keys.contains(&key.kid));
            }
        }
    }
}
