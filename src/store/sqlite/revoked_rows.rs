//! Revoked tokens and floors: one row each, gone when no token depends on it any more.

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::number::{signed, unsigned};
use crate::store::{Change, Forgotten, Revoked, StoreFault};
use crate::time::Timestamp;

/// The row of all clients. No client is called so.
const ALL: &str = "";

/// Writes those changes that revoke or forget; others are none of its business.
pub(super) async fn apply(connection: &mut SqliteConnection, change: &Change) -> Result<(), StoreFault> {
    let written = match change {
        Change::RevokeToken { jti, until } => {
            let insert = "INSERT INTO revoked_tokens (jti, until) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            sqlx::query(insert).bind(jti).bind(signed(until.micros())).execute(connection).await?
        }
        Change::RaiseFloor { client, not_before } => {
            sqlx::query(
                "INSERT INTO token_floors (client, not_before) VALUES ($1, $2)
                 ON CONFLICT (client) DO UPDATE SET not_before = excluded.not_before
                 WHERE token_floors.not_before < excluded.not_before",
            )
            .bind(client.as_ref().map_or(ALL, |client| client.as_str()))
            .bind(signed(not_before.micros()))
            .execute(connection)
            .await?
        }
        Change::ForgetRevoked { ended, floors, at_most } => {
            return Ok(forget(connection, (*ended, *floors), *at_most).await?);
        }
        _ => return Ok(()),
    };
    // What is revoked already is not revoked again, and a floor never sinks.
    if written.rows_affected() == 1 { Ok(()) } else { Err(StoreFault::Conflict) }
}

/// Takes those away that end first, and remembers how far that went: by a clock that was ahead, good tokens may have
/// depended on them.
async fn forget(
    connection: &mut SqliteConnection,
    (ended, floors): (Timestamp, Timestamp),
    at_most: u32,
) -> Result<(), sqlx::Error> {
    let (ended, floors) = (signed(ended.micros()), signed(floors.micros()));
    let mark = "UPDATE forgotten_revocations SET
                until = max(until, ifnull((SELECT max(until) FROM (
                    SELECT until FROM revoked_tokens WHERE until <= $1 ORDER BY until LIMIT $2)), 0)),
                not_before = max(not_before, ifnull((
                    SELECT max(not_before) FROM token_floors WHERE not_before <= $3), 0))";
    sqlx::query(mark).bind(ended).bind(at_most).bind(floors).execute(&mut *connection).await?;
    let tokens = "DELETE FROM revoked_tokens WHERE jti IN
                  (SELECT jti FROM revoked_tokens WHERE until <= $1 ORDER BY until LIMIT $2)";
    sqlx::query(tokens).bind(ended).bind(at_most).execute(&mut *connection).await?;
    let sunk = "DELETE FROM token_floors WHERE not_before <= $1";
    sqlx::query(sunk).bind(floors).execute(connection).await?;
    Ok(())
}

pub(super) async fn read(readers: &SqlitePool) -> Result<Revoked, sqlx::Error> {
    let time = |micros| Timestamp::from_micros(unsigned(micros));
    let mut revoked = Revoked::default();
    let mut snapshot = readers.begin().await?;
    for row in sqlx::query("SELECT jti, until FROM revoked_tokens").fetch_all(&mut *snapshot).await? {
        revoked.tokens.push((row.try_get(0)?, time(row.try_get(1)?)));
    }
    for row in sqlx::query("SELECT client, not_before FROM token_floors").fetch_all(&mut *snapshot).await? {
        let client: String = row.try_get(0)?;
        revoked.floors.push(((client != ALL).then_some(client), time(row.try_get(1)?)));
    }
    let marks = "SELECT until, not_before FROM forgotten_revocations";
    let marks = sqlx::query(marks).fetch_one(&mut *snapshot).await?;
    revoked.forgotten = Forgotten { until: time(marks.try_get(0)?), not_before: time(marks.try_get(1)?) };
    snapshot.commit().await?;
    Ok(revoked)
}
