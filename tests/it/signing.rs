//! The signature of a token: by the key that composed it, looked at before it leaves, in one algorithm only.

mod room;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Method;
use mintmark::ambient::SystemEntropy;
use mintmark::jose::verify::decode_unverified;
use mintmark::jose::{Algorithm, JwkSet, KeyPair, Kid, PublicJwk};
use mintmark::keys::signer::{InForce, Signing};
use mintmark::keys::{
    ActiveKey, BrokenRing, KeyFacts, KeyRing, KeyState, SAMPLE, Scrutiny, SignFailed, SigningKey,
};
use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use crate::harness::{ORDERS, START, SeededEntropy, TestMint, with_mint, with_settings};

fn pair(algorithm: Algorithm) -> KeyPair {
    KeyPair::generate(algorithm, &SystemEntropy::new()).unwrap().0
}

/// A key that now and then gets a bit wrong, as failing memory does: here always.
struct BitFlip(KeyPair);

#[async_trait]
impl SigningKey for BitFlip {
    fn public(&self) -> PublicJwk {
        self.0.public()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        let mut signature = self.0.sign(message).unwrap();
        signature[20] ^= 1;
        Ok(signature)
    }
}

/// A key in another machine: its signature is there when the test says so.
struct Remote {
    pair: KeyPair,
    asked: Notify,
    answers: Semaphore,
}

impl Remote {
    fn new() -> Arc<Self> {
        let pair = pair(Algorithm::Es256);
        Arc::new(Self { pair, asked: Notify::new(), answers: Semaphore::new(0) })
    }
}

/// The way to a [`Remote`].
struct Line(Arc<Remote>);

#[async_trait]
impl SigningKey for Line {
    fn public(&self) -> PublicJwk {
        self.0.pair.public()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        self.0.asked.notify_one();
        let _ = self.0.answers.acquire().await;
        self.0.pair.sign(message).map_err(|_| SignFailed::Failed)
    }
}

/// A key that gives no signature.
struct Mute(PublicJwk, SignFailed);

#[async_trait]
impl SigningKey for Mute {
    fn public(&self) -> PublicJwk {
        self.0.clone()
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignFailed> {
        Err(self.1)
    }
}

/// Lets this key sign from now on, as a rotation does.
fn put_in_force(mint: &TestMint, key: ActiveKey, revoked: &[Kid]) {
    let algorithm = key.algorithm();
    let in_force = InForce { key, longest_lifetime: Duration::from_hours(1) };
    let active = BTreeMap::from([(algorithm, in_force)]);
    mint.app().signer.swap(Signing { active, revoked: revoked.iter().copied().collect() });
}

fn good(mint: &TestMint) -> ActiveKey {
    mint.app().signer.hold(pair(Algorithm::Es256))
}

#[tokio::test]
async fn a_wrong_signature_never_leaves_and_its_key_signs_nothing_more() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let faulty = ActiveKey::new(BitFlip(pair(Algorithm::Es256)));
        put_in_force(mint, faulty.clone(), &[]);
        assert_eq!(mint.app().signer.quarantined(), BTreeSet::new());

        let answer = mint.token(&reader, "").await;
        answer.assert_refused(503, "temporarily_unavailable");
        assert_ne!(answer.header("retry-after"), "");
        assert_eq!(mint.app().signer.quarantined(), BTreeSet::from([faulty.kid()]));
        assert_eq!(mint.issued().await, 1, "the record stays, as an intent");

        mint.token(&reader, "").await.assert_refused(503, "temporarily_unavailable");
        assert_eq!(mint.issued().await, 1, "nothing is composed with it any more");

        put_in_force(mint, good(mint), &[]);
        mint.token(&reader, "").await.assert_status(200);
        put_in_force(mint, faulty, &[]);
        mint.token(&reader, "").await.assert_refused(503, "temporarily_unavailable");
        assert_eq!(mint.issued().await, 2, "it is remembered as long as the process lives");
    })
    .await;
}

