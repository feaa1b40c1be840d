//! Where two stories differ, in the words of a user. Pure.
//!
//! One sentence for each difference that somebody meets. What only follows from another difference is left out:
//! a token's `exp` and its compact form where its lifetime changed, the length of a body that says something else.
//! It decides nothing; [`tell`] gives no sentence only for equal stories.

use mintmark::golden::compare::{Change, changes};
use serde_json::Value;

use super::BREAKS_OFF;
use super::body::IN_ONE_LINE;
use super::difference::{brief_text, difference};
use super::places::{ORDER, unnumbered};

/// The rows of a table that are told one by one; of more, their number.
const ROWS: usize = 3;

/// What leads to the row of a table.
const ROW: &str = "/rows/";

/// Where the bytes of an entry's leaf stand.
const LEAF: &str = "/leaf";

/// Where the lines stand that follow a heading without an empty line.
pub(super) const BELOW: &str = "below";

/// Every difference between two stories, a sentence each, in the order of the stories.
pub(crate) fn tell(old: &str, new: &str) -> Vec<String> {
    tell_what_is_not(old, new, |_| false)
}

/// The same but for what is meant.
pub(crate) fn tell_what_is_not(old: &str, new: &str, meant: impl Fn(&Change) -> bool) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    let trees = (super::read(old), super::read(new));
    let all = changes(&trees.0, &trees.1);
    let mut told = Telling { trees, sentences: Vec::new() };
    let broken = reason(new).filter(|why| reason(old) != Some(why));
    told.sentences.extend(broken.map(|why| format!("{BREAKS_OFF} {why}")));
    let decided: Vec<&Change> = all.iter().filter(|change| !follows(change, &all)).collect();
    // A difference that nobody decided is one of the form alone, and nobody can have meant it.
    let of_form = decided.is_empty();
    // Of a story that breaks off everything is gone that comes later.
    let is_told =
        |change: &&Change| broken.is_none() || (change.new.is_some() && !change.pointer.contains(BREAKS_OFF));
    let decided: Vec<&Change> = decided.into_iter().filter(is_told).filter(|change| !meant(change)).collect();
    // Those of tables are told by their number.
    for change in decided.iter().filter(|change| !change.pointer.contains(ROW)) {
        told.add(told.sentence(change));
    }
    told.count_rows(&decided);
    if of_form {
        told.add(written_otherwise(old, new));
    }
    told.sentences
}

/// Why a story breaks off, if it does.
fn reason(story: &str) -> Option<&str> {
    let (_, why) = story.rsplit_once(BREAKS_OFF)?;
    Some(why.trim())
}

struct Telling {
    trees: (Value, Value),
    sentences: Vec<String>,
}

/// A place, by its names.
fn names(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect()
}

