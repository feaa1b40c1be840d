//! Tokens that are good no longer: one by its client, one or all of a time by an operator; at once, and for good.
//! RFC 7009.

use std::time::Duration;

use axum::http::Method;
use mintmark::ambient::Clock as _;
use mintmark::audit::event::EventType;
use mintmark::audit::leaf::jti_hash;
use mintmark::audit::verify::verify;
use mintmark::http::accept::PeerAddress;
use mintmark::introspect::{IssuedToken, Revocations, Revoker};
use mintmark::jose::verify::AccessTokenClaims;
use mintmark::policy::ClientId;
use mintmark::store::{Revoked, Store as _};
use mintmark::time::Timestamp;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::harness::{
    Answer, Fault, ISSUER, ORDERS, START, TestClient, TestMint, foreign_connection, form_to, with_mint,
    with_settings,
};
use crate::introspection::{signed_by, stolen_key};
use crate::log::vkey;
use crate::recorder::Faulty;

async fn token(mint: &TestMint, client: &TestClient) -> String {
    mint.token(client, "scope=orders:read").await.access_token().unwrap()
}

/// What an operator revokes.
async fn revoke_by_hand(mint: &TestMint, body: Value) -> Answer {
    mint.admin(Method::POST, "/admin/v1/tokens/revoke", Some(body)).await
}

#[track_caller]
fn assert_done(answer: &Answer) {
    answer.assert_status(200);
    assert_eq!((answer.text().as_str(), answer.header("cache-control")), ("", "no-store"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn a_client_revokes_its_own_token_at_once_and_for_good() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let issued = mint.token(&reader, "").await;
        let (_, claims) = issued.assert_token();
        let (token, other) = (issued.access_token().unwrap(), token(mint, &reader).await);
        let mut request = reader.request_to("/oauth2/revoke", &format!("token={token}&token_type_hint=x"));
        request.extensions_mut().insert(PeerAddress("192.0.2.7:4711".parse().unwrap()));
        assert_done(&mint.send(request).await);
        mint.introspect(&reader, &token).await.assert_inactive();
        mint.introspect(&reader, &other).await.assert_active();

        let record = mint.logged(EventType::TokenRevoked).await.pop().unwrap();
        let jti = claims["jti"].as_str().unwrap();
        assert_eq!((record.leaf.lk, record.leaf.exp), (Some(jti_hash(ISSUER, jti)), claims["exp"].as_u64()));
        let request_id = record.body["request_id"].as_str().unwrap();
        assert_eq!(
            record.body,
            json!({
                "actor": "client:reader", "via": "revoke", "request_id": request_id, "source_ip": "192.0.2.7",
                "object": jti, "client_id": "reader", "jti": jti, "issued_before": null,
            })
        );
        // Twice is once.
        assert_done(&mint.revoke(&reader, &token).await);
        assert_eq!(mint.logged(EventType::TokenRevoked).await.len(), 1);
        let path = "/admin/v1/audit/entries?client_id=reader&event=token.revoked";
        let found = mint.admin_get(path).await.json();
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "found as the client's");

        mint.crash().await;
        mint.introspect(&reader, &token).await.assert_inactive();
        mint.introspect(&reader, &other).await.assert_active();
        mint.restart().await;
        mint.introspect(&reader, &token).await.assert_inactive();
        assert_done(&mint.revoke(&reader, &token).await);
        assert_eq!(mint.logged(EventType::TokenRevoked).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_token_revoked_many_times_at_once_is_recorded_once() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let token = token(mint, &reader).await;
        let form = format!("token={token}");
        let requests = (0..20).map(|_| reader.request_to("/oauth2/revoke", &form)).collect();
        for answer in mint.send_all(requests).await {
            assert_done(&answer);
        }
        assert_eq!(mint.logged(EventType::TokenRevoked).await.len(), 1);
        mint.introspect(&reader, &token).await.assert_inactive();
    })
    .await;
}

