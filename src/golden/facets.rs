//! One answer before and after, in a user's words: each change once, however many places of the file it shows in.
//!
//! Pure. A shorter life, say, shows in `exp`, in the lifetime and in its bounds, and is told once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::compare::{Change, changes};

/// Of a client that comes or goes, so many requests are told one by one.
const MOST_ALONE: usize = 8;

/// What is different, a line each; none when both are the same.
pub(super) fn facets(old: Option<&Value>, new: Option<&Value>) -> Vec<String> {
    match (old, new) {
        (None, None) => Vec::new(),
        (None, Some(answer)) => vec![format!("new: {}", brief(answer))],
        (Some(answer), None) => vec![format!("not asked any more, was {}", brief(answer))],
        (Some(old), Some(new)) => between(&Sides { old, new }),
    }
}

/// An answer in a few words.
fn brief(answer: &Value) -> String {
    match refusal(answer) {
        Some(refusal) => format!("refused, {refusal}"),
        None => format!("a token for {}", span(answer.pointer("/lifetime/seconds"))),
    }
}

/// All the answers to a client that was not there before, or that is not any more: for each, what it is about, which may
/// be empty, and a line. Many are told by their audiences, each with every scope that is granted for it.
pub(super) fn alone(answers: &Map<String, Value>) -> Vec<(Option<String>, String)> {
    if answers.len() <= MOST_ALONE {
        let all = answers.iter();
        return all.map(|(name, answer)| (Some(name.clone()), in_full(answer))).collect();
    }
    let mut told = Vec::new();
    let mut audiences = BTreeMap::<String, (BTreeSet<String>, Vec<&Value>)>::new();
    for (name, answer) in answers {
        if refusal(answer).is_some() {
            told.push((Some(name.clone()), in_full(answer)));
            continue;
        }
        let (scopes, lifetimes) = audiences.entry(plain(answer.pointer("/claims/aud"))).or_default();
        scopes.extend(plain(answer.pointer("/claims/scope")).split(' ').map(str::to_owned));
        lifetimes.extend(answer.pointer("/lifetime/seconds"));
    }
    let of_audience = |(audience, (scopes, mut lifetimes)): (String, (BTreeSet<String>, Vec<&Value>))| {
        lifetimes.sort_unstable_by_key(|seconds| seconds.as_u64());
        let (least, most) = (span(lifetimes.first().copied()), span(lifetimes.last().copied()));
        let lives = if least == most { most } else { format!("{least} to {most}") };
        let scopes = scopes.into_iter().collect::<Vec<_>>().join(" ");
        (None, format!("tokens of {scopes} at {audience} for {lives}"))
    };
    told.extend(audiences.into_iter().map(of_audience));
    told
}

/// An answer that stands alone: what it grants as well, and where.
fn in_full(answer: &Value) -> String {
    if refusal(answer).is_some() {
        return brief(answer);
    }
    let [scope, audience] = ["/claims/scope", "/claims/aud"].map(|place| plain(answer.pointer(place)));
    format!("a token of {scope} at {audience} for {}", span(answer.pointer("/lifetime/seconds")))
}

fn refusal(answer: &Value) -> Option<String> {
    let refused = answer.get("refused")?;
    let word = |name: &str| plain(refused.get(name));
    Some(format!("{} ({})", word("error"), word("error_description")))
}

fn between(sides: &Sides<'_>) -> Vec<String> {
    let [was, is] = [sides.old, sides.new].map(refusal);
    match (was, is) {
        (None, Some(is)) => return vec![format!("refused now: {is}")],
        (Some(was), None) => return vec![format!("granted now: {}; was refused: {was}", brief(sides.new))],
        (Some(was), Some(is)) if was != is => return vec![format!("refused otherwise: {was} -> {is}")],
        _ => {}
    }
    let changes = changes(sides.old, sides.new);
    let mut told: Vec<String> = Vec::new();
    for change in &changes {
        if let Some(line) = sides.told(change).filter(|line| !told.contains(line)) {
            told.push(line);
        }
    }
    // A file that nobody could have recorded may leave nothing to say by the rules: then all is told as it is.
    if told.is_empty() { changes.iter().map(as_it_is).collect() } else { told }
}

/// The same answer at two times.
struct Sides<'a> {
    old: &'a Value,
    new: &'a Value,
}