/// A key in memory that has become wrong: nobody can be harmed by its signatures, so a sample is looked at.
struct Worn {
    pair: KeyPair,
    signed: AtomicU64,
    from: u64,
}

#[async_trait]
impl SigningKey for Worn {
    fn public(&self) -> PublicJwk {
        self.pair.public()
    }

    fn scrutiny(&self) -> Scrutiny {
        Scrutiny::Sample
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        let mut signature = self.pair.sign(message).unwrap();
        let wrong = self.signed.fetch_add(1, Ordering::Relaxed) >= self.from;
        signature[20] ^= u8::from(wrong);
        Ok(signature)
    }
}

#[tokio::test]
async fn a_key_that_becomes_wrong_is_withdrawn_at_once_or_within_a_sample() {
    for from in [0, 1, 5, SAMPLE] {
        with_mint(async |mint| {
            let reader = mint.usual_policy().await;
            let worn = Worn { pair: pair(Algorithm::Es256), signed: AtomicU64::new(0), from };
            put_in_force(mint, ActiveKey::new(worn), &[]);
            let mut released = 0;
            while mint.token(&reader, "").await.status == 200 {
                released += 1;
                assert!(released <= from + SAMPLE, "from {from}");
            }
            assert_eq!(
                released,
                from.div_ceil(SAMPLE) * SAMPLE,
                "the first and each {SAMPLE}th are looked at"
            );
            assert_eq!(mint.app().signer.quarantined().len(), 1);
        })
        .await;
    }
}

#[tokio::test]
async fn a_key_that_gave_a_wrong_signature_rests_and_its_standby_signs() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let token = mint.token(&reader, "").await.access_token().unwrap();
        let kid = mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid;
        // The keys of the test's own stream are known, so the one that signs can be made anew, and spoilt.
        let stream = SeededEntropy::new(b"mintmark");
        let mut keys = std::iter::from_fn(|| KeyPair::generate(Algorithm::Es256, &stream).ok());
        let signing = keys.find(|(pair, _)| pair.kid() == kid).unwrap().0;
        put_in_force(mint, ActiveKey::new(BitFlip(signing)), &[]);
        mint.token(&reader, "").await.assert_refused(503, "temporarily_unavailable");

        mint.tick().await;
        assert_eq!(mint.app().rotator.ring().key(kid).unwrap().state, KeyState::Passive);
        assert_ne!(mint.token(&reader, "").await.assert_token().0["kid"], kid.to_string());
        mint.judge(&token, &mint.jwks().await, ORDERS).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_request_in_flight_across_a_rotation_is_signed_by_the_key_that_composed_it() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let remote = Remote::new();
        put_in_force(mint, ActiveKey::new(Line(remote.clone())), &[]);
        let rotate = async {
            remote.asked.notified().await;
            put_in_force(mint, good(mint), &[]);
            remote.answers.add_permits(1);
        };
        let (answer, ()) = tokio::join!(mint.token(&reader, ""), rotate);
        let token = answer.assert_status(200).access_token().unwrap();
        let keys: JwkSet = [remote.pair.public()].into_iter().collect();
        assert_eq!(mint.judge(&token, &keys, ORDERS).unwrap().kid, remote.pair.kid());
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_revoked_while_it_signs_gives_no_token() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let remote = Remote::new();
        put_in_force(mint, ActiveKey::new(Line(remote.clone())), &[]);
        let revoke = async {
            remote.asked.notified().await;
            put_in_force(mint, good(mint), &[remote.pair.kid()]);
            remote.answers.add_permits(1);
        };
        let (answer, ()) = tokio::join!(mint.token(&reader, ""), revoke);
        answer.assert_refused(503, "temporarily_unavailable");
        assert_eq!(mint.issued().await, 1, "the record stays, as an intent");
        assert_eq!(mint.app().signer.quarantined(), BTreeSet::new(), "its signature was true");
        mint.token(&reader, "").await.assert_status(200);
    })
    .await;
}

