//! `mintmark audit report`: what happened in a span of time, on one page.
//!
//! The server counts and verifies; here stands how a person reads it. Lists are
//! cut to what fits on a page; `-o json` has all that the server tells.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, NOTHING, Table, member};
use crate::cli::session::Session;
use crate::cli::values::{self, Time};
use crate::cli::when::{Times, utc};

const REPORT: &str = "/admin/v1/audit/report";
/// Rows of one section.
const ROWS: usize = 12;
/// A report is bounded by the server; a longer answer is another server's.
const LONGEST: usize = 64 * 1024 * 1024;

/// Which span of time.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Report {
    /// Not before this time, such as 2026-11-21T22:58:01Z, or 2h for two hours ago
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    from: Option<Time>,
    /// Not after this time
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    to: Option<Time>,
}

/// Asks for it and prints it.
pub(super) async fn run(asked: &Report, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let now = session.clock.now();
    let ends = [("from", asked.from), ("to", asked.to)];
    let given =
        ends.iter().filter_map(|(name, time)| Some(format!("{name}={}", time.as_ref()?.seconds(now))));
    let query: Vec<String> = given.collect();
    let path = if query.is_empty() { REPORT.to_owned() } else { format!("{REPORT}?{}", query.join("&")) };
    let mut stream = session.admin()?.stream(&path).await?;
    let mut body = Vec::new();
    while let Some(chunk) = stream.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return Err(Failure::refused("the report is too long: is this another server?"));
        }
    }
    let report: Value = serde_json::from_slice(&body)
        .map_err(|_| Failure::refused("the server sent no report: is it Mintmark? see --admin"))?;
    // A report is filed and compared: it is in UTC, as the log is.
    let times = session.times().in_utc();
    session.print_as(&report, |out| print(out, &report, &times))?;
    // What was never verified is nothing that is wrong.
    let sound = report.pointer("/verification/ok").and_then(Value::as_bool).unwrap_or(true);
    Ok(if sound { Exit::Done } else { Exit::Refused })
}

fn print(out: &mut dyn Write, report: &Value, times: &Times) -> io::Result<()> {
    writeln!(out, "Issuance log {}\n", member(report, "origin"))?;
    output::print_object(out, &head(report), times)?;
    let counts = |names: &[&'static str]| {
        let names = names.to_vec();
        move |row: &Value| names.iter().map(|name| member(row, name)).collect::<Vec<_>>()
    };
    let outcome = counts(&["name", "issued", "denied"]);
    section(out, report, ("clients", "By client"), &["CLIENT", "TOKENS", "REFUSED"], &outcome)?;
    section(out, report, ("scopes", "By scope"), &["SCOPE", "TOKENS", "REFUSED"], &outcome)?;
    section(out, report, ("keys", "By key"), &["KEY", "TOKENS"], counts(&["name", "issued"]))?;
    section(out, report, ("reasons", "Refusals"), &["REASON", "REFUSED"], counts(&["name", "denied"]))?;
    let act = |row: &Value| {
        vec![member(row, "index"), time(row, times), member(row, "event"), member(row, "actor"), about(row)]
    };
    let headings = ["INDEX", "TIME", "EVENT", "BY", "ABOUT"];
    section(out, report, ("acts", "Administration"), &headings, act)?;
    section(out, report, ("key_changes", "Keys"), &headings, act)?;
    let reader = |row: &Value| {
        // The record stays when its body, which names the reader, is gone.
        let name = Some(member(row, "name")).filter(|name| name != NOTHING).unwrap_or("untold".to_owned());
        vec![name, member(row, "read"), member(row, "exported"), member(row, "erased")]
    };
    let readers = ["WHO", "READ", "EXPORTED", "ERASED"];
    section(out, report, ("readers", "Readers of the log"), &readers, reader)?;
    let run =
        |row: &Value| vec![member(row, "index"), time(row, times), member(row, "event"), member(row, "node")];
    section(out, report, ("runs", "Nodes"), &["INDEX", "TIME", "EVENT", "NODE"], run)?;
    let incident = |row: &Value| {
        vec![member(row, "index"), time(row, times), member(row, "event"), member(row, "node"), about(row)]
    };
    section(out, report, ("incidents", "Incidents"), &["INDEX", "TIME", "EVENT", "NODE", "ABOUT"], incident)
}

