//! From a policy file and settings to the files of a golden run, in memory.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::USUAL_POLICY;
use super::folder::{Files, MANIFEST, POLICY, ROTATION, SETTINGS};
use crate::cli::failure::{Failure, one_line};
use crate::cli::policy::file;
use crate::cli::session::{MAX_INPUT, Session};
use crate::config::Settings;
use crate::golden::manifest::{Counts, Manifest, SPAN, START};
use crate::golden::recorded::Recorded;
use crate::golden::rotation::{Timeline, timeline};
use crate::golden::trial::Trial;
use crate::http::admin::MAX_POLICY;
use crate::jose::unread;
use crate::policy::Policy;
use crate::policy::plan::Wanted;

/// Whose policy a run is of.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// A file that is to be brought to a server, with other files beside it; `-` is standard input.
    Given(&'a Path),
    /// The copy in a folder of goldens, which needs no other file.
    Copy(&'a Path),
}

/// Makes the run of a policy file: every file of its folder. What is wrong with the policy is told in a line each;
/// `ending` says what then did not happen.
pub(super) fn files(
    settings: &Settings,
    policy: Source<'_>,
    ending: &str,
    session: &mut Session<'_, '_>,
) -> Result<Files, Failure> {
    let wanted = wanted(policy, session)?;
    let trial = Trial::new(settings, wanted, START).or_else(|complaints| {
        for complaint in &complaints {
            writeln!(session.terminal.stderr, "{}", one_line(&complaint.to_string()))?;
        }
        let noun = if complaints.len() == 1 { "complaint" } else { "complaints" };
        let (Source::Given(path) | Source::Copy(path)) = policy;
        let what = format!("{} {noun} about the policy {}; {ending}", complaints.len(), path.display());
        Err(Failure::usage(what))
    })?;
    let files = made(settings, &trial)?;
    match too_long(&files) {
        None => Ok(files),
        Some(name) => Err(Failure::refused(format!(
            "{name} would be larger than 4 MiB, the most that is read again; {ending}"
        ))),
    }
}

/// A file that [`super::folder::read`] would refuse.
fn too_long(files: &Files) -> Option<&str> {
    files.iter().find(|(_, text)| text.len() as u64 > MAX_INPUT).map(|(name, _)| name.as_str())
}

fn made(settings: &Settings, trial: &Trial) -> Result<Files, Failure> {
    let quantities = settings.keys.quantities(settings.tokens.max_lifetime);
    let Timeline { text: rotation, transitions } =
        timeline(&settings.keys.algorithms, &quantities, (START, SPAN));
    let mut counts = Counts { transitions, ..Counts::default() };
    let mut files = BTreeMap::from([
        (ROTATION.to_owned(), rotation),
        (SETTINGS.to_owned(), settings.excerpt()),
        (POLICY.to_owned(), whole(trial.policy())?),
    ]);
    for registered in trial.clients() {
        let (document, granted) = trial.tokens(registered);
        counts.clients += 1;
        counts.requests += document.get("tokens").and_then(Value::as_object).map_or(0, serde_json::Map::len);
        counts.tokens += granted;
        files.insert(Recorded::file_of(registered.client.id.as_str()), laid_out(&document)?);
    }
    files.insert(MANIFEST.to_owned(), laid_out(&json!(Manifest::new(counts)))?);
    Ok(files)
}

fn wanted(policy: Source<'_>, session: &mut Session<'_, '_>) -> Result<Wanted, Failure> {
    let (path, policy) = match policy {
        Source::Given(path) => (path, given(path, session)?),
        Source::Copy(path) => (path, file::read_whole_at(&session.read_text(path)?, path)?),
    };
    serde_json::from_value(policy)
        .map_err(|cause| Failure::usage(unread::reason(&cause)).about(&path.display().to_string()))
}

fn given(path: &Path, session: &mut Session<'_, '_>) -> Result<Value, Failure> {
    if path == Path::new(USUAL_POLICY) && !path.exists() {
        return Err(Failure::usage(
            "there is no policy.toml here: name the policy file by --policy, or make it: \
             mintmark policy export > policy.toml",
        ));
    }
    let text = session.read_text(path)?;
    let policy = file::read_at(&text, path)?;
    // As `mintmark policy apply` would send it.
    let bytes = json!({ "policy": policy, "prune": false }).to_string().len();
    if bytes > MAX_POLICY {
        return Err(Failure::usage(format!(
            "the policy {} has {bytes} bytes as JSON, and a server takes at most {MAX_POLICY} at once",
            path.display()
        )));
    }
    Ok(policy)
}

/// The policy as a file that needs no other: keys of clients stand in it by value.
fn whole(policy: &Policy) -> Result<String, Failure> {
    let mut clients: Vec<_> = policy.clients.values().map(|registered| &registered.client).collect();
    clients.sort_unstable_by_key(|client| &client.id);
    let resources: Vec<_> = policy.stored_resources().collect();
    let scopes: Vec<_> = policy.stored_scopes().collect();
    let export = json!({ "resources": resources, "scopes": scopes, "clients": clients });
    // TOML knows no null, which a claim may be; JSON is a form of the same file.
    file::write(export.clone()).or_else(|_| laid_out(&file::without_times(export)))
}

/// For a person and for `git diff`: a member a line.
fn laid_out(document: &Value) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(document).map_err(|error| Failure::refused(error.to_string()))?;
    Ok(format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_could_not_be_read_again_is_named() {
        let longest = usize::try_from(MAX_INPUT).unwrap();
        let mut files = Files::from([("tokens/a.json".to_owned(), " ".repeat(longest))]);
        assert_eq!(too_long(&files), None);
        files.insert("tokens/b.json".to_owned(), " ".repeat(longest + 1));
        assert_eq!(too_long(&files), Some("tokens/b.json"));
    }
}
