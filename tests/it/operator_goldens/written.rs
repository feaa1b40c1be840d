//! `golden record` writes a whole folder or nothing, the same bytes each time, and touches nothing else.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use mintmark::http::admin::MAX_POLICY;
use serde_json::{Value, json};

use super::{Desk, usual};
use crate::harness::{ISSUER, ORDERS};

#[tokio::test]
async fn two_records_are_the_same_bytes_wherever_and_whenever() {
    let desk = Desk::recorded().await;
    let first = desk.files("goldens");
    let names: Vec<_> = first.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "manifest.json",
        "policy.toml",
        "rotation.txt",
        "settings.toml",
        "tokens/reader.json",
        "tokens/stock.json",
    ];
    assert_eq!(names, expected);
    desk.record().await.exits(0);
    assert_eq!(desk.files("goldens"), first);

    // The program itself, in another folder and another zone; there, policy.toml needs not be named.
    let output = Command::new(env!("CARGO_BIN_EXE_mintmark"))
        .args(["golden", "record", "--out", "elsewhere"])
        .current_dir(desk.folder.path())
        .env_clear()
        .envs([("MINTMARK_ISSUER", ISSUER), ("TZ", "Pacific/Kiritimati")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(desk.files("elsewhere"), first);
    // Nothing else came into being: no store, no keys, nothing beside.
    assert_eq!(entries(&desk, ""), ["elsewhere", "goldens", "policy.toml"]);

    // What was recorded makes the same again by itself.
    let copies = [
        "record",
        "--policy",
        "./goldens/policy.toml",
        "--config",
        "./goldens/settings.toml",
        "--out",
        "./again",
    ];
    desk.golden(&copies).await.exits(0);
    assert_eq!(desk.files("again"), first);
}

fn entries(desk: &Desk, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(desk.at(folder)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_record_replaces_the_folder_as_a_whole() {
    let desk = Desk::recorded().await;
    desk.write("policy.toml", &usual().replace("\"stock\"", "\"billing\""));
    let ran = desk.record().await.exits(0);
    assert_eq!(ran.out, "./goldens holds 2 clients, 6 tokens and 90 days of keys.\n");
    assert_eq!(entries(&desk, "goldens/tokens"), ["billing.json", "reader.json"]);
    assert_eq!(entries(&desk, ""), ["goldens", "policy.toml"]);

    // By a link, the folder that it leads to.
    symlink(desk.at("goldens"), desk.at("link")).unwrap();
    let ran = desk.golden_json(&["record", "--policy", "./policy.toml", "--out", "./link"]).await.exits(0);
    assert_eq!((&ran.json()["clients"], &ran.json()["tokens"]), (&json!(2), &json!(6)));
    assert!(desk.at("link").is_symlink() && desk.at("goldens").is_dir());

    // What a crash left beside it is in nobody's way, and what is left under our own name is not touched.
    fs::create_dir(desk.at(".goldens.1.new")).unwrap();
    desk.write(".goldens.1.new/manifest.json", "{");
    desk.record().await.exits(0);
    let ours = format!(".goldens.{}.new", std::process::id());
    fs::rename(desk.at(".goldens.1.new"), desk.at(&ours)).unwrap();
    desk.record().await.exits(1).complains_of("was left by a record that was cut off");
    assert_eq!(desk.text(&format!("{ours}/manifest.json")), "{");

    fs::create_dir(desk.at("empty")).unwrap();
    desk.golden(&["record", "--policy", "./policy.toml", "--out", "./empty"]).await.exits(0);
    assert_eq!(desk.files("empty"), desk.files("goldens"));
}

#[tokio::test]
async fn nothing_foreign_is_touched() {
    let desk = Desk::recorded().await;
    let record = |out: &'static str| ["record", "--policy", "./policy.toml", "--out", out];
    fs::create_dir(desk.at("photos")).unwrap();
    desk.write("photos/cat.jpg", "cat").write("file", "text").write("outside.json", "outside");
    desk.golden(&record("./photos")).await.exits(2).complains_of("no folder of goldens");
    desk.golden(&record("./file")).await.exits(2).complains_of("cannot read ./file");
    desk.golden(&record("./no/where")).await.exits(2).complains_of("make the folder above it first");
    desk.golden(&record("/")).await.exits(2).complains_of("cannot be the folder that you are in");
    desk.golden(&record(".")).await.exits(2).complains_of("cannot be the folder that you are in");

    let before = desk.files("goldens");
    for (name, link) in [("notes.md", false), ("tokens/notes.md", false), ("tokens/web.json", true)] {
        let path = desk.at(&format!("goldens/{name}"));
        if link {
            symlink(desk.at("outside.json"), &path).unwrap();
        } else {
            fs::write(&path, "mine").unwrap();
        }
        desk.golden(&record("./goldens"))
            .await
            .exits(2)
            .complains_of(&format!("./goldens/{name} was not recorded"));
        fs::remove_file(path).unwrap();
        assert_eq!(desk.files("goldens"), before);
    }
    // A whole folder behind a link, whose files have the right names.
    fs::rename(desk.at("goldens/tokens"), desk.at("elsewhere")).unwrap();
    symlink(desk.at("elsewhere"), desk.at("goldens/tokens")).unwrap();
    desk.golden(&record("./goldens")).await.exits(2).complains_of("./goldens/tokens was not recorded");
    assert_eq!(entries(&desk, "elsewhere"), ["reader.json", "stock.json"]);
    assert_eq!(
        (desk.text("photos/cat.jpg").as_str(), desk.text("outside.json").as_str()),
        ("cat", "outside")
    );
    assert_eq!(entries(&desk, ""), ["elsewhere", "file", "goldens", "outside.json", "photos", "policy.toml"]);
}

#[tokio::test]
async fn a_wrong_policy_is_told_whole_and_nothing_is_written() {
    let desk = Desk::recorded().await;
    let before = desk.files("goldens");
    desk.write(
        "policy.toml",
        &usual()
            .replace("lifetime = \"10m\"", "lifetime = \"2h\"")
            .replace("\"stock:read orders:read\"", "\"nope\""),
    );
    let ran = desk.record().await.exits(2);
    let told: Vec<_> = ran.err.lines().collect();
    assert_eq!(told.len(), 3, "{}", ran.err);
    assert!(told[0].starts_with(&format!("resources[0] ({ORDERS}): token_lifetime: ")), "{}", told[0]);
    assert!(told[1].starts_with("clients[1] (stock): scope: nope is not registered"), "{}", told[1]);
    assert_eq!(told[2], "error: 2 complaints about the policy ./policy.toml; nothing was written");
    assert_eq!((ran.out.as_str(), desk.files("goldens")), ("", before));
    // Nobody asked for anything to be written here.
    let ran = desk.golden(&["verify", "./goldens", "--policy", "./policy.toml"]).await.exits(2);
    let last = ran.err.lines().last();
    assert_eq!(last, Some("error: 2 complaints about the policy ./policy.toml; nothing was compared"));

    desk.write("policy.toml", "[[scope]]\nnames = 1\n");
    desk.record().await.exits(2).complains_of("./policy.toml: line 2: unknown field `names`");
    desk.golden(&["record", "--out", "./goldens"])
        .await
        .exits(2)
        .complains_of("there is no policy.toml here");
    desk.golden(&["record", "--policy", "./nowhere.toml", "--out", "./x"])
        .await
        .exits(2)
        .complains_of("cannot read");

    let mut nameless = Desk::new();
    nameless.environment.clear();
    nameless.write("policy.toml", &usual());
    let ran = nameless.record().await.exits(2);
    assert!(ran.err.starts_with("issuer: is not set"), "{}", ran.err);
    assert_eq!(entries(&nameless, ""), ["policy.toml"]);
}

/// After a change of the policy was verified by the folder's own options, a record by them changes no others.
#[tokio::test]
async fn a_record_by_the_copy_of_the_options_leaves_them_as_they_were() {
    let mut desk = Desk::new();
    desk.environment.clear();
    let options = |lifetime: &str| format!("issuer = \"{ISSUER}\"\n[tokens]\nlifetime = \"{lifetime}\"\n");
    desk.write("policy.toml", &usual()).write("first.toml", &options("9m"));
    let record = |config| ["record", "--policy", "./policy.toml", "--config", config, "--out", "./goldens"];
    desk.golden(&record("./first.toml")).await.exits(0);
    let before = desk.text("goldens/settings.toml");
    desk.replace("policy.toml", "lifetime = \"10m\"", "lifetime = \"5m\"");
    let verify = ["verify", "./goldens", "--policy", "./policy.toml"];
    desk.golden(&verify).await.exits(1);
    desk.golden(&record("./goldens/settings.toml")).await.exits(0);
    assert_eq!(desk.text("goldens/settings.toml"), before);
    desk.golden(&verify).await.exits(0);
}

/// What no server would take at once is not recorded as if it could be applied.
#[tokio::test]
async fn a_policy_is_as_long_as_a_server_takes_it() {
    let desk = Desk::recorded().await;
    let before = desk.files("goldens");
    let policy = |claim: usize| {
        json!({
            "resources": [],
            "scopes": [],
            "clients": [{ "client_id": "web", "scope": "a", "claims": { "x": "x".repeat(claim) } }],
        })
    };
    let sent = |policy: &Value| json!({ "policy": policy, "prune": false }).to_string().len();
    let longest = MAX_POLICY - sent(&policy(0));
    assert_eq!(sent(&policy(longest)), MAX_POLICY);
    let record = ["record", "--policy", "./policy.json", "--out", "./goldens"];
    let verify = ["verify", "./goldens", "--policy", "./policy.json"];
    for command in [&record[..], &verify] {
        // Other things are wrong with it, and its length is not.
        desk.write("policy.json", &policy(longest).to_string());
        let ran = desk.golden(command).await.exits(2);
        assert!(!ran.err.contains("at once") && ran.err.contains("about the policy"), "{}", ran.err);
        desk.write("policy.json", &policy(longest + 1).to_string());
        let told =
            format!("has {} bytes as JSON, and a server takes at most {MAX_POLICY} at once", MAX_POLICY + 1);
        desk.golden(command).await.exits(2).complains_of(&told);
    }
    assert_eq!(desk.files("goldens"), before);
}

#[tokio::test]
async fn the_copy_needs_no_other_file() {
    let desk = Desk::new();
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "a",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    });
    desk.write("keys.json", &json!({ "keys": [jwk] }).to_string());
    let client = "[[client]]\nid = \"signer\"\nauth = \"private_key_jwt\"\njwks = \"keys.json\"\nscope = \"stock:read\"\n";
    desk.write("policy.toml", &format!("{}\n{client}", usual()));
    desk.record().await.exits(0);
    fs::remove_file(desk.at("keys.json")).unwrap();
    desk.golden(&["verify", "./goldens"]).await.exits(0);
    assert!(desk.text("goldens/policy.toml").contains("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"));
}

#[tokio::test]
async fn a_policy_may_come_as_json_and_by_standard_input() {
    let desk = Desk::new();
    // TOML could not say null, so the copy is JSON too.
    let policy = json!({
        "policy_version": 7,
        "resources": [{ "resource": ORDERS, "signing_alg": "ES256" }],
        "scopes": [{ "scope": "a", "resource": ORDERS, "limit": { "count": 6, "period": 60 } }],
        "clients": [{ "client_id": "web", "scope": "a", "claims": { "tenant": null }, "created_at": 1 }],
    });
    let record = ["record", "--policy", "-", "--out", "./goldens"];
    let ran = desk.type_in(&record, &policy.to_string(), true).await.exits(0);
    assert_eq!(ran.out, "./goldens holds 1 client, 1 token and 90 days of keys.\n");
    let recorded: Value = serde_json::from_str(&desk.text("goldens/tokens/web.json")).unwrap();
    assert_eq!(recorded["tokens"]["a"]["claims"]["tenant"], Value::Null);
    assert!(desk.text("goldens/policy.toml").starts_with("{\n"));
    desk.golden(&["verify", "./goldens"]).await.exits(0);
    let verify = ["verify", "./goldens", "--policy", "-"];
    desk.type_in(&verify, &policy.to_string().replace("\"web\"", "\"bew\""), true).await.exits(1);
}

#[tokio::test]
async fn odd_ids_have_files_of_their_own() {
    let desk = Desk::new();
    let ids = ["...", "~", "-", "Web", "web", "manifest"];
    let clients: String =
        ids.map(|id| format!("[[client]]\nid = \"{id}\"\nscope = \"stock:read\"\n")).concat();
    desk.write("policy.toml", &format!("{}\n{clients}", usual()));
    desk.record().await.exits(0);
    assert_eq!(entries(&desk, "goldens/tokens").len(), ids.len() + 2);
    desk.golden(&["verify", "./goldens"]).await.exits(0);
    desk.record().await.exits(0);
    assert_eq!(entries(&desk, ""), ["goldens", "policy.toml"]);
}
