//! A request, its answer, the token in it, and what the log recorded.

use mintmark::time::Timestamp;
use serde_json::{Value, json};

use super::places::{Places, ordered};
use super::{body, table};

/// `> POST /oauth2/token` and what follows it: the name of the request, and its fields and body.
pub(super) fn request<'a>(lines: &[&'a str]) -> Option<(&'a str, Value)> {
    let (first, rest) = unmarked(lines, '>')?;
    Some((first, message(Places::default(), &rest).object()))
}

/// `< 200 OK` and what follows it.
pub(super) fn answer(lines: &[&str]) -> Option<Value> {
    let (first, rest) = unmarked(lines, '<')?;
    Some(message(Places::of("status", json!(first)), &rest).object())
}

/// The lines without their mark, the first one apart.
fn unmarked<'a>(lines: &[&'a str], mark: char) -> Option<(&'a str, Vec<&'a str>)> {
    let read = |line: &&'a str| match line.strip_prefix(mark)? {
        "" => Some(""),
        text => text.strip_prefix(' ').filter(|text| !text.is_empty()),
    };
    let mut lines = lines.iter().map(read);
    let first = lines.next()??;
    Some((first, lines.collect::<Option<Vec<_>>>()?))
}

/// Header fields up to an empty line, then the body; what follows no empty line and is no field is said at once.
fn message(mut message: Places, lines: &[&str]) -> Places {
    let head = lines.iter().position(|line| line.is_empty());
    let (fields, rest) = lines.split_at_checked(head.unwrap_or(lines.len())).unwrap_or((lines, &[]));
    let read: Option<Vec<_>> = fields.iter().map(|line| field(line)).collect();
    match read {
        Some(fields) => fields.iter().for_each(|(name, value)| message.add(name, json!(value))),
        None => message.add("said", body::read(fields)),
    }
    if let Some((_, content)) = rest.split_first() {
        message.add("body", body::read(content));
    }
    message
}

fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(": ")?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_name && !["body", "said", "status"].contains(&name)).then_some((name, value))
}

/// `  log 11  token.issued` with its body.
pub(super) fn log_entry(lines: &[&str]) -> Option<Value> {
    let (first, rest) = lines.split_first()?;
    let (index, event) = first.strip_prefix("  log ")?.split_once("  ")?;
    let mut entry = Places::of("index", json!(index));
    entry.add("event", json!(event));
    let content: Option<Vec<&str>> = rest.iter().map(|line| line.strip_prefix("    ")).collect();
    let content = content?;
    if !content.is_empty() {
        entry.add("body", body::read(&content));
    }
    Some(entry.object())
}

/// `  token`: who signed it, header, claims with what is said of them, the compact form.
pub(super) fn token(lines: &[&str]) -> Option<Value> {
    let ["  token", signature, header, "  claims", rest @ ..] = lines else { return None };
    let compact = rest.iter().position(|line| *line == "  compact, byte for byte");
    let (claims, rest) = rest.split_at_checked(compact.unwrap_or(rest.len()))?;
    let mut token = Places::of("signature", json!(signature.strip_prefix("  signature: ")?));
    token.add("header", body::compact(header.strip_prefix("  header  ")?)?);
    let indented: Option<Vec<&str>> = claims.iter().map(|line| line.strip_prefix("  ")).collect();
    let rows = table::cells(&indented?)?;
    let (mut members, mut remarks) = (Places::default(), Places::default());
    let issued = rows.iter().find(|row| row.first().is_some_and(|name| name == "iat"));
    let issued = issued.and_then(|row| row.get(1)?.parse::<u64>().ok());
    for row in &rows {
        let (name, value, remark) = match row.as_slice() {
            [name, value] => (name, value, ""),
            [name, value, remark] => (name, value, remark.as_str()),
            _ => return None,
        };
        members.add(name, claim(value)?);
        match issued.and_then(|issued| distance(name, value, remark, issued)) {
            Some(distance) => token.add("exp - iat", json!(distance)),
            None if remark.is_empty() => {}
            None => remarks.add(name, json!(remark)),
        }
    }
    token.add("claims", members.object());
    token.add("remarks", remarks.object());
    match rest {
        [] => {}
        [_, compact] => token.add("compact", json!(compact.strip_prefix("    ")?)),
        _ => return None,
    }
    Some(token.object())
}

/// A claim's value as JSON writes it.
fn claim(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    if body::is_written(&value, text) { ordered(value) } else { None }
}

/// The lifetime that the remark at `exp` tells, if it tells nothing else and tells it rightly.
fn distance(name: &str, value: &str, remark: &str, issued: u64) -> Option<u64> {
    let expires: u64 = value.parse().ok().filter(|_| name == "exp")?;
    let distance = expires.checked_sub(issued)?;
    let at = Timestamp::from_seconds(expires).to_string();
    let told = format!("= iat + {distance} = {}Z", at.strip_suffix(".000000Z")?);
    (told == remark).then_some(distance)
}
