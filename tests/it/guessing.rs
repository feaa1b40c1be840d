//! Guesses are limited before anything is hashed, and whoever is right is not.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{Method, Request};
use mintmark::http::accept::PeerAddress;
use serde_json::json;

use crate::harness::{Answer, TestClient, TestMint, with_mint, with_settings};

/// Where the client is at home.
const HOME: &str = "198.51.100.7:40000";
/// Where somebody guesses.
const ELSEWHERE: &str = "203.0.113.66:50000";

/// The request as it comes over a connection from there.
fn from(peer: &str, mut request: Request<Body>) -> Request<Body> {
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(PeerAddress(peer));
    request
}

fn forwarded(chain: &str, mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("x-forwarded-for", chain.parse().unwrap());
    request.headers_mut().insert("forwarded", format!("for={chain}").parse().unwrap());
    request
}

fn guess(client: &TestClient, number: usize) -> Request<Body> {
    client.with_secret(&format!("mms_guess-{number}")).request("scope=orders:read")
}

fn nobody(id: &str) -> TestClient {
    TestClient { id: id.to_owned(), secret: "mms_wrong".to_owned() }
}

/// Sends them one after the other; how many were looked at before the others were throttled.
async fn looked_at(mint: &TestMint, requests: impl IntoIterator<Item = Request<Body>>) -> usize {
    let (mut looked_at, mut throttled) = (0, 0);
    for request in requests {
        let answer = mint.send(request).await;
        if answer.status == 401 {
            answer.assert_refused(401, "invalid_client");
            assert_eq!(throttled, 0, "no time has passed");
            looked_at += 1;
        } else {
            assert_throttled(&answer, 1..=60);
            throttled += 1;
        }
    }
    looked_at
}

/// Too many failures, for so many seconds and up to five more.
#[track_caller]
fn assert_throttled(answer: &Answer, seconds: std::ops::RangeInclusive<u64>) {
    answer.assert_refused(429, "rate_limited");
    let told = answer.retry_after();
    assert!((seconds.start() + 1..=seconds.end() + 5).contains(&told), "{told}");
    for field in ["ratelimit", "ratelimit-policy", "www-authenticate"] {
        assert_eq!(answer.header(field), "");
    }
}

#[tokio::test]
async fn of_200_wrong_secrets_at_the_same_time_at_most_as_many_are_looked_at_as_may_fail() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let guesses = (0..200).map(|number| from(ELSEWHERE, guess(&reader, number))).collect();
        let mut refused = 0;
        for answer in mint.send_all(guesses).await {
            match answer.status.as_u16() {
                401 => refused += 1,
                // No room to hash: not looked at, and charged nothing.
                503 => drop(answer.assert_refused(503, "temporarily_unavailable")),
                _ => assert_throttled(&answer, 1..=60),
            }
        }
        assert!((1..=10).contains(&refused), "{refused}");
        let rest = looked_at(mint, (200..220).map(|number| from(ELSEWHERE, guess(&reader, number)))).await;
        assert_eq!(refused + rest, 10, "what was not looked at was not charged");
    })
    .await;
}

#[tokio::test]
async fn after_a_hundred_failures_in_a_row_most_were_not_even_looked_at() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let guesses = (0..101).map(|number| from(ELSEWHERE, guess(&reader, number)));
        assert_eq!(looked_at(mint, guesses).await, 10);
        let throttled = mint.send(from(ELSEWHERE, guess(&reader, 0))).await;
        assert_throttled(&throttled, 6..=6);
        mint.later("6s").await;
        assert_eq!(looked_at(mint, (0..5).map(|number| from(ELSEWHERE, guess(&reader, number)))).await, 1);
    })
    .await;
}

