//! Forgets assertions that no clock takes any more.
//!
//! Never by a clock that was set lately: what was forgotten too early could not be used again
//! either, since the store takes nothing that ends before something forgotten, but then honest
//! clients would be refused for as long as the clock was wrong. RFC 7523 section 3.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::audit::recorder::{RecordFault, Recorder};
use crate::jose::verify::assertion::KEPT;
use crate::store::{Change, Store};
use crate::time::Timestamp;

/// Assertions of one transaction.
const SLICE: u32 = 500;
/// A greater step of the wall clock against the monotonic one begins the wait anew.
const STEP: Duration = Duration::from_mins(1);

/// Forgets used assertions in time.
pub struct Forgetting {
    recorder: Recorder,
    store: Arc<dyn Store>,
    /// Both clocks, when they began to run alike.
    since: Mutex<Option<(Timestamp, Duration)>>,
}

impl Forgetting {
    /// Knows nothing about the clocks so far.
    pub fn new(recorder: Recorder, store: Arc<dyn Store>) -> Self {
        Self { recorder, store, since: Mutex::default() }
    }

    /// Forgets what is over at `now`, once the wall clock has run like the monotonic clock for as long
    /// as any assertion is remembered.
    pub async fn tick(&self, now: Timestamp, monotonic: Duration) -> Result<(), RecordFault> {
        if self.steady_for(now, monotonic) < KEPT {
            return Ok(());
        }
        while self.store.first_used_assertion().await?.is_some_and(|until| until <= now) {
            let change = Change::ForgetAssertions { until: now, at_most: SLICE };
            self.recorder.act(Vec::new(), vec![change]).await?;
        }
        Ok(())
    }

    fn steady_for(&self, now: Timestamp, monotonic: Duration) -> Duration {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, then) = *since.get_or_insert((now, monotonic));
        let passed = monotonic.saturating_sub(then);
        let expected = wall.plus(passed);
        if now.since(expected).max(expected.since(now)) > STEP {
            *since = Some((now, monotonic));
            return Duration::ZERO;
        }
        passed
    }
}
