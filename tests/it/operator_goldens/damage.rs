//! A folder of goldens may come from any hand: what is wrong with it is one line or a difference.

use std::fs;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

use super::Desk;

#[tokio::test]
async fn what_is_missing_or_broken_is_one_line() {
    for (name, text, told) in [
        ("manifest.json", None, "./goldens is no folder of goldens: it has no manifest.json"),
        ("manifest.json", Some("{"), "./goldens/manifest.json is no manifest of a golden run"),
        ("manifest.json", Some(r#"{"format":2}"#), "has format 2, and this version reads format 1"),
        ("policy.toml", None, "./goldens/policy.toml is missing, or is no file"),
        ("policy.toml", Some("<<<<<<< HEAD"), "./goldens/policy.toml: line 1"),
        ("settings.toml", None, "./goldens/settings.toml is missing, or is no file"),
        ("settings.toml", Some("<<<<<<< HEAD"), "./goldens/settings.toml is no TOML"),
        ("rotation.txt", None, "./goldens/rotation.txt is missing, or is no file"),
        ("tokens/reader.json", None, "manifest.json tells of 2 clients and tokens/ has 1"),
        (
            "tokens/more.json",
            Some(r#"{"client_id":"more","tokens":{}}"#),
            "tells of 2 clients and tokens/ has 3",
        ),
        ("tokens/reader.json", Some("<<<<<<< HEAD"), "./goldens/tokens/reader.json is no JSON"),
        ("tokens/reader.json", Some("[]"), "is not what `mintmark golden record` writes"),
        (
            "tokens/reader.json",
            Some(r#"{"client_id":"web","tokens":{}}"#),
            "does not name the client whose file it is",
        ),
        (
            "tokens/reader.json",
            Some(r#"{"client_id":"reader","tokens":{}}"#),
            "tells of 7 requests and tokens/ has 3",
        ),
    ] {
        let desk = Desk::recorded().await;
        let name = format!("goldens/{name}");
        match text {
            None => fs::remove_file(desk.at(&name)).unwrap(),
            Some(text) => drop(desk.write(&name, text)),
        }
        desk.golden(&["verify", "./goldens"]).await.exits(2).complains_of(told);
        desk.golden(&["diff", "./goldens", "./goldens"]).await.exits(2).complains_of(told);
    }
}

#[tokio::test]
async fn what_is_huge_or_strange_is_one_line() {
    let desk = Desk::recorded().await;
    let verify = ["verify", "./goldens"];
    let rotation = desk.text("goldens/rotation.txt");
    desk.write("goldens/rotation.txt", &"\n".repeat(100_000));
    desk.golden(&verify).await.exits(2).complains_of("is longer than any that was recorded");
    desk.write("goldens/rotation.txt", &" ".repeat(5 << 20));
    desk.golden(&verify).await.exits(2).complains_of("larger than 4 MiB");
    fs::write(desk.at("goldens/rotation.txt"), b"\xff\xfe").unwrap();
    desk.golden(&verify).await.exits(2).complains_of("cannot read ./goldens/rotation.txt");
    fs::remove_file(desk.at("goldens/rotation.txt")).unwrap();
    // A pipe would be waited for.
    mknodat(CWD, desk.at("goldens/rotation.txt"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    desk.golden(&verify).await.exits(2).complains_of("is missing, or is no file");
    fs::remove_file(desk.at("goldens/rotation.txt")).unwrap();
    desk.write("goldens/rotation.txt", &rotation);
    desk.golden(&verify).await.exits(0);

    let deep = format!(r#"{{"client_id":"reader","tokens":{}1{}}}"#, r#"{"a":"#.repeat(500), "}".repeat(500));
    desk.write("goldens/tokens/reader.json", &deep);
    desk.golden(&verify).await.exits(2).complains_of("is no JSON");
    desk.golden(&["verify", "./nowhere"]).await.exits(2).complains_of("is no folder of goldens");
    desk.golden(&["verify", "./policy.toml"]).await.exits(2).complains_of("is no folder of goldens");
}

/// A recorded policy has its keys by value: whatever file a copy names for them is not opened.
#[tokio::test]
async fn a_copy_that_names_another_file_is_one_line() {
    let desk = Desk::recorded().await;
    let policy = desk.text("goldens/policy.toml");
    mknodat(CWD, desk.at("goldens/pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    desk.write("keys.json", "{}");
    for name in ["/dev/zero", "/dev/stdin", "pipe", "../keys.json", "../../x"] {
        let client = format!("[[client]]\nid = \"web\"\njwks = \"{name}\"\nscope = \"stock:read\"\n");
        desk.write("goldens/policy.toml", &format!("{policy}\n{client}"));
        for command in [&["verify", "./goldens"][..], &["diff", "./goldens", "./goldens"]] {
            let told = "./goldens/policy.toml: client web: jwks: names a file";
            desk.golden(command).await.exits(2).complains_of(told);
        }
    }
}

/// Version control keeps no empty folder.
#[tokio::test]
async fn a_policy_without_clients_is_recorded_too() {
    let desk = Desk::new();
    desk.write("policy.toml", "[[resource]]\nuri = \"https://orders.example.com\"\n");
    desk.record().await.exits(0);
    fs::remove_dir(desk.at("goldens/tokens")).unwrap();
    let ran = desk.golden(&["verify", "./goldens"]).await.exits(0);
    assert_eq!(ran.out, "0 clients, 0 tokens and 90 days of keys are as recorded\n");
    desk.record().await.exits(0);
}

/// What a person changes by hand is told as a difference from what the program says.
#[tokio::test]
async fn an_edited_file_is_a_difference() {
    let desk = Desk::recorded().await;
    desk.replace("goldens/tokens/reader.json", "iat + 600", "iat + 60");
    desk.replace("goldens/rotation.txt", "each signs for: 14d", "each signs for: 13d\u{1b}[2J");
    let ran = desk.golden(&["verify", "./goldens"]).await.exits(1);
    assert!(ran.out.starts_with("reader\n  default scope  claim exp iat + 60 -> iat + 600\n"), "{}", ran.out);
    assert!(ran.out.contains("each signs for  13d\\u{1b}[2J -> 14d\n"), "no cursor is moved: {}", ran.out);

    // The same in another layout is the same.
    let desk = Desk::recorded().await;
    let text = desk.text("goldens/tokens/reader.json");
    let compact: Value = serde_json::from_str(&text).unwrap();
    desk.write("goldens/tokens/reader.json", &compact.to_string());
    desk.golden(&["verify", "./goldens"]).await.exits(0);
}

#[tokio::test]
async fn wrong_options_are_told_a_line_each() {
    let mut desk = Desk::recorded().await;
    desk.set("MINTMARK_TOKENS__LIFETIME", "1");
    desk.set("MINTMARK_KEYS__ALGORITHMS", "none");
    let ran = desk.golden(&["verify", "./goldens"]).await.exits(2);
    assert_eq!(ran.err.lines().count(), 3, "{}", ran.err);
    desk.environment.clear();
    desk.replace("goldens/settings.toml", "active_for", "active_four");
    let ran = desk.golden(&["verify", "./goldens"]).await.exits(2);
    assert!(
        ran.err.starts_with("keys.active_four: unknown option (line 6); did you mean keys.active_for?"),
        "{}",
        ran.err
    );
    // An algorithm that is gone while a resource still signs with it.
    let mut desk = Desk::recorded().await;
    desk.set("MINTMARK_KEYS__ALGORITHMS", "EdDSA");
    let ran = desk.golden(&["verify", "./goldens"]).await.exits(2);
    assert!(ran.err.contains("signing_alg: ES256 is not in keys.algorithms (EdDSA)"), "{}", ran.err);
}
