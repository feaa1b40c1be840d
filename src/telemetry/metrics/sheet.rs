//! A sheet of OpenMetrics text being written: families of samples, each with its name, its kind and one line of help.
//!
//! Names are written without `mintmark_`, which the registry puts before them,
//! and without `_total`, which counters get by themselves.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::telemetry::HistogramReading;

/// The labels of a sample. Values are of fixed lists, or names that are registered: never text of a request.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Nanoseconds of a second.
const NANOS: f64 = 1e-9;

/// What is written to.
pub(super) struct Sheet<'a>(DescriptorEncoder<'a>);

impl<'a> Sheet<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// One number that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.gauges(name, help, [(Labels::new(), value)])
    }

    /// The same by labels.
    pub(super) fn gauges<'l, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l>, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        samples.into_iter().try_for_each(|(labels, value)| {
            labeled(&mut family, &labels, |sample| sample.encode_gauge(&value))
        })
    }

    /// One number that only goes up, from 0 at the start of the process.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counters(name, help, [(Labels::new(), value)])
    }

    /// The same by labels.
    pub(super) fn counters<'l>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        samples.into_iter().try_for_each(|(labels, value)| {
            labeled(&mut family, &labels, |sample| sample.encode_counter::<NoLabelSet, _, f64>(&value, None))
        })
    }

    /// Spans of time, which were measured in nanoseconds, in seconds; by labels.
    pub(super) fn spans<'l>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l>, &'l HistogramReading)>,
    ) -> fmt::Result {
        self.histograms((name, help), NANOS, samples)
    }

    /// Sizes, as they were measured.
    pub(super) fn sizes(&mut self, name: &str, help: &str, sizes: &HistogramReading) -> fmt::Result {
        self.histograms((name, help), 1.0, [(Labels::new(), sizes)])
    }

    /// A fact that does not change while the process lives.
    pub(super) fn info(&mut self, name: &str, help: &str, labels: &Labels<'_>) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(labels)
    }

    #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 a sum of nanoseconds loses single ones")]
    fn histograms<'l>(
        &mut self,
        (name, help): (&str, &str),
        unit: f64,
        samples: impl IntoIterator<Item = (Labels<'l>, &'l HistogramReading)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        samples.into_iter().try_for_each(|(labels, reading)| {
            let bounds = reading.bounds.iter().map(|bound| *bound as f64 * unit).chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(reading.counts.iter().copied()).collect();
            let (sum, count) = (reading.sum as f64 * unit, reading.count());
            labeled(&mut family, &labels, |sample| {
                sample.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
            })
        })
    }
}

/// One sample of a family; one without labels is the family itself.
fn labeled(
    family: &mut MetricEncoder<'_>,
    labels: &Labels<'_>,
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    if labels.is_empty() { encode(family) } else { encode(&mut family.encode_family(labels)?) }
}
