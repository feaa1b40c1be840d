//! Whether a token was issued here.

use serde::Serialize;

use super::{Actor, Admin, Refusal};
use crate::audit::standing::{Presented, Standing};

/// What is known of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Its record is in the log.
    Issued,
    /// It was issued while records were written that a reopened log has lost.
    Pending,
    /// Our signature and no record: somebody else signed it with one of our keys.
    Forged,
    /// None of our keys signed it.
    Foreign,
}

/// The answer to `audit find`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// What it is.
    pub verdict: Verdict,
    /// Where its record stands.
    pub index: Option<u64>,
}

impl Admin {
    /// Tells whether the log knows a token, a JWT in compact form. Whether it is still in force is another question.
    /// The search is recorded, and a forgery too.
    pub async fn find_token(&self, actor: &Actor, token: &str) -> Result<Found, Refusal> {
        let presented = Presented::read(token, &self.parts.rotator.ring());
        let object = match &presented {
            Some(presented) => format!("token th={}", presented.th),
            None => "token, not one of ours".to_owned(),
        };
        self.record_read(actor, object).await?;
        let Some(presented) = presented else { return Ok(Found { verdict: Verdict::Foreign, index: None }) };
        let standing = self.parts.standings.of(&presented, actor.via, &actor.request_id).await?;
        Ok(match standing {
            Standing::Recorded(index) => Found { verdict: Verdict::Issued, index: Some(index) },
            Standing::Lost => Found { verdict: Verdict::Pending, index: None },
            Standing::Unrecorded => Found { verdict: Verdict::Forged, index: None },
        })
    }

    /// How often a token with our signature and no record was looked up since the start.
    pub fn unrecorded_tokens(&self) -> u64 {
        self.parts.standings.unrecorded()
    }
}
