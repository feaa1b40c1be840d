//! The rows of answers that are given again.

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::number::{signed, unsigned};
use crate::digest::Digest;
use crate::policy::ClientId;
use crate::store::{Change, Recalled, Remembered, StoreFault};
use crate::time::Timestamp;

pub(super) async fn apply(connection: &mut SqliteConnection, change: &Change) -> Result<(), StoreFault> {
    match change {
        Change::Remember(Remembered { id, caller, request, answer, until }) => {
            let made = sqlx::query(
                "INSERT INTO idempotent_answers (id_hash, caller, request, answer, bytes, until)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id_hash) DO NOTHING",
            )
            .bind(id.as_bytes().as_slice())
            .bind(caller.as_bytes().as_slice())
            .bind(request.as_bytes().as_slice())
            .bind(answer.as_str())
            .bind(signed(answer.len() as u64))
            .bind(signed(until.micros()))
            .execute(connection)
            .await?;
            // Who asked twice at once, of two nodes, acts once.
            if made.rows_affected() == 1 { Ok(()) } else { Err(StoreFault::Conflict) }
        }
        Change::CompleteAnswer(id, answer) => {
            sqlx::query("UPDATE idempotent_answers SET answer = $2, bytes = $3 WHERE id_hash = $1")
                .bind(id.as_bytes().as_slice())
                .bind(answer.as_str())
                .bind(signed(answer.len() as u64))
                .execute(connection)
                .await?;
            Ok(())
        }
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

/// Forgets the answers that show this client, which is gone: they would be all that names it. Who asks again for what
/// was done to it is told that there is no such client, or that its identifier is taken.
pub(super) async fn forget_client(
    connection: &mut SqliteConnection,
    id: &ClientId,
) -> Result<(), sqlx::Error> {
    // An answer holds its body as a text, so the quotes of that are escaped. An identifier has nothing to escape.
    let shown = ["client_id", "name"].map(|member| format!(r#"{member}\":\"{id}\""#));
    let forget = "DELETE FROM idempotent_answers WHERE instr(answer, $1) > 0 OR instr(answer, $2) > 0";
    let [by_id, by_name] = shown;
    sqlx::query(forget).bind(by_id).bind(by_name).execute(connection).await.map(drop)
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
