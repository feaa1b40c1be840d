//! Quotas: so many permits in such a period, with such a burst; and what a debt under one means.
//!
//! Pure. Every [`Quota`] that exists is within bounds, so that no later
//! arithmetic can overflow: text, JSON and constructors refuse the rest. The
//! decision itself is not made here (see `limits::limiter`).
//!
//! A *debt* is how far the theoretical arrival time of the generic cell rate
//! algorithm (ITU-T I.371) lies ahead of now, in nanoseconds: zero when the
//! burst is full, one [`interval`](Quota::interval) more for each permit taken.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::{parse_span, span_text};

/// The longest period, and the longest that an empty burst may take to refill: 366 days.
pub const MAX_PERIOD: Duration = Duration::from_hours(366 * 24);

/// The greatest debt that is ever kept, in nanoseconds: 73 years. Twice it still fits 64 bits.
pub(super) const MAX_DEBT: u64 = 1 << 61;

/// Why a quota was refused; the text says what would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuota {
    /// Not `count/period`.
    #[error("expected a count, a slash and a period, such as \"600/1m\"")]
    Grammar,
    /// Count or burst is zero, negative, or does not fit 32 bits.
    #[error("count and burst are whole numbers from 1 to 4294967295")]
    Count,
    /// The period is zero, not whole seconds, or beyond [`MAX_PERIOD`].
    #[error("the period is whole seconds, from 1s to 366d")]
    Period,
    /// The burst would take longer than [`MAX_PERIOD`] to refill.
    #[error("the burst is too great: at this rate it would take longer than 366d to refill")]
    Burst,
}

/// `count` permits in each `period`, of which `burst` may be taken at once.
///
/// Text is `600/1m`; JSON is `{"count":600,"period":60,"burst":600}` with the
/// period in seconds, and `burst` may be left out for `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    count: NonZeroU32,
    period: Duration,
    burst: NonZeroU32,
    /// See [`Quota::interval`]; kept because every decision asks for it several times.
    interval: u64,
}

impl Quota {
    /// A quota within bounds: `period` is whole seconds, at most [`MAX_PERIOD`],
    /// and the burst refills in no more than that.
    pub fn new(count: NonZeroU32, period: Duration, burst: NonZeroU32) -> Result<Self, BadQuota> {
        if period.is_zero() || period.subsec_nanos() != 0 || period > MAX_PERIOD {
            return Err(BadQuota::Period);
        }
        // In exact terms: `period / count` for each of `burst` permits.
        if period.as_nanos() * u128::from(burst.get()) > MAX_PERIOD.as_nanos() * u128::from(count.get()) {
            return Err(BadQuota::Burst);
        }
        Ok(Self { count, period, burst, interval: interval(count, period) })
    }

    /// Reads `count/period`, such as `600/1m`; the burst is the count. No blanks, no signs, no fractions.
    pub fn parse(text: &str) -> Result<Self, BadQuota> {
        let (count, period) = text.split_once('/').ok_or(BadQuota::Grammar)?;
        if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadQuota::Grammar);
        }
        let count: NonZeroU32 = count.parse().map_err(|_| BadQuota::Count)?;
        let period = parse_span(period).map_err(|_| BadQuota::Grammar)?;
        Self::new(count, period, count)
    }

    /// The same rate with another burst.
    pub fn with_burst(self, burst: NonZeroU32) -> Result<Self, BadQuota> {
        Self::new(self.count, self.period, burst)
    }

    /// Permits in each period.
    pub fn count(&self) -> NonZeroU32 {
        self.count
    }

    /// The period, in whole seconds.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// The most permits that can be taken at once.
    pub fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// As it is typed, with its burst where that is another number: `600/1m`, `600/1m burst 50`.
    pub fn typed(&self) -> String {
        if self.burst == self.count { self.to_string() } else { format!("{self} burst {}", self.burst) }
    }

    /// One node's share when `nodes` of them enforce this quota apart: the rate
    /// divided, and the burst divided and rounded up. All together admit at
    /// most `burst + nodes - 1` at once, and never more than the whole rate.
    #[must_use]
    pub fn divided(self, nodes: NonZeroU32) -> Self {
        if nodes == NonZeroU32::MIN {
            return self;
        }
        let (count, period) = match NonZeroU32::new(self.count.get() / nodes) {
            Some(share) if self.count.get().is_multiple_of(nodes.get()) => (share, self.period),
            // The period grows instead, so that the rate stays exact.
            _ => (self.count, self.period.saturating_mul(nodes.get())),
        };
        let period = period.min(Duration::from_secs(MAX_DEBT / 1_000_000_000));
        let interval = interval(count, period);
        // Only absurd numbers of nodes meet these bounds: one permit in 73 years is the least share.
        let most = u32::try_from(MAX_DEBT / interval).unwrap_or(u32::MAX);
        let burst = self.burst.get().div_ceil(nodes.get()).min(most);
        Self { count, period, burst: NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN), interval }
    }

    /// Nanoseconds in which one permit grows back, at least 1. Rounded up, so
    /// that the rate is never above the one that was asked for.
    pub(super) fn interval(&self) -> u64 {
        self.interval
    }

    /// Permits that can be taken at once under `debt`.
    pub(super) fn remaining(&self, debt: u64) -> u32 {
        let left = self.refill().saturating_sub(debt) / self.interval();
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// Time to the next permit when none remains under `debt`, else until all have grown back.
    pub(super) fn reset(&self, debt: u64) -> Duration {
        let tolerance = self.refill().saturating_sub(self.interval());
        Duration::from_nanos(if debt > tolerance { debt - tolerance } else { debt })
    }

    /// Nanoseconds in which an empty burst grows back; at most about [`MAX_DEBT`].
    fn refill(&self) -> u64 {
        self.interval().saturating_mul(u64::from(self.burst.get()))
    }
}

