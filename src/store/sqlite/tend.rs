//! Carries the WAL back into the file, beside the writer.

use std::fs;
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::SqliteStore;
use super::number::unsigned;
use crate::store::StoreFault;

/// A page and its header in the WAL.
const FRAME: u64 = super::PAGE as u64 + 24;

/// The WAL is carried back when it is larger than this. Until then it is only appended to.
const LAZY: u64 = 1024 * 1024;
/// Above this the writer helps, so that a log under constant load starts anew instead of growing.
const URGENT: u64 = 64 * 1024 * 1024;
/// How long [`flush`] waits for readers.
const PATIENCE_WITH_READERS: Duration = Duration::from_millis(100);

/// A passive checkpoint never blocks the writer. Under constant load it never
/// quite catches up either, so when the WAL has grown large the writer carries
/// back the small rest itself, between two batches, and the next batch starts
/// the WAL from its beginning.
pub(super) async fn tend(store: &SqliteStore) -> Result<(), sqlx::Error> {
    let mut wal = store.path.clone().into_os_string();
    wal.push("-wal");
    let size = fs::metadata(wal).map_or(0, |found| found.len());
    if size < LAZY {
        return Ok(());
    }
    let mut tender = store.tender.lock().await;
    let in_use = carry_back(&mut tender).await?;
    if in_use >= URGENT {
        let mut writer = store.writer.lock().await;
        carry_back(&mut writer).await?;
    }
    Ok(())
}

/// Carries all of the WAL back, flushes the file and empties the WAL. Every record waits
/// meanwhile, so whoever reads the file is hardly waited for: a backup may read for minutes.
pub(super) async fn flush(connection: &mut SqliteConnection) -> Result<(), StoreFault> {
    wait_for_locks(connection, PATIENCE_WITH_READERS).await?;
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await;
    wait_for_locks(connection, super::BUSY).await?;
    let busy: i64 = row?.try_get(0)?;
    if busy == 0 { Ok(()) } else { Err(StoreFault::Unavailable("the store is being read".to_owned())) }
}

async fn wait_for_locks(connection: &mut SqliteConnection, patience: Duration) -> Result<(), sqlx::Error> {
    let sql = format!("PRAGMA busy_timeout = {}", patience.as_millis());
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Carries back what it can without waiting for anybody. Gives the bytes of the WAL that are in use.
async fn carry_back(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await?;
    let frames: i64 = row.try_get(1)?;
    Ok(unsigned(frames).saturating_mul(FRAME))
}
