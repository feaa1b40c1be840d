//! Which version of an object a caller has seen, so that no change of another is overwritten. RFC 9110 section 13.1.1.

use super::Refusal;

/// What a caller says of the object that it is about to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing: fine for a new object only.
    Unsaid,
    /// That it exists, whatever its version.
    Any,
    /// That it is this version.
    Version(u64),
}

impl Expected {
    /// The version that an object gets when it is set, given the one it has; `None` when it is new.
    pub(super) fn next(self, found: Option<u64>) -> Result<u64, Refusal> {
        match (self, found) {
            (Self::Unsaid, None) => Ok(1),
            (_, None) => Err(Refusal::Stale),
            (expected, Some(found)) => expected.of_existing(found).map(|()| found + 1),
        }
    }

    /// Refuses unless it speaks of this version of an object that is there.
    pub(super) fn of_existing(self, found: u64) -> Result<(), Refusal> {
        match self {
            Self::Unsaid => Err(Refusal::PreconditionRequired),
            Self::Version(seen) if seen != found => Err(Refusal::Stale),
            Self::Any | Self::Version(_) => Ok(()),
        }
    }
}
