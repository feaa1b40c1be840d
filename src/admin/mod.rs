//! The acts of people on the issuer, one function each, as a person would say them.
//!
//! Each act checks, records and applies in one transaction, then puts the new
//! policy in force. It knows nothing of HTTP. Who may do what is decided by
//! the listener that the act came in by, but for one rule: nobody gives a client more than its own power.

mod aging;
mod answer;
mod client_patch;
mod clients;
mod erase;
mod expected;
mod find;
mod in_force;
mod keys;
mod log;
mod once;
mod policy;
mod preview;
mod proof;
mod report;
mod rules;
mod secrets;
mod tail;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::Serialize;
use tokio::sync::{Mutex, MutexGuard};

pub use aging::DueSecrets;
pub use answer::{Answer, KeyBody, Outcome, Secrets};
pub use clients::Created;
pub use erase::{Erased, Whose};
pub use expected::Expected;
pub use find::{Found, Verdict};
pub use in_force::policy_in_force;
pub use keys::Revoke;
pub use once::{Keyed, MAX_KEY_LENGTH, Once, Turn};
pub use policy::{Application, Planned};
pub use preview::{Asked, Previewed};
pub use proof::Proved;
pub use report::{Progress, Reporting};
pub use secrets::NewSecret;
pub use tokens::{IssuedBefore, RevokeTokens, TokensRevoked};

use self::once::Running;
use crate::ambient::{Clock, Entropy};
use crate::audit::body;
use crate::audit::event::EventType;
use crate::audit::leaf::Record;
use crate::audit::recorder::{RecordFault, Recorder};
use crate::audit::served::Served;
use crate::audit::standing::Standings;
use crate::clients::LastUses;
use crate::failpoint::failpoint;
use crate::introspect::Revocations;
use crate::issue::{ClockInsane, WallClock};
use crate::jose::Algorithm;
use crate::keys::by_hand;
use crate::keys::rotator::{ActFault, RotationFault, Rotator};
use crate::keys::signer::Signer;
use crate::oauth::Scope;
use crate::policy::plan::Complaint;
use crate::policy::snapshot::Lifetimes;
use crate::policy::{AdminScopes, Builtin, InUse, Policy, Violation};
use crate::store::{Change, Store, StoreFault};
use crate::time::Timestamp;
use crate::workers::Workers;

/// So many complaints about a policy are told at once.
const TOLD: usize = 20;

/// Who does it, and how it came in: part of each record.
#[derive(Clone, Debug)]
pub struct Actor {
    /// `unix:<uid>` or `client:<id>`.
    pub name: String,
    /// `socket` or `tcp`, or `dev` for what the demo does at its start.
    pub via: &'static str,
    /// The request's identifier.
    pub request_id: String,
    /// That it is done once however often it is asked for, where the caller wants that.
    pub once: Option<Arc<Once>>,
    /// What of administration it may do, and so give to a client: everything who comes by the socket.
    pub held: AdminScopes,
}

impl Actor {
    /// Whether it may let a client with this scope act: who makes one, changes one, enables one or gives one a secret could use
    /// it, and so must hold every admin scope that the client has. To take away is free.
    fn check_scope(&self, clients: &Scope) -> Result<(), Refusal> {
        let beyond = AdminScopes::among(clients).without(self.held);
        if beyond.is_empty() { Ok(()) } else { Err(Refusal::Beyond(beyond)) }
    }
}

