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
    let rotate = |now| rotate_by_hand(&ring, ES256, false, &DEFAULTS, now).unwrap();
    let early = rotate(known.minus(seconds(1)));
    assert_eq!((early.rotated, early.waiting), (vec![], vec![(Algorithm::Es256, known)]));
    let at_last = rotate(known);
    assert_eq!((at_last.rotated, at_last.plan.exposure), (vec![Algorithm::Es256], Duration::ZERO));

    let wished = applied(&ring, &early.plan, known.minus(seconds(1)));
    assert_eq!(schedule(&wished, ES256, &DEFAULTS, known.minus(seconds(1))), None);
    let again = rotate_by_hand(&wished, ES256, false, &DEFAULTS, known.minus(seconds(1))).unwrap();
    assert!(again.plan.is_idle(), "asked twice, it waits once");
    let plan = schedule(&wished, ES256, &DEFAULTS, known).unwrap();
    assert_eq!(plan.reason, Reason::Requested);
    let rotated = applied(&wished, &plan, known);
    assert_eq!(states(&rotated), ["passive", "active", "published"]);
    assert_eq!(schedule(&rotated, ES256, &DEFAULTS, known), None, "the wish is granted once");
}

#[test]
fn a_rotation_at_once_tells_its_exposure() {
    let rotation = rotate_by_hand(&started(), ES256, true, &DEFAULTS, at(60)).unwrap();
    assert_eq!(rotation.plan.exposure, minutes(5));
    let none = rotate_by_hand(&started(), &[Algorithm::EdDsa], true, &DEFAULTS, at(60));
    assert_eq!(none, Err(NoActiveKey));
}

#[test]
fn of_two_rings_the_one_that_may_rotates_and_the_other_waits() {
    const BOTH: &[Algorithm] = &[Algorithm::Es256, Algorithm::EdDsa];
    let first = run(&KeyRing::default(), BOTH, &DEFAULTS, at(0));
    let now = at(0).plus(days(1));
    let one = rotate_by_hand(&first, ES256, false, &DEFAULTS, now).unwrap();
    let ring = applied(&first, &one.plan, now);
    let both = rotate_by_hand(&ring, BOTH, false, &DEFAULTS, now).unwrap();
    assert_eq!(both.rotated, [Algorithm::EdDsa]);
    assert_eq!(both.waiting, [(Algorithm::Es256, now.plus(minutes(6)))]);
    let after = applied(&ring, &both.plan, now);
    assert_eq!(after.active(Algorithm::Es256).unwrap().rotation_requested_at, Some(now));
    assert_eq!(after.active(Algorithm::EdDsa).unwrap().activated_at, Some(now));
}

#[test]
fn an_imported_key_waits_for_its_turn_and_is_never_taken_twice() {
    let ring = started();
    let brought = &fresh_for(ES256, 77, at(60))[0];
    let plan = import(&ring, &brought.public, ES256, at(60)).unwrap();
    let staged = plan.apply(&ring, vec![brought.clone()], at(60)).unwrap();
    assert_eq!(states(&staged), ["active", "published", "staged"]);
    assert_eq!(run(&staged, ES256, &DEFAULTS, at(60)), staged, "nothing is due");
    let rotated = run(&staged, ES256, &DEFAULTS, at(0).plus(days(14)));
    assert_eq!(rotated.standby(Algorithm::Es256).unwrap().kid, brought.kid, "in place of a fresh one");

    let refused = |ring: &KeyRing, key: &KeyFacts, algorithms| import(ring, &key.public, algorithms, at(60));
    assert_eq!(refused(&staged, brought, ES256), Err(Refusal::Known));
    assert_eq!(refused(&ring, brought, &[Algorithm::EdDsa]), Err(Refusal::NotConfigured));
    let mut full = ring.clone();
    full.keys.extend(fresh_for(&[Algorithm::Es256; MOST_STAGED], 78, at(60)));
    assert_eq!(refused(&full, brought, ES256), Err(Refusal::TooManyStaged));
}

