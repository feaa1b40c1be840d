//! Record, then sign, then release: what is in the log before anybody gets anything, and what a failing store does to it.

use std::time::Duration;

use axum::http::Method;
use mintmark::audit::event::EventType;
use mintmark::http::accept::PeerAddress;
use mintmark::jose::Algorithm;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::harness::{ORDERS, START, TestMint, contains, foreign_connection, with_mint, with_settings};

const PATIENCE: Duration = Duration::from_secs(10);

async fn foreign(mint: &TestMint) -> sqlx::SqliteConnection {
    foreign_connection(&mint.data_dir().join("mintmark.db")).await
}

#[tokio::test]
async fn each_token_is_in_the_log_with_who_what_when_and_by_which_key() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let mut request = reader.request("scope=orders:write");
        request.extensions_mut().insert(PeerAddress("192.0.2.7:4711".parse().unwrap()));
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        request.headers_mut().insert("traceparent", format!("00-{trace}-00f067aa0ba902b7-01").parse().unwrap());
        let answer = mint.send(request).await;
        let (header, claims) = answer.assert_token();

        let record = mint.logged(EventType::TokenIssued).await.pop().unwrap();
        let leaf = &record.leaf;
        assert_eq!((leaf.ts, leaf.kid.unwrap().to_string().as_str()), (START, header["kid"].as_str().unwrap()));
        assert_eq!((leaf.iat, leaf.exp), (claims["iat"].as_u64(), claims["exp"].as_u64()));
        let body = record.body;
        let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            members,
            [
                "client_id", "sub", "scope", "aud", "grant", "jti", "alg", "auth_method", "secret_id", "source_ip",
                "request_id", "trace_id", "policy_version", "build",
            ]
        );
        let told = json!({
            "client_id": "reader", "sub": "reader", "scope": "orders:write", "aud": ORDERS,
            "grant": "client_credentials", "jti": claims["jti"], "alg": "ES256", "auth_method": "client_secret_basic",
            "source_ip": "192.0.2.7", "trace_id": trace,
        });
        for (name, value) in told.as_object().unwrap() {
            assert_eq!(&body[name], value, "{name}");
        }
        // One change each: a resource, two scopes, a client.
        assert_eq!(body["policy_version"], 4);
    })
    .await;
}

#[tokio::test]
async fn a_store_that_takes_no_record_costs_every_token_and_nothing_else() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        let size = mint.log().await.len();
        let mut other = foreign(mint).await;
        let full =
            "CREATE TRIGGER full BEFORE INSERT ON log_entries BEGIN SELECT RAISE(ABORT, 'disk full'); END";
        sqlx::query(full).execute(&mut other).await.unwrap();

        for _ in 0..3 {
            let answer = mint.token(&reader, "").await;
            answer.assert_refused(503, "temporarily_unavailable");
            assert!((1..=5).contains(&answer.retry_after()));
            assert!(!answer.text().contains("disk"), "the cause is not the caller's business");
        }
        let resource = json!({ "resource": "https://late.example.com", "signing_alg": "ES256" });
        let path = format!("/admin/v1/resources/{}", crate::harness::segment("https://late.example.com"));
        mint.admin(axum::http::Method::PUT, &path, Some(resource.clone())).await.assert_problem(503);
        mint.admin(axum::http::Method::POST, "/admin/v1/clients/reader/disable", None)
            .await
            .assert_problem(503);
        mint.admin_get(&path).await.assert_problem(404);
        assert_eq!(mint.admin_get("/admin/v1/clients/reader").await.json()["disabled"], false);
        mint.get("/.well-known/jwks.json").await.assert_status(200);
        mint.token(&reader, "scope=unknown").await.assert_refused(400, "invalid_scope");

        assert_eq!(mint.app().store.head().await.unwrap().unwrap().size, size as u64);
        sqlx::query("DROP TRIGGER full").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        mint.token(&reader, "").await.assert_token();
        mint.admin(axum::http::Method::PUT, &path, Some(resource)).await.assert_status(201);
        let refusal = &mint.logged(EventType::TokenDenied).await;
        assert_eq!(refusal.len(), 1, "what nobody waited for came later");
        assert_eq!(mint.log().await.len(), size + 3, "nothing of what failed is in the log");
    })
    .await;
}

