//! Why a command ended without doing what it was asked: an exit code and one line.
//!
//! The line says what to do. It never holds a secret and never a control
//! character, whatever a server put into its answer.

use crate::cli::cause::cause;
use std::fmt;
use std::io;

use crate::cli::wire::WireError;
use crate::config::Complaint;

/// What the shell learns of a command that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It is done.
    Done,
    /// It was refused, or it failed.
    Refused,
    /// The command or the configuration is wrong; nothing was tried.
    Usage,
    /// The server cannot be reached or is not ready.
    Unreachable,
}

impl Exit {
    /// The exit code: 0, 1, 2 or 3.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
        }
    }
}

/// An exit that is not [`Exit::Done`], with its one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    line: String,
}

impl Failure {
    /// The command or the configuration must be changed: exit code 2.
    pub fn usage(line: impl AsRef<str>) -> Self {
        Self::new(Exit::Usage, line.as_ref())
    }

    /// It was tried, and refused or broken: exit code 1.
    pub fn refused(line: impl AsRef<str>) -> Self {
        Self::new(Exit::Refused, line.as_ref())
    }

    /// The server is not there or not ready: exit code 3.
    pub fn unreachable(line: impl AsRef<str>) -> Self {
        Self::new(Exit::Unreachable, line.as_ref())
    }

    /// The same failure, told as one of this.
    #[must_use]
    pub fn about(self, what: &str) -> Self {
        Self::new(self.exit, &format!("{what}: {}", self.line))
    }

    /// The same, and what may help.
    #[must_use]
    pub fn advised(&self, advice: &str) -> Self {
        Self::new(self.exit, &format!("{}; {advice}", self.line))
    }

    fn new(exit: Exit, line: &str) -> Self {
        Self { exit, line: one_line(line) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for Failure {}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        let exit = match &error {
            WireError::Address(_) | WireError::PlainHttp(_) | WireError::Request(_) => Exit::Usage,
            error if error.is_unreachable() => Exit::Unreachable,
            _ => Exit::Refused,
        };
        Self::new(exit, &error.to_string())
    }
}

/// The writers handed in failed: a full disk or a closed pipe.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::refused(format!("cannot write the output: {}", cause(&error)))
    }
}

/// All complaints on one line; a command that only wants the socket does not list them.
impl From<Vec<Complaint>> for Failure {
    fn from(complaints: Vec<Complaint>) -> Self {
        let texts: Vec<_> = complaints.iter().map(Complaint::to_string).collect();
        Self::usage(texts.join(" | "))
    }
}

/// The text without anything that could move a terminal's cursor.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.trim().chars() {
        if is_unprintable(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// Controls, line separators and the marks that reorder a line (Unicode bidirectional controls).
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_moves_no_cursor() {
        let failure = Failure::refused("no\n\u{1b}[2Jsuch \u{202e}client\n");
        assert_eq!(failure.to_string(), "no\\n\\u{1b}[2Jsuch \\u{202e}client");
    }

    #[test]
    fn a_missing_server_is_told_from_a_wrong_address() {
        let unreachable = WireError::Unreachable { address: "unix:x".to_owned(), cause: "gone".to_owned() };
        assert_eq!(Failure::from(unreachable).exit.code(), 3);
        assert_eq!(Failure::from(WireError::Address("x".to_owned())).exit.code(), 2);
        assert_eq!(Failure::from(WireError::Late("unix:x".to_owned())).exit.code(), 1);
    }
}
