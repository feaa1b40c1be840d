//! Keys in the hands of an operator: retained, released, revoked, sealed under another KEK.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintmark::audit::event::EventType;
use mintmark::jose::verify::Invalid;
use mintmark::jose::{Algorithm, Kid};
use mintmark::keys::KeyState;
use serde_json::{Value, json};

use crate::harness::{Answer, ORDERS, START, TestMint, contains, with_mint, with_settings};

const KEYS: &str = "/admin/v1/keys";

async fn act(mint: &TestMint, kid: Kid, verb: &str, body: Option<Value>) -> Answer {
    mint.admin(Method::POST, &format!("{KEYS}/{kid}/{verb}"), body).await
}

fn in_state(mint: &TestMint, state: KeyState) -> Kid {
    mint.app().rotator.ring().of(Algorithm::Es256).find(|key| key.state == state).unwrap().kid
}

async fn serves(mint: &TestMint, kid: Kid) -> bool {
    mint.jwks().await.find(&kid.to_string()).is_some()
}

/// Azure AD, 15 March 2021: an automation removed a key that people had marked to be kept,
/// and a day was lost. Here the mark wins over every timer, restart and crash.
#[tokio::test]
async fn azure_ad_2021_a_retained_key_is_served_for_ten_years() {
    with_mint(async |mint| {
        let first = in_state(mint, KeyState::Active);
        let held = act(mint, first, "retain", None).await.assert_status(200).json();
        assert_eq!((&held["kid"], &held["retain"]), (&json!(first.to_string()), &json!(true)));
        assert_eq!(held["planned"]["remove_at"], Value::Null);
        let again = act(mint, first, "retain", None).await.assert_status(200).json();
        assert_eq!(again, held, "asked twice, it is so already");

        for year in 0..10 {
            mint.later_by(Duration::from_hours(24 * 365)).await;
            if year == 3 {
                mint.restart().await;
            }
            if year == 6 {
                mint.crash().await;
            }
            assert!(serves(mint, first).await, "year {year}");
        }
        assert_eq!(mint.app().rotator.ring().key(first).unwrap().state, KeyState::Passive);

        act(mint, first, "release", None).await.assert_status(200);
        mint.tick().await;
        assert!(!serves(mint, first).await, "its time was over long ago");
        act(mint, first, "retain", None).await.assert_problem(409);
        for (event, count) in [(EventType::KeyRetained, 1), (EventType::KeyReleased, 1)] {
            let told = mint.logged(event).await;
            assert_eq!(told.len(), count, "{event}");
            assert_eq!((told[0].leaf.kid, &told[0].body["actor"]), (Some(first), &json!("unix:0")));
        }
    })
    .await;
}

