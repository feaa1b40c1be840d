//! SHA-256 values and their text form, base64url without padding.
//!
//! Pure. Never used for passwords or secrets at rest (that is Argon2id's work
//! in `clients::secret`). FIPS 180-4, RFC 4648 section 5.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A SHA-256 value: 32 raw bytes. `Display` is base64url without padding, 43 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Hashes the concatenation of `parts`.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for part in parts {
            context.update(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.finish().as_ref());
        Self(out)
    }

    /// The raw bytes, as they enter further hashes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 43 characters of base64url; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        base64url_array(text).map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// base64url without padding.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The strict inverse of [`base64url`]: padding, other alphabets and dangling bits are `None`.
pub fn base64url_decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The same for a value of known length: any other length is `None`.
pub fn base64url_array<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let mut out = [0; LENGTH];
    // The length first: a longer text must not look like a full buffer.
    let fits = text.len() == base64::encoded_len(LENGTH, false)?;
    let written = URL_SAFE_NO_PAD.decode_slice(text, &mut out).ok().filter(|_| fits)?;
    (written == LENGTH).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concatenates_its_parts() {
        assert_eq!(Digest::of(&[b"ab", b"c"]), Digest::of(&[b"abc"]));
        assert_eq!(Digest::of(&[]).to_string(), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    }

    #[test]
    fn text_form_is_strict() {
        let text = Digest::of(&[b"x"]).to_string();
        assert_eq!(Digest::parse(&text), Some(Digest::of(&[b"x"])));
        for bad in [&text[1..], &format!("{text}="), "+"] {
            assert_eq!(Digest::parse(bad), None, "{bad}");
        }
    }
}
