//! What is deleted: gone at once and for good, and never from under what uses it.

use axum::http::Method;
use mintmark::admin::{Actor, Erased, Whose};
use mintmark::audit::event::EventType;
use serde_json::{Value, json};

use crate::harness::{Answer, ORDERS, TestClient, TestMint, contains, segment, with_mint};

const READER: &str = "/admin/v1/clients/reader";

async fn delete_with(mint: &TestMint, path: &str, fields: &[(&str, &str)]) -> Answer {
    mint.admin_with(Method::DELETE, path, None, fields).await
}

async fn delete(mint: &TestMint, path: &str) -> Answer {
    delete_with(mint, path, &[("if-match", "*")]).await
}

async fn register(mint: &TestMint, id: &str) -> Answer {
    let body = json!({ "client_id": id, "scope": "orders:read" });
    mint.admin(Method::POST, "/admin/v1/clients", Some(body)).await
}

fn scope_path(name: &str) -> String {
    format!("/admin/v1/scopes/{}", segment(name))
}

fn resource_path() -> String {
    format!("/admin/v1/resources/{}", segment(ORDERS))
}

#[tokio::test]
async fn a_deleted_client_is_gone_at_once_and_for_good() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        let before = mint.admin_get(READER).await.json();
        let gone = delete_with(mint, READER, &[("if-match", "\"v1\"")]).await;
        assert_eq!((gone.assert_status(204).body.len(), gone.header("content-type")), (0, ""));
        for _ in 0..2 {
            mint.token(&reader, "").await.assert_refused(401, "invalid_client");
            mint.admin_get(READER).await.assert_problem(404);
            mint.admin_get(&format!("{READER}/secrets")).await.assert_problem(404);
            delete(mint, READER).await.assert_problem(404);
            for verb in ["disable", "enable"] {
                mint.admin(Method::POST, &format!("{READER}/{verb}"), None).await.assert_problem(404);
            }
            assert_eq!(mint.admin_get("/admin/v1/clients").await.json(), json!({ "items": [] }));
            register(mint, "reader").await.assert_problem(409);
            mint.restart().await;
        }
        // Another name that only looks like it is free.
        register(mint, "Reader").await.assert_status(201);
        let told = mint.logged(EventType::ClientDeleted).await;
        assert_eq!(told.len(), 1);
        let body = &told[0].body;
        assert_eq!(
            (&body["object"], &body["before"], &body["after"]),
            (&json!("reader"), &before, &Value::Null)
        );
    })
    .await;
}

#[tokio::test]
async fn a_deletion_names_the_version_that_was_seen() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        mint.scope("free", ORDERS, "1/1m").await;
        mint.resource("https://free.example.com", "ES256").await;
        let free = format!("/admin/v1/resources/{}", segment("https://free.example.com"));
        for path in [READER, &scope_path("free"), &free] {
            delete_with(mint, path, &[]).await.assert_problem(428);
            for stale in ["\"v0\"", "\"v2\"", "v1", ""] {
                delete_with(mint, path, &[("if-match", stale)]).await.assert_problem(412);
            }
            mint.admin_get(path).await.assert_status(200);
            let seen = [("if-match", "\"v1\"")];
            let (one, two) = tokio::join!(delete_with(mint, path, &seen), delete_with(mint, path, &seen));
            let mut statuses = [one.status.as_u16(), two.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [204, 404], "{path}");
        }
        for path in
            ["/admin/v1/clients/nobody", "/admin/v1/scopes/nothing", "/admin/v1/resources/urn%3Anothing"]
        {
            delete_with(mint, path, &[]).await.assert_problem(404);
            delete(mint, path).await.assert_problem(404);
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_was_disabled_or_has_two_secrets_is_deleted_too() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let overlap = Some(json!({ "overlap": 3_600 }));
        let made = mint.admin(Method::POST, &format!("{READER}/secrets"), overlap).await.json();
        let newer = reader.with_secret(made["client_secret"].as_str().unwrap());
        mint.admin(Method::POST, &format!("{READER}/disable"), None).await.assert_status(200);
        delete(mint, READER).await.assert_status(204);
        for client in [&reader, &newer] {
            mint.token(client, "").await.assert_refused(401, "invalid_client");
        }
    })
    .await;
}

/// The same answer as for a client that never was.
#[tokio::test]
async fn a_deleted_client_looks_like_no_client() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        delete(mint, READER).await.assert_status(204);
        let nobody = TestClient { id: "nobody".to_owned(), secret: reader.secret.clone() };
        let without_id = |answer: &Answer| {
            let id = answer.json()["request_id"].as_str().unwrap().to_owned();
            answer.text().replace(&id, "")
        };
        let (gone, never) = (mint.token(&reader, "").await, mint.token(&nobody, "").await);
        assert_eq!(without_id(gone.assert_refused(401, "invalid_client")), without_id(&never));
    })
    .await;
}

