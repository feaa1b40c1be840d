//! The one printer: JSON for programs, tables of at most 80 columns for people.
//!
//! JSON is the server's own value on one line. In tables everything that could
//! move a terminal's cursor is escaped; long cells go on below themselves, and
//! a word that somebody may want to copy is cut only where it must be.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::failure::one_line;
use crate::limits::Quota;

mod object;

pub use object::print_object;

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
        let longest_word = |text: &str| text.split(' ').map(width).max().unwrap_or_default();
        let mut widths = self.widest(width);
        let room = COLUMNS.saturating_sub(GAP.len() * widths.len().saturating_sub(1));
        let mut words = self.widest(longest_word);
        // What must be cut anyway does not make the others give way.
        while words.iter().sum::<usize>() > room {
            match words.iter_mut().max().filter(|longest| **longest > NARROWEST) {
                Some(longest) => *longest = NARROWEST,
                None => break,
            }
        }
        for floors in [words, vec![0; widths.len()]] {
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
        let mut most: Vec<usize> = self.headings.iter().map(|heading| width(heading)).collect();
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
            let blanks = width.saturating_sub(self::width(part));
            text.extend(std::iter::repeat_n(' ', blanks));
            text.push_str(GAP);
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

/// The text in lines of at most `most` columns, broken between words where there are any.
fn wrap(text: &str, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let is_first = line.is_empty();
        if !is_first && width(&line) + 1 + width(word) > most {
            lines.push(std::mem::take(&mut line));
        } else if !is_first {
            line.push(' ');
        }
        for character in word.chars() {
            line.push(character);
            // Measured as a whole: a mark or a joiner changes what the character before it takes.
            if width(&line) > most && line.chars().count() > 1 {
                line.pop();
                lines.push(std::mem::replace(&mut line, character.to_string()));
            }
        }
    }
    lines.push(line);
    lines
}

/// How many columns of a terminal the text takes (Unicode Annex #11): two for most East Asian characters and
/// emoji, none for marks that combine.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text on one line of at most `most` columns, with a mark where it was cut.
pub fn cut(text: &str, most: usize) -> String {
    let text = one_line(text);
    if width(&text) <= most {
        return text;
    }
    let mut kept = wrap(&text.replace(' ', "\u{a0}"), most.saturating_sub(1));
    format!("{}…", kept.swap_remove(0).replace('\u{a0}', " "))
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

/// A rate as it is typed, `600/1m`, with its burst where that is another number. `None` for what is no rate.
pub fn rate(quota: &Value) -> Option<String> {
    serde_json::from_value(quota.clone()).ok().map(|quota: Quota| quota.typed())
}

#[cfg(test)]
mod tests {
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
    fn a_word_that_must_be_cut_leaves_the_other_columns_whole() {
        let mut table = Table::new(&["INDEX", "TIME", "ABOUT"]);
        table.push(&["7", "2026-11-21 22:58:01Z", &format!("search {}", "x".repeat(70))].map(String::from));
        let text = printed(|out| table.print(out));
        assert!(text.contains("2026-11-21 22:58:01Z") && text.matches('x').count() == 70, "{text}");
    }

    #[test]
    fn columns_stand_below_each_other_whatever_the_characters() {
        let mut table = Table::new(&["NAME", "STATE"]);
        for name in ["請求書", "e\u{301}te\u{301}", "👩‍👧 family", "plain", "❤\u{fe0f}"] {
            table.push(&[name.into(), "enabled".into()]);
        }
        let text = printed(|out| table.print(out));
        let starts: Vec<_> =
            text.lines().skip(1).map(|line| line.find("enabled").map(|at| width(&line[..at]))).collect();
        assert_eq!(starts, [Some(11); 5], "{text}");

        let mut table = Table::new(&["NAME", "STATE"]);
        table.push(&["請求書の会計".repeat(20), "enabled".into()]);
        table.push(&["e\u{301}".repeat(200), "enabled".into()]);
        let text = printed(|out| table.print(out));
        assert!(text.lines().all(|line| width(line) <= COLUMNS), "{text}");
        assert!(
            text.lines().all(|line| !line.starts_with('\u{301}')),
            "a mark stays with its letter: {text}"
        );
        assert_eq!(text.matches('書').count(), 20);
        assert_eq!(cut("請求書の会計", 8), "請求書…");
        assert_eq!(cut("two words here", 10), "two words…");
    }

    #[test]
    fn what_a_client_is_called_cannot_move_the_cursor() {
        let mut table = Table::new(&["CLIENT"]);
        table.push(&["a\u{1b}[2Jb\nc".into()]);
        assert_eq!(printed(|out| table.print(out)), "CLIENT\na\\u{1b}[2Jb\\nc\n");
    }

    #[test]
    fn an_empty_list_says_so() {
        assert_eq!(printed(|out| Table::new(&["CLIENT"]).print(out)), "none\n");
    }
}
