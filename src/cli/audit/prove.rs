//! `mintmark audit prove`: the receipt of an entry, to take home. C2SP tlog-proof.

use std::path::PathBuf;

use clap::ValueHint;

use super::draft;
use crate::cli::escape::escaped;
use crate::cli::failure::Failure;
use crate::cli::session::Session;

const PROOF: &str = "/admin/v1/audit/proof";

/// Of which entry, and where to.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Prove {
    #[command(flatten)]
    of: Of,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Of {
    /// Of the token with this jti
    #[arg(long, allow_hyphen_values = true)]
    jti: Option<String>,
    /// Of the entry at this place in the log, from 0
    #[arg(long, value_name = "INDEX")]
    index: Option<u64>,
}

/// Writes it. It is a text that others read too, so `-o` does not change it.
pub(super) async fn run(asked: &Prove, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let jti = asked.of.jti.iter().map(|jti| format!("jti={}", escaped(jti)));
    let index = asked.of.index.iter().map(|index| format!("index={index}"));
    let path = format!("{PROOF}?{}", jti.chain(index).collect::<String>());
    let Some(out) = &asked.out else { return draft::to_stdout(&path, session).await };
    draft::to_file(&path, out, session).await?;
    session.remark(&format!("the receipt was written to {}", out.display()))
}
