//! `mintmark golden`: a policy and a configuration reviewed as a difference of tokens before they are deployed.
//!
//! It asks no server and opens no store. What comes of a policy is decided by the pure room `golden`;
//! here files are read, written and compared. Exit code 1 tells that something differs.

mod folder;
mod inputs;
mod told;
mod write;

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};

use super::failure::{Exit, Failure};
use super::server;
use super::session::Session;
use inputs::Source;

/// Without `--policy`, what `record` reads.
const USUAL_POLICY: &str = "policy.toml";

/// What can be done with goldens.
#[derive(Debug, Subcommand)]
pub(super) enum Golden {
    /// Write down what every client would get, and the life of the keys
    #[command(after_help = RECORD_HELP)]
    Record {
        /// The whole policy, as `mintmark policy export` writes it; - is standard input
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, default_value = USUAL_POLICY)]
        policy: PathBuf,
        /// The folder: a new one, or one of an earlier record, which is replaced as a whole
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: PathBuf,
    },
    /// Tell what differs now from what was recorded; exit code 1 if anything does
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// A folder of `golden record`
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        folder: PathBuf,
        /// Another policy; - is standard input [default: the folder's policy.toml]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        policy: Option<PathBuf>,
    },
    /// Tell what differs between two folders; exit code 1 if anything does
    Diff {
        /// The older folder
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        old: PathBuf,
        /// The newer folder
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        new: PathBuf,
    },
}

const RECORD_HELP: &str = "\
Nothing is issued and no store is touched: the clock is virtual, and no key has
a private half. Options are those of `mintmark serve`: file and environment.

Example:
  mintmark policy export > policy.toml
  mintmark golden record --out goldens && git add policy.toml goldens";

const VERIFY_HELP: &str = "\
Without --policy and --config the folder's own copies are taken: what differs
is this program's doing. Options of the environment hold above either file.

Example:
  mintmark golden verify goldens --policy policy.toml --config mintmark.toml";

/// Does it.
pub(super) fn run(verb: &Golden, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match verb {
        Golden::Record { policy, out } => record(policy, out, session),
        Golden::Verify { folder, policy } => verify(folder, policy.as_deref(), session),
        Golden::Diff { old, new } => {
            let (old, new) = (folder::read(old, session)?, folder::read(new, session)?);
            told::compare(&old, &new, "the same in both folders", session)
        }
    }
}

fn record(policy: &Path, out: &Path, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let settings = server::settings(session.globals, session.terminal)?;
    let files = inputs::files(&settings, Source::Given(policy), "nothing was written", session)?;
    // What would not be read again is not written.
    let recorded = folder::parse(&files, out)?;
    write::replace(out, &files)?;
    told::recorded(&recorded.manifest, out, session)?;
    Ok(Exit::Done)
}

fn verify(folder: &Path, policy: Option<&Path>, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let recorded = folder::read(folder, session)?;
    let own = folder.join(folder::SETTINGS);
    let settings = server::settings(&session.globals.over(&own), session.terminal)?;
    let own = folder.join(folder::POLICY);
    let policy = policy.map_or(Source::Copy(&own), Source::Given);
    let files = inputs::files(&settings, policy, "nothing was compared", session)?;
    let now = folder::parse(&files, folder)?;
    told::compare(&recorded, &now, "as recorded", session)
}
