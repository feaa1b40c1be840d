//! The key ring's rows.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};

use super::number::{signed, unsigned};
use crate::jose::{Algorithm, Kid, PublicJwk};
use crate::keys::{KeyFacts, KeyRing, KeyState};
use crate::store::{BrokenKey, SealedHalf, StoreFault, StoredRing};
use crate::time::Timestamp;

/// Replaces the ring if its stored version is still `expected`.
pub(super) async fn swap(
    connection: &mut SqliteConnection,
    expected: u64,
    ring: &KeyRing,
    (fresh, resealed): (&[SealedHalf], &[SealedHalf]),
) -> Result<(), StoreFault> {
    let swapped = sqlx::query("UPDATE facts SET value = $1 WHERE name = 'ring_version' AND value = $2")
        .bind(ring.version.to_string())
        .bind(expected.to_string())
        .execute(&mut *connection)
        .await?;
    if swapped.rows_affected() != 1 {
        return Err(StoreFault::Conflict);
    }
    let half =
        |halves: &[SealedHalf], kid| halves.iter().find(|(of, _)| *of == kid).map(|(_, bytes)| bytes.clone());
    for key in &ring.keys {
        match half(fresh, key.kid) {
            Some(sealed) => insert(connection, key, &sealed).await?,
            None => update(connection, key, half(resealed, key.kid)).await?,
        }
    }
    Ok(())
}

/// A new key. One whose `kid` is there already, readable or not, is a conflict.
async fn insert(connection: &mut SqliteConnection, key: &KeyFacts, sealed: &[u8]) -> Result<(), StoreFault> {
    let inserted = sqlx::query(
        "INSERT INTO signing_keys (kid, position, alg, public, sealed, created_at, state, retain)
         VALUES ($1, (SELECT COALESCE(MAX(position), 0) + 1 FROM signing_keys), $2, $3, $4, $5, $6, $7)
         ON CONFLICT (kid) DO NOTHING",
    )
    .bind(key.kid.to_string())
    .bind(key.algorithm.as_str())
    .bind(key.public.to_string())
    .bind(sealed)
    .bind(signed(key.created_at.micros()))
    .bind(key.state.as_str())
    .bind(key.retain)
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() != 1 {
        return Err(StoreFault::Conflict);
    }
    update(connection, key, None).await
}

/// A key that no longer signs loses its private half in the same statement.
async fn update(
    connection: &mut SqliteConnection,
    key: &KeyFacts,
    resealed: Option<Vec<u8>>,
) -> Result<(), StoreFault> {
    let micros = |time: Option<Timestamp>| time.map(|time| signed(time.micros()));
    let retain_for = key.retain_for.map(|span| i64::try_from(span.as_micros()).unwrap_or(i64::MAX));
    let updated = sqlx::query(
        "UPDATE signing_keys SET state = $2, sealed = CASE WHEN $3 THEN COALESCE($4, sealed) END,
             published_at = $5, activated_at = $6, passive_at = $7, removed_at = $8, revoked_at = $9,
             rotation_requested_at = $10, retain_for = $11, retain = $12, reason = $13, created_at = $14
         WHERE kid = $1",
    )
    .bind(key.kid.to_string())
    .bind(key.state.as_str())
    .bind(key.state.keeps_private_half())
    .bind(resealed)
    .bind(micros(key.published_at))
    .bind(micros(key.activated_at))
    .bind(micros(key.passive_at))
    .bind(micros(key.removed_at))
    .bind(micros(key.revoked_at))
    .bind(micros(key.rotation_requested_at))
    .bind(retain_for)
    .bind(key.retain)
    .bind(key.reason.as_deref())
    .bind(signed(key.created_at.micros()))
    .execute(connection)
    .await?;
    if updated.rows_affected() == 1 { Ok(()) } else { Err(StoreFault::Conflict) }
}

pub(super) async fn read(readers: &SqlitePool) -> Result<StoredRing, sqlx::Error> {
    let mut snapshot = readers.begin().await?;
    let version: String = sqlx::query_scalar("SELECT value FROM facts WHERE name = 'ring_version'")
        .fetch_one(&mut *snapshot)
        .await?;
    let rows = sqlx::query(
        "SELECT kid, alg, public, state, created_at, published_at, activated_at, passive_at, removed_at, revoked_at,
             rotation_requested_at, retain_for, retain, reason, sealed
         FROM signing_keys ORDER BY position",
    )
    .fetch_all(&mut *snapshot)
    .await?;
    snapshot.commit().await?;
    let mut stored = StoredRing {
        ring: KeyRing { version: version.parse().unwrap_or_default(), keys: Vec::new() },
        sealed: HashMap::new(),
        broken: Vec::new(),
    };
    for row in rows {
        // A value that cannot be decoded is as broken as one that makes no sense.
        let read = facts(&row).and_then(|key| Ok((key, row.try_get::<Option<Vec<u8>>, _>(14)?)));
        let Ok((Some(key), sealed)) = read else {
            let kid = row.try_get::<String, _>(0).unwrap_or_else(|_| "?".to_owned());
            let algorithm = row.try_get(1).ok().and_then(Algorithm::parse);
            let state = row.try_get(3).ok().and_then(KeyState::parse);
            stored.broken.push(BrokenKey { name: format!("signing key {kid}"), algorithm, state });
            continue;
        };
        if let Some(sealed) = sealed {
            stored.sealed.insert(key.kid, sealed);
        }
        stored.ring.keys.push(key);
    }
    Ok(stored)
}

fn facts(row: &SqliteRow) -> Result<Option<KeyFacts>, sqlx::Error> {
    let time = |column: usize| -> Result<Option<Timestamp>, sqlx::Error> {
        let micros: Option<i64> = row.try_get(column)?;
        Ok(micros.map(|micros| Timestamp::from_micros(unsigned(micros))))
    };
    let algorithm = Algorithm::parse(row.try_get(1)?);
    let (Some(kid), Some(algorithm), Some(state), Some(created_at)) =
        (Kid::parse(row.try_get(0)?), algorithm, KeyState::parse(row.try_get(3)?), time(4)?)
    else {
        return Ok(None);
    };
    let jwk = serde_json::from_str(row.try_get(2)?).ok();
    let Some(public) = jwk.and_then(|jwk| PublicJwk::parse(&jwk).ok()) else { return Ok(None) };
    if public.kid() != kid || public.algorithm() != algorithm {
        return Ok(None);
    }
    Ok(Some(KeyFacts {
        kid,
        algorithm,
        public,
        state,
        created_at,
        published_at: time(5)?,
        activated_at: time(6)?,
        passive_at: time(7)?,
        removed_at: time(8)?,
        revoked_at: time(9)?,
        rotation_requested_at: time(10)?,
        retain_for: row.try_get::<Option<i64>, _>(11)?.map(unsigned).map(Duration::from_micros),
        retain: row.try_get(12)?,
        reason: row.try_get(13)?,
    }))
}
