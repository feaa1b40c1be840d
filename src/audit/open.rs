//! The beginning of a run: opens the log of this store, or refuses.
//!
//! A log that is smaller than, or other than, what this node has signed is
//! never written: that would fork it. The node remembers what it signed in a
//! file of its own, beside the store.

pub mod reopen;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use self::walk::Walk;
use super::body;
use super::catalogue;
use super::checkpoint::{BadCheckpoint, Checkpoint, Note, Origin};
use super::directory::edge::DirectoryEdge;
use super::event::EventType;
use super::leaf::Record;
use super::log_key::{LogKey, LogKeyFault};
use super::recorder::Opening;
use super::served::holds;
use super::tile::Edge;
use super::tree::TreeHead;
use crate::ambient::{Entropy, EntropyFailed};
use crate::keys::seal::Sealer;
use crate::store::{Change, NewLog, Store, StoreFault, StoredLog, VERIFY_NEEDED};

/// The file that remembers the last signed checkpoint.
pub const LAST_SIGNED: &str = "last_signed";

/// The fact that names the logs that ended before this one was opened, with a blank between two names.
const CLOSED_LOG: &str = "closed_log";

/// Why the log is not opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CannotOpen {
    /// The configuration names another log.
    #[error(
        "audit.origin: it is \"{configured}\", but this store's log is \"{stored}\"; a log keeps its name"
    )]
    Origin {
        /// What the configuration says.
        configured: String,
        /// What the store says.
        stored: String,
    },
    /// The store was rolled back, or is another one.
    #[error(
        "store.url: the store's log has {found} entries, but this node has signed {signed} of them: it was restored from a backup or replaced; bring the newer store back, or if that is lost go on under another name: mintmark audit reopen --help"
    )]
    Older {
        /// Entries in the store.
        found: u64,
        /// Entries under the last signed checkpoint.
        signed: u64,
    },
    /// What was signed is not what the store holds.
    #[error(
        "store.url: the store's log is not the one that this node has signed; bring that store back, or if it is lost go on under another name: mintmark audit reopen --help"
    )]
    Forked,
    /// The tree does not follow from the entries.
    #[error("store.url: the log is damaged: {0}")]
    Damaged(String),
    /// The log's key does not open, or could not be made.
    #[error(transparent)]
    Key(#[from] LogKeyFault),
    /// The file with the last signed checkpoint makes no sense.
    #[error("{}: {cause}; if the store is whole, remove this file", path.display())]
    LastSigned {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The store failed.
    #[error("store.url: {0}")]
    Store(#[from] StoreFault),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyFailed),
}

/// A log that may be written.
pub struct Opened {
    /// Where the writer goes on.
    pub opening: Opening,
    /// The log's key.
    pub key: LogKey,
    /// What this node signed last.
    pub last_signed: Option<Checkpoint>,
    /// What the first transaction of this run records and changes.
    pub first: (Vec<Record>, Vec<Change>),
}

/// What opening needs to know.
pub struct Opener<'a> {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Seals the log's key.
    pub sealer: &'a Sealer,
    /// Gives keys and the epoch.
    pub entropy: &'a dyn Entropy,
    /// The configured name.
    pub origin: &'a Origin,
    /// Where this node keeps what it signed.
    pub data_dir: &'a Path,
    /// Which build of the program this is; the record of the start says it.
    pub build: &'static str,
}

#[derive(Serialize)]
struct OpenedBody<'a> {
    origin: &'a str,
    vkey: String,
}

#[derive(Serialize)]
struct StartedBody {
    build: &'static str,
}

