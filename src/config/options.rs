//! The table of options: each is declared once, with its default, its meaning
//! and its parser, so that the file, the environment and the reference agree.
//!
//! Pure.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::LONGEST_LIFETIME;
use super::complaint::Wrong;
use super::issuer::Issuer;
use super::network::Network;
use super::values::{self, NodeName, StoreUrl};
use crate::jose::Algorithm;
use crate::limits::Quota;

/// The TOML type of an option. Every option also has a text form, which the environment uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Boolean,
    /// A list of texts; separated by commas in the text form.
    List,
}

/// What holds when the option is not given; always with a text that shows how to write it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fallback {
    /// This value.
    Fixed(&'static str),
    /// A value that follows from other options; with their defaults, this one.
    Derived(&'static str),
    /// Nothing: the feature is off.
    Off(&'static str),
    /// The option must be given.
    Required(&'static str),
}

impl Fallback {
    const fn example(self) -> &'static str {
        match self {
            Self::Fixed(text) | Self::Derived(text) | Self::Off(text) | Self::Required(text) => text,
        }
    }
}

/// What is known of an option but its type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// `section.name`, or `name` at the top.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) fallback: Fallback,
    /// One sentence.
    pub(super) meaning: &'static str,
}

impl Row {
    /// The environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("MINTMARK_{}", self.path.replace('.', "__").to_ascii_uppercase())
    }

    /// The section, empty at the top, and the name in it.
    pub(super) fn section_and_name(&self) -> (&'static str, &'static str) {
        self.path.split_once('.').unwrap_or(("", self.path))
    }

    /// `name = value`, with its default or an example.
    pub(super) fn assignment(&self) -> String {
        self.assignment_of(self.fallback.example())
    }

    /// `name = value`, with the value whose text form this is.
    pub(super) fn assignment_of(&self, text: &str) -> String {
        let value = match self.kind {
            Kind::Text => format!("{text:?}"),
            Kind::Integer | Kind::Boolean => text.to_owned(),
            Kind::List => {
                let items: Vec<String> =
                    text.split(',').filter(|item| !item.is_empty()).map(|item| format!("{item:?}")).collect();
                format!("[{}]", items.join(", "))
            }
        };
        format!("{} = {value}", self.section_and_name().1)
    }
}

/// An option: its row and how its text form is read.
pub(super) struct Declared<T> {
    pub(super) row: Row,
    pub(super) parse: fn(&str) -> Result<T, Wrong>,
}

macro_rules! options {
    ($($name:ident: $type:ty = $path:literal, $kind:ident, $fallback:expr, $parse:expr, $meaning:literal;)*) => {
        $(pub(super) const $name: Declared<$type> = Declared {
            row: Row { path: $path, kind: Kind::$kind, fallback: $fallback, meaning: $meaning },
            parse: $parse,
        };)*
        /// Every option, in the order of the reference.
        pub(super) const ROWS: &[Row] = &[$($name.row),*];
    };
}

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

use Fallback::{Derived, Fixed, Off, Required};

