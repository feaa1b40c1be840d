//! What a golden run prints.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use crate::cli::failure::{Exit, Failure, one_line};
use crate::cli::output::width;
use crate::cli::session::Session;
use crate::golden::differences::{Difference, differences};
use crate::golden::manifest::Manifest;
use crate::golden::recorded::Recorded;
use crate::golden::words::{Told, told};

/// What a line is about stands beside it up to this width, above it beyond.
const WIDEST: usize = 36;

/// What was written down.
pub(super) fn recorded(
    manifest: &Manifest,
    out: &Path,
    session: &mut Session<'_, '_>,
) -> Result<(), Failure> {
    let holds = format!("{} holds {}.", one_line(&out.display().to_string()), counted(manifest));
    session.print_as(&json!(manifest), |out| writeln!(out, "{holds}"))
}

/// Tells what differs; exit code 1 if anything does.
pub(super) fn compare(
    old: &Recorded,
    new: &Recorded,
    same: &str,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let changes = differences(old, new);
    let (before, after) = (&old.manifest, &new.manifest);
    let document = json!({
        "same": changes.is_empty(),
        "recorded_by": before.recorded_by,
        "compared_with": after.recorded_by,
        "clients": after.clients,
        "tokens": after.tokens,
        "days": after.days,
        "changes": changes,
    });
    session.print_as(&document, |out| {
        if changes.is_empty() {
            return writeln!(out, "{} are {same}{}", counted(after), versions(before, after));
        }
        told(old, new).iter().try_for_each(|told| print(out, told))?;
        writeln!(out, "\n{}{}", summed_up(&changes), versions(before, after))
    })?;
    Ok(if changes.is_empty() { Exit::Done } else { Exit::Refused })
}

fn print(out: &mut dyn Write, Told { heading, lines }: &Told) -> io::Result<()> {
    writeln!(out, "{}", one_line(heading))?;
    let lines: Vec<_> = lines.iter().map(|(about, told)| (one_line(about), one_line(told))).collect();
    let widths = lines.iter().map(|(about, _)| width(about)).filter(|width| *width <= WIDEST);
    let widest = widths.max().unwrap_or_default();
    for (about, told) in &lines {
        if widest == 0 && about.is_empty() {
            writeln!(out, "  {told}")?;
        } else if let Some(blanks) = widest.checked_sub(width(about)) {
            writeln!(out, "  {about}{}  {told}", " ".repeat(blanks))?;
        } else {
            writeln!(out, "  {about}\n  {}  {told}", " ".repeat(widest))?;
        }
    }
    Ok(())
}

/// `100 clients, 2 300 tokens and 90 days of keys`.
fn counted(manifest: &Manifest) -> String {
    let Manifest { clients, tokens, days, .. } = manifest;
    let some = |count: usize, noun: &str| {
        let ending = if count == 1 { "" } else { "s" };
        format!("{} {noun}{ending}", grouped(count))
    };
    format!("{}, {} and {days} days of keys", some(*clients, "client"), some(*tokens, "token"))
}

fn summed_up(changes: &[Difference]) -> String {
    let files = changes.iter().map(|change| &change.file).collect::<BTreeSet<_>>().len();
    let (places, noun) = (grouped(changes.len()), if changes.len() == 1 { "place" } else { "places" });
    let files = if files == 1 { "1 file".to_owned() } else { format!("{} files", grouped(files)) };
    format!("{places} {noun} in {files} differ; -o json tells each")
}

/// Who recorded them, where that is not the same program.
fn versions(old: &Manifest, new: &Manifest) -> String {
    let [old, new] = [old, new].map(|manifest| one_line(&manifest.recorded_by));
    if old == new { String::new() } else { format!(" (recorded by mintmark {old}, now {new})") }
}

/// Thousands apart: `2 300`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_in_groups_of_three() {
        assert_eq!([0, 999, 2_300, 1_234_567].map(grouped), ["0", "999", "2 300", "1 234 567"]);
    }
}
