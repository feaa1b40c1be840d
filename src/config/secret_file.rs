//! Files that hold a secret: who may see them, and how they are read.
//!
//! Reads a file and nothing else; never prints what is in it, never leaves a
//! copy that is not erased, never waits (a FIFO is refused, not opened for
//! reading). What the text must be is for the caller. The rules stand at
//! [`read_secret_file`].

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use zeroize::Zeroizing;

use super::complaint::shown;

/// Why a file with a secret was refused; `Display` is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}; {}", self.problem(), self.fix())]
pub enum SecretFileError {
    /// There is none.
    Missing(PathBuf),
    /// Reading or writing failed.
    Io(PathBuf, #[source] io::Error),
    /// A FIFO, a directory, a socket, a device.
    NotAFile(PathBuf),
    /// It belongs to another user than the process or root: this one.
    Owner(PathBuf, u32),
    /// Others may read or change it: this mode, this owner.
    Mode(PathBuf, u32, u32),
    /// Anyone may replace it: its directory.
    OpenFolder(PathBuf),
    /// It has this many bytes, more than the given most.
    TooLong(PathBuf, u64, usize),
}

impl SecretFileError {
    fn path(&self) -> &Path {
        match self {
            Self::Missing(path)
            | Self::Io(path, _)
            | Self::NotAFile(path)
            | Self::Owner(path, _)
            | Self::Mode(path, ..)
            | Self::OpenFolder(path)
            | Self::TooLong(path, ..) => path,
        }
    }

    /// What is wrong.
    pub fn problem(&self) -> String {
        let path = shown(self.path());
        match self {
            Self::Missing(_) => format!("{path} does not exist"),
            Self::Io(_, error) => format!("{path} cannot be used: {error}"),
            Self::NotAFile(_) => format!("{path} is not a regular file"),
            Self::Owner(_, owner) => {
                format!("{path} belongs to user {owner}, not to root or the user of this process")
            }
            Self::Mode(_, mode, _) => format!("{path} has mode {mode:04o}, which lets others at it"),
            Self::OpenFolder(_) => format!("its folder {path} is writable by everyone"),
            Self::TooLong(_, length, most) => format!("{path} has {length} bytes, more than {most}"),
        }
    }

    /// What would do.
    pub fn fix(&self) -> String {
        let path = shown(self.path());
        match self {
            Self::Missing(_) | Self::NotAFile(_) | Self::TooLong(..) => {
                "name the file that holds it".to_owned()
            }
            Self::Io(..) => "let the user of this process use it".to_owned(),
            Self::Owner(..) => format!("chown {} {path}", process_user()),
            Self::Mode(_, _, owner) if *owner != process_user() => format!("chmod 440 {path}"),
            Self::Mode(..) => format!("chmod 600 {path}"),
            Self::OpenFolder(_) => format!("chmod o-w {path}"),
        }
    }
}

/// Reads a secret of at most `most` bytes, which are erased when dropped. The file, after symbolic links:
/// regular; owned by the process' user or root; nothing for others, no group write, group read only if
/// root owns it; in a directory that others cannot write to.
pub fn read_secret_file(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => SecretFileError::Missing(path.to_owned()),
        _ => SecretFileError::Io(path.to_owned(), error),
    };
    let target = path.canonicalize().map_err(failed)?;
    let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(SecretFileError::NotAFile(path.to_owned()));
    };
    // The checked folder is the one that the file is opened in, and the file checked is the one read.
    let directory = open(CWD, folder, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
    let folder_mode = rustix::fs::fstat(&directory).map_err(|error| failed(error.into()))?.st_mode;
    if Mode::from_raw_mode(folder_mode).contains(Mode::WOTH) {
        return Err(SecretFileError::OpenFolder(folder.to_owned()));
    }
    // Without NONBLOCK, opening a FIFO waits for its writer. A socket cannot be opened at all.
    let file = match open(&directory, name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
            return Err(SecretFileError::NotAFile(path.to_owned()));
        }
        opened => opened.map_err(failed)?,
    };
    let status = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(SecretFileError::NotAFile(path.to_owned()));
    }
    check_access(path, status.st_uid, status.st_mode, process_user())?;
    // With room to spare the buffer never moves, and moving would leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most.saturating_add(64)));
    File::from(file).take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > most {
        let length = u64::try_from(status.st_size).unwrap_or(u64::MAX);
        return Err(SecretFileError::TooLong(path.to_owned(), length.max(bytes.len() as u64), most));
    }
    Ok(bytes)
}

/// The rules of owner and mode, for a process of user `process`.
fn check_access(path: &Path, owner: u32, mode: u32, process: u32) -> Result<(), SecretFileError> {
    if owner != 0 && owner != process {
        return Err(SecretFileError::Owner(path.to_owned(), owner));
    }
    let permissions = mode & 0o7777;
    let forbidden = if owner == 0 { 0o037 } else { 0o077 };
    if permissions & forbidden != 0 {
        return Err(SecretFileError::Mode(path.to_owned(), permissions, owner));
    }
    Ok(())
}

fn open(directory: impl AsFd, path: impl AsRef<Path>, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(directory, path.as_ref(), flags, Mode::empty())?)
}

fn process_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests;
