//! A kept state goes on: today's code opens it, serves with it, and what was said before stays said.

use std::fs;
use std::time::Duration;

use mintmark::audit::checkpoint::Vkey;
use mintmark::audit::verify::verify;
use mintmark::jose::JwkSet;
use mintmark::jose::verify::{Expected, Invalid, verify_access_token};
use mintmark::time::Timestamp;

use super::frozen::{Frozen, Given, State};
use super::state::{asserted, open, posted};
use crate::harness::{ISSUER, TestMint};

/// Its tokens at their time by the keys of that time, with today's verifier.
pub(super) fn tokens_verify(frozen: &Frozen) {
    assert!(!frozen.tokens.is_empty());
    for token in &frozen.tokens {
        let keys = JwkSet::from_value(&frozen.jwks[token.jwks].keys).unwrap();
        assert_eq!(frozen.jwks[token.jwks].number, token.jwks);
        for (at, good) in [(token.at, true), (token.exp - 1, true), (token.exp + 61, false)] {
            let verdict = judge(token, &keys, at);
            assert_eq!(verdict.is_ok(), good, "{} by {} at {at}: {verdict:?}", token.client_id, token.kid);
        }
    }
}

/// Its export of the log.
pub(super) fn log_verifies(frozen: &Frozen) {
    let export = fs::read(frozen.folder.join("log.ndjson")).unwrap();
    let verdict = verify(export.as_slice(), &vkey(frozen), Some(&frozen.checkpoint())).unwrap();
    assert!(verdict.ok && verdict.entries > 0, "{verdict:?}");
}

/// Its database.
pub(super) async fn state_goes_on(frozen: &Frozen) {
    let mut mint = open(frozen).await;
    let ready = mint.get("/readyz").await.assert_status(200).json();
    assert_eq!((&ready["ready"], &ready["complaints"]), (&true.into(), &serde_json::json!([])), "{ready}");
    tokens_are_known(frozen, &mint).await;
    clients_are_known(frozen, &mint).await;
    what_was_done_stays_done(frozen, &mint).await;
    log_goes_on(frozen, &mint).await;
    mint.restart().await;
    keys_go_on(frozen, &mint).await;
    // The oracle walks the whole log, and finds every new token in it.
    mint.finish().await;
}

async fn tokens_are_known(frozen: &Frozen, mint: &TestMint) {
    let served = mint.jwks().await;
    let introspector = frozen.state.introspector.client();
    let mut known = (0, 0);
    for token in &frozen.tokens {
        let told = mint.introspect(&introspector, &token.token).await;
        assert_eq!(told.assert_status(200).json()["active"], token.active, "{} {}", token.at, token.kid);
        let verdict = judge(token, &served, token.at);
        match served.find(&token.kid) {
            Some(_) => assert_eq!(verdict, Ok(()), "{}", token.kid),
            None => assert_eq!(verdict, Err(Invalid::UnknownKey), "{}", token.kid),
        }
        assert!(!token.active || verdict.is_ok(), "{}", token.kid);
        if token.active { known.0 += 1 } else { known.1 += 1 }
    }
    assert!(known.0 > 0 && known.1 > 0, "some live still and some do not: {known:?}");
}

async fn clients_are_known(frozen: &Frozen, mint: &TestMint) {
    let served = mint.jwks().await;
    for client in &frozen.state.clients {
        let token = mint.token(&client.client(), "").await.access_token().unwrap();
        mint.judge(&token, &served, crate::harness::ORDERS).unwrap();
    }
    for client in &frozen.state.strangers {
        mint.token(&client.client(), "").await.assert_refused(401, "invalid_client");
    }
    mint.post_form(&posted(&frozen.state.poster.client())).await.assert_token();
}

/// A used assertion stays used, a keyed request is answered as before.
async fn what_was_done_stays_done(frozen: &Frozen, mint: &TestMint) {
    let State { assertion, unused, .. } = &frozen.state;
    mint.post_form(&asserted(unused)).await.assert_token();
    mint.post_form(&asserted(assertion)).await.assert_refused(401, "invalid_client");
    let size = mint.log().await.len();
    let again = frozen.state.asked.ask(mint).await.assert_status(201).json();
    assert_eq!(again, frozen.state.asked.answer);
    assert_eq!(mint.log().await.len(), size, "it was not done a second time");
}

/// What was signed then is the beginning of what is signed now, and the whole of it verifies.
async fn log_goes_on(frozen: &Frozen, mint: &TestMint) {
    mint.tick().await;
    let vkey = vkey(frozen);
    assert_eq!(mint.get("/log/vkey").await.text().trim_end(), vkey.to_string());
    let export = mint.admin_get("/admin/v1/audit/export").await;
    let old = frozen.checkpoint();
    let verdict = verify(export.assert_status(200).body.as_slice(), &vkey, Some(&old)).unwrap();
    assert!(verdict.ok, "{verdict:?}");
    let kept = fs::read_to_string(frozen.folder.join("log.ndjson")).unwrap().lines().count() - 1;
    assert!(verdict.entries > kept as u64, "{verdict:?}");
}

/// The next rotation comes when it is due, and nobody is without a key.
async fn keys_go_on(frozen: &Frozen, mint: &TestMint) {
    let reader = frozen.state.clients[0].client();
    let (header, _) = mint.token(&reader, "").await.assert_token();
    mint.later("14d").await;
    let last = frozen.state.clients.last().unwrap().client();
    let (later, _) = mint.token(&last, "").await.assert_token();
    assert_ne!(later["kid"], header["kid"], "its successor signs");
    mint.app().rotator.ring().check().unwrap();
    let introspector = frozen.state.introspector.client();
    for token in &frozen.tokens {
        let told = mint.introspect(&introspector, &token.token).await;
        assert_eq!(told.assert_status(200).json()["active"], false, "its time is over");
    }
}

fn vkey(frozen: &Frozen) -> Vkey {
    Vkey::parse(fs::read_to_string(frozen.folder.join("vkey")).unwrap().trim_end()).unwrap()
}

fn judge(token: &Given, keys: &JwkSet, at: u64) -> Result<(), Invalid> {
    let expected = Expected {
        issuer: ISSUER,
        audience: Some(&token.aud),
        now: Timestamp::from_seconds(at),
        leeway: Duration::from_mins(1),
        max_lifetime: Duration::from_hours(1),
    };
    verify_access_token(&token.token, keys, &expected).map(drop)
}
