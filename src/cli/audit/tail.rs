//! `mintmark audit tail`: the log as it grows, until somebody ends it.
//!
//! It asks for page after page; a page without news takes the server a moment.
//! Nothing is skipped in silence: when the server goes away, so does this.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::filters::Filters;
use super::{HEADINGS, LARGEST_PAGE, row};
use crate::cli::admin::Admin;
use crate::cli::failure::Failure;
use crate::cli::output::{Format, Rows};
use crate::cli::process;
use crate::cli::session::Session;
use crate::cli::when::Times;

const TAIL: &str = "/admin/v1/audit/tail";
/// Pages are asked for no more often, but where one was full.
const RHYTHM: Duration = Duration::from_millis(200);
/// Where rows come one by one nobody knows what is still to come. The widest event fits, and eight digits.
const WIDTHS: [usize; 5] = [8, 20, 22, 10, 12];

/// Which entries, and how many of those that there are already.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Tail {
    #[command(flatten)]
    filters: Filters,
    /// Begin with so many that are there already, at most 1000
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    last: u32,
}

/// Prints what comes until Ctrl-C, or until nobody reads it any more.
pub(super) async fn run(asked: &Tail, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let admin = session.admin()?;
    let last = (asked.last > 0).then(|| asked.last.to_string());
    let more = [("last", last), ("limit", Some(LARGEST_PAGE.to_string()))];
    let path = asked.filters.path(TAIL, &more, &admin, session.clock.now()).await?;
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = follow(&admin, path, session) => ended,
        () = interrupt => Ok(()),
    }
}

async fn follow(admin: &Admin, path: String, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let mut printer = Printer::new(session.format(), session.times());
    let (mut next, mut rhythm) = (path, in_rhythm());
    loop {
        rhythm.tick().await;
        let (entries, way_on) = admin.page(&next).await?;
        match printer.print(&entries, session.terminal.stdout) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
        if process::nobody_reads() {
            return Ok(());
        }
        let is_full = u32::try_from(entries.len()).is_ok_and(|count| count >= LARGEST_PAGE);
        if is_full {
            rhythm.reset_immediately();
        }
        next = way_on;
    }
}

fn in_rhythm() -> Interval {
    let mut rhythm = interval(RHYTHM);
    rhythm.set_missed_tick_behavior(MissedTickBehavior::Delay);
    rhythm
}

/// Rows under headings, or a line of JSON each.
struct Printer {
    rows: Option<Rows>,
    times: Times,
}

impl Printer {
    fn new(format: Format, times: Times) -> Self {
        Self { rows: (format == Format::Table).then(|| Rows::new(&HEADINGS, &WIDTHS)), times }
    }

    /// Writes whole lines in one piece, so that a reader who leaves leaves nothing half-written behind.
    fn print(&mut self, entries: &[Value], out: &mut dyn Write) -> io::Result<()> {
        let mut text = Vec::new();
        match &mut self.rows {
            Some(rows) => {
                rows.begin(&mut text)?;
                for entry in entries {
                    rows.print(&mut text, &row(entry, &self.times))?;
                }
            }
            None => {
                for entry in entries {
                    writeln!(text, "{entry}")?;
                }
            }
        }
        out.write_all(&text)?;
        out.flush()
    }
}
