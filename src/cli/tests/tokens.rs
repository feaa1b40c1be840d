use serde_json::{Value, json};

use super::fake::{Asked, Fake, json_answer};
use super::{file, type_in};
use crate::ambient::SystemEntropy;
use crate::digest::base64url;
use crate::jose::{Algorithm, JwkSet, KeyPair};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "https://api.example.com";

fn key() -> KeyPair {
    KeyPair::generate(Algorithm::Es256, &SystemEntropy::new()).unwrap().0
}

fn token(key: &KeyPair, expires_at: u64) -> String {
    let header = json!({ "typ": "at+jwt", "alg": "ES256", "kid": key.kid().to_string() });
    let claims = json!({
        "iss": ISSUER, "sub": "web", "aud": AUDIENCE, "client_id": "web", "scope": "orders:read",
        "iat": expires_at - 600, "exp": expires_at, "jti": "AZ0rC3kAYWJjZGVmZ2hpamtsbW4",
    });
    let part = |value: &Value| base64url(value.to_string().as_bytes());
    let message = format!("{}.{}", part(&header), part(&claims));
    format!("{message}.{}", base64url(&key.sign(message.as_bytes()).unwrap()))
}

fn keys(key: &KeyPair) -> Value {
    JwkSet::from_iter([key.public()]).to_value()
}

#[tokio::test]
async fn a_client_asks_with_its_secret_from_a_file() {
    let granted =
        json!({ "access_token": "a.b.c", "token_type": "Bearer", "expires_in": 600, "scope": "a b" });
    let body = granted.clone();
    let server = Fake::on_loopback(move |_: &Asked| json_answer(200, &body)).await;
    let request = ["token", "request", "--client", "w:b", "--secret-file", "-", "--scope", "a b"];
    let ran = type_in(&[&request[..], &["--url", &server.address]].concat(), "mms_x+y\n", false).await;
    assert_eq!((ran.code, ran.json()), (0, granted), "{ran:?}");
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "POST /oauth2/token");
    // The Basic form of `w%3Ab` and `mms_x%2By`.
    assert_eq!(asked.header("authorization"), Some("Basic dyUzQWI6bW1zX3glMkJ5"));
    assert_eq!(asked.body, "grant_type=client_credentials&scope=a%20b");
}

#[tokio::test]
async fn a_refused_client_learns_why_and_never_sends_a_secret_in_the_clear() {
    let server = Fake::on_loopback(|_: &Asked| {
        json_answer(401, &json!({ "error": "invalid_client", "error_description": "no", "request_id": "r" }))
    })
    .await;
    let request = ["token", "request", "--client", "web", "--secret-file", "-", "--url"];
    let ran = type_in(&[&request[..], &[&server.address]].concat(), "mms_x", false).await;
    let expected =
        "error: invalid_client: no; check the client, the file of its secret, and `mintmark client get`\n";
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (1, "", expected));
    let ran = type_in(&[&request[..], &["http://auth.example.com"]].concat(), "mms_x", false).await;
    assert_eq!(ran.code, 2);
    assert!(!ran.err.contains("mms_x"));
}

#[tokio::test]
async fn a_look_into_a_token_says_that_it_is_no_check() {
    let token = token(&key(), NOW);
    let ran = type_in(&["token", "inspect"], &format!("{token}\n"), false).await;
    assert_eq!(ran.code, 0);
    assert_eq!(ran.json()["claims"]["client_id"], "web");
    assert_eq!(ran.json()["header"]["typ"], "at+jwt");
    assert!(ran.err.starts_with("not verified"), "{}", ran.err);
    assert_eq!(type_in(&["token", "inspect"], "a.b", false).await.code, 1);
}

