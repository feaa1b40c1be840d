//! The text of a golden as a tree, whose places have JSON Pointers that a person can guess. Pure.
//!
//! `/+14d/POST ~1oauth2~1token #2/token/claims/exp` is the `exp` of the second such request fourteen days after the
//! start. What has a form is taken apart only where writing it again gives the same text; anything else stays as
//! its lines. So two stories never give the same tree. `(order)` says in which order the places of an object stood.
//!
//! It compares nothing and judges nothing: that is `mintmark::golden::compare` and [`telling`].

pub(super) mod body;
mod difference;
mod exchange;
mod places;
pub(super) mod reasons;
pub(super) mod table;
pub(super) mod telling;
pub(super) mod timeline;
pub(super) mod told;

use serde_json::{Value, json};

use places::Places;

/// What comes last in a story that did not come to its end, with the reason below it.
pub(crate) const BREAKS_OFF: &str = "the story breaks off:";

/// The steps that make the policy.
pub(crate) const POLICY_VERBS: [&str; 5] = ["resource", "scope", "client", "disable", "enable"];

/// Reads a story. Empty lines before and after it are no part of it.
pub(super) fn read(text: &str) -> Value {
    let mut reader = Reader::default();
    for (number, paragraph) in paragraphs(text.trim_matches('\n')).iter().enumerate() {
        let lines: Vec<&str> = paragraph.split('\n').collect();
        reader.paragraph(&lines, number == 0);
    }
    reader.finish()
}

/// The story of a snapshot file, without the head that the snapshot library writes.
pub(super) fn of_snapshot(file: &str) -> &str {
    let head = file.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    head.map_or(file, |(_, story)| story).trim_matches('\n')
}

/// What empty lines divide; a command is whole with its output, whatever lines that has.
fn paragraphs(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in text.split("\n\n") {
        match found.last_mut().filter(|last| last.starts_with("$ ") && exit_of(last).is_none()) {
            Some(command) => {
                command.push_str("\n\n");
                command.push_str(part);
            }
            None => found.push(part.to_owned()),
        }
    }
    found
}

/// How a command ended, by its last line.
fn exit_of(command: &str) -> Option<u8> {
    let (_, last) = command.rsplit_once('\n')?;
    let code: u8 = last.strip_prefix("exit ")?.parse().ok()?;
    (format!("exit {code}") == last).then_some(code)
}

/// What was read so far: of the whole, of the time that is told of, of the last thing that happened then.
#[derive(Default)]
struct Reader {
    whole: Places,
    section: Option<(String, Places)>,
    item: Option<(String, Places)>,
}

impl Reader {
    fn paragraph(&mut self, lines: &[&str], is_first: bool) {
        let first = lines.first().copied().unwrap_or_default();
        if let Some((offset, time)) = heading(lines) {
            self.begin_section(offset, time);
        } else if let Some((name, request)) = exchange::request(lines) {
            self.begin(name, Places::of("request", request));
        } else if let Some(answer) = exchange::answer(lines) {
            self.here().add("answer", answer);
        } else if let Some(token) = exchange::token(lines) {
            self.here().add("token", token);
        } else if let Some(entry) = exchange::log_entry(lines) {
            self.here().add_to_list("log", entry);
        } else if let Some(verdict) = one_line(lines, "verdict  ") {
            self.here().add("verdict", verdict);
        } else if lines.iter().all(|line| line.starts_with("  ")) {
            indented(self.here(), lines);
        } else if let Some(settings) = pairs(lines, |line| line.strip_prefix("setting ")?.split_once('=')) {
            self.begin("settings", settings);
        } else if let Some(policy) = pairs(lines, policy_line) {
            self.begin("policy", policy);
        } else if let Some(entry) = leaf_entry(lines) {
            self.begin(first, entry);
        } else if let Some(command) = command(lines) {
            self.begin(first, command);
        } else if is_first {
            self.begin("story", Places::of("lines", json!(lines)));
        } else {
            let mut prose = Places::default();
            match lines.get(1..).unwrap_or_default() {
                [] => {}
                rest if rest.iter().all(|line| line.starts_with("  ")) => {
                    let mut below = Places::default();
                    indented(&mut below, rest);
                    prose.add(telling::BELOW, below.object());
                }
                rest => prose.add("lines", json!(rest)),
            }
            self.begin(first, prose);
        }
    }

