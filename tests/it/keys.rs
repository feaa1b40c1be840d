//! Signing keys: what verifiers see of them, and that no rotation, restart or crash costs a token.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, header};
use mintmark::audit::event::EventType;
use mintmark::jose::{Algorithm, JwkSet};
use mintmark::keys::KeyState;
use serde_json::{Value, json};

use crate::harness::{
    Answer, ISSUER, ORDERS, START, TestClient, TestMint, foreign_connection, segment, with_mint,
    with_settings,
};

const JWKS: &str = "/.well-known/jwks.json";
const BOTH_ALGORITHMS: &[(&str, &str)] = &[("MINTMARK_KEYS__ALGORITHMS", "ES256,EdDSA")];

async fn rotate(mint: &TestMint, body: Value) -> Answer {
    mint.admin(Method::POST, "/admin/v1/keys/rotate", Some(body)).await
}

/// The `kid` that a token of this moment is signed with.
async fn signing_kid(mint: &TestMint, client: &TestClient) -> String {
    mint.token(client, "").await.assert_token().0["kid"].as_str().unwrap().to_owned()
}

fn count(mint: &TestMint, state: KeyState) -> usize {
    mint.app().rotator.ring().keys.iter().filter(|key| key.state == state).count()
}

async fn conditional(mint: &TestMint, method: Method, path: &str, tags: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).header(header::IF_NONE_MATCH, tags);
    mint.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn on_its_first_start_an_issuer_signs_at_once_and_has_a_successor_published() {
    with_settings(BOTH_ALGORITHMS, async |mint| {
        let ring = mint.app().rotator.ring();
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let states: Vec<_> = ring.of(algorithm).map(|key| key.state).collect();
            assert_eq!(states, [KeyState::Active, KeyState::Published], "{algorithm:?}");
        }
        let listed = mint.admin_get("/admin/v1/keys").await.assert_status(200).json();
        for key in listed["items"].as_array().unwrap() {
            let active = key["state"] == "active";
            assert_eq!(key["activated_at"].is_u64(), active, "{key}");
            assert_eq!(key["published_at"], START.seconds());
            assert_eq!((&key["retain"], &key["reason"]), (&json!(false), &Value::Null));
        }
        let reader = mint.usual_policy().await;
        let kid = signing_kid(mint, &reader).await;
        assert_eq!(ring.active(Algorithm::Es256).unwrap().kid.to_string(), kid);
    })
    .await;
}

#[tokio::test]
async fn the_key_set_shows_each_key_with_its_use_its_algorithm_and_its_thumbprint() {
    with_settings(BOTH_ALGORITHMS, async |mint| {
        let set = mint.get(JWKS).await.assert_status(200).json();
        let keys = set["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 4);
        let mut kids = BTreeSet::new();
        for key in keys {
            let members: BTreeSet<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            let thumbprint = match key["alg"].as_str().unwrap() {
                "ES256" => {
                    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"].into());
                    json!({ "crv": "P-256", "kty": "EC", "x": key["x"], "y": key["y"] })
                }
                "EdDSA" => {
                    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"].into());
                    json!({ "crv": "Ed25519", "kty": "OKP", "x": key["x"] })
                }
                other => panic!("{other}"),
            };
            assert_eq!(key["use"], "sig");
            // RFC 7638: the required members in byte order, as they stand above.
            let digest = mintmark::digest::Digest::of(&[thumbprint.to_string().as_bytes()]);
            assert_eq!(key["kid"], digest.to_string());
            assert!(kids.insert(key["kid"].to_string()));
        }
    })
    .await;
}

#[tokio::test]
async fn verifiers_may_keep_the_key_set_for_five_minutes_and_ask_whether_it_changed() {
    with_mint(async |mint| {
        for path in [JWKS, "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
            let full = mint.get(path).await;
            full.assert_status(200);
            let etag = full.header("etag").to_owned();
            assert!(etag.starts_with('"') && etag.ends_with('"'), "strong: {etag}");
            assert_eq!(full.header("cache-control"), "public, max-age=300");
            assert_eq!(full.header("content-type"), "application/json; charset=utf-8");

            for tags in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
                let same = conditional(mint, Method::GET, path, &tags).await;
                assert_eq!((same.status.as_u16(), same.body.len()), (304, 0), "{tags}");
                assert_eq!(
                    (same.header("etag"), same.header("cache-control")),
                    (&*etag, "public, max-age=300")
                );
            }
            conditional(mint, Method::GET, path, "\"other\"").await.assert_status(200);

            let head = mint.send(Request::head(path).body(Body::empty()).unwrap()).await;
            assert_eq!((head.status.as_u16(), head.body.len(), head.header("etag")), (200, 0, &*etag));
            mint.send(Request::post(path).body(Body::empty()).unwrap()).await.assert_status(405);
        }
        let before = mint.get(JWKS).await.header("etag").to_owned();
        mint.later("15d").await;
        let after = conditional(mint, Method::GET, JWKS, &before).await;
        assert_ne!(after.assert_status(200).header("etag"), before);
    })
    .await;
}

