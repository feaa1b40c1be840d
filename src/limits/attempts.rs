//! How often somebody may fail to authenticate: decided before anything is hashed.
//!
//! A permit is taken before an attempt is looked at, and given back when it was right, or was not
//! looked at after all. So of any number at the same time no more are looked at than may fail. Each
//! attempt is charged to two budgets: that of the client id, as it was sent, from this source, and
//! that of the source. An exhausted source does not keep out a registered client that has not failed
//! from there: it is looked at, and told the same as everybody else when it is wrong. Ids that nobody
//! registered are charged and answered alike, so no order of answers tells which ids there are.
//!
//! Never keeps an id, an address or a secret, and never more than it has room for: see [`budgets`].
//! Time is monotonic. NIST SP 800-63B section 3.2.2, OWASP ASVS 6.3.1.

mod budgets;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ring::hmac;

use self::budgets::{Budgets, Key, Standing, Taken};
use super::{Quota, Source};
use crate::ambient::Clock;

/// Who tries.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The client id as it was sent: any text, of any length.
    pub client_id: &'a str,
    /// Whether a client of that id could be right in this way. Never part of the answer.
    pub is_registered: bool,
    /// Where it comes from.
    pub source: Source,
}

/// Too much failed: nothing is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// For whom.
    pub source: Source,
    /// The true time until one more may be tried.
    pub wait: Duration,
}

/// A name for a client id from one source, the same as long as the process lives; says nothing outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallerName(Key);

/// Counts failures, on this node.
pub struct Attempts {
    own: Budgets,
    of_source: Budgets,
    clock: Arc<dyn Clock>,
    key: hmac::Key,
    throttled: AtomicU64,
}

/// What there is to tell of failed attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptsReading {
    /// How many attempts were answered that too many had failed, since the start.
    pub throttled: u64,
    /// Budgets of client ids from a source that are remembered.
    pub own: usize,
    /// Budgets of sources that are remembered.
    pub of_source: usize,
}

impl Attempts {
    /// Nobody has failed yet. `own` is the limit for a client id from one source, `of_source` that for a
    /// source. `key` is random and used for nothing else.
    pub fn new(own: Quota, of_source: Quota, clock: Arc<dyn Clock>, key: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        Self {
            own: Budgets::new(own),
            of_source: Budgets::new(of_source),
            clock,
            key,
            throttled: AtomicU64::new(0),
        }
    }

    /// Leave to look at this attempt, or the wait until there may be one.
    pub fn permit(self: &Arc<Self>, attempt: &Attempt<'_>) -> Result<Permit, Throttled> {
        let (own, of_source) = (self.name(attempt).0, self.hashed(attempt.source, None));
        let now = self.clock.monotonic();
        // Always in this order, so that nobody waits for each other.
        let (mut own, mut of_source) = (self.own.lock(own, now), self.of_source.lock(of_source, now));
        let standing = (own.standing(), of_source.standing());
        let throttled = |wait| Throttled { source: attempt.source, wait };
        let (charged, if_wrong) = match judge(standing) {
            Verdict::Refused(wait) => return Err(throttled(wait)),
            // An exhausted source does not make others forgotten.
            Verdict::OnlyIfRegistered { wait, .. } if !own.has_room() => return Err(throttled(wait)),
            Verdict::OnlyIfRegistered { own_debt, wait } => {
                let taken = own.take(own_debt, standing.0);
                if !attempt.is_registered {
                    drop((own, of_source));
                    self.own.failed(taken);
                    return Err(throttled(wait));
                }
                ((taken, None), Some(throttled(wait)))
            }
            Verdict::Admitted { own_debt, source_debt } => {
                let taken = own.take(own_debt, standing.0);
                ((taken, Some(of_source.take(source_debt, standing.1))), None)
            }
        };
        let charged = Charged { attempts: self.clone(), own: charged.0, of_source: charged.1 };
        let has_failed = standing.0.has_failed || standing.1.has_failed;
        Ok(Permit { charged: Some(charged), if_wrong, has_failed })
    }

    /// Whether a permit would be given, for what is looked at on the spot; [`failed`](Self::failed) charges it.
    /// With many at the same time a few more may be looked at than may fail: this is not for what can be guessed.
    pub fn check(self: &Arc<Self>, attempt: &Attempt<'_>) -> Result<(), Throttled> {
        if !attempt.is_registered {
            // In an exhausted source these are charged although they are not looked at, as the others are that are.
            return self.permit(attempt).map(drop);
        }
        let (own, of_source) = (self.name(attempt).0, self.hashed(attempt.source, None));
        let now = self.clock.monotonic();
        let (own, of_source) = (self.own.lock(own, now), self.of_source.lock(of_source, now));
        match judge((own.standing(), of_source.standing())) {
            Verdict::Refused(wait) => Err(Throttled { source: attempt.source, wait }),
            Verdict::OnlyIfRegistered { .. } | Verdict::Admitted { .. } => Ok(()),
        }
    }

