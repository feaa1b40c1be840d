use std::sync::Mutex;

use proptest::prelude::*;

use super::*;

/// Both clocks, set by hand.
pub(in crate::issue) struct Hands(Mutex<(Timestamp, Duration)>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}

impl Hands {
    pub(in crate::issue) fn at(text: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new((time(text), Duration::from_secs(7)))))
    }

    /// Time passes.
    pub(in crate::issue) fn pass(&self, span: Duration) {
        let mut hands = self.0.lock().unwrap();
        *hands = (hands.0.plus(span), hands.1 + span);
    }

    /// Somebody sets the wall clock.
    pub(in crate::issue) fn set(&self, now: Timestamp) {
        self.0.lock().unwrap().0 = now;
    }
}

pub(in crate::issue) fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

const START: &str = "2026-11-22T12:00:00Z";
const HOUR: Duration = Duration::from_hours(1);
const YEAR: Duration = Duration::from_hours(366 * 24);

fn started(text: &str) -> (Arc<Hands>, WallClock) {
    let hands = Hands::at(text);
    let clock = WallClock::start(hands.clone()).unwrap();
    (hands, clock)
}

#[test]
fn a_small_step_back_is_absorbed_and_a_large_one_is_told_once() {
    let (hands, clock) = started(START);
    assert_eq!(clock.read(), Ok(Reading { now: time(START), stepped_back_from: None }));
    hands.set(time(START).minus(Duration::from_secs(5)));
    assert_eq!(clock.foresee(), Ok(time(START)));
    assert_eq!(clock.read(), Ok(Reading { now: time(START), stepped_back_from: None }));
    let earlier = time(START).minus(HOUR);
    hands.set(earlier);
    assert_eq!(clock.foresee(), Ok(earlier));
    assert_eq!(clock.read(), Ok(Reading { now: earlier, stepped_back_from: Some(time(START)) }));
    assert_eq!(clock.read(), Ok(Reading { now: earlier, stepped_back_from: None }));
    hands.set(time(START).plus(HOUR));
    assert_eq!(clock.read(), Ok(Reading { now: time(START).plus(HOUR), stepped_back_from: None }));
}

#[test]
fn a_clock_that_cannot_be_right_leaves_no_trace() {
    let (hands, clock) = started(START);
    clock.read().unwrap();
    for wrong in
        ["1970-01-01T00:00:00Z", "2025-12-31T23:59:59Z", "2036-11-22T12:00:00Z", "2038-01-19T03:14:08Z"]
            .into_iter()
            .chain(["2106-02-07T06:28:16Z", "9999-12-30T00:00:00Z"])
    {
        hands.set(time(wrong));
        let told = clock.read().unwrap_err();
        assert_eq!(clock.look(), Err(told), "{wrong}");
        assert!(told.to_string().contains(wrong.trim_end_matches('Z')), "{told}");
        hands.set(time(START));
        assert_eq!(clock.read(), Ok(Reading { now: time(START), stepped_back_from: None }), "{wrong}");
    }
}

#[test]
fn the_window_moves_with_the_monotonic_clock() {
    let (hands, clock) = started(START);
    hands.set(time(START).plus(YEAR));
    clock.look().unwrap();
    hands.set(time(START).plus(YEAR + Duration::from_micros(1)));
    assert!(matches!(clock.look(), Err(ClockInsane::RanAway { .. })));
    hands.set(time(START));
    // Twenty years in which nobody restarts and nobody sets the clock.
    for _ in 0..20 {
        hands.pass(YEAR);
        clock.read().unwrap();
    }
    hands.set(clock.look().unwrap().plus(YEAR + HOUR));
    assert!(clock.look().is_err());
}

#[test]
fn a_start_is_judged_by_the_calendar_alone() {
    for good in ["2026-01-01T00:00:00Z", "2038-01-19T03:14:08Z", "2106-02-07T06:28:16Z"] {
        let (_, clock) = started(good);
        assert_eq!(clock.read().unwrap().now, time(good));
    }
    for bad in ["1970-01-01T00:00:00Z", "2025-12-31T23:59:59.999999Z", "9999-01-01T00:00:00Z"] {
        assert!(WallClock::start(Hands::at(bad)).is_err(), "{bad}");
    }
}

proptest! {
    /// Whatever the clock shows in between, what is issued with is either sane or nothing.
    #[test]
    fn no_history_of_the_clock_poisons_a_later_reading(shown in prop::collection::vec(0..=u64::MAX, 0..20)) {
        let (hands, clock) = started(START);
        for micros in shown {
            hands.set(Timestamp::from_micros(micros));
            if let Ok(reading) = clock.read() {
                prop_assert!(reading.now >= EARLIEST && reading.now <= time(START).plus(YEAR));
            }
        }
        hands.set(time(START).plus(YEAR));
        prop_assert_eq!(clock.read(), Ok(Reading { now: time(START).plus(YEAR), stepped_back_from: None }));
    }
}
