//! Acts that may be asked for again and are done once: `Idempotency-Key`.
//!
//! The answer to an act is written in the transaction of the act itself, so
//! that there is none without the other, whatever comes between. Who asks
//! again waits for what was submitted before, and then the store tells. Only
//! what was done is remembered: after a refusal nothing had happened. It never
//! goes by the clock to tell whether an answer is too old; what is there is
//! given, until [`Admin::forget_answers`] takes it away.
//!
//! After draft-ietf-httpapi-idempotency-key-header.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Actor, Admin, Answer, Refusal};
use crate::digest::Digest;
use crate::store::{Change, Recalled, Remembered};
use crate::time::Timestamp;

/// How long an answer is kept.
const KEPT: Duration = Duration::from_hours(24);
/// As many answers are kept for one caller. Whoever wants more at once does without a key, or waits.
const MOST: u64 = 10_000;
/// As many bytes of answers, and one answer more: a policy's may be long.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// Answers that are forgotten by one transaction.
const SLICE: u32 = 1_000;
/// The longest key, in characters.
pub const MAX_KEY_LENGTH: usize = 255;

/// A request with a key, by hashes: what it asks for is nobody's to read in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyed {
    id: Digest,
    caller: Digest,
    request: Digest,
}

impl Keyed {
    /// `key` is 1 to 255 printable ASCII characters, else this is `None`. `route` is the target of the request.
    pub fn new(caller: &str, key: &str, route: &str, body: &[u8]) -> Option<Self> {
        let fits = (1..=MAX_KEY_LENGTH).contains(&key.len());
        if !fits || !key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return None;
        }
        // Neither a caller's name nor a key nor a target has a line feed.
        let hash = |what: &str, parts: [&[u8]; 2]| {
            Digest::of(&[b"mintmark/", what.as_bytes(), b"/v1\n", parts[0], b"\n", parts[1]])
        };
        Some(Self {
            id: hash("idempotency-key", [caller.as_bytes(), key.as_bytes()]),
            caller: hash("idempotency-caller", [caller.as_bytes(), b""]),
            request: hash("idempotency-request", [route.as_bytes(), body]),
        })
    }
}

/// The keys under which something is being done, and what.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<Digest, Digest>>);

impl Running {
    fn begin(self: &Arc<Self>, keyed: Keyed, until: Timestamp) -> Result<Once, Refusal> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match running.entry(keyed.id) {
            Entry::Occupied(found) if *found.get() == keyed.request => Err(Refusal::StillRunning),
            Entry::Occupied(_) => Err(Refusal::KeyOfAnother),
            Entry::Vacant(place) => {
                place.insert(keyed.request);
                Ok(Once { keyed, until, running: self.clone() })
            }
        }
    }
}

/// An act under a key, from its beginning until the last who works on it has gone.
#[derive(Debug)]
pub struct Once {
    keyed: Keyed,
    until: Timestamp,
    running: Arc<Running>,
}

impl Drop for Once {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.keyed.id);
    }
}

/// What is to be done about a request with a key.
pub enum Turn {
    /// Nothing: it was done, and this was the answer.
    Told(Answer),
    /// The act, by an actor with this.
    First(Arc<Once>),
}

impl Actor {
    /// What remembers this answer, if the actor wants to be able to ask again. It belongs to the act's own changes.
    pub(super) fn remembers(&self, answer: &Answer) -> Option<Change> {
        let Once { keyed: Keyed { id, caller, request }, until, .. } = **self.once.as_ref()?;
        Some(Change::Remember(Remembered { id, caller, request, answer: answer.line(), until }))
    }

    /// What puts a fuller answer in the place of the one that was remembered with the act.
    pub(super) fn completes(&self, answer: &Answer) -> Option<Change> {
        Some(Change::CompleteAnswer(self.once.as_ref()?.keyed.id, answer.line()))
    }
}

impl Admin {
    /// Finds out whether this was asked before. Two of the same at once have one turn; the other is refused.
    pub async fn turn(&self, keyed: Keyed) -> Result<Turn, Refusal> {
        let once = self.running.begin(keyed, self.parts.clock.now().plus(KEPT))?;
        // An act whose outcome was unknown is written or lost after this, and in force.
        self.tick().await?;
        self.parts.recorder.settle().await?;
        let Recalled { answer, of_caller, bytes, first_end } =
            self.parts.store.recall(&keyed.id, &keyed.caller).await?;
        match answer {
            Some(found) if found.request != keyed.request => Err(Refusal::KeyOfAnother),
            Some(found) => {
                let unreadable = Refusal::Internal("a remembered answer cannot be read");
                Answer::parse(&found.answer).map(Turn::Told).ok_or(unreadable)
            }
            None if of_caller >= MOST || bytes >= MOST_BYTES => {
                let wait = first_end.map(|end| end.since(self.parts.clock.now()));
                Err(Refusal::TooManyKeys(wait.unwrap_or_default()))
            }
            None => Ok(Turn::First(Arc::new(once))),
        }
    }

    /// Writes what only tells that something was done, where the act had nothing to change.
    pub(super) async fn remember_alone(&self, actor: &Actor, answer: &Answer) -> Result<(), Refusal> {
        if let Some(change) = actor.remembers(answer) {
            self.parts.recorder.act(Vec::new(), vec![change]).await?;
        }
        Ok(())
    }

    /// Forgets the answers whose time is over at `now`, some at a time.
    pub async fn forget_answers(&self, now: Timestamp) -> Result<(), Refusal> {
        let change = Change::ForgetAnswers { now, at_most: SLICE };
        self.parts.recorder.act(Vec::new(), vec![change]).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_printable_ascii() {
        let keyed = |key: &str| Keyed::new("unix:0", key, "/clients", b"{}");
        for good in ["a", " ", "~", "8e03978e-40d5-43dd-bc93-6894a57f9324", &"k".repeat(255)] {
            assert!(keyed(good).is_some(), "{good:?}");
        }
        for bad in ["", "a\nb", "a\tb", "\u{7f}", "ä", &"k".repeat(256)] {
            assert!(keyed(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn it_is_known_by_caller_key_route_and_body() {
        let of = |caller, key, route, body: &[u8]| Keyed::new(caller, key, route, body).unwrap();
        let keyed = of("unix:0", "k", "/clients", b"{}");
        assert_eq!(of("unix:0", "k", "/clients", b"{}"), keyed);
        for (other, same_id, same_request) in [
            (of("unix:1", "k", "/clients", b"{}"), false, true),
            (of("unix:0", "l", "/clients", b"{}"), false, true),
            (of("unix:0", "k", "/client", b"s{}"), true, false),
            (of("unix:0", "k", "/clients", b""), true, false),
        ] {
            assert_eq!((other.id == keyed.id, other.request == keyed.request), (same_id, same_request));
        }
        assert_eq!(of("unix:0", "l", "/keys", b"").caller, keyed.caller);
        assert_ne!(keyed.id, keyed.caller);
    }
}