    /// Charges an attempt that was wrong. It is answered like a throttled one where it gives that.
    pub fn failed(self: &Arc<Self>, attempt: &Attempt<'_>) -> Option<Throttled> {
        match self.permit(attempt) {
            Ok(permit) => {
                let told = permit.if_wrong();
                drop(permit.begin());
                told
            }
            Err(throttled) => Some(throttled),
        }
    }

    /// Names who tries.
    pub fn name(&self, attempt: &Attempt<'_>) -> CallerName {
        CallerName(self.hashed(attempt.source, Some(attempt.client_id)))
    }

    /// Forgets what has grown back in full. Changes no decision.
    pub fn sweep(&self) {
        let now = self.clock.monotonic();
        self.own.sweep(now);
        self.of_source.sweep(now);
    }

    /// An attempt was answered that too many had failed.
    pub fn note_throttled(&self) {
        self.throttled.fetch_add(1, Ordering::Relaxed);
    }

    /// What there is to tell.
    pub fn reading(&self) -> AttemptsReading {
        let (own, of_source) = self.len();
        AttemptsReading { throttled: self.throttled.load(Ordering::Relaxed), own, of_source }
    }

    /// How many budgets are remembered, of client ids and of sources.
    pub fn len(&self) -> (usize, usize) {
        (self.own.len(), self.of_source.len())
    }

    /// Injective before the hash: what comes first has one length.
    fn hashed(&self, source: Source, client_id: Option<&str>) -> Key {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[u8::from(client_id.is_some())]);
        context.update(&source.bytes());
        context.update(client_id.unwrap_or_default().as_bytes());
        let mut out = [0; 16];
        let tag = context.sign();
        out.iter_mut().zip(tag.as_ref()).for_each(|(out, byte)| *out = *byte);
        out
    }
}

impl std::fmt::Debug for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempts").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// What follows from how both budgets stand.
enum Verdict {
    /// Both are charged.
    Admitted { own_debt: u64, source_debt: u64 },
    /// The source is exhausted, but of this id nothing is owed there: only its own budget is charged.
    OnlyIfRegistered { own_debt: u64, wait: Duration },
    /// Neither is.
    Refused(Duration),
}

/// The rule. Whether an id is registered is not asked, so that waits and charges cannot depend on it.
fn judge((own, of_source): (Standing, Standing)) -> Verdict {
    match (own.next, of_source.next) {
        (Ok(own_debt), Ok(source_debt)) => Verdict::Admitted { own_debt, source_debt },
        (Ok(own_debt), Err(wait)) if own.is_full => Verdict::OnlyIfRegistered { own_debt, wait },
        (own, of_source) => Verdict::Refused(own.err().max(of_source.err()).unwrap_or_default()),
    }
}

/// What an attempt was charged.
struct Charged {
    attempts: Arc<Attempts>,
    own: Taken,
    of_source: Option<Taken>,
}

impl Charged {
    fn give_back(self) {
        let Self { attempts, own, of_source } = self;
        let now = attempts.clock.monotonic();
        attempts.own.give_back(own, now);
        if let Some(taken) = of_source {
            attempts.of_source.give_back(taken, now);
        }
    }

    fn failed(self) {
        self.attempts.own.failed(self.own);
        if let Some(taken) = self.of_source {
            self.attempts.of_source.failed(taken);
        }
    }
}

/// Leave for one attempt, which is charged already. Dropped before it began, it is given back.
#[must_use]
pub struct Permit {
    charged: Option<Charged>,
    if_wrong: Option<Throttled>,
    has_failed: bool,
}

impl Permit {
    /// What a wrong one is told instead of that it is wrong, where its source is exhausted.
    pub fn if_wrong(&self) -> Option<Throttled> {
        self.if_wrong
    }

    /// Whether this id from there, or this source, failed lately: others go first.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// The attempt is looked at now.
    pub fn begin(mut self) -> Begun {
        Begun { charged: self.charged.take() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(charged) = self.charged.take() {
            charged.give_back();
        }
    }
}

/// An attempt that is looked at. Dropped, it has failed.
#[must_use]
pub struct Begun {
    charged: Option<Charged>,
}

impl Begun {
    /// It was right: nothing is held against anybody.
    pub fn was_right(mut self) {
        if let Some(charged) = self.charged.take() {
            charged.give_back();
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(charged) = self.charged.take() {
            charged.failed();
        }
    }
}

#[cfg(test)]
mod tests;