#[tokio::test]
async fn a_store_that_somebody_else_holds_is_not_waited_for_beyond_the_deadline() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        let mut other = foreign(mint).await;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();

        let requests = (0..8).map(|_| reader.request("")).collect();
        let answers = tokio::time::timeout(PATIENCE, mint.send_all(requests)).await.expect("answers in time");
        for answer in answers {
            assert!(answer.assert_refused(503, "temporarily_unavailable").retry_after() >= 1);
        }
        mint.get("/.well-known/jwks.json").await.assert_status(200);

        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        // The writer may still be at what nobody waits for any more: an intent, never a token.
        mint.token(&reader, "").await.assert_token();
        let chain = mint.log().await;
        assert!(
            chain.windows(2).all(|pair| pair[1].leaf.sequence == pair[0].leaf.sequence + 1),
            "nothing is lost"
        );
    })
    .await;
}

/// The outcome of an act that timed out is unknown to the caller, not to the issuer.
#[tokio::test]
async fn an_act_that_is_committed_after_its_deadline_comes_into_force() {
    with_settings(&[("MINTMARK_AUDIT__DEADLINE", "100ms")], async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        mint.later("1h").await;
        let before = mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid;
        let mut other = foreign(mint).await;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();

        let disable = mint.admin(Method::POST, "/admin/v1/clients/reader/disable", None);
        disable.await.assert_problem(503);
        let rotate = mint.admin(Method::POST, "/admin/v1/keys/rotate", Some(json!({})));
        rotate.await.assert_problem(503);

        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        // The queue is first come, first served, so what comes back is behind both acts.
        let settled = async {
            while mint.app().recorder.settle().await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("the store is back");
        mint.tick().await;
        let disabled = mint.logged(EventType::ClientDisabled).await.len();
        let rotated = mint.logged(EventType::KeyPassive).await.len();
        let reader = mint.token(&reader, "").await;
        if disabled == 1 {
            reader.assert_refused(401, "invalid_client")
        } else {
            reader.assert_status(200)
        };
        let after = mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid;
        assert_eq!(after != before, rotated == 1, "the key that signs is the one that the log says");
        assert!(disabled == 1 || rotated == 1, "neither act was committed late, so nothing was shown");
    })
    .await;
}

#[tokio::test]
async fn a_thousand_strangers_leave_at_most_65_records_a_minute_and_none_of_their_names() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let stranger = |n: usize| {
            // Too long to be hashed, so that this is about the log alone.
            let client = crate::harness::TestClient { id: format!("canary{n}"), secret: "x".repeat(257) };
            let mut request = client.request("");
            let address = format!("198.51.{}.{}:1", n / 250, n % 250);
            request.extensions_mut().insert(PeerAddress(address.parse().unwrap()));
            request
        };
        for minute in 1..=2 {
            for answer in mint.send_all((0..1_000).map(stranger).collect()).await {
                answer.assert_refused(401, "invalid_client");
            }
            mint.later("1m").await;
            let denials = mint.logged(EventType::TokenDenied).await;
            assert_eq!(denials.len(), 65 * minute);
            let counted: u64 = denials.iter().map(|denial| denial.body["count"].as_u64().unwrap()).sum();
            assert_eq!(counted, 1_000 * minute as u64);
            assert!(denials.iter().all(|denial| denial.body["client_id"].is_null()));
        }
        assert!(!contains(&mint.store_bytes(), b"canary"));
        mint.later("10m").await;
        assert_eq!(mint.logged(EventType::TokenDenied).await.len(), 130, "silence is not recorded");
    })
    .await;
}