#[tokio::test]
async fn a_token_is_valid_for_its_time_and_audience_only() {
    let (folder, key) = (tempfile::tempdir().unwrap(), key());
    let jwks = file(folder.path(), "jwks.json", &keys(&key).to_string());
    let verify = ["token", "verify", "--jwks", &jwks, "--issuer", ISSUER, "--audience"];
    let good = token(&key, NOW + 10);
    let ran = type_in(&[&verify[..], &[AUDIENCE]].concat(), &good, false).await;
    assert_eq!((ran.code, &ran.json()["valid"], &ran.json()["reason"]), (0, &json!(true), &Value::Null));

    let ran = type_in(&[&verify[..], &["https://other.example"]].concat(), &good, false).await;
    assert_eq!((ran.code, &ran.json()["valid"]), (1, &json!(false)));
    assert_eq!(ran.json()["claims"]["aud"], AUDIENCE);

    let old = token(&key, NOW - 30);
    assert_eq!(type_in(&[&verify[..], &[AUDIENCE]].concat(), &old, false).await.code, 0, "within the leeway");
    let strict = [&verify[..], &[AUDIENCE, "--leeway", "5s"]].concat();
    let ran = type_in(&strict, &old, false).await;
    assert_eq!((ran.code, &ran.json()["reason"]), (1, &json!("the token has expired")));

    let ran = type_in(&[&verify[..], &[AUDIENCE]].concat(), "rubbish", false).await;
    assert_eq!((ran.code, &ran.json()["header"]), (1, &Value::Null));
}

#[tokio::test]
async fn keys_come_from_a_url_too() {
    let key = key();
    let set = keys(&key);
    let server = Fake::on_loopback(move |asked: &Asked| {
        assert_eq!(asked.line, "GET /.well-known/jwks.json");
        json_answer(200, &set)
    })
    .await;
    let jwks = format!("{}/.well-known/jwks.json", server.address);
    let verify = ["token", "verify", "--jwks", &jwks, "--issuer", ISSUER, "--audience", AUDIENCE];
    assert_eq!(type_in(&verify, &token(&key, NOW), false).await.code, 0);
    let other = token(&self::key(), NOW);
    assert_eq!(type_in(&verify, &other, false).await.code, 1);
}

#[tokio::test]
async fn an_operator_says_which_tokens_are_good_no_longer() {
    let answer = |asked: &Asked| {
        let named = asked.json().get("jti").is_some();
        let one = json!({ "jti": "AZ\u{1b}[2J", "client_id": "web", "exp": NOW + 600 });
        let before = json!({ "client_id": null, "issued_before": NOW + 1 });
        json_answer(200, if named { &one } else { &before })
    };
    let server = Fake::on_a_socket(answer);
    let revoke = async |words: &[&str]| {
        type_in(&[&["token", "revoke", "--admin", &server.address], words].concat(), "", true).await
    };
    let told =
        "Introspection says so from now on.\nWho verifies tokens offline accepts them until they end.\n";
    let ran = revoke(&["--jti", "-Z0rC3kAYWJj"]).await;
    assert!(ran.out.starts_with("The token AZ") && !ran.out.contains('\u{1b}'), "{ran:?}");
    assert!(
        ran.out
            .contains(" of web is good no longer; it would have ended at 2027-01-15 08:10:00Z (in 10m).\n"),
        "{ran:?}"
    );
    let ran = revoke(&["--all"]).await;
    let first = "No token that was issued before 2027-01-15 08:00:01Z (in 1s) is good any longer.\n";
    assert_eq!((ran.code, ran.out), (0, format!("{first}{told}")));
    revoke(&["--client", "web"]).await;
    revoke(&["--client", "web", "--before", "2h"]).await;
    revoke(&["--all", "--before", "1795301881"]).await;
    for mistake in [
        &[][..],
        &["--all", "--client", "web"],
        &["--jti", "a", "--before", "2h"],
        &["--before", "2h"],
        &["--all", "--before", "soon"],
    ] {
        assert_eq!(revoke(mistake).await.code, 2, "{mistake:?}");
    }
    let asked: Vec<_> = server.asked().iter().map(|asked| (asked.line.clone(), asked.json())).collect();
    let bodies = [
        json!({ "jti": "-Z0rC3kAYWJj" }),
        json!({ "issued_before": "now" }),
        json!({ "client_id": "web", "issued_before": "now" }),
        json!({ "client_id": "web", "issued_before": NOW - 7_200 }),
        json!({ "issued_before": 1_795_301_881 }),
    ];
    assert_eq!(asked, bodies.map(|body| ("POST /admin/v1/tokens/revoke".to_owned(), body)));
}
