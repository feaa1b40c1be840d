//! Several rotators over one store, rotators that sleep, and stores that fail under them.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use mintmark::ambient::{Entropy, EntropyFailed};
use mintmark::audit::checkpoint::Origin;
use mintmark::audit::event::EventType;
use mintmark::audit::open::Opener;
use mintmark::audit::recorder::{Recorder, WriterParts};
use mintmark::config::Settings;
use mintmark::jose::{Algorithm, KeyPair, Kid};
use mintmark::keys::rotator::{RotationFault, Rotator, RotatorParts};
use mintmark::keys::seal::Sealer;
use mintmark::keys::signer::Signer;
use mintmark::keys::{KeyRing, KeyState};
use mintmark::store::Store as _;
use mintmark::store::sqlite::SqliteStore;
use zeroize::Zeroizing;

use crate::harness::{
    FakeClock, Fault, FaultyStore, ISSUER, KEK, ORDERS, START, SeededEntropy, TestMint, foreign_connection,
    with_mint,
};

/// Another process's rotator, as far as the store can tell.
async fn another(mint: &TestMint, entropy: Arc<dyn Entropy>) -> (Arc<Rotator>, Arc<Signer>) {
    let settings = mint.settings();
    let signer = Arc::new(Signer::default());
    let parts = RotatorParts {
        store: mint.app().store.clone(),
        recorder: mint.app().recorder.clone(),
        signer: signer.clone(),
        clock: mint.clock_handle(),
        entropy,
        quantities: settings.keys.quantities(settings.tokens.max_lifetime),
        algorithms: settings.keys.algorithms.clone(),
    };
    let rotator = Rotator::open(parts, Sealer::new(&KEK));
    (Arc::new(rotator.await.unwrap()), signer)
}

async fn stored(mint: &TestMint) -> KeyRing {
    mint.app().store.key_ring().await.unwrap().ring
}

fn count(ring: &KeyRing, state: KeyState) -> usize {
    ring.keys.iter().filter(|key| key.state == state).count()
}

/// Randomness that makes its reader wait until the test lets it go on.
struct Held {
    inner: SeededEntropy,
    gate: Mutex<(bool, bool)>,
    turned: Condvar,
}

impl Held {
    fn new() -> Arc<Self> {
        let inner = SeededEntropy::from_key(b"another", 20);
        Arc::new(Self { inner, gate: Mutex::new((false, false)), turned: Condvar::new() })
    }

    fn wait_until_asked(&self) {
        let gate = self.gate.lock().unwrap();
        drop(self.turned.wait_while(gate, |(asked, _)| !*asked).unwrap());
    }

    fn let_go(&self) {
        self.gate.lock().unwrap().1 = true;
        self.turned.notify_all();
    }
}

impl Entropy for Held {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFailed> {
        self.inner.fill(out)
    }

    fn p256_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
        let mut gate = self.gate.lock().unwrap();
        gate.0 = true;
        self.turned.notify_all();
        drop(self.turned.wait_while(gate, |(_, open)| !*open).unwrap());
        self.inner.p256_pkcs8()
    }

    fn rsa_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
        self.inner.rsa_pkcs8()
    }
}

#[tokio::test]
async fn two_rotators_at_the_same_time_make_one_new_active_key() {
    with_mint(async |mint| {
        let (other, _) = another(mint, Arc::new(SeededEntropy::from_key(b"another", 20))).await;
        let before = stored(mint).await;
        mint.clock().advance(Duration::from_hours(24 * 14));
        let ours = mint.app().rotator.clone();
        let (one, two) = tokio::join!(ours.tick(), other.tick());
        assert!(one.is_ok() != two.is_ok(), "one of them was told that its plan is stale: {one:?} {two:?}");
        let after = stored(mint).await;
        after.check().unwrap();
        assert_eq!(after.version, before.version + 1);
        assert_eq!(after.keys.len(), 3);
        assert_eq!(mint.logged(EventType::KeyActivated).await.len(), 2, "the first start's and this one");

        // The loser reads what is there and is content.
        for rotator in [&ours, &other] {
            rotator.tick().await.unwrap();
            assert_eq!(*rotator.ring(), after);
        }
        assert_eq!(stored(mint).await.version, after.version);
    })
    .await;
}

