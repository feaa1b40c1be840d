//! The README of the goldens tells of every verb and every folder.

use super::super::{FOLDERS, root};
use super::{assert_shown, source};

/// The words that steps may begin with, from the code that reads them.
fn verbs() -> Vec<String> {
    let code = source("tests/it/golden/play.rs");
    let arms =
        code.split("match words.as_slice() {").nth(1).unwrap().split("_ => self.exchange").next().unwrap();
    let mut verbs: Vec<_> = crate::golden::story::POLICY_VERBS.map(str::to_owned).to_vec();
    for arm in arms.lines().map(str::trim_start).filter(|line| line.starts_with('[')) {
        let pattern = arm.split("=>").next().unwrap();
        let first = pattern.trim_start_matches('[').split([',', ']']).next().unwrap();
        verbs.extend(first.split('"').skip(1).step_by(2).map(str::to_owned));
    }
    verbs.retain(|verb| verb != "#");
    verbs
}

#[test]
fn the_readme_tells_of_every_verb_and_every_folder() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let rows: Vec<_> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    let verbs = verbs();
    assert!(verbs.len() > 25, "the verbs are not where they were: {verbs:?}");
    let is_told = |verb: &String| {
        let first = |row: &&str| row.split('|').nth(1).unwrap_or_default().to_owned();
        let starts = |cell: String| {
            cell.split('`').skip(1).step_by(2).any(|said| said.split(' ').next() == Some(verb.as_str()))
        };
        rows.iter().map(first).any(starts)
    };
    assert_shown("verbs", verbs, is_told, &[]);
    assert_shown("folders", FOLDERS, |folder| readme.contains(&format!("| `{folder}` |")), &[]);
}
