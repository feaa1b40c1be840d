//! Points in time and spans of it, as types and as text.
//!
//! Pure: nobody here knows what time it is (see `ambient`). Times are
//! microseconds since the Unix epoch; RFC 3339 UTC with six digits in the log,
//! integer seconds in JSON and tokens. Spans are text like `10m` in
//! configuration and commands.

use std::fmt;
use std::time::Duration;

/// A point of wall-clock time: microseconds since 1970-01-01T00:00:00Z, never before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last microsecond that the calendar here can write, 9999-12-30T21:59:59.999999Z.
    pub const MAX: Self = Self(253_402_207_199_999_999);

    /// From microseconds since the epoch; later than [`Self::MAX`] becomes it.
    pub const fn from_micros(micros: u64) -> Self {
        if micros > Self::MAX.0 { Self::MAX } else { Self(micros) }
    }

    /// From whole seconds since the epoch; later than [`Self::MAX`] becomes it.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self::from_micros(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: a `NumericDate` of RFC 7519.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }

    /// This time and `span` more, at most [`Self::MAX`].
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(whole_micros(span)))
    }

    /// This time less `span`, at least the epoch.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(whole_micros(span)))
    }

    /// The span since `earlier`; zero when that lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The UTC month as a number, `202611`.
    pub fn month(self) -> u32 {
        // The date of a day count, after Howard Hinnant's `civil_from_days`.
        let days = self.0 / 86_400_000_000 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        u32::try_from((era * 400 + year + carry) * 100 + month).unwrap_or(u32::MAX)
    }

    /// Reads RFC 3339 (any offset, fraction optional); `None` for anything else or before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(parsed.as_microsecond()).ok().map(Self::from_micros)
    }

    /// Reads exactly what `Display` writes, and nothing else: as [`Self::parse`] with one spelling, much faster.
    pub fn parse_canonical(text: &str) -> Option<Self> {
        let digits = |range: std::ops::Range<usize>| {
            let digits = text.get(range)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten()
        };
        let marks = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "."), (26, "Z")];
        if text.len() != 27 || marks.iter().any(|&(at, mark)| text.get(at..=at) != Some(mark)) {
            return None;
        }
        let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
        let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
        let leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days_of_month = match month {
            2 if leap_year => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if year < 1970 || !(1..=days_of_month).contains(&day) || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        // Days since the epoch, after Howard Hinnant's `days_from_civil`: years begin in March.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let (era, of_era) = (year / 400, year % 400);
        let of_year = (153 * month + 2) / 5 + day - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
        Some(Self(seconds * 1_000_000 + digits(20..26)?)).filter(|time| *time <= Self::MAX)
    }
}

/// RFC 3339 in UTC with microseconds: `2026-11-21T22:58:01.123456Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_microsecond(micros) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => Err(fmt::Error),
        }
    }
}

fn whole_micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Why a span's text was refused; the text says what would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number and a unit (ms, s, m, h, d), such as \"10m\"")]
pub struct BadSpan;

/// Reads a span: a whole number and one unit of `ms`, `s`, `m`, `h`, `d`. No blanks, no signs, no fractions.
pub fn parse_span(text: &str) -> Result<Duration, BadSpan> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| BadSpan)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(BadSpan),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or(BadSpan)
}

/// Writes a span in the greatest unit that divides it: the inverse of [`parse_span`].
/// Fractions of a millisecond are dropped.
pub fn span_text(span: Duration) -> String {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    for (size, unit) in units {
        if millis >= size && millis % size == 0 {
            return format!("{}{unit}", millis / size);
        }
    }
    if millis == 0 { "0s".to_owned() } else { format!("{millis}ms") }
}

/// `#[serde(with)]`: an optional span as integer seconds or null.
pub mod optional_seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    /// Writes whole seconds or null.
    pub fn serialize<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        span.map(|span| span.as_secs()).serialize(serializer)
    }

    /// Reads whole seconds or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_secs))
    }
}

/// `#[serde(with)]`: a time as integer Unix seconds.
pub mod unix_seconds {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Timestamp;

