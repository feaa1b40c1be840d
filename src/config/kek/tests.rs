//! Which KEK files are taken, and with which words the others are refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

const TEXT: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_was_created_is_read_again_and_never_overwritten() {
    let folder = folder();
    let path = folder.path().join("keys/kek");
    create_kek(&path, &[7; 32]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{TEXT}\n"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(folder.path().join("keys")).unwrap().permissions().mode() & 0o7777, 0o700);
    let kek = read_kek(&path).unwrap();
    assert_eq!((kek.expose(), format!("{kek:?}").as_str()), (&[7; 32], "Kek(redacted)"));
    assert!(matches!(create_kek(&path, &[8; 32]), Err(KekError::Exists(_))));
    assert_eq!(read_kek(&path).unwrap().expose(), &[7; 32]);
}

#[test]
fn the_content_is_exactly_one_key() {
    let folder = folder();
    let path = folder.path().join("kek");
    for good in [TEXT.to_owned(), format!("{TEXT}\n")] {
        write(&path, &good, 0o400);
        assert!(read_kek(&path).is_ok(), "{good:?}");
        fs::remove_file(&path).unwrap();
    }
    let long = TEXT.repeat(100_000);
    let bad = [
        ("", "has 0 bytes"),
        ("\n", "has 1 bytes"),
        (&TEXT[..43], "has 43 bytes"),
        (&format!("{TEXT}\n\n"), "has 46 bytes"),
        (&format!("{TEXT}\r\n"), "has 46 bytes"),
        (&format!(" {TEXT}"), "has 45 bytes"),
        (&format!("{TEXT}{TEXT}"), "has 88 bytes"),
        (&long, "has 4400000 bytes"),
        (&TEXT.replace('=', "B"), "does not hold 32 bytes"),
        (&TEXT.replace("c=", "d="), "does not hold 32 bytes"),
        (&TEXT.replace('H', "-"), "does not hold 32 bytes"),
        (&format!("{}=", "A".repeat(43)), "holds 32 zeros"),
    ];
    for (text, problem) in bad {
        write(&path, text, 0o600);
        let line = read_kek(&path).unwrap_err().to_string();
        assert!(line.contains(problem) && !line.contains('\n'), "{problem}: {line}");
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
        let answer = check_access(Path::new("kek"), owner, mode, process);
        assert_eq!(answer.is_ok(), accepted, "{owner} {mode:o} {process}");
    }
}

#[test]
fn a_loose_file_or_folder_is_refused_with_the_command_that_mends_it() {
    let folder = folder();
    let path = folder.path().join("kek");
    write(&path, TEXT, 0o604);
    let line = read_kek(&path).unwrap_err().to_string();
    let shown = path.display();
    assert_eq!(line, format!("{shown} has mode 0604, which lets others at it; chmod 600 {shown}"));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o702)).unwrap();
    let complaint = Complaint::from(read_kek(&path).unwrap_err());
    let place = folder.path().canonicalize().unwrap();
    let place = place.display();
    let expected = format!("its folder {place} is writable by everyone; chmod o-w {place}");
    assert_eq!(complaint.to_string(), format!("keys.kek_file: {expected}"));
    // A link in a safe folder does not make its target's folder safe.
    let safe = self::folder();
    symlink(&path, safe.path().join("link")).unwrap();
    assert!(matches!(read_kek(&safe.path().join("link")), Err(KekError::OpenFolder(_))));
}

#[test]
fn what_is_not_a_file_is_refused_at_once_and_links_are_followed() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    write(&at("kek"), TEXT, 0o600);
    symlink(at("kek"), at("link")).unwrap();
    assert!(read_kek(&at("link")).is_ok());
    symlink(at("nowhere"), at("dangling")).unwrap();
    symlink(at("loop"), at("loop")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    rustix::fs::mkfifoat(CWD, at("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    for missing in ["nothing", "dangling", "none/kek"] {
        assert!(matches!(read_kek(&at(missing)), Err(KekError::Missing(_))), "{missing}");
    }
    for other in ["folder", "fifo", "socket"] {
        assert!(matches!(read_kek(&at(other)), Err(KekError::NotAFile(_))), "{other}");
    }
    assert!(matches!(read_kek(Path::new("/dev/null")), Err(KekError::NotAFile(_))));
    assert!(matches!(read_kek(&at("loop")), Err(KekError::Io(..))));
}
