//! What may be registered: keys that verify, by value, and no secret beside them.

use axum::http::Method;
use mintmark::digest::base64url;
use mintmark::jose::Algorithm;
use serde_json::{Value, json};

use super::{Machine, ask, register, usual_machine};
use crate::harness::{TestMint, foreign_connection, with_mint};

async fn patch(mint: &TestMint, changes: Value) -> crate::harness::Answer {
    let request = axum::http::Request::patch("/admin/v1/clients/web")
        .header("content-type", "application/merge-patch+json")
        .header("if-match", "*");
    mint.admin_send(request.body(changes.to_string().into()).unwrap()).await
}

#[tokio::test]
async fn a_client_replaces_its_keys_one_by_one_and_at_once() {
    with_mint(async |mint| {
        let old = usual_machine(mint).await;
        let new = Machine::new("web", Algorithm::EdDsa, 47);
        let both = json!({ "keys": [old.pair.public(), new.pair.public()] });
        patch(mint, json!({ "jwks": both })).await.assert_status(200);
        ask(mint, &old.assertion(mint, "old")).await.assert_token();
        ask(mint, &new.assertion(mint, "new")).await.assert_token();
        patch(mint, json!({ "jwks": new.jwks() })).await.assert_status(200);
        ask(mint, &old.assertion(mint, "older")).await.assert_refused(401, "invalid_client");
        ask(mint, &new.assertion(mint, "newer")).await.assert_token();
        // Neither are they lost by silence nor taken for none.
        patch(mint, json!({ "client_name": "Web" })).await.assert_status(200);
        ask(mint, &new.assertion(mint, "newest")).await.assert_token();
        let unusable = json!({ "keys": [{ "kty": "oct", "k": "AQAB" }] });
        for wrong in [json!({ "jwks": null }), json!({ "jwks": unusable }), json!({ "jwks": { "keys": [] } })]
        {
            let problem = patch(mint, wrong.clone()).await.assert_problem(400).json();
            assert_eq!(problem["title"], "invalid_client_metadata", "{wrong}");
            assert!(problem["detail"].as_str().unwrap().starts_with("jwks: "), "{problem}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_goes_from_keys_to_secrets_and_back() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        let by_secret = json!({ "token_endpoint_auth_method": "client_secret_basic", "jwks": null });
        patch(mint, by_secret).await.assert_status(200);
        ask(mint, &web.assertion(mint, "1")).await.assert_refused(401, "invalid_client");
        let path = "/admin/v1/clients/web/secrets";
        let made = mint.admin(Method::POST, path, Some(json!({ "overlap": 0 }))).await;
        let secret = made.assert_status(201).json()["client_secret"].as_str().unwrap().to_owned();
        let client = crate::harness::TestClient { id: "web".to_owned(), secret };
        mint.token(&client, "").await.assert_token();
        let by_key = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": web.jwks() });
        patch(mint, by_key).await.assert_status(200);
        mint.token(&client, "").await.assert_refused(401, "invalid_client");
        ask(mint, &web.assertion(mint, "2")).await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn a_policy_file_brings_keys_and_keeps_them_by_silence() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        let apply = async |client: Value| {
            let body = json!({ "policy": { "clients": [client] } });
            mint.admin(Method::POST, "/admin/v1/policy/apply", Some(body)).await
        };
        let second = Machine::new("second", Algorithm::EdDsa, 48);
        let mut members = second.members();
        members["client_id"] = json!("second");
        apply(members).await.assert_status(200);
        ask(mint, &second.assertion(mint, "1")).await.assert_token();
        apply(json!({ "client_id": "web", "scope": "orders:read", "default_scope": "orders:read" }))
            .await
            .assert_status(200);
        ask(mint, &web.assertion(mint, "1")).await.assert_token();
        let weak = json!({ "client_id": "web", "scope": "orders:read", "jwks": { "keys": [] } });
        let detail = apply(weak).await.assert_problem(400).json()["detail"].clone();
        assert!(detail.as_str().unwrap().contains("clients[0] (web): jwks: "), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn a_client_with_keys_is_shown_with_them_and_gets_no_secret() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let web = Machine::new("web", Algorithm::EdDsa, 40);
        let answer = register(mint, web.id, web.members()).await;
        let made = answer.assert_status(201).json();
        assert_eq!(made["token_endpoint_auth_method"], "private_key_jwt");
        assert_eq!(made["jwks"], web.jwks());
        for absent in ["secret_id", "client_secret"] {
            assert!(made.get(absent).is_none(), "{absent}");
        }
        let shown = mint.admin_get("/admin/v1/clients/web").await;
        assert_eq!(shown.json(), made);
        assert_eq!(mint.admin_get("/admin/v1/clients/reader").await.json()["jwks"], Value::Null);
        mint.restart().await;
        assert_eq!(mint.admin_get("/admin/v1/clients/web").await.json(), made);
        ask(mint, &web.assertion(mint, "after")).await.assert_token();
    })
    .await;
}

/// A rule may become stricter: who is registered is still there, can be changed and can be deleted.
#[tokio::test]
async fn a_key_that_would_be_refused_today_hides_no_client() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        let x = web.jwks()["keys"][0]["x"].as_str().unwrap().to_owned();
        let mut foreign = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        sqlx::query("UPDATE clients SET document = replace(document, $1, $2) WHERE id = 'web'")
            .bind(&x)
            .bind(base64url(&[0; 32]))
            .execute(&mut foreign)
            .await
            .unwrap();
        sqlx::Connection::close(foreign).await.unwrap();
        mint.restart().await;
        let shown = mint.admin_get("/admin/v1/clients/web").await.assert_status(200).json();
        assert_eq!(shown["jwks"]["keys"][0]["x"], base64url(&[0; 32]));
        let taken_again = patch(mint, json!({ "jwks": shown["jwks"] })).await;
        assert!(taken_again.assert_problem(400).text().contains("small order"));
        patch(mint, json!({ "client_name": "Web" })).await.assert_status(200);
        patch(mint, json!({ "jwks": web.jwks() })).await.assert_status(200);
        ask(mint, &web.assertion(mint, "sound again")).await.assert_token();
        let anyway = [("if-match", "*")];
        mint.admin_with(Method::DELETE, "/admin/v1/clients/web", None, &anyway).await.assert_status(204);
        mint.admin_get("/admin/v1/clients/web").await.assert_problem(404);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_refused_by_name() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let key = Machine::new("web", Algorithm::EdDsa, 40).pair.public().to_value();
        let with = |member: &str, value: Value| {
            let mut jwk = key.clone();
            jwk[member] = value;
            json!({ "keys": [jwk] })
        };
        let rsa = |n: Vec<u8>, e: &str| json!({ "keys": [{ "kty": "RSA", "alg": "PS256", "n": base64url(&n), "e": e }] });
        let even = [[0xff; 255].as_slice(), &[0xfe]].concat();
        for (set, told) in [
            (with("d", json!("AQAB")), "private or symmetric"),
            (json!({ "keys": [{ "kty": "oct", "k": "AQAB" }] }), "private or symmetric"),
            (rsa(vec![0xff; 128], "AQAB"), "2048"),
            (rsa(even, "AQAB"), "odd"),
            (rsa(vec![0xff; 256], "AQ"), "e is not"),
            (rsa(vec![0xff; 256], "AQAC"), "e is not"),
            (with("x", json!(base64url(&[0; 32]))), "small order"),
            (with("use", json!("enc")), "verifying"),
            (with("alg", json!("RS256")), "alg does not fit"),
            (json!({ "keys": [key, key] }), "same kid"),
            (json!({ "keys": vec![key.clone(); 11] }), "more than 10"),
            (with("x5t", json!("a".repeat(33_000))), "32 KiB"),
            (json!({ "keys": [] }), "no key"),
            (key.clone(), "array named keys"),
        ] {
            let mut members = Machine::new("web", Algorithm::EdDsa, 40).members();
            members["jwks"] = set;
            let problem = register(mint, "web", members).await.assert_problem(400).json();
            assert_eq!(problem["title"], "invalid_client_metadata");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.starts_with("jwks: ") && detail.contains(told), "{told}: {detail}");
        }
        mint.admin_get("/admin/v1/clients/web").await.assert_problem(404);
    })
    .await;
}

#[tokio::test]
async fn keys_and_method_belong_together_and_nothing_is_fetched() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        let scope = json!({ "scope": "orders:read" });
        let with = |pairs: &[(&str, Value)]| {
            let mut members = scope.clone();
            for (name, value) in pairs {
                members[*name] = value.clone();
            }
            members
        };
        let by_key = ("token_endpoint_auth_method", json!("private_key_jwt"));
        for (members, member) in [
            (with(std::slice::from_ref(&by_key)), "jwks"),
            (with(&[by_key.clone(), ("jwks", Value::Null)]), "jwks"),
            (with(&[("jwks", web.jwks())]), "jwks"),
            (with(&[by_key, ("jwks_uri", json!("http://127.0.0.1:1/jwks"))]), "jwks_uri"),
        ] {
            let problem = register(mint, "x", members).await.assert_problem(400).json();
            assert_eq!(problem["title"], "invalid_client_metadata");
            assert!(problem["detail"].as_str().unwrap().starts_with(&format!("{member}: ")), "{problem}");
        }
        mint.admin(Method::GET, "/admin/v1/clients/x", None).await.assert_problem(404);
    })
    .await;
}