impl Sides<'_> {
    fn differ_at(&self, pointer: &str) -> bool {
        self.old.pointer(pointer) != self.new.pointer(pointer)
    }

    fn arrow(&self, pointer: &str) -> String {
        arrow(self.old.pointer(pointer), self.new.pointer(pointer))
    }

    /// The line for one change; `None` where another one says it.
    fn told(&self, change: &Change) -> Option<String> {
        let names: Vec<String> = change
            .pointer
            .split('/')
            .skip(1)
            .map(|name| name.replace("~1", "/").replace("~0", "~"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let scope_differs = self.differ_at("/claims/scope");
        match names.as_slice() {
            // A scope that came or went was asked for, and brings or takes its limit.
            ["request", ..] | ["limits", _] if scope_differs => None,
            ["request", "scope"] => Some(format!("asks for {}", self.arrow("/request/scope"))),
            ["claims", "exp"] if self.differ_at("/lifetime/seconds") => None,
            ["lifetime", ..] => Some(self.lifetime()),
            ["header", "kid"] if self.differ_at("/header/alg") => None,
            ["header", "alg"] => Some(format!("signed with {}", self.arrow("/header/alg"))),
            ["length"] if self.says_more_or_less() => None,
            ["length"] => Some(format!("length {} bytes", self.arrow("/length"))),
            ["limits", scope, member] => self.limit(scope, member, change),
            ["claims", "scope"] => Some(format!("scope {}", self.arrow("/claims/scope"))),
            ["claims", name @ ..] => {
                Some(format!("claim {} {}", name.join("/"), arrow(change.old.as_ref(), change.new.as_ref())))
            }
            _ => Some(as_it_is(change)),
        }
    }

    /// Whether the length follows from what else is told.
    fn says_more_or_less(&self) -> bool {
        let claims = |answer: &Value| {
            let mut claims = answer.get("claims").cloned();
            if let Some(Value::Object(members)) = &mut claims {
                members.remove("exp");
            }
            claims
        };
        self.differ_at("/header") || claims(self.old) != claims(self.new)
    }

    fn lifetime(&self) -> String {
        let [was, is] = [self.old, self.new].map(|answer| answer.get("lifetime").unwrap_or(&Value::Null));
        let seconds = |lifetime: &Value| span(lifetime.get("seconds"));
        let by = |lifetime: &Value| lifetime.pointer("/bounds/0").map_or_else(String::new, set_by);
        if seconds(was) != seconds(is) {
            let who = if by(was) == by(is) {
                format!("set by {}", by(is))
            } else {
                format!("now set by {}; was by {}", by(is), by(was))
            };
            return format!("lifetime {} -> {} ({who})", seconds(was), seconds(is));
        }
        if by(was) != by(is) {
            return format!("lifetime {} as before, now set by {}; was by {}", seconds(is), by(is), by(was));
        }
        format!("lifetime {} as before, above it {} -> {}", seconds(is), above(was), above(is))
    }

    fn limit(&self, scope: &str, member: &str, change: &Change) -> Option<String> {
        let at = |name: &str| {
            let side = |answer: &Value| answer.get("limits")?.get(scope)?.get(name).cloned();
            (side(self.old), side(self.new))
        };
        let (limit, by) = (at("limit"), at("set_by"));
        let who = if by.0 == by.1 {
            String::new()
        } else {
            format!(" (now set by the {}; was by the {})", plain(by.1.as_ref()), plain(by.0.as_ref()))
        };
        let told = arrow(change.old.as_ref(), change.new.as_ref());
        match member {
            "limit" => Some(format!("limit of {scope} {told}{who}")),
            "set_by" if limit.0 != limit.1 => None,
            "set_by" => Some(format!("limit of {scope} {} as before{who}", plain(limit.1.as_ref()))),
            "total" => Some(format!("limit of {scope} over all clients {told}")),
            "enforce" => Some(format!("limit of {scope} is there to {told}")),
            _ => Some(as_it_is(change)),
        }
    }
}

/// The bounds that do not bite.
fn above(lifetime: &Value) -> String {
    let bounds = lifetime.get("bounds").and_then(Value::as_array).into_iter().flatten().skip(1);
    let told: Vec<_> =
        bounds.map(|bound| format!("{} of {}", span(bound.get("seconds")), set_by(bound))).collect();
    if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
}

fn set_by(bound: &Value) -> String {
    match plain(bound.get("set_by")).as_str() {
        "scope" => format!("the scope {}", plain(bound.get("name"))),
        setting if setting.contains('.') => setting.to_owned(),
        who => format!("the {who}"),
    }
}

fn span(seconds: Option<&Value>) -> String {
    let span = seconds.and_then(Value::as_u64).map(std::time::Duration::from_secs);
    span.map_or_else(|| plain(seconds), crate::time::span_text)
}

fn as_it_is(change: &Change) -> String {
    format!("{} {}", change.pointer, arrow(change.old.as_ref(), change.new.as_ref()))
}

/// Old and new, or that it came or went.
pub(super) fn arrow(old: Option<&Value>, new: Option<&Value>) -> String {
    match (old, new) {
        (None, new) => format!("is new: {}", plain(new)),
        (old, None) => format!("is gone, was {}", plain(old)),
        (old, new) => format!("{} -> {}", plain(old), plain(new)),
    }
}

/// A value as a person reads it: text without quotes.
fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if !items.is_empty() && items.iter().all(Value::is_string) => {
            items.iter().map(|item| plain(Some(item))).collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
