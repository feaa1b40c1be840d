//! Why the service does not start.

use std::path::PathBuf;

use crate::audit::open::CannotOpen;
use crate::audit::open::reopen::CannotReopen;
use crate::audit::publisher::PublishFault;
use crate::audit::recorder::RecordFault;
use crate::issue::ClockInsane;
use crate::jose::provider;
use crate::keys::rotator::RotationFault;
use crate::policy::Shadowed;
use crate::store::StoreFault;
use crate::store::sqlite::OpenFault;

/// Why the service does not start. One line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    /// The wall clock cannot be right.
    #[error("{0}; set the clock of this machine, then start again")]
    Clock(#[from] ClockInsane),
    /// Another process holds the data directory.
    #[error("{} is in use by another mintmark; stop that one first", .0.display())]
    InUse(PathBuf),
    /// The data directory cannot be used.
    #[error("data_dir: {} cannot be used: {cause}", path.display())]
    DataDir {
        /// Which folder.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// There is no database.
    #[error("store.url: there is no database at {}; make it with `mintmark init`", .0.display())]
    NoStore(PathBuf),
    /// The store belongs to another command.
    #[error("store.url: this store was made by `mintmark {0}`; use another data_dir for this command")]
    OtherPurpose(String),
    /// The store is a copy.
    #[error(
        "store.url: this store is a backup made at {0}; the log may have gone on since: bring the newer store back, or go on under a new name with `mintmark audit reopen`"
    )]
    Backup(String),
    /// The store cannot be opened.
    #[error("store.url: {0}")]
    Open(#[from] OpenFault),
    /// The store cannot be read.
    #[error("store.url: {0}")]
    Store(#[from] StoreFault),
    /// The log cannot be opened.
    #[error("{0}")]
    Log(#[from] CannotOpen),
    /// The log cannot be closed and opened under another name.
    #[error("{0}")]
    Reopen(#[from] CannotReopen),
    /// The log's first records of this run could not be written.
    #[error("audit: {0}")]
    Record(#[from] RecordFault),
    /// The first checkpoint could not be published.
    #[error("audit: {0}")]
    Publish(#[from] PublishFault),
    /// The keys cannot be opened or made.
    #[error("keys: {0}")]
    Keys(#[from] RotationFault),
    /// A resource wants an algorithm that is no longer configured.
    #[error("keys.algorithms: the resource {resource} needs {algorithm}; add it")]
    MissingAlgorithm {
        /// Which resource.
        resource: String,
        /// What it is signed with.
        algorithm: &'static str,
    },
    /// The store has objects of names that are the issuer's own.
    #[error(
        "admin.listen: {0}; leave the option out, give them other names by the socket, then set it again"
    )]
    Shadowed(Shadowed),
    /// The configuration names something impossible.
    #[error("{0}")]
    Setting(String),
    /// The signature library does not work.
    #[error("the signature self-test failed: {0}")]
    SelfTest(#[from] provider::SelfTestFailed),
    /// The signature library cannot be installed.
    #[error("{0}")]
    Provider(#[from] provider::InstallFailed),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] crate::ambient::EntropyFailed),
    /// A listener cannot be opened.
    #[error("{option}: cannot listen on {address}: {cause}")]
    Listen {
        /// Which option.
        option: &'static str,
        /// Where.
        address: String,
        /// Why not.
        cause: std::io::Error,
    },
}

impl CannotStart {
    /// Whether something else than another configuration would help: to wait, to stop something, to set the clock.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Clock(_) | Self::InUse(_) | Self::Listen { .. })
    }
}
