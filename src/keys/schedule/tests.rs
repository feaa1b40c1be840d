//! Examples of single steps; the years are in `simulation`.

use super::*;
use crate::keys::plan::StalePlan;
use crate::keys::tests::{DEFAULTS, at, days, fresh_for, hours, minutes, run, seconds};

mod simulation;

const ES256: &[Algorithm] = &[Algorithm::Es256];
const BOTH: &[Algorithm] = &[Algorithm::Es256, Algorithm::EdDsa];

fn started(algorithms: &[Algorithm]) -> KeyRing {
    run(&KeyRing::default(), algorithms, &DEFAULTS, at(0))
}

fn states(ring: &KeyRing, algorithm: Algorithm) -> Vec<&'static str> {
    ring.of(algorithm).map(|key| key.state.as_str()).collect()
}

#[test]
fn the_first_start_signs_at_once_with_every_algorithm() {
    let plan = schedule(&KeyRing::default(), BOTH, &DEFAULTS, at(0)).unwrap();
    assert_eq!(plan.reason, Reason::FirstStart);
    assert_eq!(plan.needs_new().len(), 4);
    let ring = started(BOTH);
    assert_eq!(ring.version, 1, "one act");
    for algorithm in BOTH {
        assert_eq!(states(&ring, *algorithm), ["active", "published"]);
    }
    assert_eq!(schedule(&ring, BOTH, &DEFAULTS, at(0)), None);
    assert_eq!(schedule(&KeyRing::default(), &[], &DEFAULTS, at(0)), None);
}

#[test]
fn a_key_signs_for_its_time_and_rests_for_its_time() {
    let ring = started(ES256);
    let rotation = at(0).plus(days(14));
    assert_eq!(schedule(&ring, ES256, &DEFAULTS, rotation.minus(seconds(1))), None);
    assert_eq!(planned_activation(&ring, Algorithm::Es256, &DEFAULTS), Some(rotation));

    let ring = run(&ring, ES256, &DEFAULTS, rotation);
    assert_eq!(states(&ring, Algorithm::Es256), ["passive", "active", "published"]);
    let removal = rotation.plus(DEFAULTS.retain_for);
    assert_eq!(remove_at(&ring.keys[0], &DEFAULTS), Some(removal));
    assert_eq!(schedule(&ring, ES256, &DEFAULTS, removal.minus(seconds(1))), None);

    let ring = run(&ring, ES256, &DEFAULTS, removal);
    assert_eq!(states(&ring, Algorithm::Es256), ["removed", "active", "published"]);
}

#[test]
fn an_algorithm_added_later_is_published_first_and_signs_after_a() {
    let ring = run(&started(ES256), BOTH, &DEFAULTS, at(60));
    assert_eq!(states(&ring, Algorithm::EdDsa), ["published"]);
    let activation = at(60).plus(DEFAULTS.publish_ahead);
    assert_eq!(schedule(&ring, BOTH, &DEFAULTS, activation.minus(seconds(1))), None);
    let ring = run(&ring, BOTH, &DEFAULTS, activation);
    assert_eq!(states(&ring, Algorithm::EdDsa), ["active", "published"]);
}

#[test]
fn a_late_run_waits_for_the_new_standby_and_then_goes_on() {
    let late = at(0).plus(days(100));
    let ring = run(&started(ES256), ES256, &DEFAULTS, late);
    assert_eq!(states(&ring, Algorithm::Es256), ["passive", "active", "published"]);
    assert_eq!(planned_activation(&ring, Algorithm::Es256, &DEFAULTS), Some(late.plus(days(14))));
}

#[test]
fn when_removal_and_rotation_fall_together_the_old_key_leaves_first() {
    let tight =
        Quantities { active_for: DEFAULTS.publish_ahead, retain_for: DEFAULTS.publish_ahead, ..DEFAULTS };
    let ring = run(&started(ES256), ES256, &tight, at(0).plus(hours(24)));
    let plan = schedule(&ring, ES256, &tight, at(0).plus(hours(48))).unwrap();
    assert_eq!(plan.reason, Reason::Retention);
}

#[test]
fn a_missing_standby_is_published_at_once() {
    let mut ring = started(ES256);
    ring.keys.truncate(1);
    let plan = schedule(&ring, ES256, &DEFAULTS, at(0)).unwrap();
    assert_eq!(plan.reason, Reason::StandbyMissing);
}

#[test]
fn a_staged_key_is_used_before_a_new_one_is_made() {
    let ring = KeyRing { version: 0, keys: fresh_for(&[Algorithm::Es256], 77, at(0)) };
    let plan = schedule(&ring, ES256, &DEFAULTS, at(0)).unwrap();
    assert_eq!(plan.needs_new(), [Algorithm::Es256]);
    let next = plan.apply(&ring, fresh_for(&plan.needs_new(), 78, at(0)), at(0)).unwrap();
    assert_eq!(next.active(Algorithm::Es256).map(|key| key.kid), Some(ring.keys[0].kid));
}

#[test]
fn a_ring_that_is_no_longer_configured_rests_but_lets_passive_keys_go() {
    let rotated = run(&started(BOTH), BOTH, &DEFAULTS, at(0).plus(days(14)));
    let ring = run(&rotated, ES256, &DEFAULTS, at(0).plus(days(90)));
    assert_eq!(states(&ring, Algorithm::EdDsa), ["removed", "active", "published"]);
}