#[tokio::test]
async fn the_metadata_says_what_is_there_and_nothing_else() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        let answer = mint.get("/.well-known/oauth-authorization-server").await;
        let methods = json!(["client_secret_basic", "client_secret_post", "private_key_jwt"]);
        let algorithms = json!(["ES256", "PS256", "EdDSA", "Ed25519"]);
        let expected = json!({
            "issuer": ISSUER,
            "token_endpoint": format!("{ISSUER}/oauth2/token"),
            "jwks_uri": format!("{ISSUER}{JWKS}"),
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint": format!("{ISSUER}/oauth2/introspect"),
            "introspection_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint": format!("{ISSUER}/oauth2/revoke"),
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "scopes_supported": ["orders:read", "orders:write"],
        });
        assert_eq!(answer.json(), expected);
        let alias = mint.get("/.well-known/openid-configuration").await;
        assert_eq!((answer.headers, answer.body), (alias.headers, alias.body));
    })
    .await;
}

#[tokio::test]
async fn no_answer_shows_a_private_member() {
    with_settings(BOTH_ALGORITHMS, async |mint| {
        let reader = mint.usual_policy().await;
        let token = mint.token(&reader, "").await;
        let jti = token.assert_token().1["jti"].as_str().unwrap().to_owned();
        mint.tick().await;
        let mut answers = vec![token, mint.post_form("grant_type=x").await, mint.post_form("").await];
        for path in [
            JWKS,
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
            "/livez",
            "/readyz",
            "/health/alive",
            "/health/ready",
            "/log/checkpoint",
            "/log/vkey",
            "/log/tile/entries/000.p/1",
            "/log/tile/0/000.p/1",
            &format!("/log/proof?jti={jti}"),
            "/nowhere",
        ] {
            answers.push(mint.get(path).await);
        }
        for path in ["/admin/v1/keys", "/admin/v1/clients", "/admin/v1/resources", "/admin/v1/scopes"] {
            answers.push(mint.admin_get(path).await);
        }
        answers.push(rotate(mint, json!({ "now": true })).await);
        for answer in answers {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!text.contains("PRIVATE KEY"), "{text}");
            assert_no_private_member(&answer.json());
        }
    })
    .await;
}

#[track_caller]
fn assert_no_private_member(value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                assert!(!["d", "p", "q", "dp", "dq", "qi", "oth", "k"].contains(&name.as_str()), "{name}");
                assert_no_private_member(value);
            }
        }
        Value::Array(items) => items.iter().for_each(assert_no_private_member),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Forty days in steps of half a day, and within each step a moment before and
