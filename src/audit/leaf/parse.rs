//! Reading a leaf: `encode` backwards, byte by byte.
//!
//! Pure. Whoever verifies a log reads each of its leaves, so this builds no
//! tree of JSON, and it is strict by its form: it takes the one spelling that
//! `encode` writes and has no words for another.

use std::str;

use super::{BadLeaf, Epoch, Leaf, MAX_LEAF, push_escaped};
use crate::audit::decimal;
use crate::audit::event::EventType;
use crate::digest::Digest;
use crate::jose::Kid;
use crate::time::Timestamp;

impl Leaf {
    /// Reads a leaf. Unknown, repeated, misplaced or mistyped members, blanks and
    /// unusual escapes are all refused: encoding the result gives the same bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadLeaf> {
        let rest = str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_LEAF).ok_or(BadLeaf)?;
        let mut line = Line { rest };
        let leaf = line.leaf().ok_or(BadLeaf)?;
        if line.rest.is_empty() { Ok(leaf) } else { Err(BadLeaf) }
    }
}

/// What is left of the line.
struct Line<'a> {
    rest: &'a str,
}

impl<'a> Line<'a> {
    fn leaf(&mut self) -> Option<Leaf> {
        self.skip("{\"v\":1,\"t\":\"")?;
        let event = EventType::parse(self.plain()?)?;
        self.skip(",\"ts\":\"")?;
        let ts = Timestamp::parse_canonical(self.plain()?)?;
        self.skip(",\"n\":\"")?;
        let node = self.escaped()?;
        self.skip(",\"e\":\"")?;
        let epoch = Epoch::parse(self.plain()?)?;
        self.skip(",\"s\":")?;
        let sequence = self.number()?;
        self.skip(",\"p\":\"")?;
        let chain = Digest::parse(self.plain()?)?;
        let leaf = Leaf {
            event,
            ts,
            node,
            epoch,
            sequence,
            chain,
            kid: self.digest(",\"kid\":\"")?.map(Kid),
            th: self.digest(",\"th\":\"")?,
            lk: self.digest(",\"lk\":\"")?,
            iat: self.optional_number(",\"iat\":")?,
            exp: self.optional_number(",\"exp\":")?,
            bc: self.digest(",\"bc\":\"")?,
        };
        self.skip("}")?;
        Some(leaf)
    }

    /// Takes what must stand here.
    fn skip(&mut self, literal: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    /// Takes the text up to the next quote, and the quote. What is read from it has no escapes.
    fn plain(&mut self) -> Option<&'a str> {
        let (text, rest) = self.rest.split_once('"')?;
        self.rest = rest;
        Some(text)
    }

    /// Takes a text with escapes, and the quote behind it.
    fn escaped(&mut self) -> Option<String> {
        let mut escaping = false;
        let end = self.rest.bytes().position(|byte| {
            let ends = byte == b'"' && !escaping;
            escaping = byte == b'\\' && !escaping;
            ends
        })?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        self.skip("\"")?;
        if text.bytes().all(|byte| byte >= b' ' && byte != b'\\') {
            return Some(text.to_owned());
        }
        // Seldom: a node's name with something to escape. It must be escaped as we do it.
        let read: String = serde_json::from_str(&format!("\"{text}\"")).ok()?;
        let mut written = String::new();
        push_escaped(&mut written, &read);
        (written == text).then_some(read)
    }

    /// Takes a number up to what cannot be of it.
    fn number(&mut self) -> Option<u64> {
        let end = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        decimal(digits)
    }

    /// A member that need not be there. The outer `None` is one that is there and wrong.
    #[expect(clippy::option_option, reason = "wrong and absent are not the same")]
    fn optional_number(&mut self, name: &str) -> Option<Option<u64>> {
        match self.skip(name) {
            Some(()) => self.number().map(Some),
            None => Some(None),
        }
    }

    #[expect(clippy::option_option, reason = "wrong and absent are not the same")]
    fn digest(&mut self, name: &str) -> Option<Option<Digest>> {
        match self.skip(name) {
            Some(()) => Digest::parse(self.plain()?).map(Some),
            None => Some(None),
        }
    }
}
