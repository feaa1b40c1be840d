//! Complaints about key settings that would not keep every valid token verifiable.
//!
//! The arithmetic is [`Quantities`]'; here it gets names and advice. The names of the quantities: T `tokens.max_lifetime`,
//! C `keys.jwks_max_age`, P `keys.propagation`, S `keys.clock_skew`,
//! l `keys.leeway`, A `keys.publish_ahead`, R `keys.retain_for`, L `keys.active_for`.

use std::time::Duration;

use super::complaint::Complaint;
use crate::keys::schedule::Quantities;
use crate::time::span_text;

/// The longest time between a revocation and the last verifier that heard of it.
pub const MAX_EXPOSURE: Duration = Duration::from_mins(10);

/// Every bound that `keys` breaks, with the least (or greatest) value that would do.
pub fn complaints(keys: &Quantities) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let text = |span: Duration| format!("\"{}\"", span_text(span));
    let mut below = |option: &str, value: Duration, least: Duration, sum: &str, other: &str| {
        if value < least {
            complaints.push(Complaint::new(
                option,
                format!("{} is less than {sum}", text(value)),
                format!("write at least {}{other}", text(least)),
            ));
        }
    };
    // B1 and B5 are one inequality, seen from its two ends.
    let room = keys.publish_ahead.saturating_sub(keys.propagation).saturating_sub(keys.clock_skew);
    let or_less = if room >= Duration::from_secs(1) {
        format!(", or keys.jwks_max_age of at most \"{}s\"", room.as_secs())
    } else {
        String::new()
    };
    below(
        "keys.publish_ahead",
        keys.publish_ahead,
        keys.known_after(),
        "keys.jwks_max_age + keys.propagation + keys.clock_skew",
        &or_less,
    );
    below(
        "keys.retain_for",
        keys.retain_for,
        keys.least_retain_for(),
        "tokens.max_lifetime + max(keys.propagation, keys.clock_skew) + 2 keys.clock_skew + keys.leeway",
        "",
    );
    // The least that would do once the two above are mended, so that one more run of `check` is enough.
    let ahead = keys.publish_ahead.max(keys.known_after());
    let retain = keys.retain_for.max(keys.least_retain_for());
    let greater = if ahead >= retain { "keys.publish_ahead" } else { "keys.retain_for" };
    below("keys.active_for", keys.active_for, ahead.max(retain), greater, "");
    if keys.revocation_exposure() > MAX_EXPOSURE {
        complaints.push(Complaint::new(
            "keys.jwks_max_age",
            format!(
                "{} and keys.propagation {} leave a revoked key believed for more than {}",
                text(keys.jwks_max_age),
                text(keys.propagation),
                text(MAX_EXPOSURE)
            ),
            format!("write at most \"{}s\"", MAX_EXPOSURE.saturating_sub(keys.propagation).as_secs()),
        ));
    }
    complaints
}
