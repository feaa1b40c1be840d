//! The issuance log: what a record is, how records become a Merkle tree, and how anybody checks both.
//!
//! `recorder` writes it, `denials` notes refusals, `alive` breaks silence, `log_key`, `open` and
//! `publisher` begin a run and sign checkpoints, `served`, `search`, `tail`, `walk`,
//! `period`, `unexpired` and `standing` read it, `catalogue` mends what it is searched by, `retention`
//! lets bodies go. All other
//! rooms below are pure: canonical bytes, hashes, tiles, signed checkpoints,
//! receipts, exports and their verification, the directory, the report. They ask for no
//! time, no randomness and no store, so an auditor's program and the server
//! run the same code. Nothing here parses leniently: what two readers could
//! understand differently is refused, and no input makes a parser panic.
//!
//! RFC 6962 and RFC 9162 (tree and proofs); C2SP tlog-tiles, signed-note,
//! tlog-checkpoint and tlog-proof (how it is served).

pub mod leaf;

pub mod event;

pub mod body;

pub mod about;

pub mod directory;

pub mod tree;

pub mod tile;

pub mod checkpoint;

pub mod proof;

pub mod export;

pub mod verify;

pub mod report;

pub mod recorder;

pub mod denials;

pub mod alive;

pub mod log_key;

pub mod open;

pub mod publisher;

pub mod served;

pub mod walk;

pub mod catalogue;

pub mod search;

pub mod period;

pub mod tail;

pub mod unexpired;

pub mod retention;

pub mod standing;

/// Reads a canonical decimal: ASCII digits, no sign, no leading zero but `0` itself, at most 2^64 - 1.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    canonical.then(|| text.parse().ok()).flatten()
}
