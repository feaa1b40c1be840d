//! A folder of goldens: the names of its files, and reading them. It writes nothing.
//!
//! A folder may come from anywhere, edited by any hand: whatever is in it, reading ends, with what it
//! holds or with one line. No file outside of it is opened, whatever it names.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::cause::cause;
use crate::cli::failure::Failure;
use crate::cli::policy::file;
use crate::cli::session::Session;
use crate::golden::manifest::Manifest;
use crate::golden::recorded::Recorded;

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const POLICY: &str = "policy.toml";
pub(super) const SETTINGS: &str = "settings.toml";
pub(super) const ROTATION: &str = "rotation.txt";
/// The folder of the clients' files.
pub(super) const TOKENS: &str = "tokens";

/// No policy that fits into its file has more.
const MOST_CLIENTS: usize = 100_000;
/// All files of a folder together, in bytes.
const MOST_BYTES: usize = 1 << 30;
/// `rotation.txt` has a thousand rows and some lines more.
const MOST_LINES: usize = 2_000;

/// The files of a folder by their names in it, such as `tokens/web.json`.
pub(super) type Files = BTreeMap<String, String>;

/// Reads a whole folder.
pub(super) fn read(folder: &Path, session: &mut Session<'_, '_>) -> Result<Recorded, Failure> {
    if !folder.join(MANIFEST).is_file() {
        return Err(Failure::usage(format!(
            "{} is no folder of goldens: it has no manifest.json; `mintmark golden record --out DIR` makes one",
            folder.display()
        )));
    }
    let mut files = Files::new();
    // What it is comes first: all else of another form would only look damaged.
    let manifest = read_file(folder, MANIFEST, session)?;
    parse_manifest(&manifest, folder)?;
    files.insert(MANIFEST.to_owned(), manifest);
    let mut names: Vec<String> = [POLICY, SETTINGS, ROTATION].map(str::to_owned).into();
    names.extend(clients(folder)?.into_iter().map(|file| format!("{TOKENS}/{file}")));
    let mut bytes = 0;
    for name in names {
        let text = read_file(folder, &name, session)?;
        bytes += text.len();
        if bytes > MOST_BYTES {
            return Err(Failure::usage(format!(
                "{} holds more than 1 GiB: is it the right folder?",
                folder.display()
            )));
        }
        files.insert(name, text);
    }
    parse(&files, folder)
}

fn read_file(folder: &Path, name: &str, session: &mut Session<'_, '_>) -> Result<String, Failure> {
    let path = folder.join(name);
    // A pipe would be waited for.
    if !path.is_file() {
        return Err(Failure::usage(format!("{} is missing, or is no file; {RESTORE}", path.display())));
    }
    session.read_text(&path)
}

const RESTORE: &str = "restore it from version control, or record anew";

/// The names of the clients' files. Without clients the folder is empty, and version control may have left it out.
fn clients(folder: &Path) -> Result<Vec<String>, Failure> {
    let tokens = folder.join(TOKENS);
    let unreadable = |error: std::io::Error| {
        Failure::usage(format!("cannot read {}: {}; {RESTORE}", tokens.display(), cause(&error)))
    };
    let mut names = Vec::new();
    let entries = match fs::read_dir(&tokens) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(names),
        entries => entries.map_err(unreadable)?,
    };
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        names.extend(name.to_str().filter(|name| name.strip_suffix(".json").is_some()).map(str::to_owned));
        if names.len() > MOST_CLIENTS {
            return Err(Failure::usage(format!("{} has more than {MOST_CLIENTS} files", tokens.display())));
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// What the files of `folder` say, or the first thing that they could not have said when they were recorded.
pub(super) fn parse(files: &Files, folder: &Path) -> Result<Recorded, Failure> {
    let damaged = |name: &str, problem: &str| {
        Failure::usage(format!("{} {problem}; {RESTORE}", folder.join(name).display()))
    };
    let text = |name: &str| files.get(name).map(String::as_str).unwrap_or_default();
    let manifest = parse_manifest(text(MANIFEST), folder)?;
    let policy = file::read_whole_at(text(POLICY), &folder.join(POLICY))?;
    let settings: toml::Table = text(SETTINGS).parse().map_err(|_| damaged(SETTINGS, "is no TOML"))?;
    let mut tokens = BTreeMap::new();
    for (name, text) in files {
        let file = name.strip_prefix(TOKENS).and_then(|name| name.strip_prefix('/'));
        let Some(id) = file.and_then(|name| name.strip_suffix(".json")) else { continue };
        let answers = Recorded::answers(id, text).map_err(|problem| damaged(name, &problem))?;
        tokens.insert(id.to_owned(), answers);
    }
    let rotation: Vec<_> = Recorded::lines(text(ROTATION)).take(MOST_LINES + 1).collect();
    if rotation.len() > MOST_LINES {
        return Err(damaged(ROTATION, "is longer than any that was recorded"));
    }
    let (settings, policy): (Value, Value) = (json!(settings), Recorded::by_name(&policy));
    let recorded = Recorded { manifest, settings, policy, tokens, rotation };
    recorded
        .check()
        .map_err(|problem| Failure::usage(format!("{}: {problem}; {RESTORE}", folder.display())))?;
    Ok(recorded)
}

pub(super) fn parse_manifest(text: &str, folder: &Path) -> Result<Manifest, Failure> {
    Manifest::parse(text).map_err(|bad| Failure::usage(format!("{} {bad}", folder.join(MANIFEST).display())))
}
