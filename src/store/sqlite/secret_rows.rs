//! The rows of client secrets: hashes, and what is noted of their use.

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::number::{signed, unsigned};
use super::rows::{keep, one_row};
use crate::policy::{RowKind, SecretHash};
use crate::store::{Change, DamagedRow, StoreFault};
use crate::time::Timestamp;

pub(super) async fn apply(connection: &mut SqliteConnection, change: &Change) -> Result<(), StoreFault> {
    let query = match change {
        Change::AddSecret(client, secret) => sqlx::query(
            "INSERT INTO client_secrets (secret_id, client, selector, phc, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(secret.secret_id.clone())
        .bind(client.as_str().to_owned())
        .bind(i64::from(secret.selector))
        .bind(secret.phc.clone())
        .bind(micros(secret.created_at))
        .bind(secret.expires_at.map(micros)),
        Change::EndSecret(secret_id, at) => {
            sqlx::query("UPDATE client_secrets SET expires_at = $2 WHERE secret_id = $1")
                .bind(secret_id.clone())
                .bind(micros(*at))
        }
        Change::SecretReminded(secret_id, at) => {
            sqlx::query("UPDATE client_secrets SET reminded_at = $2 WHERE secret_id = $1")
                .bind(secret_id.clone())
                .bind(micros(*at))
        }
        Change::SecretsUsed(uses) => return Ok(note_uses(connection, uses).await?),
        Change::SweepSecrets(before) => {
            let query = sqlx::query("DELETE FROM client_secrets WHERE expires_at < $1").bind(micros(*before));
            query.execute(connection).await?;
            return Ok(());
        }
        _ => return Err(StoreFault::Broken("not a change of a secret".to_owned())),
    };
    one_row(&query.execute(connection).await?)
}

/// What is noted later was later, whatever the clocks showed. All of them by one statement, which the writer is held up by only once.
async fn note_uses(
    connection: &mut SqliteConnection,
    uses: &[(String, Timestamp)],
) -> Result<(), sqlx::Error> {
    let list: Vec<_> = uses.iter().map(|(secret_id, at)| (secret_id, micros(*at))).collect();
    sqlx::query(
        "UPDATE client_secrets SET last_used_at = used.at
         FROM (SELECT value ->> 0 AS secret_id, value ->> 1 AS at FROM json_each(?1)) AS used
         WHERE client_secrets.secret_id = used.secret_id",
    )
    .bind(serde_json::json!(list).to_string())
    .execute(connection)
    .await
    .map(drop)
}

/// The secrets of each client, oldest first. Rows that cannot be read are left out and told.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    broken: &mut Vec<DamagedRow>,
) -> Result<HashMap<String, Vec<SecretHash>>, sqlx::Error> {
    let mut found = HashMap::<String, Vec<SecretHash>>::new();
    let rows = sqlx::query(
        "SELECT secret_id, client, selector, phc, created_at, expires_at, last_used_at, reminded_at
         FROM client_secrets ORDER BY created_at, secret_id",
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        let read = keep(broken, RowKind::Secret, &row, |row| {
            let secret = SecretHash {
                secret_id: row.try_get(0)?,
                selector: row.try_get(2)?,
                phc: row.try_get(3)?,
                created_at: Timestamp::from_micros(unsigned(row.try_get(4)?)),
                expires_at: time(row, 5)?,
                last_used_at: time(row, 6)?,
                reminded_at: time(row, 7)?,
            };
            Ok((row.try_get(1)?, secret))
        });
        if let Some((client, secret)) = read {
            found.entry(client).or_default().push(secret);
        }
    }
    Ok(found)
}

fn micros(time: Timestamp) -> i64 {
    signed(time.micros())
}

fn time(row: &SqliteRow, column: usize) -> Result<Option<Timestamp>, sqlx::Error> {
    let micros: Option<i64> = row.try_get(column)?;
    Ok(micros.map(|micros| Timestamp::from_micros(unsigned(micros))))
}
