//! The secrets of a client: which live, and how each of them ends.

use axum::http::Method;
use mintmark::audit::event::EventType;
use serde_json::{Value, json};

use crate::harness::{Answer, START, TestClient, TestMint, with_mint};

const SECRETS: &str = "/admin/v1/clients/reader/secrets";

async fn rotate(mint: &TestMint, overlap: u64) -> Answer {
    mint.admin(Method::POST, SECRETS, Some(json!({ "overlap": overlap }))).await
}

/// A further secret with its identifier.
async fn another(mint: &TestMint, client: &TestClient, overlap: u64) -> (TestClient, String) {
    let made = rotate(mint, overlap).await.assert_status(201).json();
    let secret_id = made["secret_id"].as_str().unwrap().to_owned();
    (client.with_secret(made["client_secret"].as_str().unwrap()), secret_id)
}

async fn revoke(mint: &TestMint, secret_id: &str) -> Answer {
    mint.admin(Method::DELETE, &format!("{SECRETS}/{secret_id}"), None).await
}

async fn listed(mint: &TestMint) -> Vec<Value> {
    mint.admin_get(SECRETS).await.assert_status(200).json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_list_shows_what_lives_and_never_a_secret() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let first = listed(mint).await;
        assert_eq!(first.len(), 1);
        assert_eq!(first[0]["created_at"], START.seconds());
        assert_eq!((&first[0]["expires_at"], &first[0]["last_used_at"]), (&Value::Null, &Value::Null));
        mint.later("1m").await;
        let (_, newer) = another(mint, &reader, 3_600).await;
        let two = listed(mint).await;
        assert_eq!((two.len(), &two[0]["secret_id"]), (2, &first[0]["secret_id"]), "oldest first");
        assert_eq!(two[0]["expires_at"], START.seconds() + 60 + 3_600);
        assert_eq!((&two[1]["secret_id"], &two[1]["expires_at"]), (&json!(newer), &Value::Null));
        let members: Vec<_> = two[0].as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["secret_id", "created_at", "expires_at", "due_at", "last_used_at"]);
        let text = mint.admin_get(SECRETS).await.text();
        assert!(!text.contains("mms_") && !text.contains("argon2") && !text.contains("selector"), "{text}");

        let page = mint.admin_get(&format!("{SECRETS}?limit=1")).await;
        assert_eq!(page.json()["items"], json!([two[0]]));
        let next = page.header("link").strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned();
        let page = mint.admin_get(&next).await;
        assert_eq!((&page.json()["items"], page.header("link")), (&json!([two[1]]), ""));
        mint.admin_get(&format!("{SECRETS}?state=dead")).await.assert_problem(400);

        mint.later("1h").await;
        assert_eq!(listed(mint).await, two[1..], "what has ended is not shown");
        mint.admin_get("/admin/v1/clients/nobody/secrets").await.assert_problem(404);
    })
    .await;
}

#[tokio::test]
async fn a_revoked_secret_ends_at_once() {
    with_mint(async |mint| {
        let old = mint.usual_policy().await;
        let (new, new_id) = another(mint, &old, 3_600).await;
        for client in [&old, &new] {
            mint.token(client, "").await.assert_token();
        }
        let gone = revoke(mint, &new_id).await;
        assert_eq!(gone.assert_status(204).body.len(), 0);
        // It was verified a moment ago and is remembered.
        mint.token(&new, "").await.assert_refused(401, "invalid_client");
        mint.token(&old, "").await.assert_token();
        revoke(mint, &new_id).await.assert_problem(404);
        mint.restart().await;
        mint.token(&new, "").await.assert_refused(401, "invalid_client");
        let told = mint.logged(EventType::ClientSecretRevoked).await;
        assert_eq!(told.len(), 1);
        assert_eq!((&told[0].body["object"], &told[0].body["before"]), (&json!("reader"), &json!(new_id)));
    })
    .await;
}

/// A leak must be stoppable, whatever stops with it.
#[tokio::test]
async fn the_last_secret_is_revoked_too_and_another_one_made() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let only = listed(mint).await[0]["secret_id"].as_str().unwrap().to_owned();
        revoke(mint, &only).await.assert_status(204);
        mint.token(&reader, "").await.assert_refused(401, "invalid_client");
        assert_eq!(listed(mint).await, [] as [Value; 0]);
        let (fresh, _) = another(mint, &reader, 3_600).await;
        mint.token(&fresh, "").await.assert_token();
        mint.token(&reader, "").await.assert_refused(401, "invalid_client");
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_revoked_under_its_own_client_only() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.client("other", json!({ "scope": "orders:read" })).await;
        let id = listed(mint).await[0]["secret_id"].as_str().unwrap().to_owned();
        for path in [
            format!("/admin/v1/clients/other/secrets/{id}"),
            format!("/admin/v1/clients/nobody/secrets/{id}"),
            format!("{SECRETS}/unknown"),
            format!("{SECRETS}/%27%20OR%201%3D1--"),
        ] {
            mint.admin(Method::DELETE, &path, None).await.assert_problem(404);
        }
        mint.token(&reader, "").await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn an_overlap_never_prolongs_a_secret() {
    with_mint(async |mint| {
        let old = mint.usual_policy().await;
        mint.later("1s").await;
        let (_, leaked) = another(mint, &old, 60).await;
        revoke(mint, &leaked).await.assert_status(204);
        // The old one was to end in a minute; that a successor comes again does not change it.
        let (new, _) = another(mint, &old, 86_400).await;
        assert_eq!(listed(mint).await[0]["expires_at"], START.seconds() + 61);
        mint.later("59s").await;
        mint.token(&old, "").await.assert_token();
        mint.later("1s").await;
        mint.token(&old, "").await.assert_refused(401, "invalid_client");
        mint.token(&new, "").await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn with_two_live_secrets_one_is_revoked_before_a_third_is_made() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let first = listed(mint).await[0]["secret_id"].as_str().unwrap().to_owned();
        another(mint, &reader, 3_600).await;
        let refused = rotate(mint, 3_600).await;
        assert!(refused.assert_problem(409).text().contains("revoke one"), "{}", refused.text());
        revoke(mint, &first).await.assert_status(204);
        rotate(mint, 3_600).await.assert_status(201);
    })
    .await;
}

/// The clock ran two hours ahead when the secrets were ended, and is set right afterwards.
#[tokio::test]
async fn a_secret_that_was_ended_at_once_stays_ended_when_the_clock_steps_back() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.clock().set_wall(START.plus(std::time::Duration::from_hours(2)));
        let (replaced, _) = another(mint, &reader, 3_600).await;
        let leaked = listed(mint).await[0]["secret_id"].as_str().unwrap().to_owned();
        revoke(mint, &leaked).await.assert_status(204);
        let (kept, _) = another(mint, &reader, 0).await;
        mint.clock().set_wall(START);
        for ended in [&reader, &replaced] {
            mint.token(ended, "").await.assert_refused(401, "invalid_client");
        }
        mint.token(&kept, "").await.assert_token();

        let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] });
        mint.clock().set_wall(START.plus(std::time::Duration::from_hours(2)));
        for patch in [
            json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": keys }),
            json!({ "token_endpoint_auth_method": "client_secret_basic" }),
        ] {
            let path = "/admin/v1/clients/reader";
            mint.admin_with(Method::PATCH, path, Some(patch), &[("if-match", "*")]).await.assert_status(200);
        }
        mint.clock().set_wall(START);
        mint.token(&kept, "").await.assert_refused(401, "invalid_client");
        assert!(listed(mint).await.is_empty());
    })
    .await;
}
