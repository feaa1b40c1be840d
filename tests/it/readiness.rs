//! What `/readyz` tells of the background tasks, and what goes on whatever it tells.

use std::time::Duration;

use mintmark::ambient::Clock as _;
use mintmark::jose::Algorithm;
use mintmark::store::Store;
use mintmark::telemetry::Cadence;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::harness::{START, TestMint, foreign_connection, with_mint};

const PATIENCE: Duration = Duration::from_secs(20);

async fn complaints(mint: &TestMint, status: u16) -> Vec<String> {
    let answer = mint.get("/readyz").await;
    let body = answer.assert_status(status).assert_json_that_nobody_keeps().json();
    assert_eq!(body["ready"], status == 200, "{body}");
    assert_eq!(mint.get("/health/ready").await.body, answer.body);
    serde_json::from_value(body["complaints"].clone()).unwrap()
}

/// What no background task is needed for.
async fn assert_unharmed(mint: &TestMint) {
    for path in ["/livez", "/health/alive", "/.well-known/jwks.json", "/.well-known/openid-configuration"] {
        mint.get(path).await.assert_status(200);
    }
}

#[tokio::test]
async fn a_task_without_a_sign_of_life_is_told_within_half_a_minute() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for (name, period) in [("keys", Duration::from_secs(1)), ("retention", Duration::from_hours(1))] {
            let heartbeat = mint.app().health.register(name, Cadence::steady(period), "do this");
            assert_eq!(complaints(mint, 200).await, [] as [String; 0]);
            let since = mint.clock().now();
            mint.clock().advance(Duration::from_secs(30));
            let told = format!(
                "{name}: no sign of life since {since}; restart the service unless it comes back by itself"
            );
            assert_eq!(complaints(mint, 503).await, [told]);
            assert_unharmed(mint).await;
            mint.token(&reader, "").await.assert_token();
            heartbeat.beat();
            assert_eq!(complaints(mint, 200).await, [] as [String; 0]);
            // Each task has its turn.
            mint.restart().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_wall_clock_that_is_set_makes_no_task_late() {
    with_mint(async |mint| {
        let _heartbeat =
            mint.app().health.register("keys", Cadence::steady(Duration::from_secs(1)), "do this");
        for hours in [1, 24] {
            mint.clock().set_wall(START.plus(Duration::from_hours(hours)));
            complaints(mint, 200).await;
            mint.clock().set_wall(START.minus(Duration::from_hours(hours)));
            complaints(mint, 200).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_task_that_fails_is_told_without_its_cause_and_one_that_complains_stays_in_service() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let keys = mint.app().health.register("keys", Cadence::steady(Duration::from_secs(1)), "look at the disk");
        keys.concern(Some("the next key of ES256 is missing; look at the disk".to_owned()));
        let concern = "keys: works, but since 2026-11-22T12:00:00.000000Z: the next key of ES256 is missing; look at the disk";
        assert_eq!(complaints(mint, 200).await, [concern]);

        mint.clock().advance(Duration::from_secs(2));
        keys.failed();
        mint.clock().advance(Duration::from_secs(2));
        keys.failed();
        let fails = "keys: fails since 2026-11-22T12:00:02.000000Z; look at the disk; the log has the cause under task=keys";
        assert_eq!(complaints(mint, 503).await, [fails, concern]);
        assert_unharmed(mint).await;
        mint.token(&reader, "").await.assert_token();

        keys.worked();
        keys.concern(None);
        assert_eq!(complaints(mint, 200).await, [] as [String; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_service_that_stops_is_not_ready() {
    with_mint(async |mint| {
        mint.app().health.stopping();
        let told = complaints(mint, 503).await;
        assert_eq!(told, ["stopping: the service was told to stop; send nothing more here"]);
        assert_unharmed(mint).await;
    })
    .await;
}

/// Asks until the complaints are as they ought to be.
async fn until(mint: &TestMint, wanted: impl Fn(&Value) -> bool) -> Value {
    let asking = async {
        loop {
            let body = mint.get("/readyz").await.json();
            if wanted(&body) {
                return body;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("readiness follows what happens")
}

/// Waits for the next probe of the store, which comes once a second, as every task does at least.
async fn probed(mint: &TestMint, store: &dyn Store) {
    mint.clock().advance(Duration::from_millis(1));
    let now = mint.clock().now().to_string();
    let probing = async {
        while store.fact("probe").await.unwrap().as_ref() != Some(&now) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, probing).await.expect("the store is probed");
}

fn names(readiness: &Value, name: &str) -> bool {
    let complaints = readiness["complaints"].as_array().unwrap();
    complaints.iter().any(|line| line.as_str().unwrap().starts_with(&format!("{name}: ")))
}

/// A backup reads for minutes. What is to be wiped from the file waits for it, and nothing else does.
#[tokio::test]
async fn who_reads_the_store_for_long_holds_up_neither_tokens_nor_readiness() {
    let sockets = tempfile::tempdir().unwrap();
    let socket = sockets.path().join("admin.sock");
    let settings = [("MINTMARK_ADMIN__SOCKET", socket.to_str().unwrap())];
    let mut mint = TestMint::start(&settings).await;
    let reader = mint.usual_policy().await;
    let mut backup = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
    sqlx::query("BEGIN").execute(&mut backup).await.unwrap();
    sqlx::query("SELECT count(*) FROM log_entries").fetch_one(&mut backup).await.unwrap();
    mint.token(&reader, "").await.assert_token();

    let store = mint.app().store.clone();
    let given_up = tokio::time::timeout(Duration::from_secs(1), store.flush()).await;
    given_up.expect("no record waits longer").expect_err("the backup still reads the write-ahead log");
    let (stop, stopped) = oneshot::channel();
    let running = mint.run(stopped).await;
    let told = until(&mint, |body| names(body, "retention")).await;
    assert_eq!(told["ready"], json!(true), "{told}");
    mint.token(&reader, "").await.assert_token();

    sqlx::query("ROLLBACK").execute(&mut backup).await.unwrap();
    store.flush().await.unwrap();
    stop.send(()).unwrap();
    running.await.unwrap();
    mint.reopen().await.unwrap();
    mint.finish().await;
}

/// The real loops, by the real timers, over the real router.
#[tokio::test]
async fn the_running_service_tells_what_is_in_the_way_and_when_it_is_gone() {
    let sockets = tempfile::tempdir().unwrap();
    let socket = sockets.path().join("admin.sock");
    let settings = [("MINTMARK_ADMIN__SOCKET", socket.to_str().unwrap())];
    let mut mint = TestMint::start(&settings).await;
    let reader = mint.usual_policy().await;
    let (rotator, store) = (mint.app().rotator.clone(), mint.app().store.clone());
    let signing = || rotator.ring().active(Algorithm::Es256).unwrap().kid;
    let first = signing();
    let (stop, stopped) = oneshot::channel();
    let running = mint.run(stopped).await;
    let ready = |body: &Value| body["ready"] == json!(true);

    // The store is held by somebody else.
    let mut other = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let told = until(&mint, |body| names(body, "store")).await;
    // Others may complain of the same disk beside it.
    let advises =
        |complaint: &Value| complaint.as_str().unwrap().contains("; look whether the disk under data_dir");
    assert!(told["complaints"].as_array().unwrap().iter().any(advises), "{told}");
    assert_unharmed(&mint).await;
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    sqlx::Connection::close(other).await.unwrap();
    until(&mint, ready).await;
    mint.token(&reader, "").await.assert_token();

    // The clock says that ten years have passed: no key goes for it, however often that is looked at.
    let right = mint.clock().now();
    mint.clock().set_wall(right.plus(Duration::from_hours(24 * 3_653)));
    until(&mint, |body| names(body, "clock")).await;
    for _ in 0..3 {
        probed(&mint, &*store).await;
    }
    assert_unharmed(&mint).await;
    mint.token(&reader, "").await.assert_refused(503, "temporarily_unavailable");
    mint.clock().set_wall(right);
    until(&mint, ready).await;
    assert_eq!(signing(), first);
    mint.token(&reader, "").await.assert_token();

    stop.send(()).unwrap();
    running.await.unwrap();
    mint.reopen().await.unwrap();
    mint.finish().await;
}
