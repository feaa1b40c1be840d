//! The way on after a rollback that cannot be undone: the log is closed in the record, and another begins.
//!
//! The store was restored and lacks entries that its log has signed. Going on
//! under the same name would fork that log, so its name ends here, with its
//! key. The new log keeps the entries that are left, and says which tree the
//! old one had when it was last signed. Tokens issued in between are known as
//! lost, not as forged: see `audit::standing`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::walk::Walk;
use super::{CLOSED_LOG, CannotOpen, last_signed};
use crate::ambient::{Clock, Entropy, EntropyFailed};
use crate::audit::checkpoint::{BadCheckpoint, Checkpoint, Note, Origin, Vkey};
use crate::audit::event::EventType;
use crate::audit::leaf::Record;
use crate::audit::log_key::{LogKey, LogKeyFault};
use crate::audit::recorder::{Opening, RecordFault, Recorder, WriterParts};
use crate::audit::{body, catalogue};
use crate::keys::seal::Sealer;
use crate::store::status::BACKUP;
use crate::store::{Change, NewLog, Store, StoreFault, StoredLog};

/// Why the log was not reopened. Nothing was changed, unless the store did not tell.
#[derive(Debug, thiserror::Error)]
pub enum CannotReopen {
    /// The store has no log.
    #[error(
        "store.url: this store has no log; to begin one under another name, set audit.origin and start the server"
    )]
    NoLog,
    /// The name is the one that the log has.
    #[error("--origin: the log is called \"{0}\" already; give it another name, such as that with a number")]
    SameName(String),
    /// The checkpoint is not by the log that is to be closed.
    #[error(
        "--checkpoint: {0}; it must be the last one known of \"{1}\", such as the file last_signed in data_dir"
    )]
    Checkpoint(BadCheckpoint, String),
    /// A later checkpoint of that log is known here.
    #[error(
        "--checkpoint: it is of {given} entries, and one of {known} is known here; give the latest, such as the file last_signed in data_dir"
    )]
    Outdated {
        /// Its size.
        given: u64,
        /// The size of the later one.
        known: u64,
    },
    /// What is left of the log is damaged.
    #[error(transparent)]
    Damaged(#[from] CannotOpen),
    /// It could not be written.
    #[error("the log was not written: {0}")]
    Record(#[from] RecordFault),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The new key could not be made.
    #[error(transparent)]
    Key(#[from] LogKeyFault),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyFailed),
}

/// What reopening works with. The data directory is the caller's.
pub struct Reopener<'a> {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Seals the new log's key.
    pub sealer: &'a Sealer,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives the key, the epoch and the salts.
    pub entropy: Arc<dyn Entropy>,
    /// This node's name.
    pub node: String,
    /// Bounds the wait for the commit.
    pub deadline: Duration,
    /// Where this node keeps what it signed.
    pub data_dir: &'a Path,
}

/// What a person decided.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'a> {
    /// The new log's name.
    pub origin: &'a Origin,
    /// The last checkpoint that is known of the log that ends: a signed note.
    pub checkpoint: &'a str,
    /// Why, in the person's words.
    pub reason: &'a str,
    /// `unix:<uid>`.
    pub actor: &'a str,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reopened {
    /// The new log's name.
    pub origin: String,
    /// Its public key, for verifiers.
    pub vkey: String,
    /// The log that ended, with its last known tree.
    pub closed: Closed,
    /// Entries that are left of it and lead the new one.
    pub kept: u64,
    /// Entries that were signed and are lost.
    pub lost: u64,
}

/// A log that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// Its name.
    pub origin: String,
    /// The size of its last known tree.
    pub size: u64,
    /// The root hash of that tree, base64url.
    pub root_hash: String,
}

#[derive(Serialize)]
struct ClosedBody<'a> {
    actor: &'a str,
    via: &'static str,
    reason: &'a str,
    origin: &'a str,
    size: u64,
    root_hash: &'a str,
    checkpoint: &'a str,
    kept: u64,
}

#[derive(Serialize)]
struct OpenedBody<'a> {
    origin: &'a str,
    vkey: &'a str,
    follows: &'a Closed,
}

