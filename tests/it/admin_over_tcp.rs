//! The admin API over TCP: a token of our own lets in, for what its scopes allow, and nothing else does.

mod built_in;
mod doors;
mod power;
mod roles;

use axum::body::Body;
use axum::http::{Method, Request, header};
use mintmark::audit::event::EventType;
use mintmark::jose::{Algorithm, KeyPair};
use mintmark::store::Change;
use serde_json::{Value, json};

use crate::harness::{Answer, ISSUER, SeededEntropy, TestClient, TestMint, with_mint};

const CLIENTS: &str = "/admin/v1/clients";
const ALL: &str = "admin:audit admin:clients admin:keys admin:limits admin:read";

/// A client with these scopes.
async fn admin(mint: &TestMint, id: &str, scope: &str) -> TestClient {
    mint.client(id, json!({ "scope": scope })).await
}

/// A token of this client for this scope.
async fn token_for(mint: &TestMint, client: &TestClient, scope: &str) -> String {
    let answer = mint.token(client, &format!("scope={}", scope.replace(' ', "+"))).await;
    answer.assert_token();
    answer.access_token().unwrap()
}

/// A request with this token.
fn request(method: &Method, path: &str, token: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap()
}

async fn get(mint: &TestMint, path: &str, token: &str) -> Answer {
    mint.over_tcp(request(&Method::GET, path, token)).await
}

/// The same with a body in JSON.
async fn send(mint: &TestMint, (method, path): (Method, &str), token: &str, body: &Value) -> Answer {
    let mut request = request(&method, path, token);
    request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    *request.body_mut() = Body::from(body.to_string());
    mint.over_tcp(request).await
}

#[track_caller]
fn assert_not_let_in(answer: &Answer, told: &str) {
    answer.assert_problem(401);
    let invalid = "Bearer realm=\"mintmark-admin\", error=\"invalid_token\"";
    let expected = if told.is_empty() { "Bearer realm=\"mintmark-admin\"" } else { invalid };
    assert_eq!(answer.header("www-authenticate"), expected, "{told}");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_client_with_a_token_for_the_admin_api_is_let_in_and_named_in_the_record() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let ops = admin(mint, "ops", ALL).await;
        let answer = mint.token(&ops, "scope=admin:clients+admin:read").await;
        let (_, claims) = answer.assert_token();
        assert_eq!(claims["aud"], format!("{ISSUER}/admin"));
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 300);
        let token = answer.access_token().unwrap();
        let list = get(mint, CLIENTS, &token).await;
        assert_eq!(list.assert_status(200).json()["items"].as_array().unwrap().len(), 2);

        let disabled =
            mint.over_tcp(request(&Method::POST, "/admin/v1/clients/reader/disable", &token)).await;
        disabled.assert_status(200);
        let records = mint.logged(EventType::ClientDisabled).await;
        assert_eq!(records.len(), 1);
        assert_eq!(
            (&records[0].body["actor"], &records[0].body["via"]),
            (&json!("client:ops"), &json!("tcp"))
        );
    })
    .await;
}

#[tokio::test]
async fn nobody_is_let_in_without_a_token_of_ours_for_the_admin_api_alone() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.scope("admin", crate::harness::ORDERS, "9/1m").await;
        mint.resource("https://auth.example.com/admin2", "ES256").await;
        mint.scope("admin:read2", "https://auth.example.com/admin2", "9/1m").await;
        let other = mint.client("other", json!({ "scope": "admin admin:read2" })).await;
        let ops = admin(mint, "ops", ALL).await;
        let good = token_for(mint, &ops, "admin:read").await;
        get(mint, CLIENTS, &good).await.assert_status(200);

        let bare = Request::get(CLIENTS).body(Body::empty()).unwrap();
        assert_not_let_in(&mint.over_tcp(bare).await, "");
        for path in [format!("{CLIENTS}?access_token={good}"), "/".to_owned(), "/livez".to_owned()] {
            let bare = Request::get(path).body(Body::empty()).unwrap();
            assert_not_let_in(&mint.over_tcp(bare).await, "");
        }
        let (header, rest) = good.split_once('.').unwrap();
        let strange = [
            ("another API's token", token_for(mint, &reader, "orders:read").await),
            ("a scope that is called admin", token_for(mint, &other, "admin").await),
            ("a resource that is nearly the admin API", token_for(mint, &other, "admin:read2").await),
            ("a token without its signature", good.rsplit_once('.').unwrap().0.to_owned() + "."),
            ("a changed token", format!("{header}.{}", rest.replacen('e', "f", 1))),
            ("a secret", ops.secret.clone()),
            ("something", "x".to_owned()),
            ("something long", "x.".repeat(7_000)),
        ];
        for (what, token) in &strange {
            assert_not_let_in(&get(mint, CLIENTS, token).await, what);
        }
        for credentials in
            [ops.basic(), format!("DPoP {good}"), good.clone(), format!("Bearer {good} {good}")]
        {
            let request = Request::get(CLIENTS).header(header::AUTHORIZATION, &credentials);
            assert_not_let_in(&mint.over_tcp(request.body(Body::empty()).unwrap()).await, "credentials");
        }
        let mut twice = request(&Method::GET, CLIENTS, &good);
        twice.headers_mut().append(header::AUTHORIZATION, format!("Bearer {good}").parse().unwrap());
        assert_not_let_in(&mint.over_tcp(twice).await, "two");
    })
    .await;
}

