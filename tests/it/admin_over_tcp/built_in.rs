//! The admin API is a resource with scopes that nobody set: no list has them, nobody changes them.

use axum::http::Method;
use mintmark::app::CannotStart;
use mintmark::limits::{Enforce, Quota};
use mintmark::oauth::ScopeToken;
use mintmark::policy::{ResourceUri, ScopeRule};
use mintmark::store::Change;
use serde_json::{Value, json};

use super::{ALL, admin, get, token_for};
use crate::harness::{Answer, ISSUER, ORDERS, TestMint, segment, with_mint, with_settings};

async fn put(mint: &TestMint, kind: &str, name: &str, body: Value) -> Answer {
    mint.admin(Method::PUT, &format!("/admin/v1/{kind}/{}", segment(name)), Some(body)).await
}

fn rule(name: &str, resource: &str) -> Value {
    json!({ "scope": name, "resource": resource, "limit": { "count": 9, "period": 60 } })
}

#[tokio::test]
async fn what_the_issuer_brings_is_granted_but_neither_listed_nor_set() {
    with_settings(&[("MINTMARK_KEYS__ALGORITHMS", "EdDSA,ES256")], async |mint| {
        mint.usual_policy().await;
        let ops = admin(mint, "ops", ALL).await;
        let uri = format!("{ISSUER}/admin");
        for (kind, member, names) in [
            ("resources", "resource", vec![ORDERS]),
            ("scopes", "scope", vec!["orders:read", "orders:write"]),
        ] {
            let list = mint.admin_get(&format!("/admin/v1/{kind}")).await.json();
            let listed: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| &item[member]).collect();
            assert_eq!(
                listed,
                names.iter().map(|name| json!(name)).collect::<Vec<_>>().iter().collect::<Vec<_>>()
            );
        }
        let metadata = mint.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata["scopes_supported"], json!(["orders:read", "orders:write"]));
        for path in
            [format!("/admin/v1/resources/{}", segment(&uri)), "/admin/v1/scopes/admin:read".to_owned()]
        {
            mint.admin_get(&path).await.assert_problem(404);
        }

        let resource = json!({ "resource": uri, "signing_alg": "ES256" });
        put(mint, "resources", &uri, resource).await.assert_problem(400);
        for scope in ALL.split(' ') {
            put(mint, "scopes", scope, rule(scope, ORDERS)).await.assert_problem(400);
            put(mint, "scopes", scope, rule(scope, &uri)).await.assert_problem(400);
        }
        for path in
            [format!("/admin/v1/resources/{}", segment(&uri)), "/admin/v1/scopes/admin:read".to_owned()]
        {
            for tag in ["*", "\"v0\"", "\"v1\""] {
                let answer = mint.admin_with(Method::DELETE, &path, None, &[("if-match", tag)]).await;
                assert!(answer.assert_problem(400).text().contains("nobody deletes"), "{}", answer.text());
            }
        }
        put(mint, "scopes", "mine", rule("mine", &uri)).await.assert_problem(400);
        put(mint, "scopes", "admin:reads", rule("admin:reads", ORDERS)).await.assert_status(201);

        let answer = mint.token(&ops, "scope=admin:read").await;
        let (header, _) = answer.assert_token();
        assert_eq!(header["alg"], "EdDSA", "the first of those configured");
        assert_eq!(answer.header("ratelimit-policy"), "\"admin:read\";q=120;w=60");
    })
    .await;
}

#[tokio::test]
async fn a_client_may_have_both_but_a_token_is_for_one() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let both = mint
            .client("both", json!({ "scope": "admin:read orders:read", "default_scope": "admin:read" }))
            .await;
        mint.token(&both, "scope=admin:read+orders:read").await.assert_refused(400, "invalid_target");
        let (_, claims) = mint.token(&both, "").await.assert_token();
        assert_eq!(claims["aud"], format!("{ISSUER}/admin"));
        let uri = segment(&format!("{ISSUER}/admin"));
        mint.token(&both, &format!("scope=admin:read&resource={uri}")).await.assert_token();
        mint.token(&both, &format!("scope=orders:read&resource={uri}")).await.assert_refused(400, "invalid_target");
        let mixed = json!({ "client_id": "m", "scope": "admin:read orders:read", "default_scope": "admin:read orders:read" });
        mint.admin(Method::POST, super::CLIENTS, Some(mixed)).await.assert_problem(400);
    })
    .await;
}

/// A store of before, in which somebody had a scope of that name: it goes on meaning what it meant.
#[tokio::test]
async fn a_stored_scope_of_such_a_name_keeps_its_meaning_and_nobody_comes_in_by_it() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let old = ScopeRule {
            key: 0,
            name: ScopeToken::parse("admin:keys").unwrap(),
            resource: ResourceUri::parse(ORDERS).unwrap(),
            limit: Quota::parse("9/1m").unwrap(),
            total: None,
            enforce: Enforce::Refuse,
            lifetime: None,
            version: 1,
        };
        mint.app().recorder.act(Vec::new(), vec![Change::PutScope(old)]).await.unwrap();
        mint.restart().await;
        let holder = admin(mint, "holder", "admin:keys orders:read").await;
        let (_, claims) = mint.token(&holder, "scope=admin:keys+orders:read").await.assert_token();
        assert_eq!(claims["aud"], ORDERS);
        let token = token_for(mint, &holder, "admin:keys").await;
        get(mint, "/admin/v1/keys", &token).await.assert_problem(401);
        let other = json!({ "client_id": "x", "scope": "admin:read" });
        mint.admin(Method::POST, super::CLIENTS, Some(other)).await.assert_problem(400);

        // Nor is it anybody's power that a client has it, until its scope is gone and the name the issuer's own.
        let path = "/admin/v1/scopes/admin:keys";
        mint.admin_with(Method::DELETE, path, None, &[("if-match", "*")]).await.assert_problem(409);

        // Over TCP it is refused at the start, with what to do.
        mint.stop().await;
        mint.set("MINTMARK_ADMIN__LISTEN", "127.0.0.1:0");
        let refused = mint.reopen().await.unwrap_err();
        assert!(matches!(refused, CannotStart::Shadowed(_)));
        let told = refused.to_string();
        assert!(told.starts_with("admin.listen: the store has the scope admin:keys"), "{told}");
        mint.unset("MINTMARK_ADMIN__LISTEN");
        mint.reopen().await.unwrap();
        mint.admin_with(Method::DELETE, "/admin/v1/clients/holder", None, &[("if-match", "*")])
            .await
            .assert_status(204);
        mint.admin_with(Method::DELETE, path, None, &[("if-match", "*")]).await.assert_status(204);
        let keeper = admin(mint, "keeper", "admin:keys").await;
        let token = token_for(mint, &keeper, "admin:keys").await;
        get(mint, "/admin/v1/keys", &token).await.assert_problem(403);
        mint.over_tcp(super::request(&Method::POST, "/admin/v1/keys/x/release", &token))
            .await
            .assert_problem(404);
    })
    .await;
}
