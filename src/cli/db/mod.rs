//! `mintmark db`: the configured store itself, on the machine that it lies on.
//!
//! Not over the admin API: it works whether a server runs or not. What changes
//! the store refuses while one does.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};
use serde_json::{Value, json};

use super::failure::Failure;
use super::session::Session;
use crate::app::{self, CannotBackUp, CannotStart, Database};
use crate::audit::checkpoint::Note;
use crate::store::status::LogStatus;

/// What can be done with the store.
#[derive(Debug, Subcommand)]
pub(super) enum Db {
    /// Tell what the store holds and what is missing in its schema; changes nothing
    Status,
    /// Bring the schema up to date, while no server runs; `serve` does it too
    Migrate,
    /// Copy the store, beside a running server or without one. The
    /// key-encryption key is not in the copy: keep it too, apart from it
    Backup {
        /// The file to write; an existing one is never overwritten
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
}

/// Does it.
pub(super) async fn run(verb: Db, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let settings = session.globals.places()?;
    match verb {
        Db::Status => {
            let found = app::look_at_store(&settings).await.map_err(|error| refused(&error))?;
            if let Err(unreadable) = &found.last_signed {
                session.remark(&format!("cannot tell what was signed last: {unreadable}"))?;
            }
            session.print(&told(&found))
        }
        Db::Migrate => {
            let applied = app::migrate_store(&settings).await.map_err(|error| refused(&error))?;
            let remark = if applied.is_empty() {
                "The schema was up to date."
            } else {
                "The schema is up to date now."
            };
            session.print_with_remark(&json!({ "applied": applied }), remark)
        }
        Db::Backup { file } => {
            let copied = app::back_up_store(&settings, &file, session.clock.now()).await;
            let copied = copied.map_err(|error| match &error {
                CannotBackUp::Store(cause) => refused(cause),
                other => Failure::refused(other.to_string()),
            })?;
            let log = copied.log.as_ref();
            let document = json!({
                "file": file.display().to_string(),
                "bytes": copied.bytes,
                "entries": log.map_or(0, |log| log.head.size),
                "root_hash": log.map(|log| log.head.root.to_string()),
                "checkpoint_size": log.and_then(checkpoint_size),
            });
            let kek = settings.keys.kek_file.display();
            session.print_with_remark(&document, &format!("{kek} is not in it: keep it too, apart from it."))
        }
    }
}

fn refused(error: &CannotStart) -> Failure {
    if error.is_taken() { Failure::refused(error.to_string()) } else { Failure::usage(error.to_string()) }
}

fn told(found: &Database) -> Value {
    let Database { path, store, in_use, last_signed } = found;
    let log = store.log.as_ref();
    let bytes = store.bytes;
    let entries = log.map_or(0, |log| log.head.size);
    json!({
        "file": path.display().to_string(),
        "in_use": in_use,
        "made_by": store.made_by,
        "backup_made": store.backup,
        "schema": { "version": store.schema, "missing": store.missing, "unknown": store.unknown },
        "log": {
            "origin": log.map(|log| log.origin.as_str()),
            "size": log.map(|log| log.head.size),
            "root_hash": log.map(|log| log.head.root.to_string()),
            "checkpoint_size": log.and_then(checkpoint_size),
            "last_signed_size": last_signed.as_ref().ok(),
        },
        "body_months": store.months.iter().map(|month| format!("{:04}-{:02}", month / 100, month % 100)).collect::<Vec<_>>(),
        "bytes": {
            "file": bytes.file,
            "wal": bytes.wal,
            "free": bytes.free,
            "per_entry": bytes.used.checked_div(entries),
        },
    })
}

/// How many entries the published checkpoint covers.
fn checkpoint_size(log: &LogStatus) -> Option<u64> {
    let note = Note::parse(log.checkpoint.as_deref()?).ok()?;
    Some(note.unverified().size)
}
