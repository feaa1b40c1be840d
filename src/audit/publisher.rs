//! Signs and publishes checkpoints, each of them covering what the one before covered.
//!
//! Order of writing: the node's own memory of what it signed, then the store,
//! then the public. A crash in between leaves a signature that nobody has
//! seen, over a tree that the store holds.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::checkpoint::Checkpoint;
use super::log_key::LogKey;
use super::open::LAST_SIGNED;
use super::recorder::{RecordFault, Recorder};
use super::served::Published;
use crate::ambient::Clock;
use crate::failpoint::failpoint;
use crate::store::Change;

/// No checkpoint was published; the one before stands.
#[derive(Debug, thiserror::Error)]
pub enum PublishFault {
    /// The node cannot remember what it would sign, so it does not.
    #[error("{}: {cause}", path.display())]
    Memory {
        /// Which file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// The store did not take it.
    #[error(transparent)]
    Record(#[from] RecordFault),
    /// The key gave no signature.
    #[error(transparent)]
    Sign(#[from] crate::jose::key_pair::SignFailed),
    /// The tree shrank, or is another one: never signed.
    #[error(
        "the log has {found} entries and is not the one whose {signed} were signed; nothing more is signed"
    )]
    Shrunk {
        /// Entries now.
        found: u64,
        /// Entries signed.
        signed: u64,
    },
}

/// Publishes checkpoints of one log.
pub struct Publisher {
    key: LogKey,
    recorder: Recorder,
    data_dir: PathBuf,
    signed: tokio::sync::Mutex<Option<Checkpoint>>,
    published: watch::Sender<Option<Published>>,
    clock: Arc<dyn Clock>,
    /// When the last one was published, by the monotonic clock.
    at: Mutex<Option<Duration>>,
}

impl Publisher {
    /// Goes on after what was signed last.
    pub fn new(
        key: LogKey,
        recorder: Recorder,
        data_dir: &Path,
        last_signed: Option<Checkpoint>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            key,
            recorder,
            data_dir: data_dir.to_owned(),
            signed: tokio::sync::Mutex::new(last_signed),
            published: watch::channel(None).0,
            clock,
            at: Mutex::default(),
        }
    }

    /// The log's key as text for verifiers.
    pub fn vkey(&self) -> String {
        self.key.vkey().to_string()
    }

    /// How large the last published checkpoint is, and how long ago that was; `None` before the first one.
    pub fn reading(&self) -> Option<(u64, Duration)> {
        let at = (*self.at.lock().unwrap_or_else(PoisonError::into_inner))?;
        let size = self.published.borrow().as_ref()?.checkpoint.size;
        Some((size, self.clock.monotonic().saturating_sub(at)))
    }

    /// Follows what is published.
    pub fn published(&self) -> watch::Receiver<Option<Published>> {
        self.published.subscribe()
    }

    /// Publishes a checkpoint of the committed tree if that has grown since the last one.
    pub async fn tick(&self) -> Result<(), PublishFault> {
        let mut signed = self.signed.lock().await;
        let head = *self.recorder.head().borrow();
        let covered = signed.as_ref().map_or(0, |checkpoint| checkpoint.size);
        let other = signed.as_ref().is_some_and(|last| last.size == head.size && last.root != head.root);
        if head.size < covered || other {
            return Err(PublishFault::Shrunk { found: head.size, signed: covered });
        }
        let current = self.published.borrow().as_ref().map(|published| published.checkpoint.head());
        if current == Some(head) || head.size == 0 {
            return Ok(());
        }
        let (note, checkpoint) = self.key.sign(head)?;
        failpoint!("checkpoint.before_remember");
        remember(self.data_dir.join(LAST_SIGNED), note.clone()).await?;
        failpoint!("checkpoint.after_remember");
        *signed = Some(checkpoint.clone());
        self.recorder.act(Vec::new(), vec![Change::Publish(note.clone())]).await?;
        self.published.send_replace(Some(Published { note: Bytes::from(note), checkpoint }));
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clock.monotonic());
        Ok(())
    }
}

/// Replaces the file whole: written and flushed under another name, then renamed, then the folder flushed.
async fn remember(path: PathBuf, note: String) -> Result<(), PublishFault> {
    let written = tokio::task::spawn_blocking({
        let path = path.clone();
        move || {
            let fresh = path.with_extension("new");
            let mut file = std::fs::File::create(&fresh)?;
            file.write_all(note.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&fresh, &path)?;
            std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
        }
    });
    let written = written.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    written.map_err(|cause| PublishFault::Memory { path, cause })
}