options! {
    ISSUER: Issuer = "issuer", Text, Required("https://auth.example.com"), Issuer::parse,
        "The iss claim of every token, exactly as written here; it must be set to your own.";
    NODE: NodeName = "node", Text, Fixed("node-1"), NodeName::parse,
        "The name of this node in the log; each node has its own.";
    DATA_DIR: PathBuf = "data_dir", Text, Fixed("data"), values::path,
        "The folder for everything that Mintmark writes; it is made with mode 0700.";

    PUBLIC_LISTEN: SocketAddr = "public.listen", Text, Fixed("127.0.0.1:8080"), values::listen,
        "The address and port of the endpoints for clients and verifiers.";
    PUBLIC_TRUSTED_PROXIES: Vec<Network> = "public.trusted_proxies", List, Fixed(""), values::networks,
        "The networks whose word on a request's source address is believed.";
    PUBLIC_TLS_CERT_FILE: PathBuf = "public.tls_cert_file", Text, Off("tls/cert.pem"), values::path,
        "With both files this listener speaks TLS 1.2 and 1.3 only: the certificate and its chain in PEM, its own first; \
         a change of the files is taken up within seconds, or at SIGHUP.";
    PUBLIC_TLS_KEY_FILE: PathBuf = "public.tls_key_file", Text, Off("tls/key.pem"), values::path,
        "The private key of that certificate in PEM: PKCS #8, SEC 1 or PKCS #1, mode 0600.";

    ADMIN_SOCKET: PathBuf = "admin.socket", Text, Derived("data/admin.sock"), values::path,
        "The Unix socket of the admin API, in data_dir unless set; who can open it is the admin.";
    ADMIN_LISTEN: SocketAddr = "admin.listen", Text, Off("127.0.0.1:8081"), values::listen,
        "The address and port of the admin API over TCP, for clients with a token for <issuer>/admin; loopback unless it \
         speaks TLS.";
    ADMIN_TLS_CERT_FILE: PathBuf = "admin.tls_cert_file", Text, Off("tls/admin-cert.pem"), values::path,
        "The same as public.tls_cert_file for admin.listen.";
    ADMIN_TLS_KEY_FILE: PathBuf = "admin.tls_key_file", Text, Off("tls/admin-key.pem"), values::path,
        "The same as public.tls_key_file for admin.listen.";

    STORE_URL: StoreUrl = "store.url", Text, Derived("sqlite:data/mintmark.db"), values::store_url,
        "The database, in data_dir unless set.";

    KEYS_KEK_FILE: PathBuf = "keys.kek_file", Text, Fixed("keys/kek"), values::path,
        "The file of the key that seals all private keys: 32 random bytes in base64, mode 0600.";
    KEYS_ALGORITHMS: Vec<Algorithm> = "keys.algorithms", List, Fixed("ES256"), values::algorithms,
        "The signature algorithms that have keys: ES256, EdDSA, and in a build with the feature rsa also RS256, PS256.";
    KEYS_ACTIVE_FOR: Duration = "keys.active_for", Text, Fixed("14d"),
        |text| values::span(text, SECOND, DAY * 400),
        "How long a key signs before the next one takes over.";
    KEYS_PUBLISH_AHEAD: Duration = "keys.publish_ahead", Text, Fixed("24h"),
        |text| values::span(text, SECOND, DAY * 400),
        "How long a key is in the JWKS before it may sign.";
    KEYS_JWKS_MAX_AGE: Duration = "keys.jwks_max_age", Text, Fixed("5m"),
        |text| values::whole_seconds(text, SECOND, DAY),
        "How long verifiers may keep the JWKS.";
    KEYS_PROPAGATION: Duration = "keys.propagation", Text, Fixed("30s"),
        |text| values::span(text, MS * 100, MINUTE * 5),
        "How long it takes at most until every node serves a change.";
    KEYS_CLOCK_SKEW: Duration = "keys.clock_skew", Text, Fixed("30s"),
        |text| values::span(text, MS * 100, MINUTE * 5),
        "How far a clock may be wrong, ours or a verifier's.";
    KEYS_LEEWAY: Duration = "keys.leeway", Text, Fixed("60s"),
        |text| values::span(text, Duration::ZERO, MINUTE * 10),
        "How long after its expiry verifiers still accept a token.";
    KEYS_RETAIN_FOR: Duration = "keys.retain_for", Text, Derived("3750s"),
        |text| values::span(text, SECOND, DAY * 400),
        "How long a key stays in the JWKS after its successor took over; unless set, the least that is safe: \
         tokens.max_lifetime + max(propagation, clock_skew) + 2 clock_skew + leeway.";

    TOKENS_LIFETIME: Duration = "tokens.lifetime", Text, Fixed("10m"),
        |text| values::whole_seconds(text, SECOND, DAY),
        "The lifetime of a token when neither resource, scope nor client sets one.";
    TOKENS_MAX_LIFETIME: Duration = "tokens.max_lifetime", Text, Fixed("1h"),
        |text| values::whole_seconds(text, SECOND, LONGEST_LIFETIME),
        "The longest lifetime that anything may set.";

    AUDIT_ORIGIN: String = "audit.origin", Text, Derived("auth.example.com/log"), values::origin,
        "The name of the log, fixed at the first start; the issuer's host and /log unless set.";
    AUDIT_PUBLIC: bool = "audit.public", Boolean, Fixed("true"), values::truth,
        "Whether the log is served to everyone; if not, on the admin listener only.";
    AUDIT_CHECKPOINT: Duration = "audit.checkpoint", Text, Fixed("1s"),
        |text| values::span(text, MS * 100, MINUTE),
        "How long after a new entry its checkpoint is signed at the latest.";
    AUDIT_DEADLINE: Duration = "audit.deadline", Text, Fixed("2s"),
        |text| values::span(text, MS * 100, SECOND * 4),
        "How long a request waits for its record to be durable before it is refused.";
    AUDIT_BODY_RETENTION: Duration = "audit.body_retention", Text, Fixed("395d"),
        |text| values::span(text, SECOND, DAY * 3650),
        "How long the readable part of an entry is kept at least, then dropped by whole months; its proof stays forever.";

    LIMITS_ATTEMPTS: Quota = "limits.attempts", Text, Fixed("10/1m"), values::rate,
        "How many failed authentications a client may have from one source, an IPv4 address or an IPv6 /64; then 429.";
    LIMITS_SOURCE_ATTEMPTS: Quota = "limits.source_attempts", Text, Fixed("100/1m"), values::rate,
        "How many failed authentications a source may have with unknown ids, and with those that failed from there.";
    LIMITS_NODES: NonZeroU32 = "limits.nodes", Integer, Fixed("1"), |text| values::count(text, 1024),
        "How many nodes share the limits, those of scopes too; each enforces its part.";
}

const PREAMBLE: &str = "\
# Every option of Mintmark, its default and its meaning.
# Options in comments are off, or follow from others; what is shown is an example, or what the defaults give.
# A span of time is a whole number and a unit: ms, s, m, h, d. Relative paths start at this file's folder.
# Each option can be set by environment too, which goes before the file: MINTMARK_<SECTION>__<NAME>,
# such as MINTMARK_KEYS__ACTIVE_FOR=14d or MINTMARK_ISSUER=https://auth.example.com; lists with commas.
# `mintmark check` says what is wrong with a file.
";

/// A complete `mintmark.toml`: every option, its default and its meaning. It loads as it is.
pub fn reference() -> String {
    let mut text = PREAMBLE.to_owned();
    let mut current = "";
    for row in ROWS {
        let (section, _) = row.section_and_name();
        text.push('\n');
        if section != current {
            current = section;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "[{section}]");
        }
        let mark = match row.fallback {
            Fixed(_) | Required(_) => "",
            Derived(_) | Off(_) => "# ",
        };
        let _ = writeln!(text, "# {}\n{mark}{}", row.meaning, row.assignment());
    }
    text
}
