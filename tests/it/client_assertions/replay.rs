//! An assertion is used once: at once, later, after a crash, by many at the same time, whatever a clock shows.

use std::time::Duration;

use mintmark::ambient::Clock as _;
use serde_json::json;

use super::{ask, form, repeated, usual_machine};
use crate::harness::{START, TestMint, foreign_connection, with_mint};

async fn remembered(mint: &TestMint) -> i64 {
    let mut other = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
    sqlx::query_scalar("SELECT count(*) FROM used_assertions").fetch_one(&mut other).await.unwrap()
}

#[tokio::test]
async fn an_assertion_is_used_once() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        let jwt = web.assertion(mint, "once");
        ask(mint, &jwt).await.assert_token();
        ask(mint, &jwt).await.assert_refused(401, "invalid_client");
        // Signed anew it is the same assertion, and so it is with another scope.
        let mut claims = web.claims(mint, "once");
        claims["exp"] = json!(claims["exp"].as_u64().unwrap() + 600);
        ask(mint, &web.sign(&web.header(), &claims)).await.assert_refused(401, "invalid_client");
        mint.post_form(&form(&jwt, "&scope=orders:write")).await.assert_refused(401, "invalid_client");
        // Past its end, where clocks may differ.
        mint.later("75s").await;
        ask(mint, &jwt).await.assert_refused(401, "invalid_client");
        let late = web.claims(mint, "late");
        let late = web.sign(&web.header(), &late);
        mint.later("75s").await;
        ask(mint, &late).await.assert_token();
        ask(mint, &late).await.assert_refused(401, "invalid_client");
    })
    .await;
}

#[tokio::test]
async fn no_restart_and_no_crash_makes_it_good_again() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        let (first, second) = (web.assertion(mint, "first"), web.assertion(mint, "second"));
        ask(mint, &first).await.assert_token();
        mint.restart().await;
        ask(mint, &first).await.assert_refused(401, "invalid_client");
        ask(mint, &second).await.assert_token();
        mint.crash().await;
        for used in [&first, &second] {
            ask(mint, used).await.assert_refused(401, "invalid_client");
        }
        ask(mint, &web.assertion(mint, "third")).await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn of_fifty_at_once_exactly_one_is_let_in() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        for round in 0..3 {
            let jwt = web.assertion(mint, &format!("round {round}"));
            let answers = mint.send_all(repeated(&jwt, 50)).await;
            let (let_in, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
            assert_eq!((let_in.len(), refused.len()), (1, 49));
            for answer in refused {
                answer.assert_refused(401, "invalid_client");
            }
        }
        assert_eq!(mint.issued().await, 3);
    })
    .await;
}

/// A store that does not take it in lets nobody in, and does not hold it against the client.
#[tokio::test]
async fn what_could_not_be_noted_lets_nobody_in() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        let jwt = web.assertion(mint, "locked");
        let mut other = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        let answer = ask(mint, &jwt).await;
        answer.assert_refused(503, "temporarily_unavailable");
        assert!((1..=5).contains(&answer.retry_after()));
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        ask(mint, &jwt).await.assert_token();
        ask(mint, &jwt).await.assert_refused(401, "invalid_client");
    })
    .await;
}

#[tokio::test]
async fn used_assertions_are_forgotten_when_no_clock_takes_them_any_more() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        mint.later("10m").await;
        ask(mint, &web.assertion(mint, "early")).await.assert_token();
        mint.later("2m").await;
        mint.forget_assertions().await;
        assert_eq!(remembered(mint).await, 1, "a clock may take it still");
        mint.later("1h").await;
        ask(mint, &web.assertion(mint, "late")).await.assert_token();
        mint.forget_assertions().await;
        assert_eq!(remembered(mint).await, 1, "the first has gone");
        // The clock is set: what it shows proves nothing for a while.
        mint.clock().set_wall(mint.clock().now().plus(Duration::from_hours(48)));
        mint.forget_assertions().await;
        assert_eq!(remembered(mint).await, 1);
        mint.later("10m").await;
        mint.forget_assertions().await;
        assert_eq!(remembered(mint).await, 0);
        // A process need not live for long to forget.
        for _ in 0..2 {
            ask(mint, &web.assertion(mint, "again")).await.assert_token();
            mint.restart().await;
            mint.later("9m").await;
            mint.forget_assertions().await;
            assert_eq!(remembered(mint).await, 1);
            mint.later("1m").await;
            mint.forget_assertions().await;
            assert_eq!(remembered(mint).await, 0);
        }
    })
    .await;
}

/// Whatever was forgotten stays used, also when the clock goes back to where it would be good.
#[tokio::test]
async fn a_clock_that_steps_back_makes_nothing_good_again() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        mint.forget_assertions().await;
        let jwt = web.assertion(mint, "old");
        ask(mint, &jwt).await.assert_token();
        mint.later("2h").await;
        mint.forget_assertions().await;
        assert_eq!(remembered(mint).await, 0);
        mint.restart().await;
        mint.clock().set_wall(START);
        ask(mint, &jwt).await.assert_refused(401, "invalid_client");
        // Once the clock is right again, everybody goes on.
        mint.clock().set_wall(START.plus(Duration::from_hours(2)));
        ask(mint, &web.assertion(mint, "new")).await.assert_token();
    })
    .await;
}