    /// Writes whole seconds.
    pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(time.seconds())
    }

    /// Reads whole seconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        u64::deserialize(deserializer).map(Timestamp::from_seconds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any number, and those around the ends more often than chance would have it.
    fn micros() -> impl Strategy<Value = u64> {
        let around = |end: u64| (0..3_u64).prop_map(move |near| (end - 1).saturating_add(near));
        let (first, last) = (around(1), around(Timestamp::MAX.0));
        prop_oneof![any::<u64>(), first, last, around(1 << 31), around(1 << 32), around(u64::MAX - 1)]
    }

    fn spans() -> impl Strategy<Value = Duration> {
        let ends = prop_oneof![Just(Duration::ZERO), Just(Duration::MAX)];
        let any = (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos));
        prop_oneof![3 => any, 1 => micros().prop_map(Duration::from_micros), 1 => ends]
    }

    proptest! {
        #[test]
        fn no_time_and_no_span_is_too_much(micros in micros(), other in micros(), span in spans()) {
            let (time, other) = (Timestamp::from_micros(micros), Timestamp::from_micros(other));
            for time in [time, time.plus(span), time.minus(span), Timestamp::from_seconds(micros)] {
                prop_assert!(time <= Timestamp::MAX);
                let text = time.to_string();
                prop_assert_eq!(Timestamp::parse(&text), Some(time), "{}", text);
                prop_assert_eq!(Timestamp::parse_canonical(&text), Some(time));
                let month = format!("{}{}", &text[..4], &text[5..7]);
                prop_assert_eq!(time.month().to_string(), month);
                prop_assert_eq!(time.seconds(), time.micros() / 1_000_000);
            }
            prop_assert!(time.plus(span) >= time && time.minus(span) <= time);
            prop_assert_eq!(time.max(other), time.min(other).plus(time.since(other).max(other.since(time))));
            // Where no end is met, what was added can be taken away.
            let whole = Duration::from_micros(whole_micros(span));
            if time.plus(span) < Timestamp::MAX {
                prop_assert_eq!(time.plus(span).minus(span), time);
                prop_assert_eq!(time.plus(span).since(time), whole);
            }
        }

        #[test]
        fn one_spelling_of_a_time_is_canonical(
            micros in 0..=Timestamp::MAX.micros(), at in 0..27_usize, to in "[-0-9:.TZ +é]",
            text in "[0-9]{4}-[0-9]{2}-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{6}Z",
        ) {
            let mut changed = Timestamp::from_micros(micros).to_string();
            changed.replace_range(at..=at, &to);
            for text in [text, changed] {
                let lenient = Timestamp::parse(&text).filter(|time| time.to_string() == text);
                prop_assert_eq!(Timestamp::parse_canonical(&text), lenient, "{}", text);
            }
        }

        #[test]
        fn no_text_is_too_much_for_a_time_or_a_span(text in "[-+0-9TZ:. ]{0,40}|[0-9]{0,25}(ms|s|m|h|d)|\\PC{0,20}") {
            if let Some(time) = Timestamp::parse(&text) {
                prop_assert!(time <= Timestamp::MAX);
            }
            if let Ok(span) = parse_span(&text) {
                prop_assert_eq!(parse_span(&span_text(span)), Ok(span));
            }
        }
    }

    #[test]
    fn writes_utc_with_six_digits() {
        let time = Timestamp::from_micros(1_795_301_881_123_456);
        assert_eq!(time.to_string(), "2026-11-21T22:58:01.123456Z");
        assert_eq!(Timestamp::parse("2026-11-21T23:58:01.123456+01:00"), Some(time));
        assert_eq!(Timestamp::default().to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T21:59:59.999999Z");
        for nowhere in [
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59Z",
            "-000001-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn knows_its_month() {
        for (text, month) in [
            ("1970-01-01T00:00:00Z", 197_001),
            ("2024-02-29T23:59:59Z", 202_402),
            ("2024-03-01T00:00:00Z", 202_403),
            ("2026-12-31T23:59:59Z", 202_612),
            ("2100-02-28T23:59:59Z", 210_002),
            ("2100-03-01T00:00:00Z", 210_003),
            ("9999-12-30T00:00:00Z", 999_912),
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().month(), month, "{text}");
        }
    }

    #[test]
    fn spans_round_trip_and_refuse_the_rest() {
        for text in ["0s", "1ms", "1500ms", "10m", "90s", "24h", "14d"] {
            let span = parse_span(text).unwrap();
            assert_eq!(parse_span(&span_text(span)), Ok(span), "{text}");
        }
        assert_eq!(span_text(Duration::from_hours(24)), "1d");
        for bad in
            ["", "10", "m", "-1s", " 1s", "1 s", "1.5h", "1w", "99999999999999999999d", "300000000000d"]
        {
            assert_eq!(parse_span(bad), Err(BadSpan), "{bad}");
        }
    }
}
