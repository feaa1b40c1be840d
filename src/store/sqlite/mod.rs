//! The SQLite driver: one file, one node.
//!
//! WAL with `synchronous=FULL`, so a commit is flushed before it is told. One
//! writer connection with `BEGIN IMMEDIATE`; a small pool of readers; a third
//! kind of connection carries the WAL back into the file, so that the writer
//! never waits for it. All of this is asserted at start.

mod answer_rows;
mod append;
mod assertion_rows;
mod backup;
mod directory_rows;
mod fault;
mod log_row;
mod number;
mod parts;
mod policy_rows;
mod read;
mod revoked_rows;
mod ring_rows;
mod rows;
mod schema;
mod secret_rows;
mod status;
mod tend;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use tokio::sync::Mutex;

use super::status::{LogStatus, StoreStatus};
use super::{
    Appended, Batch, DamagedRow, Recalled, Revoked, Store, StoreFault, StoredEntry, StoredLog, StoredRing,
};
use crate::audit::directory::StoredPage;
use crate::audit::tree::TreeHead;
use crate::digest::Digest;
use crate::failpoint::failpoint;
use crate::policy::Policy;
use crate::time::Timestamp;

pub use schema::OpenFault;

/// How long a connection waits for a lock that a foreign process holds.
const BUSY: Duration = Duration::from_millis(1_500);
/// Bytes of a page. A batch of tokens touches the ends of a few tables: at this
/// size they are half as many pages as at SQLite's usual one, for hardly more bytes.
const PAGE: u32 = 8_192;
/// How long a reader waits for a connection.
const ACQUIRE: Duration = Duration::from_millis(500);
/// More readers than this only contend for the two cores of a small machine.
const READERS: u32 = 4;

/// A store in one SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    /// Where the marker of a failed flush goes.
    data_dir: PathBuf,
    writer: Mutex<SqliteConnection>,
    tender: Mutex<SqliteConnection>,
    readers: SqlitePool,
    /// Set for good by the first failed flush of any connection.
    flush_failed: AtomicBool,
    /// The `YYYYMM` part whose tables are known to exist.
    part: AtomicU32,
}

impl SqliteStore {
    /// Reads one fact of a file without changing anything; `None` for a file
    /// that is not there or that a first start left unfinished.
    pub async fn peek(path: &Path, fact: &str) -> Result<Option<String>, OpenFault> {
        schema::peek(path, fact).await
    }

    /// One look at a file, beside whoever writes it and without changing anything. `made_by` names the fact that
    /// says who made it.
    pub async fn status(path: &Path, made_by: &str) -> Result<StoreStatus, OpenFault> {
        status::status(path, made_by).await
    }

    /// Copies the file `from`, beside whoever writes it, into the empty file `to`, and marks the copy as made at
    /// `made_at` (RFC 3339). Gives the log that the copy holds. What is flushed is the caller's matter.
    pub async fn back_up(from: &Path, to: &Path, made_at: &str) -> Result<Option<LogStatus>, OpenFault> {
        backup::back_up(from, to, made_at).await
    }

    /// Opens the file, making it if `create` says so, and brings its schema up
    /// to date. A file of a newer program is refused and left as it was. A failed
    /// flush leaves its marker in `data_dir`.
    pub async fn open(path: &Path, data_dir: &Path, create: bool) -> Result<Self, OpenFault> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .page_size(PAGE)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .pragma("wal_autocheckpoint", "0")
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        let mut writer = options.clone().statement_cache_capacity(256).connect().await?;
        schema::migrate(&mut writer).await?;
        schema::assert_pragmas(&mut writer).await?;
        let tender = options.clone().connect().await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false)
            .idle_timeout(Duration::from_mins(1))
            .connect_lazy_with(options.create_if_missing(false).read_only(true));
        Ok(Self {
            path: path.to_owned(),
            data_dir: data_dir.to_owned(),
            writer: Mutex::new(writer),
            tender: Mutex::new(tender),
            readers,
            flush_failed: AtomicBool::new(false),
            part: AtomicU32::new(0),
        })
    }
}

/// Reads over several months. A month that goes between the look for its table and the question is not there when it
/// is asked again.
macro_rules! steady {
    ($read:expr) => {
        match $read.await {
            Err(error) if parts::month_is_gone(&error) => $read.await,
            done => done,
        }
    };
}

