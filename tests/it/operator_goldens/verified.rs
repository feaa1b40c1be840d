//! `golden verify` and `golden diff`: the same is one quiet line, what differs is told, all of it and nothing else.

use serde_json::json;

use super::{Desk, change, usual};
use crate::harness::ORDERS;

#[tokio::test]
async fn what_is_the_same_is_one_quiet_line() {
    let desk = Desk::recorded().await;
    let ran = desk.golden(&["verify", "./goldens"]).await.exits(0);
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str()),
        ("2 clients, 6 tokens and 90 days of keys are as recorded\n", "")
    );
    let ran = desk.golden_json(&["verify", "./goldens"]).await.exits(0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        ran.json(),
        json!({
            "same": true, "recorded_by": version, "compared_with": version, "clients": 2, "tokens": 6, "days": 90,
            "changes": [],
        })
    );
    desk.golden(&["diff", "./goldens", "./goldens"]).await.exits(0);
}

#[tokio::test]
async fn another_lifetime_and_another_scope_are_exactly_these_changes() {
    let desk = Desk::recorded().await;
    desk.write("new.toml", &usual());
    desk.replace("new.toml", "id = \"reader\"", "id = \"reader\"\n lifetime = \"5m\"");
    desk.replace("new.toml", "\"stock:read orders:read\"", "\"stock:read orders:read orders:write\"");
    let verify = ["verify", "./goldens", "--policy", "./new.toml"];
    let ran = desk.golden(&verify).await.exits(1);
    assert_eq!(
        ran.out,
        format!(
            "\
reader
  every request  lifetime 10m -> 5m (now set by the client; was by the resource)
stock
  orders:write, all of {ORDERS}
    new: a token for 10m
policy.toml
  client reader  access_token_lifetime
  client stock   scope

16 places in 3 files differ; -o json tells each
"
        )
    );
    let changes = desk.golden_json(&verify).await.exits(1).json()["changes"].take();
    let changes = changes.as_array().unwrap();
    let of = |file: &str, request: Option<&str>| -> Vec<_> {
        changes
            .iter()
            .filter(|told| {
                told["file"] == file && told.get("request").and_then(|name| name.as_str()) == request
            })
            .cloned()
            .collect()
    };
    let at = |place: &str| format!("/tokens/orders:read{place}");
    let bound =
        |seconds: u64, by: &str, name: &str| json!({ "seconds": seconds, "set_by": by, "name": name });
    let web = |pointer: &str, old, new| {
        change("tokens/reader.json", Some("orders:read"), pointer, (old, Some(new)))
    };
    assert_eq!(
        of("tokens/reader.json", Some("orders:read")),
        [
            web(&at("/claims/exp"), Some(json!("iat + 600")), json!("iat + 300")),
            web(&at("/lifetime/seconds"), Some(json!(600)), json!(300)),
            web(&at("/lifetime/bounds/0"), None, bound(300, "client", "reader")),
        ]
    );
    let policy = |pointer: &str, sides| change("policy.toml", None, pointer, sides);
    assert_eq!(
        of("policy.toml", None),
        [
            policy("/clients/reader/access_token_lifetime", (None, Some(json!(300)))),
            policy(
                "/clients/stock/scope",
                (Some(json!("orders:read stock:read")), Some(json!("orders:read orders:write stock:read")))
            ),
        ]
    );
    // Four requests of one client with three places each, two new requests of the other, two objects of the policy.
    assert_eq!(changes.len(), 4 * 3 + 2 + 2);

    // The other way round, as two folders.
    desk.golden(&["record", "--policy", "./new.toml", "--out", "./new"]).await.exits(0);
    let back = desk.golden(&["diff", "./new", "./goldens"]).await.exits(1);
    assert!(
        back.out.contains("lifetime 5m -> 10m (now set by the resource; was by the client)"),
        "{}",
        back.out
    );
    assert!(back.out.contains("\n    not asked any more, was a token for 10m\n"), "{}", back.out);
    let forth = desk.golden_json(&["diff", "./goldens", "./new"]).await.exits(1).json();
    assert_eq!(forth["changes"].as_array().unwrap(), changes);
}

#[tokio::test]
async fn the_environment_holds_above_the_file_and_the_file_above_the_copy() {
    let mut desk = Desk::new();
    desk.write("policy.toml", &usual()).write("first.toml", "[tokens]\nlifetime = \"9m\"\n");
    desk.golden(&["record", "--policy", "./policy.toml", "--config", "./first.toml", "--out", "./goldens"])
        .await
        .exits(0);
    // Neither file nor issuer is needed any more: the copy has both.
    desk.environment.clear();
    desk.golden(&["verify", "./goldens"]).await.exits(0);

    desk.write(
        "second.toml",
        &format!("issuer = {:?}\n[tokens]\nlifetime = \"8m\"\n", crate::harness::ISSUER),
    );
    let by_file = ["verify", "./goldens", "--config", "./second.toml"];
    let ran = desk.golden(&by_file).await.exits(1);
    assert!(ran.out.contains("stock:read  lifetime 9m -> 8m (set by tokens.lifetime)"), "{}", ran.out);
    assert!(ran.out.contains("settings.toml\n  tokens.lifetime  9m -> 8m\n"), "{}", ran.out);

    desk.set("MINTMARK_TOKENS__LIFETIME", "7m");
    for verify in [&by_file[..], &["verify", "./goldens"]] {
        let ran = desk.golden(verify).await.exits(1);
        assert!(ran.out.contains("lifetime 9m -> 7m"), "{verify:?} {}", ran.out);
    }
    // A retention that followed from the other options goes on to follow them.
    desk.environment.clear();
    desk.set("MINTMARK_TOKENS__MAX_LIFETIME", "2h");
    let ran = desk.golden(&["verify", "./goldens"]).await.exits(1);
    assert!(ran.out.contains("  each rests in the JWKS for  1h2m30s -> 2h2m30s\n"), "{}", ran.out);
}

