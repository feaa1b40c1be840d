//! A preview tells what an issuance would do, and does none of it.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, ORDERS, TestMint, segment, with_mint, with_settings};

const PREVIEW: &str = "/admin/v1/token/preview";

async fn preview(mint: &TestMint, body: Value) -> Answer {
    mint.admin(Method::POST, PREVIEW, Some(body)).await
}

/// Client, resource and scopes with a lifetime and a limit of their own each.
async fn bounded(mint: &TestMint) {
    let put = async |path: String, body: Value| {
        mint.admin(Method::PUT, &path, Some(body)).await.assert_status(201);
    };
    let resource = json!({ "resource": ORDERS, "signing_alg": "ES256", "token_lifetime": 500 });
    put(format!("/admin/v1/resources/{}", segment(ORDERS)), resource).await;
    let read = json!({
        "scope": "orders:read", "resource": ORDERS, "limit": { "count": 60, "period": 60, "burst": 5 },
        "total": { "count": 100, "period": 1 }, "enforce": "monitor", "token_lifetime": 300,
    });
    put("/admin/v1/scopes/orders%3Aread".to_owned(), read).await;
    let write = json!({ "scope": "orders:write", "resource": ORDERS, "limit": { "count": 6, "period": 60 } });
    put("/admin/v1/scopes/orders%3Awrite".to_owned(), write).await;
}

#[tokio::test]
async fn what_is_previewed_is_what_is_issued() {
    with_mint(async |mint| {
        bounded(mint).await;
        for (id, members, form, asked) in [
            (
                "plain",
                json!({}),
                "scope=orders:read+orders:write",
                json!({ "scope": "orders:write orders:read" }),
            ),
            (
                "own",
                json!({ "access_token_lifetime": 120, "claims": { "roles": ["b", "a"], "n": 1.5 } }),
                "scope=orders:write",
                json!({ "scope": "orders:write" }),
            ),
            (
                "default",
                json!({ "default_scope": "orders:read",
                "limits": { "orders:read": { "count": 7, "period": 60 } } }),
                "",
                json!({}),
            ),
            (
                "named",
                json!({}),
                "scope=orders:read&resource=https://orders.example.com",
                json!({ "scope": "orders:read", "resource": ORDERS }),
            ),
        ] {
            let mut members = members;
            members["scope"] = json!("orders:read orders:write");
            let client = mint.client(id, members).await;
            let mut asked = asked;
            asked["client_id"] = json!(id);
            let told = preview(mint, asked).await;
            let answer = mint.token(&client, form).await;
            let (header, mut claims) = answer.assert_token();
            let jti = claims["jti"].take();
            let told = told.assert_status(200).json();
            assert_eq!(
                (&told["granted"], &told["header"], &told["claims"]),
                (&json!(true), &header, &claims)
            );
            assert!(jti.is_string());
            assert_eq!(told["lifetime"]["seconds"], answer.json()["expires_in"], "{id}");
            assert_eq!(told["length"], answer.access_token().unwrap().len(), "{id}");
            let policy: Vec<_> = told["limits"]
                .as_array()
                .unwrap()
                .iter()
                .map(|limit| {
                    let name = limit["scope"].as_str().unwrap();
                    format!("\"{name}\";q={};w={}", limit["limit"]["count"], limit["limit"]["period"])
                })
                .collect();
            assert_eq!(answer.header("ratelimit-policy"), policy.join(", "), "{id}");
        }
    })
    .await;
}

