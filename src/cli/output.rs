//! The one printer: JSON for programs, tables of at most 80 columns for people.
//!
//! JSON is the server's own value on one line. In tables everything that could
//! move a terminal's cursor is escaped; long cells go on below themselves, and
//! a word that somebody may want to copy is cut only where it must be.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::failure::one_line;
use crate::time::Timestamp;

/// What a terminal has at least.
pub const COLUMNS: usize = 80;
const GAP: &str = "  ";
/// No column is made narrower than this.
const NARROWEST: usize = 8;
/// What stands where there is nothing.
pub const NOTHING: &str = "-";

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Rows under headings.
#[derive(Clone, Debug, Default)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each heading.
    pub fn push(&mut self, row: &[String]) {
        self.rows.push(row.iter().map(|cell| one_line(cell)).collect());
    }

    /// Prints headings and rows; without rows, that there are none.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.rows.is_empty() {
            return writeln!(out, "none");
        }
        let widths = self.widths();
        let headings: Vec<String> = self.headings.iter().map(|&heading| heading.to_owned()).collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            print_row(out, row, &widths)?;
        }
        Ok(())
    }

    /// As wide as the widest cell each; then the widest columns give way until all fit:
    /// first those that can be broken between words, then any.
    fn widths(&self) -> Vec<usize> {
        let width = |text: &str| text.chars().count();
        let longest_word = |text: &str| text.split(' ').map(width).max().unwrap_or_default();
        let mut widths = self.widest(width);
        let room = COLUMNS.saturating_sub(GAP.len() * widths.len().saturating_sub(1));
        for floors in [self.widest(longest_word), vec![0; widths.len()]] {
            while widths.iter().sum::<usize>() > room {
                let wider = widths.iter_mut().zip(&floors).filter(|(w, floor)| **w > NARROWEST.max(**floor));
                match wider.map(|(width, _)| width).max() {
                    Some(widest) => *widest -= 1,
                    None => break,
                }
            }
        }
        widths
    }

    /// The most that `measure` gives in each column, headings included (which are never broken).
    fn widest(&self, measure: impl Fn(&str) -> usize) -> Vec<usize> {
        let mut most: Vec<usize> = self.headings.iter().map(|heading| heading.chars().count()).collect();
        for row in &self.rows {
            for (most, cell) in most.iter_mut().zip(row) {
                *most = measure(cell).max(*most);
            }
        }
        most
    }
}

/// Rows that come one by one, so that their widths are fixed before the first.
#[derive(Clone, Debug)]
pub struct Rows {
    headings: Vec<&'static str>,
    widths: Vec<usize>,
    begun: bool,
}

impl Rows {
    /// No rows yet. The widths and the gaps between them make no more than [`COLUMNS`].
    pub fn new(headings: &[&'static str], widths: &[usize]) -> Self {
        Self { headings: headings.to_vec(), widths: widths.to_vec(), begun: false }
    }

    /// Prints the headings, once.
    pub fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        let headings: Vec<String> = self.headings.iter().map(|&heading| heading.to_owned()).collect();
        print_row(out, &headings, &self.widths)
    }

    /// Prints a row with a cell for each heading; what is too wide goes on below itself.
    pub fn print(&self, out: &mut dyn Write, row: &[String]) -> io::Result<()> {
        let cells: Vec<String> = row.iter().map(|cell| one_line(cell)).collect();
        print_row(out, &cells, &self.widths)
    }
}

fn print_row(out: &mut dyn Write, row: &[String], widths: &[usize]) -> io::Result<()> {
    let cells: Vec<Vec<String>> = row.iter().zip(widths).map(|(cell, &width)| wrap(cell, width)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or_default();
    for line in 0..height {
        let mut text = String::new();
        for (cell, &width) in cells.iter().zip(widths) {
            let part = cell.get(line).map_or("", String::as_str);
            text.push_str(part);
            let blanks = width.saturating_sub(part.chars().count());
            text.extend(std::iter::repeat_n(' ', blanks));
            text.push_str(GAP);
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

/// The text in lines of at most `width`, broken between words where there are any.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split(' ') {
        let needed = word.chars().count();
        if length > 0 && length + 1 + needed > width {
            lines.push(String::new());
            length = 0;
        }
        if length > 0 {
            push(&mut lines, ' ');
            length += 1;
        }
        for character in word.chars() {
            if length == width {
                lines.push(String::new());
                length = 0;
            }
            push(&mut lines, character);
            length += 1;
        }
    }
    lines
}

fn push(lines: &mut [String], character: char) {
    if let Some(line) = lines.last_mut() {
        line.push(character);
    }
}

/// Prints one object as `name  value` lines. A value without blanks is never
/// cut, however long: it is there to be copied.
pub fn print_object(out: &mut dyn Write, object: &Map<String, Value>) -> io::Result<()> {
    let mut lines = Vec::new();
    for (name, value) in object {
        flatten(name, value, &mut lines);
    }
    let widest = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let room = COLUMNS.saturating_sub(widest + GAP.len());
    for (name, text) in lines {
        let pad = widest.saturating_sub(name.chars().count());
        let mut lead = format!("{name}{}{GAP}", " ".repeat(pad));
        for part in fill(&text, room) {
            writeln!(out, "{lead}{part}")?;
            lead = " ".repeat(widest + GAP.len());
        }
    }
    Ok(())
}

/// Members of members become `outer.inner`.
fn flatten(name: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (inner, value) in members {
                flatten(&format!("{name}.{inner}"), value, lines);
            }
        }
        _ => lines.push((one_line(name), one_line(&object_text(name, value)))),
    }
}

