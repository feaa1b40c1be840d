//! The export: a range of the log as lines of JSON that prove themselves complete.
//!
//! Pure: types, their lines, and which hashes go into the first one. The first
//! line carries the checkpoint and the tree's hashes outside the range, so
//! whoever holds the file and the log's key needs nobody to check it. A line has
//! one spelling: no byte of a file can change and the file still say the same.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::audit::tree::{Range, outside};
use crate::digest::Digest;

/// The `format` member of the first line.
pub const FORMAT: &str = "mintmark-export/v1";

/// This line is not one of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// The first line is not a header.
    #[error("the first line is not the header of an export")]
    Header,
    /// A further line is not an entry.
    #[error("not an entry of an export")]
    Entry,
}

/// The first line: which range of which log, and what completes it to the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: String,
    /// The log's name.
    pub origin: String,
    /// The first index.
    pub first: u64,
    /// One past the last index.
    pub end: u64,
    /// The signed note, verbatim.
    pub checkpoint: String,
    /// The hashes of the maximal nodes before the range, left to right.
    #[serde(with = "digests")]
    pub left: Vec<Digest>,
    /// The hashes of the maximal nodes after the range, left to right.
    #[serde(with = "digests")]
    pub right: Vec<Digest>,
}

/// A further line: one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Position in the log, from 0.
    pub index: u64,
    /// The leaf's exact text.
    pub leaf: String,
    /// The body's exact text; `null` where there is none or it was erased.
    #[serde(deserialize_with = "Option::deserialize")]
    pub body: Option<String>,
    /// The salt of the body's commitment; `null` together with the body.
    #[serde(serialize_with = "write_salt", deserialize_with = "read_salt")]
    pub salt: Option<[u8; 32]>,
}

/// Which nodes of the tree of `size` leaves the header of the range has to name:
/// `left` and `right`. Nodes to the right may be incomplete subtrees; `Range::hash` knows them.
/// `None` unless first < end <= size.
pub fn completion(first: u64, end: u64, size: u64) -> Option<(Vec<Range>, Vec<Range>)> {
    outside(first, end, size)
}

impl Header {
    /// The header of the range from `range.start` to before `range.end` under `checkpoint`.
    /// `left` and `right` are the hashes of what [`completion`] names.
    pub fn new(
        origin: &str,
        range: Range,
        checkpoint: String,
        left: Vec<Digest>,
        right: Vec<Digest>,
    ) -> Self {
        let Range { start: first, end } = range;
        Self { format: FORMAT.to_owned(), origin: origin.to_owned(), first, end, checkpoint, left, right }
    }

    /// The line, without its line feed.
    pub fn line(&self) -> String {
        line(self)
    }

    /// Reads the line, without its line feed. Only the spelling of [`Header::line`] is taken.
    pub fn parse(line: &[u8]) -> Result<Self, BadLine> {
        let header: Self = serde_json::from_slice(line).map_err(|_| BadLine::Header)?;
        let canonical = header.format == FORMAT && header.line().as_bytes() == line;
        if canonical { Ok(header) } else { Err(BadLine::Header) }
    }
}

impl Entry {
    /// The line, without its line feed.
    pub fn line(&self) -> String {
        line(self)
    }

    /// Reads the line, without its line feed. Only the spelling of [`Entry::line`] is taken.
    pub fn parse(line: &[u8]) -> Result<Self, BadLine> {
        let entry: Self = serde_json::from_slice(line).map_err(|_| BadLine::Entry)?;
        if entry.line().as_bytes() == line { Ok(entry) } else { Err(BadLine::Entry) }
    }
}

fn line(value: &impl Serialize) -> String {
    // Strings and numbers always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn write_salt<S: Serializer>(salt: &Option<[u8; 32]>, to: S) -> Result<S::Ok, S::Error> {
    salt.map(|salt| URL_SAFE_NO_PAD.encode(salt)).serialize(to)
}

fn read_salt<'de, D: Deserializer<'de>>(from: D) -> Result<Option<[u8; 32]>, D::Error> {
    // A text of its own kind, since serde copies what is only optional.
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let text = Option::<Text<'_>>::deserialize(from)?;
    text.map(|Text(text)| digests::read(&text).map(|digest| digest.0)).transpose()
}

mod digests {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::digest::Digest;

    pub(super) fn serialize<S: Serializer>(digests: &[Digest], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(digests.iter().map(Digest::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Digest>, D::Error> {
        Vec::<String>::deserialize(from)?.iter().map(|text| read(text)).collect()
    }

    pub(super) fn read<E: Error>(text: &str) -> Result<Digest, E> {
        Digest::parse(text).ok_or_else(|| E::custom("not 32 bytes in base64url"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> Header {
        let range = Range { start: 3, end: 5 };
        let (left, right) = (vec![Digest([1; 32])], vec![]);
        Header::new("mint.example/log", range, "note\n".to_owned(), left, right)
    }

    #[test]
    fn the_lines_are_these() {
        assert_eq!(
            header().line(),
            concat!(
                r#"{"format":"mintmark-export/v1","origin":"mint.example/log","first":3,"end":5,"#,
                r#""checkpoint":"note\n","left":["AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"],"right":[]}"#
            )
        );
        let entry = Entry { index: 3, leaf: "{\"v\":1}".to_owned(), body: None, salt: None };
        assert_eq!(entry.line(), r#"{"index":3,"leaf":"{\"v\":1}","body":null,"salt":null}"#);
    }

    #[test]
    fn lines_with_more_or_less_are_refused() {
        let line = header().line();
        assert_eq!(Header::parse(line.as_bytes()), Ok(header()));
        for bad in [
            line.replace("export/v1", "export/v2"),
            line.replace("\"first\":3", "\"first\":-3"),
            line.replace("\"first\":3,", ""),
            line.replace("\"first\":3", "\"first\":3,\"first\":3"),
            line.replace("\"right\"", "\"more\":1,\"right\""),
            line.replace("AQE\"", "AQ\""),
            line.replace(":[", ": ["),
            line.replace("mint.example/log", "mint.example\\/log"),
            line.replace("\"right\":[]", "\"right\":[],\"right\":[]"),
        ] {
            assert_eq!(Header::parse(bad.as_bytes()), Err(BadLine::Header), "{bad}");
        }
        for bad in [
            r#"{"index":3,"leaf":"","body":null}"#,
            r#"{"index":3,"leaf":"","salt":null}"#,
            r#"{"index":3,"leaf":null,"body":null,"salt":null}"#,
            r#"{"index":3,"leaf":"","body":null,"salt":"AA"}"#,
            r#"{"index":3,"leaf":"","body":null,"salt":null}x"#,
            r#"{"index":3,"leaf":"","body":null,"salt":null} "#,
            r#"{"index":3,"body":null,"leaf":"","salt":null}"#,
            r#"{"index":3,"leaf":"\u0041","body":null,"salt":null}"#,
            "",
        ] {
            assert_eq!(Entry::parse(bad.as_bytes()), Err(BadLine::Entry), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn entries_read_back_on_one_line(index: u64, leaf: String, body: Option<String>, salt: Option<[u8; 32]>) {
            let entry = Entry { index, leaf, body, salt };
            let line = entry.line();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(Entry::parse(line.as_bytes()), Ok(entry));
        }
    }
}