/// AWS, 19 October 2025: a worker that was late applied an old plan over a newer one, and the clean-up
/// then removed what was in use. Here the store takes a plan only for the ring that it was made from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aws_2025_a_rotator_that_slept_while_another_rotated_twice_changes_nothing() {
    with_mint(async |mint| {
        let held = Held::new();
        let (sleeper, signer) = another(mint, held.clone()).await;
        mint.clock().advance(Duration::from_hours(24 * 14));
        let asleep = tokio::spawn({
            let sleeper = sleeper.clone();
            async move { sleeper.tick().await }
        });
        tokio::task::block_in_place(|| held.wait_until_asked());

        mint.tick().await;
        mint.later("14d").await;
        let after = stored(mint).await;
        assert_eq!(count(&after, KeyState::Removed), 1, "two rotations and a removal later");

        held.let_go();
        let refused = asleep.await.unwrap().unwrap_err().to_string();
        assert_eq!(refused, "the object was changed by somebody else");
        assert_eq!(stored(mint).await, after);
        // Its own signer never heard of the key that it made, and learns the ring that is there.
        sleeper.tick().await.unwrap();
        let active = after.active(Algorithm::Es256).unwrap().kid;
        assert_eq!(signer.active(Algorithm::Es256).unwrap().key.kid(), active);
    })
    .await;
}

/// An operator revokes while a planned rotation sleeps: the plan would activate the revoked key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleeping_rotation_does_not_undo_a_revocation() {
    with_mint(async |mint| {
        let held = Held::new();
        let (sleeper, _) = another(mint, held.clone()).await;
        let standby = mint.app().rotator.ring().standby(Algorithm::Es256).unwrap().kid;
        mint.clock().advance(Duration::from_hours(24 * 14));
        let asleep = tokio::spawn(async move { sleeper.tick().await });
        tokio::task::block_in_place(|| held.wait_until_asked());
        let revoked = mint.app().rotator.revoke(standby, "leak", None, "unix:0".into()).await;
        revoked.unwrap();
        held.let_go();
        asleep.await.unwrap().unwrap_err();
        assert_eq!(stored(mint).await.key(standby).unwrap().state, KeyState::Revoked);
        assert!(mint.jwks().await.find(&standby.to_string()).is_none());
    })
    .await;
}

#[tokio::test]
async fn a_rotation_that_cannot_be_stored_leaves_the_old_key_signing() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let first = mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid;
        let mut foreign = foreign_connection(&mint.data_dir().join("mintmark.db")).await;
        let full =
            "CREATE TRIGGER full BEFORE UPDATE ON signing_keys BEGIN SELECT RAISE(ABORT, 'disk full'); END";
        sqlx::query(full).execute(&mut foreign).await.unwrap();
        mint.clock().advance(Duration::from_hours(24 * 14));
        for _ in 0..3 {
            mint.app().rotator.tick().await.unwrap_err();
            let token = mint.token(&reader, "").await;
            assert_eq!(token.assert_token().0["kid"], first.to_string());
        }
        sqlx::query("DROP TRIGGER full").execute(&mut foreign).await.unwrap();
        mint.tick().await;
        let token = mint.token(&reader, "").await;
        assert_ne!(token.assert_token().0["kid"], first.to_string());
        assert_eq!(mint.logged(EventType::KeyActivated).await.len(), 2);
    })
    .await;
}