/// What stands above the sections.
fn head(report: &Value) -> Map<String, Value> {
    let number = |path: &str| report.pointer(path).and_then(Value::as_u64);
    let end = |name: &str| number(&format!("/{name}")).map(utc);
    let (from, to) = (end("from").unwrap_or("the beginning".into()), end("to").unwrap_or("the end".into()));
    let many = |path: &str| number(path).unwrap_or_default();
    let mut head = Map::new();
    let mut tell = |name: &str, text: String| drop(head.insert(name.to_owned(), json!(text)));
    tell("period", format!("{from} to {to}"));
    tell("entries", entries(report));
    if many("/entries/outside_period") > 0 {
        tell("left out", format!("{} among them, of another time", many("/entries/outside_period")));
    }
    if many("/entries/newer") > 0 {
        tell("newer", format!("{} that no checkpoint covered yet", many("/entries/newer")));
    }
    tell("verified", verified(report));
    let not_checked = report.pointer("/verification/not_checked").and_then(Value::as_array);
    for (number, rule) in not_checked.into_iter().flatten().enumerate() {
        tell(&format!("not checked {}", number + 1), output::text(rule));
    }
    tell(
        "tokens",
        told(&[(many("/issued/count"), "issued"), (many("/issued/without_body"), "of them without body")]),
    );
    let refused = [
        (many("/denied/count"), "in all"),
        (many("/denied/anonymous"), "by nobody that is registered"),
        (many("/denied/without_body"), "records that do not tell how many"),
    ];
    tell("refused", told(&refused));
    let bodies = [
        (many("/bodies/there"), "there"),
        (many("/bodies/gone"), "erased or past their retention"),
        (many("/bodies/unreadable"), "unreadable"),
    ];
    tell("bodies", told(&bodies));
    head
}

/// The first figure always, the others where there is something to tell.
fn told(figures: &[(u64, &str)]) -> String {
    let shown = figures.iter().enumerate().filter(|(place, (count, _))| *place == 0 || *count > 0);
    shown.map(|(_, (count, what))| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

fn entries(report: &Value) -> String {
    let member = |name: &str| report.get("entries").map_or_else(|| NOTHING.to_owned(), |of| member(of, name));
    let end = report.pointer("/entries/end").and_then(Value::as_u64);
    match end.and_then(|end| end.checked_sub(1)) {
        Some(last) => format!("{}, from index {} to {last}", member("count"), member("first")),
        None => "none".to_owned(),
    }
}

fn verified(report: &Value) -> String {
    let Some(verdict) = report.get("verification").filter(|verdict| verdict.is_object()) else {
        return "nothing to verify".to_owned();
    };
    if verdict.get("ok").and_then(Value::as_bool) == Some(true) {
        return format!(
            "sound, by the server's own word, under the checkpoint of size {}",
            member(verdict, "size")
        );
    }
    let at = match member(verdict, "first_bad_index") {
        nothing if nothing == NOTHING => String::new(),
        index => format!(" at index {index}"),
    };
    format!("NOT SOUND{at}: {}", member(verdict, "reason"))
}

/// A list of the report under its title: as many rows as fit, then how many there are beside.
fn section(
    out: &mut dyn Write,
    report: &Value,
    (name, title): (&str, &str),
    headings: &[&'static str],
    row: impl Fn(&Value) -> Vec<String>,
) -> io::Result<()> {
    writeln!(out, "\n{title}")?;
    let list = report.get(name);
    let items = list.and_then(|list| list.get("items")?.as_array()).map_or(&[][..], Vec::as_slice);
    let mut table = Table::new(headings);
    for item in items.iter().take(ROWS) {
        table.push(&row(item));
    }
    table.print(out)?;
    let unlisted = list.and_then(|list| list.get("more")?.as_u64()).unwrap_or_default();
    let hidden = unlisted.saturating_add(items.len().saturating_sub(ROWS) as u64);
    if hidden > 0 {
        writeln!(out, "and {hidden} more, see -o json")?;
    }
    Ok(())
}

/// A blank between date and time, where the table may break.
fn time(row: &Value, times: &Times) -> String {
    row.get("at").and_then(Value::as_u64).map_or_else(|| NOTHING.to_owned(), |at| times.cell(at))
}

/// To what it was done, and why or how.
fn about(row: &Value) -> String {
    let text = |name: &str| Some(member(row, name)).filter(|text| text != NOTHING);
    let kid = text("kid").map(|kid| kid.chars().take(8).collect());
    let change = match (text("before"), text("after")) {
        (Some(before), Some(after)) => Some(format!("{before} -> {after}")),
        (None, after) => after,
        (before, None) => before,
    };
    let parts: Vec<String> = [text("object").or(kid), text("reason"), change].into_iter().flatten().collect();
    match (parts.is_empty(), row.get("without_body").and_then(Value::as_bool)) {
        (true, Some(true)) => "body gone".to_owned(),
        (true, _) => NOTHING.to_owned(),
        (false, _) => parts.join(": "),
    }
}
