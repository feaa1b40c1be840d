//! The file of the admin socket: who can open it is the admin, so its mode is the credential.
//!
//! It never removes anything but a socket, and never leaves one that others can open.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::Mode;
use rustix::process::umask;
use tokio::net::UnixListener;

/// The umask belongs to the whole process: two who change it at once would mix up what to restore.
static UMASK: Mutex<()> = Mutex::new(());

/// Makes the admin socket at `path` with mode 0600, in place of one that a dead process left.
///
/// The caller holds the data directory's lock, so that no living process can
/// own the old one, and calls within a tokio runtime. It fails if something
/// other than a socket lies there (which stays untouched), if the path is too
/// long for a socket (about 100 bytes), or if the mode did not come out as asked.
pub fn bind_admin_socket(path: &Path) -> io::Result<UnixListener> {
    remove_stale(path)?;
    let listener = bind_privately(path)?;
    let mode = fs::symlink_metadata(path)?.permissions().mode() & 0o777;
    if mode == 0o600 {
        return Ok(listener);
    }
    fs::remove_file(path)?;
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("{}: the file system gave mode {mode:04o} instead of 0600", path.display()),
    ))
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!(
                "{} exists and is not a socket: move it away or set another admin.socket",
                path.display()
            ),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn bind_privately(path: &Path) -> io::Result<UnixListener> {
    let _one_at_a_time = UMASK.lock().unwrap_or_else(PoisonError::into_inner);
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    listener
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn the_socket_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let _listener = bind_admin_socket(&path).unwrap();
        assert_eq!(mode_of(&path), 0o600);
    }

    #[tokio::test]
    async fn a_dead_process_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(bind_admin_socket(&path).unwrap());
        assert!(path.exists(), "a dropped listener leaves its file");
        let listener = bind_admin_socket(&path).unwrap();
        let (connected, accepted) = tokio::join!(tokio::net::UnixStream::connect(&path), listener.accept());
        assert!(connected.is_ok() && accepted.is_ok());
    }

    #[tokio::test]
    async fn what_is_not_a_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        fs::write(&path, "precious").unwrap();
        let error = bind_admin_socket(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        // Nor is a link followed to a socket elsewhere.
        let link = folder.path().join("link.sock");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(bind_admin_socket(&link).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
