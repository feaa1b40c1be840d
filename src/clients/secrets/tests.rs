use std::sync::atomic::{AtomicU64, Ordering};

use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::ambient::SystemEntropy;
use crate::clients::secret::Made;
use crate::limits::Quota;
use crate::oauth::credential::AuthMethod;
use crate::policy::{Client, ClientId, SecretHash};
use crate::time::Timestamp;

/// Seconds, moved by hand; both clocks show them.
#[derive(Default)]
struct Seconds(AtomicU64);

impl Clock for Seconds {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

struct Room {
    clock: Arc<Seconds>,
    last_uses: Arc<LastUses>,
    authenticator: ClientSecrets,
    secret: SecretString,
    hash: SecretHash,
}

impl Room {
    /// With so many places for Argon2.
    fn with(places: usize) -> Self {
        let entropy = SystemEntropy::new();
        let secret = secret::generate(&entropy).unwrap();
        let Made { secret, hash } = secret::make(secret, [7; 16], Timestamp::from_seconds(0)).unwrap();
        let (clock, last_uses) = (Arc::new(Seconds(AtomicU64::new(1_000))), Arc::new(LastUses::default()));
        let workers = Workers::new(places, 0);
        let limits = [Quota::parse("10/1m").unwrap(), Quota::parse("100/1m").unwrap()];
        let attempts = Arc::new(Attempts::new(limits[0], limits[1], clock.clone(), &[1; 32]));
        let kept = (last_uses.clone(), attempts);
        let authenticator = ClientSecrets::new(workers, clock.clone(), &[2; 32], kept);
        Self { clock, last_uses, authenticator, secret, hash }
    }

    fn credential(&self) -> PresentedSecret {
        PresentedSecret {
            method: AuthMethod::ClientSecretBasic,
            client_id: "web".to_owned(),
            secret: self.secret.clone(),
        }
    }

    async fn ask(&self, policy: &Policy) -> Result<String, NotAuthenticated> {
        let credential = self.credential();
        self.authenticator
            .authenticate(policy, &credential, Source::of(None))
            .await
            .map(|found| found.secret_id)
    }
}

/// A policy with the client `web` at this version.
fn with_a_client(version: u64, secrets: &[SecretHash]) -> Policy {
    let client: Client = serde_json::from_value(json!({
        "client_id": "web", "client_name": null, "token_endpoint_auth_method": "client_secret_basic",
        "scope": "a", "default_scope": null, "access_token_lifetime": null, "claims": {}, "limits": {},
        "disabled": false, "created_at": 0, "updated_at": 0,
    }))
    .unwrap();
    let client = Client { version, ..client };
    let registered = RegisteredClient { key: 1, client, secrets: secrets.to_vec() };
    let mut policy = Policy::default();
    policy.clients.insert(registered.client.id.clone(), Arc::new(registered));
    policy
}

/// With one place, each further Argon2 would be refused.
#[tokio::test]
async fn concurrent_first_requests_share_one_hash() {
    let room = Room::with(1);
    let policy = with_a_client(1, std::slice::from_ref(&room.hash));
    let (a, b, c) = tokio::join!(room.ask(&policy), room.ask(&policy), room.ask(&policy));
    for id in [a, b, c, room.ask(&policy).await] {
        assert_eq!(id, Ok(room.hash.secret_id.clone()));
    }
}

/// A change that came between two requests with the same secret refuses neither of them.
#[tokio::test]
async fn a_change_while_a_secret_is_verified_refuses_nobody() {
    let room = Room::with(4);
    let policies = [1, 2, 3].map(|version| with_a_client(version, std::slice::from_ref(&room.hash)));
    let [before, between, after] = &policies;
    let (a, b, c) = tokio::join!(room.ask(before), room.ask(between), room.ask(after));
    for id in [a, b, c, room.ask(before).await, room.ask(after).await] {
        assert_eq!(id, Ok(room.hash.secret_id.clone()));
    }
}

#[tokio::test]
async fn what_is_remembered_is_checked_against_the_policy_and_the_clock() {
    let room = Room::with(1);
    let refused = || Err(NotAuthenticated::Refused { known: Some(ClientId::parse("web").unwrap()) });
    let ends = Timestamp::from_seconds(1_010);
    let hash = SecretHash { expires_at: Some(ends), ..room.hash.clone() };
    let policy = with_a_client(1, std::slice::from_ref(&hash));
    assert!(room.ask(&policy).await.is_ok());
    // Revoked: of the same client's version even, or with another one.
    for version in [1, 2] {
        assert_eq!(room.ask(&with_a_client(version, &[])).await, refused());
    }
    assert!(room.ask(&policy).await.is_ok());
    room.clock.0.store(1_010, Ordering::Relaxed);
    assert_eq!(room.ask(&policy).await, refused(), "it ended while it was remembered");
    let nobody = Err(NotAuthenticated::Refused { known: None });
    assert_eq!(room.ask(&Policy::default()).await, nobody, "deleted");
}

/// Without any place for Argon2, only what needs none gets an answer.
#[tokio::test]
async fn a_secret_that_is_too_long_is_refused_unhashed() {
    let room = Room::with(0);
    let policy = with_a_client(1, std::slice::from_ref(&room.hash));
    for (length, unhashed) in [(256, false), (257, true), (60_000, true)] {
        for client_id in ["web", "nobody"] {
            let secret = SecretString::from("x".repeat(length));
            let credential = PresentedSecret { secret, client_id: client_id.to_owned(), ..room.credential() };
            let refused =
                room.authenticator.authenticate(&policy, &credential, Source::of(None)).await.unwrap_err();
            let is_unhashed = matches!(refused, NotAuthenticated::Refused { .. });
            assert_eq!(is_unhashed, unhashed, "{client_id} {length}");
        }
    }
}

#[tokio::test]
async fn a_use_is_noted_when_the_door_opens_and_not_before() {
    let room = Room::with(1);
    let id = room.hash.secret_id.as_str();
    let policy = with_a_client(1, std::slice::from_ref(&room.hash));
    let wrong = PresentedSecret { method: AuthMethod::ClientSecretPost, ..room.credential() };
    assert!(room.authenticator.authenticate(&policy, &wrong, Source::of(None)).await.is_err());
    assert_eq!(room.last_uses.at(id), None, "the right secret by the wrong method opens nothing");
    for now in [1_000, 1_001, 1_400] {
        room.clock.0.store(now, Ordering::Relaxed);
        room.ask(&policy).await.unwrap();
        assert_eq!(room.last_uses.at(id), Some(Timestamp::from_seconds(now)));
    }
    let in_force = arc_swap::ArcSwap::from_pointee(policy);
    let uses = room.last_uses.unwritten(&in_force);
    assert_eq!(uses, [(id.to_owned(), Timestamp::from_seconds(1_400))]);
    assert_eq!(room.last_uses.unwritten(&in_force), uses, "nobody wrote them down");
    room.last_uses.written(&uses);
    assert_eq!(room.last_uses.unwritten(&in_force), []);
    room.clock.0.store(1_401, Ordering::Relaxed);
    room.ask(&in_force.load()).await.unwrap();
    assert_eq!(room.last_uses.unwritten(&in_force).len(), 1);
    // What is registered no more is forgotten.
    in_force.store(Arc::new(Policy::default()));
    assert_eq!((room.last_uses.unwritten(&in_force), room.last_uses.at(id)), (vec![], None));
}
