use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;

const END: Timestamp = Timestamp::from_seconds(1_900_000_000);

/// A folder with a certificate for `auth.example.com` and its key.
pub(in crate::http) struct Folder {
    folder: TempDir,
}

impl Folder {
    pub(in crate::http) fn new() -> Self {
        let folder = Self { folder: tempfile::tempdir().unwrap() };
        folder.renew();
        folder
    }

    pub(in crate::http) fn files(&self) -> TlsFiles {
        TlsFiles { cert: self.path("cert.pem"), key: self.path("key.pem") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A fresh pair in the place of the one before.
    pub(in crate::http) fn renew(&self) {
        let (cert, key) = pair();
        self.put(&cert, &key);
    }

    fn put(&self, cert: &str, key: &str) {
        fs::write(self.path("cert.pem"), cert).unwrap();
        let new = self.path("key.new");
        fs::write(&new, key).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, self.path("key.pem")).unwrap();
    }

    fn refused(&self) -> String {
        Tls::open("public", &self.files()).unwrap_err().to_string()
    }
}

fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["auth.example.com".to_owned()]).unwrap();
    params.not_after = std::time::UNIX_EPOCH.checked_add(Duration::from_secs(END.seconds())).unwrap().into();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn shown(tls: &Tls) -> Vec<u8> {
    tls.shown.0.load().pair.cert[0].to_vec()
}

#[test]
fn files_that_are_no_pair_are_refused_by_name() {
    let folder = Folder::new();
    assert!(Tls::open("public", &folder.files()).is_ok());
    let (cert, key) = pair();
    let (_, other) = pair();
    folder.put(&cert, &other);
    let told = folder.refused();
    assert!(told.starts_with("public.tls_key_file: ") && told.contains("is not the key of"), "{told}");
    folder.put("nothing", &key);
    assert!(folder.refused().contains("has no certificate"));
    folder.put(&cert, &cert);
    assert!(folder.refused().contains("has no private key in PEM"));
    folder.put(&cert, &key);
    fs::set_permissions(folder.path("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(folder.refused().contains("chmod 600"));
    fs::remove_file(folder.path("cert.pem")).unwrap();
    let told = folder.refused();
    assert!(told.starts_with("public.tls_cert_file: ") && told.contains("does not exist"), "{told}");
}

#[test]
fn a_new_pair_is_taken_up_and_a_bad_one_leaves_the_one_before() {
    let folder = Folder::new();
    let tls = Tls::open("public", &folder.files()).unwrap();
    let first = shown(&tls);
    tls.look(false);
    assert_eq!(shown(&tls), first);
    assert_eq!(tls.concern(Timestamp::from_seconds(1)), None);
    // The certificate has come and its key has not.
    let (cert, key) = pair();
    fs::write(folder.path("cert.pem"), &cert).unwrap();
    tls.look(false);
    assert_eq!(shown(&tls), first);
    assert!(tls.concern(Timestamp::from_seconds(1)).unwrap().contains("no pair that can be used"));
    folder.put(&cert, &key);
    tls.look(false);
    assert_ne!(shown(&tls), first);
    assert_eq!(tls.concern(Timestamp::from_seconds(1)), None);
    let second = shown(&tls);
    // Nothing has changed that a look could see, and somebody says that it has.
    fs::remove_file(folder.path("key.pem")).unwrap();
    tls.look(true);
    assert_eq!(shown(&tls), second);
    assert!(tls.concern(Timestamp::from_seconds(1)).is_some());
}

#[test]
fn a_certificate_that_ends_soon_is_told() {
    let folder = Folder::new();
    let tls = Tls::open("public", &folder.files()).unwrap();
    assert_eq!(tls.concern(END.minus(SOON * 2)), None);
    assert!(tls.concern(END.minus(Duration::from_hours(1))).unwrap().contains("ends within a week"));
    assert!(tls.concern(END).unwrap().contains("has ended"));
    assert_eq!(validity::not_after(b"\x30\x03\x02\x01\x00"), None);
}

#[test]
fn nothing_of_a_key_is_shown() {
    let folder = Folder::new();
    let tls = Tls::open("public", &folder.files()).unwrap();
    assert_eq!(format!("{tls:?}"), "Tls { section: \"public\", .. }");
}
