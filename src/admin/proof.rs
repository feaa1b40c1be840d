//! Receipts for admins: of any entry, each question recorded. The public side gives those of tokens.

use super::{Actor, Admin, Refusal};
use crate::audit::proof::Receipt;
use crate::audit::served::NoReceipt;
use crate::oauth::claims::Jti;

/// What a receipt is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proved {
    /// The entry at this place.
    Entry(u64),
    /// The issuance of the token with this `jti`.
    Token(String),
}

impl From<NoReceipt> for Refusal {
    fn from(fault: NoReceipt) -> Self {
        match fault {
            NoReceipt::Unknown => Self::NotFound("entry"),
            NoReceipt::NotYet => Self::NotYet,
            NoReceipt::Store(fault) => Self::Store(fault),
        }
    }
}

impl Admin {
    /// Proves that an entry is in the log, under a published checkpoint. It waits a moment for one that covers it.
    pub async fn prove(&self, actor: &Actor, proved: &Proved) -> Result<Receipt, Refusal> {
        let object = match proved {
            Proved::Entry(index) => format!("proof {index}"),
            // What no token can be called is not looked up.
            Proved::Token(jti) if Jti::parse(jti).is_none() => return Err(Refusal::NotFound("entry")),
            Proved::Token(jti) => format!("proof jti={jti}"),
        };
        self.record_read(actor, object).await?;
        let served = &self.parts.served;
        Ok(match proved {
            Proved::Entry(index) => served.receipt_at(*index).await?,
            Proved::Token(jti) => served.receipt(jti).await?,
        })
    }
}
