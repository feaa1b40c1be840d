//! What the log says of a token: whether the record is there that must be there before any signature.
//!
//! A signature of ours without a record is a forgery, whoever made it and with
//! whatever key. Operators ask by `audit find`, introspection asks of every
//! token; both look at committed records, not only at what a checkpoint covers.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::body;
use super::directory::page::Times;
use super::directory::term::Term;
use super::event::EventType;
use super::leaf::{Leaf, Record, token_hash};
use super::proof::signing_input;
use super::recorder::Recorder;
use super::walk::{Walk, Wanted};
use crate::ambient::Clock;
use crate::digest::{Digest, base64url_decode};
use crate::jose::Kid;
use crate::keys::KeyRing;
use crate::store::{Store, StoreFault};
use crate::time::Timestamp;

/// A record follows its token's `iat` within the recorder's deadline; the rest is for clocks.
const AROUND: Duration = Duration::from_mins(2);
/// Forgeries that are recorded one by one in a minute; all of them are counted.
const ALARMS: usize = 64;
const MINUTE: Duration = Duration::from_mins(1);

/// What the log says of a token with our signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its record is the entry with this index.
    Recorded(u64),
    /// It was issued while records were written that a reopened log has lost.
    Lost,
    /// There is no record: it was not issued here.
    Unrecorded,
}

/// A token whose signature one of our keys made. Its claims are not to be believed before its record is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The key.
    pub kid: Kid,
    /// [`token_hash`].
    pub th: Digest,
    /// Its `jti`, if it has one.
    pub jti: Option<String>,
    /// Its `iat`, if it has one.
    pub issued_at: Option<Timestamp>,
}

impl Presented {
    /// Reads a compact JWS and finds which key of the ring signed it, whatever its header says. `None` where none
    /// did: the token is foreign. RFC 7515 section 7.1.
    pub fn read(token: &str, ring: &KeyRing) -> Option<Self> {
        let input = signing_input(token)?;
        let signature = base64url_decode(token.get(input.len() + 1..)?)?;
        let key = ring.keys.iter().find(|key| key.public.verify(input.as_bytes(), &signature))?;
        let (_, payload) = input.split_once('.')?;
        let claims: serde_json::Value = base64url_decode(payload)
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Some(Self {
            kid: key.kid,
            th: token_hash(input.as_bytes()),
            jti: claims.get("jti").and_then(|jti| jti.as_str()).map(str::to_owned),
            issued_at: claims.get("iat").and_then(serde_json::Value::as_u64).map(Timestamp::from_seconds),
        })
    }
}

/// The body of a `token.unrecorded` record; members in this order.
#[derive(Serialize)]
struct UnrecordedBody<'a> {
    via: &'static str,
    request_id: &'a str,
}

/// Looks tokens up, and raises the alarm over those that the log does not know.
pub struct Standings {
    store: Arc<dyn Store>,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    /// The forgeries of this minute, and when it began by the monotonic clock.
    minute: Mutex<(Duration, HashSet<Digest>)>,
    seen: AtomicU64,
}

impl Standings {
    /// Reads the store, records by the recorder.
    pub fn new(store: Arc<dyn Store>, recorder: Recorder, clock: Arc<dyn Clock>) -> Self {
        Self { store, recorder, clock, minute: Mutex::default(), seen: AtomicU64::new(0) }
    }

    /// What the log says. A token without a record is told in the log as `token.unrecorded`, once a minute, and
    /// counted; `via` and `request_id` say who came across it.
    pub async fn of(
        &self,
        token: &Presented,
        via: &'static str,
        request_id: &str,
    ) -> Result<Standing, StoreFault> {
        let standing = look_up(&*self.store, token).await?;
        if standing == Standing::Unrecorded {
            self.raise_alarm(token, via, request_id);
        }
        Ok(standing)
    }