/// What a longer `tokens.max_lifetime` promises to a token, no later start takes back.
#[tokio::test]
async fn a_token_outlives_the_settings_that_it_was_issued_by() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let first = mint.app().rotator.ring().active(Algorithm::Es256).unwrap().kid;
        mint.set("MINTMARK_TOKENS__LIFETIME", "1h");
        mint.restart().await;
        mint.clock().advance(Duration::from_hours(24 * 14) - Duration::from_secs(1));
        let token = mint.token(&reader, "").await.access_token().unwrap();

        mint.set("MINTMARK_TOKENS__LIFETIME", "1m");
        mint.set("MINTMARK_TOKENS__MAX_LIFETIME", "1m");
        mint.restart().await;
        mint.later("1s").await;
        assert_eq!(mint.app().rotator.ring().key(first).unwrap().state, KeyState::Passive);
        mint.later("59m").await;
        mint.judge(&token, &mint.jwks().await, ORDERS).unwrap();
        mint.later("4m").await;
        assert!(mint.jwks().await.find(&first.to_string()).is_none());
    })
    .await;
}

/// Longer tokens are told before the first of them is issued, as a change of the settings.
#[tokio::test]
async fn longer_tokens_are_recorded_before_the_first_is_issued() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        assert!(mint.logged(EventType::ConfigChanged).await.is_empty());
        mint.set("MINTMARK_KEYS__RETAIN_FOR", "2h");
        mint.restart().await;
        mint.restart().await;
        let mut told = mint.logged(EventType::ConfigChanged).await;
        told.retain(|told| told.body["object"] == "keys.retain_for");
        assert_eq!(told.len(), 1);
        let expected = serde_json::json!({
            "actor": "schedule", "via": "settings", "request_id": null, "object": "keys.retain_for",
            "before": 3750, "after": 7200,
        });
        assert_eq!(told[0].body, expected);
        let ring = mint.app().rotator.ring();
        assert_eq!(ring.active(Algorithm::Es256).unwrap().retain_for, Some(Duration::from_hours(2)));
    })
    .await;
}

/// A clock that was years ahead when the keys were made: said aloud, and mended by a rotation by hand.
#[tokio::test]
async fn keys_from_the_future_are_told_and_an_operator_mends_them() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.clock().set_wall(START.minus(Duration::from_hours(24 * 300)));
        mint.crash().await;
        let complaint = || mint.app().rotator.complaint().unwrap_or_default();
        assert!(complaint().starts_with("the keys' times lie ahead of the clock, until 2026-11-22"));
        mint.token(&reader, "").await.assert_token();
        mint.app().rotator.rotate(None, true, "unix:0".into()).await.unwrap();
        assert_eq!(complaint(), "");
        mint.later("63m").await;
        // What came to rest rests by the clock of today.
        assert_eq!(count(&stored(mint).await, KeyState::Passive), 0);
        mint.clock().set_wall(START);
    })
    .await;
}

/// A store that fails when it is told to, with a log that is open, and the parts of a rotator over it.
struct Faulty {
    folder: tempfile::TempDir,
    store: Arc<FaultyStore>,
    recorder: Recorder,
    clock: Arc<FakeClock>,
}

impl Faulty {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inner = SqliteStore::open(&folder.path().join("mintmark.db"), folder.path(), true).await.unwrap();
        let store = FaultyStore::new(Arc::new(inner));
        let entropy = Arc::new(SeededEntropy::new(b"log"));
        let (sealer, origin) = (Sealer::new(&KEK), Origin::parse("example.com/log").unwrap());
        let opener = Opener {
            store: store.clone(),
            sealer: &sealer,
            entropy: &*entropy,
            origin: &origin,
            data_dir: folder.path(),
            build: mintmark::VERSION,
        };
        let log = opener.open().await.unwrap();
        let clock = Arc::new(FakeClock::at(START));
        let parts =
            WriterParts { store: store.clone(), clock: clock.clone(), entropy, node: "node-1".to_owned() };
        let (recorder, _) = Recorder::start(log.opening, parts, Duration::from_secs(10));
        let (records, changes) = log.first;
        recorder.act(records, changes).await.unwrap();
        Self { folder, store, recorder, clock }
    }

    /// A rotator over it that knows this KEK, and its signer.
    async fn rotator(
        &self,
        kek: [u8; 32],
        first_key: usize,
    ) -> Result<(Rotator, Arc<Signer>), RotationFault> {
        let signer = Arc::new(Signer::default());
        let settings = Settings::load(None, &[("MINTMARK_ISSUER".to_owned(), ISSUER.to_owned())]).unwrap();
        let parts = RotatorParts {
            store: self.store.clone(),
            recorder: self.recorder.clone(),
            signer: signer.clone(),
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::from_key(b"faulty", first_key)),
            quantities: settings.keys.quantities(settings.tokens.max_lifetime),
            algorithms: settings.keys.algorithms.clone(),
        };
        let rotator = Rotator::open(parts, Sealer::new(&kek));
        let rotator = rotator.await?;
        rotator.tick().await?;
        Ok((rotator, signer))
    }

    async fn ring(&self) -> KeyRing {
        assert!(self.folder.path().exists());
        self.store.key_ring().await.unwrap().ring
    }
}

