//! The leaf: one line of JSON whose exact bytes are hashed, stored for ever and served to anybody.
//!
//! Pure. A leaf holds no subject, client, address, scope or raw `jti`; what
//! people may have to erase is in the body, which the leaf only commits to.
//! The member order is part of the format, and [`Leaf::parse`] accepts nothing
//! that [`encode`] would not have written.

mod parse;

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::audit::event::EventType;
use crate::digest::{Digest, base64url, base64url_array};
use crate::jose::Kid;
use crate::time::Timestamp;

/// The value of `p` in the first record of an epoch.
pub const CHAIN_START: Digest = Digest([0; 32]);

/// The longest leaf that an entry bundle can hold (its length is a u16).
pub const MAX_LEAF: usize = 65_535;

/// Identifies one run of one node: 16 random bytes made at its start. `Display` is base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub [u8; 16]);

impl Epoch {
    /// Reads 22 characters of base64url; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        base64url_array(text).map(Self)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url(&self.0))
    }
}

/// What is to be recorded, before it has a place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What happened.
    pub event: EventType,
    /// The key that signs, or that changed.
    pub kid: Option<Kid>,
    /// [`token_hash`] of the token.
    pub th: Option<Digest>,
    /// [`jti_hash`] of the token.
    pub lk: Option<Digest>,
    /// The token's `iat`, in seconds since the epoch.
    pub iat: Option<u64>,
    /// The token's `exp`, in seconds since the epoch.
    pub exp: Option<u64>,
    /// One line of JSON, kept apart from the leaf so that it can be erased.
    pub body: Option<Vec<u8>>,
}

impl Record {
    /// A record of `event` that is told in its body alone.
    pub fn of(event: EventType, body: Vec<u8>) -> Self {
        Self { body: Some(body), ..Self::new(event) }
    }

    /// A record of `event` with nothing else to it.
    pub fn new(event: EventType) -> Self {
        Self { event, kid: None, th: None, lk: None, iat: None, exp: None, body: None }
    }
}

/// What the recorder adds: when and where in which node's sequence.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The node's clock.
    pub ts: Timestamp,
    /// The node's name.
    pub node: &'a str,
    /// The node's present run.
    pub epoch: &'a Epoch,
    /// Position within the epoch, from 0.
    pub sequence: u64,
    /// [`CHAIN_START`], or [`chain_next`] of the record before.
    pub chain: Digest,
}

/// The exact leaf line for `record` at `place`, without a line feed.
/// `body_commitment` is there exactly when the record has a body.
pub fn encode(record: &Record, place: &Place<'_>, body_commitment: Option<Digest>) -> Vec<u8> {
    // One allocation: this runs once for every token.
    let mut out = String::with_capacity(512);
    // Writing to a String cannot fail, and a Timestamp is always printable.
    let _ = write!(out, "{{\"v\":1,\"t\":\"{}\",\"ts\":\"{}\",\"n\":\"", record.event.as_str(), place.ts);
    push_escaped(&mut out, place.node);
    out.push_str("\",\"e\":\"");
    URL_SAFE_NO_PAD.encode_string(place.epoch.0, &mut out);
    let _ = write!(out, "\",\"s\":{}", place.sequence);
    push_digest(&mut out, "p", Some(place.chain));
    push_digest(&mut out, "kid", record.kid.map(|kid| kid.0));
    push_digest(&mut out, "th", record.th);
    push_digest(&mut out, "lk", record.lk);
    if let Some(iat) = record.iat {
        let _ = write!(out, ",\"iat\":{iat}");
    }
    if let Some(exp) = record.exp {
        let _ = write!(out, ",\"exp\":{exp}");
    }
    push_digest(&mut out, "bc", body_commitment);
    out.push('}');
    out.into_bytes()
}

fn push_digest(out: &mut String, name: &str, digest: Option<Digest>) {
    if let Some(digest) = digest {
        out.push_str(",\"");
        out.push_str(name);
        out.push_str("\":\"");
        URL_SAFE_NO_PAD.encode_string(digest.0, out);
        out.push('"');
    }
}

/// The escapes of RFC 8259 that are necessary, and no others: one spelling for each string.
fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

/// These bytes are not a leaf that [`encode`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a leaf in its canonical form")]
pub struct BadLeaf;

/// A leaf that was read back: what it says of the event, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// `t`: what happened.
    pub event: EventType,
    /// `ts`: the node's clock.
    pub ts: Timestamp,
    /// `n`: the node's name.
    pub node: String,
    /// `e`: the node's run.
    pub epoch: Epoch,
    /// `s`: position within the epoch.
    pub sequence: u64,
    /// `p`: the chain value before this record.
    pub chain: Digest,
    /// The key that signs, or that changed.
    pub kid: Option<Kid>,
    /// [`token_hash`] of the token.
    pub th: Option<Digest>,
    /// [`jti_hash`] of the token.
    pub lk: Option<Digest>,
    /// The token's `iat`, in seconds since the epoch.
    pub iat: Option<u64>,
    /// The token's `exp`, in seconds since the epoch.
    pub exp: Option<u64>,
    /// [`body_commitment`], where a body exists or existed.
    pub bc: Option<Digest>,
}

impl Leaf {
    /// The bytes that this leaf was read from.
    pub fn encode(&self) -> Vec<u8> {
        let record = Record {
            event: self.event,
            kid: self.kid,
            th: self.th,
            lk: self.lk,
            iat: self.iat,
            exp: self.exp,
            body: None,
        };
        let place = Place {
            ts: self.ts,
            node: &self.node,
            epoch: &self.epoch,
            sequence: self.sequence,
            chain: self.chain,
        };
        encode(&record, &place, self.bc)
    }
}

/// The chain value after a record: the next record of the same epoch carries it as `p`.
pub fn chain_next(chain: Digest, leaf_hash: Digest) -> Digest {
    Digest::of(&[b"mintmark/chain/v1\n", &chain.0, &leaf_hash.0])
}

/// `th`: over the JWS signing input, so that a second spelling of an ECDSA
/// signature is still the same token.
pub fn token_hash(signing_input: &[u8]) -> Digest {
    Digest::of(&[b"mintmark/token/v1\n", signing_input])
}

/// `lk`: finds the record of a token without telling its `jti`.
pub fn jti_hash(issuer: &str, jti: &str) -> Digest {
    Digest::of(&[b"mintmark/jti/v1\n", issuer.as_bytes(), b"\n", jti.as_bytes()])
}

/// `bc`: the salt is random, so an erased body cannot be guessed back.
pub fn body_commitment(salt: &[u8; 32], body: &[u8]) -> Digest {
    Digest::of(&[b"mintmark/body/v1\n", salt, body])
}

#[cfg(test)]
mod tests;
