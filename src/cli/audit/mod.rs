//! `mintmark audit`: read the issuance log, take it home, and check it without trusting the server.

mod draft;
mod erase;
mod export;
mod filters;
mod find;
mod prove;
mod public_log;
mod receipt;
mod reopen;
mod report;
mod tail;
mod verify;

use clap::Subcommand;
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::output::{NOTHING, member};
use super::session::Session;
use super::when::Times;
use crate::time::Timestamp;
use filters::Filters;

const ENTRIES: &str = "/admin/v1/audit/entries";
const HEADINGS: [&str; 5] = ["INDEX", "TIME", "EVENT", "BY", "ABOUT"];

/// What can be done with the log.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Find entries, the newest first; each search is itself recorded
    #[command(after_help = "Example:\n  mintmark audit search --client web --event token.issued --from 2h")]
    Search(#[command(flatten)] Search),
    /// Print entries as they come, the newest last, until Ctrl-C; each run is itself recorded
    Tail(#[command(flatten)] tail::Tail),
    /// Show one entry
    Show {
        /// Its place in the log, from 0
        index: u64,
    },
    /// Check an export, a whole public log or a receipt; exit code 1 if anything is wrong
    Verify(#[command(flatten)] verify::Verify),
    /// Tell whether a token was issued here; exit code 1 if it was not
    Find(#[command(flatten)] find::Find),
    /// Write entries in a form that proves itself complete
    Export(#[command(flatten)] export::Export),
    /// Erase what the log says of somebody; the proofs stay
    Erase(#[command(flatten)] erase::Erase),
    /// Close the log after a rollback that cannot be undone, and go on under another name
    Reopen(#[command(flatten)] reopen::Reopening),
    /// Tell on one page what happened in a span of time; exit code 1 if the log is not sound
    Report(#[command(flatten)] report::Report),
    /// Write a receipt: it proves that one entry is in the log
    Prove(#[command(flatten)] prove::Prove),
}

/// Which entries, and how many.
#[derive(Debug, clap::Args)]
pub(super) struct Search {
    #[command(flatten)]
    filters: Filters,
    /// At most so many
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

/// Does it.
pub(super) async fn run(verb: Audit, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match verb {
        Audit::Search(search) => {
            let at_most = search.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
            let limit = search.limit.map(|limit| limit.min(LARGEST_PAGE).to_string());
            let admin = session.admin()?;
            let path = search.filters.path(ENTRIES, &[("limit", limit)], &admin, session.clock.now()).await?;
            let entries = admin.list(&path, at_most).await?;
            let times = session.times();
            session.print_list(&entries, &HEADINGS, |entry| row(entry, &times))?;
        }
        Audit::Tail(asked) => tail::run(&asked, session).await?,
        Audit::Show { index } => {
            let entry = session.admin()?.get(&format!("{ENTRIES}/{index}")).await?;
            // The leaf is what others hold in their hands: in UTC, as it says itself.
            session.print_in_utc(&entry)?;
        }
        Audit::Verify(asked) => return verify::run(&asked, session).await,
        Audit::Export(asked) => export::run(&asked, session).await?,
        Audit::Find(asked) => return find::run(&asked, session).await,
        Audit::Erase(asked) => erase::run(&asked, session).await?,
        Audit::Reopen(asked) => reopen::run(&asked, session).await?,
        Audit::Report(asked) => return report::run(&asked, session).await,
        Audit::Prove(asked) => prove::run(&asked, session).await?,
    }
    Ok(Exit::Done)
}

/// No page is asked to be larger; more come on further pages.
const LARGEST_PAGE: u32 = 1_000;

fn row(entry: &Value, times: &Times) -> Vec<String> {
    let none = json!({});
    let part = |name: &str| entry.get(name).filter(|part| part.is_object()).unwrap_or(&none);
    let (leaf, body) = (part("leaf"), part("body"));
    let first = |names: &[&str]| {
        let found = names.iter().map(|name| member(body, name)).find(|text| text != NOTHING);
        found.unwrap_or_else(|| NOTHING.to_owned())
    };
    let time = member(leaf, "ts");
    let time = Timestamp::parse(&time).map_or(time, |time| times.cell(time.seconds()));
    let about = match first(&["object", "scope", "reason"]) {
        nothing if nothing == NOTHING => member(leaf, "kid").chars().take(8).collect(),
        about => about,
    };
    vec![member(entry, "index"), time, member(leaf, "t"), first(&["actor", "client_id"]), about]
}

#[cfg(test)]
mod tests {
    use super::super::when::Zone;
    use super::super::when::tests::berlin;
    use super::*;

    #[test]
    fn a_row_says_who_did_what() {
        let issued = json!({
            "index": 7, "salt": null,
            "leaf": { "t": "token.issued", "ts": "2026-11-21T22:58:01.123456Z", "kid": "kPrK_qmxVWaY" },
            "body": { "client_id": "web", "scope": "orders:read" }
        });
        let times = |zone: &Zone| Times::new(Timestamp::from_seconds(1_795_348_800), zone);
        let utc = times(&Zone::utc());
        assert_eq!(row(&issued, &utc), ["7", "2026-11-21 22:58:01Z", "token.issued", "web", "orders:read"]);
        assert_eq!(row(&issued, &times(&berlin()))[1], "2026-11-21 23:58:01");
        let revoked = json!({
            "index": 8, "salt": null, "leaf": { "t": "token.revoked", "ts": "2026-11-21T22:58:01.123456Z" },
            "body": { "actor": "unix:0", "object": "web", "client_id": "web" }
        });
        assert_eq!(row(&revoked, &utc)[2..], ["token.revoked", "unix:0", "web"]);
        let erased = json!({ "index": 7, "leaf": issued["leaf"], "body": null, "salt": null });
        assert_eq!(row(&erased, &utc)[3..], ["-", "kPrK_qmx"]);
    }
}
