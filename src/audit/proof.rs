//! The receipt: a text that proves offline that one record is in the log.
//!
//! Pure. The leaf travels as the format's extra part; it is believed only
//! because its hash and the path give the signed root. C2SP tlog-proof.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::audit::checkpoint::{BadCheckpoint, Checkpoint, Note, Vkey};
use crate::audit::decimal;
use crate::audit::event::EventType;
use crate::audit::leaf::{Leaf, MAX_LEAF, token_hash};
use crate::audit::tree::{leaf_hash, verify_inclusion};
use crate::digest::Digest;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// No tree of a `u64` size is deeper.
const MAX_PATH: usize = 64;

/// A record's leaf, its place in the tree, and the checkpoint that covers it.
/// `Display` is the `tlog-proof` text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The exact bytes of the leaf.
    pub leaf: Vec<u8>,
    /// Its position in the log, from 0.
    pub index: u64,
    /// The inclusion proof, from the leaf's sibling up.
    pub path: Vec<Digest>,
    /// The signed note, verbatim.
    pub checkpoint: String,
}

/// Why a receipt proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReceipt {
    /// The text is not a receipt with a leaf.
    #[error("not a receipt")]
    Malformed,
    /// The checkpoint is not by this log.
    #[error(transparent)]
    Checkpoint(#[from] BadCheckpoint),
    /// Leaf, path and root do not fit together.
    #[error("the leaf is not in the checkpoint's tree")]
    NotIncluded,
    /// The leaf's bytes are in the log and are no leaf of this program.
    #[error("the record is not in its canonical form")]
    Leaf,
    /// The record tells something else than that a token was issued.
    #[error("the record is not of a token that was issued")]
    NotIssued,
    /// The receipt is for another token.
    #[error("the receipt is not for this token")]
    OtherToken,
}

/// What a receipt proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The record.
    pub leaf: Leaf,
    /// The tree that holds it.
    pub checkpoint: Checkpoint,
}

impl Receipt {
    /// Reads the text. It proves nothing before [`Receipt::verify`].
    pub fn parse(text: &str) -> Result<Self, BadReceipt> {
        Self::read(text).ok_or(BadReceipt::Malformed)
    }

    fn read(text: &str) -> Option<Self> {
        let (head, checkpoint) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let leaf = STANDARD.decode(lines.next()?.strip_prefix("extra ")?).ok()?;
        let index = decimal(lines.next()?.strip_prefix("index ")?)?;
        let hash = |line| Some(Digest(STANDARD.decode(line).ok()?.try_into().ok()?));
        let path: Vec<_> = lines.take(MAX_PATH + 1).map(hash).collect::<Option<_>>()?;
        if leaf.is_empty() || leaf.len() > MAX_LEAF || path.len() > MAX_PATH {
            return None;
        }
        Note::parse(checkpoint).ok()?;
        Some(Self { leaf, index, path, checkpoint: checkpoint.to_owned() })
    }

    /// Checks the signature, then the inclusion, and gives the record.
    pub fn verify(&self, vkey: &Vkey) -> Result<Proven, BadReceipt> {
        let note = Note::parse(&self.checkpoint)?;
        let checkpoint = note.verify(vkey)?.clone();
        let hash = leaf_hash(&self.leaf);
        if !verify_inclusion(self.index, checkpoint.size, hash, &self.path, checkpoint.root) {
            return Err(BadReceipt::NotIncluded);
        }
        let leaf = Leaf::parse(&self.leaf).map_err(|_| BadReceipt::Leaf)?;
        Ok(Proven { leaf, checkpoint })
    }

    /// As [`Receipt::verify`], and the record is that of this JWT (compact form).
    /// Whether the JWT's own signature holds is another question.
    pub fn verify_token(&self, vkey: &Vkey, jwt: &str) -> Result<Proven, BadReceipt> {
        let proven = self.verify(vkey)?;
        proven.is_of(jwt)?;
        Ok(proven)
    }
}

impl Proven {
    /// Checks that the record is of the issuance of this JWT (compact form).
    pub fn is_of(&self, jwt: &str) -> Result<(), BadReceipt> {
        // `token.unrecorded` names a token too: one that was found and never issued.
        if self.leaf.event != EventType::TokenIssued {
            return Err(BadReceipt::NotIssued);
        }
        let th = signing_input(jwt).map(|input| token_hash(input.as_bytes()));
        if th.is_none() || self.leaf.th != th {
            return Err(BadReceipt::OtherToken);
        }
        Ok(())
    }
}

/// The part of a compact JWS that is signed: header, dot, payload. RFC 7515 section 5.1.
/// `None` unless the text has exactly three parts.
pub fn signing_input(jwt: &str) -> Option<&str> {
    let (input, signature) = jwt.rsplit_once('.')?;
    let (header, payload) = input.split_once('.')?;
    let three = !header.is_empty() && !payload.contains('.') && !signature.is_empty();
    three.then_some(input)
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}\nextra {}\nindex {}", STANDARD.encode(&self.leaf), self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", STANDARD.encode(hash.0))?;
        }
        f.write_char('\n')?;
        f.write_str(&self.checkpoint)
    }
}

#[cfg(test)]
mod tests;
