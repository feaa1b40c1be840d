//! How long waiters waited: counts by fixed bounds, ready for a histogram.

use std::time::Duration;

/// The upper ends of all buckets but the last, which has none.
pub const WAIT_BOUNDS: [Duration; 7] = [
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
];

/// Waits, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// By [`WAIT_BOUNDS`], each wait in the first bucket that it fits; the last is for all longer ones.
    pub buckets: [u64; WAIT_BOUNDS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

impl Waits {
    /// One more.
    pub fn add(&mut self, waited: Duration) {
        let bucket = WAIT_BOUNDS.partition_point(|bound| *bound < waited);
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(waited);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}