#[async_trait]
impl Store for SqliteStore {
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreFault> {
        let mut writer = self.writer.lock().await;
        failpoint!("db.acquire", StoreFault::Unavailable("a failpoint".to_owned()));
        self.refuse_after_failed_flush()?;
        let written = append::append(&mut writer, batch, &self.part).await;
        if written.is_err() {
            // Whatever is left of the transaction goes; an error here says only that none is open.
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *writer).await;
            // What is certain of the tables is looked up again.
            self.part.store(0, Ordering::Release);
        }
        written.map_err(|fault| self.told(fault))
    }

    async fn head(&self) -> Result<Option<TreeHead>, StoreFault> {
        self.refuse_after_failed_flush()?;
        let mut writer = self.writer.lock().await;
        // A panic may have left a transaction open, and what is not committed is not there.
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *writer).await;
        read::head(&mut writer).await.map_err(|fault| self.told(fault.into()))
    }

    async fn log(&self) -> Result<Option<StoredLog>, StoreFault> {
        Ok(read::log(&self.readers).await?)
    }

    async fn entries(&self, range: Range<u64>) -> Result<Vec<StoredEntry>, StoreFault> {
        Ok(steady!(read::entries(&self.readers, range.clone()))?)
    }

    async fn entries_at(&self, indices: &[u64]) -> Result<Vec<StoredEntry>, StoreFault> {
        Ok(steady!(read::entries_at(&self.readers, indices))?)
    }

    async fn first_body(&self) -> Result<Option<u64>, StoreFault> {
        Ok(steady!(read::first_body(&self.readers))?)
    }

    async fn months(&self) -> Result<Vec<u32>, StoreFault> {
        Ok(parts::months(&self.readers).await?)
    }

    async fn directory_length(&self) -> Result<u64, StoreFault> {
        Ok(directory_rows::length(&self.readers).await?)
    }

    async fn leaf_pages(&self, level: u8, range: Range<u64>) -> Result<Vec<StoredPage>, StoreFault> {
        Ok(directory_rows::leaf_pages(&self.readers, level, range).await?)
    }

    async fn body_pages(&self, level: u8, range: Range<u64>) -> Result<Vec<StoredPage>, StoreFault> {
        Ok(steady!(directory_rows::body_pages(&self.readers, level, range.clone()))?)
    }

    async fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreFault> {
        Ok(read::leaves(&self.readers, range).await?)
    }

    async fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(read::tile(&self.readers, level, index).await?)
    }

    async fn index_of_jti(&self, jti: &str) -> Result<Option<u64>, StoreFault> {
        Ok(steady!(read::index_of_jti(&self.readers, jti))?)
    }

    async fn policy(&self) -> Result<(Policy, Vec<DamagedRow>), StoreFault> {
        Ok(policy_rows::read(&self.readers).await?)
    }

    async fn revoked(&self) -> Result<Revoked, StoreFault> {
        Ok(revoked_rows::read(&self.readers).await?)
    }

    async fn key_ring(&self) -> Result<StoredRing, StoreFault> {
        Ok(ring_rows::read(&self.readers).await?)
    }

    async fn first_used_assertion(&self) -> Result<Option<Timestamp>, StoreFault> {
        Ok(assertion_rows::first(&self.readers).await?)
    }

    async fn fact(&self, name: &str) -> Result<Option<String>, StoreFault> {
        Ok(read::fact(&self.readers, name).await?)
    }

    async fn recall(&self, id: &Digest, caller: &Digest) -> Result<Recalled, StoreFault> {
        Ok(answer_rows::recall(&self.readers, id, caller).await?)
    }

    async fn flush(&self) -> Result<(), StoreFault> {
        // What this store does beside the writer must not be in its way.
        let _tender = self.tender.lock().await;
        let mut writer = self.writer.lock().await;
        self.refuse_after_failed_flush()?;
        tend::flush(&mut writer).await.map_err(|fault| self.told(fault))
    }

    async fn tend(&self) -> Result<(), StoreFault> {
        self.refuse_after_failed_flush()?;
        tend::tend(self).await.map_err(|fault| self.told(fault.into()))
    }

    async fn close(&self) {
        self.readers.close().await;
        // A clean end carries the WAL home and empties it; without it the next start does.
        if let Err(fault) = self.flush().await {
            tracing::warn!(%fault, "the write-ahead log was not carried home; the next start does it");
        }
    }
}
