//! The KEK file: the key that seals all private keys, and who may see it.
//!
//! Reads and makes the file and nothing else; never prints, never keeps a copy
//! that is not erased, never waits (a FIFO is refused, not opened for reading).
//! There is no default key: no file, no start. The rules stand at [`read_kek`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use zeroize::Zeroizing;

use super::complaint::{Complaint, shown};

/// 32 bytes in standard base64 with padding.
const TEXT_LENGTH: usize = 44;

/// The key-encryption key: 32 bytes, erased when dropped, never shown.
#[derive(Clone)]
pub struct Kek(Zeroizing<[u8; 32]>);

impl Kek {
    /// Takes the bytes over.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for sealing and opening only.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kek(redacted)")
    }
}

/// Why a KEK file was refused; `Display` is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}; {}", self.problem(), self.fix())]
pub enum KekError {
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
    /// Not 44 characters, with an optional line feed: this many bytes.
    Length(PathBuf, u64),
    /// Not base64 of 32 bytes.
    NotBase64(PathBuf),
    /// 32 zeros, which nobody drew at random.
    Placeholder(PathBuf),
    /// Making one would overwrite another.
    Exists(PathBuf),
}

impl KekError {
    fn path(&self) -> &Path {
        match self {
            Self::Missing(path)
            | Self::Io(path, _)
            | Self::NotAFile(path)
            | Self::Owner(path, _)
            | Self::Mode(path, ..)
            | Self::OpenFolder(path)
            | Self::Length(path, _)
            | Self::NotBase64(path)
            | Self::Placeholder(path)
            | Self::Exists(path) => path,
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
            Self::Length(_, length) => {
                format!("{path} has {length} bytes, not 44 characters of base64 and an optional line feed")
            }
            Self::NotBase64(_) => format!("{path} does not hold 32 bytes in standard base64"),
            Self::Placeholder(_) => format!("{path} holds 32 zeros, not a random key"),
            Self::Exists(_) => format!("{path} exists already"),
        }
    }

    /// What would do.
    pub fn fix(&self) -> String {
        let path = shown(self.path());
        match self {
            Self::Missing(_) => format!(
                "`mintmark init` makes one, or: (umask 077; head -c 32 /dev/urandom | base64 >{path})"
            ),
            Self::Io(..) => "let the user of this process use it".to_owned(),
            Self::NotAFile(_) => "name the file that holds the key".to_owned(),
            Self::Owner(..) => format!("chown {} {path}", process_user()),
            Self::Mode(_, _, owner) if *owner != process_user() => format!("chmod 440 {path}"),
            Self::Mode(..) => format!("chmod 600 {path}"),
            Self::OpenFolder(_) => format!("chmod o-w {path}"),
            Self::Length(..) | Self::NotBase64(_) => {
                "restore the key that sealed the private keys; for a new store: head -c 32 /dev/urandom | base64"
                    .to_owned()
            }
            Self::Placeholder(_) => format!("(umask 077; head -c 32 /dev/urandom | base64 >{path})"),
            Self::Exists(_) => "keep it: what it sealed cannot be opened without it".to_owned(),
        }
    }
}

impl From<KekError> for Complaint {
    fn from(error: KekError) -> Self {
        Self::new("keys.kek_file", error.problem(), error.fix())
    }
}

/// Reads the KEK. The file, after symbolic links: regular; owned by the process' user or root; nothing
/// for others, no group write, group read only if root owns it; in a directory that others cannot write
/// to; 44 characters of standard base64, an optional line feed, and nothing else.
pub fn read_kek(path: &Path) -> Result<Kek, KekError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => KekError::Missing(path.to_owned()),
        _ => KekError::Io(path.to_owned(), error),
    };
    let target = path.canonicalize().map_err(failed)?;
    let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(KekError::NotAFile(path.to_owned()));
    };
    // The checked folder is the one that the file is opened in, and the file checked is the one read.
    let directory = open(CWD, folder, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
    let folder_mode = rustix::fs::fstat(&directory).map_err(|error| failed(error.into()))?.st_mode;
    if Mode::from_raw_mode(folder_mode).contains(Mode::WOTH) {
        return Err(KekError::OpenFolder(folder.to_owned()));
    }
    // Without NONBLOCK, opening a FIFO waits for its writer. A socket cannot be opened at all.
    let file = match open(&directory, name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
            return Err(KekError::NotAFile(path.to_owned()));
        }
        opened => opened.map_err(failed)?,
    };
    let status = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(KekError::NotAFile(path.to_owned()));
    }
    check_access(path, status.st_uid, status.st_mode, process_user())?;
    let length = u64::try_from(status.st_size).unwrap_or(u64::MAX);
    let mut text = Zeroizing::new(Vec::with_capacity(2 * TEXT_LENGTH));
    File::from(file).take(TEXT_LENGTH as u64 + 2).read_to_end(&mut text).map_err(failed)?;
    decode(path, &text, length)
}

/// The rules of owner and mode, for a process of user `process`.
fn check_access(path: &Path, owner: u32, mode: u32, process: u32) -> Result<(), KekError> {
    if owner != 0 && owner != process {
        return Err(KekError::Owner(path.to_owned(), owner));
    }
    let permissions = mode & 0o7777;
    let forbidden = if owner == 0 { 0o037 } else { 0o077 };
    if permissions & forbidden != 0 {
        return Err(KekError::Mode(path.to_owned(), permissions, owner));
    }
    Ok(())
}

/// Reads the text of a file that has `length` bytes.
fn decode(path: &Path, text: &[u8], length: u64) -> Result<Kek, KekError> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if text.len() != TEXT_LENGTH {
        return Err(KekError::Length(path.to_owned(), length));
    }
    let bytes =
        STANDARD.decode(text).map(Zeroizing::new).map_err(|_| KekError::NotBase64(path.to_owned()))?;
    if bytes.len() != 32 {
        return Err(KekError::NotBase64(path.to_owned()));
    }
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&bytes);
    if *key == [0; 32] {
        return Err(KekError::Placeholder(path.to_owned()));
    }
    Ok(Kek(key))
}

/// Makes the KEK file with `bytes`, mode 0600, and its folder with mode 0700 if that is missing; durable
/// on return. Never overwrites. A crash may leave a file that is too short, which [`read_kek`] refuses.
pub fn create_kek(path: &Path, bytes: &[u8; 32]) -> Result<(), KekError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => KekError::Exists(path.to_owned()),
        _ => KekError::Io(path.to_owned(), error),
    };
    let folder = or_here(path.parent());
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => sync_folder(or_here(folder.parent())).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| failed(error.into()))?;
    let mut text = Zeroizing::new(STANDARD.encode(bytes));
    text.push('\n');
    let mut file = File::from(file);
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(folder))
        .map_err(failed)
}

fn open(directory: impl std::os::fd::AsFd, path: impl AsRef<Path>, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(directory, path.as_ref(), flags, Mode::empty())?)
}

/// `Path::parent` is empty for a bare name, which lies in the working directory.
fn or_here(folder: Option<&Path>) -> &Path {
    folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn process_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests;
