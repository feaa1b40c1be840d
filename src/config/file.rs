//! The configuration file: TOML 1.1 → the text form of each option, with its line.
//!
//! Pure: the caller reads the file. Reports everything it does not understand;
//! what a value means is not known here.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::complaint::{Complaint, nearest};
use super::options::{Kind, ROWS, Row};
use super::{Given, Place};

/// Reads the text of the file at `path` (which only names it in complaints). `None` if it is not TOML:
/// what the parser guesses from it is not worth a complaint.
pub(super) fn read(
    path: &Path,
    text: &str,
    complaints: &mut Vec<Complaint>,
) -> Option<BTreeMap<&'static str, Given>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = error.span().map_or(String::new(), |span| format!(" (line {})", line_of(text, &span)));
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let message = error.message();
        let fix = if message.contains("duplicate") { "write each option once" } else { "write TOML here" };
        complaints.push(Complaint::new(name, format!("{message}{line}"), fix));
    }
    // A repeated key is the one fault that leaves the rest of the text as it was meant.
    if errors.iter().any(|error| !error.message().contains("duplicate")) {
        return None;
    }
    let mut given = BTreeMap::new();
    Walk { text, given: &mut given, complaints }.table("", table.get_ref());
    Some(given)
}

/// The line on which `span` starts, from 1.
fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().get(..span.start).unwrap_or_default();
    before.split(|byte| *byte == b'\n').count()
}

struct Walk<'a> {
    text: &'a str,
    given: &'a mut BTreeMap<&'static str, Given>,
    complaints: &'a mut Vec<Complaint>,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = format!("{prefix}{}", bare(key.get_ref()));
            let line = line_of(self.text, &key.span());
            let row = ROWS.iter().find(|row| row.path == path);
            let is_section = ROWS.iter().any(|row| row.section_and_name().0 == path);
            match (value.get_ref(), row) {
                (_, Some(row)) => self.option(row, value, line),
                (DeValue::Table(inner), None) if is_section || !inner.is_empty() => {
                    self.table(&format!("{path}."), inner);
                }
                (_, None) if is_section => self.complaints.push(Complaint::new(
                    &path,
                    format!("is a section, not an option (line {line})"),
                    format!("write [{path}] on a line of its own and its options below"),
                )),
                (_, None) => self.unknown(&path, line),
            }
        }
    }

    fn unknown(&mut self, path: &str, line: usize) {
        let fix = nearest(path, ROWS.iter().map(|row| row.path)).map_or_else(
            || "remove it; `mintmark init` writes a file with every option".to_owned(),
            |known| format!("did you mean {known}?"),
        );
        // The contract of releases with PostgreSQL names this one.
        let (problem, fix) = if path == "store.password_file" {
            ("belongs to PostgreSQL, which this build does not have", "remove it".to_owned())
        } else {
            ("unknown option", fix)
        };
        self.complaints.push(Complaint::new(path, format!("{problem} (line {line})"), fix));
    }

    fn option(&mut self, row: &Row, value: &Spanned<DeValue<'_>>, line: usize) {
        let text = match (row.kind, value.get_ref()) {
            (Kind::Text, DeValue::String(text)) => Some(text.to_string()),
            (Kind::Integer, DeValue::Integer(integer)) => decimal(integer),
            (Kind::Boolean, DeValue::Boolean(truth)) => Some(truth.to_string()),
            (Kind::List, DeValue::Array(items)) => list(items),
            _ => None,
        };
        if let Some(text) = text {
            self.given.insert(row.path, Given { text, place: Place::Line(line) });
            return;
        }
        let expected = match row.kind {
            Kind::Text => "text in quotes",
            Kind::Integer => "a whole number",
            Kind::Boolean => "true or false",
            Kind::List => "a list of texts",
        };
        let found = match (row.kind, value.get_ref()) {
            (Kind::List, DeValue::Array(_)) => "a list with something else in it",
            (_, found) => found.type_str(),
        };
        self.complaints.push(Complaint::new(
            row.path,
            format!("expected {expected}, found {found} (line {line})"),
            format!("write it like {}", row.assignment()),
        ));
        // A wrong value is no reason to complain about the default as well.
        self.given.insert(row.path, Given { text: String::new(), place: Place::Refused });
    }
}

/// A key as it would be written without quotes; one that needs them is no option's and stays quoted.
fn bare(key: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !key.is_empty() && key.bytes().all(plain) { key.to_owned() } else { format!("{key:?}") }
}

fn decimal(integer: &DeInteger<'_>) -> Option<String> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|number| number.to_string())
}

/// The text form of a list; `None` if an item is not a text or could not be told from two.
fn list(items: &DeArray<'_>) -> Option<String> {
    let texts: Option<Vec<&str>> = items
        .iter()
        .map(|item| item.get_ref().as_str().filter(|text| !text.is_empty() && !text.contains(',')))
        .collect();
    texts.map(|texts| texts.join(","))
}