async fn over_a_faulty_store() -> (Faulty, Rotator, Arc<Signer>) {
    let faulty = Faulty::start().await;
    let (rotator, signer) = faulty.rotator(KEK, 0).await.unwrap();
    (faulty, rotator, signer)
}

fn active(rotator: &Rotator) -> Kid {
    rotator.ring().active(Algorithm::Es256).unwrap().kid
}

/// Whatever the store says of a revocation: while nobody knows, the key signs nothing and is served to
/// nobody; once it is known, the ring is what the store holds.
#[tokio::test]
async fn a_revocation_whose_outcome_is_unknown_counts_as_done_until_the_store_tells() {
    for fault in [Fault::Lost, Fault::Persisted] {
        let (faulty, rotator, signer) = over_a_faulty_store().await;
        let leaked = active(&rotator);
        let served = |rotator: &Rotator| String::from_utf8(rotator.document().body.to_vec()).unwrap();
        faulty.store.fail(fault);
        // The look at the store that follows fails too: nobody knows.
        faulty.store.fail(Fault::Lost);
        rotator.revoke(leaked, "leak", None, "unix:0".into()).await.unwrap_err();
        assert!(!served(&rotator).contains(&leaked.to_string()), "{fault:?}");
        assert!(signer.active(Algorithm::Es256).is_err(), "{fault:?}");

        rotator.tick().await.unwrap();
        let stored = faulty.ring().await;
        assert_eq!(*rotator.ring(), stored, "{fault:?}");
        let revoked = stored.key(leaked).unwrap().state == KeyState::Revoked;
        assert_eq!(revoked, fault == Fault::Persisted);
        assert_eq!(served(&rotator).contains(&leaked.to_string()), !revoked);
        assert_eq!(signer.active(Algorithm::Es256).unwrap().key.kid(), active(&rotator));
    }
}

/// Written and called failed: the look at the store tells, and the operator hears that it is done.
#[tokio::test]
async fn a_revocation_that_was_written_after_all_is_told_as_done() {
    let (faulty, rotator, signer) = over_a_faulty_store().await;
    let leaked = active(&rotator);
    faulty.store.fail(Fault::Persisted);
    let done = rotator.revoke(leaked, "leak", None, "unix:0".into()).await.unwrap();
    assert_eq!((done.revoked_at, done.successor), (Some(START), Some(active(&rotator))));
    assert_eq!(rotator.ring().key(leaked).unwrap().state, KeyState::Revoked);
    assert_ne!(signer.active(Algorithm::Es256).unwrap().key.kid(), leaked);
}

