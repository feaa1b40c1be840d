//! More is asked for than can be done: who is told to come again, that it costs nothing, and what goes on all the same.

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt as _;
use mintmark::limits::turns::{Turn, TurnsReading};
use serde_json::json;

use crate::harness::{ORDERS, TestClient, TestMint, with_mint};

/// A client whose limit shows what was charged.
async fn counted(mint: &TestMint) -> TestClient {
    mint.resource(ORDERS, "ES256").await;
    mint.scope("orders:read", ORDERS, "1000/1h").await;
    let client =
        mint.client("reader", json!({ "scope": "orders:read", "default_scope": "orders:read" })).await;
    mint.token(&client, "").await.assert_status(200);
    client
}

/// Every turn there is, taken by a stranger.
async fn all_turns(mint: &TestMint) -> Vec<Turn> {
    let mut taken = Vec::new();
    for _ in 0..mint.app().turns.reading().limit {
        taken.push(mint.app().turns.take(u32::MAX).await.unwrap());
    }
    taken
}

fn turns(mint: &TestMint) -> TurnsReading {
    mint.app().turns.reading()
}

/// Lets everybody else go on until this holds, without letting any time pass.
async fn until(holds: impl Fn() -> bool) {
    tokio::time::pause();
    while !holds() {
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
}

#[tokio::test]
async fn who_gets_no_turn_is_told_to_come_again_and_is_charged_and_recorded_nothing() {
    with_mint(async |mint| {
        let reader = counted(mint).await;
        let all = all_turns(mint).await;
        for _ in 0..3 {
            let refused = mint.token(&reader, "").await;
            refused.assert_refused(503, "temporarily_unavailable");
            assert!((1..=5).contains(&refused.retry_after()));
            assert_eq!(refused.header("ratelimit"), "");
        }
        assert_eq!((turns(mint).waiting, turns(mint).turned_away), (0, 3));
        mint.token(&reader, "scope=unknown").await.assert_refused(400, "invalid_scope");
        mint.token(&reader.with_secret("wrong"), "").await.assert_refused(401, "invalid_client");

        drop(all);
        let answer = mint.token(&reader, "").await;
        assert!(
            answer.assert_status(200).header("ratelimit").contains(";r=998;"),
            "{}",
            answer.header("ratelimit")
        );
        assert_eq!(mint.issued().await, 2, "no record of who was turned away");
        assert_eq!(turns(mint).in_use, 0);
    })
    .await;
}

#[tokio::test]
async fn documents_and_the_admin_socket_go_on_whoever_waits() {
    with_mint(async |mint| {
        let reader = counted(mint).await;
        let token = mint.token(&reader, "").await.access_token().unwrap();
        mint.tick().await;
        let all = all_turns(mint).await;
        let waiting = mint.token(&reader, "");
        let meanwhile = async {
            until(|| turns(mint).waiting > 0).await;
            for path in [
                "/.well-known/jwks.json",
                "/.well-known/oauth-authorization-server",
                "/livez",
                "/readyz",
                "/log/checkpoint",
                "/log/vkey",
            ] {
                mint.get(path).await.assert_status(200);
            }
            // There is little to do, so there is room for the lower classes too.
            mint.introspect(&reader, &token).await.assert_status(200);
            mint.get("/log/tile/0/000.p/1").await.assert_status(200);
            mint.admin_get("/admin/v1/clients/reader").await.assert_status(200);
            drop(all);
        };
        // Whether the one that waited had the patience is not asked here.
        tokio::join!(waiting, meanwhile);
        assert!(mint.app().rooms.readings().iter().all(|room| (room.in_use, room.turned_away) == (0, 0)));
    })
    .await;
}

#[tokio::test]
async fn who_goes_away_while_waiting_leaves_the_line_and_nothing_is_done_for_it() {
    with_mint(async |mint| {
        let reader = counted(mint).await;
        let all = all_turns(mint).await;
        let served = mint.serve().await;
        let connection = served.send(&on_the_wire(reader.request("")).await).await;
        until(|| turns(mint).waiting > 0).await;
        drop(connection);
        until(|| turns(mint).waiting == 0).await;
        assert_eq!(turns(mint).turned_away, 0, "it left, and was not turned away");
        drop(all);
        served.close().await;
        assert_eq!((turns(mint).in_use, mint.issued().await), (0, 1));
        let answer = mint.token(&reader, "").await;
        assert!(answer.assert_status(200).header("ratelimit").contains(";r=998;"), "it was charged nothing");
    })
    .await;
}

/// The bytes of this request in HTTP/1.1.
async fn on_the_wire(request: Request<Body>) -> Vec<u8> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let fields = parts.headers.iter().filter(|(name, _)| *name != header::CONTENT_LENGTH);
    let fields: String =
        fields.map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap())).collect();
    let head = format!(
        "{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{fields}",
        parts.method,
        parts.uri,
        body.len()
    );
    [head.as_bytes(), b"\r\n", &body].concat()
}
