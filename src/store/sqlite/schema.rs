//! Brings the schema up to date and asserts what durability rests on.

use std::borrow::Cow;
use std::path::Path;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, SqlSafeStr as _};

/// The migrations in their order. The folder `migrations/sqlite` holds the same; a test compares.
pub(crate) const MIGRATIONS: [(i64, &str, &str); 4] = [
    (1, "first", include_str!("../../../migrations/sqlite/0001_first.sql")),
    (2, "key_retention", include_str!("../../../migrations/sqlite/0002_key_retention.sql")),
    (3, "directory", include_str!("../../../migrations/sqlite/0003_directory.sql")),
    (4, "clients", include_str!("../../../migrations/sqlite/0004_clients.sql")),
];

/// The file cannot serve as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// It was written by a newer program.
    #[error("the database was written by a newer version of mintmark; run that version, or restore a backup")]
    NewerSchema,
    /// A migration that was applied is not the one this program knows.
    #[error("the database's schema is not one of mintmark's; use another file")]
    ForeignSchema,
    /// A setting that durability rests on did not take.
    #[error("the database refuses {0}; use a local disk")]
    Setting(&'static str),
    /// A name that the database cannot take.
    #[error("a file's name must be UTF-8")]
    Name,
    /// A copy was begun and not made.
    #[error("the copy failed: {0}")]
    Copy(sqlx::Error),
    /// SQLite refused.
    #[error("the database cannot be opened: {0}")]
    Sqlite(#[from] sqlx::Error),
}

/// Reads one fact of a file without changing anything: `None` for a file that
/// is not there, is empty, or was left by a first start that did not end.
pub(super) async fn peek(path: &Path, fact: &str) -> Result<Option<String>, OpenFault> {
    if std::fs::metadata(path).map_or(0, |found| found.len()) == 0 {
        return Ok(None);
    }
    let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
    let mut connection = options.connect().await?;
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(&mut connection)
        .await?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    if !tables.is_empty() && !has("_sqlx_migrations") {
        return Err(OpenFault::ForeignSchema);
    }
    if !has("facts") {
        return Ok(None);
    }
    let value = sqlx::query_scalar("SELECT value FROM facts WHERE name = $1").bind(fact);
    Ok(value.fetch_optional(&mut connection).await?)
}

/// Applies what is missing, each migration in a transaction of its own.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), OpenFault> {
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.to_vec());
    migrator.run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => OpenFault::NewerSchema,
        MigrateError::Execute(cause) => OpenFault::Sqlite(cause),
        _ => OpenFault::ForeignSchema,
    })
}

/// What was asked for is not always what one gets: a network file system may refuse WAL.
pub(super) async fn assert_pragmas(connection: &mut SqliteConnection) -> Result<(), OpenFault> {
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await?;
    let foreign_keys: i64 = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(&mut *connection).await?;
    if journal != "wal" {
        return Err(OpenFault::Setting("a write-ahead log"));
    }
    if synchronous != 2 {
        return Err(OpenFault::Setting("full synchronous commits"));
    }
    if foreign_keys != 1 {
        return Err(OpenFault::Setting("foreign keys"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_holds_these_migrations_and_no_other() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let known = MIGRATIONS.map(|(version, name, _)| format!("{version:04}_{name}.sql"));
        assert_eq!(names, known);
    }
}