#[tokio::test]
async fn a_failed_attempt_on_a_known_client_names_it_and_its_source() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for (address, times) in [("192.0.2.1", 3), ("[2001:db8:1:2:3::1]", 1), ("[2001:db8:1:2:ffff::9]", 1)]
        {
            for _ in 0..times {
                let mut request = reader.with_secret(&"x".repeat(257)).request("");
                request.extensions_mut().insert(PeerAddress(format!("{address}:9").parse().unwrap()));
                mint.send(request).await.assert_refused(401, "invalid_client");
            }
        }
        assert!(mint.logged(EventType::TokenDenied).await.is_empty(), "they are counted first");
        mint.later("1m").await;
        let mut told: Vec<_> = mint
            .logged(EventType::TokenDenied)
            .await
            .into_iter()
            .map(|denial| {
                assert_eq!(
                    (&denial.body["client_id"], &denial.body["reason"]),
                    (&json!("reader"), &json!("invalid_client"))
                );
                (
                    denial.body["source_ip"].as_str().unwrap().to_owned(),
                    denial.body["count"].as_u64().unwrap(),
                )
            })
            .collect();
        told.sort();
        assert_eq!(
            told,
            [("192.0.2.1".to_owned(), 3), ("2001:db8:1:2::".to_owned(), 2)],
            "IPv6 callers own a /64"
        );
    })
    .await;
}

#[tokio::test]
async fn of_a_clients_refusals_the_first_is_recorded_at_once_and_the_rest_as_a_count() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        mint.scope("scarce", ORDERS, "1/1h").await;
        let client = mint.client("eager", json!({ "scope": "scarce" })).await;
        mint.token(&client, "scope=scarce").await.assert_token();
        for _ in 0..5 {
            mint.token(&client, "scope=orders:read&resource=https%3A%2F%2Forders.example.com")
                .await
                .assert_refused(400, "invalid_scope");
            mint.token(&client, "scope=scarce").await.assert_refused(429, "rate_limited");
        }
        let at_once = mint.logged(EventType::TokenDenied).await;
        let told: Vec<_> =
            at_once.iter().map(|d| (d.body["reason"].clone(), d.body["count"].clone())).collect();
        assert_eq!(told, [(json!("invalid_scope"), json!(1)), (json!("rate_limited"), json!(1))]);
        assert_eq!(at_once[0].body["scope"], "orders:read");
        assert_eq!(at_once[0].body["resource"], ORDERS);
        assert!(
            at_once
                .iter()
                .all(|denial| denial.body["client_id"] == "eager" && denial.body["request_id"].is_string())
        );

        mint.later("1m").await;
        let all = mint.logged(EventType::TokenDenied).await;
        let told: Vec<_> =
            all[2..].iter().map(|d| (d.body["reason"].clone(), d.body["count"].clone())).collect();
        assert_eq!(told.len(), 2);
        assert!(
            told.contains(&(json!("invalid_scope"), json!(4)))
                && told.contains(&(json!("rate_limited"), json!(4)))
        );

        // The next minute begins anew.
        mint.token(&client, "scope=orders:read").await.assert_refused(400, "invalid_scope");
        assert_eq!(mint.logged(EventType::TokenDenied).await.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn whatever_a_caller_writes_a_record_is_one_line() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for odd in [
            "%E2%80%A8%E2%80%A9",
            "%22%7D%2C%7B%22",
            "%5C%5C%5Cu000a",
            "%EF%BB%BF%E2%80%AE",
            &"%C3%A4".repeat(300),
        ] {
            mint.token(&reader, &format!("scope=orders:read&resource={odd}"))
                .await
                .assert_refused(400, "invalid_target");
            mint.later("1m").await;
        }
        let records = mint.log().await.len();
        let file = mint.admin_get("/admin/v1/audit/export").await.text();
        assert_eq!(file.lines().count(), records + 1);
        assert!(
            !file.contains('\u{2028}')
                || file.lines().all(|line| serde_json::from_str::<Value>(line).is_ok())
        );
    })
    .await;
}

