//! Years of rotation before verifiers that believe their cache to its last second.
//!
//! First the rings live: ticks come late or not at all, clocks differ by up to S,
//! operators rotate, plans are made twice. Then tokens are issued around each
//! change by nodes that lag up to P, and each token meets verifiers whose JWKS is
//! 0 to C old and came from a node that lags up to P, until the last microsecond
//! in which a verifier takes it. A `kid` unknown to its verifier is a false reject.

use proptest::prelude::*;

use super::*;
use crate::jose::Kid;
use crate::keys::by_hand::rotate_by_hand;

const MICRO: Duration = Duration::from_micros(1);
const CHANGES: usize = 90;

/// Small, seeded and reproducible: splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll().is_multiple_of(sides)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap();
        Duration::from_micros(self.roll() % (most + 1))
    }

    /// Extremes are where the bounds are tight, so they come up often.
    fn edge(&mut self, most: Duration) -> Duration {
        match self.roll() % 3 {
            0 => Duration::ZERO,
            1 => most,
            _ => self.up_to(most),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Operator {
    Absent,
    /// Rotates now and then, and takes "not yet" for an answer.
    Patient,
    /// Rotates each time 20 % before every verifier knows the standby.
    Hasty,
    /// Restarts the issuer now and then with other lifetimes, retentions and periods, all of them sound.
    Tuning,
}

/// What verifiers and nodes can see of one committed ring, and since when in true time.
struct View {
    since: Timestamp,
    served: Vec<Kid>,
    active: Vec<KeyFacts>,
    /// The settings that tokens were issued by.
    quantities: Quantities,
}

struct World {
    quantities: Quantities,
    ring: KeyRing,
    views: Vec<View>,
    dice: Dice,
}

impl World {
    fn new(quantities: Quantities, seed: u64) -> Self {
        Self { quantities, ring: KeyRing::default(), views: Vec::new(), dice: Dice(seed) }
    }

    fn apply(&mut self, plan: &Plan, time: Timestamp, clock: Timestamp) {
        let fresh = fresh_for(&plan.needs_new(), self.ring.version, clock);
        let next = plan.apply(&self.ring, fresh.clone(), clock).unwrap();
        let second = plan.apply(&next, fresh, clock);
        assert!(matches!(second, Err(StalePlan::Version { .. })), "a second rotator came through");
        for key in &self.ring.keys {
            let state = next.key(key.kid).unwrap().state;
            assert!(key.state <= state, "{} went back", key.kid);
            if state == KeyState::Removed {
                assert!(next.active(key.algorithm).is_some(), "removed without a successor");
            }
        }
        for algorithm in BOTH {
            let count = |state| next.of(*algorithm).filter(|key| key.state == state).count();
            let begun = next.of(*algorithm).any(|key| key.activated_at.is_some());
            assert_eq!(count(KeyState::Active), usize::from(begun));
            assert!(count(KeyState::Published) == 1 || next.of(*algorithm).count() == 0);
        }
        self.views.push(View {
            since: time,
            served: next.served().map(|key| key.kid).collect(),
            active: BOTH.iter().filter_map(|each| next.active(*each)).cloned().collect(),
            quantities: self.quantities,
        });
        self.ring = next;
    }

    fn tick(&mut self, algorithms: &[Algorithm], time: Timestamp, clock: Timestamp) {
        let mut steps = 0;
        while let Some(plan) = schedule(&self.ring, algorithms, &self.quantities, clock) {
            assert_eq!(Some(&plan), schedule(&self.ring, algorithms, &self.quantities, clock).as_ref());
            self.apply(&plan, time, clock);
            steps += 1;
            assert!(steps < 12, "no fixed point");
        }
    }

    /// Lives until enough changes have happened or three years have passed.
    fn live(&mut self, operator: Operator) {
        let start = at(0);
        let mut time = start;
        let second_ring_from = usize::from(self.dice.roll().to_le_bytes()[0]);
        let mut hands = 0_u32;
        while self.views.len() < CHANGES && time < start.plus(days(3 * 365)) {
            let algorithms = if self.views.len() < second_ring_from { ES256 } else { BOTH };
            let due = next(&self.ring, algorithms, &self.quantities).unwrap().due;
            if operator == Operator::Patient && self.dice.one_in(4) {
                let wait = due.since(time).min(self.quantities.known_after() * 2);
                time = time.plus(self.dice.up_to(wait));
                self.ask_for_rotation(time);
            }
            if operator == Operator::Tuning && self.dice.one_in(3) {
                let wait = self.dice.up_to(due.since(time));
                time = time.plus(wait);
                self.restart_with_other_lifetimes();
                self.tick(algorithms, time, time);
            }
            let error = self.dice.edge(self.quantities.clock_skew);
            let due = next(&self.ring, algorithms, &self.quantities).unwrap().due.max(start);
            time = time.max(due.minus(error));
            if operator == Operator::Patient && self.dice.one_in(5) {
                time = time.plus(self.dice.up_to(self.quantities.active_for * 3));
            }
            if operator == Operator::Hasty && !self.views.is_empty() {
                time = self.rotate_too_early(hands);
                hands += 1;
            } else {
                self.tick(algorithms, time, time.plus(error));
            }
            if operator == Operator::Absent {
                assert!(BOTH.iter().all(|each| self.served(*each) <= 3), "more than three keys served");
            }
        }
    }

    fn restart_with_other_lifetimes(&mut self) {
        let mut settings = self.quantities;
        settings.max_lifetime = seconds(1) + self.dice.edge(hours(1));
        settings.retain_for = settings.least_retain_for() + self.dice.edge(hours(3));
        settings.active_for = settings.least_active_for() + self.dice.up_to(days(3));
        self.quantities = settings;
    }

    fn served(&self, algorithm: Algorithm) -> usize {
        self.ring.served().filter(|key| key.algorithm == algorithm).count()
    }

    fn ask_for_rotation(&mut self, time: Timestamp) {
        let clock = time.plus(self.dice.edge(self.quantities.clock_skew));
        match rotate_by_hand(&self.ring, BOTH, false, &self.quantities, clock) {
            Ok(rotation) => {
                assert_eq!(rotation.plan.exposure, Duration::ZERO);
                if !rotation.plan.is_idle() {
                    self.apply(&rotation.plan, time, clock);
                }
            }
            Err(_) => assert!(self.views.is_empty()),
        }
    }

    /// By clocks that are S behind and S ahead in turn, as the bounds allow.
    fn rotate_too_early(&mut self, hands: u32) -> Timestamp {
        let error = if hands.is_multiple_of(2) { self.quantities.clock_skew } else { Duration::ZERO };
        let published = self.ring.standby(Algorithm::Es256).unwrap().published_at.unwrap();
        let clock = published.plus(self.quantities.known_after() * 4 / 5);
        let time = clock.minus(error).max(self.views.last().unwrap().since);
        let plan = rotate_by_hand(&self.ring, BOTH, true, &self.quantities, clock).unwrap().plan;
        assert!(plan.exposure > Duration::ZERO);
        self.apply(&plan, time, clock);
        time
    }

    /// What a node that lags shows. Nobody can have seen anything before the first start.
    fn seen(&self, time: Timestamp) -> &View {
        let after = self.views.partition_point(|view| view.since <= time);
        &self.views[after.saturating_sub(1)]
    }

    /// Issues tokens around each change and counts those that some verifier refuses while they are valid.
    fn false_rejects(&mut self, sound: bool) -> usize {
        let Quantities { propagation, clock_skew, leeway, .. } = self.quantities;
        let changes: Vec<_> = self.views.iter().map(|view| view.since).collect();
        let mut rejects = 0;
        for change in changes {
            let somewhen = self.dice.up_to(self.quantities.active_for);
            let (lag, error) = (self.dice.up_to(propagation), self.dice.up_to(clock_skew));
            for (time, lag, error) in [
                (change, Duration::ZERO, clock_skew),
                (change, Duration::ZERO, Duration::ZERO),
                (change.plus(propagation).minus(MICRO), propagation, clock_skew),
                (change.plus(somewhen), lag, error),
            ] {
                let issued_at = time.plus(error);
                let View { active, quantities, .. } = self.seen(time.minus(lag));
                let (signers, quantities) = (active.clone(), *quantities);
                for key in signers {
                    let expiry = issued_at.plus(quantities.max_lifetime);
                    // B7: sound settings never shorten a token.
                    assert!(!sound || longest_lifetime(&key, &quantities) >= quantities.max_lifetime);
                    rejects += self.refusals(key.kid, time, expiry.plus(leeway).minus(MICRO));
                }
            }
        }
        rejects
    }

    fn refusals(&mut self, kid: Kid, first: Timestamp, last: Timestamp) -> usize {
        let Quantities { propagation, jwks_max_age, .. } = self.quantities;
        let between = first.plus(self.dice.up_to(last.since(first)));
        let some_age = self.dice.up_to(jwks_max_age);
        let mut refused = 0;
        for time in [first, between, last] {
            for age in [Duration::ZERO, some_age, jwks_max_age] {
                for lag in [Duration::ZERO, propagation] {
                    let cached = self.seen(time.minus(age).minus(lag));
                    refused += usize::from(!cached.served.contains(&kid));
                }
            }
        }
        refused
    }
}

fn above(least: Duration, most: Duration) -> impl Strategy<Value = Duration> {
    let extra = u64::try_from(most.as_millis()).unwrap();
    prop_oneof![Just(0), 0..=extra].prop_map(move |extra| least + Duration::from_millis(extra))
}

prop_compose! {
    /// Settings at the bounds or above them.
    fn settings()(
        jwks_max_age in above(Duration::ZERO, hours(1)),
        propagation in above(Duration::ZERO, minutes(2)),
        clock_skew in above(Duration::ZERO, minutes(2)),
        leeway in above(Duration::ZERO, minutes(2)),
        max_lifetime in above(seconds(1), hours(1)),
        ahead in above(Duration::ZERO, days(2)),
        retained in above(Duration::ZERO, days(2)),
        active in above(seconds(1), days(20)),
    ) -> Quantities {
        let loose = Quantities {
            active_for: Duration::ZERO,
            publish_ahead: Duration::ZERO,
            jwks_max_age,
            propagation,
            clock_skew,
            leeway,
            retain_for: Duration::ZERO,
            max_lifetime,
        };
        let publish_ahead = loose.known_after() + ahead;
        let retain_for = loose.least_retain_for() + retained;
        Quantities { publish_ahead, retain_for, active_for: publish_ahead.max(retain_for) + active, ..loose }
    }
}

/// B2 is tight where P is at least S; elsewhere it has room of S - P.
fn tight_settings() -> impl Strategy<Value = Quantities> {
    (settings(), 0_u64..=120).prop_map(|(mut settings, more)| {
        settings.propagation = settings.clock_skew + seconds(more + 1);
        settings.publish_ahead = settings.known_after();
        settings.retain_for = settings.least_retain_for();
        settings.active_for = settings.least_active_for() + minutes(1);
        settings
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_schedule_alone_never_fails_a_valid_token(settings in settings(), seed: u64) {
        let mut world = World::new(settings, seed);
        world.live(Operator::Absent);
        prop_assert_eq!(world.false_rejects(true), 0);
    }

    #[test]
    fn late_runs_and_patient_operators_fail_no_valid_token(settings in settings(), seed: u64) {
        let mut world = World::new(settings, seed);
        world.live(Operator::Patient);
        prop_assert_eq!(world.false_rejects(true), 0);
    }

    #[test]
    fn settings_that_change_at_restarts_fail_no_valid_token(settings in settings(), seed: u64) {
        let mut world = World::new(settings, seed);
        world.live(Operator::Tuning);
        prop_assert_eq!(world.false_rejects(true), 0);
    }

    #[test]
    fn a_rotation_a_fifth_too_early_fails_valid_tokens(settings in tight_settings(), seed: u64) {
        let mut world = World::new(settings, seed);
        world.live(Operator::Hasty);
        prop_assert!(world.false_rejects(false) > 0);
    }

    #[test]
    fn a_retention_a_fifth_too_short_fails_valid_tokens(settings in tight_settings(), seed: u64) {
        let cut = Quantities { retain_for: settings.retain_for * 4 / 5, ..settings };
        let mut world = World::new(cut, seed);
        world.live(Operator::Absent);
        prop_assert!(world.false_rejects(false) > 0);
    }
}
