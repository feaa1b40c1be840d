//! What the shells may ask of the world's memory, in whole acts.
//!
//! A driver lives in one file or folder and shares no SQL with another; what
//! they share is this contract and the conformance suite. Nobody outside
//! `store` knows a table.

pub mod change;
mod damaged;
pub mod sqlite;
pub mod status;

use std::collections::HashMap;
use std::ops::Range;

use async_trait::async_trait;

pub use change::{Change, NewLog, Remembered, SealedHalf};
pub use damaged::DamagedRow;

use crate::audit::directory::StoredPage;
use crate::audit::tile::Tile;
use crate::audit::tree::TreeHead;
use crate::digest::Digest;
use crate::jose::{Algorithm, Kid};
use crate::keys::{KeyRing, KeyState};
use crate::policy::Policy;
use crate::time::Timestamp;

/// The file in the data directory that makes the next start walk the whole log.
pub const VERIFY_NEEDED: &str = "verify-needed";

/// The store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// Somebody else changed the object first, or it exists already. Nothing was written.
    #[error("the object was changed by somebody else")]
    Conflict,
    /// The store cannot be written or read right now: full, read-only, locked, failing. It may be back any time.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// A flush to disk failed. What is on the disk is unknown until a restart has looked.
    #[error("a flush to disk failed; nothing is issued until a restart: {0}")]
    FlushFailed(String),
    /// What was read makes no sense.
    #[error("the store holds something broken: {0}")]
    Broken(String),
}

/// One entry as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// The exact leaf.
    pub leaf: Vec<u8>,
    /// The salt and the exact body, where there is one.
    pub body: Option<([u8; 32], Vec<u8>)>,
    /// What a receipt is found by.
    pub jti: Option<String>,
}

/// One entry as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its place in the tree.
    pub index: u64,
    /// The exact leaf.
    pub leaf: Vec<u8>,
    /// The salt and the exact body, unless there never was one or it was erased.
    pub body: Option<([u8; 32], Vec<u8>)>,
}

/// What one transaction writes: entries at the end of the log, the tree that
/// follows from them, and the changes that they record.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The size of the log before; the first entry's index.
    pub first: u64,
    /// The new entries, in order. May be empty when `changes` is not.
    pub entries: Vec<NewEntry>,
    /// `YYYYMM` of the entries' time: names the part that their bodies go to.
    pub part: u32,
    /// Tiles that became full, and those above level 0 that changed.
    pub tiles: Vec<Tile>,
    /// Pages of the directory that became full.
    pub pages: Vec<StoredPage>,
    /// The tree after it.
    pub head: TreeHead,
    /// What else is written in the same transaction.
    pub changes: Vec<Change>,
    /// Client assertions that are used up in it. One that was used before stops nothing of the rest.
    pub used: Vec<UsedAssertion>,
}

impl Batch {
    /// Changes without an entry, beside a log with this head.
    pub fn of_changes(head: TreeHead, changes: Vec<Change>) -> Self {
        let (entries, tiles, pages, used) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { first: head.size, entries, part: 0, tiles, pages, head, changes, used }
    }
}

/// A client assertion that is used up, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedAssertion {
    /// Which one.
    pub id: Digest,
    /// How long it is remembered.
    pub until: Timestamp,
}

/// What became of a batch that was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// For each of [`Batch::used`], in order, whether it is used up by this batch. `false` when it was used already,
    /// by an earlier one of the same batch too, or when one that is remembered for as long may have been forgotten:
    /// whatever a clock shows, no assertion is used twice. A place that is missing counts as `false`.
    pub fresh: Vec<bool>,
}

/// The log as it was left.
#[derive(Clone, Debug)]
pub struct StoredLog {
    /// Its name, fixed at its first start.
    pub origin: String,
    /// The text of its public key.
    pub vkey: String,
    /// Its private key, sealed.
    pub sealed_key: Vec<u8>,
    /// Its committed tree.
    pub head: TreeHead,
    /// The last published checkpoint.
    pub checkpoint: Option<String>,
}

/// The key ring with the sealed private halves that still exist.
#[derive(Clone, Debug)]
pub struct StoredRing {
    /// The public facts.
    pub ring: KeyRing,
    /// The private halves.
    pub sealed: HashMap<Kid, Vec<u8>>,
    /// Rows that could not be read. They never stop the others.
    pub broken: Vec<BrokenKey>,
}

/// What is remembered for one caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// The answer that was asked for.
    pub answer: Option<Remembered>,
    /// How many answers are kept for the caller.
    pub of_caller: u64,
    /// How many bytes those answers are long.
    pub bytes: u64,
    /// When the first of those may be forgotten.
    pub first_end: Option<Timestamp>,
}

