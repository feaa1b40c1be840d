//! One place that differs, as people write it: the old value and the new one, no longer than a line.

use mintmark::golden::compare::Change;
use serde_json::Value;

use super::places::{ORDER, unnumbered};
use super::telling::name;

/// Names and hashes: another one says nothing to a person, so they are told without their values.
const OPAQUE: [&str; 17] = [
    "access_token",
    "jti",
    "kid",
    "request_id",
    "secret_id",
    "etag",
    "index",
    "compact",
    "salt",
    "bc",
    "p",
    "e",
    "th",
    "lk",
    "root",
    "x",
    "y",
];

/// The longest value that is shown whole, in characters.
const WIDE: usize = 60;

/// What it is, and how it differs.
pub(super) fn difference(what: &str, change: &Change) -> String {
    if name(&change.pointer) == ORDER && change.old.is_some() && change.new.is_some() {
        return format!("{what} come in another order");
    }
    let values = change.old.as_ref().zip(change.new.as_ref());
    let opaque = OPAQUE.contains(&unnumbered(name(&change.pointer)))
        || values.is_some_and(|(old, new)| without_hashes(&shown(old)) == without_hashes(&shown(new)));
    match (&change.old, &change.new) {
        (Some(_), Some(_)) if opaque => format!("{what} is another"),
        (Some(old), Some(new)) => {
            let (old, new) = brief(&shown(old), &shown(new));
            format!("{what} {old} -> {new}")
        }
        (Some(old), None) => format!("{what} is gone (was {})", brief_text(&shown(old))),
        (None, Some(new)) => format!("{what} is new: {}", brief_text(&shown(new))),
        (None, None) => what.to_owned(),
    }
}

/// A text without its hashes, keys and signatures: long words of their alphabet.
fn without_hashes(text: &str) -> String {
    let is_hash = |word: &&str| {
        word.len() > 40 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+/=.".contains(&byte))
    };
    let words = text.split(|character: char| character.is_whitespace() || "\",:".contains(character));
    words.map(|word| if is_hash(&word) { "…" } else { word }).collect::<Vec<_>>().join(" ")
}

/// A value as people write it: words without quotes, a status by its number.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => match text.split_once(' ') {
            Some((status, reason))
                if status.len() == 3 && status.parse::<u16>().is_ok() && reason.len() < 32 =>
            {
                status.to_owned()
            }
            _ => text.clone(),
        },
        value => value.to_string(),
    }
}

/// Two long texts from where they begin to differ.
fn brief(old: &str, new: &str) -> (String, String) {
    if old.chars().count() <= WIDE && new.chars().count() <= WIDE {
        return (old.to_owned(), new.to_owned());
    }
    let same = old.chars().zip(new.chars()).take_while(|(one, other)| one == other).count().saturating_sub(8);
    let from = |text: &str| {
        let rest: String = text.chars().skip(same).collect();
        if same > 0 { format!("…{}", brief_text(&rest)) } else { brief_text(&rest) }
    };
    (from(old), from(new))
}

pub(super) fn brief_text(text: &str) -> String {
    if text.chars().count() <= WIDE {
        return text.to_owned();
    }
    let start: String = text.chars().take(WIDE).collect();
    format!("{start}…")
}
