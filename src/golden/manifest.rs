//! `manifest.json`: what a folder of goldens is, who recorded it, and how much is in it. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::Timestamp;

/// The form of the folder. Another one is another number.
pub const FORMAT: u64 = 1;
/// The first start of every golden run: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_seconds(1_767_225_600);
/// For so long the keys are simulated.
pub const SPAN: Duration = Duration::from_hours(DAYS * 24);
const DAYS: u64 = 90;

/// What stands at the door of a folder of goldens; members in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u64,
    /// The version of the program that recorded it.
    pub recorded_by: String,
    /// The moment of the simulated first start, RFC 3339.
    pub clock: String,
    /// For how many days the keys were simulated.
    pub days: u64,
    /// How many clients there are, each with a file.
    pub clients: usize,
    /// How many requests they were made to ask.
    pub requests: usize,
    /// How many of these would get a token.
    pub tokens: usize,
    /// How many transitions of keys were simulated.
    pub transitions: usize,
}

/// How much was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// See [`Manifest::clients`].
    pub clients: usize,
    /// See [`Manifest::requests`].
    pub requests: usize,
    /// See [`Manifest::tokens`].
    pub tokens: usize,
    /// See [`Manifest::transitions`].
    pub transitions: usize,
}

/// Why a text is no manifest that this version can go by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// Not JSON, or without what every manifest has.
    #[error("is no manifest of a golden run")]
    Unread,
    /// Of a form that this version does not know.
    #[error(
        "has format {0}, and this version reads format {FORMAT}; use the version that recorded it, or a later one"
    )]
    Format(u64),
}

impl Manifest {
    /// The manifest of what was recorded just now.
    pub fn new(Counts { clients, requests, tokens, transitions }: Counts) -> Self {
        Self {
            format: FORMAT,
            recorded_by: crate::VERSION.to_owned(),
            clock: super::rotation::date(START),
            days: DAYS,
            clients,
            requests,
            tokens,
            transitions,
        }
    }

    /// Reads one. The format is looked at first: another one may have other members.
    pub fn parse(text: &str) -> Result<Self, BadManifest> {
        let value: Value = serde_json::from_str(text).map_err(|_| BadManifest::Unread)?;
        let format = value.get("format").and_then(Value::as_u64).ok_or(BadManifest::Unread)?;
        if format != FORMAT {
            return Err(BadManifest::Format(format));
        }
        serde_json::from_value(value).map_err(|_| BadManifest::Unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_manifest_of_this_format_is_read() {
        let manifest = Manifest::new(Counts { clients: 1, requests: 4, tokens: 3, transitions: 26 });
        let text = serde_json::to_string(&manifest).unwrap();
        assert_eq!(Manifest::parse(&text), Ok(manifest));
        assert!(text.contains(r#""clock":"2026-01-01T00:00:00Z","days":90"#), "{text}");
        assert_eq!(Manifest::parse(r#"{"format":2,"more":[]}"#), Err(BadManifest::Format(2)));
        for bad in ["", "[]", "{}", r#"{"format":"1"}"#, r#"{"format":1}"#] {
            assert_eq!(Manifest::parse(bad), Err(BadManifest::Unread), "{bad}");
        }
    }
}
