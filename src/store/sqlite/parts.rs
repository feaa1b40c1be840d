//! What is kept by the month, so that it can go by the month: bodies, look-ups by `jti`, pages of bodies.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, SqliteExecutor};

/// Makes the tables of a month unless they are there.
pub(super) async fn make(connection: &mut SqliteConnection, month: u32) -> Result<(), sqlx::Error> {
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS log_bodies_{month} (idx INTEGER PRIMARY KEY, salt BLOB NOT NULL, body BLOB NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS log_jtis_{month} (jti TEXT PRIMARY KEY NOT NULL, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS log_directory_{month} (place INTEGER PRIMARY KEY, page BLOB NOT NULL) STRICT"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

/// The months there are bodies of, oldest first.
pub(super) async fn months<'e>(reader: impl SqliteExecutor<'e>) -> Result<Vec<u32>, sqlx::Error> {
    named(reader, "log_bodies_").await
}

/// The months there are pages of bodies of, oldest first. Those of an early program may have none.
pub(super) async fn months_with_pages<'e>(reader: impl SqliteExecutor<'e>) -> Result<Vec<u32>, sqlx::Error> {
    named(reader, "log_directory_").await
}

async fn named<'e>(reader: impl SqliteExecutor<'e>, prefix: &str) -> Result<Vec<u32>, sqlx::Error> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB ?1 || '[0-9]*' ORDER BY 1",
    )
    .bind(prefix)
    .fetch_all(reader)
    .await?;
    Ok(names.iter().filter_map(|name| name.strip_prefix(prefix)?.parse().ok()).collect())
}

/// One query over several months; `None` when there are none.
pub(super) fn union(months: &[u32], select: impl Fn(u32) -> String) -> Option<String> {
    let selects: Vec<String> = months.iter().rev().map(|&month| select(month)).collect();
    (!selects.is_empty()).then(|| selects.join(" UNION ALL "))
}

/// Whether a table was dropped since somebody looked for it.
pub(super) fn month_is_gone(error: &sqlx::Error) -> bool {
    error.to_string().contains("no such table")
}

/// Takes the oldest bodies of a month away, and the month once it has no more.
///
/// To drop a large table at once would hold the writer up for as long as it takes to
/// overwrite every page of it, which `secure_delete` rightly wants. Rows that lie side by side
/// go quickly, a few at a time, and the table is dropped when it is all but empty.
pub(super) async fn thin(
    connection: &mut SqliteConnection,
    month: u32,
    at_most: u32,
) -> Result<(), sqlx::Error> {
    if !months(&mut *connection).await?.contains(&month) {
        return Ok(());
    }
    let rows = |table: &str| format!("SELECT rowid FROM {table}_{month} ORDER BY rowid LIMIT ?1");
    let sql = format!("DELETE FROM log_bodies_{month} WHERE idx IN ({})", rows("log_bodies"));
    let bodies =
        sqlx::query(AssertSqlSafe(sql)).bind(at_most).execute(&mut *connection).await?.rows_affected();
    let sql = format!(
        "DELETE FROM log_jtis_{month} WHERE jti IN (SELECT jti FROM log_jtis_{month} ORDER BY jti LIMIT ?1)"
    );
    let jtis = sqlx::query(AssertSqlSafe(sql)).bind(at_most).execute(&mut *connection).await?.rows_affected();
    if bodies.max(jtis) >= u64::from(at_most) {
        return Ok(());
    }
    // Pages outlive what they name.
    let mut pages = 0;
    if months_with_pages(&mut *connection).await?.contains(&month) {
        let sql = format!("DELETE FROM log_directory_{month} WHERE place IN ({})", rows("log_directory"));
        let delete = sqlx::query(AssertSqlSafe(sql)).bind(at_most);
        pages = delete.execute(&mut *connection).await?.rows_affected();
    }
    if pages < u64::from(at_most) {
        let sql = format!(
            "DROP TABLE log_bodies_{month}; DROP TABLE log_jtis_{month}; DROP TABLE IF EXISTS log_directory_{month}"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    }
    Ok(())
}

/// Erases the bodies of these entries, in whatever month they lie.
pub(super) async fn erase(connection: &mut SqliteConnection, entries: &[u64]) -> Result<(), sqlx::Error> {
    let list = serde_json::json!(entries).to_string();
    for month in months(&mut *connection).await? {
        let sql = format!("DELETE FROM log_bodies_{month} WHERE idx IN (SELECT value FROM json_each(?1))");
        sqlx::query(AssertSqlSafe(sql)).bind(&list).execute(&mut *connection).await?;
    }
    Ok(())
}
