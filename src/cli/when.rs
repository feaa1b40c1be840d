//! Times as a person reads them: by the clock on the wall, and how far away they are.
//!
//! What is printed as JSON never passes here: there a time is integer Unix
//! seconds. Auditors compare with the leaves of the log, which are in UTC
//! (RFC 3339); what they read stays in UTC.

use jiff::Zoned;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::output::NOTHING;
use crate::time::Timestamp;

/// The time zone of whoever reads.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The machine's: by `TZ`, else by `/etc/localtime`. UTC where neither can be read.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for its zone")]
    pub fn of_the_machine() -> Self {
        Self(TimeZone::try_system().unwrap_or(TimeZone::UTC))
    }
}

/// What is needed to write a time: what time it is, and where.
#[derive(Clone, Debug)]
pub struct Times {
    now: u64,
    zone: TimeZone,
}

impl Times {
    /// Times as they are told at `now` in `zone`.
    pub fn new(now: Timestamp, zone: &Zone) -> Self {
        Self { now: now.seconds(), zone: zone.0.clone() }
    }

    /// The same moment, told in UTC.
    #[must_use]
    pub fn in_utc(self) -> Self {
        Self { zone: TimeZone::UTC, ..self }
    }

    /// The same zone at another moment, in Unix seconds: the server's, where it tells one.
    #[must_use]
    pub fn at(self, now: u64) -> Self {
        Self { now, ..self }
    }

    /// What time it is, in Unix seconds.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Point and distance: `2026-11-22 11:03:17 +01:00 (in 3d 4h)`.
    pub fn full(&self, seconds: u64) -> String {
        format!("{} ({})", self.point(seconds), self.distance(seconds))
    }

    /// `2026-11-22 11:03:17 +01:00`; UTC is a `Z`.
    pub fn point(&self, seconds: u64) -> String {
        let time = self.zoned(seconds);
        if time.offset().is_zero() {
            return time.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        }
        time.strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    /// For a column of a table: `2026-11-22 11:03:17`; UTC has a `Z`, local time nothing.
    pub fn cell(&self, seconds: u64) -> String {
        let time = self.zoned(seconds);
        let zone = if time.offset().is_zero() { "Z" } else { "" };
        format!("{}{zone}", time.strftime("%Y-%m-%d %H:%M:%S"))
    }

    /// As [`cell`](Self::cell), to the minute.
    pub fn minute(&self, seconds: u64) -> String {
        let time = self.zoned(seconds);
        let zone = if time.offset().is_zero() { "Z" } else { "" };
        format!("{}{zone}", time.strftime("%Y-%m-%d %H:%M"))
    }

    /// The day.
    pub fn day(&self, seconds: u64) -> String {
        self.zoned(seconds).strftime("%Y-%m-%d").to_string()
    }

    /// How far away it is: `in 3d 4h`, `3d 4h ago`, `now`.
    pub fn distance(&self, seconds: u64) -> String {
        let seconds = Timestamp::from_seconds(seconds).seconds();
        match seconds.abs_diff(self.now) {
            0 => "now".to_owned(),
            ahead if seconds > self.now => format!("in {}", span(ahead)),
            past => format!("{} ago", span(past)),
        }
    }

    /// The distance of the time in the member of that name; `-` where there is none.
    pub fn distance_of(&self, object: &Value, name: &str) -> String {
        let seconds = object.get(name).and_then(Value::as_u64);
        seconds.map_or_else(|| NOTHING.to_owned(), |seconds| self.distance(seconds))
    }

    fn zoned(&self, seconds: u64) -> Zoned {
        // No time is later than the calendar's last, which has room for every offset.
        let seconds = Timestamp::from_seconds(seconds).seconds();
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds).unwrap_or_default().to_zoned(self.zone.clone())
    }
}

/// A point in time in RFC 3339 UTC with whole seconds, as the log has it: `2026-11-21T22:58:01Z`.
pub fn utc(seconds: u64) -> String {
    let time = Timestamp::from_seconds(seconds).to_string();
    time.split_once('.').map_or_else(|| time.clone(), |(whole, _)| format!("{whole}Z"))
}

/// A span as a person says it, in its two greatest units: `13d 4h`, `5m 30s`, `42m`. Smaller ones are dropped.
pub fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut said = Vec::new();
    for (size, unit) in units.iter().skip(first).take(2) {
        if rest >= *size || said.is_empty() {
            said.push(format!("{}{unit}", rest / size));
        }
        rest %= size;
    }
    said.join(" ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// 2026-11-22T12:00:00Z.
    const NOON: u64 = 1_795_348_800;

    /// Central Europe, by rule: no file of this machine is asked.
    pub(in crate::cli) fn berlin() -> Zone {
        Zone(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap())
    }

    fn times(zone: &Zone) -> Times {
        Times::new(Timestamp::from_seconds(NOON), zone)
    }

    #[test]
    fn a_time_is_local_and_says_by_how_much() {
        let berlin = times(&berlin());
        let later = NOON + 3 * 86_400 + 4 * 3_600;
        assert_eq!(berlin.full(later), "2026-11-25 17:00:00 +01:00 (in 3d 4h)");
        assert_eq!(berlin.full(NOON - 61), "2026-11-22 12:58:59 +01:00 (1m 1s ago)");
        // The same clock in summer.
        assert_eq!(berlin.point(1_782_820_800), "2026-06-30 14:00:00 +02:00");
        assert_eq!(berlin.cell(NOON), "2026-11-22 13:00:00");
        assert_eq!(berlin.minute(NOON), "2026-11-22 13:00");
        assert_eq!(berlin.day(NOON + 11 * 3_600), "2026-11-23");
        assert_eq!(berlin.clone().in_utc().full(NOON), "2026-11-22 12:00:00Z (now)");
        assert_eq!(berlin.at(NOON - 60).distance(NOON), "in 1m");
    }

    #[test]
    fn utc_says_that_it_is() {
        let utc = times(&Zone::utc());
        assert_eq!(utc.full(NOON), "2026-11-22 12:00:00Z (now)");
        assert_eq!(utc.cell(NOON), "2026-11-22 12:00:00Z");
        assert_eq!(utc.minute(NOON), "2026-11-22 12:00Z");
    }

    #[test]
    fn no_time_is_too_much() {
        for zone in [Zone::utc(), berlin(), Zone(TimeZone::fixed(jiff::tz::Offset::MAX))] {
            for seconds in [0, 1, NOON, Timestamp::MAX.seconds(), u64::MAX] {
                let times = times(&zone);
                let said = times.full(seconds);
                assert!(said.len() <= 50 && times.cell(seconds).len() <= 20, "{said}");
            }
        }
        assert_eq!(times(&berlin()).point(0), "1970-01-01 01:00:00 +01:00");
    }

    #[test]
    fn a_span_is_said_in_two_units() {
        for (seconds, said) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (330, "5m 30s"),
            (3_600, "1h"),
            (3_659, "1h"),
            (3_660, "1h 1m"),
            (86_400 * 13 + 3_600 * 4 + 59, "13d 4h"),
            (86_400 * 13 + 59, "13d"),
        ] {
            assert_eq!(span(seconds), said, "{seconds}");
        }
    }
}
