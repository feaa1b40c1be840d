//! Looks at a file beside whoever writes it. Reads only, and never migrates.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::number::unsigned;
use super::schema::{MIGRATIONS, OpenFault};
use super::{BUSY, parts, read};
use crate::store::status::{BACKUP, LogStatus, StoreBytes, StoreStatus};

/// One look at the store in `path`, in one read transaction. `made_by` names the fact that says who made it.
pub(super) async fn status(path: &Path, made_by: &str) -> Result<StoreStatus, OpenFault> {
    let mut connection = reader(path).await?;
    let mut snapshot = connection.begin().await?;
    let (applied, missing, unknown) = migrations(&mut snapshot).await?;
    let months = parts::months(&mut *snapshot).await?;
    let status = StoreStatus {
        schema: applied,
        missing,
        unknown,
        made_by: fact(&mut snapshot, made_by).await?,
        backup: fact(&mut snapshot, BACKUP).await?.filter(|mark| !mark.is_empty()),
        log: log(&mut snapshot).await?,
        months,
        bytes: bytes(path, &mut snapshot).await?,
    };
    drop(snapshot);
    connection.close().await?;
    Ok(status)
}

/// A connection that can change nothing.
pub(super) async fn reader(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY);
    options.disable_statement_logging().connect().await
}

async fn fact(connection: &mut SqliteConnection, name: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT value FROM facts WHERE name = $1").bind(name).fetch_optional(connection).await
}

/// The newest that was applied; those that are missing; those that nobody here knows.
async fn migrations(
    connection: &mut SqliteConnection,
) -> Result<(i64, Vec<String>, Vec<String>), sqlx::Error> {
    let name = |version: i64, description: &str| format!("{version:04}_{description}");
    let rows =
        sqlx::query("SELECT version, description FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(connection)
            .await?;
    let mut applied = Vec::new();
    for row in rows {
        let (version, description): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        applied.push((version, description));
    }
    let is_applied = |version| applied.iter().any(|(known, _)| *known == version);
    let is_known = |version| MIGRATIONS.iter().any(|(known, ..)| *known == version);
    let missing = MIGRATIONS.iter().filter(|(version, ..)| !is_applied(*version));
    let unknown = applied.iter().filter(|(version, _)| !is_known(*version));
    Ok((
        applied.last().map_or(0, |(version, _)| *version),
        missing.map(|(version, description, _)| name(*version, description)).collect(),
        unknown.map(|(version, description)| name(*version, description)).collect(),
    ))
}

pub(super) async fn log(connection: &mut SqliteConnection) -> Result<Option<LogStatus>, sqlx::Error> {
    let Some(head) = read::head(connection).await? else { return Ok(None) };
    let row = sqlx::query("SELECT origin, checkpoint FROM log WHERE id = 1").fetch_one(connection).await?;
    Ok(Some(LogStatus { origin: row.try_get(0)?, head, checkpoint: row.try_get(1)? }))
}

async fn bytes(path: &Path, connection: &mut SqliteConnection) -> Result<StoreBytes, sqlx::Error> {
    let mut pages = [0; 3];
    let pragmas = ["PRAGMA page_size", "PRAGMA page_count", "PRAGMA freelist_count"];
    for (number, pragma) in pages.iter_mut().zip(pragmas) {
        let read: i64 = sqlx::query_scalar(pragma).fetch_one(&mut *connection).await?;
        *number = unsigned(read);
    }
    let [size, count, free] = pages;
    // SQLite keeps the write-ahead log beside the file that a link leads to.
    let file = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut wal = file.clone().into_os_string();
    wal.push("-wal");
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    Ok(StoreBytes {
        file: length(&file),
        wal: length(Path::new(&wal)),
        free: free.saturating_mul(size),
        used: count.saturating_sub(free).saturating_mul(size),
    })
}
