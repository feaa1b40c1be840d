//! Names in URLs and forms: RFC 3986 section 2.1, there and back.

use std::fmt::Write as _;

/// The text as one segment of a path, one value of a query or of a form: RFC 3986 section 2.1.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// RFC 3986 section 2.1, backwards, for what [`escaped`] wrote.
pub(super) fn unescaped(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut parts = segment.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        bytes.extend(u8::from_str_radix(digits, 16).ok());
        bytes.extend(rest.bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_one_segment() {
        assert_eq!(escaped("https://api.example/é?"), "https%3A%2F%2Fapi.example%2F%C3%A9%3F");
        assert_eq!(escaped("A-z0._~"), "A-z0._~");
    }

    #[test]
    fn a_segment_reads_back() {
        for name in ["https://api.example/é?", "a%b", "", "%"] {
            assert_eq!(unescaped(&escaped(name)), name);
        }
        assert_eq!(unescaped("%é%4"), "é\u{4}".replace("é", ""));
    }
}
