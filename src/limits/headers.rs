//! What a decision says on the wire: `RateLimit-Policy`, `RateLimit` and `Retry-After`.
//!
//! Pure: makes text, knows no HTTP types and chooses no status code.
//! draft-ietf-httpapi-ratelimit-headers (lists of strings with parameters,
//! RFC 9651) and RFC 9110 section 10.2.3. A scope token needs no escapes in a
//! structured string: its grammar has neither quote nor backslash.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Decision, ScopeState};

/// The value of `RateLimit-Policy`, such as `"orders:read";q=600;w=60`: permits
/// in the window and its seconds, per scope. `None` when nothing is limited,
/// for an empty list is not sent (RFC 9651 section 3.1).
pub fn rate_limit_policy(decision: &Decision) -> Option<String> {
    list(decision, |out, state| {
        write!(out, "\"{}\";q={};w={}", state.scope, state.quota.count(), state.quota.period().as_secs())
    })
}

/// The value of `RateLimit`, such as `"orders:read";r=0;t=5`: permits left now,
/// and seconds to the next one when there is none, else until all have grown
/// back. `None` when nothing is limited.
pub fn rate_limit(decision: &Decision) -> Option<String> {
    list(decision, |out, state| {
        write!(out, "\"{}\";r={};t={}", state.scope, state.remaining, seconds(state.reset))
    })
}

/// The value of `Retry-After` in seconds, at least 1; `None` when the request was admitted.
pub fn retry_after(decision: &Decision) -> Option<u64> {
    decision.retry_after.map(wait_seconds)
}

/// A wait as `Retry-After` tells it: whole seconds, rounded up, at least 1.
pub fn wait_seconds(wait: Duration) -> u64 {
    seconds(wait).max(1)
}

/// Whole seconds, rounded up, so that who waits them has waited long enough.
fn seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0))
}

/// One item per scope, in scope order.
fn list(decision: &Decision, item: impl Fn(&mut String, &ScopeState) -> std::fmt::Result) -> Option<String> {
    let mut out = String::with_capacity(48 * decision.charged.len());
    for (position, state) in decision.charged.iter().enumerate() {
        if position > 0 {
            out.push_str(", ");
        }
        item(&mut out, state).ok()?;
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Quota;
    use crate::oauth::scope::ScopeToken;

    fn state(scope: &str, quota: &str, remaining: u32, reset_millis: u64) -> ScopeState {
        ScopeState {
            scope: ScopeToken::parse(scope).unwrap(),
            quota: Quota::parse(quota).unwrap(),
            remaining,
            reset: Duration::from_millis(reset_millis),
        }
    }

    fn decision(charged: Vec<ScopeState>, retry_after: Option<Duration>) -> Decision {
        Decision { admitted: retry_after.is_none(), charged, retry_after, would_have_refused: Vec::new() }
    }

    #[test]
    fn one_exhausted_scope() {
        let refused =
            decision(vec![state("orders:read", "600/1m", 0, 4_001)], Some(Duration::from_millis(4_001)));
        assert_eq!(rate_limit_policy(&refused).unwrap(), r#""orders:read";q=600;w=60"#);
        assert_eq!(rate_limit(&refused).unwrap(), r#""orders:read";r=0;t=5"#);
        assert_eq!(retry_after(&refused), Some(5));
    }

    #[test]
    fn several_scopes_of_an_admitted_request() {
        let admitted = decision(vec![state("a", "5/1h", 4, 720_000), state("b", "1/1s", 0, 1_000)], None);
        assert_eq!(rate_limit_policy(&admitted).unwrap(), r#""a";q=5;w=3600, "b";q=1;w=1"#);
        assert_eq!(rate_limit(&admitted).unwrap(), r#""a";r=4;t=720, "b";r=0;t=1"#);
        assert_eq!(retry_after(&admitted), None);
    }

    #[test]
    fn a_wait_is_rounded_up_and_never_zero() {
        for (nanos, expected) in [
            (0, 1),
            (1, 1),
            (999_999_999, 1),
            (1_000_000_000, 1),
            (1_000_000_001, 2),
            (u64::MAX, 18_446_744_074),
        ] {
            let refused = decision(Vec::new(), Some(Duration::from_nanos(nanos)));
            assert_eq!(retry_after(&refused), Some(expected), "{nanos} ns");
        }
        assert_eq!(retry_after(&decision(Vec::new(), Some(Duration::MAX))), Some(u64::MAX));
    }

    #[test]
    fn nothing_limited_sends_nothing() {
        let free = decision(Vec::new(), None);
        assert_eq!((rate_limit_policy(&free), rate_limit(&free), retry_after(&free)), (None, None, None));
    }
}
