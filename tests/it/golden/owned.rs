//! Every golden has its scenario and every scenario its golden; nothing waits for a decision, and nothing else lies about.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{FOLDERS, files, name_of, root};

/// What insta leaves for a person to decide about, in a file of its own or for a snapshot within the code.
const PENDING: [&str; 2] = ["snap.new", "pending-snap"];

fn is_pending(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    PENDING.iter().any(|kind| name.ends_with(kind))
}

/// What is wrong with these folders of scenarios and goldens, a line for each file.
fn disorder(scenarios: &Path, current: &Path) -> Vec<String> {
    let told = |what: &str, path: &Path| format!("{what}: {}", path.display());
    let mut wrong = Vec::new();
    let mut owned = BTreeSet::new();
    for path in files(scenarios) {
        let folder = path.parent().unwrap();
        let is_kind = folder.parent() == Some(scenarios) && FOLDERS.contains(&name_of(&path).0);
        if is_kind && path.extension().is_some_and(|kind| kind == "scenario") {
            let (folder, case) = name_of(&path);
            owned.insert(current.join(folder).join(format!("{case}.snap")));
        } else {
            wrong.push(told("no scenario of a folder that the README names", &path));
        }
    }
    let found: BTreeSet<PathBuf> = files(current).into_iter().collect();
    for path in &found {
        if is_pending(path) {
            wrong.push(told("waits for a decision, see tests/golden/README.md", path));
        } else if !owned.contains(path) {
            wrong.push(told("no scenario gives it; remove it", path));
        }
    }
    let lacking =
        owned.difference(&found).map(|path| told("not there; INSTA_UPDATE=always records it", path));
    wrong.extend(lacking);
    wrong
}

/// A golden that no scenario gives is a claim that nobody checks; a pending one waits for a person's word.
#[test]
fn every_golden_has_its_scenario() {
    // What is to be recorded by this very run is not there yet.
    let records = std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always");
    let mut wrong = disorder(&root().join("scenarios"), &root().join("current"));
    wrong.retain(|line| !(records && line.starts_with("not there")));
    assert!(wrong.is_empty(), "{wrong:#?}");
    let beside = files(&root().join("../it")).into_iter().filter(|path| is_pending(path)).collect::<Vec<_>>();
    assert!(beside.is_empty(), "these wait for a decision: {beside:#?}");
    let changes = std::fs::read_to_string(root().join("CHANGES.md")).unwrap();
    assert!(changes.lines().any(|line| line.starts_with("- ")), "CHANGES.md tells of no change at all");
}

#[test]
fn whatever_does_not_belong_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let [scenarios, current] = ["scenarios", "current"].map(|name| folder.path().join(name));
    let laid = [
        "scenarios/token/good.scenario",
        "scenarios/token/new.scenario",
        "scenarios/token/notes.txt",
        "scenarios/stray.scenario",
        "scenarios/tokens/plural.scenario",
        "current/token/good.snap",
        "current/token/good.snap.new",
        "current/token/.good.rs.pending-snap",
        "current/token/gone.snap",
        "current/tokens/plural.snap",
        "current/stray.snap",
    ];
    for path in laid.map(|path| folder.path().join(path)) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    let told: BTreeSet<_> = disorder(&scenarios, &current)
        .iter()
        .map(|line| line.replace(&format!("{}/", folder.path().display()), ""))
        .collect();
    let expected = [
        "no scenario of a folder that the README names: scenarios/stray.scenario",
        "no scenario of a folder that the README names: scenarios/token/notes.txt",
        "no scenario of a folder that the README names: scenarios/tokens/plural.scenario",
        "no scenario gives it; remove it: current/stray.snap",
        "no scenario gives it; remove it: current/token/gone.snap",
        "no scenario gives it; remove it: current/tokens/plural.snap",
        "not there; INSTA_UPDATE=always records it: current/token/new.snap",
        "waits for a decision, see tests/golden/README.md: current/token/.good.rs.pending-snap",
        "waits for a decision, see tests/golden/README.md: current/token/good.snap.new",
    ];
    assert_eq!(told, expected.map(str::to_owned).into_iter().collect());
}
