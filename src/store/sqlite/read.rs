//! Reads of the log and of single facts.

use std::collections::HashMap;
use std::ops::Range;

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqlitePool};
use sqlx::{AssertSqlSafe, Row as _};

use super::number::{signed, unsigned};
use super::parts;
use crate::audit::tree::TreeHead;
use crate::digest::Digest;
use crate::store::{StoredEntry, StoredLog};

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
    which(readers, "idx >= ?1 AND idx < ?2 ORDER BY idx", |query| {
        query.bind(signed(range.start)).bind(signed(range.end))
    })
    .await
}

pub(super) async fn entries_at(
    readers: &SqlitePool,
    indices: &[u64],
) -> Result<Vec<StoredEntry>, sqlx::Error> {
    let list = serde_json::json!(indices).to_string();
    which(readers, "idx IN (SELECT value FROM json_each(?1)) ORDER BY idx DESC", |query| {
        query.bind(list.clone())
    })
    .await
}

type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

/// The entries that fulfil a condition on `idx`, in its order, with their bodies from whatever month they lie in.
async fn which(
    readers: &SqlitePool,
    condition: &str,
    bind: impl Fn(Bound<'static>) -> Bound<'static>,
) -> Result<Vec<StoredEntry>, sqlx::Error> {
    let sql = format!("SELECT idx, leaf FROM log_entries WHERE {condition}");
    let rows = bind(sqlx::query(AssertSqlSafe(sql))).fetch_all(readers).await?;
    let select = |month| format!("SELECT idx, salt, body FROM log_bodies_{month}");
    let mut bodies = Bodies::new();
    if let Some(all) = parts::union(&parts::months(readers).await?, select) {
        let sql = format!("SELECT idx, salt, body FROM ({all}) WHERE {condition}");
        for row in bind(sqlx::query(AssertSqlSafe(sql))).fetch_all(readers).await? {
            let salt: &[u8] = row.try_get(1)?;
            bodies.insert(unsigned(row.try_get(0)?), (digest(salt)?.0, row.try_get(2)?));
        }
    }
    rows.into_iter()
        .map(|row| {
            let index = unsigned(row.try_get(0)?);
            Ok(StoredEntry { index, leaf: row.try_get(1)?, body: bodies.remove(&index) })
        })
        .collect()
}

type Bodies = HashMap<u64, ([u8; 32], Vec<u8>)>;

/// The least index that any month has a body of.
pub(super) async fn first_body(readers: &SqlitePool) -> Result<Option<u64>, sqlx::Error> {
    let select = |month| format!("SELECT MIN(idx) AS idx FROM log_bodies_{month}");
    let Some(all) = parts::union(&parts::months(readers).await?, select) else { return Ok(None) };
    let sql = format!("SELECT MIN(idx) FROM ({all})");
    let least: Option<i64> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(readers).await?;
    Ok(least.map(unsigned))
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
    let select = |month| format!("SELECT idx FROM log_jtis_{month} WHERE jti = ?1");
    let Some(all) = parts::union(&parts::months(readers).await?, select) else { return Ok(None) };
    let index: Option<i64> = sqlx::query_scalar(AssertSqlSafe(all)).bind(jti).fetch_optional(readers).await?;
    Ok(index.map(unsigned))
}

pub(super) async fn fact(readers: &SqlitePool, name: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT value FROM facts WHERE name = $1").bind(name).fetch_optional(readers).await
}
