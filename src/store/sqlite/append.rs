//! One batch, one transaction.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};

use super::number::signed;
use super::{
    answer_rows, assertion_rows, directory_rows, log_row, parts, policy_rows, revoked_rows, ring_rows,
    secret_rows,
};
use crate::failpoint::failpoint;
use crate::store::{Appended, Batch, Change, NewEntry, StoreFault};

/// Rows of one message to the database, greatest first. Few sizes, so that each text is prepared once.
const CHUNKS: [usize; 19] = [128, 64, 32, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1];

const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
/// Moves the head. A log that another hand has grown has another size, and a
/// size of NULL is refused, so that nothing is committed.
const MOVE_HEAD: &str = "UPDATE log SET root = ?, size = CASE size WHEN ? THEN ? ELSE NULL END WHERE id = 1";

/// Writes the batch. On an error the transaction may still be open.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    batch: &Batch,
    part: &AtomicU32,
) -> Result<Appended, StoreFault> {
    let part_is_there = part.load(Ordering::Acquire) == batch.part;
    // The usual batch, all of it tokens: its first message begins the transaction, its last one ends it.
    let usual = part_is_there
        && batch.changes.is_empty()
        && batch.used.is_empty()
        && batch.tiles.is_empty()
        && batch.pages.is_empty()
        && !batch.entries.is_empty();
    // A message has no place between its statements, so a build with failpoints goes the longer way.
    if usual && !cfg!(feature = "failpoints") {
        write_entries(connection, batch, true).await?;
        return Ok(Appended::default());
    }
    failpoint!("db.begin", unavailable());
    sqlx::query(BEGIN).execute(&mut *connection).await?;
    if !batch.entries.is_empty() && !part_is_there {
        parts::make(connection, batch.part).await?;
    }
    for change in &batch.changes {
        apply(connection, change).await?;
    }
    if batch.changes.iter().any(Change::is_policy) {
        sqlx::query("UPDATE facts SET value = CAST(value AS INTEGER) + 1 WHERE name = 'policy_version'")
            .execute(&mut *connection)
            .await?;
    }
    let mut fresh = Vec::with_capacity(batch.used.len());
    for used in &batch.used {
        fresh.push(assertion_rows::use_up(connection, used).await?);
    }
    write_entries(connection, batch, false).await?;
    write_tiles(connection, batch).await?;
    for page in &batch.pages {
        directory_rows::write(connection, page, batch.part).await?;
    }
    // Also where nothing is added: what is written beside a log that another hand has grown is refused.
    bind_head(sqlx::query(MOVE_HEAD), batch).execute(&mut *connection).await?;
    failpoint!("audit.after_write", unavailable());
    // COMMIT both writes the log's last frame and syncs it: between the two there is no place.
    failpoint!("audit.before_sync", unavailable());
    sqlx::query(COMMIT).execute(&mut *connection).await?;
    // It is durable, and with `return` the writer is told that it may not be.
    failpoint!("db.commit", unavailable());
    if !batch.entries.is_empty() {
        part.store(batch.part, Ordering::Release);
    }
    if batch.changes.iter().any(|change| matches!(change, Change::DropBodies { .. })) {
        // It may have been this very month, if the clock has stepped by so much.
        part.store(0, Ordering::Release);
    }
    Ok(Appended { fresh })
}

#[cfg(feature = "failpoints")]
fn unavailable() -> StoreFault {
    StoreFault::Unavailable("a failpoint".to_owned())
}

fn bind_head<'q>(query: Statement<'q>, batch: &'q Batch) -> Statement<'q> {
    query.bind(batch.head.root.as_bytes().as_slice()).bind(signed(batch.first)).bind(signed(batch.head.size))
}

/// Writes the entries, chunk by chunk; `whole` when they are the whole transaction.
async fn write_entries(
    connection: &mut SqliteConnection,
    batch: &Batch,
    whole: bool,
) -> Result<(), StoreFault> {
    let mut rest = batch.entries.as_slice();
    let mut index = batch.first;
    while let Some((chunk, after)) = next_chunk(rest) {
        let ends = Ends { begins: whole && index == batch.first, commits: whole && after.is_empty() };
        insert(connection, batch, (index, chunk), ends).await?;
        index = index.saturating_add(chunk.len() as u64);
        rest = after;
    }
    Ok(())
}

async fn write_tiles(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    for tile in &batch.tiles {
        sqlx::query(
            "INSERT INTO log_tiles (level, n, hashes) VALUES ($1, $2, $3)
             ON CONFLICT (level, n) DO UPDATE SET hashes = excluded.hashes",
        )
        .bind(tile.level)
        .bind(signed(tile.index))
        .bind(tile.bytes.as_slice())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// What a message does beside inserting.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Ends {
    begins: bool,
    commits: bool,
}

/// Which tables an entry has a row in, beside its leaf.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Shape {
    body: bool,
    jti: bool,
}

impl Shape {
    fn of(entry: &NewEntry) -> Self {
        Self { body: entry.body.is_some(), jti: entry.jti.is_some() }
    }
}