#[tokio::test]
async fn a_token_lets_in_no_longer_than_it_is_good_and_its_client_enabled_and_granted() {
    with_mint(async |mint| {
        let ops = admin(mint, "ops", "admin:read").await;
        let token = token_for(mint, &ops, "admin:read").await;
        mint.later("299s").await;
        get(mint, CLIENTS, &token).await.assert_status(200);
        mint.later("1s").await;
        assert_not_let_in(&get(mint, CLIENTS, &token).await, "expired");

        let token = token_for(mint, &ops, "admin:read").await;
        mint.admin(Method::POST, "/admin/v1/clients/ops/disable", None).await.assert_status(200);
        assert_not_let_in(&get(mint, CLIENTS, &token).await, "disabled");
        mint.admin(Method::POST, "/admin/v1/clients/ops/enable", None).await.assert_status(200);
        get(mint, CLIENTS, &token).await.assert_status(200);

        // Somebody takes the scope away from the client: its token of before does not have it either.
        mint.usual_policy().await;
        let before = mint.app().admin.policy().client("ops").unwrap().client.clone();
        let scope = mintmark::oauth::Scope::parse("orders:read").unwrap().unwrap();
        let changed = mintmark::policy::Client { scope, version: before.version + 1, ..before };
        mint.app().recorder.act(Vec::new(), vec![Change::PutClient(changed)]).await.unwrap();
        mint.admin(Method::POST, "/admin/v1/clients/reader/disable", None).await.assert_status(200);
        get(mint, CLIENTS, &token).await.assert_problem(403);
    })
    .await;
}

/// Whoever stole a key can sign; what the log does not know lets nobody in, and raises the alarm.
#[tokio::test]
async fn a_token_without_a_record_lets_nobody_in_whoever_signed_it() {
    with_mint(async |mint| {
        let ops = admin(mint, "ops", ALL).await;
        let (stolen, pkcs8) = KeyPair::generate(Algorithm::Es256, &SeededEntropy::new(b"thief")).unwrap();
        crate::imported::bring_in(mint, pkcs8.as_bytes()).await;
        let (_, mut claims) = mint.token(&ops, "scope=admin:keys").await.assert_token();
        let copy = crate::auditing::signed_outside(&stolen, &claims);
        assert_not_let_in(&get(mint, "/admin/v1/keys", &copy).await, "a copy");
        claims["jti"] = json!("made-up");
        claims["scope"] = json!(ALL);
        let forged = crate::auditing::signed_outside(&stolen, &claims);
        assert_not_let_in(&get(mint, "/admin/v1/keys", &forged).await, "forged");
        let alarms = mint.logged(EventType::TokenUnrecorded).await;
        assert_eq!(alarms.len(), 2);
        assert_eq!(alarms[0].body["via"], "tcp");
    })
    .await;
}

#[tokio::test]
async fn while_the_log_cannot_be_read_nobody_is_let_in_and_nobody_is_told_that_the_token_is_bad() {
    with_mint(async |mint| {
        let ops = admin(mint, "ops", "admin:read").await;
        let token = token_for(mint, &ops, "admin:read").await;
        mint.app().store.close().await;
        let answer = get(mint, CLIENTS, &token).await;
        answer.assert_problem(503);
        assert!((1..=5).contains(&answer.retry_after()));
        assert_eq!(answer.header("www-authenticate"), "");
        mint.crash().await;
        get(mint, CLIENTS, &token).await.assert_status(200);
    })
    .await;
}

#[tokio::test]
async fn who_was_not_let_in_is_in_the_log_within_bounds() {
    with_mint(async |mint| {
        let ops = admin(mint, "ops", "admin:read").await;
        let token = token_for(mint, &ops, "admin:read").await;
        for _ in 0..50 {
            mint.over_tcp(Request::get(CLIENTS).body(Body::empty()).unwrap()).await.assert_status(401);
            get(mint, CLIENTS, "x").await.assert_status(401);
            get(mint, "/admin/v1/audit/entries", &token).await.assert_status(403);
        }
        mint.later("1m").await;
        let told: Vec<_> =
            mint.logged(EventType::TokenDenied).await.into_iter().map(|entry| entry.body).collect();
        let mut told: Vec<_> = told
            .iter()
            .map(|body| {
                (body["reason"].as_str().unwrap(), &body["client_id"], body["count"].as_u64().unwrap())
            })
            .collect();
        told.sort_by_key(|(reason, _, count)| (*reason, *count));
        let (ops, nobody) = (json!("ops"), Value::Null);
        assert_eq!(
            told,
            [
                ("insufficient_scope", &ops, 1),
                ("insufficient_scope", &ops, 49),
                ("invalid_token", &nobody, 50),
                ("no_token", &nobody, 50),
            ]
        );
        let first = &mint.logged(EventType::TokenDenied).await[0].body;
        assert_eq!(first["scope"], "admin:audit");
        assert_eq!(first["resource"], format!("{ISSUER}/admin"));
    })
    .await;
}

