//! What is wrong with a configuration, one line an option, with what would do.
//!
//! Pure. Never repeats a value that may hold a password.

use std::fmt;
use std::path::Path;

/// One thing that is wrong. `Display` is one line: the option's path, what is wrong, what would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The option's path, such as `keys.retain_for`; the file's name when the text is not TOML.
    pub option: String,
    /// What is wrong, with the line or the variable where it stands.
    pub problem: String,
    /// What would do.
    pub fix: String,
}

impl Complaint {
    /// A complaint about `option`.
    pub fn new(option: impl Into<String>, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { option: option.into(), problem: problem.into(), fix: fix.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("{}: {}; {}", self.option, self.problem, self.fix);
        for character in line.chars() {
            // A file name may hold a line feed; the line stays one line.
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Complaint {}

/// The known name that was probably meant by `name`, if one is near enough.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A path as it may stand in a line and in a command: in quotes if a blank or worse is in it.
pub(super) fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.into_owned() } else { format!("{text:?}") }
}

/// Why a value was refused and what would do; the option's path is not known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {fix}")]
pub struct Wrong {
    /// What is wrong with the value.
    pub problem: String,
    /// What would do.
    pub fix: String,
}

impl Wrong {
    pub(super) fn new(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { problem: problem.into(), fix: fix.into() }
    }
}
