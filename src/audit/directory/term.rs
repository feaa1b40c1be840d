//! What one looks for, as four bytes.

use crate::audit::event::EventType;
use crate::digest::Digest;
use crate::jose::Kid;

/// The first four bytes of a hash over a kind and a value. Two values may share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u32);

impl Term {
    /// Entries of this event.
    pub fn event(event: EventType) -> Self {
        Self::of("event", event.as_str().as_bytes())
    }

    /// Entries that name this key.
    pub fn kid(kid: Kid) -> Self {
        Self::of("kid", kid.0.as_bytes())
    }

    /// Entries whose body names this client or subject.
    pub fn name(name: &str) -> Self {
        Self::of("name", name.as_bytes())
    }

    /// Entries whose body holds this scope token.
    pub fn scope(token: &str) -> Self {
        Self::of("scope", token.as_bytes())
    }

    fn of(kind: &str, value: &[u8]) -> Self {
        let Digest([a, b, c, d, ..]) = Digest::of(&[b"mintmark/term/v1\n", kind.as_bytes(), b"\n", value]);
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}
