//! The rows of answers that are given again.

use std::collections::BTreeSet;

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::number::{signed, unsigned};
use super::rows::one_row;
use crate::digest::Digest;
use crate::policy::{ClientId, reserved_id};
use crate::store::{Change, Recalled, Remembered, StoreFault};
use crate::time::Timestamp;

pub(super) async fn apply(connection: &mut SqliteConnection, change: &Change) -> Result<(), StoreFault> {
    match change {
        Change::Remember(remembered, clients) => remember(connection, remembered, clients).await,
        Change::CompleteAnswer(id, answer) => {
            // What was erased meanwhile stays so.
            sqlx::query(
                "UPDATE idempotent_answers SET answer = $2, bytes = $3
                 WHERE id_hash = $1 AND answer IS NOT NULL",
            )
            .bind(id.as_bytes().as_slice())
            .bind(answer.as_str())
            .bind(signed(answer.len() as u64))
            .execute(connection)
            .await?;
            Ok(())
        }
        Change::EraseAnswers(client) => Ok(erase(connection, client).await?),
        Change::ForgetAnswers { now, at_most } => {
            sqlx::query(
                "DELETE FROM idempotent_answers WHERE id_hash IN
                     (SELECT id_hash FROM idempotent_answers WHERE until <= $1 ORDER BY until LIMIT $2)",
            )
            .bind(signed(now.micros()))
            .bind(i64::from(*at_most))
            .execute(connection)
            .await?;
            Ok(())
        }
        _ => Err(StoreFault::Broken("not a change of the answers".to_owned())),
    }
}

async fn remember(
    connection: &mut SqliteConnection,
    Remembered { id, caller, request, answer, until }: &Remembered,
    clients: &BTreeSet<ClientId>,
) -> Result<(), StoreFault> {
    let made = sqlx::query(
        "INSERT INTO idempotent_answers (id_hash, caller, request, answer, bytes, until)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id_hash) DO NOTHING",
    )
    .bind(id.as_bytes().as_slice())
    .bind(caller.as_bytes().as_slice())
    .bind(request.as_bytes().as_slice())
    .bind(answer.as_deref())
    .bind(signed(answer.as_ref().map_or(0, String::len) as u64))
    .bind(signed(until.micros()))
    .execute(&mut *connection)
    .await?;
    // Who asked twice at once, of two nodes, acts once.
    one_row(&made)?;
    for client in clients {
        sqlx::query("INSERT INTO answered_clients (client, answer) VALUES ($1, $2)")
            .bind(reserved_id(client).as_bytes().as_slice())
            .bind(id.as_bytes().as_slice())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Erases the answers that name this client: were it gone, they would be all that names it. Who asks again for what
/// was done is told that it was.
pub(super) async fn erase(connection: &mut SqliteConnection, client: &ClientId) -> Result<(), sqlx::Error> {
    let client = reserved_id(client);
    // What is empty names nobody, the others that it named no more than this one.
    for erasing in [
        "UPDATE idempotent_answers SET answer = NULL, bytes = 0
         WHERE id_hash IN (SELECT answer FROM answered_clients WHERE client = $1)",
        "DELETE FROM answered_clients WHERE answer IN (SELECT answer FROM answered_clients WHERE client = $1)",
    ] {
        sqlx::query(erasing).bind(client.as_bytes().as_slice()).execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn recall(
    readers: &SqlitePool,
    id: &Digest,
    caller: &Digest,
) -> Result<Recalled, sqlx::Error> {
    let mut snapshot = readers.begin().await?;
    let row = sqlx::query("SELECT request, answer, until FROM idempotent_answers WHERE id_hash = $1")
        .bind(id.as_bytes().as_slice())
        .fetch_optional(&mut *snapshot)
        .await?;
    let answer = row.map(|row| {
        let request: &[u8] = row.try_get(0)?;
        let request = request.try_into().map(Digest);
        let request = request.map_err(|_| sqlx::Error::Decode("a hash is not 32 bytes long".into()))?;
        let until = Timestamp::from_micros(unsigned(row.try_get(2)?));
        Ok::<_, sqlx::Error>(Remembered { id: *id, caller: *caller, request, answer: row.try_get(1)?, until })
    });
    let answer = answer.transpose()?;
    let row = sqlx::query(
        "SELECT COUNT(*), MIN(until), COALESCE(SUM(bytes), 0) FROM idempotent_answers WHERE caller = $1",
    )
    .bind(caller.as_bytes().as_slice())
    .fetch_one(&mut *snapshot)
    .await?;
    let first_end: Option<i64> = row.try_get(1)?;
    let first_end = first_end.map(|micros| Timestamp::from_micros(unsigned(micros)));
    let (of_caller, bytes) = (unsigned(row.try_get(0)?), unsigned(row.try_get(2)?));
    let recalled = Recalled { answer, of_caller, bytes, first_end };
    snapshot.commit().await?;
    Ok(recalled)
}
