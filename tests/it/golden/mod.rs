//! Replays the scenarios of `tests/golden/scenarios` and compares what happened with the goldens of
//! `tests/golden/current`. How to read and to change one is told in `tests/golden/README.md`.

mod admin;
mod answer;
mod command;
mod elsewhere;
mod exchange;
mod forgery;
mod keys;
mod log;
mod mishaps;
mod owned;
mod parse;
mod play;
mod played;
mod policy;
#[cfg(feature = "rsa")]
mod releases;
mod render;
mod rotation;
mod stories;
mod story;
mod whole;

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
    let stories = played::all();
    insta::glob!("../../golden/scenarios", "*/*.scenario", |path| {
        // A build without RSA keys plays fewer.
        let Some(story) = stories.get(path) else { return };
        let story = story.as_ref().unwrap_or_else(|broken| broken);
        let (folder, case) = name_of(path);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(root().join("current").join(folder));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.remove_snapshot_suffix();
        settings.bind(|| insta::assert_snapshot!(case, story));
    });
    let broken: Vec<_> = stories.iter().filter(|(_, story)| story.is_err()).map(|(path, _)| path).collect();
    assert!(broken.is_empty(), "these break off: {broken:#?}");
}

/// Every scenario that this build can play, by folder and name.
fn scenarios() -> Vec<PathBuf> {
    let mut paths = files(&root().join("scenarios"));
    paths.retain(|path| cfg!(feature = "rsa") || !has_rsa_keys(path));
    paths
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
        // Its end has checks of its own.
        play::keep(&story);
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
