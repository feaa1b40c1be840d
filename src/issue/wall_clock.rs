//! The wall clock as issuance may believe it.
//!
//! A step back of at most five seconds is absorbed, so that `iat` never goes
//! below the last one; a larger step is taken over and told to the caller, who
//! records it. Before the build's own time the clock is insane and nothing is issued.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::ambient::Clock;
use crate::time::Timestamp;

/// A step back of up to this is absorbed.
const ABSORBED_STEP: Duration = Duration::from_secs(5);
/// No correct clock shows an earlier time than the year this program was written in: 2026-01-01T00:00:00Z.
const EARLIEST: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// The wall clock cannot be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the wall clock shows a time before this program was built")]
pub struct ClockInsane;

/// One look at the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time to issue with.
    pub now: Timestamp,
    /// The time before, when the clock has just stepped back too far to be absorbed.
    pub stepped_back_from: Option<Timestamp>,
}

/// A clock with a memory of the latest time it told.
pub struct WallClock {
    clock: Arc<dyn Clock>,
    latest: AtomicU64,
}

impl WallClock {
    /// Starts without a memory.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, latest: AtomicU64::new(0) }
    }

    /// The time to issue with.
    pub fn read(&self) -> Result<Reading, ClockInsane> {
        let now = self.clock.now();
        if now < EARLIEST {
            return Err(ClockInsane);
        }
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
