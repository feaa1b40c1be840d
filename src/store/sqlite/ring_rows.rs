//! The key ring's rows.

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};

use super::number::{signed, unsigned};
use crate::jose::{Algorithm, Kid, PublicJwk};
use crate::keys::{KeyFacts, KeyRing, KeyState};
use crate::store::{StoreFault, StoredRing};
use crate::time::Timestamp;

/// Replaces the ring if its stored version is still `expected`.
pub(super) async fn swap(
    connection: &mut SqliteConnection,
    expected: u64,
    ring: &KeyRing,
    sealed: &[(Kid, Vec<u8>)],
) -> Result<(), StoreFault> {
    let swapped = sqlx::query("UPDATE facts SET value = $1 WHERE name = 'ring_version' AND value = $2")
        .bind(ring.version.to_string())
        .bind(expected.to_string())
        .execute(&mut *connection)
        .await?;
    if swapped.rows_affected() != 1 {
        return Err(StoreFault::Conflict);
    }
    for key in &ring.keys {
        let fresh = sealed.iter().find(|(kid, _)| *kid == key.kid).map(|(_, bytes)| bytes.as_slice());
        put(connection, key, fresh).await?;
    }
    Ok(())
}

/// A key that no longer signs loses its private half in the same statement.
async fn put(
    connection: &mut SqliteConnection,
    key: &KeyFacts,
    sealed: Option<&[u8]>,
) -> Result<(), sqlx::Error> {
    let micros = |time: Option<Timestamp>| time.map(|time| signed(time.micros()));
    sqlx::query(
        "INSERT INTO signing_keys (kid, position, alg, public, sealed, state, created_at, published_at, activated_at,
             passive_at, removed_at, revoked_at, rotation_requested_at, retain, reason)
         VALUES ($1, (SELECT COALESCE(MAX(position), 0) + 1 FROM signing_keys), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (kid) DO UPDATE SET state = excluded.state,
             sealed = CASE WHEN excluded.state IN ('staged', 'published', 'active') THEN signing_keys.sealed END,
             published_at = excluded.published_at, activated_at = excluded.activated_at,
             passive_at = excluded.passive_at, removed_at = excluded.removed_at, revoked_at = excluded.revoked_at,
             rotation_requested_at = excluded.rotation_requested_at, retain = excluded.retain, reason = excluded.reason",
    )
    .bind(key.kid.to_string())
    .bind(key.algorithm.as_str())
    .bind(key.public.to_string())
    .bind(sealed)
    .bind(key.state.as_str())
    .bind(signed(key.created_at.micros()))
    .bind(micros(key.published_at))
    .bind(micros(key.activated_at))
    .bind(micros(key.passive_at))
    .bind(micros(key.removed_at))
    .bind(micros(key.revoked_at))
    .bind(micros(key.rotation_requested_at))
    .bind(key.retain)
    .bind(key.reason.as_deref())
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn read(readers: &SqlitePool) -> Result<StoredRing, sqlx::Error> {
    let mut snapshot = readers.begin().await?;
    let version: String = sqlx::query_scalar("SELECT value FROM facts WHERE name = 'ring_version'")
        .fetch_one(&mut *snapshot)
        .await?;
    let rows = sqlx::query(
        "SELECT kid, alg, public, state, created_at, published_at, activated_at, passive_at, removed_at, revoked_at,
             rotation_requested_at, retain, reason, sealed
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
        let read = facts(&row).and_then(|key| Ok((key, row.try_get::<Option<Vec<u8>>, _>(13)?)));
        let Ok((Some(key), sealed)) = read else {
            let kid = row.try_get::<String, _>(0).unwrap_or_else(|_| "?".to_owned());
            stored.broken.push(format!("signing key {kid}"));
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
        retain: row.try_get(11)?,
        reason: row.try_get(12)?,
    }))
}
