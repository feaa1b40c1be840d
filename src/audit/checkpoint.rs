//! The checkpoint: a tree's size and root as a signed note, and the key that checks it.
//!
//! Pure: who signs hands in a function, so the private key never comes here.
//! No time is inside. Signatures of others (witnesses) are tolerated and not
//! looked at. C2SP signed-note, tlog-checkpoint.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::audit::decimal;
use crate::audit::tree::TreeHead;
use crate::digest::Digest;
use crate::jose::ed25519;

/// The note format's byte for Ed25519.
const ED25519_TYPE: u8 = 1;
/// What a reader is willing to look at; the specification asks for at least 16 signatures.
const MAX_NOTE: usize = 1_000_000;
const MAX_SIGNATURES: usize = 100;
const MAX_ORIGIN: usize = 255;

/// Why a note, a key or an origin was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCheckpoint {
    /// The origin is empty, too long, or holds blanks, control characters or a plus sign.
    #[error("an origin is 1 to 255 bytes without blanks, control characters and '+'")]
    Origin,
    /// The text is not `name+id+key`, the key is not Ed25519, or the id is not the key's.
    #[error("not a verification key of the form name+hex+base64 for Ed25519")]
    Vkey,
    /// The note is not a checkpoint of three lines with signatures.
    #[error("not a signed checkpoint")]
    Malformed,
    /// The checkpoint is of another log.
    #[error("the checkpoint's origin is not the key's")]
    OtherOrigin,
    /// Nobody signed with the key.
    #[error("the checkpoint bears no signature by the key")]
    Unsigned,
    /// The key's signature does not fit the text.
    #[error("the checkpoint's signature does not hold")]
    Signature,
}

/// A log's name: a URL without a scheme, such as `mint.example/log`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// Takes 1 to 255 bytes without blanks, control characters and `+`.
    pub fn parse(text: &str) -> Result<Self, BadCheckpoint> {
        if text.len() > MAX_ORIGIN || !is_key_name(text) {
            return Err(BadCheckpoint::Origin);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_key_name(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// A log's public key with its name. `Display` is the vkey text, one line without a line feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vkey {
    origin: Origin,
    public: [u8; 32],
}

impl Vkey {
    /// The key `public` (Ed25519, RFC 8032) of the log `origin`.
    pub fn new(origin: Origin, public: [u8; 32]) -> Self {
        Self { origin, public }
    }

    /// Reads the vkey text; one line feed at its end is allowed, since files have it.
    pub fn parse(text: &str) -> Result<Self, BadCheckpoint> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        Self::read(line).filter(|vkey| vkey.to_string() == line).ok_or(BadCheckpoint::Vkey)
    }

    fn read(line: &str) -> Option<Self> {
        // The base64 may hold plus signs, the name and the id do not.
        let (name, rest) = line.split_once('+')?;
        let (_id, key) = rest.split_once('+')?;
        let key = STANDARD.decode(key).ok()?;
        let (&kind, public) = key.split_first()?;
        if kind != ED25519_TYPE {
            return None;
        }
        Some(Self { origin: Origin::parse(name).ok()?, public: public.try_into().ok()? })
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The public key, 32 bytes.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The four bytes that mark this key's signatures.
    pub fn key_id(&self) -> [u8; 4] {
        let hash = Digest::of(&[self.origin.0.as_bytes(), &[b'\n', ED25519_TYPE], &self.public]);
        let [a, b, c, d, ..] = hash.0;
        [a, b, c, d]
    }
}

impl fmt::Display for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+", self.origin)?;
        for byte in self.key_id() {
            write!(f, "{byte:02x}")?;
        }
        let mut key = vec![ED25519_TYPE];
        key.extend_from_slice(&self.public);
        write!(f, "+{}", STANDARD.encode(key))
    }
}

/// What a log says of itself: its name, its size and its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: Origin,
    /// The number of leaves.
    pub size: u64,
    /// The root hash over them.
    pub root: Digest,
}

impl Checkpoint {
    /// The text that is signed: three lines, each with its line feed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }

    /// The signed note. `sign` gives the Ed25519 signature by the private half of `public`.
    pub fn sign<E>(
        &self,
        public: &[u8; 32],
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<String, E> {
        let mut note = self.text();
        let mut signature = Vkey::new(self.origin.clone(), *public).key_id().to_vec();
        signature.extend_from_slice(&sign(note.as_bytes())?);
        // Writing to a String cannot fail.
        let _ = writeln!(note, "\n\u{2014} {} {}", self.origin, STANDARD.encode(signature));
        Ok(note)
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root }
    }

    fn parse_text(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let checkpoint = Self {
            origin: Origin::parse(lines.next()?).ok()?,
            size: decimal(lines.next()?)?,
            root: Digest(STANDARD.decode(lines.next()?).ok()?.try_into().ok()?),
        };
        lines.next().is_none().then_some(checkpoint)
    }
}

/// A note that was read and not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    checkpoint: Checkpoint,
    signatures: Vec<NoteSignature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    key_id: [u8; 4],
    signature: Vec<u8>,
}

impl Note {
    /// Reads a signed note that holds a checkpoint of exactly three lines.
    pub fn parse(note: &str) -> Result<Self, BadCheckpoint> {
        Self::read(note).ok_or(BadCheckpoint::Malformed)
    }

    fn read(note: &str) -> Option<Self> {
        if note.len() > MAX_NOTE || note.chars().any(|c| c < ' ' && c != '\n') {
            return None;
        }
        // The text keeps its last line feed; the empty line belongs to nobody.
        let at = note.rfind("\n\n")?;
        let text = note.get(..=at)?;
        let lines = note.get(at + 2..)?.strip_suffix('\n')?;
        let checkpoint = Checkpoint::parse_text(text)?;
        let signatures: Vec<_> =
            lines.split('\n').take(MAX_SIGNATURES + 1).map(NoteSignature::read).collect::<Option<_>>()?;
        (signatures.len() <= MAX_SIGNATURES).then_some(Self { text: text.to_owned(), checkpoint, signatures })
    }

    /// The checkpoint, once `vkey`'s own signature holds. Signatures by
    /// other keys are ignored; every one that claims to be by this key must hold.
    pub fn verify(&self, vkey: &Vkey) -> Result<&Checkpoint, BadCheckpoint> {
        if self.checkpoint.origin != vkey.origin {
            return Err(BadCheckpoint::OtherOrigin);
        }
        let key_id = vkey.key_id();
        let mut signed = false;
        for by in &self.signatures {
            if by.key_id != key_id || by.name != vkey.origin.0 {
                continue;
            }
            if !ed25519::verify(&vkey.public, self.text.as_bytes(), &by.signature) {
                return Err(BadCheckpoint::Signature);
            }
            signed = true;
        }
        if signed { Ok(&self.checkpoint) } else { Err(BadCheckpoint::Unsigned) }
    }

    /// What the note claims, for a reader that cannot check it.
    pub fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

impl NoteSignature {
    fn read(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let decoded = STANDARD.decode(encoded).ok()?;
        let (key_id, signature) = decoded.split_first_chunk()?;
        (is_key_name(name) && !signature.is_empty()).then(|| Self {
            name: name.to_owned(),
            key_id: *key_id,
            signature: signature.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests;
