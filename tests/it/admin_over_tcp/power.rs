//! Nobody makes more of himself than he is: whoever can use a client has its power.

use axum::http::Method;
use mintmark::audit::event::EventType;
use serde_json::{Value, json};

use super::{ALL, CLIENTS, admin, request, send, token_for};
use crate::harness::with_mint;

#[tokio::test]
async fn a_caller_gives_only_the_admin_scopes_that_it_holds() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let ops = admin(mint, "ops", "admin:clients admin:read").await;
        let token = token_for(mint, &ops, "admin:clients").await;
        let create = async |id: &str, scope: &str, token: &str| {
            let body = json!({ "client_id": id, "scope": scope });
            send(mint, (Method::POST, CLIENTS), token, &body).await
        };
        for beyond in ["admin:keys", "admin:read", "admin:clients admin:audit", ALL, "admin:keys orders:read"]
        {
            create("strong", beyond, &token).await.assert_problem(403);
        }
        create("like-me", "admin:clients", &token).await.assert_status(201);
        create("plain", "orders:read", &token).await.assert_status(201);
        // What the client may be granted and its token does not have is not held either.
        let both = token_for(mint, &ops, "admin:clients admin:read").await;
        create("reads", "admin:clients admin:read", &both).await.assert_status(201);
        assert_eq!(mint.logged(EventType::ClientCreated).await.len(), 2 + 3);

        mint.later("1m").await;
        let refused = mint.logged(EventType::TokenDenied).await;
        let counts: u64 = refused.iter().map(|entry| entry.body["count"].as_u64().unwrap()).sum();
        assert_eq!(counts, 5, "each attempt is in the log");
        assert_eq!(refused[0].body["client_id"], "ops");
        assert_eq!(refused[0].body["scope"], "admin:keys");
    })
    .await;
}

#[tokio::test]
async fn a_caller_takes_no_stronger_client_over() {
    with_mint(async |mint| {
        let strong = admin(mint, "strong", "admin:keys admin:read").await;
        let weak = admin(mint, "weak", "admin:clients").await;
        let token = token_for(mint, &weak, "admin:clients").await;
        let act = async |path: &str| {
            let path = format!("{CLIENTS}/{path}");
            mint.over_tcp(request(&Method::POST, &path, &token)).await
        };
        let rotate = async |id: &str| {
            let path = format!("{CLIENTS}/{id}/secrets");
            send(mint, (Method::POST, &path), &token, &json!({ "overlap": 0 })).await
        };
        rotate("strong").await.assert_problem(403);
        token_for(mint, &strong, "admin:keys").await;
        // To take away is free; to give back is not.
        act("strong/disable").await.assert_status(200);
        act("strong/enable").await.assert_problem(403);
        mint.token(&strong, "scope=admin:keys").await.assert_refused(401, "invalid_client");
        rotate("strong").await.assert_problem(403);
        let patch = async |id: &str, patch: Value| {
            let mut request = request(&Method::PATCH, &format!("{CLIENTS}/{id}"), &token);
            request.headers_mut().insert("if-match", "*".parse().unwrap());
            request.headers_mut().insert("content-type", "application/merge-patch+json".parse().unwrap());
            *request.body_mut() = patch.to_string().into();
            mint.over_tcp(request).await
        };
        for change in [
            json!({ "token_endpoint_auth_method": "client_secret_post" }),
            json!({ "scope": "admin:clients" }),
            json!({ "client_name": "mine now" }),
            json!({}),
        ] {
            patch("strong", change).await.assert_problem(403);
        }
        for beyond in ["admin:clients admin:keys", ALL] {
            patch("weak", json!({ "scope": beyond })).await.assert_problem(403);
        }
        let mut gone = request(&Method::DELETE, &format!("{CLIENTS}/strong"), &token);
        gone.headers_mut().insert("if-match", "*".parse().unwrap());
        mint.over_tcp(gone).await.assert_problem(403);
        patch("weak", json!({ "client_name": "still weak" })).await.assert_status(200);
        rotate("weak").await.assert_status(201);
        act("weak/disable").await.assert_status(200);

        // By the socket there is no such bound.
        mint.admin(Method::POST, "/admin/v1/clients/strong/enable", None).await.assert_status(200);
        token_for(mint, &strong, "admin:keys").await;
    })
    .await;
}

#[tokio::test]
async fn a_policy_file_gives_nothing_that_its_caller_does_not_hold() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let strong = admin(mint, "strong", "admin:keys").await;
        let ops = admin(mint, "ops", "admin:clients admin:limits").await;
        let token = token_for(mint, &ops, "admin:clients admin:limits").await;
        let apply = async |client: Value, prune: bool| {
            let body = json!({ "policy": { "clients": [client] }, "prune": prune });
            send(mint, (Method::POST, "/admin/v1/policy/apply"), &token, &body).await
        };
        for (id, scope) in
            [("strong", "admin:clients"), ("ops", ALL), ("new", "admin:keys"), ("new", "admin:read")]
        {
            apply(json!({ "client_id": id, "scope": scope }), false).await.assert_problem(403);
        }
        token_for(mint, &strong, "admin:keys").await;
        let before = mint.app().admin.policy().version;
        apply(json!({ "client_id": "like-me", "scope": "admin:clients orders:read" }), false)
            .await
            .assert_status(200);
        assert_eq!(mint.app().admin.policy().version, before + 1);

        // One of the two scopes is not enough.
        for half in ["admin:clients", "admin:limits"] {
            let token = token_for(mint, &ops, half).await;
            let body = json!({ "policy": {}, "prune": false });
            send(mint, (Method::POST, "/admin/v1/policy/apply"), &token, &body).await.assert_problem(403);
        }
    })
    .await;
}

/// Which files a machine has, and whose they are, is for those who are on it.
#[tokio::test]
async fn nobody_looks_for_files_from_afar() {
    with_mint(async |mint| {
        let keeper = admin(mint, "keeper", "admin:keys").await;
        let token = token_for(mint, &keeper, "admin:keys").await;
        let rewrap = async |file: &str| {
            let body = json!({ "kek_file": file });
            let told = send(mint, (Method::POST, "/admin/v1/keys/rewrap"), &token, &body).await;
            told.assert_problem(400).json()["detail"].clone()
        };
        let none = rewrap("/nowhere/kek").await;
        for file in ["/etc/passwd", "/root", "/etc/shadow"] {
            assert_eq!(rewrap(file).await, none, "{file}");
        }
    })
    .await;
}
