//! Client assertions that were used. RFC 7523 section 3 item 7.

use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::number::{signed, unsigned};
use crate::store::UsedAssertion;
use crate::time::Timestamp;

/// Adds one that is not there, and that cannot have been there and be forgotten. Says whether it was added.
pub(super) async fn use_up(
    connection: &mut SqliteConnection,
    used: &UsedAssertion,
) -> Result<bool, sqlx::Error> {
    let added = sqlx::query(
        "INSERT INTO used_assertions (id_hash, until)
         SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM forgotten_assertions WHERE until >= $2)
         ON CONFLICT DO NOTHING",
    )
    .bind(used.id.as_bytes().as_slice())
    .bind(signed(used.until.micros()))
    .execute(connection)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Takes those away that end first, and remembers how far that went.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    until: Timestamp,
    at_most: u32,
) -> Result<(), sqlx::Error> {
    let (until, at_most) = (signed(until.micros()), i64::from(at_most));
    sqlx::query(
        "UPDATE forgotten_assertions SET until = max(until, ifnull((SELECT max(until) FROM (
             SELECT until FROM used_assertions WHERE until <= $1 ORDER BY until LIMIT $2)), 0))",
    )
    .bind(until)
    .bind(at_most)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM used_assertions WHERE id_hash IN (
             SELECT id_hash FROM used_assertions WHERE until <= $1 ORDER BY until LIMIT $2)",
    )
    .bind(until)
    .bind(at_most)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn first(readers: &SqlitePool) -> Result<Option<Timestamp>, sqlx::Error> {
    let first: Option<i64> =
        sqlx::query_scalar("SELECT min(until) FROM used_assertions").fetch_one(readers).await?;
    Ok(first.map(|until| Timestamp::from_micros(unsigned(until))))
}
