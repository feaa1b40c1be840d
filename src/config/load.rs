//! From text forms to [`Settings`]: every option is read before any complaint ends the reading.
//!
//! Pure. Defaults that follow from other options are computed here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::complaint::Wrong;
use super::complaint::{Complaint, shown};
use super::issuer::Issuer;
use super::options::{self, Declared, Fallback};
use super::values::StoreUrl;
use super::{Admin, Audit, Given, KeySettings, Limits, Place, Public, Settings, TlsFiles, Tokens};
use super::{bounds, environment, file};
use crate::time::span_text;

/// See [`Settings::load`].
pub(super) fn load(
    file: Option<(&Path, &str)>,
    environment: &[(String, String)],
) -> Result<Settings, Vec<Complaint>> {
    let mut complaints = Vec::new();
    let mut given = BTreeMap::new();
    if let Some((path, text)) = file {
        match file::read(path, text, &mut complaints) {
            Some(options) => given = options,
            None => return Err(complaints),
        }
    }
    given.extend(environment::read(environment));
    let folder = file.and_then(|(path, _)| path.parent()).unwrap_or(Path::new(""));
    let mut reader = Reader { given, folder, complaints };
    match settings(&mut reader) {
        Some(settings) if reader.complaints.is_empty() => Ok(settings),
        _ => Err(reader.complaints),
    }
}

/// Takes one option after the other and remembers every complaint.
struct Reader<'a> {
    given: BTreeMap<&'static str, Given>,
    folder: &'a Path,
    complaints: Vec<Complaint>,
}

impl Reader<'_> {
    /// The value given, if any; the error is on record already.
    fn given<T>(&mut self, option: &Declared<T>) -> Result<Option<T>, Refused> {
        let Some(Given { text, place }) = self.given.get(option.row.path) else { return Ok(None) };
        let place = match place {
            Place::Line(line) => format!("line {line}"),
            Place::Variable(name) => name.clone(),
            Place::Refused => return Err(Refused),
        };
        let parsed = if text.trim().is_empty() && option.row.kind != options::Kind::List {
            Err(Wrong::new("is blank", format!("write it like {}, or leave it out", option.row.assignment())))
        } else {
            (option.parse)(text)
        };
        parsed.map(Some).map_err(|Wrong { problem, fix }| {
            self.complaints.push(Complaint::new(option.row.path, format!("{problem} ({place})"), fix));
            Refused
        })
    }

    /// The value given or the fixed default; `None` after a complaint.
    fn read<T>(&mut self, option: &Declared<T>) -> Option<T> {
        if let Some(value) = self.given(option).ok()? {
            return Some(value);
        }
        match option.row.fallback {
            Fallback::Fixed(text) => (option.parse)(text).ok(),
            Fallback::Required(_) | Fallback::Derived(_) | Fallback::Off(_) => {
                self.complaints.push(Complaint::new(
                    option.row.path,
                    "is not set and has no default",
                    format!(
                        "write {} with your own value, or set {}",
                        option.row.assignment(),
                        option.row.variable()
                    ),
                ));
                None
            }
        }
    }

    /// A path given, from the configuration file's folder.
    fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

/// A complaint about this option is on record.
struct Refused;

/// Reads all options before it gives up on any, so that all complaints are heard.
fn settings(reader: &mut Reader<'_>) -> Option<Settings> {
    let issuer = reader.read(&options::ISSUER);
    let node = reader.read(&options::NODE);
    let data_dir = reader.read(&options::DATA_DIR).map(|path| reader.path(&path));
    let public = public(reader);
    let admin = admin(reader, data_dir.as_deref(), public.as_ref());
    let store = store(reader, data_dir.as_deref());
    let partial = keys(reader);
    let retain_for = reader.given(&options::KEYS_RETAIN_FOR);
    let tokens = tokens(reader);
    let keys = bounded(reader, partial, retain_for, tokens);
    let audit = audit(reader, issuer.as_ref());
    let limits = limits(reader);
    Some(Settings {
        issuer: issuer?,
        node: node?,
        data_dir: data_dir?,
        public: public?,
        admin: admin?,
        store: store?,
        keys: keys?,
        tokens: tokens?,
        audit: audit?,
        limits: limits?,
    })
}