#[tokio::test]
async fn other_acts_whose_outcome_is_unknown_end_as_the_store_has_them() {
    for fault in [Fault::Lost, Fault::Persisted] {
        let written = fault == Fault::Persisted;
        let (faulty, rotator, signer) = over_a_faulty_store().await;
        let first = active(&rotator);
        faulty.store.fail(fault);
        rotator.rotate(None, true, "unix:0".into()).await.unwrap_err();
        assert_eq!(signer.active(Algorithm::Es256).unwrap().key.kid(), first, "until it is known");
        rotator.tick().await.unwrap();
        assert_eq!(active(&rotator) != first, written, "{fault:?}");
        assert_eq!(signer.active(Algorithm::Es256).unwrap().key.kid(), active(&rotator));

        let kid = active(&rotator);
        faulty.store.fail(fault);
        rotator.retain(kid, "unix:0".into()).await.unwrap_err();
        rotator.tick().await.unwrap();
        assert_eq!(rotator.ring().key(kid).unwrap().retain, written);

        let (pair, pkcs8) =
            KeyPair::generate(Algorithm::Es256, &SeededEntropy::from_key(b"brought", 30)).unwrap();
        let brought = pair.kid();
        faulty.store.fail(fault);
        rotator.import(pair, pkcs8, "unix:0".into()).await.unwrap_err();
        rotator.tick().await.unwrap();
        assert_eq!(rotator.ring().key(brought).is_some(), written);
        assert_eq!(*rotator.ring(), faulty.ring().await);
        rotator.ring().check().unwrap();
    }
}

/// The clock jumps and nobody knows whether the dates went with it: they go once, not twice.
#[tokio::test]
async fn a_move_of_the_dates_whose_outcome_is_unknown_is_made_once() {
    let hour = Duration::from_hours(1);
    for fault in [Fault::Lost, Fault::Persisted] {
        for wall in [START.plus(hour), START.minus(hour)] {
            let (faulty, rotator, _) = over_a_faulty_store().await;
            faulty.clock.set_wall(wall);
            faulty.store.fail(fault);
            rotator.tick().await.unwrap_err();
            for _ in 0..3 {
                rotator.tick().await.unwrap();
            }
            let ring = faulty.ring().await;
            let published = ring.standby(Algorithm::Es256).unwrap().published_at;
            assert_eq!(published, Some(wall), "{fault:?}: as old as it was");
        }
    }
}

/// The keys moved to another KEK and nobody knows whether: the one that opens them is the KEK.
#[tokio::test]
async fn a_rewrap_whose_outcome_is_unknown_goes_on_with_the_kek_that_opens_the_keys() {
    const NEXT: [u8; 32] = [9; 32];
    for fault in [Fault::Lost, Fault::Persisted] {
        let (faulty, rotator, signer) = over_a_faulty_store().await;
        let before = rotator.ring();
        faulty.store.fail(fault);
        rotator.rewrap(Sealer::new(&NEXT), "unix:0".into()).await.unwrap_err();
        // The first look fails as well; the other KEK is not forgotten for it.
        faulty.store.fail(Fault::Lost);
        rotator.tick().await.unwrap_err();
        rotator.tick().await.unwrap();
        assert_eq!(rotator.ring().keys, before.keys);
        // It goes on from there: a rotation seals under the KEK that is the right one.
        rotator.rotate(None, true, "unix:0".into()).await.unwrap();
        assert_eq!(signer.active(Algorithm::Es256).unwrap().key.kid(), active(&rotator));

        let (right, wrong) = if fault == Fault::Persisted { (NEXT, KEK) } else { (KEK, NEXT) };
        assert!(matches!(faulty.rotator(wrong, 20).await, Err(RotationFault::Sealed { .. })), "{fault:?}");
        let (again, _) = faulty.rotator(right, 20).await.unwrap();
        assert_eq!(again.ring(), rotator.ring());
    }
}

/// A machine that gives wrong signatures gives them with the next key too: after two of them none is tried.
#[tokio::test]
async fn a_machine_that_signs_wrongly_does_not_use_up_key_after_key() {
    let (faulty, rotator, signer) = over_a_faulty_store().await;
    for expected in [1, 2, 2, 2] {
        signer.quarantine(active(&rotator));
        rotator.tick().await.unwrap();
        assert_eq!(count(&faulty.ring().await, KeyState::Passive), expected);
    }
    assert!(signer.active(Algorithm::Es256).is_err());
    let told = rotator.complaint().unwrap();
    assert!(told.starts_with("several ES256 keys in a row gave wrong signatures"), "{told}");
}