#[tokio::test]
async fn nobody_revokes_the_token_of_another() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let members = json!({ "scope": "orders:read", "introspects": [ORDERS] });
        let api = mint.client("orders-api", members).await;
        let token = token(mint, &reader).await;
        mint.revoke(&api, &token).await.assert_refused(400, "unauthorized_client");
        mint.introspect(&reader, &token).await.assert_active();
        // Also where the other is disabled: it may be enabled again.
        let set = async |verb| {
            let path = format!("/admin/v1/clients/reader/{verb}");
            mint.admin(Method::POST, &path, None).await.assert_status(200);
        };
        set("disable").await;
        mint.revoke(&api, &token).await.assert_refused(400, "unauthorized_client");
        set("enable").await;
        mint.introspect(&reader, &token).await.assert_active();
        assert!(mint.logged(EventType::TokenRevoked).await.is_empty());
        let refused = &mint.logged(EventType::TokenDenied).await[0].body;
        assert_eq!(
            (&refused["client_id"], &refused["reason"]),
            (&json!("orders-api"), &json!("unauthorized_client"))
        );
    })
    .await;
}

/// There is nothing to revoke, so it is done; what is good stays good.
#[tokio::test]
async fn what_is_no_good_token_needs_no_revocation() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let issued = mint.token(&reader, "").await;
        let (header, mut claims) = issued.assert_token();
        let good = issued.access_token().unwrap();
        claims["scope"] = json!("orders:write");
        // Genuine to whoever looks at the signature alone, with the `jti` of the good one.
        let forged = signed_by(&stolen_key(&header), &claims);
        let (input, _) = good.rsplit_once('.').unwrap();
        for token in ["garbage", "a.b.c", &format!("{input}.AAAA"), &"x".repeat(9_000), &forged] {
            assert_done(&mint.revoke(&reader, token).await);
        }
        mint.introspect(&reader, &good).await.assert_active();
        assert_eq!(mint.logged(EventType::TokenUnrecorded).await.len(), 1, "the forgery is told");
        mint.later("10m").await;
        assert_done(&mint.revoke(&reader, &good).await);
        assert!(mint.logged(EventType::TokenRevoked).await.is_empty());
        let nobody = form_to("/oauth2/revoke", &format!("token={good}"));
        mint.send(nobody).await.assert_refused(401, "invalid_client");
    })
    .await;
}

#[tokio::test]
async fn a_revocation_that_is_not_stored_is_not_acknowledged() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let token = token(mint, &reader).await;
        let mut hand = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        for table in ["revoked_tokens", "log_entries"] {
            let full = format!(
                "CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(full)).execute(&mut hand).await.unwrap();
            let answer = mint.revoke(&reader, &token).await;
            answer.assert_refused(503, "temporarily_unavailable");
            assert!((1..=5).contains(&answer.retry_after()));
            if table == "log_entries" {
                let by_hand = json!({ "client_id": "reader", "issued_before": "now" });
                revoke_by_hand(mint, by_hand).await.assert_problem(503);
            }
            sqlx::raw_sql("DROP TRIGGER full").execute(&mut hand).await.unwrap();
            mint.later("1s").await;
            mint.introspect(&reader, &token).await.assert_active();
        }
        hand.close().await.unwrap();
        assert_done(&mint.revoke(&reader, &token).await);
        mint.introspect(&reader, &token).await.assert_inactive();
    })
    .await;
}

/// Whose record of a revocation is asked for; the parts around a store that fails.
struct Failing {
    faulty: Faulty,
    revocations: Revocations,
}

const BY: Revoker<'_> =
    Revoker { actor: "unix:7", via: "socket", request_id: "r-1", source_ip: None, beside: None };

impl Failing {
    async fn start() -> Self {
        let faulty = Faulty::start(Duration::from_secs(10)).await;
        let (store, recorder) = (faulty.store.clone(), faulty.recorder.clone());
        let revocations = Revocations::open(ISSUER, store, recorder).await.unwrap();
        Self { faulty, revocations }
    }

    async fn revoke(&self, jti: &str) -> bool {
        let expires_at = START.plus(Duration::from_mins(10));
        let token = IssuedToken { jti, client_id: Some("web"), expires_at };
        self.revocations.revoke(&BY, &token).await.is_ok()
    }

    fn covers(&self, jti: &str) -> bool {
        self.revocations.cover(&claims(jti, START))
    }
}

fn claims(jti: &str, issued_at: Timestamp) -> AccessTokenClaims {
    AccessTokenClaims {
        issuer: ISSUER.to_owned(),
        subject: "web".to_owned(),
        audience: ORDERS.to_owned(),
        client_id: "web".to_owned(),
        scope: None,
        issued_at,
        expires_at: issued_at.plus(Duration::from_mins(10)),
        jti: jti.to_owned(),
    }
}

