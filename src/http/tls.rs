//! TLS of a listener: its certificate and key from two files, as long as they are good, and anew when they change.
//!
//! TLS 1.2 (RFC 5246, by the suites of RFC 9325 that rustls has) and 1.3 (RFC 8446), ALPN `h2` and
//! `http/1.1` (RFC 7301), no client certificates, no early data. No session outlives its connection: there are no
//! tickets and no session cache, so that nothing has to be kept secret for later and every new connection shows
//! the certificate in force. A pair that cannot be used never takes the place of one that can. Nothing here
//! prints a key or its file's content.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error, ServerConfig};

use crate::config::{Complaint, TlsFiles, read_secret_file};
use crate::time::Timestamp;

mod validity;

/// No chain is longer.
const MOST_OF_CHAIN: u64 = 256 * 1024;
/// No key is longer: RSA with 16384 bits has 13 KiB.
const MOST_OF_KEY: usize = 32 * 1024;
/// The protocols within TLS, in the order of our preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The identity of one listener.
pub struct Tls {
    section: &'static str,
    files: TlsFiles,
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
    looked: Mutex<Looked>,
}

/// What is known of the files.
struct Looked {
    at: Marks,
    bad: bool,
}

/// What tells one content of a file from the next: device, inode, length, time of change.
type Mark = Option<(u64, u64, u64, i64, i64)>;
type Marks = (Mark, Mark);

/// A pair that is good, and until when.
struct Identity {
    pair: Arc<CertifiedKey>,
    not_after: Option<Timestamp>,
}

/// The pair that new connections see.
struct Shown(ArcSwap<Identity>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().pair.clone())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("section", &self.section).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files of the listener of `section` (`public` or `admin`). The complaint names the option that is to be mended.
    pub fn open(section: &'static str, files: &TlsFiles) -> Result<Arc<Self>, Complaint> {
        // Before the files are read: a change in between is seen at the first look.
        let at = marks(files);
        let identity = read(section, files)?;
        let shown = Arc::new(Shown(ArcSwap::from_pointee(identity)));
        let config = config(shown.clone()).map_err(|error| {
            Complaint::new(
                option(section, CERT),
                format!("TLS cannot be used: {error}"),
                "report it as a fault of this program",
            )
        })?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let looked = Mutex::new(Looked { at, bad: false });
        Ok(Arc::new(Self { section, files: files.clone(), acceptor, shown, looked }))
    }

    /// Whose handshakes show the pair in force.
    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Takes up the files if they have changed since the last look, or if `anyway`. A pair that cannot be used leaves
    /// the one in force and is told to the log once for each change.
    pub fn look(&self, anyway: bool) {
        let mut looked = self.looked();
        let now = marks(&self.files);
        if now == looked.at && !anyway {
            return;
        }
        looked.at = now;
        let section = self.section;
        match read(section, &self.files) {
            Ok(identity) => {
                if self.shown.0.load().pair.cert != identity.pair.cert || looked.bad {
                    tracing::info!(section, "new connections get the certificate that is in its file now");
                }
                self.shown.0.store(Arc::new(identity));
                looked.bad = false;
            }
            Err(complaint) => {
                tracing::error!(section, %complaint, "the certificate is not taken up; the one before stays in force");
                looked.bad = true;
            }
        }
    }

    /// What there is to complain about, without paths and causes: files that cannot be used, a certificate that ends soon.
    pub fn concern(&self, now: Timestamp) -> Option<String> {
        let section = self.section;
        if self.looked().bad {
            return Some(format!(
                "{section}.tls_cert_file and {section}.tls_key_file are no pair that can be used, the one before stays \
                 in force; `mintmark check` tells why"
            ));
        }
        let not_after = self.shown.0.load().not_after?;
        let told = if not_after <= now {
            "has ended"
        } else if not_after <= now.plus(SOON) {
            "ends within a week"
        } else {
            return None;
        };
        Some(format!(
            "the certificate of {section}.tls_cert_file {told}; put a new one and its key into the files"
        ))
    }

    fn looked(&self) -> MutexGuard<'_, Looked> {
        // It is whole at every moment, whoever panicked.
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A certificate that ends so soon is told.
const SOON: std::time::Duration = std::time::Duration::from_hours(7 * 24);
const CERT: &str = "tls_cert_file";
const KEY: &str = "tls_key_file";

fn option(section: &str, name: &str) -> String {
    format!("{section}.{name}")
}

fn config(shown: Arc<Shown>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn marks(files: &TlsFiles) -> Marks {
    let mark = |path: &Path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    };
    (mark(&files.cert), mark(&files.key))
}

/// Both files, which must belong together.
fn read(section: &str, files: &TlsFiles) -> Result<Identity, Complaint> {
    let chain = read_chain(&files.cert).map_err(|(problem, fix)| {
        Complaint::new(option(section, CERT), format!("{} {problem}", files.cert.display()), fix)
    })?;
    let of_key = |problem: String, fix: String| Complaint::new(option(section, KEY), problem, fix);
    let text =
        read_secret_file(&files.key, MOST_OF_KEY).map_err(|error| of_key(error.problem(), error.fix()))?;
    let name = files.key.display();
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        of_key(
            format!("{name} has no private key in PEM"),
            "write an unencrypted key there: PKCS #8, SEC 1 or PKCS #1".to_owned(),
        )
    })?;
    let not_after = chain.first().and_then(|leaf| validity::not_after(leaf));
    let pair = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
        Error::InconsistentKeys(_) => of_key(
            format!("{name} is not the key of the first certificate in {}", files.cert.display()),
            "put the certificate of the listener first, and its own key into the key file".to_owned(),
        ),
        Error::InvalidCertificate(_) => Complaint::new(
            option(section, CERT),
            format!("the first certificate in {} cannot be read", files.cert.display()),
            "put an X.509 v3 certificate first",
        ),
        _ => of_key(
            format!("{name} has a key that cannot be used"),
            "make a key for P-256, P-384 or Ed25519, or RSA with 2048 bits or more".to_owned(),
        ),
    })?;
    Ok(Identity { pair: Arc::new(pair), not_after })
}

type Told = (String, &'static str);

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Told> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ("does not exist".to_owned(), "name the file that holds the certificate"),
        _ => (format!("cannot be used: {error}"), "let the user of this process read it"),
    };
    // A FIFO would be waited for.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(("is not a regular file".to_owned(), "name the file that holds the certificate"));
    }
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(MOST_OF_CHAIN + 1).read_to_end(&mut text)).map_err(failed)?;
    if text.len() as u64 > MOST_OF_CHAIN {
        return Err((
            format!("has more than {MOST_OF_CHAIN} bytes"),
            "name the file that holds the certificate",
        ));
    }
    let fix = "write the certificate there in PEM, and below it those that lead to a root";
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(("has no certificate".to_owned(), fix)),
        Err(_) => Err(("is not PEM".to_owned(), fix)),
    }
}

#[cfg(test)]
pub(in crate::http) mod tests;
