//! `mintmark audit find`: whether the log knows a token.

use std::path::PathBuf;

use clap::ValueHint;

use serde_json::json;

use crate::cli::failure::{Exit, Failure};
use crate::cli::session::Session;

/// Which token.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Find {
    /// A file with the token, a JWT; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token: PathBuf,
}

/// Asks the server, whose log it is.
pub(super) async fn run(asked: &Find, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let token = session.read_text(&asked.token)?;
    let body = json!({ "token": token.trim() });
    let found = session.admin()?.post("/admin/v1/audit/find", Some(&body)).await?;
    let remark = match found.get("verdict").and_then(|verdict| verdict.as_str()) {
        Some("issued") => {
            session.print(&found)?;
            return Ok(Exit::Done);
        }
        Some("pending") => {
            "It was issued while records were written that this log lost in a rollback; see the log.closed records."
        }
        Some("forged") => {
            "One of our keys signed it and the log has no record: the key is in other hands. \
             See docs/runbooks/leaked-key.md."
        }
        _ => "None of this issuer's keys signed it.",
    };
    session.print_with_remark(&found, remark)?;
    Ok(Exit::Refused)
}