#[tokio::test]
async fn every_bound_of_the_lifetime_is_told_the_least_first() {
    with_settings(&[("MINTMARK_TOKENS__MAX_LIFETIME", "30m")], async |mint| {
        bounded(mint).await;
        mint.client("own", json!({ "scope": "orders:read", "access_token_lifetime": 120 })).await;
        let told = preview(mint, json!({ "client_id": "own", "scope": "orders:read" })).await.json();
        let expected = json!([
            { "seconds": 120, "set_by": "client", "name": "own" },
            { "seconds": 300, "set_by": "scope", "name": "orders:read" },
            { "seconds": 500, "set_by": "resource", "name": ORDERS },
            { "seconds": 1800, "set_by": "tokens.max_lifetime", "name": null },
        ]);
        assert_eq!(told["lifetime"], json!({ "seconds": 120, "bounds": expected }));
        let limit = json!({
            "scope": "orders:read", "limit": { "count": 60, "period": 60, "burst": 5 }, "set_by": "scope",
            "total": { "count": 100, "period": 1, "burst": 100 }, "enforce": "monitor",
        });
        assert_eq!(told["limits"], json!([limit]));
    })
    .await;

    with_mint(async |mint| {
        let _ = mint.usual_policy().await;
        let told = preview(mint, json!({ "client_id": "reader" })).await.json();
        let expected = json!([
            { "seconds": 600, "set_by": "tokens.lifetime", "name": null },
            { "seconds": 3600, "set_by": "tokens.max_lifetime", "name": null },
        ]);
        assert_eq!(told["lifetime"]["bounds"], expected);
    })
    .await;
}

#[tokio::test]
async fn who_would_be_refused_is_told_with_the_endpoints_own_words() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let silent = mint.client("silent", json!({ "scope": "orders:read" })).await;
        for (client, form, asked) in [
            (&reader, "scope=orders:delete", json!({ "scope": "orders:delete" })),
            (&reader, "scope=%22", json!({ "scope": "\"" })),
            (&reader, "scope=orders:read&resource=https://other.example", json!({ "scope": "orders:read", "resource": "https://other.example" })),
            (&silent, "", json!({})),
        ] {
            let mut asked = asked;
            asked["client_id"] = json!(client.id);
            let told = preview(mint, asked).await.assert_status(200).json();
            let refused = mint.token(client, form).await.json();
            let expected = json!({
                "granted": false, "error": refused["error"], "error_description": refused["error_description"],
            });
            assert_eq!(told, expected, "{form}");
        }
        mint.admin(Method::POST, "/admin/v1/clients/silent/disable", None).await.assert_status(200);
        let told = preview(mint, json!({ "client_id": "silent", "scope": "orders:read" })).await.json();
        assert_eq!((&told["granted"], &told["error"]), (&json!(false), &json!("invalid_client")));
        preview(mint, json!({ "client_id": "nobody" })).await.assert_problem(404);
        preview(mint, json!({ "client_id": "reader", "lifetime": 5 })).await.assert_problem(400);
        preview(mint, json!({})).await.assert_problem(400);
    })
    .await;
}

#[tokio::test]
async fn a_token_that_would_be_too_large_is_foretold() {
    with_mint(async |mint| {
        let _ = mint.usual_policy().await;
        let names: Vec<_> = (0..40).map(|n| format!("{n}{}", "s".repeat(100))).collect();
        for name in &names {
            mint.scope(name, ORDERS, "600/1m").await;
        }
        let large = mint.client("large", json!({ "scope": names.join(" ") })).await;
        let told = preview(mint, json!({ "client_id": "large", "scope": names.join(" ") })).await.json();
        let refused = mint.token(&large, &format!("scope={}", names.join("+"))).await;
        assert_eq!(
            told["error_description"],
            refused.assert_refused(400, "invalid_scope").json()["error_description"]
        );
    })
    .await;
}

#[tokio::test]
async fn a_preview_costs_and_leaves_nothing() {
    with_mint(async |mint| {
        mint.resource(ORDERS, "ES256").await;
        mint.scope("scarce", ORDERS, "1/1h").await;
        let client = mint.client("eager", json!({ "scope": "scarce" })).await;
        let size = mint.log().await.len();
        for _ in 0..10 {
            let told = preview(mint, json!({ "client_id": "eager", "scope": "scarce" })).await;
            assert_eq!(told.json()["granted"], true);
        }
        assert_eq!(mint.log().await.len(), size);
        mint.token(&client, "scope=scarce").await.assert_status(200);
    })
    .await;
}
