//! Configuration: TOML and environment → [`Settings`], or every complaint at once.
//!
//! Pure over its inputs but for `kek` and `secret_file`, which read and make
//! the KEK file and read others like it. It never starts with a value that it
//! does not understand, and has no default for a secret.

pub mod bounds;
mod complaint;
mod environment;
mod excerpt;
mod file;
mod issuer;
pub mod kek;
mod load;
mod network;
mod options;
pub mod secret_file;
mod told;
mod values;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use complaint::{Complaint, Wrong};
pub use issuer::Issuer;
pub use kek::{Kek, KekError, create_kek, read_kek};
pub use network::Network;
pub use options::reference;
pub use secret_file::{SecretFileError, read_secret_file};
pub use values::{NodeName, StoreUrl};

use crate::jose::Algorithm;
use crate::keys::schedule::Quantities;
use crate::limits::Quota;

/// No configuration lets a token live longer: the most that `tokens.max_lifetime` can be.
pub const LONGEST_LIFETIME: Duration = Duration::from_hours(24);

/// Everything that can be configured, checked. Paths are relative to the working directory or absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The `iss` claim.
    pub issuer: Issuer,
    /// This node's name in the log.
    pub node: NodeName,
    /// The folder of everything that is written.
    pub data_dir: PathBuf,
    /// The listener for clients and verifiers.
    pub public: Public,
    /// The listeners for admins.
    pub admin: Admin,
    /// The database.
    pub store: StoreUrl,
    /// Life of the signing keys.
    pub keys: KeySettings,
    /// Life of the tokens.
    pub tokens: Tokens,
    /// The issuance log.
    pub audit: Audit,
    /// Guessing and sharing.
    pub limits: Limits,
}

/// Section `[public]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whose word on a source address is believed.
    pub trusted_proxies: Vec<Network>,
    /// With what it speaks TLS, if it does.
    pub tls: Option<TlsFiles>,
}

/// Section `[admin]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The Unix socket.
    pub socket: PathBuf,
    /// The TCP listener, if any.
    pub listen: Option<SocketAddr>,
    /// With what that one speaks TLS, if it does.
    pub tls: Option<TlsFiles>,
}

/// Where the identity of a listener lies, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead to a root, its own first.
    pub cert: PathBuf,
    /// The private key; the rules of [`read_secret_file`] hold.
    pub key: PathBuf,
}

/// Section `[keys]`; the bounds of [`bounds`] hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySettings {
    /// The file of the key that seals private keys.
    pub kek_file: PathBuf,
    /// Which algorithms have keys: at least one, none twice.
    pub algorithms: Vec<Algorithm>,
    /// L: how long a key signs.
    pub active_for: Duration,
    /// A: how long a key is public before it signs.
    pub publish_ahead: Duration,
    /// C: how long a verifier keeps the JWKS; whole seconds.
    pub jwks_max_age: Duration,
    /// P: until every node serves a change.
    pub propagation: Duration,
    /// S: the largest clock error.
    pub clock_skew: Duration,
    /// What verifiers allow after a token's expiry.
    pub leeway: Duration,
    /// R: how long a key stays public after its successor became active.
    pub retain_for: Duration,
}

impl KeySettings {
    /// The same as the key schedule's quantities.
    pub fn quantities(&self, max_lifetime: Duration) -> Quantities {
        Quantities {
            active_for: self.active_for,
            publish_ahead: self.publish_ahead,
            jwks_max_age: self.jwks_max_age,
            propagation: self.propagation,
            clock_skew: self.clock_skew,
            leeway: self.leeway,
            retain_for: self.retain_for,
            max_lifetime,
        }
    }
}

/// Section `[tokens]`; whole seconds, `lifetime <= max_lifetime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// When nothing else sets one.
    pub lifetime: Duration,
    /// T: the cap on all of them.
    pub max_lifetime: Duration,
}

/// Section `[audit]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The log's name: a key name of a signed note.
    pub origin: String,
    /// Whether everyone may read the log.
    pub public: bool,
    /// How long a checkpoint may lag behind the tree.
    pub checkpoint: Duration,
    /// How long to wait for a durable record.
    pub deadline: Duration,
    /// How long bodies are kept.
    pub body_retention: Duration,
}

/// Section `[limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Failures per client and source.
    pub attempts: Quota,
    /// Failures per source with unknown ids, and with those that failed from there.
    pub source_attempts: Quota,
    /// How many nodes share the limits, these two among them.
    pub nodes: NonZeroU32,
}

/// Where a value was given.
#[derive(Clone, Debug)]
enum Place {
    /// On this line of the file.
    Line(usize),
    /// In this variable.
    Variable(String),
    /// In the file, and refused already.
    Refused,
}

/// An option's text form, as given.
#[derive(Clone, Debug)]
struct Given {
    text: String,
    place: Place,
}

impl Settings {
    /// Reads the text of the configuration file at the given path, if there is one, and the environment,
    /// which goes before it. Relative paths become relative to the file's folder, or stay as they are
    /// without a file. The error is every complaint: first what is no option or has the wrong TOML type,
    /// by name, then the values, about in the order of the reference. Text that is not TOML hides the rest.
    pub fn load(
        file: Option<(&Path, &str)>,
        environment: &[(String, String)],
    ) -> Result<Self, Vec<Complaint>> {
        load::load(file, environment)
    }
}

#[cfg(test)]
mod tests;
