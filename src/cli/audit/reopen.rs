//! `mintmark audit reopen`: goes on after a rollback that cannot be undone.

use std::path::PathBuf;

use clap::ValueHint;

use serde_json::json;

use crate::app::{self, Reopen};
use crate::cli::failure::Failure;
use crate::cli::server;
use crate::cli::session::Session;

/// How the log goes on.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Reopening {
    /// The name of the log from now on, such as auth.example.com/log2
    #[arg(long, value_name = "NEW")]
    origin: String,
    /// The last checkpoint that is known of the log that ends, such as `last_signed` in `data_dir`
    #[arg(long, value_name = "OLD", value_hint = ValueHint::FilePath)]
    checkpoint: PathBuf,
    /// Why, for whoever reads the log
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(super) async fn run(asked: &Reopening, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    if asked.reason.trim().is_empty() {
        return Err(Failure::usage("--reason: say in a few words what was lost and why"));
    }
    let checkpoint = session.read_text(&asked.checkpoint)?;
    let (settings, kek) = server::checked(session.globals, session.terminal)?;
    let actor = format!("unix:{}", rustix::process::getuid().as_raw());
    let reopen =
        Reopen { origin: &asked.origin, checkpoint: &checkpoint, reason: &asked.reason, actor: &actor };
    let reopened = app::reopen_log(&settings, &kek, server::system(), &reopen).await;
    let reopened = reopened.map_err(|error| server::cannot_start(&error))?;
    session.print(&json!(reopened))?;
    if settings.audit.origin != reopened.origin {
        session.remark(&format!(
            "Next: set audit.origin = \"{}\" in the configuration, give the new vkey to whoever verifies the log, \
             and read docs/runbooks/rollback.md before you start the server.",
            reopened.origin
        ))?;
    }
    Ok(())
}