/// after the tick at which a rotation may happen.
#[tokio::test]
async fn over_forty_days_of_rotations_restarts_and_crashes_no_verifier_refuses_a_token() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let mut kids = BTreeSet::new();
        let mut changed_at_a_tick = 0;
        for half_day in 0..80 {
            // What verifiers fetched within the last max-age, oldest first.
            let mut cached: VecDeque<JwkSet> = VecDeque::new();
            mint.clock().advance(Duration::from_hours(12) - Duration::from_mins(5));
            for _ in 0..3 {
                cached.push_back(mint.jwks().await);
                mint.clock().advance(Duration::from_secs(100));
            }
            let before = mint.token(&reader, "").await.access_token().unwrap();
            cached.push_back(mint.jwks().await);
            match half_day {
                27 | 30 => mint.restart().await,
                28 | 31 | 56 => mint.crash().await,
                _ => mint.tick().await,
            }
            assert_eq!(count(mint, KeyState::Active), 1, "half day {half_day}");
            assert_eq!(count(mint, KeyState::Published), 1, "half day {half_day}");
            mint.app().rotator.ring().check().unwrap();

            let after = mint.token(&reader, "").await;
            let kid = after.assert_token().0["kid"].as_str().unwrap().to_owned();
            let after = after.access_token().unwrap();
            for keys in &cached {
                mint.judge(&after, keys, ORDERS).unwrap();
            }
            let fresh = mint.jwks().await;
            let verified = mint.judge(&before, &fresh, ORDERS).unwrap();
            changed_at_a_tick += usize::from(verified.kid.to_string() != kid);
            kids.insert(kid);
            assert!(fresh.iter().len() <= 3, "half day {half_day}");

            // Until its last second, with the verifier's whole leeway, a token has its key.
            mint.later("11m").await;
            mint.clock().set_wall(mintmark::ambient::Clock::now(mint.clock()).minus(Duration::from_secs(1)));
            mint.judge(&after, &mint.jwks().await, ORDERS).unwrap();
            mint.clock().set_wall(mintmark::ambient::Clock::now(mint.clock()).plus(Duration::from_secs(1)));
        }
        assert_eq!((kids.len(), changed_at_a_tick), (3, 2), "two rotations in forty days");

        // Each step of each key is in the log, in the order of its life.
        for event in
            [EventType::KeyPublished, EventType::KeyActivated, EventType::KeyPassive, EventType::KeyRemoved]
        {
            let steps = mint.logged(event).await;
            let expected = match event {
                EventType::KeyPublished => 4,
                EventType::KeyActivated => 3,
                _ => 2,
            };
            assert_eq!(steps.len(), expected, "{event}");
            assert!(steps.iter().all(|step| step.body["actor"] == "schedule" && step.body["alg"] == "ES256"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_that_rests_keeps_no_private_half_and_leaves_when_its_last_token_is_dead() {
    with_mint(async |mint| {
        let first = mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid;
        mint.later("14d").await;
        let ring = mint.app().rotator.ring();
        assert_eq!(ring.key(first).unwrap().state, KeyState::Passive);
        let stored = mint.app().store.key_ring().await.unwrap();
        assert!(!stored.sealed.contains_key(&first), "its private half is destroyed in the same act");
        assert_eq!(stored.sealed.len(), 2);

        // max_lifetime + clock_skew + 2 clock_skew + leeway: 62 minutes and a half.
        mint.later("3749s").await;
        assert!(mint.jwks().await.find(&first.to_string()).is_some());
        mint.later("1s").await;
        assert!(mint.jwks().await.find(&first.to_string()).is_none());
        assert_eq!(mint.app().rotator.ring().key(first).unwrap().state, KeyState::Removed);
    })
    .await;
}

#[tokio::test]
async fn an_operator_rotates_as_soon_as_every_verifier_knows_the_successor() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let first = signing_kid(mint, &reader).await;
        let answer = rotate(mint, json!({})).await;
        let known_at = START.seconds() + 300 + 30 + 30;
        let waits = answer.assert_status(202).json();
        let waiting = json!([{ "alg": "ES256", "activates_at": known_at }]);
        let expected =
            json!({ "rotated": [], "waiting": waiting, "activates_at": known_at, "exposure": 0 });
        assert_eq!(waits, expected);
        assert_eq!(rotate(mint, json!({})).await.assert_status(202).json(), expected, "asked again");
        let asked = mint.logged(EventType::KeyRotationRequested).await;
        assert_eq!((asked.len(), &asked[0].body["actor"]), (1, &json!("unix:0")), "one wish, one record");

        mint.later("359s").await;
        assert_eq!(signing_kid(mint, &reader).await, first);
        mint.later("1s").await;
        let second = signing_kid(mint, &reader).await;
        assert_ne!(second, first, "the schedule did it when it was asked for");

        mint.later("6m").await;
        let done = rotate(mint, json!({ "alg": "ES256" })).await.assert_status(200).json();
        let rotated = |exposure| {
            json!({ "rotated": ["ES256"], "waiting": [], "activates_at": null, "exposure": exposure })
        };
        assert_eq!(done, rotated(0));
        let third = signing_kid(mint, &reader).await;
        assert_eq!(BTreeSet::from([first, second, third]).len(), 3);

        let rushed = rotate(mint, json!({ "now": true })).await.assert_status(200).json();
        assert_eq!(rushed, rotated(360));
        let acts = mint.logged(EventType::KeyActivated).await;
        let actors: Vec<_> = acts.iter().map(|act| act.body["actor"].as_str().unwrap()).collect();
        assert_eq!(actors, ["schedule", "schedule", "unix:0", "unix:0"]);
    })
    .await;
}

