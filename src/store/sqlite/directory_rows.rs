//! The pages of the directory: of leaves in one table for ever, of bodies in one table a month.
//!
//! `place` is the level in the highest byte and the index below it, so that the pages of a level lie in order
//! and a new one comes at their end.

use std::ops::Range;

use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::number::{signed, unsigned};
use super::parts;
use crate::audit::directory::{Facts, StoredPage};

const LEVEL: u64 = 1 << 56;

fn place(level: u8, index: u64) -> i64 {
    signed(u64::from(level).saturating_mul(LEVEL).saturating_add(index.min(LEVEL - 1)))
}

/// Adds a page that became full; `part` is the month whose tables are there already.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    page: &StoredPage,
    part: u32,
) -> Result<(), sqlx::Error> {
    let table = match page.facts {
        Facts::Leaves => "log_directory".to_owned(),
        Facts::Bodies(month) => {
            if month != part {
                parts::make(connection, month).await?;
            }
            format!("log_directory_{month}")
        }
    };
    let sql = format!(
        "INSERT INTO {table} (place, page) VALUES (?1, ?2) ON CONFLICT (place) DO UPDATE SET page = excluded.page"
    );
    let insert =
        sqlx::query(AssertSqlSafe(sql)).bind(place(page.level, page.index)).bind(page.bytes.as_slice());
    insert.execute(connection).await?;
    Ok(())
}

/// Puts other bytes in the place of a page of bodies. A page whose month has gone meanwhile stays gone.
pub(super) async fn replace(connection: &mut SqliteConnection, page: &StoredPage) -> Result<(), sqlx::Error> {
    let Facts::Bodies(month) = page.facts else { return Ok(()) };
    if !parts::months_with_pages(&mut *connection).await?.contains(&month) {
        return Ok(());
    }
    let sql = format!("UPDATE log_directory_{month} SET page = ?2 WHERE place = ?1");
    let update =
        sqlx::query(AssertSqlSafe(sql)).bind(place(page.level, page.index)).bind(page.bytes.as_slice());
    update.execute(connection).await?;
    Ok(())
}

/// Pages of level 0: one more than the index of the last.
pub(super) async fn length(readers: &SqlitePool) -> Result<u64, sqlx::Error> {
    let last: Option<i64> = sqlx::query_scalar("SELECT MAX(place) FROM log_directory WHERE place < ?1")
        .bind(place(1, 0))
        .fetch_one(readers)
        .await?;
    Ok(last.map_or(0, |last| unsigned(last).saturating_add(1)))
}

pub(super) async fn leaf_pages(
    readers: &SqlitePool,
    level: u8,
    range: Range<u64>,
) -> Result<Vec<StoredPage>, sqlx::Error> {
    let sql = "SELECT place, page, 0 FROM log_directory WHERE place >= ?1 AND place < ?2 ORDER BY place";
    let rows = sqlx::query(sql).bind(place(level, range.start)).bind(place(level, range.end));
    rows.fetch_all(readers).await?.iter().map(|row| read(row, level)).collect()
}

pub(super) async fn body_pages(
    readers: &SqlitePool,
    level: u8,
    range: Range<u64>,
) -> Result<Vec<StoredPage>, sqlx::Error> {
    let select = |month| {
        format!("SELECT place, page, {month} FROM log_directory_{month} WHERE place >= ?1 AND place < ?2")
    };
    let months = parts::months_with_pages(readers).await?;
    let Some(all) = parts::union(&months, select) else { return Ok(Vec::new()) };
    let rows = sqlx::query(AssertSqlSafe(all)).bind(place(level, range.start)).bind(place(level, range.end));
    rows.fetch_all(readers).await?.iter().map(|row| read(row, level)).collect()
}

fn read(row: &SqliteRow, level: u8) -> Result<StoredPage, sqlx::Error> {
    let index = unsigned(row.try_get(0)?) % LEVEL;
    let facts = match row.try_get(2)? {
        0 => Facts::Leaves,
        month => Facts::Bodies(month),
    };
    Ok(StoredPage { facts, level, index, bytes: row.try_get(1)? })
}