impl Reopener<'_> {
    /// Closes the log of the store and opens another over the entries that are left, in one transaction.
    pub async fn reopen(&self, decision: &Decision<'_>) -> Result<Reopened, CannotReopen> {
        let stored = self.store.log().await?.ok_or(CannotReopen::NoLog)?;
        if stored.origin == decision.origin.as_str() {
            return Err(CannotReopen::SameName(stored.origin));
        }
        let last = last_known(decision.checkpoint, &stored)?;
        self.is_the_latest(&last, &stored)?;
        let kept = stored.head.size;
        let edge = Walk { store: &*self.store, head: stored.head }.run(0).await?;
        catalogue::catch_up(&*self.store, stored.head).await?;
        let directory = catalogue::restore(&*self.store, kept).await?;
        let opening = Opening::new(edge, directory, &*self.entropy)?;
        let (key, sealed_key) = LogKey::make(decision.origin, self.sealer, &*self.entropy)?;
        let reopened = Reopened {
            origin: decision.origin.as_str().to_owned(),
            vkey: key.vkey().to_string(),
            closed: Closed { origin: stored.origin, size: last.size, root_hash: last.root.to_string() },
            kept,
            lost: last.size.saturating_sub(kept),
        };
        self.write(opening, decision, (&reopened, sealed_key)).await?;
        Ok(reopened)
    }

    /// A checkpoint that is older than what this node knows of would hide entries that others have seen signed.
    fn is_the_latest(&self, last: &Checkpoint, stored: &StoredLog) -> Result<(), CannotReopen> {
        let published = stored.checkpoint.as_deref().and_then(|note| Note::parse(note).ok());
        let published = published.map(|note| note.unverified().clone());
        let remembered = last_signed(self.data_dir)?.map(|(_, checkpoint)| checkpoint);
        let later = published
            .into_iter()
            .chain(remembered)
            .find(|known| known.origin == last.origin && known.size > last.size);
        later.map_or(Ok(()), |later| Err(CannotReopen::Outdated { given: last.size, known: later.size }))
    }

    /// Every log whose last checkpoint may still lie in the data directory and binds the new one no longer.
    async fn closed_names(&self, closing: &str) -> Result<String, CannotReopen> {
        let before = self.store.fact(CLOSED_LOG).await?.unwrap_or_default();
        let remembered =
            last_signed(self.data_dir)?.map(|(_, checkpoint)| checkpoint.origin.as_str().to_owned());
        let mut names: Vec<&str> = before.split(' ').filter(|name| !name.is_empty()).collect();
        for name in [Some(closing), remembered.as_deref()].into_iter().flatten() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names.join(" "))
    }

    async fn write(
        &self,
        opening: Opening,
        decision: &Decision<'_>,
        (reopened, sealed_key): (&Reopened, Vec<u8>),
    ) -> Result<(), CannotReopen> {
        let parts = WriterParts {
            store: self.store.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            node: self.node.clone(),
        };
        let (recorder, writer) = Recorder::start(opening, parts, self.deadline);
        let Reopened { origin, vkey, closed, kept, .. } = reopened;
        let change = NewLog { origin: origin.clone(), vkey: vkey.clone(), sealed_key };
        // A backup is one no longer: whoever goes on from it has said so.
        let changes = vec![
            Change::ReopenLog(change),
            Change::SetFact(CLOSED_LOG, self.closed_names(&closed.origin).await?),
            Change::SetFact(BACKUP, String::new()),
        ];
        let done = recorder.act(records(decision, reopened, *kept), changes).await;
        recorder.finish();
        // The writer holds the store; nobody else may close it before it has ended.
        let _ = writer.await;
        done?;
        Ok(())
    }
}

fn records(decision: &Decision<'_>, reopened: &Reopened, kept: u64) -> Vec<Record> {
    let Reopened { origin, vkey, closed, .. } = reopened;
    let closed_body = ClosedBody {
        actor: decision.actor,
        via: "audit reopen",
        reason: decision.reason,
        origin: &closed.origin,
        size: closed.size,
        root_hash: &closed.root_hash,
        checkpoint: decision.checkpoint,
        kept,
    };
    let opened_body = OpenedBody { origin, vkey, follows: closed };
    vec![
        Record::of(EventType::LogClosed, body::line(&closed_body)),
        Record::of(EventType::LogOpened, body::line(&opened_body)),
    ]
}

/// The checkpoint must be signed by the log that is to be closed.
fn last_known(note: &str, stored: &StoredLog) -> Result<Checkpoint, CannotReopen> {
    let vkey = Vkey::parse(&stored.vkey).map_err(|_| LogKeyFault::Damaged("its vkey cannot be read"))?;
    let checked = Note::parse(note).and_then(|note| note.verify(&vkey).cloned());
    checked.map_err(|bad| CannotReopen::Checkpoint(bad, stored.origin.clone()))
}
