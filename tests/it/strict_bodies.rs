//! Bodies of the admin API: strict JSON of the route's form, and no answer that tells their values back.

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::json;

use crate::harness::{Answer, TestMint, with_mint};

const CLIENTS: &str = "/admin/v1/clients";

/// Sends a body as it is.
async fn send(
    mint: &TestMint,
    method: Method,
    path: &str,
    kind: Option<&str>,
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(kind) = kind {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    mint.admin_send(request.body(body.into()).unwrap()).await
}

async fn create(mint: &TestMint, body: serde_json::Value) -> Answer {
    mint.admin(Method::POST, CLIENTS, Some(body)).await
}

#[tokio::test]
async fn a_body_that_is_not_strict_json_is_refused() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let good = r#"{"client_id":"x","scope":"orders:read"}"#;
        let deep = format!(
            r#"{{"client_id":"x","scope":"orders:read","claims":{}1{}}}"#,
            r#"{"a":"#.repeat(40),
            "}".repeat(40)
        );
        let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let bad: Vec<(&str, Vec<u8>)> = vec![
            ("nothing", b"".to_vec()),
            ("an array", b"[]".to_vec()),
            ("an array of the values", br#"["x",null,"orders:read"]"#.to_vec()),
            ("a string", br#""x""#.to_vec()),
            ("null", b"null".to_vec()),
            ("trailing bytes", format!("{good}x").into_bytes()),
            ("two documents", format!("{good}{good}").into_bytes()),
            ("a byte order mark", [b"\xEF\xBB\xBF", good.as_bytes()].concat()),
            ("UTF-16", utf16),
            ("broken UTF-8", [good.as_bytes(), b"\xFF"].concat()),
            ("a repeated member", br#"{"client_id":"x","client_id":"x","scope":"orders:read"}"#.to_vec()),
            (
                "a repeated member, escaped",
                br#"{"client_id":"x","\u0063lient_id":"y","scope":"orders:read"}"#.to_vec(),
            ),
            (
                "a repeated claim",
                br#"{"client_id":"x","scope":"orders:read","claims":{"a":1,"a":2}}"#.to_vec(),
            ),
            ("an unknown member", br#"{"client_id":"x","scope":"orders:read","admin":true}"#.to_vec()),
            (
                "a member that only we set",
                br#"{"client_id":"x","scope":"orders:read","created_at":0}"#.to_vec(),
            ),
            ("another one", br#"{"client_id":"x","scope":"orders:read","updated_at":0}"#.to_vec()),
            ("a missing member", br#"{"client_id":"x"}"#.to_vec()),
            ("a wrong type", br#"{"client_id":1,"scope":"orders:read"}"#.to_vec()),
            ("a list as scope", br#"{"client_id":"x","scope":["orders:read"]}"#.to_vec()),
            ("NaN", br#"{"client_id":"x","scope":"orders:read","access_token_lifetime":NaN}"#.to_vec()),
            ("single quotes", b"{'client_id':'x','scope':'orders:read'}".to_vec()),
            ("a comment", br#"{"client_id":"x",/**/"scope":"orders:read"}"#.to_vec()),
            ("a trailing comma", br#"{"client_id":"x","scope":"orders:read",}"#.to_vec()),
            ("a form", b"client_id=x&scope=orders:read".to_vec()),
            ("a deep one", deep.into_bytes()),
            ("many brackets", vec![b'['; 60_000]),
        ];
        for (what, body) in bad {
            let answer = send(mint, Method::POST, CLIENTS, Some("application/json"), body).await;
            assert_eq!(answer.status, 400, "{what}: {}", answer.text());
            answer.assert_problem(400);
        }
        for kind in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/merge-patch+json"),
            Some("application/jsonx"),
        ] {
            send(mint, Method::POST, CLIENTS, kind, good).await.assert_problem(415);
        }
        for (length, status) in [(64 * 1024 + 1, 400), (1024 * 1024 + 1, 413)] {
            let answer =
                send(mint, Method::POST, CLIENTS, Some("application/json"), vec![b' '; length]).await;
            answer.assert_status(status);
        }
        mint.admin_get("/admin/v1/clients/x").await.assert_problem(404);
        send(mint, Method::POST, CLIENTS, Some("Application/JSON; charset=utf-8"), good)
            .await
            .assert_status(201);
    })
    .await;
}

#[tokio::test]
async fn a_secret_in_the_wrong_member_does_not_come_back() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let secret = "MIGHAgEAMBMGByqGSM49\", expected \"";
        let import = Some(json!({ "alg": secret, "pkcs8": "" }));
        let import = mint.admin(Method::POST, "/admin/v1/keys/import", import).await;
        let made = create(mint, json!({ "client_id": "a", "scope": "a", "claims": secret })).await;
        create(mint, json!({ "client_id": "b", "scope": "orders:read" })).await.assert_status(201);
        let change = Some(json!({ "access_token_lifetime": secret }));
        let path = "/admin/v1/clients/b";
        let changed = mint.admin_with(Method::PATCH, path, change, &[("if-match", "*")]).await;
        for answer in [import, made, changed] {
            assert!(!answer.assert_status(400).text().contains("MIGH"), "{}", answer.text());
        }
    })
    .await;
}
