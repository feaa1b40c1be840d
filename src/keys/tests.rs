//! Keys and settings for the tests of these rooms, and the ring's own tests.

use std::time::Duration;

use super::schedule::{Quantities, schedule};
use super::*;
use crate::digest::Digest;
use crate::jose::rsa::Scheme;

pub(super) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) const fn minutes(count: u64) -> Duration {
    seconds(count * 60)
}

pub(super) const fn hours(count: u64) -> Duration {
    minutes(count * 60)
}

pub(super) const fn days(count: u64) -> Duration {
    hours(count * 24)
}

/// The settings of a new installation, with the cap as the longest lifetime.
pub(crate) const DEFAULTS: Quantities = Quantities {
    active_for: days(14),
    publish_ahead: hours(24),
    jwks_max_age: minutes(5),
    propagation: seconds(30),
    clock_skew: seconds(30),
    leeway: seconds(60),
    retain_for: seconds(3_750),
    max_lifetime: hours(1),
};

/// Seconds after 2026-01-01T00:00:00Z.
pub(super) fn at(second: u64) -> Timestamp {
    Timestamp::from_seconds(1_767_225_600 + second)
}

/// Staged keys that nobody can sign with; `batch` keeps their names apart.
pub(super) fn fresh_for(algorithms: &[Algorithm], batch: u64, now: Timestamp) -> Vec<KeyFacts> {
    let make = |(position, algorithm): (usize, &Algorithm)| {
        let seed = format!("{batch}/{position}");
        let [x, y] = ["x", "y"].map(|axis| Digest::of(&[axis.as_bytes(), seed.as_bytes()]).0);
        let public = match algorithm {
            Algorithm::Es256 => PublicJwk::P256 { x, y },
            Algorithm::EdDsa => PublicJwk::Ed25519 { x },
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let scheme = Scheme::of(*algorithm).unwrap();
                let mut modulus = [x, y].concat().repeat(4);
                (modulus[0], modulus[255]) = (0xff, 0xff);
                PublicJwk::rsa(scheme, &modulus, &[1, 0, 1]).unwrap()
            }
        };
        KeyFacts::staged(public, now)
    };
    algorithms.iter().enumerate().map(make).collect()
}

/// Lets the schedule act at `now` until nothing is due.
pub(super) fn run(
    ring: &KeyRing,
    algorithms: &[Algorithm],
    quantities: &Quantities,
    now: Timestamp,
) -> KeyRing {
    let mut ring = ring.clone();
    while let Some(plan) = schedule(&ring, algorithms, quantities, now) {
        ring = plan.apply(&ring, fresh_for(&plan.needs_new(), ring.version, now), now).unwrap();
    }
    ring
}

fn started() -> KeyRing {
    run(&KeyRing::default(), &[Algorithm::Es256], &DEFAULTS, at(0))
}

#[test]
fn states_are_read_as_they_are_written() {
    for state in KeyState::ALL {
        assert_eq!(KeyState::parse(state.as_str()), Some(state));
    }
    assert_eq!(KeyState::parse("Active"), None);
}

#[test]
fn a_ring_that_no_plan_makes_is_broken() {
    let sound = started();
    assert_eq!(sound.check(), Ok(()));
    assert_eq!(KeyRing::default().check(), Ok(()));
    let [first, second] = [sound.keys[0].kid, sound.keys[1].kid];
    let broken = |spoil: fn(&mut Vec<KeyFacts>)| {
        let mut ring = sound.clone();
        spoil(&mut ring.keys);
        ring.check().unwrap_err()
    };
    let algorithm = Algorithm::Es256;
    assert_eq!(broken(|keys| keys[1].kid = keys[0].kid), BrokenRing::RepeatedKid(first));
    assert_eq!(broken(|keys| keys[0].activated_at = None), BrokenRing::Contradiction(first));
    assert_eq!(broken(|keys| keys[1].algorithm = Algorithm::EdDsa), BrokenRing::Contradiction(second));
    assert_eq!(broken(|keys| keys[1].rotation_requested_at = Some(at(0))), BrokenRing::Contradiction(second));
    assert_eq!(
        broken(|keys| {
            keys[1].state = KeyState::Active;
            keys[1].activated_at = Some(at(0));
        }),
        BrokenRing::ActiveKeys { algorithm, count: 2 }
    );
    assert_eq!(
        broken(|keys| {
            keys[0].state = KeyState::Passive;
            keys[0].passive_at = Some(at(0));
        }),
        BrokenRing::ActiveKeys { algorithm, count: 0 }
    );
    assert_eq!(
        broken(|keys| {
            keys.extend(fresh_for(&[Algorithm::Es256], 9, at(0)));
            keys[2].state = KeyState::Published;
            keys[2].published_at = Some(at(0));
        }),
        BrokenRing::StandbyKeys { algorithm, count: 2 }
    );
}

