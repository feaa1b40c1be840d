//! Revoked tokens and floors: one row each, gone when no token depends on it any more.

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::number::{signed, unsigned};
use crate::store::{Change, Revoked, StoreFault};
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
            let tokens = "DELETE FROM revoked_tokens WHERE jti IN
                          (SELECT jti FROM revoked_tokens WHERE until <= $1 ORDER BY until LIMIT $2)";
            let tokens = sqlx::query(tokens).bind(signed(ended.micros())).bind(*at_most);
            tokens.execute(&mut *connection).await?;
            let floors =
                sqlx::query("DELETE FROM token_floors WHERE not_before <= $1").bind(signed(floors.micros()));
            floors.execute(connection).await?;
            return Ok(());
        }
        _ => return Ok(()),
    };
    // What is revoked already is not revoked again, and a floor never sinks.
    if written.rows_affected() == 1 { Ok(()) } else { Err(StoreFault::Conflict) }
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
    snapshot.commit().await?;
    Ok(revoked)
}
