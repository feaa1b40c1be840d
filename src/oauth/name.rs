//! The names of clients and resources, as types.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest resource URI, in bytes.
pub const MAX_URI_LENGTH: usize = 512;

/// Text that is no such name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Not `[A-Za-z0-9._~-]{1,64}`, or `.` or `..`.
    #[error("a client id is 1 to 64 characters of A-Z a-z 0-9 . _ ~ -, but not . nor ..")]
    ClientId,
    /// Not an absolute URI without fragment (RFC 8707 section 2).
    #[error(
        "a resource is an absolute URI without fragment, such as https://orders.example.com, of at most 512 characters"
    )]
    Resource,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $error:expr, $valid:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads a name, byte-exact.
            pub fn parse(text: &str) -> Result<Self, BadName> {
                if $valid(text) { Ok(Self(text.into())) } else { Err($error) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// A client's identifier: `[A-Za-z0-9._~-]{1,64}`. It needs no escaping in URLs, forms or Basic.
    ClientId, BadName::ClientId, valid_client_id
);
name!(
    /// A resource's identifier: an absolute URI without fragment (RFC 8707 section 2), the `aud` of its tokens.
    ResourceUri, BadName::Resource, valid_resource
);

fn valid_client_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    // In a URL these two are the folder and the folder above, and so are gone before anybody is asked for them.
    let is_step = [".", ".."].contains(&text);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed) && !is_step
}

/// RFC 3986 section 4.3, `absolute-URI`, by its character sets.
fn valid_resource(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte);
    let escapes_whole = rest.match_indices('%').all(|(at, _)| {
        rest.get(at + 1..at + 3).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    let has_authority =
        rest.strip_prefix("//").is_none_or(|after| !after.is_empty() && !after.starts_with('/'));
    text.len() <= MAX_URI_LENGTH
        && scheme_valid
        && !rest.is_empty()
        && rest.bytes().all(allowed)
        && escapes_whole
        && has_authority
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_need_no_escaping() {
        for good in ["a", "A-z_0.9~", "...", ".a", &"x".repeat(64)] {
            assert!(ClientId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a:b", "a/b", "ä", "a\0", &"x".repeat(65)] {
            assert_eq!(ClientId::parse(bad), Err(BadName::ClientId), "{bad}");
        }
    }

    #[test]
    fn resources_are_absolute_uris_without_fragment() {
        for good in ["https://orders.example.com", "urn:example:orders", "https://a/b?c=%20", "api:x"] {
            assert!(ResourceUri::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "orders",
            "/orders",
            "https://",
            "https:///x",
            "https://a#b",
            "https://a b",
            "1a:b",
            "a:",
            "a:%2",
            "*",
        ] {
            assert_eq!(ResourceUri::parse(bad), Err(BadName::Resource), "{bad}");
        }
    }
}
