//! What an act tells the one who asked for it: the document of its answer, before any header or status.
//!
//! Composed before the act is written, so that it can be remembered in the
//! same transaction, and told again word for word. What is remembered has no
//! secret in it. It knows nothing of HTTP; `http::error` has the status of each [`Outcome`].

mod clients;
mod keys;

use serde::{Deserialize, Serialize};

pub use keys::KeyBody;

use crate::audit::body;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is done.
    Done,
    /// Something is there that was not.
    Made,
    /// It will be done later.
    Awaited,
}

/// Whether an answer shows the secret that its act made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// To the caller, this once.
    Shown,
    /// To nobody.
    Withheld,
}

/// The answer to an act.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What became of it.
    pub outcome: Outcome,
    /// The version of the object that it shows, where it shows one that has versions.
    pub version: Option<u64>,
    /// The exact text of the body.
    pub body: String,
}

impl Answer {
    /// An answer with this body.
    pub fn new(outcome: Outcome, version: Option<u64>, body: &impl Serialize) -> Self {
        // The bodies are our own plain structs: their serialisation has no way to fail.
        let body = serde_json::to_string(body).unwrap_or_else(|_| "null".to_owned());
        Self { outcome, version, body }
    }

    /// The answer that something without versions is done.
    pub fn done(body: &impl Serialize) -> Self {
        Self::new(Outcome::Done, None, body)
    }

    /// One line, as it is kept.
    pub(super) fn line(&self) -> String {
        String::from_utf8_lossy(&body::line(self)).into_owned()
    }

    /// Reads what [`Self::line`] wrote.
    pub(super) fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}
