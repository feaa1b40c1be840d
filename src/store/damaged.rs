//! A row of the policy that another hand broke: it is left out and told, and stops nobody.

use std::fmt;

use crate::policy::RowKind;

/// A row that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRow {
    /// What it is about.
    pub kind: RowKind,
    /// Whose it is, where at least that can be read.
    pub name: Option<String>,
    /// Why it cannot be read.
    pub cause: String,
}

impl fmt::Display for DamagedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind.as_str(), self.name.as_deref().unwrap_or("?"), self.cause)
    }
}