fn public(reader: &mut Reader<'_>) -> Option<Public> {
    let listen = reader.read(&options::PUBLIC_LISTEN);
    let trusted_proxies = reader.read(&options::PUBLIC_TRUSTED_PROXIES);
    let tls = tls(reader, &options::PUBLIC_TLS_CERT_FILE, &options::PUBLIC_TLS_KEY_FILE);
    Some(Public { listen: listen?, trusted_proxies: trusted_proxies?, tls: tls.ok()? })
}

/// Both files or none; the error is on record already.
fn tls(
    reader: &mut Reader<'_>,
    cert: &Declared<PathBuf>,
    key: &Declared<PathBuf>,
) -> Result<Option<TlsFiles>, Refused> {
    let found = (reader.given(cert), reader.given(key));
    let (missing, given) = match (found.0?, found.1?) {
        (None, None) => return Ok(None),
        (Some(cert), Some(key)) => {
            return Ok(Some(TlsFiles { cert: reader.path(&cert), key: reader.path(&key) }));
        }
        (Some(_), None) => (key.row.path, cert.row.path),
        (None, Some(_)) => (cert.row.path, key.row.path),
    };
    reader.complaints.push(Complaint::new(
        missing,
        format!("is not set, but {given} is"),
        "set both for TLS, or none for plain HTTP",
    ));
    Err(Refused)
}

fn admin(reader: &mut Reader<'_>, data_dir: Option<&Path>, public: Option<&Public>) -> Option<Admin> {
    let socket = reader.given(&options::ADMIN_SOCKET);
    let listen = reader.given(&options::ADMIN_LISTEN);
    let socket = match socket.ok()? {
        Some(path) => reader.path(&path),
        None => data_dir?.join("admin.sock"),
    };
    // `sun_path` of unix(7) has room for 107 bytes and a NUL.
    if socket.as_os_str().len() > 107 {
        reader.complaints.push(Complaint::new(
            options::ADMIN_SOCKET.row.path,
            format!("{} is longer than the 107 bytes that a Unix socket can have", shown(&socket)),
            "write a shorter path, such as \"/run/mintmark/admin.sock\"",
        ));
    }
    let tls = tls(reader, &options::ADMIN_TLS_CERT_FILE, &options::ADMIN_TLS_KEY_FILE);
    let (listen, tls) = (listen.ok()?, tls.ok()?);
    if tls.is_some() && listen.is_none() {
        reader.complaints.push(Complaint::new(
            options::ADMIN_TLS_CERT_FILE.row.path,
            "is set, but admin.listen is not",
            "set admin.listen, or leave both files out",
        ));
    }
    if listen.is_some_and(|listen| listen.port() != 0 && Some(listen) == public.map(|public| public.listen)) {
        reader.complaints.push(Complaint::new(
            options::ADMIN_LISTEN.row.path,
            "is the same as public.listen",
            "write another port",
        ));
    }
    if let Some(address) = listen.filter(|address| tls.is_none() && !address.ip().is_loopback()) {
        reader.complaints.push(Complaint::new(
            options::ADMIN_LISTEN.row.path,
            format!("{address} is not a loopback address, and plain HTTP would show tokens to the network"),
            "set admin.tls_cert_file and admin.tls_key_file, or write an address of 127.0.0.0/8 or [::1]",
        ));
    }
    Some(Admin { socket, listen, tls })
}

fn store(reader: &mut Reader<'_>, data_dir: Option<&Path>) -> Option<StoreUrl> {
    match reader.given(&options::STORE_URL).ok()? {
        Some(StoreUrl::Sqlite(file)) => Some(StoreUrl::Sqlite(reader.path(&file))),
        None => Some(StoreUrl::Sqlite(data_dir?.join("mintmark.db"))),
    }
}

