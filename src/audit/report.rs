//! The auditor's report: what a span of time left in the log, as figures that fit on a page.
//!
//! Pure: entries go in one by one, in the order of the log, and figures come
//! out. Memory does not grow with the number of entries: names and acts are
//! bounded, and what is beyond a bound is counted. What a body no longer tells
//! is counted as untold and never guessed. Whether the entries are sound is
//! for `verify` to say; the caller hands its verdict over.

mod acts;
mod names;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use acts::{Act, Acts};
pub use names::{Denied, Figure, Issued, Named, Names, Outcome, Readings, Top};

use crate::audit::event::EventType;
use crate::audit::export::Entry;
use crate::audit::leaf::Leaf;
use crate::audit::verify::Verdict;
use crate::time::Timestamp;
use acts::List;

/// From when to when, both ends included; an absent one is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Not after this time.
    pub to: Option<Timestamp>,
}

impl Period {
    /// Whether the time lies in it.
    pub fn contains(self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time <= to)
    }
}

/// Which entries were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entries {
    /// The first index that was looked at; `None` when there was nothing to look at.
    pub first: Option<u64>,
    /// One past the last.
    pub end: Option<u64>,
    /// How many entries are of the period. All other figures are about these.
    pub count: u64,
    /// How many stand between them and bear a time outside of it, by a clock that stepped.
    pub outside_period: u64,
    /// How many are no leaves at all, which only a damaged log has.
    pub unreadable: u64,
    /// How many newer ones no checkpoint covered yet; they are left out.
    pub newer: u64,
    /// The least time of an entry of the period, Unix seconds.
    pub first_at: Option<u64>,
    /// The greatest, Unix seconds.
    pub last_at: Option<u64>,
}

/// Tokens whose record says that they were about to be signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IssuedTokens {
    /// How many.
    pub count: u64,
    /// Of how many nobody can tell client and scope any more.
    pub without_body: u64,
}

/// Requests that were refused. A minute's refusals of one kind are one record with a count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refusals {
    /// How many requests, as far as their records still have bodies.
    pub count: u64,
    /// How many of these named no client that is registered.
    pub anonymous: u64,
    /// How many records.
    pub records: u64,
    /// Of how many records nobody can tell any more how many requests they stand for.
    pub without_body: u64,
}

/// How often an event was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EventCount {
    /// Its name.
    pub event: &'static str,
    /// How often.
    pub count: u64,
    /// How many of these had a body that is gone.
    pub without_body: u64,
}

/// What became of the bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bodies {
    /// Still there.
    pub there: u64,
    /// Erased or past their retention; the log does not tell the one from the other.
    pub gone: u64,
    /// There, and not what a body of that event looks like.
    pub unreadable: u64,
}

/// The report, as `GET /admin/v1/audit/report` answers it. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The log's name.
    pub origin: String,
    /// The period as it was asked for.
    pub from: Option<u64>,
    /// The period as it was asked for.
    pub to: Option<u64>,
    /// Which entries this is about.
    pub entries: Entries,
    /// The verification of the entries from `first` to `end`; `None` when there are none.
    pub verification: Option<Verdict>,
    /// Tokens.
    pub issued: IssuedTokens,
    /// Refusals.
    pub denied: Refusals,
    /// Tokens and refusals by client.
    pub clients: Top<Outcome>,
    /// Tokens and refusals by scope. What is about two scopes counts for both.
    pub scopes: Top<Outcome>,
    /// Tokens by the key that signs them.
    pub keys: Top<Issued>,
    /// Refusals by reason.
    pub reasons: Top<Denied>,
    /// What administrators did.
    pub acts: Acts,
    /// What became of keys.
    pub key_changes: Acts,
    /// Who read the log, and how often.
    pub readers: Top<Readings>,
    /// Each reading, export and erasure of the log.
    pub readings: Acts,
    /// Starts and stops of nodes, beginning and end of the log.
    pub runs: Acts,
    /// Gaps that were confirmed, clocks that stepped, tokens without a record.
    pub incidents: Acts,
    /// Every event that was recorded.
    pub events: Vec<EventCount>,
    /// The bodies.
    pub bodies: Bodies,
}

/// The figures while entries are still coming.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    period: Period,
    entries: Entries,
    times: Option<(Timestamp, Timestamp)>,
    issued: IssuedTokens,
    denied: Refusals,
    clients: Names<Outcome>,
    scopes: Names<Outcome>,
    keys: Names<Issued>,
    reasons: Names<Denied>,
    readers: Names<Readings>,
    acts: BTreeMap<List, Acts>,
    events: BTreeMap<EventType, EventCount>,
    bodies: Bodies,
}

/// What the bodies of `token.issued` and `token.denied` tell here.
#[derive(Default, Deserialize)]
struct TokenBody<'a> {
    #[serde(borrow)]
    client_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    scope: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    count: Option<u64>,
}

/// A body, as far as there is one to read.
enum Told<T> {
    There(T),
    /// Erased, past its retention, or unreadable.
    Untold,
}