fn parent(pointer: &str) -> &str {
    pointer.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The last name of a place.
pub(super) fn name(pointer: &str) -> &str {
    pointer.rsplit_once('/').map_or(pointer, |(_, name)| name)
}

/// Whether a change says nothing that another one does not say.
fn follows(change: &Change, all: &[Change]) -> bool {
    let (here, within) = (change.pointer.as_str(), parent(&change.pointer));
    let beside = |name: &str| all.iter().any(|other| other.pointer == format!("{within}/{name}"));
    let below =
        |place: &str| all.iter().any(|other| other.pointer != here && other.pointer.starts_with(place));
    match name(here) {
        ORDER => keeps_its_order(change),
        "content-length" => below(&format!("{within}/body")) || below(&format!("{within}/said")),
        "compact" => {
            below(&format!("{within}/claims")) || below(&format!("{within}/header")) || beside("exp - iat")
        }
        // Hashes of what is told itself: the body, and whatever came before in the log.
        "bc" if within.ends_with(LEAF) => {
            let entry = parent(within);
            beside_in(all, entry, "body") || beside_in(all, entry, "salt")
        }
        "p" | "th" if within.ends_with(LEAF) => all.iter().any(|other| !is_hash(other)),
        "exp" => below(&format!("{}/exp - iat", parent(within))),
        _ => false,
    }
}

/// Whether something changed at or below this member.
fn beside_in(all: &[Change], place: &str, member: &str) -> bool {
    let member = format!("{place}/{member}");
    all.iter().any(|other| {
        other.pointer.strip_prefix(&member).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Whether it is one of the hashes in a leaf.
fn is_hash(change: &Change) -> bool {
    parent(&change.pointer).ends_with(LEAF) && ["bc", "p", "th"].contains(&name(&change.pointer))
}

/// Whether the names that both sides have stand in the same order: then those that came or went say it all.
fn keeps_its_order(change: &Change) -> bool {
    let names = |side: &Option<Value>| -> Vec<String> {
        let text = side.as_ref().and_then(Value::as_str).unwrap_or("[]");
        serde_json::from_str(text).unwrap_or_default()
    };
    let (old, new) = (names(&change.old), names(&change.new));
    let kept = |here: &[String], there: &[String]| -> Vec<String> {
        here.iter().filter(|name| there.contains(name)).cloned().collect()
    };
    kept(&old, &new) == kept(&new, &old)
}

impl Telling {
    fn add(&mut self, sentence: String) {
        if !self.sentences.contains(&sentence) {
            self.sentences.push(sentence);
        }
    }

    /// A value of the old story, or of the new one.
    fn at(&self, pointer: &str) -> Option<&Value> {
        self.trees.0.pointer(pointer).or_else(|| self.trees.1.pointer(pointer))
    }

    /// What happened there, who meets it, and how it differs.
    fn sentence(&self, change: &Change) -> String {
        let names = names(&change.pointer);
        let parts =
            ["token", "answer", "request", "log", "rows", "spans", "lines", "output", "errors", "exit"];
        let part = names.iter().position(|name| parts.contains(&unnumbered(name)));
        let before = names.iter().take(part.unwrap_or_default());
        let item = before.rev().find(|name| *name != BELOW).map_or("", |item| unnumbered(item));
        let rest: Vec<&str> = names.iter().skip(part.map_or(0, |at| at + 1)).map(String::as_str).collect();
        let here = part.map(|at| first_names(&change.pointer, at + 1)).unwrap_or_default();
        match part.and_then(|at| names.get(at)).map(|name| unnumbered(name)) {
            Some("token") => self.of_token(parent(here), &rest, change),
            Some("answer") => self.of_answer(item, here, &rest, change),
            Some("request") => format!("requests `{item}`: {}", difference(&told(&rest), change)),
            Some("log") => self.of_record(here, &rest, change),
            Some("spans") => spans(&rest, change),
            Some(part @ ("rows" | "lines" | "output" | "errors")) => {
                format!("`{}`: {}", brief_text(item), difference(&of_part(part, &rest), change))
            }
            Some("exit") => format!("`{}`: {}", brief_text(item), difference("exit code", change)),
            _ => self.of_item(&names, change),
        }
    }

    fn of_token(&self, item: &str, rest: &[&str], change: &Change) -> String {
        let form = self.at(&format!("{item}/request/body")).and_then(Value::as_str).unwrap_or_default();
        let grant = form.split('&').find_map(|pair| pair.strip_prefix("grant_type="));
        let whose =
            grant.map_or_else(|| "access tokens".to_owned(), |grant| format!("access tokens of {grant}"));
        let what = match rest {
            ["claims", ORDER] => "the claims".to_owned(),
            ["header", ORDER] => "the header's members".to_owned(),
            ["claims", rest @ ..] => format!("claim `{}`", rest.join("/")),
            ["header", rest @ ..] => format!("header `{}`", rest.join("/")),
            ["signature"] => "signature".to_owned(),
            ["compact"] => "compact form".to_owned(),
            [] => "the token".to_owned(),
            rest => format!("`{}`", rest.join("/")),
        };
        format!("{whose}: {}", difference(&what, change))
    }

    fn of_answer(&self, item: &str, here: &str, rest: &[&str], change: &Change) -> String {
        let error = self.at(&format!("{here}/body/error")).and_then(Value::as_str);
        let title = self.at(&format!("{here}/body/title")).and_then(Value::as_str);
        let whose = match error.or(title) {
            Some(error) => format!("error {error}"),
            None => format!("answers of `{item}`"),
        };
        format!("{whose}: {}", difference(&told(rest), change))
    }

    fn of_record(&self, list: &str, rest: &[&str], change: &Change) -> String {
        let entry = rest.first().map(|number| format!("{list}/{number}")).unwrap_or_default();
        let within = |value: &Option<Value>| Some(value.as_ref()?.get("event")?.as_str()?.to_owned());
        let event = within(&change.old).or_else(|| within(&change.new));
        let event = event.or_else(|| Some(self.at(&format!("{entry}/event"))?.as_str()?.to_owned()));
        let event = event.unwrap_or_default();
        match rest {
            [] => difference("log records", change),
            [_] if change.old.is_none() => format!("log records of {event}: one more"),
            [_] if change.new.is_none() => format!("log records of {event}: one is gone"),
            [_, rest @ ..] => format!("log records of {event}: {}", difference(&told(rest), change)),
        }
    }

    fn of_item(&self, names: &[String], change: &Change) -> String {
        if let Some(at) = names.iter().position(|name| name.starts_with("entry "))
            && let [part, rest @ ..] = names.get(at + 1..).unwrap_or_default()
        {
            let event = self.at(&format!("{}/leaf/t", first_names(&change.pointer, at + 1)));
            let event = event.and_then(Value::as_str).unwrap_or_default();
            let rest: Vec<&str> = std::iter::once("body").chain(rest.iter().map(String::as_str)).collect();
            let whose = if part == "leaf" { "leaves" } else { "log records" };
            return format!("{whose} of {event}: {}", difference(&told(&rest), change));
        }
        let depth = names.len();
        let is_item = self.at(&change.pointer).is_some_and(Value::is_object);
        let what = names.last().map_or("", |name| unnumbered(name));
        match (is_item, &change.old, &change.new) {
            (true, None, _) if depth > 0 => format!("`{}` is new", brief_text(what)),
            (true, _, None) if depth > 0 => format!("`{}` is gone", brief_text(what)),
            _ if names.last().is_some_and(|name| name == ORDER) => {
                "things happen in another order".to_owned()
            }
            _ => {
                difference(&names.iter().map(|name| unnumbered(name)).collect::<Vec<_>>().join(", "), change)
            }
        }
    }

    /// Tables by their rows: a few one by one, more by their number.
    fn count_rows(&mut self, all: &[&Change]) {
        let mut tables: Vec<(&str, Vec<&Change>)> = Vec::new();
        for &change in all {
            let Some((table, _)) = change.pointer.split_once(ROW) else { continue };
            match tables.iter_mut().find(|(known, _)| *known == table) {
                Some((_, changes)) => changes.push(change),
                None => tables.push((table, vec![change])),
            }
        }
        for (table, changes) in tables {
            let item = names(table)
                .iter()
                .rfind(|name| *name != BELOW)
                .map(|name| brief_text(unnumbered(name)))
                .unwrap_or_default();
            if changes.len() <= ROWS {
                for change in changes {
                    self.add(self.sentence(change));
                }
            } else {
                self.add(format!("`{item}`: {} places of the table differ", changes.len()));
            }
        }
    }
}

/// The beginning of a pointer.
fn first_names(pointer: &str, count: usize) -> &str {
    let end = pointer.match_indices('/').nth(count).map_or(pointer.len(), |(at, _)| at);
    pointer.get(..end).unwrap_or(pointer)
}

/// A place in a message or in a record.
fn told(rest: &[&str]) -> String {
    match rest {
        [] => "the whole".to_owned(),
        ["body" | "said"] => "body".to_owned(),
        ["body" | "said", ORDER] | [ORDER] => "the members".to_owned(),
        ["body" | "said", rest @ ..] => format!("member `{}`", rest.join("/")),
        ["status"] => "status".to_owned(),
        ["event"] => "event".to_owned(),
        ["index"] => "index".to_owned(),
        rest => format!("header field `{}`", rest.join("/")),
    }
}

fn of_part(part: &str, rest: &[&str]) -> String {
    match (part, rest) {
        ("rows", [row]) => format!("row {row}"),
        ("rows", [row, rest @ ..]) => format!("row {row}, {}", rest.join(", ")),
        ("errors", _) => "a line on standard error".to_owned(),
        ("output", [] | [_]) => "a line of its output".to_owned(),
        ("output", [IN_ONE_LINE, rest @ ..] | rest) => format!("member `{}`", rest.join("/")),
        _ => "a line".to_owned(),
    }
}

fn spans(rest: &[&str], change: &Change) -> String {
    let value = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).unwrap_or("-").to_owned();
    let (old, new) = (value(&change.old), value(&change.new));
    match rest {
        ["published ahead"] => format!("keys are published {old} -> {new} ahead"),
        [does] => format!("keys {does} for {old} -> {new}"),
        _ => format!("keys: {old} -> {new}"),
    }
}

/// The trees are equal, so the form alone differs.
fn written_otherwise(old: &str, new: &str) -> String {
    let differing = old.lines().zip(new.lines()).find(|(line, other)| line != other);
    let (line, other) = differing.unwrap_or(("the end", "another end"));
    format!("written otherwise: {line} -> {other}")
}
