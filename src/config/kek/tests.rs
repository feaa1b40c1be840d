//! Which KEK files are taken, and with which words the others are refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

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
fn a_file_that_no_secret_may_lie_in_is_refused_with_the_command_that_mends_it() {
    let folder = folder();
    let path = folder.path().join("kek");
    let line = read_kek(&path).unwrap_err().to_string();
    assert!(line.contains("does not exist; `mintmark init` makes one, or: (umask 077; "), "{line}");
    write(&path, TEXT, 0o604);
    let complaint = Complaint::from(read_kek(&path).unwrap_err());
    let shown = path.display();
    let expected = format!("{shown} has mode 0604, which lets others at it; chmod 600 {shown}");
    assert_eq!(complaint.to_string(), format!("keys.kek_file: {expected}"));
    fs::create_dir(folder.path().join("keys")).unwrap();
    let not_a_file = read_kek(&folder.path().join("keys")).unwrap_err();
    assert!(matches!(not_a_file, KekError::File(SecretFileError::NotAFile(_))), "{not_a_file}");
}

/// The modes that a careless `cp` or `chmod` leaves, on real files.
#[test]
fn every_mode_that_lets_anybody_else_at_the_file_is_refused() {
    let folder = folder();
    let path = folder.path().join("kek");
    for mode in [0o644, 0o666, 0o777, 0o755, 0o660, 0o620, 0o610, 0o604, 0o602, 0o601, 0o700 | 0o007] {
        write(&path, TEXT, mode);
        let fault = read_kek(&path).unwrap_err();
        assert!(
            matches!(fault, KekError::File(SecretFileError::Mode(_, found, _)) if found == mode),
            "{mode:o}: {fault}"
        );
    }
    for mode in [0o400, 0o600, 0o700] {
        write(&path, TEXT, mode);
        assert!(read_kek(&path).is_ok(), "{mode:o}");
    }
}

#[test]
fn a_file_is_never_read_beyond_the_length_of_a_key() {
    let folder = folder();
    let path = folder.path().join("kek");
    write(&path, TEXT, 0o600);
    // A gibibyte of nothing, which takes no room on the disk.
    File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    assert!(matches!(read_kek(&path), Err(KekError::Length(_, length)) if length == 1 << 30));
    for length in [0, 1, 22, 43] {
        File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
        assert!(matches!(read_kek(&path), Err(KekError::Length(_, found)) if found == length), "{length}");
    }
}

#[test]
fn a_file_of_another_user_is_refused_whatever_its_mode() {
    let folder = folder();
    let path = folder.path().join("kek");
    write(&path, TEXT, 0o400);
    let stranger = rustix::process::geteuid().as_raw() + 1;
    // Only root can give a file away; another user meets the same rule at a file that somebody gave it.
    if chown(&path, Some(stranger), None).is_ok() {
        let fault = read_kek(&path).unwrap_err();
        assert!(
            matches!(fault, KekError::File(SecretFileError::Owner(_, owner)) if owner == stranger),
            "{fault}"
        );
        let shown = path.display();
        assert_eq!(fault.fix(), format!("chown {} {shown}", rustix::process::geteuid().as_raw()));
    }
}

/// What everybody may write to is no place for a key, sticky or not; what a group may enter is the operator's choice.
#[test]
fn the_folder_keeps_everybody_else_from_putting_another_file_in_the_place() {
    let folder = folder();
    let inner = folder.path().join("keys");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("kek");
    write(&path, TEXT, 0o600);
    for (mode, good) in [
        (0o700, true),
        (0o750, true),
        (0o755, true),
        (0o770, true),
        (0o702, false),
        (0o777, false),
        (0o1777, false),
    ] {
        fs::set_permissions(&inner, Permissions::from_mode(mode)).unwrap();
        match read_kek(&path) {
            Ok(_) => assert!(good, "{mode:o}"),
            Err(fault) => assert!(
                !good && matches!(fault, KekError::File(SecretFileError::OpenFolder(_))),
                "{mode:o}: {fault}"
            ),
        }
    }
    // The folder that counts is the one the file lies in, by whatever way it is reached.
    fs::set_permissions(&inner, Permissions::from_mode(0o700)).unwrap();
    let open = self::folder();
    fs::set_permissions(open.path(), Permissions::from_mode(0o777)).unwrap();
    symlink(&path, open.path().join("kek")).unwrap();
    symlink(&inner, open.path().join("keys")).unwrap();
    assert!(read_kek(&open.path().join("kek")).is_ok());
    assert!(read_kek(&open.path().join("keys/kek")).is_ok());
    assert!(read_kek(&inner.join("../keys/kek")).is_ok());
}

#[test]
fn a_second_name_of_the_same_file_is_the_same_key_by_the_same_rules() {
    let folder = folder();
    let (path, other) = (folder.path().join("kek"), folder.path().join("other"));
    write(&path, TEXT, 0o600);
    fs::hard_link(&path, &other).unwrap();
    assert_eq!(read_kek(&other).unwrap().expose(), &[7; 32]);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(read_kek(&other), Err(KekError::File(SecretFileError::Mode(..)))));
}