#[tokio::test]
async fn a_rotation_that_waits_survives_a_crash() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let first = signing_kid(mint, &reader).await;
        rotate(mint, json!({})).await.assert_status(202);
        mint.crash().await;
        assert_eq!(signing_kid(mint, &reader).await, first);
        mint.later("6m").await;
        assert_ne!(signing_kid(mint, &reader).await, first);
    })
    .await;
}

#[tokio::test]
async fn a_ring_that_is_not_there_cannot_be_rotated() {
    with_mint(async |mint| {
        rotate(mint, json!({ "alg": "EdDSA" })).await.assert_problem(409);
        for bad in [
            json!({ "alg": "none" }),
            json!({ "alg": "es256" }),
            json!({ "now": 1 }),
            json!({ "force": true }),
            json!([]),
        ] {
            rotate(mint, bad).await.assert_problem(400);
        }
        assert_eq!(mint.app().rotator.ring().keys.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_ring_that_is_added_later_is_published_before_it_signs() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.stop().await;
        mint.set("MINTMARK_KEYS__ALGORITHMS", "ES256,EdDSA");
        mint.reopen().await.unwrap();
        let uri = "https://new.example.com";
        let path = format!("/admin/v1/resources/{}", segment(uri));
        let early = mint.admin(Method::PUT, &path, Some(json!({ "resource": uri, "signing_alg": "EdDSA" })));
        early.await.assert_problem(400);
        let published = mint.jwks().await;
        assert_eq!(published.iter().len(), 3);
        mint.token(&reader, "").await.assert_token();

        mint.later("24h").await;
        mint.resource(uri, "EdDSA").await;
        mint.scope("new", uri, "600/1m").await;
        let client = mint.client("new", json!({ "scope": "new" })).await;
        let token = mint.token(&client, "scope=new").await;
        assert_eq!(token.assert_token().0["alg"], "EdDSA");
        mint.judge(&token.access_token().unwrap(), &published, uri).unwrap();
    })
    .await;
}

/// A clock that jumps and stays where it is: no key is activated early, none leaves early, and what
/// is due by the time that really passed is done, through a restart too.
#[tokio::test]
async fn keys_go_by_the_time_that_passed_whatever_the_wall_clock_says() {
    let day = Duration::from_hours(24);
    for wrong in
        [START.plus(day * 20), START.plus(Duration::from_hours(1)), START.minus(Duration::from_hours(1))]
    {
        with_mint(async |mint| {
            let shown = |passed: Duration| {
                let off = wrong.since(START).max(START.since(wrong));
                if wrong > START { START.plus(passed).plus(off) } else { START.plus(passed).minus(off) }
            };
            let reader = mint.usual_policy().await;
            let first = mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid;
            let standby = mint.app().rotator.ring().standby(Algorithm::Es256).unwrap().kid;
            mint.tick().await;
            mint.clock().set_wall(shown(Duration::ZERO));
            for _ in 0..3 {
                mint.tick().await;
                assert_eq!(mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid, first);
            }
            // A restart believes the wall clock, and finds every key as old as it is.
            mint.crash().await;
            rotate(mint, json!({})).await.assert_status(202);
            let jumps = mint.logged(EventType::ClockSkew).await;
            let keys: Vec<_> = jumps.iter().filter(|jump| jump.body["object"] == "keys").collect();
            assert_eq!(keys.len(), 1, "told once");
            assert_eq!(keys[0].body["after"], shown(Duration::ZERO).to_string());

            mint.later("6m").await;
            let token = mint.token(&reader, "").await;
            assert_eq!(token.assert_token().0["kid"], standby.to_string(), "as it was asked for");
            let passive_at = mint.app().rotator.ring().key(first).unwrap().passive_at;
            assert_eq!(passive_at, Some(shown(Duration::from_mins(6))));
            mint.later("3749s").await;
            assert!(mint.jwks().await.find(&first.to_string()).is_some());
            mint.later("1s").await;
            assert!(mint.jwks().await.find(&first.to_string()).is_none());
            mint.later("14d").await;
            assert_ne!(mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid, standby);
        })
        .await;
    }
}

/// A clock that cannot be right, for a while: the keys go by the other one, and are as they were when it is back.
#[tokio::test]
async fn keys_do_not_follow_a_clock_that_cannot_be_right() {
    for wrong in ["1970-01-01T00:00:00Z", "2038-01-19T03:14:08Z", "2106-02-07T06:28:16Z"] {
        with_mint(async |mint| {
            let first = mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid;
            mint.tick().await;
            mint.clock().set_wall(mintmark::time::Timestamp::parse(wrong).unwrap());
            for _ in 0..13 {
                mint.later("1d").await;
                assert_eq!(mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid, first, "{wrong}");
            }
            mint.later("1d").await;
            let ring = mint.app().rotator.ring();
            assert_ne!(ring.active(Algorithm::Es256).unwrap().kid, first, "{wrong}: 14 days did pass");
            assert_eq!(ring.key(first).unwrap().passive_at, Some(START.plus(Duration::from_hours(24 * 14))));
            mint.clock().set_wall(START.plus(Duration::from_hours(24 * 14)));
            mint.later("3750s").await;
            assert!(mint.jwks().await.find(&first.to_string()).is_none());
        })
        .await;
    }
}

#[tokio::test]
async fn the_key_set_and_the_metadata_outlive_the_store() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let before = mint.get(JWKS).await;
        mint.app().store.close().await;
        mint.app().recorder.finish();
        let after = mint.get(JWKS).await;
        assert_eq!((before.status, before.headers, before.body), (after.status, after.headers, after.body));
        mint.get("/.well-known/oauth-authorization-server").await.assert_status(200);
        mint.get("/livez").await.assert_status(200);
        mint.token(&reader, "").await.assert_refused(503, "temporarily_unavailable");
        let path = format!("/admin/v1/resources/{}", segment("https://late.example.com"));
        let body = json!({ "resource": "https://late.example.com", "signing_alg": "ES256" });
        mint.admin(Method::PUT, &path, Some(body)).await.assert_problem(503);
        // For the oracle, which walks what was committed.
        mint.crash().await;
        mint.admin_get(&path).await.assert_problem(404);
    })
    .await;
}

/// A row that somebody damaged never stops the other keys, nor the rotation.
#[tokio::test]
async fn keys_rotate_on_beside_a_damaged_row() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let first = signing_kid(mint, &reader).await;
        let mut other = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        let damage = "UPDATE signing_keys SET state = 'shining' WHERE state = 'published'";
        sqlx::query(damage).execute(&mut other).await.unwrap();
        sqlx::Connection::close(other).await.unwrap();
        mint.restart().await;
        assert_eq!(signing_kid(mint, &reader).await, first);
        assert_eq!(count(mint, KeyState::Published), 1, "a standby in place of the damaged one");
        mint.later("14d").await;
        assert_ne!(signing_kid(mint, &reader).await, first);
    })
    .await;
}