#[tokio::test]
async fn ten_thousand_failures_elsewhere_do_not_lock_the_owner_out() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for batch in 0..20 {
            let guesses = (0..500).map(|number| from(ELSEWHERE, guess(&reader, batch * 500 + number)));
            let answers = mint.send_all(guesses.collect()).await;
            assert!(answers.iter().all(|answer| [401, 429, 503].contains(&answer.status.as_u16())));
        }
        mint.send(from(HOME, reader.request("scope=orders:read"))).await.assert_token();
        // The one who guesses has no luck with the right one either: it was not looked at.
        let from_elsewhere = mint.send(from(ELSEWHERE, guess(&reader, 0))).await;
        assert_throttled(&from_elsewhere, 1..=60);
    })
    .await;
}

#[tokio::test]
async fn who_was_let_in_before_goes_on_beside_a_guesser_behind_the_same_proxy() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let right = || from(HOME, reader.request("scope=orders:read"));
        mint.send(right()).await.assert_token();
        for _ in 0..4 {
            assert!(looked_at(mint, (0..20).map(|number| from(HOME, guess(&reader, number)))).await <= 10);
            mint.send(right()).await.assert_token();
            // What is remembered is over after five minutes; that the secret is right is not.
            mint.clock().advance(std::time::Duration::from_secs(301));
            assert!(looked_at(mint, (0..20).map(|number| from(HOME, guess(&reader, number)))).await <= 10);
            mint.send(right()).await.assert_token();
        }
        // A change of the client does not make the secret another one.
        let etag = mint.admin_get("/admin/v1/clients/reader").await.header("etag").to_owned();
        let change = Some(json!({ "client_name": "Reader" }));
        let seen = [("if-match", &*etag)];
        let patched = mint.admin_with(Method::PATCH, "/admin/v1/clients/reader", change, &seen).await;
        patched.assert_status(200);
        mint.send(right()).await.assert_token();
        // Only a restart forgets that: then it needs a permit like everybody, and the budgets are full again.
        mint.restart().await;
        mint.send(right()).await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn two_hundred_first_requests_with_the_right_secret_need_one_permit() {
    with_settings(&[("MINTMARK_LIMITS__ATTEMPTS", "1/1d")], async |mint| {
        let reader = mint.usual_policy().await;
        let requests = (0..200).map(|_| from(HOME, reader.request("scope=orders:read"))).collect();
        for answer in mint.send_all(requests).await {
            answer.assert_token();
        }
    })
    .await;
}

/// An answer without what tells this request from others.
fn looks(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let id = answer.json()["request_id"].as_str().unwrap().to_owned();
    let fields =
        answer.headers.iter().filter(|(name, _)| !["content-length", "retry-after"].contains(&name.as_str()));
    let fields = fields.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (answer.status.as_u16(), fields, answer.text().replace(&id, "…"))
}

#[tokio::test]
async fn registered_and_unknown_ids_are_throttled_alike() {
    with_settings(&[("MINTMARK_LIMITS__SOURCE_ATTEMPTS", "12/1m")], async |mint| {
        let reader = mint.usual_policy().await;
        let other = mint.client("other", json!({ "scope": "orders:read" })).await;
        // From a source each: the same story, first of a known id, then of one that nobody has.
        let mut stories = Vec::new();
        for (peer, first, second) in
            [("192.0.2.1:1", &reader, &other), ("192.0.2.2:1", &nobody("somebody"), &nobody("someone"))]
        {
            let mut story = Vec::new();
            for (client, count) in [(first, 12), (&nobody("noise"), 30), (second, 3), (first, 2)] {
                for number in 0..count {
                    let answer = mint.send(from(peer, guess(client, number))).await;
                    story.push(looks(&answer));
                }
            }
            stories.push(story);
        }
        assert_eq!(stories[0], stories[1]);
        assert!(stories[0].iter().any(|(status, ..)| *status == 429));
    })
    .await;
}

