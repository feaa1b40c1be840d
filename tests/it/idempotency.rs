//! `Idempotency-Key`: whoever asks again for what was done is told the same, and nothing is done twice.

mod doubt;

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintmark::ambient::{Clock as _, SystemEntropy};
use mintmark::audit::event::EventType;
use mintmark::http::accept::PeerUid;
use mintmark::jose::{Algorithm, KeyPair};
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::harness::{Answer, TestMint, contains, foreign_connection, segment, with_mint};

const CLIENTS: &str = "/admin/v1/clients";

/// A POST with a key, as any caller may write it.
fn keyed(path: &str, key: &str, body: Option<&Value>) -> Request<Body> {
    let request = Request::post(path).header("idempotency-key", key);
    match body {
        Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    }
    .unwrap()
}

async fn ask(mint: &TestMint, path: &str, key: &str, body: Option<&Value>) -> Answer {
    mint.admin_send(keyed(path, key, body)).await
}

/// What an answer is when it is given again: the same bytes without a secret.
fn without_secret(answer: &Answer) -> String {
    let text = answer.text();
    match answer.json()["client_secret"].as_str() {
        Some(secret) => text.replace(&format!("\"{secret}\""), "null"),
        None => text,
    }
}

#[track_caller]
fn assert_told_again(again: &Answer, first: &Answer, what: &str) {
    assert_eq!(again.status, first.status, "{what}: {}", again.text());
    assert_eq!(again.text(), without_secret(first), "{what}");
    for name in ["etag", "content-type", "cache-control", "x-content-type-options"] {
        assert_eq!(again.header(name), first.header(name), "{what}: {name}");
    }
}