/// A page of another origin has no token, and what it can send without asking first does nothing.
#[tokio::test]
async fn a_browser_is_given_nothing_to_work_with() {
    with_mint(async |mint| {
        let ops = admin(mint, "ops", ALL).await;
        let token = token_for(mint, &ops, ALL).await;
        let all =
            [(Method::GET, CLIENTS, 200), (Method::OPTIONS, CLIENTS, 403), (Method::POST, CLIENTS, 415)];
        for (method, path, status) in all {
            for host in ["127.0.0.1:8081", "evil.test", "localhost"] {
                let mut request = request(&method, path, &token);
                let fields = [
                    ("host", host),
                    ("origin", "https://evil.test"),
                    ("access-control-request-method", "POST"),
                    ("access-control-request-headers", "authorization"),
                    ("cookie", "session=1"),
                ];
                for (name, value) in fields {
                    request.headers_mut().insert(name, value.parse().unwrap());
                }
                let answer = mint.over_tcp(request).await;
                answer.assert_status(status);
                let allowed = answer.headers.keys().any(|name| name.as_str().starts_with("access-control-"));
                assert!(!allowed, "{:?}", answer.headers);
                assert_eq!(answer.header("set-cookie"), "");
            }
        }
        let body = json!({ "client_id": "x", "scope": "admin:read" }).to_string();
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            let mut request = request(&Method::POST, CLIENTS, &token);
            request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
            *request.body_mut() = Body::from(body.clone());
            mint.over_tcp(request).await.assert_problem(415);
        }
        let preflight = Request::options(CLIENTS).header("origin", "https://evil.test");
        assert_not_let_in(&mint.over_tcp(preflight.body(Body::empty()).unwrap()).await, "");
    })
    .await;
}

#[tokio::test]
async fn a_body_is_read_in_one_way_or_not_at_all() {
    with_mint(async |mint| {
        let ops = admin(mint, "ops", ALL).await;
        let token = token_for(mint, &ops, ALL).await;
        let whole = r#"{"client_id":"x","scope":"admin:read"}"#;
        let with = |member: &str| whole.replace('}', &format!(",{member}}}")).into_bytes();
        let utf16: Vec<u8> = whole.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let nested = |depth: usize| with(&format!("\"claims\":{}", "[".repeat(depth) + &"]".repeat(depth)));
        let table: [(&str, Vec<u8>); 16] = [
            ("a repeated member", with("\"scope\":\"admin:keys\"")),
            ("a repeated member, spelled otherwise", with("\"s\\u0063ope\":\"admin:keys\"")),
            ("a repeated member within", with("\"claims\":{\"a\":1,\"a\":2}")),
            ("33 levels", nested(32)),
            ("40 000 levels", "[".repeat(40_000).into_bytes()),
            ("a number that is none", with("\"access_token_lifetime\":NaN")),
            ("a number without end", with("\"access_token_lifetime\":1e999")),
            ("a byte order mark", [b"\xef\xbb\xbf", whole.as_bytes()].concat()),
            ("UTF-16", utf16),
            (
                "UTF-16 with its mark",
                [b"\xff\xfe".to_vec(), whole.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat(),
            ),
            (
                "bytes that are no UTF-8",
                with("\"client_name\":\"\u{e9}\"").into_iter().filter(|byte| *byte != 0xC3).collect(),
            ),
            ("half a pair", with("\"client_name\":\"\\ud800\"")),
            ("two values", format!("{whole}{whole}").into_bytes()),
            ("a NUL behind it", format!("{whole}\0").into_bytes()),
            ("a comment", format!("{whole}//").into_bytes()),
            ("nothing", Vec::new()),
        ];
        let send = async |path: &str, body: Vec<u8>| {
            let mut request = request(&Method::POST, path, &token);
            request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
            *request.body_mut() = Body::from(body);
            mint.over_tcp(request).await
        };
        for (what, body) in table {
            for path in
                [CLIENTS, "/admin/v1/clients/ops/secrets", "/admin/v1/keys/rotate", "/admin/v1/audit/find"]
            {
                let answer = send(path, body.clone()).await;
                assert_eq!(answer.status, 400, "{what} to {path}: {}", answer.text());
                answer.assert_problem(400);
            }
        }
        let padded = |size: usize| format!("{whole}{}", " ".repeat(size - whole.len())).into_bytes();
        send(CLIENTS, padded(64 * 1024 + 1)).await.assert_status(413);
        send(CLIENTS, padded(64 * 1024)).await.assert_status(201);
    })
    .await;
}
