//! Scopes: grammar, subset, canonical order. RFC 6749 section 3.3.
//!
//! Matching is byte-exact: no case folding, no Unicode normalisation, no
//! wildcards, no hierarchy.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest scope token that may be registered or asked for, in bytes.
pub const MAX_TOKEN_LENGTH: usize = 128;
/// The most scope tokens that one scope may hold.
pub const MAX_TOKENS: usize = 64;

/// Text that is no scope under RFC 6749 section 3.3, or beyond our bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadScope {
    /// A byte outside `%x21 / %x23-5B / %x5D-7E`, or an empty token.
    #[error("a scope token is one or more printable ASCII characters without space, quote and backslash")]
    Grammar,
    /// More than [`MAX_TOKENS`] tokens, or one of more than [`MAX_TOKEN_LENGTH`] bytes.
    #[error("a scope has at most 64 tokens of at most 128 characters")]
    TooLong,
}

/// One member of a scope: `1*( %x21 / %x23-5B / %x5D-7E )`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopeToken(String);

impl ScopeToken {
    /// Reads one token; spaces are not trimmed but refused.
    pub fn parse(text: &str) -> Result<Self, BadScope> {
        if text.len() > MAX_TOKEN_LENGTH {
            return Err(BadScope::TooLong);
        }
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(BadScope::Grammar);
        }
        Ok(Self(text.to_owned()))
    }

    /// The token's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ScopeToken {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScopeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ScopeToken {
    type Error = BadScope;
    fn try_from(text: String) -> Result<Self, BadScope> {
        Self::parse(&text)
    }
}

impl From<ScopeToken> for String {
    fn from(token: ScopeToken) -> Self {
        token.0
    }
}

/// A set of scope tokens, never empty. Its text is byte-sorted with single spaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(BTreeSet<ScopeToken>);

impl Scope {
    /// Reads space-separated tokens. Several spaces count as one, repeated tokens as one.
    /// Text without any token is `Ok(None)`: the same as no scope (RFC 6749 section 3.2).
    pub fn parse(text: &str) -> Result<Option<Self>, BadScope> {
        let tokens = text
            .split(' ')
            .filter(|token| !token.is_empty())
            .map(ScopeToken::parse)
            .collect::<Result<BTreeSet<_>, _>>()?;
        Self::from_tokens(tokens)
    }

    /// Takes tokens as they are; none at all is `Ok(None)`.
    pub fn from_tokens(tokens: BTreeSet<ScopeToken>) -> Result<Option<Self>, BadScope> {
        match tokens.len() {
            0 => Ok(None),
            1..=MAX_TOKENS => Ok(Some(Self(tokens))),
            _ => Err(BadScope::TooLong),
        }
    }

    /// Whether every token of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Whether `token` is a member.
    pub fn contains(&self, token: &ScopeToken) -> bool {
        self.0.contains(token)
    }

    /// The tokens in byte order.
    pub fn tokens(&self) -> impl ExactSizeIterator<Item = &ScopeToken> {
        self.0.iter()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, token) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&token.0)?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Scope {
    type Error = BadScope;
    fn try_from(text: String) -> Result<Self, BadScope> {
        Self::parse(&text)?.ok_or(BadScope::Grammar)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap().unwrap()
    }

    #[test]
    fn is_written_in_byte_order_without_repeats() {
        assert_eq!(scope("b  a B a:x b").to_string(), "B a a:x b");
    }

    #[test]
    fn nothing_asked_is_no_scope() {
        assert_eq!(Scope::parse(""), Ok(None));
        assert_eq!(Scope::parse("   "), Ok(None));
    }

    #[test]
    fn refuses_what_the_grammar_does_not_know() {
        for bad in ["a\"b", "a\\b", "a\0", "a\tb", "a\u{a0}b", "\u{1f600}", "a\x7f", "a\nb"] {
            assert_eq!(Scope::parse(bad), Err(BadScope::Grammar), "{bad:?}");
        }
    }

    #[test]
    fn matches_bytes_and_nothing_else() {
        let granted = scope("orders:read a");
        for near in ["Orders:read", "orders:rea", "orders:", ":read", "*", "orders:*"] {
            assert!(!scope(near).is_subset(&granted), "{near}");
        }
        assert!(scope("a").is_subset(&granted));
    }

    #[test]
    fn is_bounded() {
        let many: Vec<_> = (0..=MAX_TOKENS).map(|n| n.to_string()).collect();
        assert_eq!(Scope::parse(&many.join(" ")), Err(BadScope::TooLong));
        assert_eq!(Scope::parse(&"x".repeat(MAX_TOKEN_LENGTH + 1)), Err(BadScope::TooLong));
    }
}
