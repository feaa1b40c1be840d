//! The beginning of a run: opens the log of this store, or refuses.
//!
//! A log that is smaller than, or other than, what this node has signed is
//! never written: that would fork it. The node remembers what it signed in a
//! file of its own, beside the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::body;
use super::catalogue;
use super::checkpoint::{BadCheckpoint, Checkpoint, Note, Origin};
use super::directory::edge::DirectoryEdge;
use super::event::EventType;
use super::leaf::{Leaf, Record};
use super::log_key::{LogKey, LogKeyFault};
use super::recorder::Opening;
use super::served::{holds, tile_bytes};
use super::tile::{Edge, Tile, WIDTH};
use super::tree::{Frontier, TreeHead, leaf_hash};
use crate::ambient::{Entropy, EntropyFailed};
use crate::keys::seal::Sealer;
use crate::store::{Change, NewLog, Store, StoreFault, VERIFY_NEEDED};

/// The file that remembers the last signed checkpoint.
pub const LAST_SIGNED: &str = "last_signed";
/// Entries of one read while the whole log is walked.
const PAGE: u64 = 4_096;

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
        "store.url: the store's log has {found} entries, but this node has signed {signed} of them: it was restored from a backup or replaced; bring the newer store back"
    )]
    Older {
        /// Entries in the store.
        found: u64,
        /// Entries under the last signed checkpoint.
        signed: u64,
    },
    /// What was signed is not what the store holds.
    #[error("store.url: the store's log is not the one that this node has signed; bring that store back")]
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
    #[error(transparent)]
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
        let last_signed = self.last_signed()?;
        let stored = self.store.log().await?;
        let started =
            Record::of(EventType::NodeStarted, body::line(&StartedBody { build: env!("CARGO_PKG_VERSION") }));
        let Some(stored) = stored else {
            if let Some((_, signed)) = last_signed {
                return Err(CannotOpen::Older { found: 0, signed: signed.size });
            }
            let (key, opened, change) = self.make()?;
            let opening = Opening::new(Edge::new(), DirectoryEdge::new(), self.entropy)?;
            return Ok(Opened {
                opening,
                key,
                last_signed: None,
                first: (vec![opened, started], vec![change]),
            });
        };
        if stored.origin != self.origin.as_str() {
            let configured = self.origin.as_str().to_owned();
            return Err(CannotOpen::Origin { configured, stored: stored.origin });
        }
        let key = LogKey::open(&stored, self.sealer)?;
        let edge = self.restore(stored.head).await?;
        let last_signed = self.check_last_signed(last_signed, &key, stored.head).await?;
        self.walk_if_needed(stored.head).await?;
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

    /// Rebuilds the right edge and compares it with the committed head.
    async fn restore(&self, head: TreeHead) -> Result<Edge, CannotOpen> {
        let mut tiles = Vec::new();
        for path in Edge::needs(head.size) {
            let bytes = tile_bytes(&*self.store, path).await?;
            tiles.push(Tile { level: path.level, index: path.index, bytes });
        }
        let first = head.size - head.size % u64::from(WIDTH);
        let leaves = self.store.leaves(first..head.size).await?;
        let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let edge = Edge::restore(head.size, &hashes, &tiles);
        let edge = edge.map_err(|error| CannotOpen::Damaged(error.to_string()))?;
        if edge.head() == head {
            Ok(edge)
        } else {
            Err(CannotOpen::Damaged("its last entries do not give its root".to_owned()))
        }
    }

    fn last_signed(&self) -> Result<Option<(Note, Checkpoint)>, CannotOpen> {
        let path = self.data_dir.join(LAST_SIGNED);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CannotOpen::LastSigned { path, cause: error.to_string() }),
        };
        let note = Note::parse(&text).map_err(|error| last_signed_fault(path, error))?;
        let checkpoint = note.unverified().clone();
        Ok(Some((note, checkpoint)))
    }

    /// The store must still hold what was signed, whole and unchanged.
    async fn check_last_signed(
        &self,
        last_signed: Option<(Note, Checkpoint)>,
        key: &LogKey,
        head: TreeHead,
    ) -> Result<Option<Checkpoint>, CannotOpen> {
        let Some((note, checkpoint)) = last_signed else { return Ok(None) };
        match note.verify(key.vkey()) {
            Ok(_) => {}
            Err(BadCheckpoint::OtherOrigin | BadCheckpoint::Unsigned) => return Err(CannotOpen::Forked),
            Err(error) => return Err(last_signed_fault(self.data_dir.join(LAST_SIGNED), error)),
        }
        if checkpoint.size > head.size {
            return Err(CannotOpen::Older { found: head.size, signed: checkpoint.size });
        }
        if !holds(&*self.store, checkpoint.head()).await? {
            return Err(CannotOpen::Forked);
        }
        Ok(Some(checkpoint))
    }

    /// After a failed flush nothing on the disk is taken on trust: every leaf is read and hashed.
    async fn walk_if_needed(&self, head: TreeHead) -> Result<(), CannotOpen> {
        let marker = self.data_dir.join(VERIFY_NEEDED);
        if !marker.exists() {
            return Ok(());
        }
        let mut frontier = Frontier::new();
        while frontier.size() < head.size {
            let from = frontier.size();
            let leaves = self.store.leaves(from..head.size.min(from.saturating_add(PAGE))).await?;
            for leaf in &leaves {
                Leaf::parse(leaf)
                    .map_err(|_| CannotOpen::Damaged(format!("entry {} cannot be read", frontier.size())))?;
                frontier.push(leaf_hash(leaf));
            }
            if leaves.is_empty() {
                return Err(CannotOpen::Damaged(format!("entry {from} is missing")));
            }
        }
        if frontier.root() != head.root {
            return Err(CannotOpen::Damaged("its entries do not give its root".to_owned()));
        }
        // What was read may still lie in the page cache alone.
        self.store.flush().await?;
        std::fs::remove_file(&marker)
            .map_err(|error| CannotOpen::Damaged(format!("{} cannot be removed: {error}", marker.display())))
    }
}

fn last_signed_fault(path: PathBuf, error: BadCheckpoint) -> CannotOpen {
    CannotOpen::LastSigned { path, cause: error.to_string() }
}
