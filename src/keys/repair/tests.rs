use proptest::prelude::*;

use super::*;
use crate::keys::schedule::schedule;
use crate::keys::tests::{DEFAULTS, at, days, fresh_for, run};

const ES256: &[Algorithm] = &[Algorithm::Es256];
const BOTH: &[Algorithm] = &[Algorithm::Es256, Algorithm::EdDsa];

fn started() -> KeyRing {
    run(&KeyRing::default(), BOTH, &DEFAULTS, at(0))
}

/// Repairs until nothing is left to do.
fn repaired(ring: &KeyRing, losses: &Losses, now: Timestamp) -> KeyRing {
    let mut ring = ring.clone();
    let mut steps = 0;
    while let Some(plan) = repair(&ring, losses, BOTH, &DEFAULTS) {
        ring = plan.apply(&ring, fresh_for(&plan.needs_new(), 500 + ring.version, now), now).unwrap();
        steps += 1;
        assert!(steps < 12, "no fixed point");
    }
    ring
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
    assert_eq!(repair(&ring, &Losses::default(), BOTH, &DEFAULTS), None);
    let rested = run(&ring, BOTH, &DEFAULTS, at(0).plus(days(14)));
    let passive = losing([of(&rested, KeyState::Passive)]);
    assert_eq!(repair(&rested, &passive, BOTH, &DEFAULTS), None, "a key at rest needs no private half");
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
    assert_eq!(repair(&orphaned, &unread(Some(Algorithm::EdDsa)), BOTH, &DEFAULTS), None);
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
    let plan = repair(&ring, &losses, ES256, &DEFAULTS).unwrap();
    assert!(plan.needs_new().is_empty());
    let after = plan.apply(&ring, Vec::new(), at(60)).unwrap();
    assert_eq!(repair(&after, &losses, ES256, &DEFAULTS), None);
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

proptest! {
    /// Whatever is lost whenever: after the repair one key signs and one stands by, both whole.
    #[test]
    fn any_loss_is_repaired(lost in proptest::collection::vec(any::<bool>(), 8), days_on in 0_u64..60) {
        let now = at(0).plus(days(days_on));
        let ring = run(&started(), BOTH, &DEFAULTS, now);
        let losses = losing(ring.keys.iter().zip(&lost).filter(|(_, lost)| **lost).map(|(key, _)| key.kid));
        let after = repaired(&ring, &losses, now);
        prop_assert_eq!(after.check(), Ok(()));
        for algorithm in BOTH {
            for key in [after.active(*algorithm).unwrap(), after.standby(*algorithm).unwrap()] {
                prop_assert!(!losses.keys.contains(&key.kid));
            }
        }
    }
}
