//! Bodies in a story: JSON is laid out where it is long, and read back where it can only have been laid out so.

use serde_json::{Value, json};

use super::places::ordered;

/// JSON that is longer stands over several lines.
const WIDE: usize = 140;

/// Where long JSON stands that was not laid out.
pub(super) const IN_ONE_LINE: &str = "in one line";

/// A body as the story shows it: JSON is laid out when it is long and that loses nothing.
pub(crate) fn write(text: &str) -> String {
    let value: Option<Value> = serde_json::from_str(text).ok().filter(Value::is_object);
    match value {
        Some(value) if text.len() > WIDE && is_written(&value, text) => {
            format!("(one line of {} bytes, laid out here)\n{value:#}", text.len())
        }
        _ => text.to_owned(),
    }
}

/// The body that these lines show: JSON as a tree, one line as text, several as a list.
pub(super) fn read(lines: &[&str]) -> Value {
    laid_out(lines).unwrap_or_else(|| match lines {
        [line] => match compact(line) {
            Some(tree) if line.len() > WIDE => json!({ IN_ONE_LINE: tree }),
            Some(tree) => tree,
            None => json!(line),
        },
        lines => json!(lines),
    })
}

/// A JSON object in one line, without blanks.
pub(super) fn compact(line: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(line).ok()?;
    if value.is_object() && is_written(&value, line) { ordered(value) } else { None }
}

/// Whether `text` is this value without blanks.
pub(super) fn is_written(value: &Value, text: &str) -> bool {
    let again = value.to_string();
    again == text
}

fn laid_out(lines: &[&str]) -> Option<Value> {
    let (told, rest) = match lines.split_first()? {
        (first, rest) if first.starts_with("(one line of ") => (Some(first), rest),
        _ => (None, lines),
    };
    let text = rest.join("\n");
    let value: Value = serde_json::from_str(&text).ok().filter(|_| rest.len() > 1)?;
    let again = if told.is_some() { write(&value.to_string()) } else { format!("{value:#}") };
    if again != lines.join("\n") {
        return None;
    }
    // Both forms of one value are two trees.
    let tree = ordered(value)?;
    Some(if told.is_some() { tree } else { json!([tree]) })
}
