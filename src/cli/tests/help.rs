//! What the program says of itself, to people and to shells.

use clap::Command;
use clap::builder::PossibleValue;

use super::*;

/// Every command and its name, from the root down.
fn all(command: &Command, before: &[&str]) -> Vec<Vec<String>> {
    let mut lines = vec![before.iter().map(|&word| word.to_owned()).collect()];
    for inner in command.get_subcommands() {
        lines.extend(all(inner, &[before, &[inner.get_name()]].concat()));
    }
    lines
}

#[tokio::test]
async fn each_command_has_help_that_fits() {
    let commands = all(&CommandLine::command(), &[]);
    assert!(commands.len() > 40, "{}", commands.len());
    for command in commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let ran = mintmark(&[&words[..], &["--help"]].concat()).await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{command:?}");
        assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{command:?}: {}", ran.out);
        let same = mintmark(&[&["help"], &words[..]].concat()).await;
        assert_eq!((same.code, same.out), (0, ran.out));
    }
}

#[tokio::test]
async fn the_commands_of_every_day_have_an_example() {
    for command in
        ["client create", "client rotate-secret", "scope set", "token request", "key rotate", "audit search"]
    {
        let words: Vec<&str> = command.split(' ').collect();
        let ran = mintmark(&[&["help"], &words[..]].concat()).await;
        let (_, example) =
            ran.out.split_once("Example:\n").unwrap_or_else(|| panic!("{command}: {}", ran.out));
        // What is shown can be pasted.
        assert_eq!(example.trim().lines().count(), 1, "{example}");
        let line = example.trim().replace('"', "");
        assert!(line.starts_with(&format!("mintmark {command} ")), "{line}");
        let typed: Vec<&str> = example.trim().split('"').collect();
        let quoted = typed.iter().enumerate();
        let argv = quoted.flat_map(|(place, part)| match place % 2 {
            0 => part.split_whitespace().collect::<Vec<_>>(),
            _ => vec![*part],
        });
        assert!(CommandLine::try_parse_from(argv).is_ok(), "{line}");
    }
}

#[tokio::test]
async fn help_of_what_is_not_there_is_a_mistake() {
    let ran = mintmark(&["help", "clients"]).await;
    assert!(ran.code == 2 && ran.err.contains("a similar subcommand exists: 'client'"), "{ran:?}");
}

#[tokio::test]
async fn version_is_data() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(mintmark(&["version"]).await.json(), json!({ "version": version }));
    assert_eq!(on_a_terminal(&["version"]).await.out, format!("mintmark {version}\n"));
}

#[tokio::test]
async fn each_shell_completes_every_noun_and_verb() {
    let commands = all(&CommandLine::command(), &[]);
    let shells = <clap_complete::Shell as clap::ValueEnum>::value_variants();
    assert_eq!(shells.len(), 5);
    for shell in shells {
        let ran = mintmark(&["completion", &shell.to_string()]).await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{shell}");
        for word in commands.iter().flatten() {
            assert!(ran.out.contains(word.as_str()), "{shell}: {word}");
        }
        for value in ["ES256", "token.issued", "client_secret_post"] {
            // Elvish and PowerShell are told of options, not of their values.
            let told =
                ran.out.contains(value) || ["elvish", "powershell"].contains(&shell.to_string().as_str());
            assert!(told, "{shell}: {value}");
        }
    }
}

#[test]
fn values_that_are_known_are_offered() {
    let mut root = CommandLine::command();
    root.build();
    let mut files = 0;
    let mut commands = vec![&root];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands());
        for argument in command.get_arguments() {
            let hint = argument.get_value_hint();
            // A path without a hint of its own would be offered folders too.
            assert_ne!(hint, clap::ValueHint::AnyPath, "{} {}", command.get_name(), argument.get_id());
            files += usize::from(hint == clap::ValueHint::FilePath);
            if argument.get_id() == "alg" {
                let offered: Vec<_> = argument.get_possible_values();
                assert!(offered.iter().any(|value: &PossibleValue| value.get_name() == "ES256"));
            }
        }
    }
    assert!(files > 15, "{files}");
}