#[tokio::test]
async fn a_revocation_that_failed_and_was_written_all_the_same_is_found_within_a_tick() {
    let node = Failing::start().await;
    node.faulty.store.fail(Fault::Persisted);
    assert!(!node.revoke("a").await, "whether it was written is unknown");
    node.revocations.tick().await.unwrap();
    assert!(node.covers("a"));
    // Who repeats it before the tick is told the truth too, and the log tells it once.
    node.faulty.store.fail(Fault::Persisted);
    assert!(!node.revoke("b").await);
    assert!(node.revoke("b").await && node.covers("b"));
    assert_eq!(node.faulty.store.entries(0..9).await.unwrap().len(), 2);

    let web = ClientId::parse("web").unwrap();
    let floor = START.plus(Duration::from_secs(1));
    node.faulty.store.fail(Fault::Persisted);
    assert!(node.revocations.raise_floor(&BY, Some(&web), floor).await.is_err());
    assert!(!node.covers("c"));
    assert!(node.revocations.raise_floor(&BY, Some(&web), floor).await.is_ok());
    assert!(node.covers("c"));
    assert_eq!(node.faulty.store.entries(0..9).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_revocation_that_failed_and_was_lost_is_in_force_nowhere_until_it_is_repeated() {
    let node = Failing::start().await;
    node.faulty.store.fail(Fault::Lost);
    assert!(!node.revoke("a").await);
    node.revocations.tick().await.unwrap();
    assert!(!node.covers("a"));
    assert!(node.revoke("a").await && node.covers("a"));
    assert_eq!(node.faulty.store.entries(0..9).await.unwrap().len(), 1);
}

/// The caller goes away while the commit is under way: what was written comes into force all the same.
#[tokio::test]
async fn a_revocation_whose_caller_has_gone_comes_into_force() {
    let node = Failing::start().await;
    {
        let mut leaving = Box::pin(node.revoke("a"));
        let waker = std::task::Waker::noop();
        assert!(leaving.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        node.faulty.recorder.settle().await.unwrap();
    }
    node.revocations.tick().await.unwrap();
    assert!(node.covers("a"));
}

#[tokio::test]
async fn a_revocation_is_forgotten_when_no_token_depends_on_it() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let first = token(mint, &reader).await;
        assert_done(&mint.revoke(&reader, &first).await);
        revoke_by_hand(mint, json!({ "issued_before": START.seconds() })).await.assert_status(200);
        let of_reader = json!({ "client_id": "reader", "issued_before": START.seconds() });
        revoke_by_hand(mint, of_reader).await.assert_status(200);
        mint.later("65m").await;
        let second = token(mint, &reader).await;
        assert_done(&mint.revoke(&reader, &second).await);
        let kept = mint.forget_revoked().await;
        assert_eq!((kept.tokens.len(), kept.floors.len()), (2, 2), "until an hour after its end");
        // A clock that is set forward takes nothing away.
        let right = mint.clock().now();
        mint.clock().set_wall(right.plus(Duration::from_hours(24 * 30)));
        assert_eq!(mint.forget_revoked().await.tokens.len(), 2);
        mint.clock().set_wall(right);
        assert_eq!(mint.forget_revoked().await.tokens.len(), 2);
        mint.later("10m").await;
        assert_eq!(mint.forget_revoked().await.tokens.len(), 1, "the first has gone");
        mint.introspect(&reader, &second).await.assert_inactive();
        mint.later("24h").await;
        let Revoked { tokens, floors, forgotten } = mint.forget_revoked().await;
        assert_eq!((tokens.len(), floors.len()), (0, 0));
        assert!(forgotten.until < right.plus(Duration::from_hours(2)), "no further than what was there");
        assert_eq!(forgotten.not_before, START);
        assert_eq!(mint.app().revocations.floor(Some("reader")).seconds(), 0);
    })
    .await;
}

/// The machine comes up with a clock that is ahead, and is put right before anybody believes it.
#[tokio::test]
async fn a_start_by_a_clock_that_is_ahead_forgets_nothing() {
    with_settings(&[("MINTMARK_TOKENS__LIFETIME", "50m")], async |mint| {
        let reader = mint.usual_policy().await;
        let revoked = token(mint, &reader).await;
        assert_done(&mint.revoke(&reader, &revoked).await);
        mint.later("10m").await;
        mint.stop().await;
        let right = mint.clock().now();
        mint.clock().set_wall(right.plus(Duration::from_hours(2)));
        mint.reopen().await.unwrap();
        assert_eq!(mint.forget_revoked().await.tokens.len(), 1, "at the start");
        mint.later("9m").await;
        assert_eq!(mint.forget_revoked().await.tokens.len(), 1, "while the clock settles");
        mint.clock().set_wall(right.plus(Duration::from_mins(9)));
        mint.introspect(&reader, &revoked).await.assert_inactive();
        let other = token(mint, &reader).await;
        mint.introspect(&reader, &other).await.assert_active();
    })
    .await;
}

