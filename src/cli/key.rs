//! `mintmark key`: the signing keys, their lives, and what an operator does to them by hand.
//!
//! Every act is the server's; here stands what a person types and reads. No
//! question is asked before an act, so that scripts can do all of it.

mod import;
mod life;
mod timeline;
mod told;

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};
use serde_json::{Value, json};

use super::admin::Admin;
use super::escape::escaped;
use super::failure::Failure;
use super::output::{COLUMNS, member};
use super::session::Session;
use super::values::{self, Time};

const KEYS: &str = "/admin/v1/keys";

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Draw the life of each key: what it did, does and will do
    List {
        /// Those too that have left the JWKS in their time
        #[arg(long)]
        all: bool,
    },
    /// Let the next key sign from now on
    #[command(after_help = "Example:\n  mintmark key rotate --alg ES256")]
    Rotate {
        /// Only the keys of this algorithm, such as ES256
        #[arg(long, value_name = "ALGORITHM", value_parser = values::algorithms(), hide_possible_values = true)]
        alg: Option<String>,
        /// Do not wait until every verifier has seen the next key
        #[arg(long)]
        now: bool,
    },
    /// Keep a key in the JWKS, whatever the timers say
    Retain(#[command(flatten)] Which),
    /// Let the timers rule a retained key again
    Release(#[command(flatten)] Which),
    /// Take a key out of the JWKS at once and for ever, such as when it leaked
    Revoke(#[command(flatten)] Revoke),
    /// Bring in a private key that was made elsewhere
    Import {
        /// A file with the key as PKCS#8 in PEM that nobody else can read
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// What the key signs with, where its type does not tell, such as PS256
        #[arg(long, value_name = "ALGORITHM", value_parser = values::algorithms(), hide_possible_values = true)]
        alg: Option<String>,
    },
    /// Seal all private keys under another key-encryption key
    Rewrap {
        /// The file with the new one, which the server reads
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        kek_file: PathBuf,
    },
}

/// One key.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Its identifier, or at least the first 6 characters
    #[arg(value_parser = values::kid, allow_hyphen_values = true)]
    kid: String,
}

/// Which key is revoked, and why.
#[derive(Debug, clap::Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    which: Which,
    /// Why, for the log and for whoever lists the keys
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Since when it may have been in other hands, such as 2h or 2026-11-21T22:58:01Z
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    since: Option<Time>,
    /// Tell what would happen and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Does it.
pub(super) async fn run(verb: Key, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    match verb {
        Key::List { all } => list(all, session).await,
        Key::Rotate { alg, now } => {
            let body = json!({ "alg": alg, "now": now });
            let answer = session.admin()?.post(&format!("{KEYS}/rotate"), Some(&body)).await?;
            print(&answer, &told::rotated(&answer, &session.times()), session)
        }
        Key::Retain(which) => {
            let key = act(&which, "retain", None, session).await?;
            print(&key, &told::retained(&key), session)
        }
        Key::Release(which) => {
            let key = act(&which, "release", None, session).await?;
            print(&key, &told::released(&key, &session.times()), session)
        }
        Key::Revoke(asked) => {
            let since = asked.since.map(|since| since.seconds(session.clock.now()));
            let body = json!({ "reason": asked.reason, "since": since, "dry_run": asked.dry_run });
            let answer = act(&asked.which, "revoke", Some(&body), session).await?;
            print(&answer, &told::revoked(&answer, &session.times()), session)
        }
        Key::Import { file, alg } => {
            let body = import::body(&file, alg.as_deref())?;
            let key = session.admin()?.post_secret(&format!("{KEYS}/import"), body).await?;
            print(&key, &told::imported(&key), session)
        }
        Key::Rewrap { kek_file } => {
            let file = absolute(&kek_file)?;
            let body = json!({ "kek_file": file });
            let answer = session.admin()?.post(&format!("{KEYS}/rewrap"), Some(&body)).await?;
            print(&answer, &told::rewrapped(&answer, &file), session)
        }
    }
}

async fn list(all: bool, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let keys = session.admin()?.list(KEYS, None).await?;
    let times = session.times();
    let times = match keys.get("now").and_then(Value::as_u64) {
        Some(now) => times.at(now),
        None => times,
    };
    session.print_as(&keys, |out| {
        let items = keys.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let (shown, hidden): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|key| all || member(key, "state") != "removed");
        write!(out, "{}", timeline::draw(&shown, &times, COLUMNS))?;
        match hidden.len() {
            0 => Ok(()),
            1 => writeln!(out, "1 removed key is not shown; --all shows it"),
            more => writeln!(out, "{more} removed keys are not shown; --all shows them"),
        }
    })
}

/// Does `verb` to the key and gives the answer.
async fn act(
    Which { kid }: &Which,
    verb: &str,
    body: Option<&Value>,
    session: &mut Session<'_, '_>,
) -> Result<Value, Failure> {
    let admin = session.admin()?;
    let kid = whole_kid(&admin, kid).await?;
    admin.post(&format!("{KEYS}/{}/{verb}", escaped(&kid)), body).await
}

/// The identifier that `text` is or begins.
pub(super) async fn whole_kid(admin: &Admin, text: &str) -> Result<String, Failure> {
    if text.len() == values::KID {
        return Ok(text.to_owned());
    }
    let keys = admin.list(KEYS, None).await?;
    let items = keys.get("items").and_then(Value::as_array);
    let mut fitting: Vec<String> = items.into_iter().flatten().map(|key| member(key, "kid")).collect();
    fitting.retain(|kid| kid.starts_with(text));
    match (fitting.pop(), fitting.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => Err(Failure::refused(format!(
            "several keys begin with {text}: {}, {last}; give more of it",
            fitting.join(", ")
        ))),
        (None, _) => Err(Failure::refused(format!(
            "no key begins with {text}; `mintmark key list --all -o json` has all of them"
        ))),
    }
}

/// The server reads it, from a working directory of its own.
fn absolute(path: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path)
        .map_err(|error| Failure::usage(format!("{} is not a path: {error}", path.display())))?;
    let text = absolute.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::usage(format!("{} is not text in UTF-8: rename it", path.display())))
}

/// Prints the answer for programs, the lines for people.
fn print(answer: &Value, lines: &[String], session: &mut Session<'_, '_>) -> Result<(), Failure> {
    session.print_as(answer, |out| lines.iter().try_for_each(|line| writeln!(out, "{line}")))
}