/// The interval of a rate, in nanoseconds.
fn interval(count: NonZeroU32, period: Duration) -> u64 {
    nanos(period).div_ceil(u64::from(count.get())).max(1)
}

/// `debt` in the measure of another interval: the same number of permits stays taken.
/// Rounded up, so that a change of quota forgets nothing; cut at [`MAX_DEBT`].
pub(super) fn rescaled(debt: u64, old_interval: u64, new_interval: u64) -> u64 {
    if old_interval == new_interval {
        return debt;
    }
    let scaled = (u128::from(debt) * u128::from(new_interval)).div_ceil(u128::from(old_interval.max(1)));
    u64::try_from(scaled).unwrap_or(MAX_DEBT).min(MAX_DEBT)
}

/// Whole nanoseconds, at most what 64 bits hold.
pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// `count/period`; a burst that is not the count has no place in it and is told apart.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, span_text(self.period))
    }
}

/// The JSON form. Its numbers may be any, so that a bad one is refused in our words.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    count: i64,
    period: i64,
    #[serde(default, deserialize_with = "present")]
    burst: Option<i64>,
}

/// A member that may be absent but not `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    i64::deserialize(deserializer).map(Some)
}

impl Wire {
    fn quota(&self) -> Result<Quota, BadQuota> {
        let permits = |number| {
            let number = u32::try_from(number).map_err(|_| BadQuota::Count)?;
            NonZeroU32::new(number).ok_or(BadQuota::Count)
        };
        let period = u64::try_from(self.period).map_err(|_| BadQuota::Period)?;
        Quota::new(
            permits(self.count)?,
            Duration::from_secs(period),
            permits(self.burst.unwrap_or(self.count))?,
        )
    }
}

impl Serialize for Quota {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // No quota has a period that does not fit.
        let period = i64::try_from(self.period.as_secs()).unwrap_or(i64::MAX);
        Wire { count: self.count.get().into(), period, burst: Some(self.burst.get().into()) }
            .serialize(serializer)
    }
}

/// Takes an object only: serde's derived form would also take an array of the members' values.
struct AsObject;

