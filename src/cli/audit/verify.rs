//! `mintmark audit verify`: judges what was taken home, without asking the server that it came from.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::ValueHint;

use serde_json::json;

use super::{public_log, receipt};
use crate::audit::checkpoint::Vkey;
use crate::audit::verify::{Verdict, verify};
use crate::cli::cause::cause;
use crate::cli::failure::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::wire::Address;

const NOTHING_GIVEN: &str = "nothing to verify: give the file of an export, --url or --receipt";

/// Bytes of one read of a file, which may be a gigabyte.
const READ_AT_ONCE: usize = 256 * 1024;

/// What is checked, and against what.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Verify {
    /// A file that `mintmark audit export` wrote
    #[arg(conflicts_with = "url", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// The public listener of a server: its whole log is read
    #[arg(long, value_hint = ValueHint::Url)]
    url: Option<String>,
    /// A file that `mintmark audit prove` wrote, or /log/proof gave: one entry is checked
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "url"])]
    #[arg(value_hint = ValueHint::FilePath)]
    receipt: Option<PathBuf>,
    /// The token that the receipt must be for; - is standard input
    #[arg(long, value_name = "FILE", requires = "receipt", conflicts_with_all = ["file", "url"])]
    #[arg(value_hint = ValueHint::FilePath)]
    token: Option<PathBuf>,
    /// A file with the log's key, as /log/vkey gives it; take it from a place that you trust
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    vkey: PathBuf,
    /// A checkpoint that you kept: the log must still contain it
    #[arg(long, value_name = "FILE", conflicts_with = "receipt", value_hint = ValueHint::FilePath)]
    checkpoint: Option<PathBuf>,
}

/// Judges and prints the verdict.
pub(super) async fn run(asked: &Verify, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    if asked.file.is_none() && asked.url.is_none() && asked.receipt.is_none() {
        return Err(Failure::usage(NOTHING_GIVEN));
    }
    let vkey = Vkey::parse(&session.read_text(&asked.vkey)?)
        .map_err(|bad| Failure::usage(format!("{}: {bad}", asked.vkey.display())))?;
    if let Some(receipt) = &asked.receipt {
        return receipt::check(receipt, asked.token.as_deref(), &vkey, session);
    }
    let older = asked.checkpoint.as_ref().map(|path| session.read_text(path)).transpose()?;
    let verdict = match (&asked.file, &asked.url) {
        (Some(file), _) => check_file(file, &vkey, older.as_deref())?,
        (None, Some(url)) => {
            // Nothing secret goes there, and what comes is signed.
            let address = Address::parse_allowing_plain_http(url)?;
            public_log::check(&address, &vkey, older).await?
        }
        (None, None) => return Err(Failure::usage(NOTHING_GIVEN)),
    };
    session.print(&json!(verdict))?;
    Ok(if verdict.ok { Exit::Done } else { Exit::Refused })
}

fn check_file(path: &Path, vkey: &Vkey, older: Option<&str>) -> Result<Verdict, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::usage(format!("cannot read {}: {}", path.display(), cause(&error)));
    let file = File::open(path).map_err(unreadable)?;
    verify(BufReader::with_capacity(READ_AT_ONCE, file), vkey, older).map_err(unreadable)
}
