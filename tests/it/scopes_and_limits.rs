//! What a client may ask for, and how often.

use axum::http::{Method, Request, header};
use mintmark::audit::event::EventType;
use serde_json::{Value, json};

use crate::harness::{Answer, ORDERS, START, TestClient, TestMint, segment, with_mint, with_settings};

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// A scope of five at once, one more every twelve seconds, and a client of it and `orders:read`.
async fn five_a_minute(mint: &TestMint) -> TestClient {
    mint.usual_policy().await;
    mint.scope("scarce", ORDERS, "5/1m").await;
    mint.client("eager", json!({ "scope": "scarce orders:read" })).await
}

/// Sends a new limit for `scarce` as it stands; the body is text because some of it is no JSON.
async fn set_limit(mint: &TestMint, limit: &str) -> Answer {
    let path = format!("/admin/v1/scopes/{}", segment("scarce"));
    let etag = mint.admin_get(&path).await.header("etag").to_owned();
    let body = format!(r#"{{"scope":"scarce","resource":"{ORDERS}","limit":{limit}}}"#);
    let request =
        Request::put(path).header(header::CONTENT_TYPE, "application/json").header("if-match", etag);
    mint.admin_send(request.body(body.into()).unwrap()).await
}

/// How many of `count` requests in a row are served.
async fn served(mint: &TestMint, client: &TestClient, form: &str, count: usize) -> usize {
    let mut served = 0;
    for _ in 0..count {
        let answer = mint.token(client, form).await;
        match answer.status.as_u16() {
            200 => served += 1,
            _ => drop(answer.assert_refused(429, "rate_limited")),
        }
    }
    served
}

#[tokio::test]
async fn what_is_no_scope_is_refused() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for bad in
            ["\"", "\\", "a\0", "a\tb", "a\nb", "\u{a0}", "\u{1f511}", "\u{7f}", "orders:read\u{200b}", "ä"]
        {
            let answer = mint.token(&reader, &format!("scope={}", escaped(bad))).await;
            assert_eq!(answer.status, 400, "{bad:?}");
            answer.assert_refused(400, "invalid_scope");
        }
        let many: Vec<_> = (0..65).map(|n| format!("s{n}")).collect();
        for long in ["s".repeat(129), many.join("+")] {
            mint.token(&reader, &format!("scope={long}")).await.assert_refused(400, "invalid_scope");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_granted_is_refused_and_never_narrowed() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let client =
            mint.client("writer", json!({ "scope": "orders:write", "default_scope": "orders:write" })).await;
        for asked in ["orders:read", "orders:write+orders:read", "unknown", "orders:write+unknown", "openid"]
        {
            mint.token(&client, &format!("scope={asked}")).await.assert_refused(400, "invalid_scope");
        }
        mint.token(&client, "scope=orders:write").await.assert_token();
        assert_eq!(mint.issued().await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_scope_matches_byte_by_byte() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for near in [
            "Orders:read",
            "ORDERS:READ",
            "orders:rea",
            "orders:reads",
            "orders",
            "orders:",
            ":read",
            "orders:*",
            "*",
            "orders:read,orders:write",
            "orders:read/",
            "orders%3Aread",
            // Look-alikes: a Cyrillic o, a letter in two parts.
            "\u{43e}rders:read",
            "orders:re\u{61}\u{301}d",
        ] {
            let answer = mint.token(&reader, &format!("scope={}", escaped(near))).await;
            assert_eq!(answer.status, 400, "{near:?}");
            answer.assert_refused(400, "invalid_scope");
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_asks_for_nothing_gets_its_default() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let without = mint.client("without", json!({ "scope": "orders:read" })).await;
        for nothing in ["", "scope=", "scope=+", "scope=++++"] {
            assert_eq!(mint.token(&reader, nothing).await.assert_token().1["scope"], "orders:read");
            mint.token(&without, nothing).await.assert_refused(400, "invalid_scope");
        }
    })
    .await;
}

#[tokio::test]
async fn a_scope_named_twice_counts_once() {
    with_mint(async |mint| {
        let eager = five_a_minute(mint).await;
        let answer = mint.token(&eager, "scope=scarce+scarce++scarce").await;
        assert_eq!(answer.assert_token().1["scope"], "scarce");
        assert_eq!(answer.header("ratelimit"), r#""scarce";r=4;t=12"#);
        assert_eq!(served(mint, &eager, "scope=scarce+scarce", 10).await, 4);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_waits_as_long_as_it_is_told_is_served_and_a_second_earlier_it_is_not() {
    with_mint(async |mint| {
        let eager = five_a_minute(mint).await;
        assert_eq!(served(mint, &eager, "scope=scarce", 5).await, 5);
        for _ in 0..3 {
            let refused = mint.token(&eager, "scope=scarce").await;
            refused.assert_refused(429, "rate_limited");
            let wait = refused.retry_after();
            assert_eq!(wait, 12);
            assert_eq!(refused.header("ratelimit-policy"), r#""scarce";q=5;w=60"#);
            assert_eq!(refused.header("ratelimit"), format!(r#""scarce";r=0;t={wait}"#));

            mint.later(&format!("{}s", wait - 1)).await;
            let early = mint.token(&eager, "scope=scarce").await;
            assert_eq!(early.assert_refused(429, "rate_limited").retry_after(), 1);
            mint.later("1s").await;
            mint.token(&eager, "scope=scarce").await.assert_token();
        }
        assert_eq!(mint.issued().await, 8, "nothing was recorded, and so nothing signed, for those refused");
        // In an hour as much has grown back as fits, and no more.
        mint.later("1h").await;
        assert_eq!(served(mint, &eager, "scope=scarce", 10).await, 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_at_the_same_time_exactly_as_many_are_served_as_the_burst_allows() {
    with_mint(async |mint| {
        let eager = five_a_minute(mint).await;
        let answers = mint.send_all((0..200).map(|_| eager.request("scope=scarce")).collect()).await;
        let served = answers.iter().filter(|answer| answer.status == 200).count();
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(refused.assert_refused(429, "rate_limited").retry_after(), 12);
        }
        assert_eq!((served, mint.issued().await), (5, 5));
    })
    .await;
}

#[tokio::test]
async fn of_several_scopes_all_are_charged_or_none() {
    with_mint(async |mint| {
        let eager = five_a_minute(mint).await;
        assert_eq!(served(mint, &eager, "scope=scarce", 5).await, 5);
        let refused = mint.token(&eager, "scope=orders:read+scarce").await;
        assert_eq!(refused.assert_refused(429, "rate_limited").retry_after(), 12);
        assert_eq!(refused.header("ratelimit-policy"), r#""orders:read";q=600;w=60, "scarce";q=5;w=60"#);
        assert_eq!(refused.header("ratelimit"), r#""orders:read";r=600;t=0, "scarce";r=0;t=12"#);

        let answer = mint.token(&eager, "scope=orders:read").await;
        answer.assert_token();
        assert_eq!(answer.header("ratelimit"), r#""orders:read";r=599;t=1"#, "untouched by what was refused");
    })
    .await;
}

#[tokio::test]
async fn each_client_has_a_budget_of_its_own_and_may_have_a_limit_of_its_own() {
    with_mint(async |mint| {
        let eager = five_a_minute(mint).await;
        let limits = json!({ "scarce": { "count": 2, "period": 60 } });
        let small = mint.client("small", json!({ "scope": "scarce", "limits": limits })).await;
        assert_eq!(served(mint, &eager, "scope=scarce", 9).await, 5);
        assert_eq!(served(mint, &small, "scope=scarce", 9).await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_total_holds_over_all_clients_together() {
    with_mint(async |mint| {
        mint.resource(ORDERS, "ES256").await;
        let limit = json!({ "count": 5, "period": 60 });
        let body = json!({ "scope": "shared", "resource": ORDERS, "limit": limit, "total": { "count": 7, "period": 60 } });
        mint.admin(Method::PUT, "/admin/v1/scopes/shared", Some(body)).await.assert_status(201);
        let one = mint.client("one", json!({ "scope": "shared" })).await;
        let two = mint.client("two", json!({ "scope": "shared" })).await;
        assert_eq!(served(mint, &one, "scope=shared", 9).await, 5);
        assert_eq!(served(mint, &two, "scope=shared", 9).await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_monitored_limit_refuses_nobody() {
    with_mint(async |mint| {
        mint.resource(ORDERS, "ES256").await;
        let limit = json!({ "count": 2, "period": 60 });
        let body = json!({ "scope": "watched", "resource": ORDERS, "limit": limit, "enforce": "monitor" });
        mint.admin(Method::PUT, "/admin/v1/scopes/watched", Some(body)).await.assert_status(201);
        let client = mint.client("free", json!({ "scope": "watched" })).await;
        assert_eq!(served(mint, &client, "scope=watched", 9).await, 9);
    })
    .await;
}

/// What a node of two admits at once, and what it says of it.
#[tokio::test]
async fn a_node_enforces_its_share_of_a_limit_and_tells_the_whole() {
    with_settings(&[("MINTMARK_LIMITS__NODES", "2")], async |mint| {
        let eager = five_a_minute(mint).await;
        let answer = mint.token(&eager, "scope=scarce").await;
        answer.assert_token();
        assert_eq!(answer.header("ratelimit-policy"), r#""scarce";q=5;w=60"#);
        assert_eq!(answer.header("ratelimit"), r#""scarce";r=2;t=24"#);
        assert_eq!(
            served(mint, &eager, "scope=scarce", 9).await,
            2,
            "with the first one half of five, rounded up"
        );
        mint.later("24s").await;
        assert_eq!(served(mint, &eager, "scope=scarce", 9).await, 1, "half of the rate");
    })
    .await;
}

#[tokio::test]
async fn whoever_fails_to_authenticate_spends_nobodys_budget() {
    with_mint(async |mint| {
        let eager = five_a_minute(mint).await;
        let thief = eager.with_secret("mms_guess");
        // Some are wrong, the others too many; the right secret was let in before.
        mint.token(&eager, "scope=orders:read").await.assert_token();
        for _ in 0..20 {
            assert!([401, 429].contains(&mint.token(&thief, "scope=scarce").await.status.as_u16()));
        }
        // What is refused for another reason costs nothing either.
        mint.token(&eager, "scope=scarce+orders:write").await.assert_refused(400, "invalid_scope");
        assert_eq!(served(mint, &eager, "scope=scarce", 9).await, 5);
    })
    .await;
}

#[tokio::test]
async fn a_bad_limit_is_refused_and_the_one_before_holds() {
    with_mint(async |mint| {
        let eager = five_a_minute(mint).await;
        for bad in [
            "0",
            "null",
            r#""""#,
            r#""5/1m""#,
            "{}",
            "[5,60,5]",
            r#"{"count":0,"period":60}"#,
            r#"{"count":-1,"period":60}"#,
            r#"{"count":NaN,"period":60}"#,
            r#"{"count":"","period":60}"#,
            r#"{"count":1e309,"period":60}"#,
            r#"{"count":1.5,"period":60}"#,
            r#"{"count":18446744073709551615,"period":60}"#,
            r#"{"count":4294967296,"period":60}"#,
            r#"{"count":5,"period":0}"#,
            r#"{"count":5,"period":-60}"#,
            r#"{"count":5,"period":18446744073709551615}"#,
            r#"{"count":5,"period":60,"burst":0}"#,
            r#"{"count":5,"period":60,"burst":null}"#,
            r#"{"count":1,"period":31622400,"burst":4294967295}"#,
            r#"{"count":5,"period":60,"unit":"s"}"#,
            r#"{"count":5}"#,
            r#"{"period":60}"#,
        ] {
            let answer = set_limit(mint, bad).await;
            assert_eq!(answer.status, 400, "{bad}");
            answer.assert_problem(400);
        }
        assert_eq!(mint.admin_get("/admin/v1/scopes/scarce").await.json()["limit"]["count"], 5);
        assert_eq!(served(mint, &eager, "scope=scarce", 9).await, 5);
    })
    .await;
}

#[tokio::test]
async fn a_new_limit_holds_at_once_and_forgets_nothing() {
    with_mint(async |mint| {
        let eager = five_a_minute(mint).await;
        assert_eq!(served(mint, &eager, "scope=scarce", 9).await, 5);
        set_limit(mint, r#"{"count":10,"period":60}"#).await.assert_status(200);
        assert_eq!(served(mint, &eager, "scope=scarce", 9).await, 5, "five of ten were taken before");
        set_limit(mint, r#"{"count":1,"period":60}"#).await.assert_status(200);
        let refused = mint.token(&eager, "scope=scarce").await;
        assert!(refused.assert_refused(429, "rate_limited").retry_after() > 60, "a debt is not forgiven");
        let changes = mint.logged(EventType::ScopeSet).await;
        let last = &changes.last().unwrap().body;
        assert_eq!(
            (&last["before"]["limit"]["count"], &last["after"]["limit"]["count"]),
            (&json!(10), &json!(1))
        );
    })
    .await;
}

#[tokio::test]
async fn setting_the_wall_clock_neither_opens_nor_closes_a_limit() {
    with_mint(async |mint| {
        let eager = five_a_minute(mint).await;
        assert_eq!(served(mint, &eager, "scope=scarce", 3).await, 3);
        let hour = std::time::Duration::from_hours(1);
        mint.clock().set_wall(START.plus(hour));
        assert_eq!(served(mint, &eager, "scope=scarce", 9).await, 2);
        mint.clock().set_wall(START.minus(hour));
        let refused = mint.token(&eager, "scope=scarce").await;
        assert_eq!(refused.assert_refused(429, "rate_limited").retry_after(), 12);
        mint.clock().advance(std::time::Duration::from_secs(12));
        mint.token(&eager, "scope=scarce").await.assert_token();

        let skews = mint.logged(EventType::ClockSkew).await;
        assert_eq!(skews.len(), 1, "the step back is in the log, once");
        assert_eq!(skews[0].body["before"], "2026-11-22T13:00:00.000000Z");
        assert_eq!(skews[0].body["after"], "2026-11-22T11:00:00.000000Z");
    })
    .await;
}

#[tokio::test]
async fn a_clock_before_this_programs_own_time_stops_issuance_until_it_is_right() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for insane in [0, 1, 1_000_000_000, 1_767_225_599] {
            mint.clock().set_wall(mintmark::time::Timestamp::from_seconds(insane));
            let answer = mint.token(&reader, "").await;
            assert!(answer.assert_refused(503, "temporarily_unavailable").retry_after() >= 1);
        }
        mint.clock().set_wall(START);
        mint.token(&reader, "").await.assert_token();
        assert_eq!(mint.issued().await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_limit_survives_what_has_nothing_to_do_with_it() {
    with_mint(async |mint| {
        let eager = five_a_minute(mint).await;
        assert_eq!(served(mint, &eager, "scope=scarce", 9).await, 5);
        // Another client, another scope, a new secret, being disabled and enabled: no way around it.
        mint.scope("other", ORDERS, "5/1m").await;
        mint.client("bystander", json!({ "scope": "other" })).await;
        let path = "/admin/v1/clients/eager";
        let made =
            mint.admin(Method::POST, &format!("{path}/secrets"), Some(json!({ "overlap": 60 }))).await.json();
        for verb in ["disable", "enable"] {
            mint.admin(Method::POST, &format!("{path}/{verb}"), None::<Value>).await.assert_status(200);
        }
        let eager = eager.with_secret(made["client_secret"].as_str().unwrap());
        assert_eq!(served(mint, &eager, "scope=scarce", 3).await, 0);
    })
    .await;
}
