//! Copies the configured store beside a running service: whole under its name, or not there.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::data_dir::MADE_BY;
use super::{CannotStart, database, process};
use crate::config::Settings;
use crate::store::sqlite::{OpenFault, SqliteStore};
use crate::store::status::LogStatus;
use crate::time::Timestamp;

/// A copy that was made.
#[derive(Debug)]
pub struct Backup {
    /// Its bytes.
    pub bytes: u64,
    /// The log that it holds, if one was opened.
    pub log: Option<LogStatus>,
}

/// Why no copy was made. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum CannotBackUp {
    /// There is no store to copy.
    #[error(transparent)]
    Store(#[from] CannotStart),
    /// Something has that name.
    #[error("{} exists; a backup overwrites nothing", .0.display())]
    Exists(PathBuf),
    /// It does not fit.
    #[error("{}: the backup takes {needed} bytes and {free} are free there; choose another place", path.display())]
    NoRoom {
        /// Where to.
        path: PathBuf,
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that there are.
        free: u64,
    },
    /// The copy cannot be written.
    #[error("{} cannot be written: {cause}", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// The copy was begun and failed: the disk is full, or the store cannot be read.
    #[error("{}: {cause}", path.display())]
    Copy {
        /// Where to.
        path: PathBuf,
        /// What failed.
        cause: OpenFault,
    },
}

/// Copies the store into the new file `to`, which only its owner may read. The copy is of one moment and is flushed to
/// the disk. It is marked as made at `now`, so that no service starts on it unasked.
pub async fn back_up_store(settings: &Settings, to: &Path, now: Timestamp) -> Result<Backup, CannotBackUp> {
    let from = database::existing(settings).await?;
    if to.symlink_metadata().is_ok() {
        return Err(CannotBackUp::Exists(to.to_owned()));
    }
    let unwritten = |cause| CannotBackUp::Write { path: to.to_owned(), cause };
    let status = SqliteStore::status(from, MADE_BY).await.map_err(CannotStart::from)?;
    // Made absolute, so that SQLite takes no name for anything but a name.
    let whole = std::path::absolute(to).map_err(unwritten)?;
    let folder = whole.parent().unwrap_or(Path::new("/")).to_owned();
    let free = process::free_bytes(&folder).map_err(unwritten)?;
    fits(to, status.bytes.used, free)?;
    let draft = Draft::begin(&whole).map_err(unwritten)?;
    let copied = SqliteStore::back_up(from, &draft.0, &now.to_string()).await;
    let log = copied.map_err(|cause| CannotBackUp::Copy { path: to.to_owned(), cause })?;
    let named = tokio::task::spawn_blocking(move || draft.finish(&whole, &folder)).await;
    let bytes =
        named.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => CannotBackUp::Exists(to.to_owned()),
            _ => unwritten(cause),
        })?;
    Ok(Backup { bytes, log })
}

fn fits(to: &Path, needed: u64, free: u64) -> Result<(), CannotBackUp> {
    if needed <= free { Ok(()) } else { Err(CannotBackUp::NoRoom { path: to.to_owned(), needed, free }) }
}

/// A file that gets its name when it is whole. It holds personal data and sealed keys: only its owner may read it.
struct Draft(PathBuf);

impl Draft {
    fn begin(whole: &Path) -> io::Result<Self> {
        let mut name = whole.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let path = whole.with_file_name(name);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self(path))
    }

    /// Flushes the file, names it and flushes the name. Gives its bytes.
    fn finish(self, whole: &Path, folder: &Path) -> io::Result<u64> {
        let file = File::open(&self.0)?;
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        process::rename_to_new(&self.0, whole)?;
        File::open(folder)?.sync_all()?;
        Ok(bytes)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Once it has its name, there is nothing left to remove here.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        assert!(fits(Path::new("b.db"), 4_096, 4_096).is_ok());
        let refused = fits(Path::new("b.db"), 4_097, 4_096).unwrap_err().to_string();
        assert_eq!(
            refused,
            "b.db: the backup takes 4097 bytes and 4096 are free there; choose another place"
        );
    }
}
