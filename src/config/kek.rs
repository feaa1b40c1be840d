//! The KEK file: the key that seals all private keys.
//!
//! Reads and makes the file and nothing else; never prints, never keeps a copy
//! that is not erased. There is no default key: no file, no start. Who may see
//! the file is told at [`read_secret_file`], what it holds at [`read_kek`].

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{CWD, Mode, OFlags};
use zeroize::Zeroizing;

use super::complaint::{Complaint, shown};
use super::secret_file::{SecretFileError, read_secret_file};

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
    /// No secret may lie there, or it cannot be used.
    File(#[source] SecretFileError),
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
    /// What is wrong.
    pub fn problem(&self) -> String {
        match self {
            Self::File(error) => error.problem(),
            Self::Length(path, length) => format!(
                "{} has {length} bytes, not 44 characters of base64 and an optional line feed",
                shown(path)
            ),
            Self::NotBase64(path) => format!("{} does not hold 32 bytes in standard base64", shown(path)),
            Self::Placeholder(path) => format!("{} holds 32 zeros, not a random key", shown(path)),
            Self::Exists(path) => format!("{} exists already", shown(path)),
        }
    }

    /// What would do.
    pub fn fix(&self) -> String {
        match self {
            Self::File(SecretFileError::Missing(path)) => {
                format!("`mintmark init` makes one, or: {}", makes(path))
            }
            Self::File(error) => error.fix(),
            Self::Length(..) | Self::NotBase64(_) => {
                "restore the key that sealed the private keys; for a new store: head -c 32 /dev/urandom | base64"
                    .to_owned()
            }
            Self::Placeholder(path) => makes(path),
            Self::Exists(_) => "keep it: what it sealed cannot be opened without it".to_owned(),
        }
    }
}

/// The command that makes a KEK.
fn makes(path: &Path) -> String {
    format!("(umask 077; head -c 32 /dev/urandom | base64 >{})", shown(path))
}

impl From<KekError> for Complaint {
    fn from(error: KekError) -> Self {
        Self::new("keys.kek_file", error.problem(), error.fix())
    }
}

/// Reads the KEK: 44 characters of standard base64, an optional line feed, and nothing else, in a file that
/// [`read_secret_file`] takes.
pub fn read_kek(path: &Path) -> Result<Kek, KekError> {
    match read_secret_file(path, TEXT_LENGTH + 1) {
        Ok(text) => decode(path, &text),
        Err(SecretFileError::TooLong(path, length, _)) => Err(KekError::Length(path, length)),
        Err(other) => Err(KekError::File(other)),
    }
}

fn decode(path: &Path, whole: &[u8]) -> Result<Kek, KekError> {
    let text = whole.strip_suffix(b"\n").unwrap_or(whole);
    if text.len() != TEXT_LENGTH {
        return Err(KekError::Length(path.to_owned(), whole.len() as u64));
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
        _ => KekError::File(SecretFileError::Io(path.to_owned(), error)),
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

/// `Path::parent` is empty for a bare name, which lies in the working directory.
fn or_here(folder: Option<&Path>) -> &Path {
    folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
