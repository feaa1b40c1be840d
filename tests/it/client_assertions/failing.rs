//! Bad assertions count like wrong secrets, and keep out nobody who signed well lately.

use serde_json::json;

use super::{Machine, ask, usual_machine};
use crate::harness::{TestClient, TestMint, with_mint};

/// An assertion that somebody else signed in the client's name.
fn forged(mint: &TestMint, jti: usize) -> String {
    let stranger = Machine::new("web", mintmark::jose::Algorithm::EdDsa, 99);
    stranger.assertion(mint, &format!("forged-{jti}"))
}

/// How many of twenty forgeries were looked at.
async fn looked_at(mint: &TestMint) -> usize {
    let mut looked_at = 0;
    for jti in 0..20 {
        let answer = ask(mint, &forged(mint, jti)).await;
        match answer.status.as_u16() {
            401 => looked_at += 1,
            _ => drop(answer.assert_refused(429, "rate_limited")),
        }
    }
    looked_at
}

#[tokio::test]
async fn ten_bad_assertions_are_looked_at_and_then_none() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        assert_eq!(looked_at(mint).await, 10);
        ask(mint, &web.assertion(mint, "good")).await.assert_refused(429, "rate_limited");
        // A secret for the same id counts with them.
        let guess = TestClient { id: "web".to_owned(), secret: "mms_guess".to_owned() };
        mint.token(&guess, "").await.assert_refused(429, "rate_limited");
        mint.later("6s").await;
        ask(mint, &web.assertion(mint, "good")).await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn who_was_let_in_goes_on_whatever_fails_beside_it() {
    with_mint(async |mint| {
        let web = usual_machine(mint).await;
        ask(mint, &web.assertion(mint, "first")).await.assert_token();
        assert_eq!(looked_at(mint).await, 10, "a forgery in its name is told what all are told");
        ask(mint, &web.assertion(mint, "second")).await.assert_token();
        let used = ask(mint, &web.assertion(mint, "second")).await;
        used.assert_refused(401, "invalid_client");
        mint.later("61m").await;
        assert_eq!(looked_at(mint).await, 10);
        ask(mint, &web.assertion(mint, "third")).await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_counts_too() {
    with_mint(async |mint| {
        usual_machine(mint).await;
        let mut answers = Vec::new();
        for _ in 0..12 {
            answers.push(ask(mint, "a.b.c").await.status.as_u16());
        }
        assert_eq!(json!(answers), json!([[401; 10].as_slice(), &[429; 2]].concat()));
    })
    .await;
}
