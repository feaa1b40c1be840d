//! Every command of the program: its help, a run of it, and its JSON.

use std::collections::BTreeSet;

use super::{assert_shown, text_of};

/// The paths of all commands, such as `key rotate`, as the shown helps list them.
fn commands(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut ahead = vec![String::new()];
    while let Some(path) = ahead.pop() {
        for name in listed(&help_of(text, &path).unwrap_or_default()) {
            let path = format!("{path} {name}").trim().to_owned();
            // `help` takes any command, and lists none.
            if found.insert(path.clone()) {
                ahead.push(path);
            }
        }
    }
    found
}

/// What `mintmark PATH --help` printed.
fn help_of(text: &str, path: &str) -> Option<String> {
    let line = format!("$ mintmark {path} --help\n").replace("  ", " ");
    let told = text.split_once(&line)?.1;
    Some(told.split("\nexit ").next().unwrap_or_default().to_owned())
}

/// The names below `Commands:`.
fn listed(help: &str) -> Vec<String> {
    let below = help.lines().skip_while(|line| !line.ends_with("ommands:")).skip(1);
    let rows = below.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    rows.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_command_shows_its_help() {
    let text = text_of("cli");
    let commands = commands(&text);
    assert!(commands.len() > 50 && commands.contains("key rotate"), "the help is not read: {commands:?}");
    assert_shown("helps", commands, |path| help_of(&text, path).is_some(), &[]);
}

#[test]
fn every_command_is_run_and_answers_programs() {
    let text = ["cli", "documents"].map(text_of).concat();
    let all = commands(&text);
    let is_noun = |path: &String| all.iter().any(|other| other.starts_with(&format!("{path} ")));
    let verbs: Vec<_> = all.iter().filter(|path| !is_noun(path)).cloned().collect();
    // What was typed, and how it ended.
    let typed: Vec<_> = text
        .split("\n$ mintmark ")
        .skip(1)
        .map(|run| (run.lines().next().unwrap_or_default(), run.contains("\nexit 0\n")))
        .filter(|(line, _)| !line.contains("--help"))
        .collect();
    let runs = |path: &str, wanted: &str| {
        let is_it =
            |line: &str| line.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        typed
            .iter()
            .any(|(line, is_good)| is_it(line) && line.contains(wanted) && (*is_good || wanted.is_empty()))
    };
    let elsewhere = [
        ("serve", "it runs until it is ended"),
        ("dev", "it runs until it is ended"),
        ("init", "it writes a key and a configuration of chance and of this machine"),
        ("completion", "its scripts are made by a library"),
        ("audit reopen", "the log is reopened in audit/events_log"),
        ("audit tail", "it runs until it is ended"),
    ];
    let elsewhere = elsewhere.map(|(path, reason)| (path.to_owned(), reason));
    assert_shown("runs", verbs.clone(), |path| runs(path, ""), &elsewhere);
    let is_json = |path: &String| runs(path, "-o json");
    let prints_no_data = [
        ("serve", "it runs until it is ended"),
        ("dev", "it runs until it is ended"),
        ("init", "it writes files"),
        ("check", "it prints complaints"),
        ("completion", "it prints a script"),
        ("help", "it prints a text"),
        ("openapi", "it prints a document that is JSON anyway"),
        ("audit export", "it writes a file"),
        ("audit tail", "its lines are JSON anyway"),
        ("audit prove", "it prints a receipt, which has a form of its own"),
        ("audit reopen", "the log is reopened in audit/events_log"),
        ("db migrate", "it is for a service that has ended, and this one runs"),
    ];
    let prints_no_data = prints_no_data.map(|(path, reason)| (path.to_owned(), reason));
    assert_shown("commands that print JSON", verbs, is_json, &prints_no_data);
}
