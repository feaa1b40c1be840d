//! How the writer gets on, counted beside each commit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::telemetry::{Histogram, HistogramReading, SPANS};

/// Bounds for the size of a batch; the last one is the most that a batch takes.
const SIZES: &[u64] = &[0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// What the recorder was asked for and what became of it since the start of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderReading {
    /// Jobs that wait for the writer.
    pub queued: usize,
    /// The most that may wait.
    pub most_queued: usize,
    /// How long commits took, those that failed among them; nanoseconds.
    pub commits: HistogramReading,
    /// How many records each batch had.
    pub batches: HistogramReading,
    /// Commits that failed, those whose outcome is unknown among them. A change that came too late is none.
    pub failed: u64,
    /// Records that nobody waited for and that were lost.
    pub dropped: u64,
}

/// The counters of one writer.
pub(super) struct Pace {
    commits: Histogram,
    batches: Histogram,
    failed: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { commits: Histogram::new(SPANS), batches: Histogram::new(SIZES), failed: AtomicU64::new(0) }
    }
}

impl Pace {
    pub(super) fn committed(&self, records: usize, took: Duration) {
        self.commits.observe_span(took);
        self.batches.observe(records as u64);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn reading(&self, (queued, most_queued): (usize, usize), dropped: u64) -> RecorderReading {
        RecorderReading {
            queued,
            most_queued,
            commits: self.commits.reading(),
            batches: self.batches.reading(),
            failed: self.failed.load(Ordering::Relaxed),
            dropped,
        }
    }
}
