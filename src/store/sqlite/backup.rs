//! Copies a store beside whoever writes it.
//!
//! `VACUUM INTO` reads in one transaction, so the copy is of one moment, and
//! it is compact: nothing that was erased lies in it. While it runs the
//! write-ahead log of a running service only grows; afterwards it is carried
//! home as ever.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::schema::OpenFault;
use super::status::{log, reader};
use crate::store::status::{BACKUP, LogStatus};

/// Copies the store in `from` into the empty file `to` and marks it as made at `made_at`. A mark that it had already
/// stays: a copy of a copy is as old as the first. Nothing is flushed.
pub(super) async fn back_up(from: &Path, to: &Path, made_at: &str) -> Result<Option<LogStatus>, OpenFault> {
    let target = to.to_str().ok_or(OpenFault::Name)?;
    copy(from, target).await.map_err(OpenFault::Copy)?;
    mark(to, made_at).await.map_err(OpenFault::Copy)
}

async fn copy(from: &Path, to: &str) -> Result<(), sqlx::Error> {
    let mut source = reader(from).await?;
    sqlx::query("VACUUM INTO $1").bind(to).execute(&mut source).await?;
    source.close().await
}

/// Marks the copy and gives the log that it holds.
async fn mark(copy: &Path, made_at: &str) -> Result<Option<LogStatus>, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(copy)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off)
        .disable_statement_logging();
    let mut copy = options.connect().await?;
    sqlx::query(
        "INSERT INTO facts (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value = ''",
    )
    .bind(BACKUP)
    .bind(made_at)
    .execute(&mut copy)
    .await?;
    let log = log(&mut copy).await?;
    copy.close().await?;
    Ok(log)
}