#[tokio::test]
async fn another_rhythm_of_the_keys_is_told_with_its_first_difference() {
    let mut desk = Desk::recorded().await;
    desk.set("MINTMARK_KEYS__ACTIVE_FOR", "7d");
    let ran = desk.golden(&["verify", "./goldens"]).await.exits(1);
    assert_eq!(
        ran.out,
        "\
rotation
  each is published ahead for  14d -> 7d
  each signs for               14d -> 7d
  transitions                  26 -> 50
  first difference             +7d ES256-1 active -> passive; was +14d ES256-1 active -> passive
settings.toml
  keys.active_for  14d -> 7d

52 places in 2 files differ; -o json tells each
"
    );
    desk.set("MINTMARK_KEYS__ACTIVE_FOR", "14d");
    desk.set("MINTMARK_KEYS__ALGORITHMS", "ES256,EdDSA");
    let ran = desk.golden(&["verify", "./goldens"]).await.exits(1);
    assert!(ran.out.contains("  algorithms                ES256 -> ES256 EdDSA\n"), "{}", ran.out);
}

#[tokio::test]
async fn who_recorded_it_is_told_where_it_was_another_version() {
    let desk = Desk::recorded().await;
    let version = env!("CARGO_PKG_VERSION");
    desk.replace(
        "goldens/manifest.json",
        &format!("\"recorded_by\": \"{version}\""),
        "\"recorded_by\": \"0.0.9\"",
    );
    let ran = desk.golden(&["verify", "./goldens"]).await.exits(0);
    let told = format!("are as recorded (recorded by mintmark 0.0.9, now {version})\n");
    assert!(ran.out.ends_with(&told), "{}", ran.out);
    let told = desk.golden_json(&["verify", "./goldens"]).await.exits(0).json();
    assert_eq!((&told["recorded_by"], &told["compared_with"]), (&json!("0.0.9"), &json!(version)));
}

#[tokio::test]
async fn what_shows_in_no_token_is_a_difference_too() {
    let desk = Desk::recorded().await;
    desk.write("new.toml", &usual());
    desk.replace("new.toml", "id = \"stock\"", "id = \"stock\"\n name = \"Stock\"");
    let ran = desk.golden(&["verify", "./goldens", "--policy", "./new.toml"]).await.exits(1);
    assert!(
        ran.out.starts_with("policy.toml\n  client stock  client_name\n\n1 place in 1 file differ"),
        "{}",
        ran.out
    );
}

#[tokio::test]
async fn a_change_of_hundreds_of_clients_is_told_once() {
    let desk = Desk::new();
    let clients: String = (100..400)
        .map(|number| format!("[[client]]\nid = \"c{number}\"\nscope = \"orders:read orders:write\"\n"))
        .collect();
    desk.write("policy.toml", &format!("{}\n{clients}", usual()));
    desk.record().await.exits(0);
    desk.replace("policy.toml", "lifetime = \"10m\"", "lifetime = \"6m\"");
    let ran = desk.golden(&["verify", "./goldens", "--policy", "./policy.toml"]).await.exits(1);
    let told: Vec<_> = ran.out.lines().collect();
    assert_eq!(told[0], "302 clients: c100, c101, c102 and 299 more");
    assert_eq!(told[1], format!("  all of {ORDERS}, default scope, orders:read and 1 more"));
    assert_eq!(told[2], "    lifetime 10m -> 6m (set by the resource)");
    assert_eq!(told[3..5], ["policy.toml", &format!("  resource {ORDERS}  token_lifetime")]);
    assert_eq!(told.len(), 7, "{}", ran.out);
}

#[tokio::test]
async fn clients_that_come_and_go_are_told_as_such() {
    let desk = Desk::recorded().await;
    desk.write("new.toml", &usual().replace("\"stock\"", "\"billing\""));
    let ran = desk.golden(&["verify", "./goldens", "--policy", "./new.toml"]).await.exits(1);
    let told: Vec<_> = ran.out.lines().take(10).map(str::trim).collect();
    let refused = "refused, invalid_scope (name a scope: this client has no default scope)";
    let read = format!("a token of orders:read at {ORDERS} for 10m");
    let stock = "a token of stock:read at https://stock.example.com for 10m";
    let of = |name: &str, what: &str| {
        [
            name.to_owned(),
            format!("default scope  {what} {refused}"),
            format!("orders:read    {what} {read}"),
            format!("stock:read     {what} {stock}"),
        ]
    };
    let expected = [of("billing", "new client:"), of("stock", "gone client:")].concat();
    assert_eq!(told[..8], expected, "{}", ran.out);

    // Who may change the policy itself is seen.
    desk.write("new.toml", &format!("{}\n[[client]]\nid = \"x\"\nscope = \"admin:clients\"\n", usual()));
    let ran = desk.golden(&["verify", "./goldens", "--policy", "./new.toml"]).await.exits(1);
    assert!(ran.out.contains("  admin:clients  new client: a token of admin:clients at "), "{}", ran.out);
}