impl<'de> Visitor<'de> for AsObject {
    type Value = Quota;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with count and period")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Quota, A::Error> {
        let wire = Wire::deserialize(MapAccessDeserializer::new(members))?;
        wire.quota().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Quota {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AsObject)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permits(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn reads_and_writes_the_short_form() {
        let quota = Quota::parse("600/1m").unwrap();
        assert_eq!((quota.count().get(), quota.period().as_secs(), quota.burst().get()), (600, 60, 600));
        assert_eq!(quota.to_string(), "600/1m");
        assert_eq!(quota.with_burst(permits(50)).unwrap().burst().get(), 50);
    }

    #[test]
    fn refuses_what_is_no_quota() {
        let cases = [
            ("", BadQuota::Grammar),
            (" ", BadQuota::Grammar),
            ("600", BadQuota::Grammar),
            ("/1m", BadQuota::Grammar),
            ("600/", BadQuota::Grammar),
            ("600/m", BadQuota::Grammar),
            ("-1/1m", BadQuota::Grammar),
            ("+1/1m", BadQuota::Grammar),
            ("NaN/1m", BadQuota::Grammar),
            ("1e309/1m", BadQuota::Grammar),
            ("1.5/1m", BadQuota::Grammar),
            ("6 /1m", BadQuota::Grammar),
            ("6/1m/1m", BadQuota::Grammar),
            ("0/1m", BadQuota::Count),
            ("4294967296/1m", BadQuota::Count),
            ("18446744073709551615/1m", BadQuota::Count),
            ("6/0s", BadQuota::Period),
            ("6/999ms", BadQuota::Period),
            ("6/1500ms", BadQuota::Period),
            ("6/367d", BadQuota::Period),
        ];
        for (text, why) in cases {
            assert_eq!(Quota::parse(text), Err(why), "{text:?}");
        }
        let slow = Quota::parse("1/1d").unwrap();
        assert!(slow.with_burst(permits(366)).is_ok());
        assert_eq!(slow.with_burst(permits(367)), Err(BadQuota::Burst));
    }

    #[test]
    fn json_is_strict() {
        let quota: Quota = serde_json::from_str(r#"{"count":600,"period":60,"burst":50}"#).unwrap();
        assert_eq!(quota, Quota::parse("600/1m").unwrap().with_burst(permits(50)).unwrap());
        assert_eq!(serde_json::to_string(&quota).unwrap(), r#"{"count":600,"period":60,"burst":50}"#);
        let short: Quota = serde_json::from_str(r#"{"count":600,"period":60}"#).unwrap();
        assert_eq!(short, Quota::parse("600/1m").unwrap());
        for bad in [
            "{}",
            "null",
            r#""600/1m""#,
            r#"{"count":600}"#,
            r#"{"count":0,"period":60}"#,
            r#"{"count":-1,"period":60}"#,
            r#"{"count":1e309,"period":60}"#,
            r#"{"count":6.0,"period":60}"#,
            r#"{"count":"","period":60}"#,
            r#"{"count":18446744073709551615,"period":60}"#,
            r#"{"count":6,"period":0}"#,
            r#"{"count":6,"period":18446744073709551615}"#,
            r#"{"count":6,"period":60,"burst":0}"#,
            r#"{"count":6,"period":60,"burst":null}"#,
            r#"{"count":6,"period":60,"extra":1}"#,
            r#"{"count":6,"count":6,"period":60}"#,
        ] {
            assert!(serde_json::from_str::<Quota>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_divides_rate_and_burst() {
        let quota = Quota::parse("600/1m").unwrap();
        assert_eq!(quota.divided(permits(1)), quota);
        assert_eq!(quota.divided(permits(3)), Quota::parse("200/1m").unwrap());
        let odd = Quota::parse("5/1m").unwrap().divided(permits(3));
        assert_eq!((odd.to_string().as_str(), odd.burst().get()), ("5/3m", 2));
    }

    #[test]
    fn tells_what_is_left_and_when_more_comes() {
        let quota = Quota::parse("5/1m").unwrap();
        let second = 1_000_000_000;
        assert_eq!((quota.remaining(0), quota.reset(0).as_secs()), (5, 0));
        assert_eq!((quota.remaining(12 * second), quota.reset(12 * second).as_secs()), (4, 12));
        assert_eq!((quota.remaining(13 * second), quota.reset(13 * second).as_secs()), (3, 13));
        assert_eq!((quota.remaining(60 * second), quota.reset(60 * second).as_secs()), (0, 12));
        assert_eq!((quota.remaining(90 * second), quota.reset(90 * second).as_secs()), (0, 42));
    }

    /// Every quota that can be made, extremes included.
    fn any_quota() -> impl Strategy<Value = Quota> {
        let number = prop_oneof![Just(1), Just(u32::MAX), 1..=1000u32, 1..=u32::MAX];
        let seconds = prop_oneof![Just(1), Just(MAX_PERIOD.as_secs()), 1..=MAX_PERIOD.as_secs()];
        (number.clone(), seconds, number).prop_filter_map("within bounds", |(count, period, burst)| {
            Quota::new(permits(count), Duration::from_secs(period), permits(burst)).ok()
        })
    }

    proptest! {
        #[test]
        fn text_and_json_round_trip(quota in any_quota()) {
            let text = Quota::parse(&quota.to_string()).and_then(|short| short.with_burst(quota.burst()));
            prop_assert_eq!(text, Ok(quota));
            let json = serde_json::to_string(&quota).unwrap();
            prop_assert_eq!(serde_json::from_str::<Quota>(&json).unwrap(), quota);
        }

        #[test]
        fn no_share_overflows_nor_exceeds_its_part(quota in any_quota(), nodes in prop_oneof![1..=16u32, 1..=u32::MAX]) {
            let share = quota.divided(permits(nodes));
            prop_assert!(share.interval() >= 1);
            prop_assert!(share.interval().checked_mul(u64::from(share.burst().get())).unwrap() <= MAX_DEBT);
            prop_assert!(share.burst().get() <= quota.burst().get().div_ceil(nodes));
            if nodes <= 16 {
                let whole = u128::from(quota.count().get()) * share.period().as_nanos();
                let parts = u128::from(share.count().get()) * u128::from(nodes) * quota.period().as_nanos();
                prop_assert!(parts <= whole);
                prop_assert!(share.burst().get() == quota.burst().get().div_ceil(nodes));
            }
        }

        #[test]
        fn rescaling_keeps_the_permits_taken(taken in 0..1000u64, old in 1..1_000_000_000u64, new in 1..1_000_000_000u64) {
            prop_assert_eq!(rescaled(taken * old, old, new), taken * new);
        }

        #[test]
        fn rescaling_never_overflows(debt in any::<u64>(), old in any::<u64>(), new in any::<u64>()) {
            prop_assume!(old != new);
            prop_assert!(rescaled(debt, old, new) <= MAX_DEBT);
        }
    }
}
