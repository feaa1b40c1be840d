//! One key's life, out of what the API says of it: its stages in time, and where it stands in words.
//!
//! Pure. It decides nothing: what is planned is what the server says.

use serde_json::Value;

use crate::cli::output::member;
use crate::cli::when::span;
use crate::time::Timestamp;

/// As much of a thumbprint as a person compares.
const SHORT_KID: usize = 8;

/// What a key does for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is in the JWKS and does not sign yet.
    Waits,
    /// It signs.
    Signs,
    /// It is in the JWKS and does not sign any more.
    Rests,
}

/// A stage from one second to before another; without an end when none is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) stage: Stage,
    pub(super) from: u64,
    pub(super) until: Option<u64>,
}

/// What the list shows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// The beginning of its identifier.
    pub(super) kid: String,
    /// Its algorithm.
    pub(super) algorithm: String,
    /// In order, none empty.
    pub(super) phases: Vec<Phase>,
    /// Where it stands at this moment.
    pub(super) words: String,
    /// Whether the timers rule it: a retained or revoked key says nothing of the times that matter now.
    pub(super) is_usual: bool,
}

impl Life {
    /// Reads an item of the list; what is missing in it is left out.
    pub(super) fn of(item: &Value, now: u64) -> Self {
        let key = Key { item, now };
        Self {
            kid: short(&member(item, "kid")),
            algorithm: member(item, "alg"),
            phases: key.phases(),
            words: key.words(),
            is_usual: !key.is_retained() && !["revoked", "staged"].contains(&key.state().as_str()),
        }
    }
}

/// The beginning of an identifier, as the list shows it.
pub(super) fn short(kid: &str) -> String {
    kid.chars().take(SHORT_KID).collect()
}

struct Key<'a> {
    item: &'a Value,
    now: u64,
}

impl Key<'_> {
    fn state(&self) -> String {
        member(self.item, "state")
    }

    fn is_retained(&self) -> bool {
        self.item.get("retain").and_then(Value::as_bool).unwrap_or_default()
    }

    fn time(&self, name: &str) -> Option<u64> {
        seconds(self.item, name)
    }

    fn planned(&self, name: &str) -> Option<u64> {
        seconds(self.item.get("planned")?, name)
    }

    /// When it left the JWKS, or will.
    fn end(&self) -> Option<u64> {
        let left = self.time("remove_at");
        match self.state().as_str() {
            "revoked" => self.time("revoked_at").or(left),
            "removed" => left,
            _ if self.is_retained() => None,
            _ => self.planned("remove_at").or(left),
        }
    }

    fn phases(&self) -> Vec<Phase> {
        let either = |name| self.time(name).or(self.planned(name));
        let begins = [
            (Stage::Waits, self.time("published_at")),
            (Stage::Signs, either("activated_at")),
            (Stage::Rests, either("passive_at")),
        ];
        let begins: Vec<_> = begins.into_iter().filter_map(|(stage, from)| Some((stage, from?))).collect();
        let ends = begins.iter().skip(1).map(|&(_, from)| Some(from)).chain([None]);
        let phases = begins.iter().zip(ends).map(|(&(stage, from), next)| {
            let until = next.into_iter().chain(self.end()).min();
            Phase { stage, from, until }
        });
        phases.filter(|phase| phase.until.is_none_or(|until| until > phase.from)).collect()
    }

    fn words(&self) -> String {
        let after =
            |time: Option<u64>| time.filter(|time| *time > self.now).map(|time| span(time - self.now));
        let before = |time: Option<u64>| match self.now.saturating_sub(time.unwrap_or(self.now)) {
            0 => "just now".to_owned(),
            seconds => format!("{} ago", span(seconds)),
        };
        let retained = if self.is_retained() { ", retained" } else { "" };
        match self.state().as_str() {
            "staged" => "staged, not public".to_owned(),
            "published" => match after(self.planned("activated_at")) {
                Some(wait) => format!("standby, signs in {wait}{retained}"),
                None => format!("standby{retained}"),
            },
            "active" => match after(self.planned("passive_at")) {
                Some(wait) if self.time("rotation_requested_at").is_some() => {
                    format!("signs, hands over in {wait}{retained}")
                }
                Some(rest) if self.is_retained() => format!("signs for {rest}, retained"),
                Some(rest) => format!("signs for {rest} more"),
                None => format!("signs{retained}"),
            },
            "passive" => match after(self.end()) {
                _ if self.is_retained() => "rests, retained".to_owned(),
                Some(rest) => format!("rests, leaves in {rest}"),
                None => "rests, leaves now".to_owned(),
            },
            "removed" => format!("left {}", before(self.end())),
            "revoked" => format!("revoked {}: {}", before(self.end()), member(self.item, "reason")),
            other => other.to_owned(),
        }
    }
}

/// A time that can be written as a date, at most.
fn seconds(object: &Value, name: &str) -> Option<u64> {
    Some(object.get(name)?.as_u64()?.min(Timestamp::MAX.seconds()))
}
