//! The wall clock as those may believe it who take something away for good.
//!
//! A machine that comes up may show any time, until its time service has put it right. So nothing is
//! forgotten by a clock that was started or set lately: it counts once it has run like the monotonic
//! clock for [`SETTLING`]. It never tells a time of its own, and it cannot tell a clock that is wrong
//! for longer from a right one: who forgets what must not come back says so in the store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{ClockInsane, WallClock};
use crate::ambient::Clock;
use crate::time::Timestamp;

/// So long the clocks run alike before the wall clock counts. Time services put a wrong clock right
/// within seconds of reaching a server, the slowest after 300 s of doubt; this is twice that. It is short,
/// since a process that lives for less forgets nothing, and what it keeps grows.
pub const SETTLING: Duration = Duration::from_mins(10);
/// A greater step of the wall clock against the monotonic one begins the wait anew.
const STEP: Duration = Duration::from_mins(1);

/// Watches both clocks, for all who forget.
pub struct SettledClock {
    wall_clock: Arc<WallClock>,
    clock: Arc<dyn Clock>,
    /// Both clocks, when they began to run alike; `None` before a first sane look.
    since: Mutex<Option<(Timestamp, Duration)>>,
}

impl SettledClock {
    /// Waits from now on. `clock` is what `wall_clock` goes by.
    pub fn new(wall_clock: Arc<WallClock>, clock: Arc<dyn Clock>) -> Self {
        let settled = Self { wall_clock, clock, since: Mutex::default() };
        // A clock that is insane now is met again, and told, at the first look that counts.
        let _ = settled.look();
        settled
    }

    /// The time, once it has been steady for long enough; `None` while it has not. Fails while the wall
    /// clock cannot be right. It is to be asked about once a minute: what nobody looked at, nobody went by.
    pub fn look(&self) -> Result<Option<Timestamp>, ClockInsane> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.wall_clock.look().inspect_err(|_| *since = None)?;
        let monotonic = self.clock.monotonic();
        let (wall, then) = *since.get_or_insert((now, monotonic));
        let passed = monotonic.saturating_sub(then);
        let expected = wall.plus(passed);
        if now.since(expected).max(expected.since(now)) > STEP {
            *since = Some((now, monotonic));
            return Ok(None);
        }
        Ok((passed >= SETTLING).then_some(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::wall_clock::tests::{Hands, time};

    const START: &str = "2026-11-22T12:00:00Z";
    const SECOND: Duration = Duration::from_secs(1);

    fn started() -> (Arc<Hands>, SettledClock) {
        let hands = Hands::at(START);
        let wall_clock = Arc::new(WallClock::start(hands.clone()).unwrap());
        (hands.clone(), SettledClock::new(wall_clock, hands))
    }

    #[track_caller]
    fn assert_settles(hands: &Hands, clock: &SettledClock) {
        assert_eq!(clock.look(), Ok(None));
        hands.pass(SETTLING.checked_sub(SECOND).unwrap());
        assert_eq!(clock.look(), Ok(None));
        hands.pass(SECOND);
        assert_eq!(clock.look(), Ok(Some(hands.now())));
    }

    #[test]
    fn it_counts_once_it_has_been_steady() {
        let (hands, clock) = started();
        assert_settles(&hands, &clock);
        hands.pass(Duration::from_hours(24 * 300));
        assert_eq!(clock.look(), Ok(Some(hands.now())));
    }

    #[test]
    fn a_step_either_way_begins_the_wait_anew_and_so_does_the_way_back() {
        let (hands, clock) = started();
        hands.pass(SETTLING);
        for step in [STEP + SECOND, Duration::from_hours(25), Duration::from_hours(24 * 300)] {
            let right = hands.now();
            for there in [right.plus(step), right, right.minus(step), right] {
                hands.set(there);
                assert_settles(&hands, &clock);
            }
        }
    }

    #[test]
    fn small_errors_do_not_count_alone_but_in_sum() {
        let (hands, clock) = started();
        hands.pass(SETTLING);
        for (seconds, settled) in [(40, true), (20, true), (1, false)] {
            hands.set(hands.now().plus(SECOND * seconds));
            assert_eq!(clock.look(), Ok(settled.then(|| hands.now())), "{seconds} s more");
        }
    }

    #[test]
    fn a_time_that_cannot_be_right_is_told_and_begins_the_wait_anew() {
        let (hands, clock) = started();
        hands.pass(SETTLING);
        let right = hands.now();
        hands.set(time("2106-02-07T06:28:16Z"));
        assert!(matches!(clock.look(), Err(ClockInsane::RanAway { .. })));
        hands.set(right);
        assert_settles(&hands, &clock);
    }
}
