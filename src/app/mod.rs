//! Builds everything from [`Settings`], starts the loops, drains. The only place that names a driver.

mod assemble;
mod backup;
mod cannot_start;
mod certificates;
mod data_dir;
mod database;
mod loops;
mod process;
mod reopen;
mod serve;
mod settings_record;
mod supervise;

use std::sync::Arc;

use tokio::task::JoinHandle;

pub use backup::{Backup, CannotBackUp, back_up_store};
pub use cannot_start::CannotStart;
pub use certificates::{Certificates, certificates};
pub use data_dir::make_store;
pub use database::{Database, look_at_store, migrate_store};
pub use process::{harden, raise_open_files};
pub use reopen::{Reopen, reopen_log};
pub use serve::{Listeners, Manager, News, Order, Ports, serve};

use crate::admin::Admin;
use crate::ambient::{Clock, Entropy};
use crate::audit::denials::Denials;
use crate::audit::event::EventType;
use crate::audit::leaf::Record;
use crate::audit::publisher::Publisher;
use crate::audit::recorder::Recorder;
use crate::audit::retention::Retention;
use crate::clients::forgetting::Forgetting;
use crate::config::{Kek, Settings};
use crate::http::traffic::Counted;
use crate::http::{Rooms, Router};
use crate::introspect::{Introspector, Revocations};
use crate::issue::{SettledClock, WallClock};
use crate::keys::rotator::Rotator;
use crate::keys::signer::Signer;
use crate::limits::{Attempts, Limiter, Turns};
use crate::store::Store;
use crate::telemetry::Health;

/// Which command a store belongs to. A store for trying things out never becomes a real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `mintmark init` made it, `mintmark serve` runs it.
    Service,
    /// `mintmark dev` made it and runs it.
    Dev,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "init",
            Self::Dev => "dev",
        }
    }
}

/// Where time and randomness come from, and what this program calls itself.
#[derive(Clone)]
pub struct Ambient {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Which build this is, as records say it: [`crate::VERSION`], but for stories that outlive a version.
    pub build: &'static str,
}

/// The whole service, built and opened, its loops not yet running.
pub struct App {
    /// What the public listener serves.
    pub public: Router,
    /// What the admin listener on the Unix socket serves.
    pub admin_side: Router,
    /// What the admin listener over TCP serves, where there is one.
    pub admin_over_tcp: Router,
    /// What passes through each listener.
    pub counted: Counted,
    /// The acts of administration.
    pub admin: Arc<Admin>,
    /// Holds the keys that sign.
    pub signer: Arc<Signer>,
    /// Rotates keys.
    pub rotator: Arc<Rotator>,
    /// Publishes checkpoints.
    pub publisher: Arc<Publisher>,
    /// Notes refusals.
    pub denials: Arc<Denials>,
    /// Says how many tokens may be under way at once.
    pub turns: Turns,
    /// Has room for what is less important than tokens.
    pub rooms: Arc<Rooms>,
    /// Holds clients to their limits.
    pub limiter: Arc<Limiter>,
    /// Counts who fails to authenticate.
    pub attempts: Arc<Attempts>,
    /// Tells good tokens from others.
    pub introspector: Arc<Introspector>,
    /// The revocations in force.
    pub revocations: Arc<Revocations>,
    /// Writes the log.
    pub recorder: Recorder,
    /// Durable memory.
    pub store: Arc<dyn Store>,
    /// What readiness reports.
    pub health: Arc<Health>,
    /// Lets old bodies go, never before a receipt may be asked for the last time: a day beyond `exp`.
    pub retention: Arc<Retention>,
    /// Forgets assertions that nobody can use again.
    pub forgetting: Arc<Forgetting>,
    /// The time by which something is taken away for good.
    pub settled: Arc<SettledClock>,
    ambient: Ambient,
    writer: JoinHandle<()>,
    _lock: data_dir::DataLock,
}

impl App {
    /// Refuses a start by a clock that cannot be right, before anything is written.
    pub fn check_clock(ambient: &Ambient) -> Result<(), CannotStart> {
        WallClock::start(ambient.clock.clone())?;
        Ok(())
    }

    /// Opens the service: verifies what it finds, records its start, brings
    /// keys and the first checkpoint into being. Nothing listens yet. A refusal of
    /// the store or its log leaves everything as it was; one that comes later, of
    /// the keys, leaves the record of this start.
    pub async fn open(
        settings: &Settings,
        kek: &Kek,
        ambient: Ambient,
        purpose: Purpose,
    ) -> Result<Self, CannotStart> {
        assemble::open(settings, kek, ambient, purpose).await
    }

    /// Ends in order: the last refusals, `node.stopped`, a last checkpoint, then the store.
    pub async fn close(self) {
        self.denials.tick();
        if let Err(fault) = self.admin.note_uses(None).await {
            tracing::warn!(%fault, "the last uses of secrets were not written down");
        }
        let stopped = Record::new(EventType::NodeStopped);
        if let Err(fault) = self.recorder.act(vec![stopped], Vec::new()).await {
            tracing::error!(%fault, "the end of this run was not recorded");
        }
        if let Err(fault) = self.publisher.tick().await {
            tracing::error!(%fault, "the last checkpoint was not published; the next start does it");
        }
        self.recorder.finish();
        let _ = self.writer.await;
        self.store.close().await;
    }
}
