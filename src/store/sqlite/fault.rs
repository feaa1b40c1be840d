//! What an error of SQLite means to the caller.

use std::sync::atomic::Ordering;

use super::SqliteStore;
use crate::store::StoreFault;

/// `SQLITE_IOERR_FSYNC` and `SQLITE_IOERR_DIR_FSYNC`: after these the state of
/// the disk is unknown, and a retry that succeeds proves nothing.
const FLUSH_FAILED: [&str; 2] = ["1034", "1290"];

/// `SQLITE_CONSTRAINT_NOTNULL`: broken on purpose, by the statement that moves
/// the log's head, when the log is not where the batch expects it.
const HEAD_MOVED: &str = "1299";

impl From<sqlx::Error> for StoreFault {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        match code.as_deref() {
            Some(HEAD_MOVED) => Self::Conflict,
            Some(code) if FLUSH_FAILED.contains(&code) => Self::FlushFailed(error.to_string()),
            _ if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
                Self::Broken(error.to_string())
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl SqliteStore {
    /// Remembers a failed flush: in memory, and beside the database for the next start.
    pub(super) fn told(&self, fault: StoreFault) -> StoreFault {
        if matches!(fault, StoreFault::FlushFailed(_)) && !self.flush_failed.swap(true, Ordering::AcqRel) {
            // Best effort: the disk may refuse this too. The next start then still verifies from the last checkpoint.
            let marker = self.data_dir.join(crate::store::VERIFY_NEEDED);
            let _ = std::fs::write(marker, "a flush to disk failed; this start walks the whole log\n");
        }
        fault
    }

    pub(super) fn refuse_after_failed_flush(&self) -> Result<(), StoreFault> {
        if self.flush_failed.load(Ordering::Acquire) {
            return Err(StoreFault::FlushFailed("an earlier flush failed".to_owned()));
        }
        Ok(())
    }
}
