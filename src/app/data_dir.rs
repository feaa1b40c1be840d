//! The data directory and the store in it: made once, held by one process.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{CannotStart, Purpose, process};
use crate::admin::policy_in_force;
use crate::audit::tile::Edge;
use crate::config::{Settings, StoreUrl};
use crate::policy::{Builtin, Policy};
use crate::store::sqlite::SqliteStore;
use crate::store::status::BACKUP;
use crate::store::{Batch, Change, Store};

/// The fact that says which command made a store.
pub(super) const MADE_BY: &str = "made_by";

/// The file in the data directory that whoever uses it holds.
pub(super) const LOCK: &str = "lock";

/// Makes the data directory and an empty store in it. What exists is left as it is.
pub async fn make_store(settings: &Settings, purpose: Purpose) -> Result<(), CannotStart> {
    let StoreUrl::Sqlite(path) = &settings.store;
    let _lock = lock(&settings.data_dir)?;
    // A store without this fact is new, or a first start ended before it was whole.
    if SqliteStore::peek(path, MADE_BY).await?.is_some() {
        return Ok(());
    }
    let store = SqliteStore::open(path, &settings.data_dir, true).await?;
    let made_by = vec![Change::SetFact(MADE_BY, purpose.as_str().to_owned())];
    let head = Edge::new().head();
    let batch = Batch::of_changes(head, made_by);
    store.append(&batch).await?;
    store.close().await;
    Ok(())
}

/// The data directory is this process's as long as this lives. The lock goes with the process, however that ends.
pub(super) struct DataLock(File);

impl Drop for DataLock {
    /// Closing the file is not enough: a child that is just being started still has it open.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Holds the data directory for this process.
pub(super) fn lock(path: &Path) -> Result<DataLock, CannotStart> {
    let held = process::private_folder(path)
        .and_then(|()| File::options().create(true).truncate(false).write(true).open(path.join(LOCK)));
    let file = held.map_err(|cause| CannotStart::DataDir { path: path.to_owned(), cause })?;
    match file.try_lock() {
        Ok(()) => Ok(DataLock(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(CannotStart::InUse(path.to_owned())),
        Err(std::fs::TryLockError::Error(cause)) => {
            Err(CannotStart::DataDir { path: path.to_owned(), cause })
        }
    }
}

pub(super) async fn open_store(settings: &Settings, purpose: Purpose) -> Result<Arc<dyn Store>, CannotStart> {
    let StoreUrl::Sqlite(path) = &settings.store;
    if !path.exists() {
        return Err(CannotStart::NoStore(path.clone()));
    }
    match SqliteStore::peek(path, MADE_BY).await? {
        Some(made_by) if made_by == purpose.as_str() => {
            refuse_backup(path).await?;
            open_any_store(settings).await
        }
        Some(made_by) => Err(CannotStart::OtherPurpose(made_by)),
        None => Err(CannotStart::NoStore(path.clone())),
    }
}

/// Opens what is there, also a backup: for who goes on from one on purpose.
pub(super) async fn open_any_store(settings: &Settings) -> Result<Arc<dyn Store>, CannotStart> {
    let StoreUrl::Sqlite(path) = &settings.store;
    if SqliteStore::peek(path, MADE_BY).await?.is_none() {
        return Err(CannotStart::NoStore(path.clone()));
    }
    Ok(Arc::new(SqliteStore::open(path, &settings.data_dir, false).await?))
}

/// A copy is older than what it was copied from, and whoever holds receipts and checkpoints may have seen more.
async fn refuse_backup(path: &Path) -> Result<(), CannotStart> {
    let mark = SqliteStore::peek(path, BACKUP).await?;
    mark.filter(|mark| !mark.is_empty()).map_or(Ok(()), |made_at| Err(CannotStart::Backup(made_at)))
}

/// What the issuer itself brings to every policy.
pub(super) fn builtin(settings: &Settings) -> Result<Builtin, CannotStart> {
    let algorithm = settings.keys.algorithms.first().copied();
    let builtin = algorithm.and_then(|algorithm| Builtin::of(settings.issuer.as_str(), algorithm));
    builtin.ok_or_else(|| CannotStart::Setting("issuer: it is too long to name the admin API".to_owned()))
}

/// The policy in force; an algorithm that is in use must be configured.
pub(super) async fn load_policy(
    store: &dyn Store,
    settings: &Settings,
) -> Result<Arc<ArcSwap<Policy>>, CannotStart> {
    let (policy, shadowed) = policy_in_force(store, &builtin(settings)?, None).await?;
    if let Some(shadowed) = shadowed {
        if settings.admin.listen.is_some() {
            return Err(CannotStart::Shadowed(shadowed));
        }
        tracing::warn!(%shadowed, "no token can be for the admin API; give them other names");
    }
    for resource in policy.resources.values() {
        if !settings.keys.algorithms.contains(&resource.signing_alg) {
            let resource_uri = resource.uri.to_string();
            return Err(CannotStart::MissingAlgorithm {
                resource: resource_uri,
                algorithm: resource.signing_alg.as_str(),
            });
        }
    }
    Ok(Arc::new(ArcSwap::from_pointee(policy)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A child that is started at this moment holds every file of ours until it becomes its program.
    #[test]
    fn a_lock_that_is_given_up_is_free_though_a_child_holds_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        let childs = held.0.try_clone().unwrap();
        assert!(matches!(lock(folder.path()), Err(CannotStart::InUse(_))));
        drop(held);
        assert!(lock(folder.path()).is_ok());
        drop(childs);
    }
}