    /// How often a token without a record was looked up.
    pub fn unrecorded(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    fn raise_alarm(&self, token: &Presented, via: &'static str, request_id: &str) {
        self.seen.fetch_add(1, Ordering::Relaxed);
        if !self.is_news(token.th) {
            return;
        }
        let (kid, th) = (token.kid, token.th);
        tracing::error!(%kid, %th, "a token with our signature has no record: it was not issued here");
        let body = body::line(&UnrecordedBody { via, request_id });
        let record = Record::of(EventType::TokenUnrecorded, body);
        if !self.recorder.note(Record { kid: Some(kid), th: Some(th), ..record }) {
            tracing::error!(%kid, %th, "the log has no room to record it");
        }
    }

    /// Whether it is not among this minute's first forgeries yet, and there is room for one more.
    fn is_news(&self, th: Digest) -> bool {
        let now = self.clock.monotonic();
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(minute.0) >= MINUTE {
            *minute = (now, HashSet::new());
        }
        minute.1.len() < ALARMS && minute.1.insert(th)
    }
}

async fn look_up(store: &dyn Store, token: &Presented) -> Result<Standing, StoreFault> {
    if let Some(jti) = &token.jti
        && let Some(index) = store.index_of_jti(jti).await?
        && is_record(store, index, token.th).await?
    {
        return Ok(Standing::Recorded(index));
    }
    let Some(issued_at) = token.issued_at else { return Ok(Standing::Unrecorded) };
    // The look-up by jti goes with its month, never before a day after the token's end. The oldest month that is
    // left may be on its way out.
    let months = store.months().await?;
    let whole = months.get(1..).unwrap_or_default();
    let around = [issued_at.minus(AROUND), issued_at.plus(AROUND)];
    if !around.iter().all(|time| whole.contains(&time.month()))
        && let Some(index) = among_leaves(store, token, issued_at).await?
    {
        return Ok(Standing::Recorded(index));
    }
    let lost = lost_spans(store).await?.into_iter().any(|(from, to)| (from..=to).contains(&issued_at));
    Ok(if lost { Standing::Lost } else { Standing::Unrecorded })
}

async fn is_record(store: &dyn Store, index: u64, th: Digest) -> Result<bool, StoreFault> {
    let leaf = store.leaves(index..index.saturating_add(1)).await?.pop();
    Ok(leaf.and_then(|leaf| Leaf::parse(&leaf).ok()).is_some_and(|leaf| issued(&leaf, th)))
}

/// Whether the leaf is the record of this token's issuance. The alarm over a forgery bears the same hash.
fn issued(leaf: &Leaf, th: Digest) -> bool {
    leaf.event == EventType::TokenIssued && leaf.th == Some(th)
}

/// The entry of an old token, found by its key and its time.
async fn among_leaves(
    store: &dyn Store,
    token: &Presented,
    issued_at: Timestamp,
) -> Result<Option<u64>, StoreFault> {
    let leaf = vec![Term::kid(token.kid), Term::event(EventType::TokenIssued)];
    let (from, to) = (Some(issued_at.minus(AROUND)), Some(issued_at.plus(AROUND)));
    let times = Times { from, to, unexpired_at: None };
    let mut walk = Walk::from_the_newest(store, Wanted { leaf, body: Vec::new(), times }).await?;
    while let Some(leaves) = walk.next_leaves().await? {
        if let Some((index, _)) = leaves.into_iter().find(|(_, leaf)| issued(leaf, token.th)) {
            return Ok(Some(index));
        }
        tokio::task::yield_now().await;
    }
    Ok(None)
}

/// The times whose records are lost: for each closed log from its last entry to its end.
async fn lost_spans(store: &dyn Store) -> Result<Vec<(Timestamp, Timestamp)>, StoreFault> {
    let leaf = vec![Term::event(EventType::LogClosed)];
    let mut walk = Walk::from_the_newest(store, Wanted { leaf, ..Wanted::default() }).await?;
    let mut spans = Vec::new();
    while let Some(leaves) = walk.next_leaves().await? {
        for (index, closed) in leaves.into_iter().filter(|(_, leaf)| leaf.event == EventType::LogClosed) {
            let before = store.leaves(index.saturating_sub(1)..index).await?.pop();
            if let Some(before) = before.and_then(|leaf| Leaf::parse(&leaf).ok()) {
                // A token's `iat` is in whole seconds.
                spans.push((Timestamp::from_seconds(before.ts.seconds()), closed.ts));
            }
        }
    }
    Ok(spans)
}
