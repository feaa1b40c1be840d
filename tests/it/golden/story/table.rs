//! Tables in a story: columns as wide as their widest cell, two blanks apart.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::places::Places;

/// The first headings of the tables that have some; others begin with their first row.
const HEADINGS: [&str; 3] = ["time", "key", "issued from"];

/// The columns that name a row together; otherwise its first cell does.
const NAMES: [&str; 2] = ["key", "from -> to"];

/// Columns as wide as their widest cell.
pub(crate) fn write(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<_> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max())
        .collect();
    rows.iter().fold(String::new(), |mut out, row| {
        let line = row.iter().zip(&widths).fold(String::new(), |mut line, (cell, width)| {
            let _ = write!(line, "{cell:<0$}  ", width.unwrap_or_default());
            line
        });
        let _ = writeln!(out, "  {}", line.trim_end());
        out
    })
}

/// The rows by their names; `None` when these lines are no table.
pub(super) fn read(lines: &[&str]) -> Option<Value> {
    let rows = cells(lines)?;
    let (first, rest) = rows.split_first()?;
    let has_headings = first.first().is_some_and(|cell| HEADINGS.contains(&cell.as_str()));
    let mut table = Places::default();
    if !has_headings {
        for row in &rows {
            let (name, cells) = row.split_first()?;
            table.add(name, json!(cells));
        }
        return Some(table.object());
    }
    let columns = NAMES.map(|name| first.iter().position(|heading| heading == name));
    for row in rest {
        let mut cells = Places::default();
        for (heading, cell) in first.iter().zip(row) {
            cells.add(heading, json!(cell));
        }
        let names: Vec<&str> =
            columns.iter().flatten().filter_map(|at| Some(row.get(*at)?.as_str())).collect();
        let name = if names.len() == NAMES.len() { names.join(" ") } else { row.first()?.clone() };
        table.add(&name, cells.object());
    }
    // Without rows the headings would be lost.
    (!rest.is_empty()).then(|| table.object())
}

/// The cells of each row, all rows equally long; `None` unless writing them again gives these lines.
pub(super) fn cells(lines: &[&str]) -> Option<Vec<Vec<String>>> {
    let lines: Vec<Vec<char>> = lines.iter().map(|line| line.chars().collect()).collect();
    let width = lines.iter().map(Vec::len).max()?;
    let is_blank = |line: &[char], at: usize| line.get(at).is_none_or(|character| *character == ' ');
    let starts: Vec<usize> = (2..width)
        .filter(|&at| lines.iter().all(|line| is_blank(line, at - 1) && is_blank(line, at - 2)))
        .filter(|&at| lines.iter().any(|line| !is_blank(line, at)))
        .collect();
    if starts.len() < 2 {
        return None;
    }
    let ends = starts.iter().skip(1).copied().chain([width]);
    let columns: Vec<(usize, usize)> = starts.iter().copied().zip(ends).collect();
    let cell = |line: &Vec<char>, (from, to): &(usize, usize)| {
        let text: String = line.iter().skip(*from).take(to - from).collect();
        text.trim_end().to_owned()
    };
    let rows: Vec<Vec<String>> =
        lines.iter().map(|line| columns.iter().map(|column| cell(line, column)).collect()).collect();
    let text: Vec<String> = lines.iter().map(|line| line.iter().collect()).collect();
    (write(&rows).trim_end_matches('\n') == text.join("\n")).then_some(rows)
}
