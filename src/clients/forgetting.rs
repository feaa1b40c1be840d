//! Forgets assertions that no clock takes any more.
//!
//! Only by a clock that has settled: what was forgotten too early could not be used again
//! either, since the store takes nothing that ends before something forgotten, but then honest
//! clients would be refused for as long as the clock was wrong. RFC 7523 section 3.

use std::sync::Arc;

use crate::audit::recorder::{RecordFault, Recorder};
use crate::store::{Change, Store};
use crate::time::Timestamp;

/// Assertions of one transaction.
const SLICE: u32 = 500;

/// Forgets used assertions in time.
pub struct Forgetting {
    recorder: Recorder,
    store: Arc<dyn Store>,
}

impl Forgetting {
    /// Forgets from this store, by this recorder.
    pub fn new(recorder: Recorder, store: Arc<dyn Store>) -> Self {
        Self { recorder, store }
    }

    /// Forgets what is over at `now`, a time by which something may be taken away for good.
    pub async fn tick(&self, now: Timestamp) -> Result<(), RecordFault> {
        while self.store.first_used_assertion().await?.is_some_and(|until| until <= now) {
            let change = Change::ForgetAssertions { until: now, at_most: SLICE };
            self.recorder.act(Vec::new(), vec![change]).await?;
        }
        Ok(())
    }
}
