//! The time that keys go by: the wall clock, as long as the monotonic clock bears it out.
//!
//! Pure. A key's life is made of spans: published for so long, at rest for so long.
//! A wall clock that jumps would cut them short, and with them valid tokens. So the
//! wall clock is followed while it has advanced as far as the monotonic clock, give
//! or take the allowed error; where it has not, time goes on by the monotonic clock
//! alone, until both agree again or the rotator has moved the keys' dates along with
//! the jump. A restart begins with the wall clock.

use std::time::Duration;

use crate::time::Timestamp;

/// One look at the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time to go by; it never steps back.
    pub now: Timestamp,
    /// How far the wall clock is off, while that is more than the allowed error.
    pub off: Option<Duration>,
}

/// Follows both clocks.
#[derive(Clone, Copy, Debug)]
pub struct SteadyClock {
    /// S: how far the wall clock may be off.
    allowed: Duration,
    /// The last time told, and the monotonic clock then.
    last: Option<(Timestamp, Duration)>,
}

impl SteadyClock {
    /// A clock that allows an error of `allowed` and has told no time yet.
    pub fn new(allowed: Duration) -> Self {
        Self { allowed, last: None }
    }

    /// The time, given what both clocks show.
    pub fn read(&mut self, wall: Timestamp, monotonic: Duration) -> Reading {
        let Some((told, then)) = self.last else {
            return self.begin_anew(wall, monotonic);
        };
        let expected = told.plus(monotonic.saturating_sub(then));
        let error = wall.since(expected).max(expected.since(wall));
        let off = (error > self.allowed).then_some(error);
        let now = if off.is_some() { expected } else { wall.max(told) };
        self.last = Some((now, monotonic));
        Reading { now, off }
    }

    /// Goes by the wall clock from now on. The caller has moved every date that it compares with.
    pub fn begin_anew(&mut self, wall: Timestamp, monotonic: Duration) -> Reading {
        self.last = Some((wall, monotonic));
        Reading { now: wall, off: None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::tests::{at, days, hours, seconds};

    const S: Duration = seconds(30);

    fn started() -> SteadyClock {
        let mut clock = SteadyClock::new(S);
        assert_eq!(clock.read(at(0), seconds(5)), Reading { now: at(0), off: None });
        clock
    }

    #[test]
    fn small_errors_of_the_wall_clock_are_followed() {
        let mut clock = started();
        assert_eq!(clock.read(at(70), seconds(65)).now, at(70));
        assert_eq!(clock.read(at(60), seconds(66)).now, at(70), "never back");
        assert_eq!(clock.read(at(71), seconds(67)).now, at(71));
    }

    #[test]
    fn after_a_jump_time_goes_on_by_the_monotonic_clock() {
        for wall in
            [at(0).plus(hours(1)), at(0).minus(hours(1)), at(0).plus(days(3_650)), Timestamp::default()]
        {
            let mut clock = started();
            for passed in [1, 100] {
                let reading = clock.read(wall.plus(seconds(passed)), seconds(5 + passed));
                assert_eq!(reading.now, at(passed), "{wall}");
                assert!(reading.off.is_some_and(|off| off > S));
            }
            assert_eq!(clock.read(at(110), seconds(115)), Reading { now: at(110), off: None });
            clock.begin_anew(wall, seconds(116));
            assert_eq!(clock.read(wall.plus(seconds(1)), seconds(117)).now, wall.plus(seconds(1)));
        }
    }

    proptest! {
        /// Whatever the wall clock does: time never steps back, and is never further from the
        /// monotonic clock than the allowed error a step.
        #[test]
        fn no_wall_clock_shortens_a_span(
            steps in proptest::collection::vec((0_u64..4_000_000_000, 0_u64..1_000_000), 1..50)
        ) {
            let mut clock = started();
            let (mut told, mut monotonic) = (at(0), seconds(5));
            for (wall, passed) in steps {
                monotonic += Duration::from_millis(passed);
                let now = clock.read(Timestamp::from_seconds(wall), monotonic).now;
                prop_assert!(now >= told);
                prop_assert!(now <= told.plus(Duration::from_millis(passed)).plus(S));
                told = now;
            }
        }
    }
}
