//! One object as `name  value` lines: members of members become `outer.inner`.
//!
//! A value without blanks is never cut, however long: it is there to be copied.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::super::failure::one_line;
use super::super::when::Times;
use super::{COLUMNS, GAP, rate, text, width};
use crate::time::span_text;

/// A name that is wider stands on a line of its own.
const WIDEST_NAME: usize = 32;

/// Prints the object; whole numbers under the name of a time or a span are told as such.
pub fn print_object(out: &mut dyn Write, object: &Map<String, Value>, times: &Times) -> io::Result<()> {
    let mut lines = Vec::new();
    for (name, value) in object {
        flatten(name, value, times, &mut lines);
    }
    let names = lines.iter().map(|(name, _)| width(name)).filter(|width| *width <= WIDEST_NAME);
    let widest = names.max().unwrap_or_default();
    for (name, text) in lines {
        let blanks = widest.checked_sub(width(&name));
        let mut lead = if let Some(blanks) = blanks {
            format!("{name}{}{GAP}", " ".repeat(blanks))
        } else {
            writeln!(out, "{name}")?;
            " ".repeat(widest + GAP.len())
        };
        for part in fill(&text, COLUMNS.saturating_sub(widest + GAP.len())) {
            writeln!(out, "{lead}{part}")?;
            lead = " ".repeat(widest + GAP.len());
        }
    }
    Ok(())
}

fn flatten(name: &str, value: &Value, times: &Times, lines: &mut Vec<(String, String)>) {
    let mut push = |text: &str| lines.push((one_line(name), one_line(text)));
    match value {
        Value::Object(members) if !members.is_empty() => match rate(value) {
            Some(rate) => push(&rate),
            None => {
                for (inner, value) in members {
                    flatten(&format!("{name}.{inner}"), value, times, lines);
                }
            }
        },
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (number, value) in items.iter().enumerate() {
                flatten(&format!("{name}.{number}"), value, times, lines);
            }
        }
        Value::Number(number) => match number.as_u64() {
            Some(seconds) if is_time(name) => push(&times.full(seconds)),
            Some(seconds) if is_span(name) => push(&span_text(std::time::Duration::from_secs(seconds))),
            _ => push(&text(value)),
        },
        _ => push(&text(value)),
    }
}

/// Our own members, and the claims of RFC 7519 section 4.1. What a client's claims are called is nobody's promise.
fn is_time(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    ["iat", "exp"].contains(&last) || (last.ends_with("_at") && !name.starts_with("claims."))
}

fn is_span(name: &str) -> bool {
    !name.starts_with("claims.")
        && (name.ends_with("_lifetime") || ["expires_in", "rotate_every"].contains(&name))
}

fn fill(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::when::Zone;
    use super::super::super::when::tests::berlin;
    use super::*;
    use crate::time::Timestamp;

    fn printed(object: &Value, zone: &Zone) -> String {
        let times = Times::new(Timestamp::from_seconds(1_795_348_800), zone);
        let mut out = Vec::new();
        print_object(&mut out, object.as_object().unwrap(), &times).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_object_shows_times_and_rates_and_keeps_long_values_whole() {
        let long = "x".repeat(100);
        let object = json!({
            "access_token": long, "created_at": 1_795_348_740, "access_token_lifetime": 300,
            "limits": { "a": { "count": 6, "period": 60, "burst": 6 }, "b": { "count": 6 } },
            "jwks": { "keys": [{ "kid": "k" }] }, "claims": { "built_at": 7 }, "name": null
        });
        let expected = [
            format!("access_token           {long}\n").as_str(),
            "created_at             2026-11-22 12:59:00 +01:00 (1m ago)\n",
            "access_token_lifetime  5m\n",
            "limits.a               6/1m\n",
            "limits.b.count         6\n",
            "jwks.keys.0.kid        k\n",
            "claims.built_at        7\n",
            "name                   -\n",
        ]
        .concat();
        assert_eq!(printed(&object, &berlin()), expected);
    }

    #[test]
    fn a_long_name_stands_above_its_value() {
        let scope = "s".repeat(128);
        let quota = json!({ "count": 6, "period": 60, "burst": 6 });
        let object = json!({ "client_id": "web", "limits": { scope.clone(): quota }, "name": "two words" });
        let expected = format!("client_id  web\nlimits.{scope}\n           6/1m\nname       two words\n");
        assert_eq!(printed(&object, &Zone::utc()), expected);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let object = json!({ "名前": "請求書 ".repeat(20).trim_end(), "n": "e\u{301}" });
        let text = printed(&object, &Zone::utc());
        assert!(text.lines().all(|line| width(line) <= COLUMNS), "{text}");
        assert!(text.ends_with("n     e\u{301}\n"), "{text}");
    }
}
