//! Values as they are written on the command line, parsed before anything is sent.
//!
//! Pure. What the server decides (which names are free, which scopes exist) is left to it.

use serde_json::Value;

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

/// A time in RFC 3339, as Unix seconds.
pub(super) fn time(text: &str) -> Result<u64, String> {
    Timestamp::parse(text)
        .map(Timestamp::seconds)
        .ok_or_else(|| "expected a time such as 2026-11-21T22:58:01Z".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        assert_eq!(time("1970-01-01T00:01:00Z"), Ok(60));
        assert!(time("yesterday").is_err());
    }
}
