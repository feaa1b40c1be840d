//! Scope limits at their edges: many at once, several scopes, live changes by every way there is, damage and noise.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{Method, Request, header};
use mintmark::audit::event::EventType;
use serde_json::{Value, json};

use crate::harness::{Answer, ORDERS, TestClient, TestMint, segment, with_mint};

/// Sets a scope of [`ORDERS`] that is there to a limit of `[count, period]` and these members.
async fn scope(mint: &TestMint, name: &str, limit: [u64; 2], more: Value) -> Answer {
    let mut body =
        json!({ "scope": name, "resource": ORDERS, "limit": { "count": limit[0], "period": limit[1] } });
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let path = format!("/admin/v1/scopes/{}", segment(name));
    mint.admin_with(Method::PUT, &path, Some(body), &[("if-match", "*")]).await
}

/// A resource with these scopes, and a client of all of them.
async fn client_of(mint: &TestMint, scopes: &[(&str, [u64; 2])]) -> TestClient {
    mint.resource(ORDERS, "ES256").await;
    for (name, [count, period]) in scopes {
        mint.scope(name, ORDERS, &format!("{count}/{period}s")).await;
    }
    let names: Vec<_> = scopes.iter().map(|(name, _)| *name).collect();
    mint.client("eager", json!({ "scope": names.join(" ") })).await
}

/// What is left of each scope of an answer, by its header.
fn left(answer: &Answer) -> Vec<String> {
    answer.header("ratelimit").split(", ").map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_500_at_the_same_time_exactly_five_are_served_over_real_sockets_too() {
    with_mint(async |mint| {
        let eager = client_of(mint, &[("scarce", [5, 60]), ("fewer", [5, 60])]).await;
        let answers = mint.send_all((0..500).map(|_| eager.request("scope=scarce")).collect()).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 5);
        assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 495);

        let socket = std::sync::Arc::new(mint.serve().await);
        let form = "grant_type=client_credentials&scope=fewer";
        let request = format!(
            "POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Authorization: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{form}",
            eager.basic(),
            form.len(),
        );
        let asking: Vec<_> = (0..500)
            .map(|_| {
                let (socket, request) = (socket.clone(), request.clone());
                tokio::spawn(async move { socket.exchange(request.as_bytes()).await })
            })
            .collect();
        let mut served = BTreeMap::new();
        for answer in asking {
            let answer = answer.await.unwrap();
            *served.entry(answer[..12].to_owned()).or_insert(0) += 1;
            if let Some((_, body)) =
                answer.split_once("\r\n\r\n").filter(|_| answer.starts_with("HTTP/1.1 200"))
            {
                let token =
                    serde_json::from_str::<Value>(body).unwrap()["access_token"].as_str().unwrap().to_owned();
                mint.ledger.lock().unwrap().push(token);
            }
        }
        let expected = [("HTTP/1.1 200".to_owned(), 5), ("HTTP/1.1 429".to_owned(), 495)];
        assert_eq!(served, BTreeMap::from(expected));
        std::sync::Arc::into_inner(socket).unwrap().close().await;
        assert_eq!(mint.issued().await, 10);
    })
    .await;
}

