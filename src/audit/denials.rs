//! Refusals in the log, within bounds that no attacker can push.
//!
//! Of an authenticated client the first of a kind is recorded at once and the
//! rest of the minute as one record with a count. Of everybody else there are at
//! most 64 records a minute. Ids that nobody registered are never written: they
//! may be secrets pasted into the wrong field. Nobody ever waits for these records.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::body;
use super::event::EventType;
use super::leaf::Record;
use super::recorder::Recorder;
use crate::ambient::Clock;
use crate::issue::origin::Origin;
use crate::limits::Source;
use crate::oauth::Scope;
use crate::oauth::name::MAX_URI_LENGTH;
use crate::policy::ClientId;
use crate::time::Timestamp;

/// Records a minute about callers who are not authenticated.
const STRANGERS: usize = 64;

/// Who was refused, and why: one bucket of a minute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    /// An authenticated client.
    Client(ClientId, &'static str),
    /// Nobody in particular: why, by the registered id that was named, and the source.
    Stranger(&'static str, Option<ClientId>, Source),
    /// All further strangers of the minute.
    Other,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    count: u64,
    from: Timestamp,
    to: Timestamp,
}

/// The body of a `token.denied` record; members in this order.
#[derive(Serialize)]
struct DeniedBody<'a> {
    client_id: Option<&'a str>,
    reason: &'static str,
    scope: Option<String>,
    resource: Option<String>,
    count: u64,
    from: String,
    to: String,
    source_ip: Option<String>,
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct SkewBody {
    before: String,
    after: String,
}

/// What a refused request was about: the scope asked for or the client's default, and the resource as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The scope.
    pub scope: Option<&'a Scope>,
    /// Any text.
    pub resource: Option<&'a str>,
}

/// Counts refusals and records them.
pub struct Denials {
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    minute: Mutex<HashMap<Kind, Bucket>>,
}

impl Denials {
    /// Starts with an empty minute.
    pub fn new(recorder: Recorder, clock: Arc<dyn Clock>) -> Self {
        Self { recorder, clock, minute: Mutex::default() }
    }

    /// An authenticated client was refused.
    pub fn refused(&self, client: &ClientId, reason: &'static str, asked: Asked<'_>, origin: &Origin) {
        let now = self.clock.now();
        if !self.count(Kind::Client(client.clone(), reason), now, 0) {
            return;
        }
        let time = now.to_string();
        self.record(&DeniedBody {
            client_id: Some(client.as_str()),
            reason,
            scope: asked.scope.map(ToString::to_string),
            resource: asked.resource.map(|text| text.chars().take(MAX_URI_LENGTH).collect()),
            count: 1,
            from: time.clone(),
            to: time,
            source_ip: origin.source_ip.map(|address| address.to_string()),
            request_id: Some(&origin.request_id),
        });
    }

    /// Somebody who is not authenticated was refused; `known` is the registered client that was named, if any.
    pub fn stranger(&self, reason: &'static str, known: Option<&ClientId>, origin: &Origin) {
        let kind = Kind::Stranger(reason, known.cloned(), Source::of(origin.source_ip));
        self.count(kind, self.clock.now(), 1);
    }

    /// The wall clock stepped back by more than can be absorbed.
    pub fn clock_skew(&self, before: Timestamp, after: Timestamp) {
        let body = SkewBody { before: before.to_string(), after: after.to_string() };
        self.note(Record::of(EventType::ClockSkew, body::line(&body)));
    }

    /// Ends the minute: what was only counted is recorded. The caller calls it once a minute and at the end.
    pub fn tick(&self) {
        let minute = std::mem::take(&mut *self.minute.lock().unwrap_or_else(PoisonError::into_inner));
        let mut buckets: Vec<_> = minute.into_iter().filter(|(_, bucket)| bucket.count > 0).collect();
        // By time, and of one time by who and why: equal minutes leave equal logs.
        buckets.sort_by(|(kind, bucket), (other, last)| {
            (bucket.from, bucket.to, kind).cmp(&(last.from, last.to, other))
        });
        for (kind, bucket) in buckets {
            let (client, reason, source) = match &kind {
                Kind::Client(client, reason) => (Some(client), *reason, None),
                Kind::Stranger(reason, client, source) => (client.as_ref(), *reason, source.address()),
                Kind::Other => (None, "other", None),
            };
            self.record(&DeniedBody {
                client_id: client.map(ClientId::as_str),
                reason,
                scope: None,
                resource: None,
                count: bucket.count,
                from: bucket.from.to_string(),
                to: bucket.to.to_string(),
                source_ip: source.map(|address| address.to_string()),
                request_id: None,
            });
        }
    }

    /// Adds to a bucket; `true` if it is new. A new one starts at `first`: 0 when its first is recorded apart.
    fn count(&self, kind: Kind, now: Timestamp, first: u64) -> bool {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let strangers = minute.keys().filter(|kind| matches!(kind, Kind::Stranger(..))).count();
        let full =
            strangers >= STRANGERS && matches!(kind, Kind::Stranger(..)) && !minute.contains_key(&kind);
        match minute.entry(if full { Kind::Other } else { kind }) {
            Entry::Occupied(mut found) => {
                let bucket = found.get_mut();
                if bucket.count == 0 {
                    bucket.from = now;
                }
                bucket.count += 1;
                bucket.to = now;
                false
            }
            Entry::Vacant(empty) => {
                empty.insert(Bucket { count: first, from: now, to: now });
                true
            }
        }
    }

    fn record(&self, body: &DeniedBody<'_>) {
        self.note(Record::of(EventType::TokenDenied, body::line(body)));
    }

    fn note(&self, record: Record) {
        // A full queue drops it, and counts what it dropped.
        self.recorder.note(record);
    }
}
