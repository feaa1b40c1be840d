//! What differs between two golden runs, in the words of a user. Pure.
//!
//! Every difference is told, none twice. What holds for many clients alike is told once, with how
//! many they are and the names of the first few; causes (options, the policy) stand last.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use super::compare::changes;
use super::facets::{alone, arrow, facets};
use super::recorded::{Answers, Recorded};

/// A change of more clients than this is told once for all of them.
const FEW: usize = 3;

/// A heading and what stands below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// A client, several clients, or what else differs.
    pub heading: String,
    /// What it is about, which may be empty, and what is different.
    pub lines: Vec<(String, String)>,
}

/// Everything that differs; nothing exactly when [`super::differences`] finds nothing.
pub fn told(old: &Recorded, new: &Recorded) -> Vec<Told> {
    let mut told = tokens(old, new);
    let rest = [
        ("rotation", rotation(&old.rotation, &new.rotation)),
        ("settings.toml", settings(&old.settings, &new.settings)),
        ("policy.toml", policy(&old.policy, &new.policy)),
    ];
    let rest = rest.into_iter().filter(|(_, lines)| !lines.is_empty());
    told.extend(rest.map(|(heading, lines)| Told { heading: heading.to_owned(), lines }));
    told
}

/// Which requests of which clients.
type Holders = BTreeMap<String, Vec<String>>;

fn tokens(old: &Recorded, new: &Recorded) -> Vec<Told> {
    let holders = gathered(old, new);
    // What many hold alike stands under one heading.
    let mut shared: Vec<(Holders, Vec<String>)> = Vec::new();
    let mut own = BTreeMap::<String, Vec<(String, String)>>::new();
    let all_of = |client: &str| {
        let answers = [old, new].map(|run| run.tokens.get(client));
        answers.into_iter().flatten().flat_map(Map::keys).collect::<BTreeSet<_>>().len()
    };
    for (line, holders) in holders {
        if holders.len() > FEW {
            match shared.iter_mut().find(|(others, _)| *others == holders) {
                Some((_, lines)) => lines.push(line),
                None => shared.push((holders, vec![line])),
            }
            continue;
        }
        for (client, requests) in holders {
            let label = label(&requests, requests.len() == all_of(&client));
            own.entry(client).or_default().push((label, line.clone()));
        }
    }
    let many = shared.into_iter().map(|(holders, lines)| {
        let every = holders.iter().all(|(client, requests)| requests.len() == all_of(client));
        let names: BTreeSet<_> = holders.values().flatten().cloned().collect();
        let label = label(&names.into_iter().collect::<Vec<_>>(), every);
        let clients: Vec<_> = holders.into_keys().collect();
        let heading = format!("{} clients: {}", clients.len(), few(&clients));
        Told { heading, lines: lines.into_iter().map(|line| (label.clone(), line)).collect() }
    });
    let mut told: Vec<_> = many.collect();
    told.extend(own.into_iter().map(|(heading, lines)| Told { heading, lines }));
    told
}

/// Each line of tokens with those it holds for, in the order of their first appearance.
fn gathered(old: &Recorded, new: &Recorded) -> Vec<(String, Holders)> {
    let (mut gathered, mut places) = (Vec::<(String, Holders)>::new(), HashMap::new());
    let mut gather = |line: String, client: &str, request: Option<&str>| {
        let place = *places.entry(line.clone()).or_insert(gathered.len());
        if place == gathered.len() {
            gathered.push((line, Holders::new()));
        }
        if let Some((_, holders)) = gathered.get_mut(place) {
            holders.entry(client.to_owned()).or_default().extend(request.map(str::to_owned));
        }
    };
    let clients: BTreeSet<_> = old.tokens.keys().chain(new.tokens.keys()).collect();
    for client in clients {
        match (old.tokens.get(client), new.tokens.get(client)) {
            (Some(before), Some(after)) => {
                for (request, line) in of_client(before, after) {
                    gather(line, client, Some(&request));
                }
            }
            (None, Some(answers)) | (Some(answers), None) => {
                let what = if old.tokens.contains_key(client) { "gone client:" } else { "new client:" };
                for (request, line) in of_whole_client(answers) {
                    gather(format!("{what} {line}"), client, request.as_deref());
                }
            }
            (None, None) => {}
        }
    }
    gathered
}

fn of_client(before: &Answers, after: &Answers) -> Vec<(String, String)> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let of_request = |name: &String| {
        let lines = facets(before.get(name), after.get(name)).into_iter();
        lines.map(|line| (name.clone(), line)).collect::<Vec<_>>()
    };
    names.flat_map(of_request).collect()
}

/// What a client gets that came or went; something is told even of one that was made to ask for nothing.
fn of_whole_client(answers: &Answers) -> Vec<(Option<String>, String)> {
    let told = alone(answers);
    if told.is_empty() { vec![(None, "no request".to_owned())] } else { told }
}

/// Which requests, in few words.
fn label(requests: &[String], every: bool) -> String {
    if every && requests.len() > 1 { "every request".to_owned() } else { few(requests) }
}

