//! The policy as a file: what it would change is told, and is done as a whole or not at all.

use axum::http::Method;
use mintmark::audit::event::EventType;
use serde_json::{Value, json};

use crate::harness::{Answer, ORDERS, TestMint, with_mint};

const PLAN: &str = "/admin/v1/policy/plan";
const APPLY: &str = "/admin/v1/policy/apply";

async fn send(mint: &TestMint, path: &str, policy: &Value, prune: bool) -> Answer {
    mint.admin(Method::POST, path, Some(json!({ "policy": policy, "prune": prune }))).await
}

/// What [`TestMint::usual_policy`] makes, as a file says it.
fn usual() -> Value {
    let scope =
        |name: &str| json!({ "scope": name, "resource": ORDERS, "limit": { "count": 600, "period": 60 } });
    json!({
        "resources": [{ "resource": ORDERS, "signing_alg": "ES256" }],
        "scopes": [scope("orders:read"), scope("orders:write")],
        "clients": [
            { "client_id": "reader", "scope": "orders:read orders:write", "default_scope": "orders:read" }
        ],
    })
}

/// The actions of an answer: `create scope orders:read` and the like.
fn actions(answer: &Answer) -> Vec<String> {
    let told = answer.assert_status(200).json();
    let word = |change: &Value, name: &str| change[name].as_str().unwrap().to_owned();
    let line = |change: &Value| ["action", "kind", "name"].map(|name| word(change, name)).join(" ");
    told["changes"].as_array().unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn a_plan_tells_and_an_application_does_the_same() {
    with_mint(async |mint| {
        let expected = [
            &format!("create resource {ORDERS}"),
            "create scope orders:read",
            "create scope orders:write",
            "create client reader",
        ];
        let before = mint.log().await.len();
        let planned = send(mint, PLAN, &usual(), false).await;
        assert_eq!(actions(&planned), expected);
        assert_eq!(mint.log().await.len(), before, "a plan leaves nothing");
        mint.admin_get("/admin/v1/clients/reader").await.assert_problem(404);

        let applied = send(mint, APPLY, &usual(), false).await;
        assert_eq!(applied.json(), planned.json());
        let shown = mint.admin_get("/admin/v1/clients/reader").await;
        assert_eq!(&shown.assert_status(200).json(), &applied.json()["changes"][3]["after"]);
        assert_eq!(mint.log().await.len(), before + 5);

        // It makes no secrets; the first one makes the client whole.
        let path = "/admin/v1/clients/reader/secrets";
        let made = mint.admin(Method::POST, path, Some(json!({ "overlap": 0 }))).await;
        let secret = made.assert_status(201).json()["client_secret"].as_str().unwrap().to_owned();
        let reader = crate::harness::TestClient { id: "reader".to_owned(), secret };
        mint.token(&reader, "").await.assert_status(200);
    })
    .await;
}

#[tokio::test]
async fn applying_again_changes_and_records_nothing() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let before = (mint.log().await.len(), mint.admin_get("/admin/v1/policy").await.json());
        let again = send(mint, APPLY, &usual(), true).await;
        assert_eq!(actions(&again), [""; 0]);
        assert_eq!(again.json()["tokens"], json!([]));
        assert_eq!((mint.log().await.len(), mint.admin_get("/admin/v1/policy").await.json()), before);
        mint.token(&reader, "").await.assert_status(200);
    })
    .await;
}

#[tokio::test]
async fn a_file_with_one_fault_changes_nothing_and_names_every_fault() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let before = (mint.log().await.len(), mint.admin_get("/admin/v1/policy").await.json());
        let mut bad = usual();
        bad["scopes"][0]["limit"]["count"] = json!(1);
        bad["clients"][0]["scope"] = json!("orders:reed");
        bad["clients"].as_array_mut().unwrap().push(json!({ "client_id": "x", "scope": "orders:read",
            "access_token_lifetime": 86_400 }));
        for path in [PLAN, APPLY] {
            let detail = send(mint, path, &bad, false).await.assert_problem(400).json()["detail"].clone();
            let detail = detail.as_str().unwrap();
            assert!(detail.contains("clients[0] (reader)") && detail.contains("clients[1] (x)"), "{detail}");
        }
        for malformed in [
            json!({}),
            json!({ "policy": [] }),
            json!({ "policy": { "client": [] } }),
            json!({ "policy": { "clients": {} } }),
            json!({ "policy": usual(), "prune": "yes" }),
            json!({ "policy": usual(), "force": true }),
        ] {
            mint.admin(Method::POST, APPLY, Some(malformed)).await.assert_problem(400);
        }
        assert_eq!((mint.log().await.len(), mint.admin_get("/admin/v1/policy").await.json()), before);
    })
    .await;
}

