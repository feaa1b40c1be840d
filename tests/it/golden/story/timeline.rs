//! What a table of transitions says of the keys: how long each is public before it signs, signs, and rests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mintmark::time::parse_span;
use serde_json::{Value, json};

use super::places::unnumbered;

/// The spans that people think in, each by the transitions that it lies between.
const SPANS: [(&str, &str, &str); 3] = [
    ("published ahead", "- -> published", "published -> active"),
    ("sign", "published -> active", "active -> passive"),
    ("rest", "active -> passive", "passive -> removed"),
];

/// The spans of all keys in a table of transitions; `None` for any other.
pub(super) fn spans(table: &Value) -> Option<Value> {
    let mut lives: BTreeMap<&str, BTreeMap<&str, Duration>> = BTreeMap::new();
    for (name, row) in table.as_object()?.iter().filter(|(_, row)| row.is_object()) {
        let (key, transition) = unnumbered(name).split_once(' ')?;
        let at = offset(row.get("time")?.as_str()?)?;
        row.get("from -> to")?;
        lives.entry(key).or_default().insert(transition, at);
    }
    let mut spans = serde_json::Map::new();
    for (name, from, to) in SPANS {
        let seen: BTreeSet<Duration> =
            lives.values().filter_map(|life| life.get(to)?.checked_sub(*life.get(from)?)).collect();
        let told: Vec<String> = seen.into_iter().map(span).collect();
        if !told.is_empty() {
            spans.insert(name.to_owned(), json!(told.join(" or ")));
        }
    }
    (!spans.is_empty()).then_some(Value::Object(spans))
}

/// `+14d1h2m30s`
fn offset(text: &str) -> Option<Duration> {
    let parts = text.strip_prefix('+')?.split_inclusive(|character: char| character.is_ascii_alphabetic());
    parts.map(|part| parse_span(part).ok()).sum()
}

/// A span in days, hours, minutes and seconds.
pub(crate) fn span(span: Duration) -> String {
    let mut rest = span.as_secs();
    let mut text = String::new();
    for (size, unit) in [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')] {
        if rest >= size {
            text.push_str(&(rest / size).to_string());
            text.push(unit);
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}