#[tokio::test]
async fn of_a_client_that_is_deleted_and_erased_no_file_has_the_name() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let person =
            mint.client("person-4711", json!({ "scope": "orders:read", "client_name": "person-4711" })).await;
        mint.token(&person, "scope=orders:read").await.assert_token();
        // An answer that is given again shows it too.
        let disable = "/admin/v1/clients/person-4711/disable";
        let fields = [("idempotency-key", "a")];
        mint.admin_with(Method::POST, disable, None, &fields).await.assert_status(200);
        let path = "/admin/v1/clients/person-4711";
        let changes = Some(json!({ "claims": { "who": "person-4711" } }));
        mint.admin_with(Method::PATCH, path, changes, &[("if-match", "*")]).await.assert_status(200);
        delete(mint, path).await.assert_status(204);
        let held = mintmark::policy::AdminScopes::all();
        let auditor = Actor {
            name: "unix:7".to_owned(),
            via: "socket",
            request_id: "r-1".to_owned(),
            once: None,
            held,
        };
        let whose = Whose::Client("person-4711".to_owned());
        let erased = mint.app().admin.erase(&auditor, &whose).await.unwrap();
        // Registered, a token, disabled, changed, deleted.
        assert_eq!(erased, Erased { erased: 5, more: false, registered: false });
        mint.admin_with(Method::POST, disable, None, &fields).await.assert_problem(404);
        for _ in 0..2 {
            let bytes = mint.store_bytes();
            assert!(!contains(&bytes, b"person-4711"));
            assert!(contains(&bytes, b"reader"), "these are the store's files");
            register(mint, "person-4711").await.assert_problem(409);
            mint.restart().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_scope_goes_when_no_client_has_it_and_a_resource_when_no_scope_does() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let detail =
            |answer: Answer| answer.assert_problem(409).json()["detail"].as_str().unwrap().to_owned();
        let told = detail(delete(mint, &scope_path("orders:read")).await);
        assert_eq!(
            told,
            "the scope orders:read is in use by the client reader: change or delete what uses it first"
        );
        let told = detail(delete(mint, &resource_path()).await);
        assert!(told.contains("the scopes orders:read, orders:write: "), "{told}");
        // A stale version is told before the use of it.
        delete_with(mint, &resource_path(), &[("if-match", "\"v9\"")]).await.assert_problem(412);

        let changes = Some(json!({ "scope": "orders:read" }));
        mint.admin_with(Method::PATCH, READER, changes, &[("if-match", "*")]).await.assert_status(200);
        delete(mint, &scope_path("orders:write")).await.assert_status(204);
        mint.admin_get(&scope_path("orders:write")).await.assert_problem(404);
        delete(mint, READER).await.assert_status(204);
        delete(mint, &scope_path("orders:read")).await.assert_status(204);
        delete(mint, &resource_path()).await.assert_status(204);
        mint.restart().await;
        for list in ["clients", "scopes", "resources"] {
            let path = format!("/admin/v1/{list}");
            assert_eq!(mint.admin_get(&path).await.json(), json!({ "items": [] }), "{list}");
        }
        let metadata = mint.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata["scopes_supported"], json!([]));

        let scopes = mint.logged(EventType::ScopeDeleted).await;
        assert_eq!(
            scopes.iter().map(|told| &told.body["object"]).collect::<Vec<_>>(),
            ["orders:write", "orders:read"]
        );
        assert_eq!(scopes[0].body["before"]["limit"]["count"], 600);
        let resources = mint.logged(EventType::ResourceDeleted).await;
        assert_eq!((resources.len(), &resources[0].body["before"]["resource"]), (1, &json!(ORDERS)));
    })
    .await;
}

#[tokio::test]
async fn a_scope_that_is_made_again_begins_anew() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        mint.scope("rare", ORDERS, "1/1h").await;
        let other = mint.client("other", json!({ "scope": "rare orders:read" })).await;
        mint.token(&other, "scope=rare").await.assert_token();
        mint.token(&other, "scope=rare").await.assert_refused(429, "rate_limited");
        let path = "/admin/v1/clients/other";
        let set = async |scope: &str| {
            let changes = Some(json!({ "scope": scope }));
            mint.admin_with(Method::PATCH, path, changes, &[("if-match", "*")]).await.assert_status(200);
        };
        set("orders:read").await;
        delete(mint, &scope_path("rare")).await.assert_status(204);
        mint.token(&other, "scope=rare").await.assert_refused(400, "invalid_scope");
        mint.scope("rare", ORDERS, "1/1h").await;
        assert_eq!(mint.admin_get(&scope_path("rare")).await.header("etag"), "\"v1\"");
        set("orders:read rare").await;
        mint.token(&other, "scope=rare").await.assert_token();
    })
    .await;
}

/// PUT is the whole object: what it leaves out is not kept from before.
#[tokio::test]
async fn a_member_that_a_put_leaves_out_is_reset() {
    with_mint(async |mint| {
        mint.resource(ORDERS, "ES256").await;
        let whole = json!({
            "scope": "a", "resource": ORDERS, "limit": { "count": 6, "period": 60, "burst": 2 },
            "total": { "count": 60, "period": 60, "burst": 60 }, "enforce": "monitor", "token_lifetime": 60,
        });
        let put = async |body: Value| {
            mint.admin_with(Method::PUT, "/admin/v1/scopes/a", Some(body), &[("if-match", "*")]).await
        };
        mint.scope("a", ORDERS, "1/1m").await;
        assert_eq!(put(whole.clone()).await.assert_status(200).json(), whole);
        let least = json!({ "scope": "a", "resource": ORDERS, "limit": { "count": 6, "period": 60 } });
        let expected = json!({
            "scope": "a", "resource": ORDERS, "limit": { "count": 6, "period": 60, "burst": 6 },
            "total": null, "enforce": "refuse", "token_lifetime": null,
        });
        assert_eq!(put(least).await.assert_status(200).json(), expected);
    })
    .await;
}

#[tokio::test]
async fn what_the_issuer_brings_along_is_deleted_by_nobody() {
    with_mint(async |mint| {
        let admin = format!("/admin/v1/resources/{}", segment("https://auth.example.com/admin"));
        for path in [&admin, &scope_path("admin:read"), &scope_path("admin:keys")] {
            for fields in [&[][..], &[("if-match", "*")], &[("if-match", "\"v0\"")]] {
                let detail = delete_with(mint, path, fields).await.assert_problem(400).text();
                assert!(detail.contains("nobody deletes"), "{detail}");
            }
        }
    })
    .await;
}