fn pem() -> String {
    let (_, document) = KeyPair::generate(Algorithm::Es256, &SystemEntropy::new()).unwrap();
    let text = STANDARD.encode(document.as_bytes());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

fn a_client(id: &str) -> Value {
    json!({ "client_id": id, "scope": "orders:read" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn asked_fifty_times_at_once_it_is_done_once() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let reader = |verb: &str| format!("{CLIENTS}/reader/{verb}");
        for (path, body, event, before) in [
            (CLIENTS.to_owned(), Some(a_client("job")), EventType::ClientCreated, 1),
            (reader("secrets"), Some(json!({ "overlap": 60 })), EventType::ClientSecretAdded, 0),
            (reader("disable"), None, EventType::ClientDisabled, 0),
            ("/admin/v1/keys/rotate".to_owned(), Some(json!({ "now": true })), EventType::KeyPassive, 0),
        ] {
            let requests = (0..50).map(|_| keyed(&path, &path, body.as_ref())).collect();
            let answers = mint.admin_send_all(requests).await;
            let (done, running): (Vec<_>, Vec<_>) =
                answers.iter().partition(|answer| answer.status.is_success());
            for answer in running {
                answer.assert_problem(409);
            }
            let is_first = |answer: &&&Answer| answer.json()["client_secret"].is_string();
            let first = done.iter().find(is_first).or(done.first()).expect("one had its turn");
            for again in done.iter().filter(|answer| !std::ptr::eq(**answer, *first)) {
                assert_told_again(again, first, &path);
            }
            assert_eq!(mint.logged(event).await.len(), before + 1, "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn every_act_is_told_again_word_for_word_and_its_secret_never() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let other_kek = mint.data_dir().join("other-kek");
        std::fs::write(&other_kek, STANDARD.encode([9; 32])).unwrap();
        std::fs::set_permissions(&other_kek, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let (_, claims) = mint.token(&reader, "").await.assert_token();
        let jti = claims["jti"].as_str().unwrap();
        let kid = mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid;
        let of_key = |verb: &str| format!("/admin/v1/keys/{kid}/{verb}");
        let of_client = |verb: &str| format!("{CLIENTS}/job/{verb}");
        let policy = json!({ "resources": [], "scopes": [], "clients": [a_client("third")] });
        let policy = json!({ "policy": policy });
        let acts = [
            (CLIENTS.to_owned(), Some(a_client("job")), 201),
            (of_client("disable"), None, 200),
            (of_client("enable"), None, 200),
            // Nothing is to be done, and that too is told again.
            (of_client("enable"), None, 200),
            (of_client("secrets"), Some(json!({ "overlap": 86_400 })), 201),
            ("/admin/v1/policy/apply".to_owned(), Some(policy.clone()), 200),
            ("/admin/v1/policy/apply".to_owned(), Some(policy), 200),
            ("/admin/v1/tokens/revoke".to_owned(), Some(json!({ "issued_before": "now" })), 200),
            (
                "/admin/v1/tokens/revoke".to_owned(),
                Some(json!({ "client_id": "reader", "issued_before": "now" })),
                200,
            ),
            ("/admin/v1/tokens/revoke".to_owned(), Some(json!({ "jti": jti })), 200),
            ("/admin/v1/tokens/revoke".to_owned(), Some(json!({ "jti": jti })), 200),
            ("/admin/v1/keys/import".to_owned(), Some(json!({ "pkcs8": pem() })), 201),
            (of_key("retain"), None, 200),
            (of_key("retain"), None, 200),
            (of_key("release"), None, 200),
            ("/admin/v1/keys/rotate".to_owned(), Some(json!({})), 202),
            ("/admin/v1/keys/rotate".to_owned(), Some(json!({})), 202),
            ("/admin/v1/keys/rotate".to_owned(), Some(json!({ "now": true })), 200),
            (of_key("revoke"), Some(json!({ "reason": "leak" })), 200),
            ("/admin/v1/keys/rewrap".to_owned(), Some(json!({ "kek_file": other_kek })), 200),
            ("/admin/v1/audit/erase".to_owned(), Some(json!({ "client_id": "of-old" })), 200),
        ];
        let mut firsts = Vec::new();
        for (nth, (path, body, status)) in acts.iter().enumerate() {
            let first = ask(mint, path, &format!("key {nth}"), body.as_ref()).await;
            first.assert_status(*status);
            firsts.push(first);
        }
        assert!(firsts[18].json()["unexpired"]["count"].is_u64(), "{}", firsts[14].text());
        let (log, ring) = (mint.log().await.len(), mint.app().rotator.ring());
        for (nth, ((path, body, _), first)) in acts.iter().zip(&firsts).enumerate() {
            let again = ask(mint, path, &format!("key {nth}"), body.as_ref()).await;
            assert_told_again(&again, first, path);
            let other = ask(mint, path, &format!("key {nth}"), Some(&json!({ "other": 1 }))).await;
            other.assert_problem(422);
            ask(mint, "/admin/v1/clients/reader/disable", &format!("key {nth}"), None)
                .await
                .assert_problem(422);
        }
        assert_eq!(mint.log().await.len(), log, "nothing was done");
        assert_eq!(mint.app().rotator.ring().version, ring.version);

        mint.set_kek([9; 32]);
        mint.restart().await;
        mint.crash().await;
        for (nth, ((path, body, _), first)) in acts.iter().zip(&firsts).enumerate() {
            let again = ask(mint, path, &format!("key {nth}"), body.as_ref()).await;
            assert_told_again(&again, first, path);
        }
        let bytes = mint.store_bytes();
        let secrets: Vec<_> = firsts
            .iter()
            .filter_map(|first| first.json()["client_secret"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(secrets.len(), 2);
        for secret in secrets {
            assert!(!contains(&bytes, secret.as_bytes()), "a secret is in the store");
        }
        assert!(contains(&bytes, b"\\\"client_secret\\\":null"), "its answer is");
        assert!(!contains(&bytes, b"BEGIN PRIVATE KEY"));
    })
    .await;
}

#[tokio::test]
async fn what_was_done_since_is_not_done_back() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let (disable, enable) = (format!("{CLIENTS}/reader/disable"), format!("{CLIENTS}/reader/enable"));
        ask(mint, &disable, "a", None).await.assert_status(200);
        mint.admin(Method::POST, &enable, None).await.assert_status(200);
        let again = ask(mint, &disable, "a", None).await;
        assert_eq!(again.assert_status(200).json()["disabled"], true, "so it was");
        assert_eq!(mint.admin_get(&format!("{CLIENTS}/reader")).await.json()["disabled"], false, "so it is");
    })
    .await;
}

#[tokio::test]
async fn a_key_belongs_to_its_caller() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let by = |uid, id| {
            let mut request = keyed(CLIENTS, "mine", Some(&a_client(id)));
            request.extensions_mut().insert(PeerUid(uid));
            mint.admin_send(request)
        };
        by(1000, "one").await.assert_status(201);
        by(1001, "two").await.assert_status(201);
        by(1001, "one").await.assert_problem(422);
        let actors: Vec<_> =
            mint.logged(EventType::ClientCreated).await.into_iter().map(|told| told.body).collect();
        assert_eq!(actors[1]["actor"], "unix:1000");
        assert_eq!(actors[2]["actor"], "unix:1001");
    })
    .await;
}

