//! Carries out what the schedule says: makes keys, records the step, swaps the ring.
//!
//! A step and its records are one transaction, a compare-and-swap on the
//! ring's version. Only after it is durable does a key sign or is it served. A
//! stale plan is refused by the store and made anew from the ring that is there.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::Serialize;

use super::by_hand::{self, NotNow};
use super::jwks::Document;
use super::plan::{Plan, StalePlan};
use super::schedule::{self, Quantities};
use super::seal::{Label, OpenFailed, Purpose, SealFailed, Sealer};
use super::signer::{Signer, Signing};
use super::{ActiveKey, Change as KeyChange, KeyFacts, KeyRing, KeyState, in_process};
use crate::ambient::{Clock, Entropy};
use crate::audit::body;
use crate::audit::event::EventType;
use crate::audit::leaf::Record;
use crate::audit::recorder::{RecordFault, Recorder};
use crate::jose::key_pair::GenerateFailed;
use crate::jose::{Algorithm, KeyPair, Kid};
use crate::store::{Change, Store, StoreFault, StoredRing};
use crate::time::Timestamp;

/// More steps than this in one tick mean that the schedule does not come to rest.
const STEPS: usize = 32;

/// The ring could not be read, or a step not be made. The keys in force stay in force.
#[derive(Debug, thiserror::Error)]
pub enum RotationFault {
    /// The step was not recorded.
    #[error(transparent)]
    Record(#[from] RecordFault),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// A key could not be made.
    #[error(transparent)]
    Generate(#[from] GenerateFailed),
    /// A key could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealFailed),
    /// A private key does not open under this KEK.
    #[error("the key {kid} cannot be opened: {source}; name its KEK as keys.kek_file, or restore a backup")]
    Sealed {
        /// Which key.
        kid: Kid,
        /// Why.
        source: OpenFailed,
    },
    /// The active key's private half is not there or is not what it should be.
    #[error("the private half of the key {0} is lost or damaged")]
    Lost(Kid),
    /// The plan did not fit the ring.
    #[error(transparent)]
    Stale(#[from] StalePlan),
    /// The wall clock and the monotonic clock disagree.
    #[error("the wall clock moved by itself; waiting for it to settle")]
    Clock,
}

/// What a rotator is made of.
pub struct RotatorParts {
    /// Where the ring is kept.
    pub store: Arc<dyn Store>,
    /// Writes the steps into the log.
    pub recorder: Recorder,
    /// Gets the keys to sign with.
    pub signer: Arc<Signer>,
    /// Seals private halves under the KEK.
    pub sealer: Sealer,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives the randomness of keys.
    pub entropy: Arc<dyn Entropy>,
    /// The configured times.
    pub quantities: Quantities,
    /// The configured algorithms.
    pub algorithms: Vec<Algorithm>,
}

/// The body of a `key.*` record; members in this order.
#[derive(Serialize)]
struct KeyBody<'a> {
    alg: &'static str,
    reason: &'a str,
    since: Option<String>,
    actor: &'a str,
}

/// The actor of what the schedule does.
const SCHEDULE: &str = "schedule";

/// Rotates the signing keys by itself.
pub struct Rotator {
    parts: RotatorParts,
    ring: ArcSwap<KeyRing>,
    document: ArcSwap<Document>,
    /// Opened pairs of keys that sign or will sign.
    pairs: Mutex<HashMap<Kid, ActiveKey>>,
    /// One step at a time in this process; the store's compare-and-swap holds the others.
    stepping: tokio::sync::Mutex<Pace>,
}

/// When the last tick was, by both clocks.
#[derive(Default)]
struct Pace {
    last: Option<(Timestamp, Duration)>,
    /// A step's outcome is unknown: read the ring before the next one.
    reload: bool,
}

impl Rotator {
    /// Reads the ring and opens its private keys. Fails when an active key
    /// does not open: then nothing could be signed.
    pub async fn open(parts: RotatorParts) -> Result<Self, RotationFault> {
        let document = Document::of(&KeyRing::default(), &parts.quantities);
        let rotator = Self {
            parts,
            ring: ArcSwap::default(),
            document: ArcSwap::from_pointee(document),
            pairs: Mutex::default(),
            stepping: tokio::sync::Mutex::default(),
        };
        rotator.reload().await?;
        Ok(rotator)
    }

    /// The ring in force.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// The JWKS in force, as bytes.
    pub fn document(&self) -> Arc<Document> {
        self.document.load_full()
    }

    /// The configured times.
    pub fn quantities(&self) -> &Quantities {
        &self.parts.quantities
    }

    /// How often [`Self::tick`] wants to be called.
    pub fn pace(&self) -> Duration {
        (self.parts.quantities.publish_ahead / 10).clamp(Duration::from_millis(100), Duration::from_secs(1))
    }

    /// Makes every step that is due. Skipped and late calls do no harm.
    pub async fn tick(&self) -> Result<(), RotationFault> {
        let mut pace = self.stepping.lock().await;
        let now = self.steady_now(&mut pace)?;
        self.catch_up(&mut pace).await?;
        for _ in 0..STEPS {
            let ring = self.ring();
            let plan = schedule::schedule(&ring, &self.parts.algorithms, &self.parts.quantities, now);
            let Some(plan) = plan else { break };
            self.step(&mut pace, &plan, now, SCHEDULE).await?;
        }
        Ok(())
    }

    /// Rotates by hand: at once where every verifier knows the successor, else
    /// it asks the schedule to do it then. `regardless` rotates at once in any case.
    /// Gives the plan and, if it waits, the time it waits for.
    pub async fn rotate(
        &self,
        algorithm: Option<Algorithm>,
        regardless: bool,
        actor: &str,
    ) -> Result<(Plan, Option<Timestamp>), RotateFault> {
        let mut pace = self.stepping.lock().await;
        self.catch_up(&mut pace).await?;
        let now = self.parts.clock.now();
        let (plan, waits) =
            match by_hand::rotate_by_hand(&self.ring(), algorithm, regardless, &self.parts.quantities, now) {
                Ok(plan) => (plan, None),
                Err(NotNow::NotYet { request, activates_at }) => (*request, Some(activates_at)),
                Err(refused) => return Err(RotateFault::Refused(refused)),
            };
        self.step(&mut pace, &plan, now, actor).await?;
        Ok((plan, waits))
    }

    /// Does nothing while one clock has run away from the other by more than the allowed error.
    fn steady_now(&self, pace: &mut Pace) -> Result<Timestamp, RotationFault> {
        let (wall, mono) = (self.parts.clock.now(), self.parts.clock.monotonic());
        let before = pace.last.replace((wall, mono));
        let Some((wall_before, mono_before)) = before else { return Ok(wall) };
        let expected = wall_before.plus(mono.saturating_sub(mono_before));
        let off = expected.since(wall).max(wall.since(expected));
        if off > self.parts.quantities.clock_skew { Err(RotationFault::Clock) } else { Ok(wall) }
    }

    /// One transaction: the new ring, the new keys' private halves, the records.
    async fn step(
        &self,
        pace: &mut Pace,
        plan: &Plan,
        now: Timestamp,
        actor: &str,
    ) -> Result<(), RotationFault> {
        let before = self.ring();
        let mut fresh = Vec::new();
        let mut sealed = Vec::new();
        let mut pairs = Vec::new();
        for algorithm in plan.needs_new() {
            let (pair, pkcs8) = in_process::generate(algorithm, &self.parts.entropy).await?;
            let kid = pair.kid();
            let label = Label { purpose: Purpose::TokenKey, kid, algorithm };
            sealed.push((kid, self.parts.sealer.seal(&label, pkcs8.as_bytes(), &*self.parts.entropy)?));
            fresh.push(KeyFacts::staged(pair.public(), now));
            pairs.push((kid, self.parts.signer.hold(pair)));
        }
        let ring = plan.apply(&before, fresh, now)?;
        let records = records(&ring.changes_since(&before), plan.reason.as_str(), actor);
        let swap = Change::SwapRing { expected: plan.expected_version, ring: ring.clone(), sealed };
        match self.parts.recorder.act(records, vec![swap]).await {
            Ok(_) => {
                self.lock_pairs().extend(pairs);
                self.put_in_force(ring);
                Ok(())
            }
            Err(fault) => {
                // Refused, or unknown whether it was written: either way the store has the truth.
                pace.reload = true;
                Err(fault.into())
            }
        }
    }

    /// Puts the stored ring in force after a step whose outcome is unknown. Only
    /// behind everything that was submitted before does the store tell it.
    async fn catch_up(&self, pace: &mut Pace) -> Result<(), RotationFault> {
        if pace.reload {
            self.parts.recorder.settle().await?;
            self.reload().await?;
            pace.reload = false;
        }
        Ok(())
    }

    async fn reload(&self) -> Result<(), RotationFault> {
        let stored = self.parts.store.key_ring().await?;
        for broken in &stored.broken {
            tracing::error!(row = %broken, "a signing key's row cannot be read; the others are served");
        }
        let opened = self.open_pairs(&stored)?;
        *self.lock_pairs() = opened;
        self.put_in_force(stored.ring);
        Ok(())
    }

    fn open_pairs(&self, stored: &StoredRing) -> Result<HashMap<Kid, ActiveKey>, RotationFault> {
        let mut opened = HashMap::new();
        for key in &stored.ring.keys {
            let signs = matches!(key.state, KeyState::Staged | KeyState::Published | KeyState::Active);
            let Some(sealed) = stored.sealed.get(&key.kid).filter(|_| signs) else {
                if key.state == KeyState::Active {
                    return Err(RotationFault::Lost(key.kid));
                }
                continue;
            };
            let label = Label { purpose: Purpose::TokenKey, kid: key.kid, algorithm: key.algorithm };
            let pkcs8 = self.parts.sealer.open(&label, sealed);
            let pkcs8 = pkcs8.map_err(|source| RotationFault::Sealed { kid: key.kid, source })?;
            let pair =
                KeyPair::from_pkcs8(key.algorithm, &pkcs8).map_err(|_| RotationFault::Lost(key.kid))?;
            if pair.kid() != key.kid {
                return Err(RotationFault::Lost(key.kid));
            }
            opened.insert(key.kid, self.parts.signer.hold(pair));
        }
        Ok(opened)
    }

    /// Readers see the new JWKS before the new key signs. Pairs that no longer sign are dropped.
    fn put_in_force(&self, ring: KeyRing) {
        self.document.store(Arc::new(Document::of(&ring, &self.parts.quantities)));
        let mut pairs = self.lock_pairs();
        pairs.retain(|kid, _| {
            ring.key(*kid).is_some_and(|key| {
                matches!(key.state, KeyState::Staged | KeyState::Published | KeyState::Active)
            })
        });
        let active: BTreeMap<_, _> = Algorithm::ALL
            .into_iter()
            .filter_map(|algorithm| Some((algorithm, pairs.get(&ring.active(algorithm)?.kid)?.clone())))
            .collect();
        drop(pairs);
        let revoked =
            ring.keys.iter().filter(|key| key.state == KeyState::Revoked).map(|key| key.kid).collect();
        self.parts.signer.swap(Signing { active, revoked });
        self.ring.store(Arc::new(ring));
    }

    fn lock_pairs(&self) -> std::sync::MutexGuard<'_, HashMap<Kid, ActiveKey>> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A rotation by hand that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum RotateFault {
    /// The ring does not allow it.
    #[error(transparent)]
    Refused(NotNow),
    /// It could not be made.
    #[error(transparent)]
    Failed(#[from] RotationFault),
}

fn records(changes: &[KeyChange], reason: &str, actor: &str) -> Vec<Record> {
    let record = |change: &KeyChange| Record {
        kid: Some(change.kid),
        body: Some(body::line(&KeyBody { alg: change.algorithm.as_str(), reason, since: None, actor })),
        ..Record::new(event_of(change.to))
    };
    changes.iter().map(record).collect()
}

fn event_of(state: KeyState) -> EventType {
    match state {
        KeyState::Staged => EventType::KeyStaged,
        KeyState::Published => EventType::KeyPublished,
        KeyState::Active => EventType::KeyActivated,
        KeyState::Passive => EventType::KeyPassive,
        KeyState::Removed => EventType::KeyRemoved,
        KeyState::Revoked => EventType::KeyRevoked,
    }
}
