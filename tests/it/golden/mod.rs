//! Replays the scenarios of `tests/golden/scenarios` and compares what happened with the goldens of
//! `tests/golden/current`. How to read and to change one is told in `tests/golden/README.md`.

mod answer;
mod command;
mod exchange;
mod keys;
mod log;
mod parse;
mod play;
mod policy;
#[cfg(feature = "rsa")]
mod releases;
mod render;
mod rotation;
mod stories;
mod story;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::harness::Start;

/// The kinds of goldens; each is a folder of scenarios and one of goldens.
const FOLDERS: [&str; 7] = ["audit", "cli", "documents", "errors", "limits", "rotation", "token"];

/// The build that stories are told of: none that is ever released, so that a new version changes none of them.
const BUILD: &str = "0.0.0";

/// The disk of a busy machine may take longer than the usual deadline, and no story is about that.
const PATIENCE: (&str, &str) = ("MINTMARK_AUDIT__DEADLINE", "4s");

#[test]
fn every_scenario_gives_its_golden() {
    compare(|path| !has_rsa_keys(path));
}

/// The same for the stories that RSA keys are made in, which only a build with that feature can play.
#[cfg(feature = "rsa")]
#[test]
fn every_scenario_with_rsa_keys_gives_its_golden() {
    compare(has_rsa_keys);
}

fn compare(wanted: impl Fn(&Path) -> bool) {
    insta::glob!("../../golden/scenarios", "*/*.scenario", |path| {
        if !wanted(path) {
            return;
        }
        let (folder, case) = name_of(path);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(root().join("current").join(folder));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.remove_snapshot_suffix();
        settings.bind(|| insta::assert_snapshot!(case, replay(path)));
    });
}

#[test]
fn two_runs_give_the_same_bytes() {
    for folder in FOLDERS {
        let path = files(&root().join("scenarios").join(folder)).into_iter().next();
        let path = path.unwrap_or_else(|| panic!("no scenario in {folder}"));
        let (once, again) = (replay(&path), replay(&path));
        let differing = once.lines().zip(again.lines()).find(|(line, other)| line != other);
        assert_eq!(differing, None, "{}", path.display());
        assert_eq!(once.len(), again.len(), "{}", path.display());
    }
}

/// A golden that no scenario gives is a claim that nobody checks; a pending one waits for a person's word.
#[test]
fn every_golden_has_its_scenario() {
    let mut owned = BTreeSet::new();
    for folder in FOLDERS {
        for scenario in files(&root().join("scenarios").join(folder)) {
            let (folder, case) = name_of(&scenario);
            owned.insert(root().join("current").join(folder).join(format!("{case}.snap")));
        }
    }
    let is_pending = |path: &PathBuf| path.to_string_lossy().ends_with(".snap.new");
    let found: BTreeSet<_> = files(&root().join("current")).into_iter().collect();
    let pending: Vec<_> = found.iter().filter(|path| is_pending(path)).collect();
    assert!(pending.is_empty(), "these wait for a decision, see tests/golden/README.md: {pending:#?}");
    let unowned: Vec<_> = found.difference(&owned).collect();
    assert!(unowned.is_empty(), "no scenario gives these; remove them: {unowned:#?}");
    let changes = std::fs::read_to_string(root().join("CHANGES.md")).unwrap();
    assert!(changes.lines().any(|line| line.starts_with("- ")), "CHANGES.md tells of no change at all");
}

fn has_rsa_keys(path: &Path) -> bool {
    let scenario = parse::parse(&std::fs::read_to_string(path).unwrap());
    let algorithms = scenario.settings.iter().filter(|(name, _)| name == "MINTMARK_KEYS__ALGORITHMS");
    algorithms.flat_map(|(_, names)| names.split(',')).any(|name| ["RS256", "PS256"].contains(&name))
}

/// Plays one scenario from its beginning and tells the story.
fn replay(path: &Path) -> String {
    let scenario = parse::parse(&std::fs::read_to_string(path).unwrap());
    let mut settings = vec![PATIENCE];
    settings.extend(scenario.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut mint = Start { build: BUILD, environment: &settings, ..Start::default() }.mint().await;
        let story = play::play(&mut mint, &scenario).await;
        mint.finish().await;
        story
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Folder and case of a scenario's path.
fn name_of(path: &Path) -> (&str, &str) {
    let folder = path.parent().and_then(Path::file_name).unwrap();
    (folder.to_str().unwrap(), path.file_stem().unwrap().to_str().unwrap())
}

/// Every file below `folder`, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
