//! By when a secret is to be replaced, and when to say so.
//!
//! Pure. A secret past its time goes on working: what ends one is a successor or a person, never
//! the mere passing of time, which would cut a client off in the middle of the night.

use std::time::Duration;

use super::{Client, SecretHash};
use crate::time::Timestamp;

/// The reminder comes this long ahead at most.
const LONGEST_NOTICE: Duration = Duration::from_hours(24 * 14);
/// A reminder that lies further ahead than this was given by a wrong clock.
const AHEAD: Duration = Duration::from_hours(1);
/// Of the span between two secrets, the part that the reminder comes ahead.
const NOTICE: u32 = 10;

/// When a secret is to have a successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// By this time.
    pub at: Timestamp,
    /// From this time on its owner is to know.
    pub notice_at: Timestamp,
}

impl Due {
    /// Of a client that is to change its secrets every so often, for a secret that has no successor yet.
    pub fn of(client: &Client, secret: &SecretHash) -> Option<Self> {
        let every = client.rotate_every.filter(|_| secret.expires_at.is_none())?;
        let notice = (every / NOTICE).min(LONGEST_NOTICE);
        let at = secret.created_at.plus(every);
        Some(Self { at, notice_at: at.minus(notice) })
    }

    /// Whether it is past.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.at
    }

    /// Whether its owner is to know.
    pub fn is_near(&self, now: Timestamp) -> bool {
        now >= self.notice_at
    }

    /// Whether a reminder is wanted, given the last one: there is one when it is near and one when it is over. Times
    /// that move with `rotate_every` want their own, and one that lies ahead of all clocks counts for nothing.
    pub fn is_unsaid(&self, reminded_at: Option<Timestamp>, now: Timestamp) -> bool {
        let since = if self.is_over(now) { self.at } else { self.notice_at };
        self.is_near(now) && reminded_at.is_none_or(|told| told < since || told > now.plus(AHEAD))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn due(rotate_every: Option<Duration>, expires_at: Option<Timestamp>) -> Option<Due> {
        let client: Client = serde_json::from_value(json!({
            "client_id": "web", "client_name": null, "token_endpoint_auth_method": "client_secret_basic",
            "scope": "a", "default_scope": null, "access_token_lifetime": null, "claims": {}, "limits": {},
            "rotate_every": rotate_every.map(|every| every.as_secs()), "disabled": false,
            "created_at": 0, "updated_at": 0,
        }))
        .unwrap();
        let secret = SecretHash {
            secret_id: "s".to_owned(),
            selector: 0,
            phc: String::new(),
            created_at: Timestamp::from_seconds(1_000_000),
            expires_at,
            last_used_at: None,
            reminded_at: None,
        };
        Due::of(&client, &secret)
    }

    fn day(day: u32) -> Timestamp {
        Timestamp::from_seconds(1_000_000).plus(DAY * day)
    }

    #[test]
    fn the_notice_is_a_tenth_of_the_span_and_two_weeks_at_most() {
        let due_in = |days| due(Some(DAY * days), None).unwrap();
        assert_eq!(due_in(90), Due { at: day(90), notice_at: day(81) });
        assert_eq!(due_in(700), Due { at: day(700), notice_at: day(686) });
        assert_eq!(due(None, None), None);
        assert_eq!(due(Some(DAY), Some(day(9))), None, "its successor is there");
    }

    #[test]
    fn there_is_one_reminder_when_it_is_near_and_one_when_it_is_over() {
        let due = due(Some(DAY * 90), None).unwrap();
        for (now, reminded, wanted) in [
            (day(80), None, false),
            (day(81), None, true),
            (day(82), Some(day(81)), false),
            (day(90), Some(day(81)), true),
            (day(91), Some(day(90)), false),
            (day(99), None, true),
            // Another span moved both: what was said before does not count.
            (day(81), Some(day(27)), true),
            // Said when it was near by a shorter span, which is near again.
            (day(90), Some(day(90)), false),
            // Said by a clock that was ahead; or that was put back a little since.
            (day(81), Some(day(91)), true),
            (day(90), Some(day(90).plus(AHEAD)), false),
        ] {
            assert_eq!(due.is_unsaid(reminded, now), wanted, "{now} after {reminded:?}");
        }
        assert!(!due.is_over(day(89)) && due.is_over(day(90)));
    }
}