impl Tally {
    /// Nothing counted yet.
    pub fn of(period: Period) -> Self {
        Self { period, ..Self::default() }
    }

    /// Counts the next entry. It is the caller's to hand over all of a range, each once.
    pub fn add(&mut self, entry: &Entry) {
        let Ok(leaf) = Leaf::parse(entry.leaf.as_bytes()) else {
            self.entries.unreadable += 1;
            return;
        };
        if !self.period.contains(leaf.ts) {
            self.entries.outside_period += 1;
            return;
        }
        self.entries.count += 1;
        let (least, greatest) = self.times.unwrap_or((leaf.ts, leaf.ts));
        self.times = Some((least.min(leaf.ts), greatest.max(leaf.ts)));
        let name = leaf.event.as_str();
        let seen =
            self.events.entry(leaf.event).or_insert(EventCount { event: name, count: 0, without_body: 0 });
        seen.count += 1;
        if leaf.bc.is_some() && entry.body.is_none() {
            seen.without_body += 1;
            self.bodies.gone += 1;
        }
        match leaf.event {
            EventType::TokenIssued => self.token(&leaf, entry),
            EventType::TokenDenied => self.refusal(entry),
            _ => self.act(&leaf, entry),
        }
    }

    /// Reads the body of an entry and counts it.
    fn told<'a, T: Deserialize<'a>>(&mut self, entry: &'a Entry) -> Told<T> {
        let Some(body) = &entry.body else { return Told::Untold };
        if let Ok(told) = serde_json::from_str(body) {
            self.bodies.there += 1;
            Told::There(told)
        } else {
            self.bodies.unreadable += 1;
            Told::Untold
        }
    }

    fn token(&mut self, leaf: &Leaf, entry: &Entry) {
        self.issued.count += 1;
        if let Some(kid) = leaf.kid {
            self.keys.add(&kid.to_string(), Issued { issued: 1 });
        }
        match self.told::<TokenBody<'_>>(entry) {
            Told::There(body) => self.count(&body, Outcome { issued: 1, denied: 0 }),
            Told::Untold => self.issued.without_body += 1,
        }
    }

    fn refusal(&mut self, entry: &Entry) {
        self.denied.records += 1;
        let Told::There(body) = self.told::<TokenBody<'_>>(entry) else {
            self.denied.without_body += 1;
            return;
        };
        let Some(denied) = body.count else {
            self.denied.without_body += 1;
            return;
        };
        self.denied.count = self.denied.count.saturating_add(denied);
        if body.client_id.is_none() {
            self.denied.anonymous = self.denied.anonymous.saturating_add(denied);
        }
        self.reasons.add(body.reason.as_deref().unwrap_or_default(), Denied { denied });
        self.count(&body, Outcome { issued: 0, denied });
    }

    fn count(&mut self, body: &TokenBody<'_>, outcome: Outcome) {
        if let Some(client) = &body.client_id {
            self.clients.add(client, outcome);
        }
        for scope in body.scope.iter().flat_map(|scope| scope.split(' ')) {
            self.scopes.add(scope, outcome);
        }
    }

    fn act(&mut self, leaf: &Leaf, entry: &Entry) {
        let body = match self.told::<serde_json::Value>(entry) {
            Told::There(body) => Some(body),
            Told::Untold => None,
        };
        let Some(list) = List::of(leaf.event) else { return };
        let act = Act::read(entry.index, leaf, body.as_ref());
        if list == List::Readings {
            self.readers.add(act.actor.as_deref().unwrap_or(names::UNTOLD), Readings::of(leaf.event));
        }
        self.acts.entry(list).or_default().add(act);
    }

    /// The report on `range` of the log `origin`, with what the verification of that range said.
    /// `newer` entries had no checkpoint yet.
    pub fn report(
        mut self,
        origin: &str,
        range: Option<Range<u64>>,
        newer: u64,
        verification: Option<Verdict>,
    ) -> Report {
        let seconds = |time: Timestamp| time.seconds();
        let mut acts = |list| self.acts.remove(&list).unwrap_or_default();
        Report {
            origin: origin.to_owned(),
            from: self.period.from.map(seconds),
            to: self.period.to.map(seconds),
            entries: Entries {
                first: range.as_ref().map(|range| range.start),
                end: range.map(|range| range.end),
                newer,
                first_at: self.times.map(|(least, _)| seconds(least)),
                last_at: self.times.map(|(_, greatest)| seconds(greatest)),
                ..self.entries
            },
            verification,
            issued: self.issued,
            denied: self.denied,
            clients: self.clients.top(),
            scopes: self.scopes.top(),
            keys: self.keys.top(),
            reasons: self.reasons.top(),
            acts: acts(List::Acts),
            key_changes: acts(List::Keys),
            readers: self.readers.top(),
            readings: acts(List::Readings),
            runs: acts(List::Runs),
            incidents: acts(List::Incidents),
            events: self.events.into_values().collect(),
            bodies: self.bodies,
        }
    }
}

#[cfg(test)]
mod tests;
