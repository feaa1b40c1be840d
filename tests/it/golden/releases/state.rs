//! A service that has lived: made by today's code, kept by a release, opened again by every later version.

use std::fs;
use std::path::Path;
use std::time::Duration;

use axum::http::Method;
use mintmark::jose::verify::decode_unverified;
use mintmark::keys::KeyState;
use serde_json::{Value, json};

use super::frozen::{Asked, Client, Frozen, Given, Jwks, State, write_lines};
use crate::golden::parse::{Scenario, parse};
use crate::golden::play::Player;
use crate::golden::{PATIENCE, root};
use crate::harness::{SeededEntropy, Start, TestClient, TestMint};

/// How many of the public keys of each kind a state may use; those after them are for its replays.
const KEYS: usize = 10;

/// The life that every state has had.
fn life() -> Scenario {
    parse(&fs::read_to_string(root().join("state.scenario")).unwrap())
}

/// Lives that life and writes what is left of it into `folder`.
pub(super) async fn make(folder: &Path) {
    let life = life();
    let mut environment = vec![PATIENCE];
    environment.extend(life.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let kek = *super::public_kek().expose();
    let mut mint = Start { environment: &environment, kek, ..Start::default() }.mint().await;
    let mut player = Player::after(&mut mint, &life).await;
    let state = last_acts(&mut player, &life).await;
    let served = player.keys.served.clone();
    drop(player);
    let jwks: Vec<_> = (0..)
        .zip(&served)
        .map(|(number, served)| Jwks { number, from: served.since.seconds(), keys: served.document.clone() })
        .collect();
    let tokens = given(&mint, &state, &jwks).await;
    mint.tick().await;
    let export = mint.admin_get("/admin/v1/audit/export").await.assert_status(200).body.clone();
    let vkey = mint.get("/log/vkey").await.body;
    assert_rich(&mint).await;
    let database = mint.data_dir().join("mintmark.db");
    mint.stop().await;
    let wal = database.with_extension("db-wal").metadata().map_or(0, |wal| wal.len());
    assert_eq!(wal, 0, "the store is one file once it is closed");
    fs::copy(&database, folder.join("state.sqlite")).unwrap();
    fs::write(folder.join("log.ndjson"), export).unwrap();
    fs::write(folder.join("vkey"), vkey).unwrap();
    write_lines(&folder.join("tokens.ndjson"), &jwks, &tokens);
    fs::write(folder.join("state.json"), format!("{:#}\n", json!(state))).unwrap();
}

/// The last minute before it ends: what must be remembered afterwards.
async fn last_acts(player: &mut Player<'_>, life: &Scenario) -> State {
    let client = |player: &Player<'_>, id: &str| player.actors[id].client.clone();
    let secret = |client: &TestClient| Client { client_id: client.id.clone(), secret: client.secret.clone() };
    let now = player.now().seconds();
    let mut assertion = || player.actors.get_mut("machine").unwrap().assertion(now).unwrap();
    let (assertion, unused) = (assertion(), assertion());
    let mint = &*player.mint;
    let (reader, poster) = (client(player, "reader"), client(player, "poster"));
    let overlap = json!({ "overlap": 86_400 });
    let newer = mint.admin(Method::POST, "/admin/v1/clients/reader/secrets", Some(overlap)).await;
    let newer = reader.with_secret(newer.assert_status(201).json()["client_secret"].as_str().unwrap());
    let asked = Asked {
        path: "/admin/v1/clients".to_owned(),
        key: "once".to_owned(),
        body: json!({ "client_id": "late", "scope": "orders:read", "default_scope": "orders:read" }),
        answer: Value::Null,
    };
    let made = asked.ask(mint).await.assert_status(201).json();
    let late =
        TestClient { id: "late".to_owned(), secret: made["client_secret"].as_str().unwrap().to_owned() };
    for client in [&reader, &newer, &late] {
        mint.token(client, "").await.assert_token();
    }
    mint.token(&reader, "scope=bills:read").await.assert_token();
    mint.token(&reader, "scope=orders:write").await.assert_token();
    mint.post_form(&posted(&poster)).await.assert_token();
    mint.post_form(&asserted(&assertion)).await.assert_token();
    let revoked = mint.token(&reader, "").await.access_token().unwrap();
    mint.revoke(&reader, &revoked).await.assert_status(200);
    mint.token(&reader, "scope=mail:send").await.assert_refused(400, "invalid_scope");
    mint.tick().await;
    State {
        version: mintmark::VERSION.to_owned(),
        at: now,
        settings: life.settings.clone().into_iter().collect(),
        keys_taken: KEYS,
        clients: [&reader, &newer, &late].map(secret).to_vec(),
        strangers: [&client(player, "idle"), &client(player, "gone")].map(secret).to_vec(),
        introspector: secret(&client(player, "auditor")),
        poster: secret(&poster),
        assertion,
        unused,
        asked: Asked { answer: without_secret(made), ..asked },
    }
}

/// What an answer is when it is given again.
fn without_secret(mut answer: Value) -> Value {
    answer["client_secret"] = Value::Null;
    answer
}

/// A request by `client_secret_post`.
pub(super) fn posted(client: &TestClient) -> String {
    format!("grant_type=client_credentials&client_id={}&client_secret={}", client.id, client.secret)
}

/// A request by `private_key_jwt`.
pub(super) fn asserted(assertion: &str) -> String {
    let kind = mintmark::oauth::credential::JWT_BEARER.replace(':', "%3A");
    format!("grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}")
}

/// Every token that anybody got, with the JWKS of its moment and what is said of it at the end.
async fn given(mint: &TestMint, state: &State, jwks: &[Jwks]) -> Vec<Given> {
    let tokens = mint.ledger.lock().unwrap().clone();
    let mut given = Vec::new();
    for token in tokens {
        let decoded = decode_unverified(&token).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let at = decoded.claims["iat"].as_u64().unwrap();
        let told = mint.introspect(&state.introspector.client(), &token).await;
        given.push(Given {
            at,
            exp: decoded.claims["exp"].as_u64().unwrap(),
            jwks: jwks.iter().rfind(|jwks| jwks.from <= at).unwrap().number,
            kid: text(&decoded.header["kid"]),
            alg: text(&decoded.header["alg"]),
            client_id: text(&decoded.claims["client_id"]),
            aud: text(&decoded.claims["aud"]),
            active: told.assert_status(200).json()["active"].as_bool().unwrap(),
            token,
        });
    }
    given
}

/// A state is worth keeping only if there is something of everything in it.
async fn assert_rich(mint: &TestMint) {
    let ring = mint.app().rotator.ring();
    for state in [
        KeyState::Staged,
        KeyState::Published,
        KeyState::Active,
        KeyState::Passive,
        KeyState::Removed,
        KeyState::Revoked,
    ] {
        assert!(ring.keys.iter().any(|key| key.state == state), "no key is {}", state.as_str());
    }
    let entries = mint.app().store.entries(0..u64::MAX >> 1).await.unwrap();
    let erased = entries
        .iter()
        .filter(|entry| entry.body.is_none() && entry.leaf.windows(4).any(|at| at == b"\"bc\""));
    assert!(erased.count() > 0, "no body was erased");
    let told = |event: &str| {
        let event = format!("\"t\":\"{event}\"");
        entries.iter().any(|entry| std::str::from_utf8(&entry.leaf).unwrap().contains(&event))
    };
    for event in [
        "client.secret_due",
        "client.deleted",
        "key.imported",
        "key.retained",
        "token.revoked",
        "token.denied",
    ] {
        assert!(told(event), "no {event} was recorded");
    }
}

/// Opens a copy of a kept state at the moment at which it ended.
pub(super) async fn open(frozen: &Frozen) -> TestMint {
    let State { at, settings, keys_taken, .. } = &frozen.state;
    let mut environment = vec![PATIENCE];
    environment.extend(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let start = Start {
        now: mintmark::time::Timestamp::from_seconds(*at),
        kek: *super::public_kek().expose(),
        entropy: SeededEntropy::from_key(b"a later version", *keys_taken),
        found: Some(&frozen.folder.join("state.sqlite")),
        environment: &environment,
        ..Start::default()
    };
    let mint = start.mint().await;
    // Whoever takes away for good waits until the clock has settled.
    mint.clock().advance(Duration::from_secs(1));
    mint
}
