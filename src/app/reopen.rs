//! `mintmark audit reopen`: works on the store itself, since no server may run on it.

use super::{Ambient, CannotStart, data_dir};
use crate::audit::checkpoint::Origin;
use crate::audit::open::reopen::{Decision, Reopened, Reopener};
use crate::config::{Kek, Settings};
use crate::issue::WallClock;
use crate::jose::provider;
use crate::keys::seal::Sealer;

/// What the operator says.
#[derive(Clone, Copy, Debug)]
pub struct Reopen<'a> {
    /// The new log's name.
    pub origin: &'a str,
    /// The last checkpoint that is known of the log that ends.
    pub checkpoint: &'a str,
    /// Why.
    pub reason: &'a str,
    /// `unix:<uid>`.
    pub actor: &'a str,
}

/// Closes the log of the configured store and opens another over the entries that are left. No server may run on the
/// data directory. A refusal leaves everything as it was.
pub async fn reopen_log(
    settings: &Settings,
    kek: &Kek,
    ambient: Ambient,
    reopen: &Reopen<'_>,
) -> Result<Reopened, CannotStart> {
    WallClock::start(ambient.clock.clone())?;
    provider::install()?;
    let origin =
        Origin::parse(reopen.origin).map_err(|cause| CannotStart::Setting(format!("--origin: {cause}")))?;
    let _lock = data_dir::lock(&settings.data_dir)?;
    let store = data_dir::open_any_store(settings).await?;
    let sealer = Sealer::new(kek.expose());
    let reopener = Reopener {
        store: store.clone(),
        sealer: &sealer,
        clock: ambient.clock,
        entropy: ambient.entropy,
        node: settings.node.as_str().to_owned(),
        deadline: settings.audit.deadline,
        data_dir: &settings.data_dir,
    };
    let Reopen { checkpoint, reason, actor, .. } = *reopen;
    let done = reopener.reopen(&Decision { origin: &origin, checkpoint, reason, actor }).await;
    store.close().await;
    Ok(done?)
}