#[tokio::test]
async fn without_a_signature_there_is_no_token() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for why in [SignFailed::Overloaded, SignFailed::Failed] {
            put_in_force(mint, ActiveKey::new(Mute(pair(Algorithm::Es256).public(), why)), &[]);
            mint.token(&reader, "").await.assert_refused(503, "temporarily_unavailable");
        }
        assert_eq!(mint.app().signer.quarantined(), BTreeSet::new(), "neither is a wrong signature");
    })
    .await;
}

/// RFC 8725bis section 3.1. The `kid` does not cover the algorithm, so a ring cannot hold one RSA key twice.
#[tokio::test]
async fn one_rsa_key_never_stands_for_two_algorithms() {
    use base64::Engine as _;
    let line = include_str!("../../keys/golden/rsa.txt").lines().next().unwrap();
    let document = base64::engine::general_purpose::STANDARD.decode(line).unwrap();
    let [rs256, ps256] = [Algorithm::Rs256, Algorithm::Ps256]
        .map(|algorithm| KeyPair::from_pkcs8(algorithm, &document).unwrap().public());
    let keys = vec![KeyFacts::staged(rs256.clone(), START), KeyFacts::staged(ps256.clone(), START)];
    assert_eq!(KeyRing { version: 1, keys }.check(), Err(BrokenRing::RepeatedKid(rs256.kid())));

    let set: JwkSet = [rs256.clone(), ps256].into_iter().collect();
    assert_eq!(set.iter().map(|(_, key)| key.algorithm()).collect::<Vec<_>>(), [Algorithm::Rs256]);
}

/// No request, no resource and no document ever offers a symmetric algorithm or none at all.
#[tokio::test]
async fn tokens_are_signed_as_configured_and_never_by_nothing_or_a_secret() {
    with_settings(&[("MINTMARK_KEYS__ALGORITHMS", "ES256,EdDSA")], async |mint| {
        for alg in ["none", "HS256", "HS384", "HS512", "ES384", "RS384", "es256"] {
            let body = json!({ "resource": ORDERS, "signing_alg": alg });
            let path = format!("/admin/v1/resources/{}", crate::harness::segment(ORDERS));
            mint.admin(Method::PUT, &path, Some(body)).await.assert_problem(400);
        }
        for alg in ["RS256", "PS256"] {
            let body = json!({ "resource": ORDERS, "signing_alg": alg });
            let path = format!("/admin/v1/resources/{}", crate::harness::segment(ORDERS));
            let refused = mint.admin(Method::PUT, &path, Some(body)).await;
            let detail = refused.assert_problem(400).json()["detail"].to_string();
            assert!(detail.contains("is not in keys.algorithms (ES256, EdDSA)"), "{detail}");
        }
        for alg in ["ES256", "EdDSA"] {
            assert_eq!(signed_with(mint, alg).await, alg);
        }
        for path in ["/.well-known/oauth-authorization-server", "/.well-known/jwks.json"] {
            let document = mint.get(path).await.text();
            for never in ["\"none\"", "\"HS", "\"oct\""] {
                assert!(!document.contains(never), "{never} in {document}");
            }
        }
    })
    .await;
}

/// The algorithm of a token for a resource of its own that wants `alg`; it verifies from the JWKS.
async fn signed_with(mint: &TestMint, alg: &str) -> String {
    let resource = format!("https://{}.example.com", alg.to_lowercase());
    let (scope, client) = (format!("read:{alg}"), format!("reader-{alg}"));
    mint.resource(&resource, alg).await;
    mint.scope(&scope, &resource, "6000/1m").await;
    let client = mint.client(&client, json!({ "scope": scope })).await;
    let token = mint.token(&client, &format!("scope={scope}")).await.access_token().unwrap();
    mint.judge(&token, &mint.jwks().await, &resource).unwrap();
    decode_unverified(&token).unwrap().header["alg"].as_str().unwrap().to_owned()
}