#[tokio::test]
async fn several_scopes_are_told_in_their_order_and_the_greatest_wait_is_the_true_one() {
    with_mint(async |mint| {
        let eager = client_of(mint, &[("b", [1, 60]), ("c", [1, 3_600]), ("a", [9, 60])]).await;
        let answer = mint.token(&eager, "scope=c+b+a+b").await;
        answer.assert_token();
        assert_eq!(answer.header("ratelimit-policy"), r#""a";q=9;w=60, "b";q=1;w=60, "c";q=1;w=3600"#);
        assert_eq!(answer.header("ratelimit"), r#""a";r=8;t=7, "b";r=0;t=60, "c";r=0;t=3600"#);
        let refused = mint.token(&eager, "scope=c+b+a").await;
        assert_eq!(refused.assert_refused(429, "rate_limited").retry_after(), 3_600);
        assert_eq!(refused.header("ratelimit"), r#""a";r=8;t=7, "b";r=0;t=60, "c";r=0;t=3600"#);
        let refused = mint.token(&eager, "scope=b+a").await;
        assert_eq!(refused.assert_refused(429, "rate_limited").retry_after(), 60);

        mint.later("3599s").await;
        assert_eq!(
            mint.token(&eager, "scope=a+c").await.assert_refused(429, "rate_limited").retry_after(),
            1
        );
        mint.later("1s").await;
        mint.token(&eager, "scope=a+b+c").await.assert_token();
    })
    .await;
}

#[tokio::test]
async fn a_client_may_have_more_than_the_scope_and_a_total_bounds_it_all_the_same() {
    with_mint(async |mint| {
        client_of(mint, &[("shared", [2, 60])]).await;
        let total = json!({ "total": { "count": 8, "period": 60 } });
        scope(mint, "shared", [2, 60], total).await.assert_status(200);
        let limits = json!({ "shared": { "count": 6, "period": 60 } });
        let large = mint.client("large", json!({ "scope": "shared", "limits": limits })).await;
        let usual = mint.client("usual", json!({ "scope": "shared" })).await;
        for _ in 0..6 {
            mint.token(&large, "scope=shared").await.assert_token();
        }
        let refused = mint.token(&large, "scope=shared").await;
        assert_eq!(refused.assert_refused(429, "rate_limited").retry_after(), 10, "its own limit");
        let last = mint.token(&usual, "scope=shared").await;
        assert_eq!(
            left(&last),
            [r#""shared";r=1;t=53"#],
            "of two with as much left, the one that takes longer"
        );
        mint.token(&usual, "scope=shared").await.assert_token();
        let other = mint.client("other", json!({ "scope": "shared" })).await;
        let refused = mint.token(&other, "scope=shared").await;
        assert_eq!(refused.assert_refused(429, "rate_limited").retry_after(), 8, "the total");

        // The client's own value changes live, and what it took stays taken.
        let path = "/admin/v1/clients/large";
        let limits = json!({ "limits": { "shared": { "count": 600, "period": 60, "burst": 600 } } });
        mint.admin_with(Method::PATCH, path, Some(limits), &[("if-match", "*")]).await.assert_status(200);
        scope(mint, "shared", [2, 60], json!({})).await.assert_status(200);
        let answer = mint.token(&large, "scope=shared").await;
        answer.assert_token();
        assert_eq!(left(&answer), [r#""shared";r=593;t=1"#]);
    })
    .await;
}

/// What is no limit, as JSON text.
const NO_LIMITS: [&str; 8] = ["0", "-1", "NaN", "\"\"", "1e309", "null", "1.5", "18446744073709551616"];

#[tokio::test]
async fn no_way_lets_a_bad_limit_in_and_the_one_before_holds() {
    with_mint(async |mint| {
        let eager = client_of(mint, &[("scarce", [5, 60])]).await;
        let own = json!({ "limits": { "scarce": { "count": 3, "period": 60 } } });
        let client = "/admin/v1/clients/eager";
        mint.admin_with(Method::PATCH, client, Some(own), &[("if-match", "*")]).await.assert_status(200);
        mint.token(&eager, "scope=scarce").await.assert_token();
        let entries = mint.log().await.len();
        for bad in NO_LIMITS {
            for member in ["count", "period", "burst"] {
                let mut members = BTreeMap::from([("count", "5"), ("period", "60"), ("burst", "5")]);
                members.insert(member, bad);
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                let quota = format!("{{{}}}", members.join(","));
                let of_scope = |name: &str| {
                    let plain = r#"{"count":5,"period":60}"#;
                    let limit = if name == "limit" { quota.as_str() } else { plain };
                    let total = if name == "total" { format!(r#","total":{quota}"#) } else { String::new() };
                    format!(r#"{{"scope":"scarce","resource":"{ORDERS}","limit":{limit}{total}}}"#)
                };
                let of_client = format!(r#"{{"limits":{{"scarce":{quota}}}}}"#);
                let policy = format!(r#"{{"scopes":[{}]}}"#, of_scope("limit"));
                for (method, path, body) in [
                    (Method::PUT, "/admin/v1/scopes/scarce", of_scope("limit")),
                    (Method::PUT, "/admin/v1/scopes/scarce", of_scope("total")),
                    (Method::PATCH, client, of_client),
                    (Method::POST, "/admin/v1/policy/apply", policy.clone()),
                    (Method::POST, "/admin/v1/policy/plan", policy.clone()),
                ] {
                    if method == Method::PATCH && (member, bad) == ("burst", "null") {
                        // In a merge patch that is the default, RFC 7396.
                        continue;
                    }
                    let told = format!("{method} {path} {body}");
                    let request = Request::builder().method(method).uri(path).header("if-match", "*");
                    let request = request.header(header::CONTENT_TYPE, "application/json");
                    let answer = mint.admin_send(request.body(body.into()).unwrap()).await;
                    assert_eq!(answer.status, 400, "{told}: {}", answer.text());
                }
            }
        }
        assert_eq!(mint.log().await.len(), entries, "nothing was done");
        mint.token(&eager, "scope=scarce").await.assert_token();
        let answer = mint.token(&eager, "scope=scarce").await;
        assert_eq!(left(&answer), [r#""scarce";r=0;t=20"#], "the limit of before, with what was taken");
        mint.token(&eager, "scope=scarce").await.assert_refused(429, "rate_limited");

        // A good one holds with the very next request.
        let more = json!({ "limits": { "scarce": { "count": 30, "period": 60, "burst": 30 } } });
        mint.admin_with(Method::PATCH, client, Some(more), &[("if-match", "*")]).await.assert_status(200);
        let answer = mint.token(&eager, "scope=scarce").await;
        assert_eq!(left(&answer), [r#""scarce";r=26;t=8"#], "three were taken before");
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_is_set_moves_no_budget_by_more_than_a_permit() {
    with_mint(async |mint| {
        let eager = client_of(mint, &[("slow", [3, 3_600])]).await;
        for _ in 0..3 {
            mint.token(&eager, "scope=slow").await.assert_token();
        }
        let hour = Duration::from_hours(1);
        let right = crate::harness::START;
        for wall in [right.plus(hour), right.minus(hour), right.plus(hour * 24), right] {
            mint.clock().set_wall(wall);
            mint.tick().await;
            let refused = mint.token(&eager, "scope=slow").await;
            assert_eq!(refused.assert_refused(429, "rate_limited").retry_after(), 1_200, "{wall}");
        }
        // A third of an hour brings one permit, also where the clock is set back meanwhile.
        mint.clock().advance(Duration::from_mins(20));
        mint.clock().set_wall(right.minus(hour));
        mint.token(&eager, "scope=slow").await.assert_token();
        mint.token(&eager, "scope=slow").await.assert_refused(429, "rate_limited");
    })
    .await;
}

#[tokio::test]
async fn strangers_and_unknown_scopes_take_no_memory_and_no_budget() {
    with_mint(async |mint| {
        let eager = client_of(mint, &[("scarce", [5, 60])]).await;
        for n in 0..300 {
            let nobody = TestClient { id: format!("nobody-{n}"), secret: "mms_guess".to_owned() };
            let request = nobody.request_to("/oauth2/revoke", &format!("scope=scope-{n}"));
            assert!(mint.send(request).await.status.is_client_error());
            let asked = format!("scope=scope-{n}");
            mint.token(&eager, &asked).await.assert_refused(400, "invalid_scope");
        }
        let reading = mint.app().limiter.reading();
        assert_eq!((reading.budgets, reading.scopes.len()), (0, 0));
        mint.token(&eager, "scope=scarce").await.assert_token();
        assert_eq!(mint.app().limiter.reading().budgets, 1);
        mint.later("12s").await;
        assert_eq!(mint.app().limiter.reading().budgets, 0, "who is idle is forgotten");
    })
    .await;
}

#[tokio::test]
async fn a_refusal_signs_nothing_and_is_in_the_log_once_a_minute() {
    with_mint(async |mint| {
        let eager = client_of(mint, &[("scarce", [1, 3_600]), ("watched", [1, 3_600])]).await;
        scope(mint, "watched", [1, 3_600], json!({ "enforce": "monitor" })).await.assert_status(200);
        for _ in 0..5 {
            mint.token(&eager, "scope=scarce").await;
            mint.token(&eager, "scope=watched").await.assert_token();
        }
        assert_eq!(mint.app().signer.reading().issued.map(|(_, count)| count), [6, 0, 0, 0]);
        mint.later("1m").await;
        let denied = mint.logged(EventType::TokenDenied).await;
        let told: Vec<_> = denied.iter().map(|entry| (&entry.body["reason"], &entry.body["count"])).collect();
        let limited = json!("rate_limited");
        assert_eq!(told, [(&limited, &json!(1)), (&limited, &json!(3))], "a monitored limit denies nothing");
    })
    .await;
}
