//! How often values of which size came: counted where they come, read when somebody asks.
//!
//! Takes no lock and no memory after it was made, so that it may stand in the
//! way of every token. It knows no names and no units: who reads it gives them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts of values by size.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above all of them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a [`Histogram`] has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramReading {
    /// The greatest value of each bucket, ascending; of the last one there is none.
    pub bounds: &'static [u64],
    /// How many values fell into each bucket and not into one before: one more than bounds.
    pub counts: Vec<u64>,
    /// All values together.
    pub sum: u64,
}

impl HistogramReading {
    /// How many values came.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Histogram {
    /// `bounds` ascend; each is the greatest value of its bucket.
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a span of time in nanoseconds, which its bounds must be in.
    pub fn observe_span(&self, span: Duration) {
        self.observe(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    }

    /// What was counted so far. Values that come meanwhile may be in the sum and not in the counts.
    pub fn reading(&self) -> HistogramReading {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        HistogramReading { bounds: self.bounds, counts, sum: self.sum.load(Ordering::Relaxed) }
    }
}

/// Bounds for spans that people wait for, in nanoseconds: 0.5 ms to 10 s.
pub const SPANS: &[u64] = &[
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_where_it_is_the_greatest_or_less() {
        let histogram = Histogram::new(&[1, 10, 100]);
        for value in [0, 1, 2, 10, 11, 100, 101, 5_000] {
            histogram.observe(value);
        }
        let reading = histogram.reading();
        assert_eq!((reading.counts.as_slice(), reading.sum, reading.count()), (&[2, 2, 2, 2][..], 5_225, 8));
    }

    #[test]
    fn no_span_is_too_long() {
        let histogram = Histogram::new(SPANS);
        histogram.observe_span(Duration::MAX);
        histogram.observe_span(Duration::from_micros(500));
        let counts = histogram.reading().counts;
        assert_eq!((counts.first(), counts.last()), (Some(&1), Some(&1)));
    }
}
