//! `mintmark audit export`: a range of the log, to take home.

use std::path::PathBuf;

use clap::ValueHint;

use super::draft;
use crate::cli::failure::Failure;
use crate::cli::session::Session;

const EXPORT: &str = "/admin/v1/audit/export";

/// Which part of the log goes where.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Export {
    /// The first entry
    #[arg(long, value_name = "INDEX", default_value = "0")]
    first: u64,
    /// The entry after the last [default: all that a checkpoint covers]
    #[arg(long, value_name = "INDEX")]
    end: Option<u64>,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
}

/// Streams it.
pub(super) async fn run(asked: &Export, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let end = asked.end.map_or_else(String::new, |end| format!("&end={end}"));
    let path = format!("{EXPORT}?first={}{end}", asked.first);
    let Some(out) = &asked.out else { return draft::to_stdout(&path, session).await };
    let lines = draft::to_file(&path, out, session).await?;
    // The first line is not an entry.
    session.remark(&format!("{} entries written to {}", lines.saturating_sub(1), out.display()))
}
