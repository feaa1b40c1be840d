//! Values as they are written on the command line, parsed before anything is sent.
//!
//! Pure. What the server decides (which names are free, which scopes exist) is left to it.

use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use crate::audit::event::EventType;
use crate::jose::Algorithm;
use crate::jose::{ClientKeys, strict_json};
use crate::limits::Quota;
use crate::time::{Timestamp, parse_span};

/// A span such as `5m`, in whole seconds.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let span = parse_span(text).map_err(|bad| bad.to_string())?;
    if span.subsec_nanos() != 0 {
        return Err("expected whole seconds".to_owned());
    }
    Ok(span.as_secs())
}

/// The algorithms that tokens can be signed with, by name.
pub(super) fn algorithms() -> PossibleValuesParser {
    Algorithm::ALL.map(Algorithm::as_str).into()
}

/// The events of the log, by name.
pub(super) fn events() -> PossibleValuesParser {
    EventType::ALL.iter().map(|event| event.as_str()).into()
}

/// A rate such as `600/1m`.
pub(super) fn quota(text: &str) -> Result<Quota, String> {
    Quota::parse(text).map_err(|bad| bad.to_string())
}

/// A scope and its rate, such as `orders:read=60/1m`.
pub(super) fn scope_quota(text: &str) -> Result<(String, Quota), String> {
    // A scope may hold an equals sign, a rate does not.
    let (scope, rate) = text.rsplit_once('=').filter(|(scope, _)| !scope.is_empty()).ok_or_else(|| {
        "expected a scope, an equals sign and a rate, such as \"orders:read=60/1m\"".to_owned()
    })?;
    Ok((scope.to_owned(), quota(rate)?))
}

/// A claim such as `team=billing`; what parses as JSON is JSON, all else is text.
pub(super) fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| "expected a name, an equals sign and a value, such as \"team=billing\"".to_owned())?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

/// A point in time, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// This one, in Unix seconds.
    At(u64),
    /// So many seconds before the command runs.
    Ago(u64),
}

impl Time {
    /// Unix seconds, given what time it is.
    pub(super) fn seconds(self, now: Timestamp) -> u64 {
        match self {
            Self::At(seconds) => seconds,
            Self::Ago(seconds) => now.seconds().saturating_sub(seconds),
        }
    }
}

/// A time in RFC 3339 or Unix seconds, or how long ago it is, such as `2h`.
pub(super) fn time(text: &str) -> Result<Time, String> {
    // As it is printed, with a blank before the offset.
    let written = text.replacen(" +", "+", 1).replacen(" -", "-", 1);
    let at = Timestamp::parse(&written).map(Timestamp::seconds).or_else(|| decimal(text));
    at.map(Time::At).or_else(|| seconds(text).ok().map(Time::Ago)).ok_or_else(|| {
        "expected a time such as 2026-11-21T22:58:01Z or 1795301881, or how long ago, such as 2h".to_owned()
    })
}

fn decimal(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A set of public keys, or one of them as a set. Looked at before it is sent anywhere: a private one leaves this
/// machine in no case.
pub(super) fn public_keys(text: &str) -> Result<Value, String> {
    let read = strict_json::parse(text.as_bytes(), strict_json::MAX_DEPTH);
    as_public_keys(read.map_err(|cause| cause.to_string())?)
}

/// The same of keys that were read already.
pub(super) fn as_public_keys(read: Value) -> Result<Value, String> {
    let set = if read.get("kty").is_some() { json!({ "keys": [read] }) } else { read };
    ClientKeys::from_value(&set).map_err(|cause| cause.to_string())?;
    Ok(set)
}

/// A key's identifier or the beginning of one.
pub(super) fn kid(text: &str) -> Result<String, String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if (LEAST_OF_KID..=KID).contains(&text.len()) && text.bytes().all(known) {
        return Ok(text.to_owned());
    }
    Err(format!("expected a key's identifier, or at least its first {LEAST_OF_KID} characters"))
}

/// How long a key's identifier is: a thumbprint (RFC 7638) in base64url.
pub(super) const KID: usize = 43;
/// So much of one names a key without telling two apart by luck.
const LEAST_OF_KID: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_json_where_it_can_be() {
        assert_eq!(claim("roles=[\"a\"]"), Ok(("roles".to_owned(), json!(["a"]))));
        assert_eq!(claim("n=5"), Ok(("n".to_owned(), json!(5))));
        assert_eq!(claim("team=a=b"), Ok(("team".to_owned(), json!("a=b"))));
        assert!(claim("team").is_err() && claim("=x").is_err());
    }

    #[test]
    fn a_limit_names_its_scope() {
        let (scope, rate) = scope_quota("a=b:read=60/1m").unwrap();
        assert_eq!((scope.as_str(), rate), ("a=b:read", Quota::parse("60/1m").unwrap()));
        assert!(scope_quota("60/1m").is_err() && scope_quota("=60/1m").is_err());
    }

    #[test]
    fn spans_and_times_are_whole_seconds() {
        assert_eq!(seconds("5m"), Ok(300));
        assert!(seconds("5ms").is_err() && seconds("5").is_err());
    }

    #[test]
    fn a_time_is_a_date_a_number_or_a_span_ago() {
        let now = Timestamp::from_seconds(10_000);
        for (text, expected) in [
            ("1970-01-01T00:01:00Z", 60),
            ("1970-01-01T01:01:00+01:00", 60),
            ("1970-01-01 01:01:00 +01:00", 60),
            ("1970-01-01 00:01:00Z", 60),
            ("60", 60),
            ("0", 0),
            ("1795301881", 1_795_301_881),
            ("2h", 2_800),
            ("0s", 10_000),
            ("1d", 0),
        ] {
            assert_eq!(time(text).unwrap().seconds(now), expected, "{text}");
        }
        for bad in ["", "yesterday", "-1", "+60", "2 h", "5ms", "1.5h", "2026-11-21", "99999999999999999999"]
        {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_named_by_enough_of_its_identifier() {
        let whole = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        assert_eq!(kid(whole).unwrap(), whole);
        assert_eq!(kid("-PrK_q").unwrap(), "-PrK_q");
        for bad in ["", "kPrK_", "kPrK q", "kPrK/q", "kPrK_qé", &format!("{whole}A")] {
            assert!(kid(bad).is_err(), "{bad}");
        }
    }
}
