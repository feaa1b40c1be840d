//! What an operator may do to a ring, and what any sequence of it leaves.

use proptest::prelude::*;

use super::*;
use crate::keys::schedule::schedule;
use crate::keys::tests::{DEFAULTS, at, days, fresh_for, minutes, run, seconds};

const ES256: &[Algorithm] = &[Algorithm::Es256];

fn started() -> KeyRing {
    run(&KeyRing::default(), ES256, &DEFAULTS, at(0))
}

fn applied(ring: &KeyRing, plan: &Plan, now: Timestamp) -> KeyRing {
    plan.apply(ring, fresh_for(&plan.needs_new(), 1_000 + ring.version, now), now).unwrap()
}

fn states(ring: &KeyRing) -> Vec<&'static str> {
    ring.keys.iter().map(|key| key.state.as_str()).collect()
}

#[test]
fn a_rotation_by_hand_waits_until_every_verifier_knows_the_standby() {
    let ring = started();
    let known = at(0).plus(minutes(6));
    let rotate = |now| rotate_by_hand(&ring, None, false, &DEFAULTS, now);
    let Err(NotNow::NotYet { activates_at, request }) = rotate(known.minus(seconds(1))) else {
        panic!("too early");
    };
    assert_eq!(activates_at, known);
    assert_eq!(rotate(known).unwrap().exposure, Duration::ZERO);

    let wished = applied(&ring, &request, known.minus(seconds(1)));
    assert_eq!(schedule(&wished, ES256, &DEFAULTS, known.minus(seconds(1))), None);
    let plan = schedule(&wished, ES256, &DEFAULTS, known).unwrap();
    assert_eq!(plan.reason, Reason::Requested);
    let rotated = applied(&wished, &plan, known);
    assert_eq!(states(&rotated), ["passive", "active", "published"]);
    assert_eq!(schedule(&rotated, ES256, &DEFAULTS, known), None, "the wish is granted once");
}

#[test]
fn a_rotation_at_once_tells_its_exposure() {
    let plan = rotate_by_hand(&started(), None, true, &DEFAULTS, at(60)).unwrap();
    assert_eq!(plan.exposure, minutes(5));
    let none = rotate_by_hand(&started(), Some(Algorithm::EdDsa), true, &DEFAULTS, at(60));
    assert_eq!(none, Err(NotNow::NoActiveKey));
}

#[test]
fn revoking_the_active_key_makes_the_standby_sign_in_the_same_act() {
    let ring = started();
    let kid = ring.keys[0].kid;
    let plan = revoke(&ring, kid, "found in a paste", &DEFAULTS, at(60)).unwrap();
    assert_eq!(plan.exposure, seconds(330));
    let after = applied(&ring, &plan, at(60));
    assert_eq!(states(&after), ["revoked", "active", "published"]);
    assert_eq!(after.keys[0].reason.as_deref(), Some("found in a paste"));
    assert_eq!(revoke(&after, kid, "again", &DEFAULTS, at(61)), Err(Refusal::Revoked));
    assert_eq!(retain(&after, kid, at(61)), Err(Refusal::Revoked));
    assert_eq!(run(&after, ES256, &DEFAULTS, at(61)), after);
}

#[test]
fn revoking_works_without_a_standby_and_in_every_other_state() {
    let mut ring = started();
    ring.keys.truncate(1);
    let plan = revoke(&ring, ring.keys[0].kid, "leak", &DEFAULTS, at(60)).unwrap();
    assert_eq!(plan.needs_new().len(), 2);
    assert_eq!(states(&applied(&ring, &plan, at(60))), ["revoked", "active", "published"]);

    let ring = run(&started(), ES256, &DEFAULTS, at(0).plus(days(14)));
    let now = at(0).plus(days(15));
    for (position, expected) in
        [(0, vec!["revoked", "active", "published"]), (2, vec!["passive", "active", "revoked", "published"])]
    {
        let plan = revoke(&ring, ring.keys[position].kid, "leak", &DEFAULTS, now).unwrap();
        assert_eq!(states(&applied(&ring, &plan, now)), expected);
    }
    let gone = run(&ring, ES256, &DEFAULTS, now);
    let plan = revoke(&gone, gone.keys[0].kid, "leak", &DEFAULTS, now).unwrap();
    assert_eq!(plan.exposure, Duration::ZERO);
    assert_eq!(states(&applied(&gone, &plan, now)), ["revoked", "active", "published"]);
}

#[test]
fn a_key_is_held_until_it_is_released() {
    let ring = run(&started(), ES256, &DEFAULTS, at(0).plus(days(14)));
    let (kid, late) = (ring.keys[0].kid, at(0).plus(days(20)));
    let held = applied(&ring, &retain(&ring, kid, late).unwrap(), late);
    assert_eq!(retain(&held, kid, late), Err(Refusal::NoChange));
    assert_eq!(schedule(&held, ES256, &DEFAULTS, late), None);
    let released = applied(&held, &release(&held, kid, late).unwrap(), late);
    assert_eq!(release(&released, kid, late), Err(Refusal::NoChange));
    let gone = run(&released, ES256, &DEFAULTS, late);
    assert_eq!(gone.keys[0].state, KeyState::Removed);
    assert_eq!(retain(&gone, kid, late), Err(Refusal::NotServed));

    let plan = revoke(&held, kid, "leak", &DEFAULTS, late).unwrap();
    assert!(!applied(&held, &plan, late).keys[0].retain, "a revocation beats retention");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever an operator does, and whenever: the ring stays sound and whole, and no key comes back.
    #[test]
    fn any_sequence_of_acts_leaves_a_sound_ring(
        acts in proptest::collection::vec((0_u8..5, any::<usize>(), 0_u64..2_000_000), 1..40)
    ) {
        let (mut ring, mut now) = (started(), at(0));
        for (act, which, wait) in acts {
            now = now.plus(seconds(wait));
            let key = &ring.keys[which % ring.keys.len()];
            let plan = match act {
                0 => rotate_by_hand(&ring, None, true, &DEFAULTS, now).ok(),
                1 => revoke(&ring, key.kid, "leak", &DEFAULTS, now).ok(),
                2 => retain(&ring, key.kid, now).ok(),
                3 => release(&ring, key.kid, now).ok(),
                _ => schedule(&ring, &Algorithm::ALL, &DEFAULTS, now),
            };
            let Some(plan) = plan else { continue };
            let next = applied(&ring, &plan, now);
            prop_assert!(ring.keys.iter().all(|old| next.key(old.kid).is_some_and(|new| old.state <= new.state)));
            prop_assert!(next.active(Algorithm::Es256).is_some());
            prop_assert!(next.standby(Algorithm::Es256).is_some());
            let held = |key: &&KeyFacts| key.retain;
            prop_assert!(next.keys.iter().filter(held).all(|key| key.state.is_served()));
            ring = next;
        }
    }
}