#[tokio::test]
async fn a_leaked_key_is_out_at_once_and_its_standby_signs() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let (leaked, standby) = (in_state(mint, KeyState::Active), in_state(mint, KeyState::Published));
        let before = mint.jwks().await;
        let tokens = [mint.token(&reader, "").await, mint.token(&reader, "").await];
        mint.later("5m").await;
        let youngest = mint.token(&reader, "").await;
        mint.later("6m").await;

        let since = START.seconds() - 3_600;
        let body = json!({ "reason": "found in a paste", "since": since });
        let told = act(mint, leaked, "revoke", Some(body)).await.assert_status(200).json();
        let now = START.seconds() + 660;
        let expected = json!({
            "kid": leaked.to_string(), "alg": "ES256", "state": "active", "dry_run": false, "revoked_at": now,
            "since": since, "successor": standby.to_string(), "exposure": 330,
            "unexpired": { "count": 1, "latest_exp": START.seconds() + 300 + 600 },
        });
        assert_eq!(told, expected);

        assert!(!serves(mint, leaked).await && serves(mint, standby).await);
        let answer = mint.token(&reader, "").await;
        assert_eq!(answer.assert_token().0["kid"], standby.to_string());
        let fresh = mint.jwks().await;
        mint.judge(&answer.access_token().unwrap(), &before, ORDERS).unwrap();
        for token in tokens.iter().chain([&youngest]) {
            let refused = mint.judge(&token.access_token().unwrap(), &fresh, ORDERS);
            assert_eq!(refused.unwrap_err(), Invalid::UnknownKey);
        }

        let record = mint.logged(EventType::KeyRevoked).await.pop().unwrap();
        assert_eq!(record.leaf.kid, Some(leaked));
        let expected = json!({
            "alg": "ES256", "reason": "found in a paste", "since": "2026-11-22T11:00:00.000000Z", "actor": "unix:0",
        });
        assert_eq!(record.body, expected);

        // For good: no timer, restart or act brings it back.
        for verb in ["retain", "release"] {
            act(mint, leaked, verb, None).await.assert_problem(409);
        }
        act(mint, leaked, "revoke", Some(json!({ "reason": "again" }))).await.assert_problem(409);
        mint.crash().await;
        mint.later("30d").await;
        assert!(!serves(mint, leaked).await);
        let listed = mint.admin_get(KEYS).await.json();
        let key = listed["items"].as_array().unwrap().iter().find(|key| key["kid"] == leaked.to_string()).unwrap();
        let members = ["state", "reason", "revoked_at", "remove_at", "retain"].map(|name| key[name].clone());
        assert_eq!(members, [json!("revoked"), json!("found in a paste"), json!(now), json!(now), json!(false)]);
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_changes_nothing() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        let active = in_state(mint, KeyState::Active);
        let ring = mint.app().rotator.ring();
        let size = mint.log().await.len();
        let body = |dry_run| Some(json!({ "reason": "a drill", "dry_run": dry_run }));
        let mut foretold = act(mint, active, "revoke", body(true)).await.assert_status(200).json();
        assert_eq!(*mint.app().rotator.ring(), *ring);
        assert_eq!(mint.log().await.len(), size);

        let mut done = act(mint, active, "revoke", body(false)).await.assert_status(200).json();
        for told in [&mut foretold, &mut done] {
            told.as_object_mut()
                .unwrap()
                .retain(|name, _| !["dry_run", "revoked_at"].contains(&name.as_str()));
        }
        assert_eq!(foretold, done);
        assert_eq!(done["unexpired"]["count"], 1);
    })
    .await;
}