impl Opener<'_> {
    /// Opens the log, making it if the store has none.
    pub async fn open(&self) -> Result<Opened, CannotOpen> {
        let last_signed = last_signed(self.data_dir)?;
        let stored = self.store.log().await?;
        let started = Record::of(EventType::NodeStarted, body::line(&StartedBody { build: self.build }));
        let Some(stored) = stored else {
            let (key, opened, change) = self.make()?;
            let mut changes = vec![change];
            match last_signed {
                Some((_, signed)) if signed.origin == *self.origin => {
                    return Err(CannotOpen::Older { found: 0, signed: signed.size });
                }
                // Under another name nothing is forked, even where the whole store is lost.
                Some((_, signed)) => {
                    changes.push(Change::SetFact(CLOSED_LOG, signed.origin.as_str().to_owned()));
                }
                None => {}
            }
            let opening = Opening::new(Edge::new(), DirectoryEdge::new(), self.entropy)?;
            return Ok(Opened { opening, key, last_signed: None, first: (vec![opened, started], changes) });
        };
        if stored.origin != self.origin.as_str() {
            let configured = self.origin.as_str().to_owned();
            return Err(CannotOpen::Origin { configured, stored: stored.origin });
        }
        let key = LogKey::open(&stored, self.sealer)?;
        let last_signed = self.check_signed(last_signed, &stored, &key).await?;
        let edge = self.verified_edge(stored.head, last_signed.as_ref()).await?;
        catalogue::catch_up(&*self.store, stored.head).await?;
        let directory = catalogue::restore(&*self.store, stored.head.size).await?;
        let opening = Opening::new(edge, directory, self.entropy)?;
        Ok(Opened { opening, key, last_signed, first: (vec![started], Vec::new()) })
    }

    fn make(&self) -> Result<(LogKey, Record, Change), CannotOpen> {
        let (key, sealed_key) = LogKey::make(self.origin, self.sealer, self.entropy)?;
        let (origin, vkey) = (self.origin.as_str(), key.vkey().to_string());
        let opened = OpenedBody { origin, vkey: vkey.clone() };
        let record = Record::of(EventType::LogOpened, body::line(&opened));
        let log = NewLog { origin: origin.to_owned(), vkey, sealed_key };
        Ok((key, record, Change::OpenLog(log)))
    }

    /// The edge of the committed tree, recomputed from what was signed last on. After a failed flush, and where
    /// nothing was signed yet, from the first entry on: then nothing on the disk is taken on trust.
    async fn verified_edge(
        &self,
        head: TreeHead,
        last_signed: Option<&Checkpoint>,
    ) -> Result<Edge, CannotOpen> {
        let marker = self.data_dir.join(VERIFY_NEEDED);
        let whole = marker.exists();
        let trusted = last_signed.filter(|_| !whole).map_or(0, |checkpoint| checkpoint.size);
        let walk = Walk { store: &*self.store, head };
        let edge = walk.run(trusted).await?;
        if whole {
            // What was read may still lie in the page cache alone.
            self.store.flush().await?;
            std::fs::remove_file(&marker).map_err(|error| {
                CannotOpen::Damaged(format!("{} cannot be removed: {error}", marker.display()))
            })?;
        }
        Ok(edge)
    }

    /// The store must still hold what was signed, whole and unchanged. What it says itself was published counts
    /// where it is more than this node remembers: the file may have been lost.
    async fn check_signed(
        &self,
        remembered: Option<(Note, Checkpoint)>,
        stored: &StoredLog,
        key: &LogKey,
    ) -> Result<Option<Checkpoint>, CannotOpen> {
        let closed = self.store.fact(CLOSED_LOG).await?;
        // What was signed of a log that an operator has closed binds this one no longer.
        let closed = closed.unwrap_or_default();
        let is_closed =
            |checkpoint: &Checkpoint| closed.split(' ').any(|name| name == checkpoint.origin.as_str());
        let remembered = remembered.filter(|(_, checkpoint)| !is_closed(checkpoint));
        if let Some((note, _)) = &remembered {
            match note.verify(key.vkey()) {
                Ok(_) => {}
                Err(BadCheckpoint::OtherOrigin | BadCheckpoint::Unsigned) => return Err(CannotOpen::Forked),
                Err(error) => return Err(last_signed_fault(self.data_dir.join(LAST_SIGNED), error)),
            }
        }
        let published = stored.checkpoint.as_deref().and_then(|note| Note::parse(note).ok());
        let published = published.and_then(|note| note.verify(key.vkey()).ok().cloned());
        let both = remembered.map(|(_, checkpoint)| checkpoint).into_iter().chain(published);
        let mut latest: Option<Checkpoint> = None;
        // Each of them must hold: a copy of this store that ran elsewhere may have published more than this node signed.
        for signed in both {
            if signed.size > stored.head.size {
                return Err(CannotOpen::Older { found: stored.head.size, signed: signed.size });
            }
            if !holds(&*self.store, signed.head()).await? {
                // Where the entries do not even give the store's own root, it is damaged and not another log.
                let walk = Walk { store: &*self.store, head: stored.head };
                walk.restore_head().await?;
                return Err(CannotOpen::Forked);
            }
            latest = latest.filter(|latest| latest.size >= signed.size).or(Some(signed));
        }
        Ok(latest)
    }
}

/// What this node remembers of what it signed last; nobody has verified it yet.
fn last_signed(data_dir: &Path) -> Result<Option<(Note, Checkpoint)>, CannotOpen> {
    let path = data_dir.join(LAST_SIGNED);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CannotOpen::LastSigned { path, cause: error.to_string() }),
    };
    let note = Note::parse(&text).map_err(|error| last_signed_fault(path, error))?;
    let checkpoint = note.unverified().clone();
    Ok(Some((note, checkpoint)))
}

fn last_signed_fault(path: PathBuf, error: BadCheckpoint) -> CannotOpen {
    CannotOpen::LastSigned { path, cause: error.to_string() }
}