/// It was ahead for so long that it was believed: what it forgot stays forgotten, and what depended on it stays revoked.
#[tokio::test]
async fn what_was_forgotten_by_a_clock_that_was_ahead_stays_revoked() {
    with_settings(&[("MINTMARK_TOKENS__LIFETIME", "50m")], async |mint| {
        let reader = mint.usual_policy().await;
        let (single, of_client) = (token(mint, &reader).await, token(mint, &reader).await);
        assert_done(&mint.revoke(&reader, &single).await);
        mint.later("1s").await;
        let floor = json!({ "client_id": "reader", "issued_before": START.seconds() + 1 });
        revoke_by_hand(mint, floor).await.assert_status(200);
        let later = token(mint, &reader).await;
        for (ahead, tokens, floors) in [(2, 0, 1), (27, 0, 0)] {
            mint.stop().await;
            let right = mint.clock().now();
            mint.clock().set_wall(right.plus(Duration::from_hours(ahead)));
            mint.reopen().await.unwrap();
            mint.later("10m").await;
            let left = mint.forget_revoked().await;
            assert_eq!((left.tokens.len(), left.floors.len()), (tokens, floors), "{ahead} h");
            mint.clock().set_wall(right.plus(Duration::from_mins(10)));
            for _ in 0..2 {
                mint.introspect(&reader, &single).await.assert_inactive();
                mint.introspect(&reader, &of_client).await.assert_inactive();
                mint.introspect(&reader, &later).await.assert_active();
                mint.crash().await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_operator_revokes_one_token_by_its_name() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let issued = mint.token(&reader, "").await;
        let (_, claims) = issued.assert_token();
        let (jti, token) = (&claims["jti"], issued.access_token().unwrap());
        let told = revoke_by_hand(mint, json!({ "jti": jti })).await.assert_status(200).json();
        assert_eq!(told, json!({ "jti": jti, "client_id": "reader", "exp": claims["exp"] }));
        mint.introspect(&reader, &token).await.assert_inactive();
        let record = &mint.logged(EventType::TokenRevoked).await[0];
        let members = ["actor", "via", "source_ip", "object", "client_id", "jti", "issued_before"];
        let members = members.map(|name| record.body[name].clone());
        let socket = json!("socket");
        assert_eq!(
            members,
            [json!("unix:0"), socket, Value::Null, jti.clone(), json!("reader"), jti.clone(), Value::Null]
        );
        revoke_by_hand(mint, json!({ "jti": jti })).await.assert_status(200);
        assert_eq!(mint.logged(EventType::TokenRevoked).await.len(), 1);
        for unknown in ["nonsense", "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            revoke_by_hand(mint, json!({ "jti": unknown })).await.assert_problem(404);
        }
        let (_, old) = mint.token(&reader, "").await.assert_token();
        mint.later("10m").await;
        revoke_by_hand(mint, json!({ "jti": old["jti"] })).await.assert_status(200);
        assert_eq!(mint.logged(EventType::TokenRevoked).await.len(), 1, "it had ended");
    })
    .await;
}

/// Two bounds, and the later one wins, whichever it is and whichever came first.
#[tokio::test]
async fn of_two_bounds_the_later_one_wins() {
    let at = |seconds: u64| START.seconds() + seconds;
    for (of_all, of_reader) in [(10, 20), (20, 10)] {
        for all_first in [true, false] {
            with_mint(async |mint| {
                let reader = mint.usual_policy().await;
                let other = mint.client("other", json!({ "scope": "orders:read" })).await;
                let mut tokens = Vec::new();
                for seconds in [0, 9, 10, 19, 20] {
                    let passed = mint.clock().now().since(START);
                    mint.later_by(Duration::from_secs(seconds).saturating_sub(passed)).await;
                    tokens.push((seconds, token(mint, &reader).await, token(mint, &other).await));
                }
                let all = json!({ "issued_before": at(of_all) });
                let own = json!({ "client_id": "reader", "issued_before": at(of_reader) });
                let both = if all_first { [all, own] } else { [own, all] };
                for body in both {
                    revoke_by_hand(mint, body).await.assert_status(200);
                }
                // An earlier bound changes nothing, and the answer says what is in force.
                let lower = json!({ "client_id": "reader", "issued_before": at(5) });
                let told = revoke_by_hand(mint, lower).await.assert_status(200).json();
                assert_eq!(told, json!({ "client_id": "reader", "issued_before": at(20) }));
                let lower = json!({ "issued_before": at(5) });
                let told = revoke_by_hand(mint, lower).await.assert_status(200).json();
                assert_eq!(told, json!({ "client_id": null, "issued_before": at(of_all) }));
                assert_eq!(mint.logged(EventType::TokenRevoked).await.len(), 2);
                for _ in 0..2 {
                    for (seconds, of_reader, of_other) in &tokens {
                        let active = async |client, token| {
                            mint.introspect(client, token).await.json()["active"] == true
                        };
                        // What was issued in the very second is not before it.
                        assert_eq!(active(&reader, of_reader).await, *seconds >= 20, "{seconds}");
                        assert_eq!(active(&other, of_other).await, *seconds >= of_all, "{seconds}");
                    }
                    mint.crash().await;
                }
            })
            .await;
        }
    }
}

#[tokio::test]
async fn now_means_every_token_that_exists_and_none_that_comes_later() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.clock().advance(Duration::from_millis(300));
        let before = token(mint, &reader).await;
        let told = revoke_by_hand(mint, json!({ "issued_before": "now" })).await.assert_status(200).json();
        assert_eq!(told, json!({ "client_id": null, "issued_before": START.seconds() + 1 }));
        mint.introspect(&reader, &before).await.assert_inactive();
        mint.later("1s").await;
        let after = token(mint, &reader).await;
        mint.introspect(&reader, &after).await.assert_active();
        // A small step back of the clock is absorbed: the next token bears the time of the last.
        mint.clock().set_wall(START.minus(Duration::from_secs(2)));
        let absorbed = token(mint, &reader).await;
        revoke_by_hand(mint, json!({ "client_id": "reader", "issued_before": "now" }))
            .await
            .assert_status(200);
        mint.introspect(&reader, &absorbed).await.assert_inactive();

        mint.tick().await;
        let records = mint.logged(EventType::TokenRevoked).await;
        assert!(records.iter().all(|record| (record.leaf.lk, record.leaf.exp) == (None, None)));
        let told: Vec<_> = records.iter().map(|r| (&r.body["object"], &r.body["client_id"])).collect();
        assert_eq!(told, [(&json!("all"), &Value::Null), (&json!("reader"), &json!("reader"))]);
        assert_eq!(records[0].body["issued_before"], "2026-11-22T12:00:01.000000Z");
        let export = mint.admin_get("/admin/v1/audit/export").await;
        let verdict = verify(export.body.as_slice(), &vkey(mint).await, None).unwrap();
        assert!(verdict.ok, "{verdict:?}");
    })
    .await;
}

#[tokio::test]
async fn what_does_not_say_which_tokens_is_refused() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let now = START.seconds();
        for body in [
            json!({}),
            json!({ "client_id": "reader" }),
            json!({ "jti": "a", "issued_before": now }),
            json!({ "jti": "a", "client_id": "reader" }),
            json!({ "issued_before": -1 }),
            json!({ "issued_before": 1.5 }),
            json!({ "issued_before": "soon" }),
            json!({ "issued_before": now, "all": true }),
            json!({ "issued_before": now + 32 }),
            json!({ "issued_before": u64::MAX }),
            json!({ "client_id": "reader", "issued_before": now + 3_600 }),
        ] {
            revoke_by_hand(mint, body).await.assert_problem(400);
        }
        revoke_by_hand(mint, json!({ "client_id": "nobody", "issued_before": now }))
            .await
            .assert_problem(404);
        // Nothing was issued before it, so nothing is revoked by it.
        revoke_by_hand(mint, json!({ "client_id": "reader", "issued_before": 0 })).await.assert_status(200);
        assert!(mint.logged(EventType::TokenRevoked).await.is_empty());
        revoke_by_hand(mint, json!({ "issued_before": now + 31 })).await.assert_status(200);
    })
    .await;
}
