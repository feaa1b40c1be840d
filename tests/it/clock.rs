//! The wall clock: when it is believed, what goes on when it is not, and that no date is special.

use std::time::Duration;

use axum::http::Method;
use mintmark::ambient::Clock as _;
use mintmark::app::{self, CannotStart, Purpose};
use mintmark::audit::event::EventType;
use mintmark::config::Settings;
use mintmark::jose::Algorithm;
use mintmark::time::Timestamp;
use serde_json::json;

use crate::harness::{ORDERS, START, TestClient, TestMint, with_mint};

/// What no clock shows in a process that started in 2026.
const INSANE: [&str; 6] = [
    "1970-01-01T00:00:00Z",
    "1980-01-06T00:00:00Z",
    "2025-12-31T23:59:59Z",
    "2036-11-22T12:00:00Z",
    "2038-01-19T03:14:08Z",
    "2106-02-07T06:28:16Z",
];

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// A token of this moment, good for its whole lifetime, by the keys of this moment.
async fn assert_issued(mint: &TestMint, client: &TestClient) -> u64 {
    let answer = mint.token(client, "").await;
    let (_, claims) = answer.assert_token();
    let (iat, exp) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    assert_eq!((exp - iat, &answer.json()["expires_in"]), (600, &json!(600)));
    mint.judge(&answer.access_token().unwrap(), &mint.jwks().await, ORDERS).unwrap();
    iat
}

#[tokio::test]
async fn by_a_clock_that_cannot_be_right_nothing_is_issued_and_everything_is_once_it_is() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let (jwks, size) = (mint.get("/.well-known/jwks.json").await.body, mint.log().await.len());
        for (nth, wrong) in INSANE.into_iter().enumerate() {
            mint.clock().set_wall(time(wrong));
            let refused = mint.token(&reader, "").await;
            assert!((1..=5).contains(&refused.assert_refused(503, "temporarily_unavailable").retry_after()));
            let told = mint.get("/readyz").await;
            let told = told.assert_status(503).json()["complaints"][0].as_str().unwrap().to_owned();
            assert!(told.starts_with(&format!("clock: the wall clock shows {}", &wrong[..19])), "{told}");
            assert!(told.contains("; set the clock of this machine"), "{told}");
            mint.get("/livez").await.assert_status(200);
            assert_eq!(mint.get("/.well-known/jwks.json").await.assert_status(200).body, jwks);

            mint.clock().set_wall(START);
            mint.get("/readyz").await.assert_status(200);
            assert_eq!(assert_issued(mint, &reader).await, START.seconds(), "{wrong}");
            assert_eq!(mint.log().await.len(), size + nth + 1, "{wrong}: the token is all that is recorded");
        }
        assert!(mint.logged(EventType::ClockSkew).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_hour_forth_or_back_is_borne_and_the_way_back_is_told_once() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let hour = Duration::from_hours(1);
        for there in [START, START.plus(hour), START, START.minus(hour), START] {
            mint.clock().set_wall(there);
            for _ in 0..3 {
                assert_eq!(assert_issued(mint, &reader).await, there.seconds());
            }
        }
        let told = mint.logged(EventType::ClockSkew).await;
        let told: Vec<_> = told.iter().map(|skew| (&skew.body["before"], &skew.body["after"])).collect();
        let text = |at: Timestamp| json!(at.to_string());
        let (later, start, earlier) = (text(START.plus(hour)), text(START), text(START.minus(hour)));
        assert_eq!(told, [(&later, &start), (&start, &earlier)]);
    })
    .await;
}

#[tokio::test]
async fn a_request_before_the_first_token_may_meet_an_insane_clock() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.clock().set_wall(time("2106-02-07T06:28:16Z"));
        mint.token(&reader, "").await.assert_refused(503, "temporarily_unavailable");
        mint.clock().set_wall(START.minus(Duration::from_secs(2)));
        assert_eq!(assert_issued(mint, &reader).await, START.seconds() - 2);
    })
    .await;
}

