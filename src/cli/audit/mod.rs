//! `mintmark audit`: read the issuance log, take it home, and check it without trusting the server.

mod export;
mod public_log;
mod report;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::admin::escaped;
use super::failure::{Exit, Failure};
use super::key;
use super::output::{NOTHING, member};
use super::session::Session;
use super::values::{self, Time};
use super::wire::Address;
use crate::audit::checkpoint::Vkey;
use crate::audit::verify::{Verdict, verify};
use crate::time::Timestamp;

const NOTHING_GIVEN: &str = "nothing to verify: give the file of an export, or --url";
const ENTRIES: &str = "/admin/v1/audit/entries";
/// Bytes of one read of a file, which may be a gigabyte.
const READ_AT_ONCE: usize = 256 * 1024;

/// What can be done with the log.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Find entries, the newest first; each search is itself recorded
    Search(#[command(flatten)] Search),
    /// Show one entry
    Show {
        /// Its place in the log, from 0
        index: u64,
    },
    /// Check an export or a whole public log; exit code 1 if anything is wrong
    Verify(#[command(flatten)] Verify),
    /// Write entries in a form that proves itself complete
    Export(#[command(flatten)] export::Export),
    /// Tell on one page what happened in a span of time; exit code 1 if the log is not sound
    Report(#[command(flatten)] report::Report),
}

/// Which entries; all conditions must hold.
#[derive(Debug, clap::Args)]
pub(super) struct Search {
    /// Of this client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Of the token with this jti
    #[arg(long)]
    jti: Option<String>,
    /// With this scope
    #[arg(long)]
    scope: Option<String>,
    /// With this key: its identifier, or at least the first 6 characters
    #[arg(long, value_parser = values::kid, allow_hyphen_values = true)]
    kid: Option<String>,
    /// Of this kind, such as token.issued
    #[arg(long)]
    event: Option<String>,
    /// Not before this time, such as 2026-11-21T22:58:01Z, or 2h for two hours ago
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    from: Option<Time>,
    /// Not after this time
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    to: Option<Time>,
    /// Only tokens that have not expired
    #[arg(long)]
    unexpired: bool,
    /// At most so many
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

/// What is checked, and against what.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// A file that `mintmark audit export` wrote
    #[arg(conflicts_with = "url")]
    file: Option<PathBuf>,
    /// The public listener of a server: its whole log is read
    #[arg(long)]
    url: Option<String>,
    /// A file with the log's key, as /log/vkey gives it; take it from a place that you trust
    #[arg(long, value_name = "FILE")]
    vkey: PathBuf,
    /// A checkpoint that you kept: the log must still contain it
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

/// Does it.
pub(super) async fn run(verb: Audit, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match verb {
        Audit::Search(search) => {
            let at_most = search.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
            let admin = session.admin()?;
            let kid = match &search.kid {
                Some(kid) => Some(key::whole_kid(&admin, kid).await?),
                None => None,
            };
            let entries = admin.list(&search.path(kid, session.clock.now()), at_most).await?;
            session.print_list(&entries, &["INDEX", "TIME", "EVENT", "BY", "ABOUT"], row)?;
        }
        Audit::Show { index } => {
            let entry = session.admin()?.get(&format!("{ENTRIES}/{index}")).await?;
            session.print(&entry)?;
        }
        Audit::Verify(asked) => return check(&asked, session).await,
        Audit::Export(asked) => export::run(&asked, session).await?,
        Audit::Report(asked) => return report::run(&asked, session).await,
    }
    Ok(Exit::Done)
}

impl Search {
    fn path(&self, kid: Option<String>, now: Timestamp) -> String {
        let texts = [
            ("client_id", self.client.clone()),
            ("jti", self.jti.clone()),
            ("scope", self.scope.clone()),
            ("kid", kid),
            ("event", self.event.clone()),
            ("from", self.from.map(|time| time.seconds(now).to_string())),
            ("to", self.to.map(|time| time.seconds(now).to_string())),
            ("unexpired", self.unexpired.then(|| true.to_string())),
            ("limit", self.limit.map(|limit| limit.min(LARGEST_PAGE).to_string())),
        ];
        let query: Vec<String> = texts
            .into_iter()
            .filter_map(|(name, text)| Some(format!("{name}={}", escaped(&text?))))
            .collect();
        if query.is_empty() { ENTRIES.to_owned() } else { format!("{ENTRIES}?{}", query.join("&")) }
    }
}

/// No page is asked to be larger; more come on further pages.
const LARGEST_PAGE: u32 = 1_000;

fn row(entry: &Value) -> Vec<String> {
    let none = json!({});
    let part = |name: &str| entry.get(name).filter(|part| part.is_object()).unwrap_or(&none);
    let (leaf, body) = (part("leaf"), part("body"));
    let first = |names: &[&str]| {
        let found = names.iter().map(|name| member(body, name)).find(|text| text != NOTHING);
        found.unwrap_or_else(|| NOTHING.to_owned())
    };
    let time = member(leaf, "ts");
    // A blank between date and time, where the table may break.
    let time = time.split_once('.').map_or_else(|| time.clone(), |(whole, _)| format!("{whole}Z"));
    let about = match first(&["object", "scope", "reason"]) {
        nothing if nothing == NOTHING => member(leaf, "kid").chars().take(8).collect(),
        about => about,
    };
    vec![
        member(entry, "index"),
        time.replace('T', " "),
        member(leaf, "t"),
        first(&["client_id", "actor"]),
        about,
    ]
}

async fn check(asked: &Verify, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    if asked.file.is_none() && asked.url.is_none() {
        return Err(Failure::usage(NOTHING_GIVEN));
    }
    let vkey = Vkey::parse(&session.read_text(&asked.vkey)?)
        .map_err(|bad| Failure::usage(format!("{}: {bad}", asked.vkey.display())))?;
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
        |error: std::io::Error| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    verify(BufReader::with_capacity(READ_AT_ONCE, file), vkey, older).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_who_did_what() {
        let issued = json!({
            "index": 7, "salt": null,
            "leaf": { "t": "token.issued", "ts": "2026-11-21T22:58:01.123456Z", "kid": "kPrK_qmxVWaY" },
            "body": { "client_id": "web", "scope": "orders:read" }
        });
        assert_eq!(row(&issued), ["7", "2026-11-21 22:58:01Z", "token.issued", "web", "orders:read"]);
        let erased = json!({ "index": 7, "leaf": issued["leaf"], "body": null, "salt": null });
        assert_eq!(row(&erased)[3..], ["-", "kPrK_qmx"]);
    }
}