/// An act that was not done. Nothing was changed, except where [`Refusal::Unknown`] says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such object.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The id is taken, or was once.
    #[error("this client id is taken; ids are never given twice")]
    Taken,
    /// The object exists, so the caller must say which version it means.
    #[error("the object exists: send If-Match with its ETag")]
    PreconditionRequired,
    /// The object was changed since the caller looked.
    #[error("the object was changed meanwhile: read it again and repeat")]
    Stale,
    /// Something else of the policy uses the object.
    #[error(transparent)]
    InUse(#[from] InUse),
    /// A third secret at once.
    #[error("the client has two live secrets: revoke one, or wait for the older to end")]
    TwoSecrets,
    /// A value breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Violation),
    /// A policy cannot be as it is wanted.
    #[error("{}", told(.0))]
    Policy(Vec<Complaint>),
    /// The client has admin scopes that the caller does not hold.
    #[error("the client has {0}, which you do not hold: ask who holds it, or go by the socket")]
    Beyond(AdminScopes),
    /// A member of a client's registration breaks a rule. RFC 7591 section 3.2.2.
    #[error(transparent)]
    ClientMetadata(Violation),
    /// The keys do not allow it, or it could not be made.
    #[error(transparent)]
    Key(ActFault),
    /// The secret was not hashed: there is no room, or it broke.
    #[error("the secret was not hashed: {0}")]
    NotHashed(#[from] crate::workers::NotDone),
    /// It was not recorded in time; whether it happened is unknown. Look, or repeat.
    #[error("whether it was done is unknown: {0}")]
    Unknown(RecordFault),
    /// The same was asked before and is being done.
    #[error("the first request with this Idempotency-Key is still running: repeat it in a moment")]
    StillRunning,
    /// The key was used for something else.
    #[error("this Idempotency-Key was used for another request")]
    KeyOfAnother,
    /// It was done, and its answer is kept no more.
    #[error("it was done; its answer was erased with a client that it named")]
    AnswerErased,
    /// More keys in a day than are kept; the first is forgotten after this.
    #[error("too many requests with an Idempotency-Key within a day: wait, or send it without")]
    TooManyKeys(Duration),
    /// The wall clock cannot be right.
    #[error(transparent)]
    Clock(#[from] ClockInsane),
    /// No checkpoint covers the entry yet.
    #[error("no checkpoint covers this entry yet; it does within seconds")]
    NotYet,
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// Our fault.
    #[error("{0}")]
    Internal(&'static str),
}

impl From<RecordFault> for Refusal {
    fn from(fault: RecordFault) -> Self {
        match fault {
            RecordFault::Store(StoreFault::Conflict) => Self::Stale,
            other => Self::Unknown(other),
        }
    }
}

impl From<ActFault> for Refusal {
    fn from(fault: ActFault) -> Self {
        match fault {
            ActFault::Refused(by_hand::Refusal::UnknownKey) => Self::NotFound("key"),
            ActFault::Failed(RotationFault::Record(fault)) => fault.into(),
            other => Self::Key(other),
        }
    }
}

impl From<crate::ambient::EntropyFailed> for Refusal {
    fn from(_: crate::ambient::EntropyFailed) -> Self {
        Self::Internal("no randomness")
    }
}

impl From<crate::clients::secret::HashFailed> for Refusal {
    fn from(_: crate::clients::secret::HashFailed) -> Self {
        Self::Internal("the secret could not be hashed")
    }
}

/// What administration works with.
pub struct AdminParts {
    /// The `iss` claim, byte-identical to the configuration.
    pub issuer: String,
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Writes acts and their records.
    pub recorder: Recorder,
    /// The policy in force.
    pub policy: Arc<ArcSwap<Policy>>,
    /// What the issuer itself brings to it.
    pub builtin: Builtin,
    /// Rotates keys.
    pub rotator: Arc<Rotator>,
    /// Knows the keys that sign now.
    pub signer: Arc<Signer>,
    /// Reads the published log.
    pub served: Served,
    /// Looks tokens up in the log.
    pub standings: Arc<Standings>,
    /// The revocations in force.
    pub revocations: Arc<Revocations>,
    /// Tells the time of day, as far as it can be believed.
    pub wall_clock: Arc<WallClock>,
    /// Knows when secrets were used.
    pub last_uses: Arc<LastUses>,
    /// Hashes new secrets.
    pub hashing: Workers,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes new secrets.
    pub entropy: Arc<dyn Entropy>,
    /// The configured lifetimes.
    pub lifetimes: Lifetimes,
    /// The configured algorithms.
    pub algorithms: Vec<Algorithm>,
}

/// Administration of one issuer.
pub struct Admin {
    parts: AdminParts,
    /// One act on the policy at a time: it reads, checks, writes and puts in force.
    acting: Mutex<()>,
    /// One erasure at a time: each mends the directory's pages as it found them.
    erasing: Mutex<()>,
    /// The store may hold another policy than the one in force; [`Admin::tick`] catches up.
    behind: AtomicBool,
    /// What is being done under an `Idempotency-Key`.
    running: Arc<Running>,
}

/// The body of an administrative record; members in this order. No secret ever enters it.
#[derive(Serialize)]
struct ActBody<'a, O: Serialize> {
    actor: &'a str,
    via: &'static str,
    request_id: &'a str,
    object: &'a str,
    before: Option<O>,
    after: Option<O>,
}

impl Admin {
    /// Assembles administration.
    pub fn new(parts: AdminParts) -> Self {
        Self {
            parts,
            acting: Mutex::new(()),
            erasing: Mutex::new(()),
            behind: AtomicBool::new(false),
            running: Arc::default(),
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        self.parts.policy.load_full()
    }

    /// The issuer's time.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// The keys and their timers.
    pub fn rotator(&self) -> &Arc<Rotator> {
        &self.parts.rotator
    }

    /// Begins an act on the policy: what it reads is what the store has.
    async fn act(&self) -> Result<MutexGuard<'_, ()>, Refusal> {
        let acting = self.acting.lock().await;
        self.catch_up(&acting).await?;
        Ok(acting)
    }

    /// Records and applies in one transaction, then puts the policy in force.
    /// The lock is the proof that no other act is between its reading and its writing.
    ///
    /// What was committed is done, even if the policy cannot be read back at
    /// once; what may have been committed is looked up. [`Admin::tick`] does both.
    async fn apply(
        &self,
        acting: &MutexGuard<'_, ()>,
        record: Record,
        changes: Vec<Change>,
    ) -> Result<(), Refusal> {
        self.apply_all(acting, vec![record], changes).await
    }

    /// The same for an act on several objects, each with its record.
    async fn apply_all(
        &self,
        _acting: &MutexGuard<'_, ()>,
        records: Vec<Record>,
        changes: Vec<Change>,
    ) -> Result<(), Refusal> {
        // Before it begins: whatever breaks this off, the policy is read back.
        let was_behind = self.behind.swap(true, Ordering::AcqRel);
        let outcome = self.parts.recorder.act(records, changes).await;
        // The record and the change are one transaction: what is still to apply is the policy in force.
        failpoint!("admin.after_audit_before_apply");
        if matches!(outcome, Err(RecordFault::Store(StoreFault::Conflict))) {
            self.behind.store(was_behind, Ordering::Release);
            return Err(Refusal::Stale);
        }
        if outcome.is_ok() && self.refresh().await.is_ok() {
            self.behind.store(false, Ordering::Release);
        }
        outcome?;
        Ok(())
    }

    /// Catches up with the store if it may hold another policy than the one in
    /// force: an act timed out and was committed later, or could not be read back.
    pub async fn tick(&self) -> Result<(), Refusal> {
        if !self.behind.load(Ordering::Acquire) {
            return Ok(());
        }
        self.act().await.map(drop)
    }

    async fn catch_up(&self, _acting: &MutexGuard<'_, ()>) -> Result<(), Refusal> {
        if !self.behind.load(Ordering::Acquire) {
            return Ok(());
        }
        // Only behind everything that was submitted before does the store tell the outcome.
        self.parts.recorder.settle().await?;
        self.refresh().await?;
        self.behind.store(false, Ordering::Release);
        Ok(())
    }

    /// Reads the policy from the store and puts it in force.
    async fn refresh(&self) -> Result<(), StoreFault> {
        // What stands where the issuer's own would was told at the start; nobody can set more of it.
        let (policy, _) =
            policy_in_force(&*self.parts.store, &self.parts.builtin, Some(&self.policy())).await?;
        self.parts.policy.store(Arc::new(policy));
        Ok(())
    }
}

/// All complaints in one line, within bounds.
fn told(complaints: &[Complaint]) -> String {
    let mut lines: Vec<_> = complaints.iter().take(TOLD).map(ToString::to_string).collect();
    if let Some(more @ 1..) = complaints.len().checked_sub(TOLD) {
        lines.push(format!("and {more} more"));
    }
    lines.join("; ")
}

fn record<O: Serialize>(
    event: EventType,
    actor: &Actor,
    object: &str,
    (before, after): (Option<O>, Option<O>),
) -> Record {
    let Actor { name, via, request_id, .. } = actor;
    Record::of(event, body::line(&ActBody { actor: name, via, request_id, object, before, after }))
}
