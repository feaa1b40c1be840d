//! Which files a secret is taken from, and with which words the others are refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

const SECRET: &str = "a secret";
const MOST: usize = 16;

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    read_secret_file(path, MOST)
}

#[test]
fn a_secret_is_read_up_to_its_bound_and_no_further() {
    let folder = folder();
    let path = folder.path().join("key");
    for length in [0, 1, MOST] {
        write(&path, &"x".repeat(length), 0o600);
        assert_eq!(read(&path).unwrap().len(), length);
    }
    for length in [MOST + 1, 1_000_000] {
        write(&path, &"x".repeat(length), 0o600);
        let line = read(&path).unwrap_err().to_string();
        let expected = format!("has {length} bytes, more than {MOST}; name the file that holds it");
        assert!(line.ends_with(&expected), "{line}");
    }
}

#[test]
fn owner_and_mode_keep_others_out() {
    let table = [
        // owner, mode, process, accepted
        (1000, 0o600, 1000, true),
        (1000, 0o400, 1000, true),
        (1000, 0o640, 1000, false),
        (1000, 0o620, 1000, false),
        (1000, 0o604, 1000, false),
        (1000, 0o601, 1000, false),
        (0, 0o600, 0, true),
        (0, 0o440, 1000, true),
        (0, 0o640, 1000, true),
        (0, 0o660, 1000, false),
        (0, 0o444, 1000, false),
        (1001, 0o600, 1000, false),
        (1001, 0o600, 0, false),
    ];
    for (owner, mode, process, accepted) in table {
        let answer = check_access(Path::new("key"), owner, mode, process);
        assert_eq!(answer.is_ok(), accepted, "{owner} {mode:o} {process}");
    }
}

#[test]
fn a_loose_file_or_folder_is_refused_with_the_command_that_mends_it() {
    let folder = folder();
    let path = folder.path().join("key");
    write(&path, SECRET, 0o604);
    let line = read(&path).unwrap_err().to_string();
    let shown = path.display();
    assert_eq!(line, format!("{shown} has mode 0604, which lets others at it; chmod 600 {shown}"));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o702)).unwrap();
    let refused = read(&path).unwrap_err();
    let place = folder.path().canonicalize().unwrap();
    let place = place.display();
    let expected = format!("its folder {place} is writable by everyone; chmod o-w {place}");
    assert_eq!(refused.to_string(), expected);
    // A link in a safe folder does not make its target's folder safe.
    let safe = self::folder();
    symlink(&path, safe.path().join("link")).unwrap();
    assert!(matches!(read(&safe.path().join("link")), Err(SecretFileError::OpenFolder(_))));
}

#[test]
fn what_is_not_a_file_is_refused_at_once_and_links_are_followed() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    write(&at("key"), SECRET, 0o600);
    symlink(at("key"), at("link")).unwrap();
    assert!(read(&at("link")).is_ok());
    symlink(at("nowhere"), at("dangling")).unwrap();
    symlink(at("loop"), at("loop")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    rustix::fs::mkfifoat(CWD, at("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    for missing in ["nothing", "dangling", "none/key"] {
        assert!(matches!(read(&at(missing)), Err(SecretFileError::Missing(_))), "{missing}");
    }
    for other in ["folder", "fifo", "socket"] {
        assert!(matches!(read(&at(other)), Err(SecretFileError::NotAFile(_))), "{other}");
    }
    assert!(matches!(read(Path::new("/dev/null")), Err(SecretFileError::NotAFile(_))));
    assert!(matches!(read(&at("loop")), Err(SecretFileError::Io(..))));
}