/// AWS, October 2025: a worker that had slept applied its old plan over a newer one.
#[test]
fn aws_2025_a_stale_plan_is_refused() {
    let ring = started(ES256);
    let due = at(0).plus(days(14));
    let plan = schedule(&ring, ES256, &DEFAULTS, due).unwrap();
    let fresh = || fresh_for(&plan.needs_new(), 50, due);
    assert_eq!(plan.apply(&ring, fresh(), due.minus(seconds(1))), Err(StalePlan::Early(due)));
    assert_eq!(plan.apply(&ring, Vec::new(), due), Err(StalePlan::FreshKeys));
    let surplus = fresh_for(&[Algorithm::Es256; 2], 50, due);
    assert_eq!(plan.apply(&ring, surplus, due), Err(StalePlan::FreshKeys));
    let next = plan.apply(&ring, fresh(), due).unwrap();
    assert_eq!(plan.apply(&next, fresh(), due), Err(StalePlan::Version { expected: 1, found: 2 }));

    let moved = KeyRing { version: 1, ..next };
    assert_eq!(plan.apply(&moved, fresh(), due), Err(StalePlan::Moved(ring.keys[0].kid)));
}

#[test]
fn a_kid_is_never_used_again() {
    let ring = started(ES256);
    let due = at(0).plus(days(14));
    let plan = schedule(&ring, ES256, &DEFAULTS, due).unwrap();
    let again = KeyFacts::staged(ring.keys[0].public.clone(), due);
    let refused = plan.apply(&ring, vec![again], due).unwrap_err();
    assert!(matches!(refused, StalePlan::Broken(crate::keys::BrokenRing::RepeatedKid(_))), "{refused}");
}

#[test]
fn with_sound_settings_the_removal_never_shortens_a_token() {
    let ring = run(&started(ES256), ES256, &DEFAULTS, at(0).plus(days(14)));
    let [passive, active, standby] = ring.keys.as_slice() else { panic!("three keys") };
    assert_eq!(longest_lifetime(active, &DEFAULTS), DEFAULTS.max_lifetime, "the default is its bound");
    assert_eq!(longest_lifetime(passive, &DEFAULTS), Duration::ZERO);
    assert_eq!(longest_lifetime(standby, &DEFAULTS), Duration::ZERO);
    let remembered = KeyFacts { retain_for: Some(minutes(10)), ..active.clone() };
    assert_eq!(longest_lifetime(&remembered, &DEFAULTS), seconds(450));
}

/// The settings may change between a token and its end. What was promised to it stays.
#[test]
fn a_key_is_kept_for_the_longest_tokens_it_ever_signed() {
    let short = Quantities { max_lifetime: minutes(5), retain_for: seconds(450), ..DEFAULTS };
    let ring = run(&KeyRing::default(), ES256, &short, at(0));
    assert_eq!(ring.keys[0].retain_for, Some(seconds(450)));

    // A restart with tokens of an hour: before one is issued, the active key is kept for them.
    let plan = schedule(&ring, ES256, &DEFAULTS, at(60)).unwrap();
    assert_eq!(
        (plan.reason.clone(), plan.marks.as_slice()),
        (Reason::Lengthened, &[Mark::Lengthen(ring.keys[0].kid)][..])
    );
    let ring = run(&ring, ES256, &DEFAULTS, at(60));
    assert_eq!(longest_lifetime(&ring.keys[0], &DEFAULTS), hours(1));

    // A restart with short tokens again, and a rotation: the hour still counts.
    assert_eq!(schedule(&ring, ES256, &short, at(120)), None);
    let rotation = at(0).plus(days(14));
    let rested = run(&ring, ES256, &short, rotation);
    assert_eq!(remove_at(&rested.keys[0], &short), Some(rotation.plus(DEFAULTS.retain_for)));
    assert_eq!(rested.keys[1].retain_for, Some(seconds(450)), "the next one signs short tokens only");

    // What rests keeps what it had, also when the settings ask for more later.
    assert_eq!(
        remove_at(&rested.keys[0], &Quantities { retain_for: hours(9), ..DEFAULTS }),
        remove_at(&rested.keys[0], &short)
    );
}

#[test]
fn times_that_lie_ahead_of_the_clock_are_told() {
    let ring = started(ES256);
    assert_eq!(ahead(&ring, &DEFAULTS, at(0)), None);
    assert_eq!(ahead(&ring, &DEFAULTS, at(0).minus(hours(24))), None, "a rotation comes a day late at most");
    assert_eq!(ahead(&ring, &DEFAULTS, at(0).minus(hours(25))), Some(at(0)));
    assert_eq!(ahead(&KeyRing::default(), &DEFAULTS, at(0)), None);
}

/// Azure AD, 15 March 2021: the automation did not know of `retain` and removed a key in use.
/// Here it outlives every timer, every rotation and every restart.
#[test]
fn azure_ad_2021_a_retained_key_stays_for_ten_years() {
    let mut ring = run(&started(ES256), ES256, &DEFAULTS, at(0).plus(days(14)));
    ring.keys[0].retain = true;
    for year in 1..=10 {
        ring = run(&ring, ES256, &DEFAULTS, at(0).plus(days(365 * year)));
    }
    assert_eq!(ring.keys[0].state, KeyState::Passive);
    assert!(ring.served().any(|key| key.kid == ring.keys[0].kid));
}

#[test]
fn the_defaults_keep_the_bounds() {
    assert_eq!(DEFAULTS.known_after(), minutes(6));
    assert_eq!(DEFAULTS.least_retain_for(), seconds(3_750));
    assert_eq!(DEFAULTS.least_active_for(), hours(24));
    assert_eq!(DEFAULTS.served_max_age(), minutes(5));
    assert_eq!(DEFAULTS.revocation_exposure(), seconds(330));
}