/// Two signatures with the same r give the private key away. Each thread stands for a core that signs.
/// A million of them take half a minute; fewer are enough to see a generator that repeats.
#[test]
fn no_es256_signature_repeats_its_nonce() {
    const EACH: usize = 150_000;
    let key = pair(Algorithm::Es256);
    let nonces = || -> Vec<Vec<u8>> {
        (0..EACH).map(|_| key.sign(b"the same message").unwrap()[..32].to_vec()).collect()
    };
    let all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(nonces)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 2 * EACH);
}

#[cfg(feature = "rsa")]
mod rsa {
    use mintmark::audit::event::EventType;

    use super::*;

    const ALL: &[(&str, &str)] = &[("MINTMARK_KEYS__ALGORITHMS", "ES256,EdDSA,RS256,PS256")];

    #[tokio::test]
    async fn every_algorithm_signs_beside_the_others() {
        with_settings(ALL, async |mint| {
            for alg in ["ES256", "EdDSA", "RS256", "PS256"] {
                assert_eq!(signed_with(mint, alg).await, alg);
            }
            let kids: BTreeSet<_> = mint.jwks().await.iter().map(|(kid, _)| kid.to_owned()).collect();
            assert_eq!(kids.len(), 8, "an active key and a standby each, all of them different");
        })
        .await;
    }

    #[tokio::test]
    async fn an_rsa_key_is_shown_with_its_algorithm_and_its_thumbprint() {
        with_settings(ALL, async |mint| {
            let set = mint.get("/.well-known/jwks.json").await.json();
            let keys: Vec<_> =
                set["keys"].as_array().unwrap().iter().filter(|key| key["kty"] == "RSA").collect();
            assert_eq!(keys.len(), 4);
            for key in keys {
                let members: BTreeSet<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
                assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"].into());
                let thumbprint = json!({ "e": key["e"], "kty": "RSA", "n": key["n"] }).to_string();
                let digest = mintmark::digest::Digest::of(&[thumbprint.as_bytes()]);
                assert_eq!((&key["kid"], &key["use"]), (&json!(digest.to_string()), &json!("sig")));
            }
        })
        .await;
    }

    #[tokio::test]
    async fn rsa_keys_rotate_and_come_back_after_a_restart() {
        with_settings(&[("MINTMARK_KEYS__ALGORITHMS", "RS256")], async |mint| {
            let active = |mint: &TestMint| mint.app().rotator.ring().active(Algorithm::Rs256).unwrap().kid;
            let first = active(mint);
            assert_eq!(signed_with(mint, "RS256").await, "RS256");
            mint.restart().await;
            assert_eq!(active(mint), first);
            mint.later("14d").await;
            assert_ne!(active(mint), first);
            let client = mint.client("another", json!({ "scope": "read:RS256" })).await;
            let token = mint.token(&client, "scope=read:RS256").await.access_token().unwrap();
            let verified = mint.judge(&token, &mint.jwks().await, "https://rs256.example.com").unwrap();
            assert_eq!(verified.kid, active(mint));
            let made = mint.logged(EventType::KeyStaged).await;
            assert!(made.iter().all(|record| record.body["alg"] == "RS256"));
        })
        .await;
    }

    /// What aws-lc makes, ring takes; and it is as strong as what is imported must be.
    #[test]
    fn a_made_rsa_key_signs_and_is_strong() {
        let (made, document) = KeyPair::generate(Algorithm::Ps256, &SystemEntropy::new()).unwrap();
        let again = KeyPair::from_pkcs8(Algorithm::Ps256, document.as_bytes()).unwrap();
        assert_eq!((again.kid(), again.public().signature_length()), (made.kid(), 256));
        let signature = again.sign(b"a message").unwrap();
        assert!(made.public().verify(b"a message", &signature));
        let other = pair(Algorithm::Ps256);
        assert_ne!(other.kid(), made.kid());
    }
}
