//! What a store says of itself, for the person who keeps it.

use crate::audit::tree::TreeHead;

/// The fact in a copy that says when it was made (RFC 3339). The log may have gone on since, so no service is started
/// on a store that has it. Empty text is as none.
pub const BACKUP: &str = "backup";

/// One look at a store, all of it at the same moment.
#[derive(Clone, Debug)]
pub struct StoreStatus {
    /// The newest migration that was applied.
    pub schema: i64,
    /// Migrations that this program knows and the store lacks.
    pub missing: Vec<String>,
    /// Migrations that the store has and this program does not know.
    pub unknown: Vec<String>,
    /// Which command made it.
    pub made_by: Option<String>,
    /// When it was copied from a running store, if it was.
    pub backup: Option<String>,
    /// The log, once it was opened.
    pub log: Option<LogStatus>,
    /// The months that there are bodies of (`YYYYMM`), oldest first.
    pub months: Vec<u32>,
    /// Bytes on the disk.
    pub bytes: StoreBytes,
}

/// The log in a [`StoreStatus`].
#[derive(Clone, Debug)]
pub struct LogStatus {
    /// Its name.
    pub origin: String,
    /// Its committed tree.
    pub head: TreeHead,
    /// The last published checkpoint: a signed note.
    pub checkpoint: Option<String>,
}

/// Where a store's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreBytes {
    /// The database file.
    pub file: u64,
    /// The write-ahead log beside it.
    pub wal: u64,
    /// Pages of the file that wait to be used again.
    pub free: u64,
    /// What a compact copy takes.
    pub used: u64,
}
