//! `amendments.toml`: where today's code answers otherwise than a release did, on purpose.
//!
//! Each is for one place of one golden, says what stood there and what stands there now, and why. One that no
//! release needs is refused, so that the file holds nothing but what is true.

use std::sync::atomic::{AtomicBool, Ordering};

use mintmark::golden::compare::Change;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    amendment: Vec<Amendment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Amendment {
    release: String,
    case: String,
    pointer: String,
    old: Option<Value>,
    new: Option<Value>,
    since: String,
    reason: String,
}

/// All of them, and which were needed.
pub(super) struct Amendments(Vec<(Amendment, AtomicBool)>);

impl Amendments {
    /// Reads the file's text.
    pub(super) fn read(text: &str) -> Self {
        let file: File = toml::from_str(text).unwrap_or_else(|error| panic!("amendments.toml: {error}"));
        for amendment in &file.amendment {
            let Amendment { since, reason, pointer, .. } = amendment;
            assert!(!since.is_empty() && reason.len() > 9, "{pointer}: say since when and why");
        }
        Self(file.amendment.into_iter().map(|amendment| (amendment, AtomicBool::new(false))).collect())
    }

    /// Whether this change is amended; the amendment is used then.
    pub(super) fn allow(&self, release: &str, case: &str, change: &Change) -> bool {
        let of_this = |amendment: &Amendment| {
            (amendment.release.as_str(), amendment.case.as_str()) == (release, case)
                && amendment.pointer == change.pointer
                && (&amendment.old, &amendment.new) == (&change.old, &change.new)
        };
        let found = self.0.iter().find(|(amendment, _)| of_this(amendment));
        found.inspect(|(_, used)| used.store(true, Ordering::Relaxed)).is_some()
    }

    /// Those that nobody needed.
    pub(super) fn unused(&self) -> Vec<String> {
        let unused = self.0.iter().filter(|(_, used)| !used.load(Ordering::Relaxed));
        unused
            .map(|(Amendment { release, case, pointer, .. }, _)| format!("{release} {case} {pointer}"))
            .collect()
    }
}
