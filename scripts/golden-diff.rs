//! `scripts/golden-diff BASE`: which goldens differ from BASE, in the words of a user.
//!
//! It reads two folders like `tests/golden`, the old one and the new one, and writes nothing. What is the same for
//! many goldens is told once. Exit 1 when a golden changed or went and no new line of `CHANGES.md` names it; a new
//! golden needs none. The bash script beside it gets the old folder from git and calls this.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

#[path = "../tests/it/golden/story/mod.rs"]
mod story;

use story::told::Told;
use story::{of_snapshot, reasons, telling};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [old, new, base] = arguments.as_slice() else {
        let _ = writeln!(io::stderr(), "usage: golden-diff OLD_FOLDER NEW_FOLDER NAME_OF_THE_OLD");
        return ExitCode::from(2);
    };
    match run(Path::new(old), Path::new(new), base) {
        Ok(errors) if errors.is_empty() => ExitCode::SUCCESS,
        Ok(errors) => {
            for error in errors {
                let _ = writeln!(io::stderr(), "error: {error}");
            }
            ExitCode::FAILURE
        }
        // Whoever reads no further, as `head` does, wants no more.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Tells what differs and gives what is wrong with it.
fn run(old: &Path, new: &Path, base: &str) -> io::Result<Vec<String>> {
    let (before, after) = (goldens(&old.join("current"))?, goldens(&new.join("current"))?);
    let cases: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut told = Told::default();
    let mut changed = Vec::new();
    for case in cases {
        match (before.get(case), after.get(case)) {
            (Some(old), Some(new)) if old == new => {}
            (Some(old), Some(new)) => {
                changed.push(case.clone());
                for sentence in telling::tell(old, new) {
                    told.add(sentence, case);
                }
            }
            (Some(_), None) => {
                changed.push(case.clone());
                told.add("the golden is gone".to_owned(), case);
            }
            (None, _) => told.add("a new golden".to_owned(), case),
        }
    }
    let count = told.cases();
    writeln!(io::stdout().lock(), "{}{count} goldens differ from {base}", told.text())?;
    let lines = [old, new].map(|folder| fs::read_to_string(folder.join("CHANGES.md")).unwrap_or_default());
    let known: BTreeSet<&str> = reasons::lines(&lines[0], None).into_iter().collect();
    let fresh: Vec<&str> =
        reasons::lines(&lines[1], None).into_iter().filter(|line| !known.contains(line)).collect();
    changed.retain(|case| !reasons::name(case, &fresh));
    let mut errors = touched_releases(old, new)?;
    if !changed.is_empty() {
        errors.push(format!("tests/golden/CHANGES.md has no new line that names: {}", changed.join(", ")));
    }
    Ok(errors)
}

/// Releases that are not what they were: what is frozen stays. That a folder is as its list says is for the tests.
fn touched_releases(old: &Path, new: &Path) -> io::Result<Vec<String>> {
    let Ok(releases) = fs::read_dir(old.join("releases")) else { return Ok(Vec::new()) };
    let mut errors = Vec::new();
    for release in releases {
        let list = Path::new("releases").join(release?.file_name()).join("FROZEN.sha256");
        let was = fs::read(old.join(&list))?;
        if fs::read(new.join(&list)).ok() != Some(was) {
            errors.push(format!("tests/golden/{} is frozen, and it is gone or another", list.display()));
        }
    }
    Ok(errors)
}

/// The stories below a folder by their cases, such as `token/several_scopes`; none where there is no folder.
fn goldens(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let Ok(kinds) = fs::read_dir(folder) else { return Ok(found) };
    for kind in kinds {
        let kind = kind?;
        if !kind.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(kind.path())? {
            let name = file?.file_name().to_string_lossy().into_owned();
            if let Some(case) = name.strip_suffix(".snap") {
                let text = fs::read_to_string(kind.path().join(&name))?;
                let case = format!("{}/{case}", kind.file_name().to_string_lossy());
                found.insert(case, of_snapshot(&text).to_owned());
            }
        }
    }
    Ok(found)
}