#[tokio::test]
async fn a_key_is_text_that_is_given_once() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let (longest, longer) = ("k".repeat(255), "k".repeat(256));
        for bad in ["", "a\tb", "\u{e4}", longer.as_str()] {
            let answer = ask(mint, CLIENTS, bad, Some(&a_client("job"))).await;
            answer.assert_problem(400);
        }
        let mut twice = keyed(CLIENTS, "a", Some(&a_client("job")));
        twice.headers_mut().append("idempotency-key", "a".parse().unwrap());
        mint.admin_send(twice).await.assert_problem(400);
        ask(mint, "/admin/v1/nowhere", "a", None).await.assert_problem(404);
        ask(mint, CLIENTS, &longest, Some(&a_client("job"))).await.assert_status(201);
        // Elsewhere it means nothing.
        let path = format!("/admin/v1/scopes/{}", segment("orders:read"));
        mint.admin_with(Method::GET, &path, None, &[("idempotency-key", "a\tb")]).await.assert_status(200);
        for _ in 0..2 {
            let body = json!({ "token": "a.b.c" });
            ask(mint, "/admin/v1/audit/find", "reading", Some(&body)).await.assert_status(200);
        }
        assert_eq!(mint.logged(EventType::AuditRead).await.len(), 2, "each reading is recorded");
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let (path, body) = (format!("{CLIENTS}/reader/secrets"), json!({ "overlap": 60 }));
        mint.admin(Method::POST, &path, Some(body.clone())).await.assert_status(201);
        ask(mint, &path, "a", Some(&body)).await.assert_problem(409);
        mint.later("1m").await;
        ask(mint, &path, "a", Some(&body)).await.assert_status(201);
        // A trial run is none of what it tries.
        let kid = mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid;
        let path = format!("/admin/v1/keys/{kid}/revoke");
        ask(mint, &path, "b", Some(&json!({ "reason": "leak", "dry_run": true }))).await.assert_status(200);
        ask(mint, &path, "b", Some(&json!({ "reason": "leak" }))).await.assert_status(200);
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day_and_no_clock_alone_ends_it() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let first = ask(mint, CLIENTS, "a", Some(&a_client("job"))).await;
        first.assert_status(201);
        mint.later("23h").await;
        mint.forget_answers().await;
        assert_told_again(&ask(mint, CLIENTS, "a", Some(&a_client("job"))).await, &first, "within the day");
        mint.later("1h").await;
        assert_told_again(
            &ask(mint, CLIENTS, "a", Some(&a_client("job"))).await,
            &first,
            "not yet forgotten",
        );
        mint.forget_answers().await;
        ask(mint, CLIENTS, "a", Some(&a_client("job"))).await.assert_problem(409);
        ask(mint, CLIENTS, "a", Some(&a_client("other"))).await.assert_status(201);
    })
    .await;
}

/// For a while under a running process, or at its start.
#[tokio::test]
async fn a_clock_that_is_ahead_for_a_while_makes_nothing_happen_twice() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.later("1h").await;
        let path = format!("{CLIENTS}/{}/secrets", reader.id);
        let first = ask(mint, &path, "a", Some(&json!({ "overlap": 3_600 }))).await;
        first.assert_status(201);
        for restarts in [false, true] {
            let right = mint.clock().now();
            mint.clock().set_wall(right.plus(Duration::from_hours(25)));
            if restarts {
                mint.restart().await;
            }
            for _ in 0..9 {
                mint.forget_answers().await;
                mint.later("1m").await;
            }
            mint.clock().set_wall(right.plus(Duration::from_mins(9)));
            mint.forget_answers().await;
            assert_told_again(
                &ask(mint, &path, "a", Some(&json!({ "overlap": 3_600 }))).await,
                &first,
                "not done again",
            );
            mint.later("10m").await;
            mint.forget_answers().await;
        }
        let secrets = mint.admin_get(&path).await.json();
        assert_eq!(secrets["items"].as_array().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn one_caller_has_room_for_ten_thousand_answers() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let path = format!("{CLIENTS}/reader/disable");
        ask(mint, &path, "first", None).await.assert_status(200);
        let mut other = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
            INSERT INTO idempotent_answers SELECT randomblob(32), caller, request, answer, bytes, until
            FROM n, idempotent_answers";
        sqlx::query(fill).execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        let refused = ask(mint, &path, "one more", None).await;
        refused.assert_problem(429);
        assert_eq!(refused.retry_after(), 24 * 3600 + 1);
        ask(mint, &path, "first", None).await.assert_status(200);
        mint.admin(Method::POST, &path, None).await.assert_status(200);
        let mut elsewhere = keyed(&path, "one more", None);
        elsewhere.extensions_mut().insert(PeerUid(1001));
        mint.admin_send(elsewhere).await.assert_status(200);
        mint.later("24h").await;
        for _ in 0..11 {
            mint.forget_answers().await;
        }
        ask(mint, &path, "one more", None).await.assert_status(200);
    })
    .await;
}