/// A whole number under the name of a time is one.
fn object_text(name: &str, value: &Value) -> String {
    let is_time = name.ends_with("_at") || ["iat", "exp"].contains(&name.rsplit('.').next().unwrap_or(name));
    match value.as_u64() {
        Some(seconds) if is_time => utc(seconds),
        _ => text(value),
    }
}

fn fill(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A JSON value as a person reads it: text without quotes, nothing as `-`.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::String(text) if text.is_empty() => NOTHING.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_string) => {
            items.iter().map(text).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// The member of that name as [`text`]; `-` where there is none.
pub fn member(object: &Value, name: &str) -> String {
    object.get(name).map_or_else(|| NOTHING.to_owned(), text)
}

/// A point in time in RFC 3339 UTC with whole seconds: `2026-11-21T22:58:01Z`.
pub fn utc(seconds: u64) -> String {
    let time = Timestamp::from_seconds(seconds).to_string();
    time.split_once('.').map_or_else(|| time.clone(), |(whole, _)| format!("{whole}Z"))
}

/// A span as a person says it, in its two greatest units: `13d 4h`, `5m 30s`, `42m`. Smaller ones are dropped.
pub fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut said = Vec::new();
    for (size, unit) in units.iter().skip(first).take(2) {
        if rest >= *size || said.is_empty() {
            said.push(format!("{}{unit}", rest / size));
        }
        rest %= size;
    }
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_is_as_narrow_as_it_can_be() {
        let mut table = Table::new(&["CLIENT", "STATE"]);
        table.push(&["web".into(), "enabled".into()]);
        assert_eq!(printed(|out| table.print(out)), "CLIENT  STATE\nweb     enabled\n");
    }

    #[test]
    fn a_table_never_exceeds_eighty_columns() {
        let mut table = Table::new(&["CLIENT", "SCOPE", "STATE"]);
        table.push(&["c".repeat(64), "orders:read orders:write ".repeat(4), "enabled".into()]);
        let text = printed(|out| table.print(out));
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(text.contains("orders:write") && text.lines().count() > 3, "{text}");
    }

    #[test]
    fn a_table_breaks_between_words_before_it_cuts_one() {
        let mut table = Table::new(&["TIME", "EVENT", "BY", "ABOUT"]);
        let (event, by) = ("client.secret_added", "billing-nightly-export");
        table.push(&["2026-11-21 22:58:01Z", event, by, "orders:read orders:write"].map(String::from));
        let text = printed(|out| table.print(out));
        for word in ["2026-11-21", "22:58:01Z", event, by, "orders:read", "orders:write"] {
            assert!(text.contains(word), "{word}:\n{text}");
        }
    }

    #[test]
    fn what_a_client_is_called_cannot_move_the_cursor() {
        let mut table = Table::new(&["CLIENT"]);
        table.push(&["a\u{1b}[2Jb\nc".into()]);
        assert_eq!(printed(|out| table.print(out)), "CLIENT\na\\u{1b}[2Jb\\nc\n");
    }

    #[test]
    fn an_object_shows_times_as_times_and_keeps_long_values_whole() {
        let long = "x".repeat(100);
        let object = json!({
            "access_token": long, "created_at": 0, "limits": { "a": { "count": 6 } }, "name": null
        });
        let text = printed(|out| print_object(out, object.as_object().unwrap()));
        let expected = [
            format!("access_token    {long}\n").as_str(),
            "created_at      1970-01-01T00:00:00Z\n",
            "limits.a.count  6\n",
            "name            -\n",
        ]
        .concat();
        assert_eq!(text, expected);
    }

    #[test]
    fn a_span_is_said_in_two_units() {
        for (seconds, said) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (330, "5m 30s"),
            (3_600, "1h"),
            (3_659, "1h"),
            (3_660, "1h 1m"),
            (86_400 * 13 + 3_600 * 4 + 59, "13d 4h"),
            (86_400 * 13 + 59, "13d"),
        ] {
            assert_eq!(span(seconds), said, "{seconds}");
        }
    }

    #[test]
    fn an_empty_list_says_so() {
        assert_eq!(printed(|out| Table::new(&["CLIENT"]).print(out)), "none\n");
    }
}
