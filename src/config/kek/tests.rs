//! Which KEK files are taken, and with which words the others are refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

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
