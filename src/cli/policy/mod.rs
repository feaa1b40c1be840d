//! `mintmark policy`: resources, scopes and clients as a file under version control.
//!
//! A file never holds a secret, and applying one makes none.

pub(super) mod file;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueHint};
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::output::{Format, NOTHING, Table, member, rate, text};
use super::session::Session;
use crate::time::span_text;

const POLICY: &str = "/admin/v1/policy";

/// What can be done with a policy file.
#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Show what a file would change, of objects and of tokens; nothing is changed
    Plan {
        #[command(flatten)]
        wanted: Wanted,
        /// Exit with 1 when there is something to change
        #[arg(long)]
        detailed_exitcode: bool,
    },
    /// Bring the policy to what a file says: all of it or nothing
    Apply {
        #[command(flatten)]
        wanted: Wanted,
    },
    /// Print the policy as such a file: TOML, or JSON with -o json
    Export,
}

/// A file, and how far it goes.
#[derive(Debug, clap::Args)]
pub(super) struct Wanted {
    /// The policy file, in TOML or JSON; - is standard input
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Remove what the file lacks; else it is left alone
    #[arg(long)]
    prune: bool,
}

/// Does it.
pub(super) async fn run(verb: Policy, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    match verb {
        Policy::Plan { wanted, detailed_exitcode } => {
            let planned = send("plan", &wanted, session).await?;
            let file = wanted.file.display();
            let prune = if wanted.prune { " --prune" } else { "" };
            print(session, &planned, &format!("`mintmark policy apply {file}{prune}` does it."))?;
            let changes = !items(&planned, "changes").is_empty();
            Ok(if detailed_exitcode && changes { Exit::Refused } else { Exit::Done })
        }
        Policy::Apply { wanted } => {
            let applied = send("apply", &wanted, session).await?;
            print(session, &applied, "It is in force.")?;
            Ok(Exit::Done)
        }
        Policy::Export => export(session).await,
    }
}

async fn send(act: &str, wanted: &Wanted, session: &mut Session<'_, '_>) -> Result<Value, Failure> {
    let text = session.read_text(&wanted.file)?;
    let policy = file::read_at(&text, &wanted.file)?;
    let body = json!({ "policy": policy, "prune": wanted.prune });
    session.admin()?.post(&format!("{POLICY}/{act}"), Some(&body)).await
}

/// Programs that write the file want the file's own form, so it is JSON only where that was asked for.
async fn export(session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let mut policy = session.admin()?.get(POLICY).await?;
    if session.globals.output == Some(Format::Json) {
        writeln!(session.terminal.stdout, "{policy}")?;
        return Ok(Exit::Done);
    }
    let text = file::write(policy.take()).map_err(Failure::refused)?;
    write!(session.terminal.stdout, "{text}")?;
    Ok(Exit::Done)
}

fn print(session: &mut Session<'_, '_>, planned: &Value, done: &str) -> Result<(), Failure> {
    session.print_as(planned, |out| {
        let (changes, tokens) = (items(planned, "changes"), items(planned, "tokens"));
        if changes.is_empty() {
            return writeln!(out, "The policy is so already.");
        }
        let mut table = Table::new(&["ACTION", "KIND", "NAME", "CHANGE"]);
        for change in changes {
            table.push(&[
                member(change, "action"),
                member(change, "kind"),
                member(change, "name"),
                members(change),
            ]);
        }
        table.print(out)?;
        if !tokens.is_empty() {
            writeln!(out, "\nTokens, by client and resource:\n")?;
            print_tokens(out, tokens)?;
        }
        let fresh =
            |change: &&Value| member(change, "kind") == "client" && member(change, "action") == "create";
        if let Some(client) = changes.iter().find(fresh) {
            let id = member(client, "name");
            writeln!(
                out,
                "\nA new client has no secret yet: `mintmark client rotate-secret {id}` makes one."
            )?;
        }
        writeln!(out, "\n{done}")
    })
}

fn print_tokens(out: &mut dyn Write, tokens: &[Value]) -> io::Result<()> {
    let mut table = Table::new(&["CLIENT", "RESOURCE", "CHANGE"]);
    for token in tokens {
        let change = match (token.get("before"), token.get("after")) {
            (_, None | Some(Value::Null)) => "none any more".to_owned(),
            (None | Some(Value::Null), Some(after)) => {
                format!(
                    "new: {} for {}",
                    member(after, "scope"),
                    after.get("lifetime").map_or_else(String::new, |lifetime| said("lifetime", lifetime))
                )
            }
            (Some(before), Some(after)) => {
                let told = differences(&["scope", "signing_alg", "lifetime", "claims"], before, after);
                let told = [told, limits(items(before, "limits"), items(after, "limits"))];
                told.into_iter().filter(|told| !told.is_empty()).collect::<Vec<_>>().join("; ")
            }
        };
        table.push(&[member(token, "client_id"), member(token, "resource"), change]);
    }
    table.print(out)
}

/// What each scope costs, of those that a token has before and after.
fn limits(before: &[Value], after: &[Value]) -> String {
    let pairs = before.iter().filter_map(|before| {
        let scope = member(before, "scope");
        let after = after.iter().find(|after| member(after, "scope") == scope)?;
        let told = differences(&["limit", "total", "enforce"], before, after);
        (!told.is_empty()).then(|| format!("{scope} {told}"))
    });
    pairs.collect::<Vec<_>>().join("; ")
}

/// The members that change of an object that is there before and after.
fn members(change: &Value) -> String {
    let names: Vec<&str> = items(change, "members").iter().filter_map(Value::as_str).collect();
    match (change.get("before"), change.get("after")) {
        (Some(before @ Value::Object(_)), Some(after @ Value::Object(_))) => {
            differences(&names, before, after)
        }
        _ => String::new(),
    }
}

fn differences(names: &[&str], before: &Value, after: &Value) -> String {
    let side = |object: &Value, name: &str| {
        object.get(name).map_or_else(|| NOTHING.to_owned(), |value| said(name, value))
    };
    let changed = names.iter().map(|name| (name, side(before, name), side(after, name)));
    let told = changed.filter(|(_, before, after)| before != after);
    told.map(|(name, before, after)| format!("{name}: {before} -> {after}")).collect::<Vec<_>>().join("; ")
}

/// A member's value in the words in which a person would set it.
fn said(name: &str, value: &Value) -> String {
    let Some(members) = value.as_object() else {
        return match value.as_u64() {
            Some(seconds) if name.ends_with("lifetime") || name == "rotate_every" => {
                span_text(Duration::from_secs(seconds))
            }
            _ => text(value),
        };
    };
    if let Some(rate) = rate(value) {
        return rate;
    }
    match members.get("seconds") {
        // A lifetime with its reasons, which stand in JSON.
        Some(seconds) if members.contains_key("bounds") => said("lifetime", seconds),
        _ if members.is_empty() => NOTHING.to_owned(),
        _ => members
            .iter()
            .map(|(name, value)| format!("{name}={}", said(name, value)))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

fn items<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    object.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
