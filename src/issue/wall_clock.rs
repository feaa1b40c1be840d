//! The wall clock as issuance may believe it.
//!
//! A step back of at most five seconds is absorbed, so that `iat` never goes
//! below the last one; a larger step is taken over and told to the caller, who
//! records it. A clock that cannot be right is insane, and nothing is issued: it
//! shows a time before this program was made or at the end of the calendar, or
//! it ran more than a year ahead of the monotonic clock since the process
//! started. Nothing of an insane reading is kept, so that issuance goes on with
//! the first sane one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::ambient::Clock;
use crate::time::Timestamp;

/// A step back of up to this is absorbed.
const ABSORBED_STEP: Duration = Duration::from_secs(5);
/// No correct clock shows an earlier time than the year this program was written in: 2026-01-01T00:00:00Z.
const EARLIEST: Timestamp = Timestamp::from_seconds(1_767_225_600);
/// No correct clock shows a later time, and whatever is counted from an earlier one can be written: 9999-01-01T00:00:00Z.
const LATEST: Timestamp = Timestamp::from_seconds(253_370_764_800);
/// How far a clock may be set forward under a running process: a year.
const FORWARD: Duration = Duration::from_hours(366 * 24);

/// The wall clock cannot be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockInsane {
    /// It shows a time before this program was made.
    #[error("the wall clock shows {0}, which is before this program was made")]
    TooEarly(Timestamp),
    /// It shows the end of the calendar.
    #[error("the wall clock shows {0}, which is the end of the calendar")]
    TooLate(Timestamp),
    /// It ran away from the monotonic clock.
    #[error("the wall clock shows {shown}, while {expected} is what the time since the start makes of it")]
    RanAway {
        /// What it shows.
        shown: Timestamp,
        /// What it would show if it had run like the monotonic clock since the start of the process.
        expected: Timestamp,
    },
}

/// One look at the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time to issue with.
    pub now: Timestamp,
    /// The time before, when the clock has just stepped back too far to be absorbed.
    pub stepped_back_from: Option<Timestamp>,
}

/// A clock with a memory of how it started and of the latest time it told.
pub struct WallClock {
    clock: Arc<dyn Clock>,
    started: (Timestamp, Duration),
    latest: AtomicU64,
}

impl WallClock {
    /// Remembers what the clocks show at the start of the process; fails when that is insane.
    pub fn start(clock: Arc<dyn Clock>) -> Result<Self, ClockInsane> {
        let started = (clock.now(), clock.monotonic());
        judge(started.0, started.0)?;
        Ok(Self { clock, started, latest: AtomicU64::new(0) })
    }

    /// The wall-clock time, if it can be right. Looking leaves no trace.
    pub fn look(&self) -> Result<Timestamp, ClockInsane> {
        let (wall, monotonic) = self.started;
        let shown = self.clock.now();
        judge(shown, wall.plus(self.clock.monotonic().saturating_sub(monotonic)))?;
        Ok(shown)
    }

    /// The time that a token would bear now, if it can be right. Looking leaves no trace.
    pub fn foresee(&self) -> Result<Timestamp, ClockInsane> {
        let now = self.look()?;
        let latest = Timestamp::from_micros(self.latest.load(Ordering::Acquire));
        Ok(if latest.since(now) <= ABSORBED_STEP { now.max(latest) } else { now })
    }

    /// The time to issue with.
    pub fn read(&self) -> Result<Reading, ClockInsane> {
        let now = self.look()?;
        let latest = Timestamp::from_micros(self.latest.fetch_max(now.micros(), Ordering::AcqRel));
        if now >= latest {
            return Ok(Reading { now, stepped_back_from: None });
        }
        if latest.since(now) <= ABSORBED_STEP {
            return Ok(Reading { now: latest, stepped_back_from: None });
        }
        // Only one of the requests that meet the step takes it over and tells of it.
        let won =
            self.latest.compare_exchange(latest.micros(), now.micros(), Ordering::AcqRel, Ordering::Acquire);
        Ok(Reading { now, stepped_back_from: won.is_ok().then_some(latest) })
    }
}

/// Whether a clock may show `shown` where `expected` is what it would show if nobody had set it.
fn judge(shown: Timestamp, expected: Timestamp) -> Result<(), ClockInsane> {
    if shown < EARLIEST {
        Err(ClockInsane::TooEarly(shown))
    } else if shown >= LATEST {
        Err(ClockInsane::TooLate(shown))
    } else if shown.since(expected) > FORWARD {
        Err(ClockInsane::RanAway { shown, expected })
    } else {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
