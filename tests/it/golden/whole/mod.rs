//! Holds the corpus to being whole: a row of a table that no golden shows fails here by its name.
//!
//! It reads the goldens as a person does, from their files, and plays nothing.

mod audit;
mod commands;
mod documents;
mod errors;
mod reader;
mod tokens;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

use super::{files, name_of, root};

/// The goldens of a folder, each with its name.
fn goldens(folder: &str) -> Vec<(String, String)> {
    let paths = files(&root().join("current").join(folder));
    let snapshots = paths.iter().filter(|path| path.extension().is_some_and(|kind| kind == "snap"));
    let read = snapshots.map(|path| (name_of(path).1.to_owned(), std::fs::read_to_string(path).unwrap()));
    read.collect()
}

/// All goldens of a folder as one text.
fn text_of(folder: &str) -> String {
    goldens(folder).into_iter().map(|(_, text)| text).collect()
}

/// A file of this repository.
fn source(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Each of `rows` is shown, but for the exceptions; and an exception that is shown is none.
#[track_caller]
fn assert_shown<R: Ord + Debug>(
    what: &str,
    rows: impl IntoIterator<Item = R>,
    is_shown: impl Fn(&R) -> bool,
    exceptions: &[(R, &str)],
) {
    let rows: BTreeSet<R> = rows.into_iter().collect();
    let excepted: BTreeSet<&R> = exceptions.iter().map(|(row, _)| row).collect();
    let strangers: Vec<_> = excepted.iter().filter(|row| !rows.contains(*row)).collect();
    assert!(strangers.is_empty(), "{what}: exceptions that are no rows: {strangers:#?}");
    let missing: Vec<_> = rows.iter().filter(|row| !is_shown(row) && !excepted.contains(row)).collect();
    assert!(
        missing.is_empty(),
        "{what}: no golden shows {missing:#?}; write a scenario, see tests/golden/README.md"
    );
    let needless: Vec<_> = excepted.into_iter().filter(|row| is_shown(row)).collect();
    assert!(needless.is_empty(), "{what}: exceptions that a golden shows: {needless:#?}");
}
