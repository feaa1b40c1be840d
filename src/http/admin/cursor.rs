//! Cursors: how a list says where its next page begins, so that nobody else can say it.
//!
//! Who reads the log is recorded with the first page. A cursor that anybody
//! could make up would be a way around that record, so each is authenticated
//! by a key of this process, for one actor and one question. It holds a
//! position in the clear and no secret. RFC 2104 with SHA-256.

use std::sync::{Arc, OnceLock};

use ring::hmac;

use crate::ambient::{Entropy, EntropyFailed, random};
use crate::digest::{base64url, base64url_decode};

/// Bytes of an HMAC-SHA-256. All of them: ring compares whole ones only, in constant time.
const TAG: usize = 32;
/// Keeps these tags apart from others that a key might ever make.
const PURPOSE: &[u8] = b"mintmark/cursor/v1\n";

/// Gives cursors and knows its own again, until the process ends.
pub struct Cursors {
    entropy: Arc<dyn Entropy>,
    /// Made with the first cursor; before that every one is foreign.
    key: OnceLock<hmac::Key>,
}

/// Who asks for which list: nothing in it holds a line feed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// The list's path with its filters.
    pub(super) path: &'a str,
    /// Who asks.
    pub(super) actor: &'a str,
}

impl Cursors {
    /// Costs nothing until the first cursor is given.
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, key: OnceLock::new() }
    }

    /// A cursor for what comes after `position` of the question's list.
    pub(super) fn give(&self, question: Question<'_>, position: &[u8]) -> Result<String, EntropyFailed> {
        if self.key.get().is_none() {
            let fresh = hmac::Key::new(hmac::HMAC_SHA256, &random::<32>(&*self.entropy)?);
            self.key.get_or_init(|| fresh);
        }
        let key = self.key.get().ok_or(EntropyFailed)?;
        let tag = hmac::sign(key, &authenticated(question, position));
        Ok(base64url(&[position, tag.as_ref()].concat()))
    }

    /// The position in a cursor that was given for this question; `None` for any other text.
    pub(super) fn read(&self, question: Question<'_>, cursor: &str) -> Option<Vec<u8>> {
        let bytes = base64url_decode(cursor)?;
        let (position, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        hmac::verify(self.key.get()?, &authenticated(question, position), tag).ok()?;
        Some(position.to_vec())
    }
}

fn authenticated(question: Question<'_>, position: &[u8]) -> Vec<u8> {
    [PURPOSE, question.path.as_bytes(), b"\n", question.actor.as_bytes(), b"\n", position].concat()
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    /// The bytes that it is made of, or nothing at all.
    struct Bytes(Option<u8>);

    impl Entropy for Bytes {
        fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFailed> {
            out.fill(self.0.ok_or(EntropyFailed)?);
            Ok(())
        }

        fn p256_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
            Err(EntropyFailed)
        }

        fn rsa_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
            Err(EntropyFailed)
        }
    }

    fn of(byte: u8) -> Cursors {
        Cursors::new(Arc::new(Bytes(Some(byte))))
    }

    const QUESTION: Question<'_> = Question { path: "/entries?kid=a&", actor: "unix:0" };

    #[test]
    fn a_cursor_is_for_the_question_that_it_was_given_for() {
        let cursors = of(1);
        for position in [&b""[..], b"web", &7_u64.to_be_bytes()] {
            let cursor = cursors.give(QUESTION, position).unwrap();
            assert_eq!(cursors.read(QUESTION, &cursor).as_deref(), Some(position));
            for other in [
                Question { path: "/entries?", ..QUESTION },
                Question { path: "/tail?kid=a&", ..QUESTION },
                Question { actor: "unix:1", ..QUESTION },
            ] {
                assert_eq!(cursors.read(other, &cursor), None, "{other:?}");
            }
        }
    }

    #[test]
    fn no_other_text_is_a_cursor() {
        let cursors = of(1);
        let cursor = cursors.give(QUESTION, b"web").unwrap();
        let bytes = base64url_decode(&cursor).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(cursors.read(QUESTION, &base64url(&changed)), None, "byte {at} bit {bit}");
            }
            assert_eq!(cursors.read(QUESTION, &base64url(&bytes[at + 1..])), None, "from byte {at}");
            assert_eq!(cursors.read(QUESTION, &base64url(&bytes[..at])), None, "to byte {at}");
        }
        for text in ["", "!!!", "_w", "YQ==", &format!("{cursor}="), &format!("{cursor}A"), &base64url(b"7")]
        {
            assert_eq!(cursors.read(QUESTION, text), None, "{text}");
        }
    }

    #[test]
    fn a_cursor_of_another_process_is_none_of_ours() {
        let cursor = of(1).give(QUESTION, b"web").unwrap();
        let later = of(2);
        assert_eq!(later.read(QUESTION, &cursor), None, "before the first of its own");
        later.give(QUESTION, b"web").unwrap();
        assert_eq!(later.read(QUESTION, &cursor), None);
    }

    #[test]
    fn without_chance_there_is_no_cursor() {
        let cursors = Cursors::new(Arc::new(Bytes(None)));
        assert_eq!(cursors.give(QUESTION, b"web"), Err(EntropyFailed));
    }
}
