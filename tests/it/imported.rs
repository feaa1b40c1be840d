//! Keys that were made elsewhere: taken in, waiting for their turn, never taken twice.

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintmark::ambient::SystemEntropy;
use mintmark::audit::event::EventType;
use mintmark::jose::{Algorithm, KeyPair};
use mintmark::keys::KeyState;
use serde_json::{Value, json};

use crate::harness::{Answer, TestMint, contains, with_mint};

const IMPORT: &str = "/admin/v1/keys/import";

fn pem(algorithm: Algorithm) -> String {
    let (_, document) = KeyPair::generate(algorithm, &SystemEntropy::new()).unwrap();
    format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(document.as_bytes())
    )
}

/// Brings in a key whose PKCS #8 document somebody else may have too.
pub(crate) async fn bring_in(mint: &TestMint, document: &[u8]) {
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(document));
    import(mint, &pem, Value::Null).await.assert_status(201);
}

async fn import(mint: &TestMint, pkcs8: &str, alg: Value) -> Answer {
    mint.admin(Method::POST, IMPORT, Some(json!({ "pkcs8": pkcs8, "alg": alg }))).await
}

#[tokio::test]
async fn an_imported_key_waits_for_its_turn_and_then_signs() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let key = import(mint, &pem(Algorithm::Es256), Value::Null).await.assert_status(201).json();
        let kid = key["kid"].as_str().unwrap().to_owned();
        assert_eq!((&key["state"], &key["alg"]), (&json!("staged"), &json!("ES256")));
        assert!(mint.jwks().await.find(&kid).is_none(), "nobody sees it yet");
        let record = mint.logged(EventType::KeyImported).await.pop().unwrap();
        assert_eq!(record.leaf.kid.unwrap().to_string(), kid);
        assert_eq!(
            record.body,
            json!({ "alg": "ES256", "reason": "imported", "since": null, "actor": "unix:0" })
        );

        mint.restart().await;
        mint.later("14d").await;
        assert!(mint.jwks().await.find(&kid).is_some(), "it is the next standby");
        mint.later("14d").await;
        assert_eq!(mint.token(&reader, "").await.assert_token().0["kid"], kid);
        mint.app().rotator.ring().check().unwrap();
    })
    .await;
}

/// Storm-0558, 2023: an old key that came back was believed. A `kid` has one life here.
#[tokio::test]
async fn storm_0558_a_key_is_never_taken_twice() {
    with_mint(async |mint| {
        let text = pem(Algorithm::Es256);
        let key = import(mint, &text, json!("ES256")).await.assert_status(201).json();
        let kid = key["kid"].as_str().unwrap().to_owned();
        import(mint, &text, Value::Null).await.assert_problem(409);
        let path = format!("/admin/v1/keys/{kid}/revoke");
        mint.admin(Method::POST, &path, Some(json!({ "reason": "leak" }))).await.assert_status(200);
        import(mint, &text, Value::Null).await.assert_problem(409);

        // Also where its row can no longer be read.
        let database = mint.data_dir().join("mintmark.db");
        mint.stop().await;
        let mut foreign = crate::harness::foreign_connection(&database).await;
        let damage = "UPDATE signing_keys SET state = 'gone' WHERE state = 'revoked'";
        sqlx::query(damage).execute(&mut foreign).await.unwrap();
        sqlx::Connection::close(foreign).await.unwrap();
        mint.reopen().await.unwrap();
        import(mint, &text, Value::Null).await.assert_problem(409);
        mint.tick().await;
        assert!(mint.jwks().await.find(&kid).is_none());
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_taken_in_is_refused_with_what_to_do_and_repeats_no_secret() {
    with_mint(async |mint| {
        let version = mint.app().rotator.ring().version;
        let text = pem(Algorithm::EdDsa);
        let base64 = text.lines().nth(1).unwrap();
        for (pkcs8, alg, status) in [
            (text.clone(), Value::Null, 409),
            (text.clone(), json!("ES256"), 400),
            (text.replace("PRIVATE", "EC PRIVATE"), Value::Null, 400),
            (base64.to_owned(), Value::Null, 400),
            (text.repeat(2), Value::Null, 400),
            (String::new(), Value::Null, 400),
            (text.clone(), json!("none"), 400),
        ] {
            let answer = import(mint, &pkcs8, alg).await;
            answer.assert_problem(status);
            assert!(!answer.text().contains(base64), "{}", answer.text());
        }
        mint.admin(Method::POST, IMPORT, Some(json!({ "pkcs8": 7 }))).await.assert_problem(400);
        assert_eq!(mint.app().rotator.ring().version, version);

        for _ in 0..4 {
            import(mint, &pem(Algorithm::Es256), Value::Null).await.assert_status(201);
        }
        import(mint, &pem(Algorithm::Es256), Value::Null).await.assert_problem(409);
    })
    .await;
}

#[tokio::test]
async fn an_imported_key_lies_in_the_store_sealed_only() {
    with_mint(async |mint| {
        let text = pem(Algorithm::Es256);
        let der = STANDARD.decode(text.lines().nth(1).unwrap()).unwrap();
        import(mint, &text, Value::Null).await.assert_status(201);
        mint.stop().await;
        let stored = mint.store_bytes();
        // The scalar stands in the inner document, 32 bytes behind its header.
        let scalar = &der[36..68];
        for secret in [text.lines().nth(1).unwrap().as_bytes(), &der, scalar] {
            assert!(!contains(&stored, secret));
        }
        mint.reopen().await.unwrap();
        assert!(mint.app().rotator.ring().keys.iter().any(|key| key.state == KeyState::Staged));
    })
    .await;
}