/// Storm-0558, 2023: a key that had come to its end years before still opened doors. Here an
/// old key, brought back from a file or a backup, is known by its name and stays outside.
#[test]
fn storm_0558_a_key_that_left_the_ring_does_not_come_back() {
    let mut ring = started();
    for period in 1..=3 {
        ring = run(&ring, ES256, &DEFAULTS, at(0).plus(days(14 * period)));
    }
    let old = ring.keys[0].clone();
    let late = at(0).plus(days(60));
    assert_eq!(run(&ring, ES256, &DEFAULTS, late).keys[0].state, KeyState::Removed);
    assert_eq!(import(&ring, &old.public, ES256, late), Err(Refusal::Known));
    let leaked = applied(&ring, &revoke(&ring, old.kid, "leak", (ES256, &DEFAULTS), late).unwrap(), late);
    assert_eq!(import(&leaked, &old.public, ES256, late), Err(Refusal::Known));
    assert_eq!(retain(&leaked, old.kid, late), Err(Refusal::Revoked));
}

#[test]
fn revoking_the_active_key_makes_the_standby_sign_in_the_same_act() {
    let ring = started();
    let kid = ring.keys[0].kid;
    let plan = revoke(&ring, kid, "found in a paste", (ES256, &DEFAULTS), at(60)).unwrap();
    assert_eq!(plan.exposure, seconds(330));
    let after = applied(&ring, &plan, at(60));
    assert_eq!(states(&after), ["revoked", "active", "published"]);
    assert_eq!(after.keys[0].reason.as_deref(), Some("found in a paste"));
    assert_eq!(revoke(&after, kid, "again", (ES256, &DEFAULTS), at(61)), Err(Refusal::Revoked));
    assert_eq!(retain(&after, kid, at(61)), Err(Refusal::Revoked));
    assert_eq!(run(&after, ES256, &DEFAULTS, at(61)), after);
}

#[test]
fn revoking_works_without_a_standby_and_in_every_other_state() {
    let mut ring = started();
    ring.keys.truncate(1);
    let plan = revoke(&ring, ring.keys[0].kid, "leak", (ES256, &DEFAULTS), at(60)).unwrap();
    assert_eq!(plan.needs_new().len(), 2);
    assert_eq!(states(&applied(&ring, &plan, at(60))), ["revoked", "active", "published"]);

    let ring = run(&started(), ES256, &DEFAULTS, at(0).plus(days(14)));
    let now = at(0).plus(days(15));
    for (position, expected) in
        [(0, vec!["revoked", "active", "published"]), (2, vec!["passive", "active", "revoked", "published"])]
    {
        let plan = revoke(&ring, ring.keys[position].kid, "leak", (ES256, &DEFAULTS), now).unwrap();
        assert_eq!(states(&applied(&ring, &plan, now)), expected);
    }
    let gone = run(&ring, ES256, &DEFAULTS, now);
    let plan = revoke(&gone, gone.keys[0].kid, "leak", (ES256, &DEFAULTS), now).unwrap();
    assert_eq!(plan.exposure, Duration::ZERO);
    assert_eq!(states(&applied(&gone, &plan, now)), ["revoked", "active", "published"]);
}

#[test]
fn a_ring_that_is_no_longer_configured_gets_an_heir_but_no_standby() {
    let ring = started();
    let rests: (&[Algorithm], _) = (&[Algorithm::EdDsa], &DEFAULTS);
    let plan = revoke(&ring, ring.keys[1].kid, "leak", rests, at(60)).unwrap();
    assert_eq!(states(&applied(&ring, &plan, at(60))), ["active", "revoked"]);
    let plan = revoke(&ring, ring.keys[0].kid, "leak", rests, at(60)).unwrap();
    let after = applied(&ring, &plan, at(60));
    assert_eq!(states(&after), ["revoked", "active"]);
    let plan = revoke(&after, after.keys[1].kid, "leak", rests, at(61)).unwrap();
    assert_eq!(states(&applied(&after, &plan, at(61))), ["revoked", "revoked", "active"]);
}

#[test]
fn who_stole_the_keys_may_have_the_staged_ones_too() {
    let mut ring = started();
    ring.keys.extend(fresh_for(ES256, 77, at(0)));
    for (leaked, expected) in [
        (1, vec!["active", "revoked", "staged", "published"]),
        (0, vec!["revoked", "active", "staged", "published"]),
    ] {
        let plan = revoke(&ring, ring.keys[leaked].kid, "leak", (ES256, &DEFAULTS), at(60)).unwrap();
        assert_eq!(states(&applied(&ring, &plan, at(60))), expected);
    }
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

    let plan = revoke(&held, kid, "leak", (ES256, &DEFAULTS), late).unwrap();
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
                0 => rotate_by_hand(&ring, ES256, true, &DEFAULTS, now).ok().map(|rotation| rotation.plan),
                1 => revoke(&ring, key.kid, "leak", (ES256, &DEFAULTS), now).ok(),
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