#[tokio::test]
async fn every_key_can_be_revoked_and_there_is_always_one_that_signs() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.later("14d").await;
        for state in [KeyState::Passive, KeyState::Published, KeyState::Active] {
            let kid = in_state(mint, state);
            let signing = in_state(mint, KeyState::Active);
            let told = act(mint, kid, "revoke", Some(json!({ "reason": "a drill" })))
                .await
                .assert_status(200)
                .json();
            assert_eq!(told["successor"].is_string(), state == KeyState::Active, "{told}");
            assert!(!serves(mint, kid).await);
            let ring = mint.app().rotator.ring();
            ring.check().unwrap();
            assert!(ring.standby(Algorithm::Es256).is_some());
            let signs = mint.token(&reader, "").await.assert_token().0["kid"].clone();
            assert_eq!(signs == signing.to_string(), state != KeyState::Active);
        }
        // One after the other, without waiting: the last resort is a key that nobody has seen yet.
        for _ in 0..3 {
            let kid = in_state(mint, KeyState::Active);
            act(mint, kid, "revoke", Some(json!({ "reason": "a drill" }))).await.assert_status(200);
            mint.token(&reader, "").await.assert_token();
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_person_mistypes_is_refused_and_changes_nothing() {
    with_mint(async |mint| {
        let active = in_state(mint, KeyState::Active);
        let version = mint.app().rotator.ring().version;
        let long = "x".repeat(201);
        for body in [
            json!({}),
            json!({ "reason": "" }),
            json!({ "reason": "  " }),
            json!({ "reason": long }),
            json!({ "reason": "two\nlines" }),
            json!({ "reason": "x", "since": START.seconds() + 60 }),
            json!({ "reason": "x", "since": "yesterday" }),
            json!({ "reason": "x", "force": true }),
        ] {
            act(mint, active, "revoke", Some(body)).await.assert_problem(400);
        }
        let stranger = Kid(mintmark::digest::Digest::of(&[b"nobody"]));
        for verb in ["retain", "release"] {
            act(mint, stranger, verb, None).await.assert_problem(404);
            let path = format!("{KEYS}/nonsense/{verb}");
            mint.admin(Method::POST, &path, None).await.assert_problem(404);
        }
        act(mint, stranger, "revoke", Some(json!({ "reason": "x" }))).await.assert_problem(404);
        assert_eq!(mint.app().rotator.ring().version, version);
    })
    .await;
}

#[tokio::test]
async fn the_keys_are_listed_page_by_page_in_the_order_of_their_making() {
    with_mint(async |mint| {
        for _ in 0..3 {
            mint.later("14d").await;
        }
        let whole = mint.admin_get(KEYS).await.json();
        assert_eq!(whole["now"], START.seconds() + 42 * 86_400);
        let kids = |list: &Value| -> Vec<String> {
            let items = list["items"].as_array().unwrap();
            items.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
        };
        let mut paged = Vec::new();
        let mut next = Some(format!("{KEYS}?limit=2"));
        while let Some(path) = next {
            let page = mint.admin_get(&path).await;
            page.assert_status(200);
            assert!(kids(&page.json()).len() <= 2);
            paged.extend(kids(&page.json()));
            next = page
                .headers
                .get("link")
                .map(|link| link.to_str().unwrap().split(['<', '>']).nth(1).unwrap().to_owned());
        }
        assert_eq!(paged, kids(&whole));
        assert_eq!(paged.len(), 5);
    })
    .await;
}

/// Another KEK: no key changes, no token notices, and the old KEK is worth nothing any more.
#[tokio::test]
async fn every_private_key_moves_to_another_kek_at_once() {
    with_settings(&[("MINTMARK_KEYS__ALGORITHMS", "ES256,EdDSA")], async |mint| {
        let reader = mint.usual_policy().await;
        let before = (mint.get("/.well-known/jwks.json").await.body, mint.get("/log/vkey").await.body);
        let old = mint.app().store.key_ring().await.unwrap().sealed;
        let file = mint.data_dir().join("kek-next");
        let rewrap = async |mint: &TestMint, path: &str| {
            mint.admin(Method::POST, &format!("{KEYS}/rewrap"), Some(json!({ "kek_file": path }))).await
        };
        let path = file.display().to_string();
        rewrap(mint, "keys/kek").await.assert_problem(400);
        rewrap(mint, &path).await.assert_problem(400);
        std::fs::write(&file, STANDARD.encode([9; 32])).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        rewrap(mint, &path).await.assert_problem(400);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();

        let told = rewrap(mint, &path).await.assert_status(200).json();
        assert_eq!(told["keys"], 5, "two rings of two, and the log's");
        rewrap(mint, &path).await.assert_problem(409);
        mint.token(&reader, "").await.assert_token();
        let records = mint.logged(EventType::KeyRewrapped).await;
        assert_eq!(records.len(), 5);
        let vkey_named = records.iter().filter(|record| record.body["alg"] == "EdDSA").count();
        assert_eq!(vkey_named, 3);
        // The next rotation seals under the new one.
        mint.later("14d").await;
        mint.stop().await;
        for sealed in old.values() {
            assert!(!contains(&mint.store_bytes(), sealed), "the old seal is still on the disk");
        }
        let refused = mint.reopen().await.unwrap_err().to_string();
        assert!(refused.starts_with("keys.kek_file: "), "{refused}");
        mint.set_kek([9; 32]);
        mint.reopen().await.unwrap();
        mint.token(&reader, "").await.assert_token();
        let fresh = mint.jwks().await;
        assert!(
            mintmark::jose::JwkSet::parse(&before.0)
                .unwrap()
                .iter()
                .all(|(kid, _)| fresh.find(kid).is_some())
        );
        assert_eq!(mint.get("/log/vkey").await.body, before.1);
    })
    .await;
}