    /// Where a detail belongs.
    fn here(&mut self) -> &mut Places {
        match (&mut self.item, &mut self.section) {
            (Some((_, item)), _) => item,
            (None, Some((_, section))) => section,
            (None, None) => &mut self.whole,
        }
    }

    fn begin(&mut self, name: &str, item: Places) {
        self.end_item();
        self.item = Some((name.to_owned(), item));
    }

    fn begin_section(&mut self, offset: &str, time: &str) {
        self.end_section();
        self.section = Some((offset.to_owned(), Places::of("time", json!(time))));
    }

    fn end_item(&mut self) {
        if let Some((name, item)) = self.item.take() {
            self.here().add(&name, item.object());
        }
    }

    fn end_section(&mut self) {
        self.end_item();
        if let Some((offset, section)) = self.section.take() {
            self.whole.add(&offset, section.object());
        }
    }

    fn finish(mut self) -> Value {
        self.end_section();
        self.whole.object()
    }
}

/// `=== +14d = 2026-12-06T12:00:00Z ===`
fn heading<'a>(lines: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let [line] = lines else { return None };
    let (offset, time) = line.strip_prefix("=== ")?.strip_suffix(" ===")?.split_once(" = ")?;
    offset.starts_with('+').then_some((offset, time))
}

/// A line of JSON after its name.
fn one_line(lines: &[&str], name: &str) -> Option<Value> {
    let [line] = lines else { return None };
    body::compact(line.strip_prefix(name)?)
}

/// Every line as a name and what is said of it, or nothing.
fn pairs<'a>(lines: &[&'a str], read: impl Fn(&'a str) -> Option<(&'a str, &'a str)>) -> Option<Places> {
    let mut places = Places::default();
    for line in lines {
        let (name, text) = read(line)?;
        places.add(name, json!(text));
    }
    Some(places)
}

/// `client reader scope "orders:read"`: the client, and what is said of it.
fn policy_line(line: &str) -> Option<(&str, &str)> {
    let (verb, rest) = line.split_once(' ')?;
    let length = verb.len() + 1 + rest.find(' ').unwrap_or(rest.len());
    POLICY_VERBS.contains(&verb).then(|| line.split_at(length))
}

/// `entry 3` with the exact bytes of its leaf, body and salt.
fn leaf_entry(lines: &[&str]) -> Option<Places> {
    let (first, rest) = lines.split_first()?;
    first.strip_prefix("entry ")?.parse::<u64>().ok()?;
    let mut entry = Places::default();
    for line in rest {
        let (name, text) = line.strip_prefix("  ")?.split_once("  ")?;
        entry.add(name, body::compact(text).unwrap_or_else(|| json!(text)));
    }
    Some(entry)
}

/// `$ mintmark ...`: what was typed in, what came out, what came on standard error, how it ended.
fn command(lines: &[&str]) -> Option<Places> {
    let (first, rest) = lines.split_first()?;
    let (last, rest) = rest.split_last()?;
    first.strip_prefix("$ ")?;
    let code = exit_of(&format!("\n{last}"))?;
    let typed = rest.iter().take_while(|line| line.starts_with('|')).count();
    let (typed, rest) = rest.split_at_checked(typed)?;
    let told = rest.iter().rev().take_while(|line| line.starts_with('!')).count();
    let (out, told) = rest.split_at_checked(rest.len() - told)?;
    let mut command = Places::default();
    for (name, lines) in [("typed", typed), ("errors", told)] {
        if !lines.is_empty() {
            command.add(name, json!(lines));
        }
    }
    if !out.is_empty() {
        command.add("output", body::read(out));
    }
    command.add("exit", json!(code));
    Some(command)
}

/// Indented lines: a table where they are one, perhaps with a field above it.
fn indented(places: &mut Places, lines: &[&str]) {
    let mut rows = lines;
    if let Some((first, rest)) = lines.split_first()
        && let Some(policy) = first.strip_prefix("  RateLimit-Policy: ")
        && !rest.is_empty()
    {
        places.add("RateLimit-Policy", json!(policy));
        rows = rest;
    }
    match table::read(rows) {
        Some(table) => {
            if let Some(spans) = timeline::spans(&table) {
                places.add("spans", spans);
            }
            places.add("rows", table);
        }
        None => places.add("lines", json!(rows)),
    }
}