/// The key settings but for `retain_for`, which is zero here: its default needs them all.
fn keys(reader: &mut Reader<'_>) -> Option<KeySettings> {
    let kek_file = reader.read(&options::KEYS_KEK_FILE).map(|path| reader.path(&path));
    let algorithms = reader.read(&options::KEYS_ALGORITHMS);
    let active_for = reader.read(&options::KEYS_ACTIVE_FOR);
    let publish_ahead = reader.read(&options::KEYS_PUBLISH_AHEAD);
    let jwks_max_age = reader.read(&options::KEYS_JWKS_MAX_AGE);
    let propagation = reader.read(&options::KEYS_PROPAGATION);
    let clock_skew = reader.read(&options::KEYS_CLOCK_SKEW);
    let leeway = reader.read(&options::KEYS_LEEWAY);
    Some(KeySettings {
        kek_file: kek_file?,
        algorithms: algorithms?,
        active_for: active_for?,
        publish_ahead: publish_ahead?,
        jwks_max_age: jwks_max_age?,
        propagation: propagation?,
        clock_skew: clock_skew?,
        leeway: leeway?,
        retain_for: Duration::ZERO,
    })
}

/// The key settings with their retention, if everything they depend on is known.
fn bounded(
    reader: &mut Reader<'_>,
    keys: Option<KeySettings>,
    retain_for: Result<Option<Duration>, Refused>,
    tokens: Option<Tokens>,
) -> Option<KeySettings> {
    let (mut keys, tokens) = (keys?, tokens?);
    let least = keys.quantities(tokens.max_lifetime).least_retain_for();
    keys.retain_for = retain_for.ok()?.unwrap_or(least);
    reader.complaints.extend(bounds::complaints(&keys.quantities(tokens.max_lifetime)));
    Some(keys)
}

fn tokens(reader: &mut Reader<'_>) -> Option<Tokens> {
    let lifetime = reader.read(&options::TOKENS_LIFETIME);
    let max_lifetime = reader.read(&options::TOKENS_MAX_LIFETIME);
    let tokens = Tokens { lifetime: lifetime?, max_lifetime: max_lifetime? };
    if tokens.lifetime > tokens.max_lifetime {
        let most = span_text(tokens.max_lifetime);
        reader.complaints.push(Complaint::new(
            options::TOKENS_LIFETIME.row.path,
            format!("\"{}\" is more than tokens.max_lifetime", span_text(tokens.lifetime)),
            format!("write at most \"{most}\""),
        ));
    }
    Some(tokens)
}

fn audit(reader: &mut Reader<'_>, issuer: Option<&Issuer>) -> Option<Audit> {
    let origin = reader.given(&options::AUDIT_ORIGIN);
    let public = reader.read(&options::AUDIT_PUBLIC);
    let checkpoint = reader.read(&options::AUDIT_CHECKPOINT);
    let deadline = reader.read(&options::AUDIT_DEADLINE);
    let body_retention = reader.read(&options::AUDIT_BODY_RETENTION);
    let origin = match origin.ok()? {
        Some(origin) => origin,
        None => format!("{}/log", issuer?.authority()),
    };
    Some(Audit {
        origin,
        public: public?,
        checkpoint: checkpoint?,
        deadline: deadline?,
        body_retention: body_retention?,
    })
}

fn limits(reader: &mut Reader<'_>) -> Option<Limits> {
    let attempts = reader.read(&options::LIMITS_ATTEMPTS);
    let source_attempts = reader.read(&options::LIMITS_SOURCE_ATTEMPTS);
    let nodes = reader.read(&options::LIMITS_NODES);
    Some(Limits { attempts: attempts?, source_attempts: source_attempts?, nodes: nodes? })
}