/// The next entries that have the same shape, as many as there is a text for.
fn next_chunk(rest: &[NewEntry]) -> Option<(&[NewEntry], &[NewEntry])> {
    let shape = Shape::of(rest.first()?);
    let alike = rest.iter().take_while(|entry| Shape::of(entry) == shape).count();
    let size = CHUNKS.into_iter().find(|&size| size <= alike)?;
    rest.split_at_checked(size)
}

/// Inserts entries of one shape by one message: each message to the
/// connection's thread costs two switches, far more than the rows themselves.
async fn insert(
    connection: &mut SqliteConnection,
    batch: &Batch,
    (first, chunk): (u64, &[NewEntry]),
    ends: Ends,
) -> Result<(), sqlx::Error> {
    let Some(shape) = chunk.first().map(Shape::of) else { return Ok(()) };
    let mut query = insert_text(batch.part, shape, chunk.len(), ends);
    let numbered = || (first..).map(signed).zip(chunk);
    for (index, entry) in numbered() {
        query = query.bind(index).bind(entry.leaf.as_slice());
    }
    for (index, entry) in numbered() {
        if let Some((salt, body)) = &entry.body {
            query = query.bind(index).bind(salt.as_slice()).bind(body.as_slice());
        }
    }
    for (index, entry) in numbered() {
        if let Some(jti) = &entry.jti {
            query = query.bind(jti.as_str()).bind(index);
        }
    }
    if ends.commits {
        query = bind_head(query, batch);
    }
    query.execute(connection).await.map(drop)
}

/// The statements of one message. Texts are made once and kept.
fn insert_text(part: u32, shape: Shape, rows: usize, ends: Ends) -> Statement<'static> {
    type Texts = Mutex<HashMap<(u32, Shape, usize, Ends), &'static str>>;
    static TEXTS: OnceLock<Texts> = OnceLock::new();
    let mut texts = TEXTS.get_or_init(Texts::default).lock().unwrap_or_else(PoisonError::into_inner);
    let text = texts.entry((part, shape, rows, ends)).or_insert_with(|| {
        let values = |row: &str| vec![row; rows].join(",");
        let mut statements = vec![format!("INSERT INTO log_entries (idx, leaf) VALUES {}", values("(?,?)"))];
        if shape.body {
            statements.push(format!(
                "INSERT INTO log_bodies_{part} (idx, salt, body) VALUES {}",
                values("(?,?,?)")
            ));
        }
        if shape.jti {
            statements.push(format!("INSERT INTO log_jtis_{part} (jti, idx) VALUES {}", values("(?,?)")));
        }
        if ends.begins {
            statements.insert(0, BEGIN.to_owned());
        }
        if ends.commits {
            statements.extend([MOVE_HEAD.to_owned(), COMMIT.to_owned()]);
        }
        // One text for each part, shape and size: some dozens a month for the life of the process.
        Box::leak(statements.join(";").into_boxed_str())
    });
    sqlx::query(*text)
}

type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;

async fn apply(connection: &mut SqliteConnection, change: &Change) -> Result<(), StoreFault> {
    match change {
        Change::PutResource(_)
        | Change::PutScope(_)
        | Change::PutClient(_)
        | Change::DeleteResource(..)
        | Change::DeleteScope(..)
        | Change::DeleteClient(..) => policy_rows::apply(connection, change).await,
        Change::AddSecret(..)
        | Change::EndSecret(..)
        | Change::SecretsUsed(_)
        | Change::SecretReminded(..)
        | Change::SweepSecrets(_) => secret_rows::apply(connection, change).await,
        Change::SwapRing { expected, ring, fresh, resealed } => {
            ring_rows::swap(connection, *expected, ring, (fresh, resealed)).await
        }
        Change::OpenLog(_) | Change::ReopenLog(_) | Change::SealLogKey(_) | Change::Publish(_) => {
            log_row::apply(connection, change).await
        }
        Change::RevokeToken { .. } | Change::RaiseFloor { .. } | Change::ForgetRevoked { .. } => {
            revoked_rows::apply(connection, change).await
        }
        Change::Erase { entries, pages } => {
            parts::erase(connection, entries).await?;
            for page in pages {
                directory_rows::replace(connection, page).await?;
            }
            Ok(())
        }
        Change::ForgetAssertions { until, at_most } => {
            Ok(assertion_rows::forget(connection, *until, *at_most).await?)
        }
        Change::DropBodies { month, at_most } => Ok(parts::thin(connection, *month, *at_most).await?),
        Change::Remember(..)
        | Change::CompleteAnswer(..)
        | Change::EraseAnswers(_)
        | Change::ForgetAnswers { .. } => answer_rows::apply(connection, change).await,
        Change::SetFact(name, value) => {
            sqlx::query(
                "INSERT INTO facts (name, value) VALUES ($1, $2)
                         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )
            .bind(*name)
            .bind(value)
            .execute(connection)
            .await?;
            Ok(())
        }
    }
}