fn few(names: &[String]) -> String {
    let (shown, rest) = names.split_at(names.len().min(FEW));
    let shown = shown.join(", ");
    if rest.is_empty() { shown } else { format!("{shown} and {} more", rest.len()) }
}

/// What the keys come to, line by line, and the first transition that is another one.
fn rotation(old: &[String], new: &[String]) -> Vec<(String, String)> {
    if old == new {
        return Vec::new();
    }
    let (old, new) = (Timeline::of(old), Timeline::of(new));
    let named = changes(&old.summary, &new.summary);
    let mut told: Vec<_> = named
        .into_iter()
        .map(|change| (change.pointer.replacen('/', "", 1), arrow(change.old.as_ref(), change.new.as_ref())))
        .collect();
    let places = old.rows.len().max(new.rows.len());
    if let Some(first) = (0..places).find(|place| old.rows.get(*place) != new.rows.get(*place)) {
        let [was, is] = [&old, &new].map(|side| side.rows.get(first).map_or("nothing", String::as_str));
        // Where the same happens to the same key, it is what is served that differs.
        let (was, is) =
            if brief(was) == brief(is) { (was.to_owned(), is.to_owned()) } else { (brief(was), brief(is)) };
        told.push(("first difference".to_owned(), format!("{is}; was {was}")));
    }
    // Nothing of the kind: another hand wrote the same in another way.
    if told.is_empty() {
        told.push((String::new(), "differs".to_owned()));
    }
    told
}

/// When, which key and what of it, where this is a row: what is served then follows.
fn brief(row: &str) -> String {
    let cells: Vec<&str> = row.split(' ').collect();
    match cells.as_slice() {
        [time, _, key, from, arrow @ "->", to, ..] => [*time, *key, *from, *arrow, *to].join(" "),
        _ => row.to_owned(),
    }
}

/// `rotation.txt`, taken apart.
struct Timeline {
    summary: Value,
    rows: Vec<String>,
}

impl Timeline {
    fn of(lines: &[String]) -> Self {
        let mut summary = Map::new();
        let mut rows = Vec::new();
        for line in lines {
            match line.split_once(": ") {
                Some((name, value)) if !line.starts_with('+') => {
                    summary.insert(name.to_owned(), json!(value));
                }
                _ => rows.push(line.clone()),
            }
        }
        Self { summary: Value::Object(summary), rows }
    }
}

/// Option by option.
fn settings(old: &Value, new: &Value) -> Vec<(String, String)> {
    let [was, is] = [old, new].map(options);
    let paths: BTreeSet<_> = was.keys().chain(is.keys()).collect();
    let differing = paths.into_iter().filter(|path| was.get(*path) != is.get(*path));
    differing.map(|path| (path.clone(), arrow(was.get(path), is.get(path)))).collect()
}

/// By path, such as `keys.active_for`.
fn options(settings: &Value) -> BTreeMap<String, Value> {
    let mut options = BTreeMap::new();
    for (name, value) in settings.as_object().into_iter().flatten() {
        match value {
            Value::Object(section) => {
                options.extend(
                    section.iter().map(|(option, value)| (format!("{name}.{option}"), value.clone())),
                );
            }
            value => {
                options.insert(name.clone(), value.clone());
            }
        }
    }
    options
}

/// Which objects, and which of their members. Not all of it shows in a token, so every object is named; those of which
/// the same is told stand together.
fn policy(old: &Value, new: &Value) -> Vec<(String, String)> {
    let mut told = Vec::new();
    for (list, kind) in [("resources", "resource"), ("scopes", "scope"), ("clients", "client")] {
        let none = Map::new();
        let [was, is] = [old, new].map(|policy| policy.get(list).and_then(Value::as_object).unwrap_or(&none));
        let names: BTreeSet<_> = was.keys().chain(is.keys()).collect();
        let mut alike = Vec::<(String, Vec<&str>)>::new();
        let mut places = HashMap::new();
        for name in names.into_iter().filter(|name| was.get(*name) != is.get(*name)) {
            let what = members(was.get(name), is.get(name));
            let place = *places.entry(what.clone()).or_insert(alike.len());
            match alike.get_mut(place) {
                Some((_, names)) => names.push(name),
                None => alike.push((what, vec![name])),
            }
        }
        for (what, names) in alike {
            if names.len() > FEW {
                told.push((format!("{} {kind}s: {}", names.len(), names.join(", ")), what));
            } else {
                told.extend(names.into_iter().map(|name| (format!("{kind} {name}"), what.clone())));
            }
        }
    }
    // Sides that differ elsewhere were written by another hand.
    if told.is_empty() && old != new {
        told.push((String::new(), "differs".to_owned()));
    }
    told
}

fn members(old: Option<&Value>, new: Option<&Value>) -> String {
    let (Some(Value::Object(was)), Some(Value::Object(is))) = (old, new) else {
        return if old.is_none() { "new" } else { "gone" }.to_owned();
    };
    let names: BTreeSet<_> = was.keys().chain(is.keys()).collect();
    let differing = names.into_iter().filter(|name| was.get(*name) != is.get(*name));
    differing.map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