#[tokio::test]
async fn an_exhausted_source_keeps_out_who_failed_there_and_nobody_else() {
    with_settings(&[("MINTMARK_LIMITS__SOURCE_ATTEMPTS", "3/1m")], async |mint| {
        let reader = mint.usual_policy().await;
        let other = mint.client("other", json!({ "scope": "orders:read" })).await;
        let unknown = (0..10).map(|number| from(HOME, guess(&nobody(&format!("x{number}")), number)));
        assert_eq!(looked_at(mint, unknown).await, 3);
        mint.send(from(HOME, reader.request("scope=orders:read"))).await.assert_token();
        assert_throttled(&mint.send(from(HOME, guess(&other, 0))).await, 20..=20);
        // It failed from there: now it has to wait, but not elsewhere.
        let right = |peer| from(peer, other.request("scope=orders:read"));
        assert_throttled(&mint.send(right(HOME)).await, 20..=20);
        mint.send(right(ELSEWHERE)).await.assert_token();
        // Once it was right, it goes on there too.
        mint.send(right(HOME)).await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn sources_are_ipv4_addresses_and_ipv6_networks() {
    with_settings(&[("MINTMARK_LIMITS__ATTEMPTS", "2/1m")], async |mint| {
        let reader = mint.usual_policy().await;
        for (one, other) in
            [("192.0.2.1:1", "[::ffff:192.0.2.1]:2"), ("[2001:db8::1]:1", "[2001:db8::ffff:1:2:3]:1")]
        {
            assert_eq!(looked_at(mint, (0..3).map(|number| from(one, guess(&reader, number)))).await, 2);
            assert_eq!(looked_at(mint, [from(other, guess(&reader, 9))]).await, 0, "{other}");
        }
        for fresh in ["192.0.2.2:1", "[2001:db8:0:1::1]:1"] {
            assert_eq!(looked_at(mint, [from(fresh, guess(&reader, 9))]).await, 1, "{fresh}");
        }
    })
    .await;
}

#[tokio::test]
async fn only_a_trusted_proxy_can_say_that_a_guess_comes_from_elsewhere() {
    let settings =
        [("MINTMARK_PUBLIC__TRUSTED_PROXIES", "10.0.0.0/8"), ("MINTMARK_LIMITS__SOURCE_ATTEMPTS", "5/1m")];
    with_settings(&settings, async |mint| {
        mint.usual_policy().await;
        let guesses = |peer: &'static str| {
            (0..20).map(move |number| {
                let chain = format!("192.0.2.{number}, 192.0.2.{number}:4711");
                from(peer, forwarded(&chain, guess(&nobody(&format!("x{number}")), number)))
            })
        };
        assert_eq!(looked_at(mint, guesses(ELSEWHERE)).await, 5, "a stranger's word is worth nothing");
        assert_eq!(looked_at(mint, guesses("10.0.0.1:1")).await, 20, "a proxy's is");
        // The budgets are the sources', whichever proxy they come through.
        for proxy in ["[::ffff:10.0.0.1]:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"] {
            assert_eq!(looked_at(mint, guesses(proxy)).await, 20, "{proxy}");
        }
        assert_eq!(looked_at(mint, guesses("10.0.0.5:1")).await, 0);
    })
    .await;
}

#[tokio::test]
async fn guesses_count_alike_at_every_endpoint_and_by_every_method() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let wrong = reader.with_secret("mms_wrong");
        let form = "grant_type=client_credentials&client_id=reader&client_secret=mms_wrong";
        let requests = || {
            [
                from(HOME, wrong.request("")),
                from(HOME, wrong.request_to("/oauth2/introspect", "token=x")),
                from(HOME, wrong.request_to("/oauth2/revoke", "token=x")),
                from(HOME, crate::harness::form_request(form)),
                // Longer than any secret: refused unhashed, and counted.
                from(HOME, reader.with_secret(&"x".repeat(300)).request("")),
            ]
        };
        assert_eq!(looked_at(mint, requests().into_iter().chain(requests())).await, 10);
        let mut seen = Vec::new();
        for request in requests() {
            let answer = mint.send(request).await;
            assert_throttled(&answer, 6..=6);
            seen.push(looks(&answer));
        }
        assert!(seen.iter().all(|looks| *looks == seen[0]), "{seen:?}");
    })
    .await;
}
