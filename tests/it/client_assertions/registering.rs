//! What may be registered: keys that verify, by value, and no secret beside them.

use axum::http::Method;
use mintmark::digest::base64url;
use mintmark::jose::Algorithm;
use serde_json::{Value, json};

use super::{Machine, ask, register, usual_machine};
use crate::harness::with_mint;

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
