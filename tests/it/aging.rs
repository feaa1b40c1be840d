//! Secrets in the course of time: when they were used, when they are due, and that no span of time ends one by itself.

use std::time::Duration;

use axum::http::Method;
use mintmark::admin::DueSecrets;
use mintmark::ambient::Clock as _;
use mintmark::audit::event::EventType;
use mintmark::store::Change;
use serde_json::{Value, json};

use crate::harness::{START, TestClient, TestMint, contains, with_mint};

const READER: &str = "/admin/v1/clients/reader";
const SECRETS: &str = "/admin/v1/clients/reader/secrets";
const DAY: u64 = 86_400;

async fn listed(mint: &TestMint) -> Vec<Value> {
    mint.admin_get(SECRETS).await.assert_status(200).json()["items"].as_array().unwrap().clone()
}

async fn rotate_every(mint: &TestMint, span: Value) {
    let change = Some(json!({ "rotate_every": span }));
    mint.admin_with(Method::PATCH, READER, change, &[("if-match", "*")]).await.assert_status(200);
}

async fn rotate(mint: &TestMint, client: &TestClient, overlap: u64) -> TestClient {
    let made = mint.admin(Method::POST, SECRETS, Some(json!({ "overlap": overlap }))).await;
    client.with_secret(made.assert_status(201).json()["client_secret"].as_str().unwrap())
}

/// What was said of due secrets: whether each was overdue.
async fn reminders(mint: &TestMint) -> Vec<bool> {
    let told = mint.logged(EventType::ClientSecretDue).await;
    told.iter().map(|told| told.body["overdue"].as_bool().unwrap()).collect()
}

fn due(mint: &TestMint) -> (u64, u64) {
    let DueSecrets { near, over } = mint.app().admin.due_secrets();
    (near, over)
}

#[tokio::test]
async fn a_use_is_shown_at_once_and_written_once_the_clock_has_settled() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let other = mint.client("other", json!({ "scope": "orders:read" })).await;
        mint.token(&other.with_secret(&reader.secret), "scope=orders:read")
            .await
            .assert_refused(401, "invalid_client");
        assert_eq!(listed(mint).await[0]["last_used_at"], Value::Null);
        mint.later("5s").await;
        mint.token(&reader, "").await.assert_token();
        assert_eq!(listed(mint).await[0]["last_used_at"], START.seconds() + 5);
        mint.later("10m").await;
        // By a remembered verification it is a use like any other; a refused request for a token is one too.
        mint.token(&reader, "scope=unknown").await.assert_refused(400, "invalid_scope");
        assert_eq!(listed(mint).await[0]["last_used_at"], START.seconds() + 605);
        mint.tick().await;
        mint.crash().await;
        assert_eq!(listed(mint).await[0]["last_used_at"], START.seconds() + 605, "it was written");
        mint.later("5s").await;
        mint.token(&reader, "").await.assert_token();
        mint.restart().await;
        assert_eq!(listed(mint).await[0]["last_used_at"], START.seconds() + 610, "also by an orderly end");
        let path = "/admin/v1/clients/other/secrets";
        assert_eq!(mint.admin_get(path).await.json()["items"][0]["last_used_at"], Value::Null);
    })
    .await;
}

/// Else each use would make the next one hash again, and every editor's version stale.
#[tokio::test]
async fn a_use_is_no_change_of_the_client_and_leaves_no_record() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        let (policy, entries) = (mint.app().admin.policy().version, mint.log().await.len());
        mint.tick().await;
        assert_eq!(mint.app().store.policy().await.unwrap().0.version, policy);
        assert_eq!(mint.log().await.len(), entries);
        assert_eq!(mint.admin_get(READER).await.header("etag"), "\"v1\"");
        // What is as it was is not written again.
        mint.later("1h").await;
        let written = mint.app().store.policy().await.unwrap().0;
        let at = written.client("reader").unwrap().secrets[0].last_used_at.unwrap();
        assert_eq!(at, START);
    })
    .await;
}

