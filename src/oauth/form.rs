//! The form parser: bytes → name and value pairs. WHATWG URL section 5.1, read strictly; RFC 6749 appendix B.
//!
//! Written by hand because the usual parsers repair what they cannot read and
//! hide repeated names. Here broken escapes and broken UTF-8 are errors.

use zeroize::Zeroizing;

use super::OAuthError;

/// The most parameters of one form.
pub const MAX_PARAMETERS: usize = 64;
/// The longest parameter name, in bytes after decoding.
pub const MAX_NAME_LENGTH: usize = 128;

/// The pairs of a form in their order. Values are wiped when dropped, since some are secrets.
pub struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// Reads a form. Refuses broken escapes, broken UTF-8, more than
    /// [`MAX_PARAMETERS`] pairs, and control characters (those within a value
    /// named `scope` are left to the scope's own grammar).
    pub fn parse(bytes: &[u8]) -> Result<Self, OAuthError> {
        let mut pairs = Vec::new();
        for pair in bytes.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MAX_PARAMETERS {
                return Err(OAuthError::TOO_MANY);
            }
            let mut halves = pair.splitn(2, |&byte| byte == b'=');
            let name = decode(halves.next().unwrap_or_default()).ok_or(OAuthError::MALFORMED)?;
            let value = decode(halves.next().unwrap_or_default()).ok_or(OAuthError::MALFORMED)?;
            if name.len() > MAX_NAME_LENGTH {
                return Err(OAuthError::TOO_MANY);
            }
            let controls = name.chars().any(char::is_control)
                || (name.as_str() != "scope" && value.chars().any(char::is_control));
            if controls {
                return Err(OAuthError::MALFORMED);
            }
            pairs.push((name.to_string(), value));
        }
        Ok(Self(pairs))
    }

    /// The one value of `name`; empty counts as absent. RFC 6749 section 3.2.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// All values of `name` that are not empty.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// The names in their order, with repeats.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// Decodes `+` and `%XX`; `None` for broken escapes and for bytes that are not UTF-8.
pub fn decode(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            other => other,
        });
    }
    std::str::from_utf8(&out).ok().map(|text| Zeroizing::new(text.to_owned()))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &[u8]) -> Result<Vec<(String, String)>, OAuthError> {
        Form::parse(text).map(|form| form.0.into_iter().map(|(n, v)| (n, v.to_string())).collect())
    }

    #[test]
    fn decodes_plus_and_escapes() {
        let read = pairs(b"a=1+2&b=%C3%A4%26&c&&d=x=y").unwrap();
        let expected = [("a", "1 2"), ("b", "ä&"), ("c", ""), ("d", "x=y")];
        assert_eq!(read, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn refuses_broken_encodings_and_controls() {
        let broken: [&[u8]; 11] = [
            b"a=%zz",
            b"a=%",
            b"a=%4",
            b"a=%C3",
            b"a=%C0%AF",
            b"a=\xff",
            b"a=%00",
            b"a=%0D%0A",
            b"a=%C2%85",
            b"%0a=b",
            b"a=%ED%A0%80",
        ];
        for text in broken {
            assert_eq!(pairs(text), Err(OAuthError::MALFORMED), "{text:?}");
        }
    }

    #[test]
    fn is_bounded() {
        let form = |count: usize| vec!["a=b"; count].join("&");
        assert!(pairs(form(MAX_PARAMETERS).as_bytes()).is_ok());
        assert_eq!(pairs(form(MAX_PARAMETERS + 1).as_bytes()), Err(OAuthError::TOO_MANY));
        assert_eq!(pairs(&[b'n'; MAX_NAME_LENGTH + 1]), Err(OAuthError::TOO_MANY));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Form::parse(&bytes);
        }

        #[test]
        fn reads_back_what_was_escaped(value in "[^\\p{Cc}]{0,40}") {
            let escaped = value.bytes().fold(String::new(), |escaped, byte| escaped + &format!("%{byte:02x}"));
            let read = pairs(format!("v={escaped}").as_bytes()).unwrap();
            prop_assert_eq!(read, vec![("v".to_owned(), value)]);
        }
    }
}
