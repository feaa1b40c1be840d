//! Reads of the log and of single facts.

use std::collections::HashMap;
use std::ops::Range;

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{AssertSqlSafe, Row as _};

use super::number::{signed, unsigned};
use crate::audit::tree::TreeHead;
use crate::digest::Digest;
use crate::store::{StoredEntry, StoredLog};

/// The months a store may hold bodies of, newest first: tables made by `append`.
const PARTS: &str = "SELECT substr(name, 12) FROM sqlite_schema WHERE type = 'table' AND name GLOB 'log_bodies_*' ORDER BY 1 DESC";

/// The months there are bodies of, newest first.
pub(super) async fn parts<'e>(reader: impl sqlx::SqliteExecutor<'e>) -> Result<Vec<u32>, sqlx::Error> {
    let names: Vec<String> = sqlx::query_scalar(PARTS).fetch_all(reader).await?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

fn digest(bytes: &[u8]) -> Result<Digest, sqlx::Error> {
    bytes.try_into().map(Digest).map_err(|_| sqlx::Error::Decode("a hash is not 32 bytes long".into()))
}

pub(super) async fn head(connection: &mut SqliteConnection) -> Result<Option<TreeHead>, sqlx::Error> {
    let row = sqlx::query("SELECT size, root FROM log WHERE id = 1").fetch_optional(connection).await?;
    row.map(|row| Ok(TreeHead { size: unsigned(row.try_get(0)?), root: digest(row.try_get(1)?)? }))
        .transpose()
}

pub(super) async fn log(readers: &SqlitePool) -> Result<Option<StoredLog>, sqlx::Error> {
    let row = sqlx::query("SELECT origin, vkey, sealed_key, size, root, checkpoint FROM log WHERE id = 1")
        .fetch_optional(readers)
        .await?;
    row.map(|row| {
        Ok(StoredLog {
            origin: row.try_get(0)?,
            vkey: row.try_get(1)?,
            sealed_key: row.try_get(2)?,
            head: TreeHead { size: unsigned(row.try_get(3)?), root: digest(row.try_get(4)?)? },
            checkpoint: row.try_get(5)?,
        })
    })
    .transpose()
}

pub(super) async fn leaves(readers: &SqlitePool, range: Range<u64>) -> Result<Vec<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar("SELECT leaf FROM log_entries WHERE idx >= $1 AND idx < $2 ORDER BY idx")
        .bind(signed(range.start))
        .bind(signed(range.end))
        .fetch_all(readers)
        .await
}

pub(super) async fn entries(
    readers: &SqlitePool,
    range: Range<u64>,
) -> Result<Vec<StoredEntry>, sqlx::Error> {
    let rows = sqlx::query("SELECT idx, leaf FROM log_entries WHERE idx >= $1 AND idx < $2 ORDER BY idx")
        .bind(signed(range.start))
        .bind(signed(range.end))
        .fetch_all(readers)
        .await?;
    let mut bodies = bodies(readers, range).await?;
    rows.into_iter()
        .map(|row| {
            let index = unsigned(row.try_get(0)?);
            Ok(StoredEntry { index, leaf: row.try_get(1)?, body: bodies.remove(&index) })
        })
        .collect()
}

type Bodies = HashMap<u64, ([u8; 32], Vec<u8>)>;

async fn bodies(readers: &SqlitePool, range: Range<u64>) -> Result<Bodies, sqlx::Error> {
    let mut found = Bodies::new();
    for part in parts(readers).await? {
        let sql = format!("SELECT idx, salt, body FROM log_bodies_{part} WHERE idx >= $1 AND idx < $2");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(signed(range.start))
            .bind(signed(range.end))
            .fetch_all(readers)
            .await?;
        for row in rows {
            let salt: &[u8] = row.try_get(1)?;
            found.insert(unsigned(row.try_get(0)?), (digest(salt)?.0, row.try_get(2)?));
        }
    }
    Ok(found)
}

pub(super) async fn tile(
    readers: &SqlitePool,
    level: u8,
    index: u64,
) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar("SELECT hashes FROM log_tiles WHERE level = $1 AND n = $2")
        .bind(level)
        .bind(signed(index))
        .fetch_optional(readers)
        .await
}

pub(super) async fn index_of_jti(readers: &SqlitePool, jti: &str) -> Result<Option<u64>, sqlx::Error> {
    for part in parts(readers).await? {
        let sql = format!("SELECT idx FROM log_jtis_{part} WHERE jti = $1");
        let index: Option<i64> =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(jti).fetch_optional(readers).await?;
        if let Some(index) = index {
            return Ok(Some(unsigned(index)));
        }
    }
    Ok(None)
}

pub(super) async fn fact(readers: &SqlitePool, name: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT value FROM facts WHERE name = $1").bind(name).fetch_optional(readers).await
}