#[test]
fn what_no_plan_could_make_is_left_out_and_told() {
    let ring = run(&started(), &[Algorithm::Es256], &DEFAULTS, at(0).plus(days(14)));
    let (sound, told) = ring.clone().mend();
    assert_eq!((&sound, told), (&ring, vec![]));

    // Another hand lets a key that rests sign again: it has been at rest, so it is not believed.
    let mut revived = ring.clone();
    revived.keys[0].state = KeyState::Active;
    let (mended, told) = revived.mend();
    assert_eq!(told, [(Algorithm::Es256, BrokenRing::Contradiction(ring.keys[0].kid))]);
    assert_eq!(mended.keys, ring.keys[1..]);

    // The same with its dates forged: the key that was activated last signs.
    let mut forged = ring.clone();
    forged.keys[0] = KeyFacts { state: KeyState::Active, passive_at: None, ..ring.keys[0].clone() };
    forged.keys.extend(fresh_for(&[Algorithm::Es256], 9, at(0)));
    forged.keys[3] =
        KeyFacts { state: KeyState::Published, published_at: Some(at(0)), ..forged.keys[3].clone() };
    let (mended, told) = forged.mend();
    let algorithm = Algorithm::Es256;
    assert_eq!(
        told,
        [
            (algorithm, BrokenRing::ActiveKeys { algorithm, count: 2 }),
            (algorithm, BrokenRing::StandbyKeys { algorithm, count: 2 })
        ]
    );
    assert_eq!(mended.keys, ring.keys[1..]);
    assert_eq!(mended.check(), Ok(()));
}

#[test]
fn a_ring_that_is_moved_with_the_clock_keeps_the_age_of_each_key() {
    let ring = run(&started(), &[Algorithm::Es256], &DEFAULTS, at(0).plus(days(14)));
    let now = at(0).plus(days(14)).plus(hours(1));
    for to in [now.plus(hours(3)), now.minus(hours(3)), now.plus(days(300))] {
        let moved = ring.moved(now, to);
        assert_eq!(moved.version, ring.version + 1);
        assert_eq!(moved.check(), Ok(()));
        for (old, new) in ring.keys.iter().zip(&moved.keys) {
            for state in KeyState::ALL {
                assert_eq!(
                    old.entered(state).map(|at| now.since(at)),
                    new.entered(state).map(|at| to.since(at))
                );
            }
        }
        assert_eq!(moved.moved(to, now).keys, ring.keys, "and back");
        assert_eq!(schedule(&moved, &[Algorithm::Es256], &DEFAULTS, to), None, "nothing is due for it");
    }
}

#[test]
fn changes_are_told_in_the_order_of_the_log() {
    let first = started();
    let told = |ring: &KeyRing, earlier: &KeyRing| -> Vec<_> {
        let place = |kid| ring.keys.iter().position(|key| key.kid == kid).unwrap();
        ring.changes_since(earlier).iter().map(|change| (place(change.kid), change.to.as_str())).collect()
    };
    assert_eq!(
        told(&first, &KeyRing::default()),
        [(0, "staged"), (0, "published"), (0, "active"), (1, "staged"), (1, "published")]
    );
    let second = run(&first, &[Algorithm::Es256], &DEFAULTS, at(0).plus(days(14)));
    assert_eq!(told(&second, &first), [(0, "passive"), (1, "active"), (2, "staged"), (2, "published")]);
    assert_eq!(told(&second, &second), []);
}
