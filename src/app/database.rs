//! What a person does to the configured store itself, without a service: look at it, bring its schema up to date.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::CannotStart;
use super::data_dir::{self, LOCK, MADE_BY};
use crate::audit::checkpoint::Note;
use crate::audit::open::LAST_SIGNED;
use crate::config::{Settings, StoreUrl};
use crate::store::Store as _;
use crate::store::sqlite::SqliteStore;
use crate::store::status::StoreStatus;

/// What there is to know of the configured store and of the data directory beside it.
#[derive(Debug)]
pub struct Database {
    /// Its file.
    pub path: PathBuf,
    /// What it says of itself.
    pub store: StoreStatus,
    /// Whether a service holds the data directory; `None` if that cannot be told.
    pub in_use: Option<bool>,
    /// The size of the tree that this node signed last; `None` before the first, `Err` if its file makes no sense.
    pub last_signed: Result<Option<u64>, String>,
}

/// The file of the configured store, once it is one.
pub(super) async fn existing(settings: &Settings) -> Result<&Path, CannotStart> {
    let StoreUrl::Sqlite(path) = &settings.store;
    if path.exists() && SqliteStore::peek(path, MADE_BY).await?.is_some() {
        return Ok(path);
    }
    Err(CannotStart::NoStore(path.clone()))
}

/// Looks at the store, beside a running service and without changing anything.
pub async fn look_at_store(settings: &Settings) -> Result<Database, CannotStart> {
    let path = existing(settings).await?;
    Ok(Database {
        path: path.to_owned(),
        store: SqliteStore::status(path, MADE_BY).await?,
        in_use: is_in_use(&settings.data_dir.join(LOCK)),
        last_signed: last_signed(&settings.data_dir.join(LAST_SIGNED)),
    })
}

/// Brings the schema up to date and gives the names of the migrations that it applied. No service may run meanwhile.
pub async fn migrate_store(settings: &Settings) -> Result<Vec<String>, CannotStart> {
    let path = existing(settings).await?;
    let _lock = data_dir::lock(&settings.data_dir)?;
    let before = SqliteStore::status(path, MADE_BY).await?;
    let store = SqliteStore::open(path, &settings.data_dir, false).await?;
    store.close().await;
    Ok(before.missing)
}

/// Asks by a lock that others may share, for as long as the question takes. A service that starts in that very moment
/// is refused and says that the directory is in use.
fn is_in_use(lock: &Path) -> Option<bool> {
    let file = match File::open(lock) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    match file.try_lock_shared() {
        Ok(()) => file.unlock().ok().map(|()| false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}

fn last_signed(path: &Path) -> Result<Option<u64>, String> {
    let told = |cause: &dyn std::fmt::Display| format!("{}: {cause}", path.display());
    match std::fs::read_to_string(path) {
        Ok(text) => Note::parse(&text).map(|note| Some(note.unverified().size)).map_err(|error| told(&error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(told(&error)),
    }
}
