//! Bodies: what people may need to see and may have to erase. One line of JSON, in printable ASCII alone.

use std::fmt::Write as _;

use serde::Serialize;

/// Writes a body. Everything beyond printable ASCII is escaped, so that one
/// event is one line for every reader, whatever the input was (LF, ESC, U+2028 …).
pub fn line(body: &impl Serialize) -> Vec<u8> {
    // The bodies are our own plain structs: their serialisation has no way to fail.
    let text = serde_json::to_string(body).unwrap_or_else(|_| "null".to_owned());
    if text.bytes().all(|byte| (0x20..0x7F).contains(&byte)) {
        return text.into_bytes();
    }
    let mut out = String::with_capacity(text.len() + 64);
    for character in text.chars() {
        if (' '..='~').contains(&character) {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    proptest! {
        #[test]
        fn one_body_is_one_printable_line_and_reads_back(text in any::<String>()) {
            let body = json!({ "client_id": text });
            let line = line(&body);
            prop_assert!(line.iter().all(|byte| (0x20..0x7F).contains(byte)));
            prop_assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), body);
        }
    }

    #[test]
    fn escapes_what_some_reader_takes_for_a_line_end() {
        let line = line(&json!({ "a": "\r\n\u{1b}\u{2028}\u{7f}\u{85}\u{1f600}" }));
        assert_eq!(line, br#"{"a":"\r\n\u001b\u2028\u007f\u0085\ud83d\ude00"}"#);
    }
}