#[tokio::test]
async fn each_object_has_its_record_and_the_whole_has_one() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        mint.client("old", json!({ "scope": "orders:read" })).await;
        let mut file = usual();
        file["scopes"][0]["limit"]["count"] = json!(5);
        file["clients"][0]["disabled"] = json!(true);
        file["clients"].as_array_mut().unwrap().push(json!({ "client_id": "new", "scope": "orders:read" }));
        let applied = send(mint, APPLY, &file, true).await;
        assert_eq!(
            actions(&applied),
            ["update scope orders:read", "create client new", "delete client old", "update client reader"]
        );
        for (event, object) in [
            (EventType::ScopeSet, "orders:read"),
            (EventType::ClientCreated, "new"),
            (EventType::ClientDeleted, "old"),
            (EventType::ClientDisabled, "reader"),
        ] {
            let record = mint.logged(event).await.pop().unwrap();
            assert_eq!(record.body["object"], object, "{event}");
        }
        assert_eq!(mint.logged(EventType::ClientUpdated).await.len(), 0, "it was only shut out");
        let whole = mint.logged(EventType::PolicyApplied).await;
        assert_eq!(whole.len(), 1);
        let body = &whole[0].body;
        assert_eq!(body["after"], json!({ "created": 1, "updated": 2, "deleted": 1 }));
    })
    .await;
}

#[tokio::test]
async fn the_tokens_of_every_touched_client_are_told() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        mint.client("bystander", json!({ "scope": "orders:write" })).await;
        let mut file = usual();
        file["scopes"][0]["token_lifetime"] = json!(60);
        let told = send(mint, PLAN, &file, false).await.json();
        let tokens = told["tokens"].as_array().unwrap();
        assert_eq!(tokens.len(), 1, "{tokens:?}");
        assert_eq!((&tokens[0]["client_id"], &tokens[0]["resource"]), (&json!("reader"), &json!(ORDERS)));
        assert_eq!(tokens[0]["before"]["lifetime"]["seconds"], 600);
        assert_eq!(tokens[0]["after"]["lifetime"]["seconds"], 60);
        assert_eq!(tokens[0]["after"]["lifetime"]["bounds"][0]["set_by"], "scope");

        let mut file = usual();
        file["clients"][0]["disabled"] = json!(true);
        let told = send(mint, PLAN, &file, true).await.json();
        let gone: Vec<_> = told["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| (&token["client_id"], &token["after"]))
            .collect();
        assert_eq!(gone, [(&json!("bystander"), &Value::Null), (&json!("reader"), &Value::Null)]);
    })
    .await;
}

#[tokio::test]
async fn an_application_for_another_version_is_refused() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let export = mint.admin_get("/admin/v1/policy").await;
        let etag = export.header("etag").to_owned();
        mint.client("meanwhile", json!({ "scope": "orders:read" })).await;
        let body = json!({ "policy": usual(), "prune": true });
        let stale = mint.admin_with(Method::POST, APPLY, Some(body), &[("if-match", &etag)]).await;
        stale.assert_problem(412);
        mint.admin_get("/admin/v1/clients/meanwhile").await.assert_status(200);
    })
    .await;
}

#[tokio::test]
async fn what_is_exported_is_what_is_there() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let mut export = mint.admin_get("/admin/v1/policy").await.json();
        export.as_object_mut().unwrap().remove("policy_version");
        for client in export["clients"].as_array_mut().unwrap() {
            client.as_object_mut().unwrap().retain(|name, _| !name.ends_with("_at"));
        }
        assert_eq!(actions(&send(mint, PLAN, &export, true).await), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn while_the_log_cannot_be_written_nothing_is_applied() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let before = mint.admin_get("/admin/v1/policy").await.json();
        let mut file = usual();
        file["clients"][0]["client_name"] = json!("Reader");
        let foreign = crate::harness::foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        let mut foreign = foreign;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut foreign).await.unwrap();
        send(mint, APPLY, &file, false).await.assert_problem(503);
        sqlx::query("ROLLBACK").execute(&mut foreign).await.unwrap();
        drop(foreign);
        mint.tick().await;
        let after = mint.admin_get("/admin/v1/policy").await.json();
        // The act may have been written once the way was free: as a whole or not at all.
        let name = after["clients"][0]["client_name"].clone();
        assert!(name == "Reader" || after == before, "{after}");
        assert_eq!(mint.logged(EventType::PolicyApplied).await.len(), usize::from(name == "Reader"));
        send(mint, APPLY, &file, false).await.assert_status(200);
        assert_eq!(mint.logged(EventType::PolicyApplied).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_policy_may_be_longer_than_other_requests() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let mut file = usual();
        for n in 0..1_000 {
            let client = json!({ "client_id": format!("client-{n}"), "scope": "orders:read",
                "client_name": "n".repeat(100) });
            file["clients"].as_array_mut().unwrap().push(client);
        }
        assert!(file.to_string().len() > 128 * 1024);
        assert_eq!(actions(&send(mint, APPLY, &file, false).await).len(), 1_000);
        let long = json!({ "client_id": "x", "scope": "orders:read", "client_name": "n".repeat(65 * 1024) });
        mint.admin(Method::POST, "/admin/v1/clients", Some(long)).await.assert_problem(400);
        assert_eq!(
            mint.admin_get("/admin/v1/policy").await.json()["clients"].as_array().unwrap().len(),
            1_001
        );
    })
    .await;
}