#[tokio::test]
async fn by_a_clock_that_cannot_be_right_no_service_starts_and_nothing_is_written() {
    with_mint(async |mint| {
        let size = mint.log().await.len();
        crate::starting::stop(mint).await;
        let before = mint.store_bytes();
        for wrong in ["1970-01-01T00:00:00Z", "2025-12-31T23:59:59Z"] {
            mint.clock().set_wall(time(wrong));
            let fault = mint.reopen().await.unwrap_err();
            assert!(matches!(fault, CannotStart::Clock(_)) && fault.is_taken(), "exit code 1: {fault}");
            let line = fault.to_string();
            assert_eq!(
                line,
                format!(
                    "the wall clock shows {}, which is before this program was made; \
                     set the clock of this machine, then start again",
                    time(wrong)
                )
            );
            let fresh = tempfile::tempdir().unwrap();
            let environment = [
                ("MINTMARK_ISSUER".to_owned(), "https://auth.example.com".to_owned()),
                ("MINTMARK_DATA_DIR".to_owned(), fresh.path().join("data").display().to_string()),
            ];
            let settings = Settings::load(None, &environment).unwrap();
            assert!(matches!(mint.open_elsewhere(&settings).await, Err(CannotStart::Clock(_))));
            assert!(!fresh.path().join("data").exists(), "not even the folder");
        }
        assert!(mint.store_bytes() == before, "the store was written");
        mint.clock().set_wall(START);
        mint.reopen().await.unwrap();
        assert_eq!(mint.log().await.len(), size + 2, "only node.stopped and node.started came since");
    })
    .await;
}

/// 2^31 and 2^32 seconds after the epoch fall into these days.
#[tokio::test]
async fn the_ends_of_smaller_clocks_are_days_like_any_other() {
    for start in ["2038-01-19T03:14:00Z", "2106-02-07T06:28:00Z"] {
        let start = time(start);
        let mut mint = TestMint::start_at(start, &[]).await;
        let reader = mint.usual_policy().await;
        mint.scope("scarce", ORDERS, "2/1m").await;
        let eager = mint.client("eager", json!({ "scope": "scarce", "default_scope": "scarce" })).await;
        let first = mint.token(&reader, "").await.access_token().unwrap();
        assert_eq!(assert_issued(&mint, &reader).await, start.seconds());

        // Over the edge, second by second; the token from before stays good.
        for second in 1..=16 {
            mint.clock().advance(Duration::from_secs(1));
            assert_eq!(assert_issued(&mint, &reader).await, start.seconds() + second);
            mint.judge(&first, &mint.jwks().await, ORDERS).unwrap();
        }
        mint.get("/readyz").await.assert_status(200);

        // Limits and refusals count on.
        for _ in 0..2 {
            mint.token(&eager, "").await.assert_token();
        }
        let limited = mint.token(&eager, "").await;
        assert_eq!(limited.assert_refused(429, "rate_limited").retry_after(), 30);
        mint.token(&eager.with_secret("wrong"), "").await.assert_refused(401, "invalid_client");
        mint.later("1m").await;
        mint.token(&eager, "").await.assert_token();
        let denials = mint.logged(EventType::TokenDenied).await;
        assert_eq!(denials.len(), 2);
        assert!(denials.iter().all(|denial| denial.leaf.ts >= start && denial.leaf.ts <= mint.clock().now()));

        // Identifiers sort by their time, and the log by its own.
        let issued = mint.logged(EventType::TokenIssued).await;
        let jtis: Vec<_> = issued.iter().map(|entry| jti_millis(&entry.body["jti"])).collect();
        assert!(jtis.is_sorted() && jtis[0] == start.micros() / 1_000, "{jtis:?}");

        // Keys rotate, and a restart finds everything.
        let kid = || mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid;
        let before = kid();
        mint.later("14d").await;
        assert_ne!(kid(), before);
        mint.restart().await;
        assert_issued(&mint, &reader).await;
        let rotated = mint.admin(Method::POST, "/admin/v1/keys/rotate", Some(json!({ "now": true }))).await;
        rotated.assert_status(200);
        assert_issued(&mint, &reader).await;
        mint.finish().await;
    }
}

fn jti_millis(jti: &serde_json::Value) -> u64 {
    let bytes = mintmark::digest::base64url_decode(jti.as_str().unwrap()).unwrap();
    bytes[..6].iter().fold(0, |millis, byte| millis << 8 | u64::from(*byte))
}

/// `init` asks no clock, since what it makes has no time in it.
#[tokio::test]
async fn a_store_can_be_made_at_any_time_and_is_opened_when_the_clock_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("MINTMARK_ISSUER".to_owned(), "https://auth.example.com".to_owned()),
        ("MINTMARK_DATA_DIR".to_owned(), folder.path().join("data").display().to_string()),
    ];
    let settings = Settings::load(None, &environment).unwrap();
    app::make_store(&settings, Purpose::Service).await.unwrap();
    with_mint(async |mint| {
        mint.clock().set_wall(Timestamp::default());
        let fault = mint.open_elsewhere(&settings).await.unwrap_err();
        assert!(matches!(fault, CannotStart::Clock(_)), "{fault}");
        mint.clock().set_wall(START);
        mint.open_elsewhere(&settings).await.unwrap();
    })
    .await;
}