/// A signing key's row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenKey {
    /// What it is called there, for people.
    pub name: String,
    /// Its algorithm, if that much can be read.
    pub algorithm: Option<Algorithm>,
    /// Its state, if that much can be read.
    pub state: Option<KeyState>,
}

/// The tokens that are good no longer before their time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    /// Single tokens by `jti`, and until when each is kept.
    pub tokens: Vec<(String, Timestamp)>,
    /// The earliest `iat` that is still good, by client; `None` for all clients.
    pub floors: Vec<(Option<String>, Timestamp)>,
    /// What is not told here any more.
    pub forgotten: Forgotten,
}

/// How far the forgetting of revocations went, by the clocks of then; 1970 where nothing was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// A token that would have been kept until this time or an earlier one may have been revoked.
    pub until: Timestamp,
    /// So may one that was issued before this time, with all of its time.
    pub not_before: Timestamp,
}

/// Durable memory. All reads see what was committed before they began.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Writes one batch in one transaction. On `Ok` all of it is durable: it
    /// survives power loss. All but the assertions that were used before, that is: they
    /// leave nothing behind, and [`Appended`] tells which they were. On [`StoreFault::Conflict`] nothing was written. On
    /// any other fault it is unknown whether it was; [`Store::head`] tells.
    /// Only one caller at a time, the recorder's writer; a second would break the log.
    ///
    /// Dropped while it runs, the batch may still be written.
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreFault>;

    /// The committed tree, asked on the writer's own connection; `None` before the log was opened.
    async fn head(&self) -> Result<Option<TreeHead>, StoreFault>;

    /// The log as it was left, `None` before it was opened.
    async fn log(&self) -> Result<Option<StoredLog>, StoreFault>;

    /// Committed entries of `range` in order; fewer where the log ends.
    async fn entries(&self, range: Range<u64>) -> Result<Vec<StoredEntry>, StoreFault>;

    /// Committed entries at these places, newest first; those that are not there are left out.
    async fn entries_at(&self, indices: &[u64]) -> Result<Vec<StoredEntry>, StoreFault>;

    /// The least index that still has a body; `None` when none has.
    async fn first_body(&self) -> Result<Option<u64>, StoreFault>;

    /// The months (`YYYYMM`) that there are bodies of, oldest first.
    async fn months(&self) -> Result<Vec<u32>, StoreFault>;

    /// How many pages of level 0 the directory has.
    async fn directory_length(&self) -> Result<u64, StoreFault>;

    /// The stored pages of leaves at these places of a level, in order.
    async fn leaf_pages(&self, level: u8, range: Range<u64>) -> Result<Vec<StoredPage>, StoreFault>;

    /// The stored pages of bodies at these places of a level.
    async fn body_pages(&self, level: u8, range: Range<u64>) -> Result<Vec<StoredPage>, StoreFault>;

    /// The exact leaves of `range` in order; fewer where the log ends.
    async fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreFault>;

    /// A tile as far as it is stored; level 0 only when full.
    async fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<u8>>, StoreFault>;

    /// The index of the entry that issued `jti`; `None` if unknown or gone with its month. An erasure leaves it.
    async fn index_of_jti(&self, jti: &str) -> Result<Option<u64>, StoreFault>;

    /// The whole policy. Rows that cannot be read are left out and told beside it.
    async fn policy(&self) -> Result<(Policy, Vec<DamagedRow>), StoreFault>;

    /// Every revocation that is kept.
    async fn revoked(&self) -> Result<Revoked, StoreFault>;

    /// The key ring.
    async fn key_ring(&self) -> Result<StoredRing, StoreFault>;

    /// Until when the used assertion is remembered that is forgotten first; `None` when there is none.
    async fn first_used_assertion(&self) -> Result<Option<Timestamp>, StoreFault>;

    /// A fact about this store, such as who made it.
    async fn fact(&self, name: &str) -> Result<Option<String>, StoreFault>;

    /// The remembered answer with this `id`, and how many there are of this caller.
    async fn recall(&self, id: &Digest, caller: &Digest) -> Result<Recalled, StoreFault>;

    /// Brings everything that was committed to its final place on the disk and
    /// flushes it there, so that it no longer rests on a log that an earlier
    /// failed flush may have left half-written.
    async fn flush(&self) -> Result<(), StoreFault>;

    /// Work that keeps the store fast and may run at any time beside everything else.
    async fn tend(&self) -> Result<(), StoreFault>;

    /// Ends in order: flushes what is left and closes.
    async fn close(&self);
}