#[tokio::test]
async fn a_due_secret_is_told_of_when_it_nears_and_when_it_is_over_and_works_on() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        rotate_every(mint, json!(90 * DAY)).await;
        assert_eq!(listed(mint).await[0]["due_at"], START.seconds() + 90 * DAY);
        mint.later("80d").await;
        assert_eq!((reminders(mint).await.len(), due(mint)), (0, (0, 0)));
        for _ in 0..2 {
            mint.later("1d").await;
            assert_eq!((reminders(mint).await, due(mint)), (vec![false], (1, 0)));
        }
        mint.restart().await;
        mint.later("1m").await;
        assert_eq!(reminders(mint).await, [false], "once, whoever restarts");
        for _ in 0..3 {
            mint.later("9d").await;
            assert_eq!((reminders(mint).await, due(mint)), (vec![false, true], (0, 1)));
            mint.token(&reader, "").await.assert_token();
        }
        let told = mint.logged(EventType::ClientSecretDue).await;
        let secret_id = listed(mint).await[0]["secret_id"].clone();
        let body = json!({
            "object": "reader", "secret_id": secret_id, "due_at": "2027-02-20T12:00:00.000000Z", "overdue": true,
        });
        assert_eq!(told[1].body, body);
        assert_eq!(mint.admin_get(READER).await.header("etag"), "\"v2\"", "a reminder changes nothing");

        // Its successor ends it, after the overlap.
        let newer = rotate(mint, &reader, 3_600).await;
        assert_eq!(due(mint), (0, 0));
        let secrets = listed(mint).await;
        assert_eq!((&secrets[0]["due_at"], secrets[0]["expires_at"].is_u64()), (&Value::Null, true));
        assert!(secrets[1]["due_at"].is_u64());
        mint.later("59m").await;
        mint.token(&reader, "").await.assert_token();
        mint.later("1m").await;
        mint.token(&reader, "").await.assert_refused(401, "invalid_client");
        mint.token(&newer, "").await.assert_token();
        assert_eq!(reminders(mint).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn another_span_moves_what_is_due() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        mint.later("20d").await;
        rotate_every(mint, json!(10 * DAY)).await;
        mint.later("1m").await;
        assert_eq!((reminders(mint).await, due(mint)), (vec![true], (0, 1)), "over at once, and said once");
        rotate_every(mint, json!(60 * DAY)).await;
        mint.later("1m").await;
        assert_eq!((reminders(mint).await.len(), due(mint)), (1, (0, 0)));
        mint.later("35d").await;
        assert_eq!((reminders(mint).await, due(mint)), (vec![true, false], (1, 0)));
        rotate_every(mint, Value::Null).await;
        mint.later("90d").await;
        assert_eq!((reminders(mint).await.len(), due(mint)), (2, (0, 0)));
        assert_eq!(listed(mint).await[0]["due_at"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn of_a_disabled_client_nothing_is_due_until_it_is_enabled() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        rotate_every(mint, json!(DAY)).await;
        mint.admin(Method::POST, &format!("{READER}/disable"), None).await.assert_status(200);
        mint.later("5d").await;
        assert_eq!((reminders(mint).await.len(), due(mint)), (0, (0, 0)));
        mint.admin(Method::POST, &format!("{READER}/enable"), None).await.assert_status(200);
        mint.tick().await;
        assert_eq!((reminders(mint).await, due(mint)), (vec![true], (0, 1)));
    })
    .await;
}

/// What is noted or said in the minutes of a wrong clock would stay in the future.
#[tokio::test]
async fn a_clock_that_is_ahead_for_a_while_notes_nothing_and_reminds_nobody() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        rotate_every(mint, json!(90 * DAY)).await;
        let ended = rotate(mint, &reader, 60).await;
        mint.later("2m").await;
        let newer = rotate(mint, &ended, 60).await;
        mint.later("1h").await;
        let right = mint.clock().now();
        let ahead = Duration::from_hours(24 * 100);
        mint.clock().set_wall(right.plus(ahead));
        mint.token(&newer, "").await.assert_token();
        for _ in 0..9 {
            mint.tick().await;
            mint.clock().advance(Duration::from_mins(1));
        }
        mint.clock().set_wall(right.plus(Duration::from_mins(9)));
        mint.later("1m").await;
        mint.later("10m").await;
        assert_eq!(reminders(mint).await.len(), 0);
        let kept = mint.app().admin.policy().client("reader").unwrap().secrets.len();
        assert_eq!(kept, 3, "what ended lately is kept");
        mint.crash().await;
        let used = listed(mint).await[0]["last_used_at"].as_u64().unwrap();
        assert!(used <= mint.clock().now().seconds(), "{used}");

        // It was believed after all, and said that both is over. Once it is right, both is said in time.
        mint.clock().set_wall(mint.clock().now().plus(ahead));
        mint.later("1m").await;
        mint.later("10m").await;
        assert_eq!(reminders(mint).await, [true]);
        mint.clock().set_wall(mint.clock().now().minus(ahead));
        mint.later("1m").await;
        mint.later("82d").await;
        mint.later("9d").await;
        assert_eq!(reminders(mint).await, [true, false, true]);
    })
    .await;
}

/// Whoever sets a span for everybody at once does not fill the log at once.
#[tokio::test]
async fn reminders_are_bounded_and_none_is_lost() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let prototype = mint.app().admin.policy().client("reader").unwrap().clone();
        let mut changes = Vec::new();
        for n in 0..100 {
            let mut client = prototype.client.clone();
            client.id = mintmark::policy::ClientId::parse(&format!("c{n}")).unwrap();
            client.rotate_every = Some(Duration::from_hours(24));
            let mut secret = prototype.secrets[0].clone();
            secret.secret_id = format!("s{n}");
            changes.extend([Change::PutClient(client.clone()), Change::AddSecret(client.id, secret)]);
        }
        mint.app().recorder.act(Vec::new(), changes).await.unwrap();
        mint.restart().await;
        mint.later("2d").await;
        assert_eq!(reminders(mint).await.len(), 64);
        for _ in 0..2 {
            mint.later("1m").await;
            assert_eq!(reminders(mint).await, [true; 100]);
        }
        assert_eq!(due(mint), (0, 100));
    })
    .await;
}

#[tokio::test]
async fn what_ended_long_ago_is_forgotten() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let first = mint.app().admin.policy().client("reader").unwrap().secrets[0].phc.clone();
        let newer = rotate(mint, &reader, 60).await;
        let kept = || mint.app().admin.policy().client("reader").unwrap().secrets.len();
        mint.later("7d").await;
        assert_eq!(
            (kept(), listed(mint).await.len()),
            (2, 1),
            "kept for a while, for clocks that are set back"
        );
        let entries = mint.log().await.len();
        mint.later("2m").await;
        assert_eq!(kept(), 1);
        mint.app().store.flush().await.unwrap();
        assert!(!contains(&mint.store_bytes(), first.as_bytes()));
        assert_eq!(mint.admin_get(READER).await.header("etag"), "\"v2\"");
        mint.token(&newer, "").await.assert_token();
        let issued = 1;
        assert_eq!(mint.log().await.len(), entries + issued, "its end was recorded when it came");
    })
    .await;
}