#[tokio::test]
async fn every_act_of_an_administrator_is_recorded_with_before_and_after() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let id = "/admin/v1/clients/reader";
        for verb in ["disable", "disable", "enable"] {
            mint.admin(axum::http::Method::POST, &format!("{id}/{verb}"), None).await.assert_status(200);
        }
        let made = mint
            .admin(axum::http::Method::POST, &format!("{id}/secrets"), Some(json!({ "overlap": 9 })))
            .await;
        let secret_id = made.assert_status(201).json()["secret_id"].clone();
        let path = format!("/admin/v1/scopes/{}", crate::harness::segment("orders:read"));
        let scope = mint.admin_get(&path).await;
        let mut body = scope.json();
        body["limit"] = json!({ "count": 7, "period": 60 });
        mint.admin_with(axum::http::Method::PUT, &path, Some(body), &[("if-match", scope.header("etag"))])
            .await
            .assert_status(200);

        let acts: Vec<_> =
            mint.log().await.into_iter().filter(|entry| entry.body["via"] == "socket").collect();
        let told: Vec<_> = acts
            .iter()
            .map(|act| {
                assert_eq!(act.body["actor"], "unix:0");
                assert!(act.body["request_id"].is_string());
                (act.leaf.event, act.body["object"].as_str().unwrap(), act.body["before"].is_null())
            })
            .collect();
        assert_eq!(
            told,
            [
                (EventType::ResourceSet, ORDERS, true),
                (EventType::ScopeSet, "orders:read", true),
                (EventType::ScopeSet, "orders:write", true),
                (EventType::ClientCreated, "reader", true),
                (EventType::ClientDisabled, "reader", false),
                (EventType::ClientEnabled, "reader", false),
                (EventType::ClientSecretAdded, "reader", true),
                (EventType::ScopeSet, "orders:read", false),
            ],
            "disabling what is disabled is no act"
        );
        assert_eq!(
            (&acts[4].body["before"]["disabled"], &acts[4].body["after"]["disabled"]),
            (&json!(false), &json!(true))
        );
        assert_eq!(acts[6].body["after"], secret_id);
        assert_eq!(
            (&acts[7].body["before"]["limit"]["count"], &acts[7].body["after"]["limit"]["count"]),
            (&json!(600), &json!(7))
        );
        let all = serde_json::to_string(&acts.iter().map(|act| &act.body).collect::<Vec<_>>()).unwrap();
        assert!(!all.contains(&reader.secret) && !all.contains("mms_"));
    })
    .await;
}

#[tokio::test]
async fn whoever_reads_the_log_is_in_it_once_per_question() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for _ in 0..5 {
            mint.token(&reader, "").await.assert_token();
        }
        let first =
            mint.admin_get("/admin/v1/audit/entries?event=token.issued&client_id=reader&limit=2").await;
        let mut seen = first.assert_status(200).json()["items"].as_array().unwrap().len();
        let mut link = first.header("link").to_owned();
        while let Some(next) = link.strip_prefix('<').and_then(|link| link.split_once('>')) {
            let page = mint.admin_get(next.0).await;
            seen += page.assert_status(200).json()["items"].as_array().unwrap().len();
            link = page.header("link").to_owned();
        }
        assert_eq!(seen, 5);
        mint.admin_get("/admin/v1/audit/entries/3").await.assert_status(200);
        mint.admin_get("/admin/v1/audit/export").await.assert_status(200);

        let reads = mint.logged(EventType::AuditRead).await;
        let told: Vec<_> = reads.iter().map(|read| read.body["object"].as_str().unwrap()).collect();
        assert_eq!(told, ["search client_id=reader event=token.issued", "entry 3"]);
        assert_eq!(mint.logged(EventType::AuditExported).await.len(), 1);
        assert!(reads.iter().all(|read| read.body["actor"] == "unix:0"));
    })
    .await;
}
