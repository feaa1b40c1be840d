//! Carries out what the schedule says: makes keys, records the step, swaps the ring.
//!
//! A step and its records are one transaction, a compare-and-swap on the
//! ring's version. Only after it is durable does a key sign or is it served. A
//! stale plan is refused by the store and made anew from the ring that is there.
//! A step that fails leaves the keys in force as they were.

mod acts;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

pub use acts::{ActFault, Revocation};

use super::jwks::Document;
use super::opened::{Opened, OtherKek, label};
use super::plan::{Plan, StalePlan};
use super::records::{self, Told};
use super::repair::{Losses, repair};
use super::schedule::{self, Quantities};
use super::seal::{OpenFailed, SealFailed, Sealer};
use super::signer::{InForce, Signer, Signing};
use super::steady::SteadyClock;
use super::{KeyFacts, KeyRing, KeyState, in_process};
use crate::ambient::{Clock, Entropy};
use crate::audit::log_key::LogKeyFault;
use crate::audit::recorder::{RecordFault, Recorder};
use crate::jose::key_pair::GenerateFailed;
use crate::jose::{Algorithm, KeyPair, Kid, Pkcs8};
use crate::store::{Change, Store, StoreFault, StoredRing};
use crate::time::Timestamp;
use crate::workers::apart;

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
    /// No private key opens under this KEK.
    #[error("the key {kid} cannot be opened: {source}; name its KEK as keys.kek_file, or restore a backup")]
    Sealed {
        /// One of them.
        kid: Kid,
        /// Why.
        source: OpenFailed,
    },
    /// There were keys, and none of their rows can be read.
    #[error("store.url: no signing key of this store can be read; restore a backup")]
    Unreadable,
    /// There was no thread to open the private halves on.
    #[error("the private keys could not be opened")]
    Broken,
    /// The plan did not fit the ring.
    #[error(transparent)]
    Stale(#[from] StalePlan),
    /// The log's key could not be sealed anew.
    #[error(transparent)]
    LogKey(#[from] LogKeyFault),
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

/// Rotates the signing keys by itself.
pub struct Rotator {
    parts: RotatorParts,
    ring: ArcSwap<KeyRing>,
    document: ArcSwap<Document>,
    opened: Mutex<Opened>,
    /// The time of the last act, in microseconds.
    told: AtomicU64,
    /// One step at a time in this process; the store's compare-and-swap holds the others.
    stepping: tokio::sync::Mutex<Pace>,
}

/// What only one step at a time may know.
struct Pace {
    clock: SteadyClock,
    /// The present KEK.
    sealer: Sealer,
    /// A KEK that the keys were sealed under anew, if that step was committed after all.
    candidate: Option<Sealer>,
    /// A step's outcome is unknown: read the ring before the next one.
    reload: bool,
    /// Rows that cannot be read, by their algorithm.
    unreadable: Vec<Option<Algorithm>>,
}

/// A key just made or brought, with its private half as the store keeps it.
struct Fresh {
    pair: KeyPair,
    sealed: Vec<u8>,
}

impl Rotator {
    /// Reads the ring and opens its private keys. Fails when none of them opens: then the KEK is
    /// another one. What is damaged beside sound keys is repaired by the first [`Self::tick`].
    pub async fn open(parts: RotatorParts) -> Result<Self, RotationFault> {
        let document = Document::of(&KeyRing::default(), &parts.quantities);
        let pace = Pace {
            clock: SteadyClock::new(parts.quantities.clock_skew),
            sealer: parts.sealer.clone(),
            candidate: None,
            reload: true,
            unreadable: Vec::new(),
        };
        let rotator = Self {
            parts,
            ring: ArcSwap::default(),
            document: ArcSwap::from_pointee(document),
            opened: Mutex::default(),
            told: AtomicU64::default(),
            stepping: tokio::sync::Mutex::new(pace),
        };
        rotator.catch_up(&mut *rotator.stepping.lock().await).await?;
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

    /// The configured algorithms.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.parts.algorithms
    }

    /// How often [`Self::tick`] wants to be called.
    pub fn pace(&self) -> Duration {
        (self.parts.quantities.publish_ahead / 10).clamp(Duration::from_millis(100), Duration::from_secs(1))
    }

    /// Makes every step that is due. Skipped and late calls do no harm.
    pub async fn tick(&self) -> Result<(), RotationFault> {
        let mut pace = self.stepping.lock().await;
        let now = self.begin(&mut pace).await?;
        for _ in 0..STEPS {
            let ring = self.ring();
            let plan = schedule::schedule(&ring, &self.parts.algorithms, &self.parts.quantities, now);
            let Some(plan) = plan else { break };
            self.step(&mut pace, &plan, now, Told::BY_SCHEDULE).await?;
        }
        Ok(())
    }

    /// What is wrong although every step is made: the clock is so far behind the ring that no
    /// timer runs out for a long time. Tokens are issued meanwhile.
    pub fn complaint(&self) -> Option<String> {
        let now = Timestamp::from_micros(self.told.load(Ordering::Acquire));
        let until = schedule::ahead(&self.ring(), &self.parts.quantities, now)?;
        Some(format!(
            "the keys' times lie ahead of the clock, until {until}; correct the clock, or rotate each ring by hand"
        ))
    }

    /// What comes before every act: the stored ring is in force, what is lost is repaired.
    async fn begin(&self, pace: &mut Pace) -> Result<Timestamp, RotationFault> {
        let reading = pace.clock.read(self.parts.clock.now(), self.parts.clock.monotonic());
        if let Some(off) = reading.jumped {
            tracing::warn!(
                off = off.as_secs(),
                "the wall clock jumped; keys go by the monotonic clock until both agree"
            );
        }
        self.told.store(reading.now.micros(), Ordering::Release);
        self.catch_up(pace).await?;
        for _ in 0..STEPS {
            let losses = self.losses(pace);
            let plan = repair(&self.ring(), &losses, &self.parts.algorithms, &self.parts.quantities);
            let Some(plan) = plan else { break };
            self.step(pace, &plan, reading.now, Told::BY_SCHEDULE).await?;
        }
        Ok(reading.now)
    }

    fn losses(&self, pace: &Pace) -> Losses {
        let mut keys = self.parts.signer.quarantined();
        keys.extend(self.lock_opened().lost());
        Losses { keys, rows: pace.unreadable.clone() }
    }

    /// Makes the keys that the plan asks for, then the step.
    async fn step(
        &self,
        pace: &mut Pace,
        plan: &Plan,
        now: Timestamp,
        told: Told<'_>,
    ) -> Result<(), RotationFault> {
        let mut fresh = Vec::new();
        for algorithm in plan.needs_new() {
            let (pair, pkcs8) = in_process::generate(algorithm, &self.parts.entropy).await?;
            fresh.push(self.seal(pace, pair, &pkcs8)?);
        }
        self.step_with(pace, plan, fresh, (now, told)).await
    }

    fn seal(&self, pace: &Pace, pair: KeyPair, pkcs8: &Pkcs8) -> Result<Fresh, SealFailed> {
        let label = label((pair.kid(), pair.algorithm()));
        let sealed = pace.sealer.seal(&label, pkcs8.as_bytes(), &*self.parts.entropy)?;
        Ok(Fresh { pair, sealed })
    }

    /// One transaction: the new ring, the new keys' private halves, the records.
    async fn step_with(
        &self,
        pace: &mut Pace,
        plan: &Plan,
        fresh: Vec<Fresh>,
        (now, told): (Timestamp, Told<'_>),
    ) -> Result<(), RotationFault> {
        let before = self.ring();
        let (mut staged, mut halves, mut handles) = (Vec::new(), Vec::new(), Vec::new());
        for Fresh { pair, sealed } in fresh {
            staged.push(KeyFacts::staged(pair.public(), now));
            halves.push((pair.kid(), sealed));
            handles.push(self.parts.signer.hold(pair));
        }
        let ring = plan.apply(&before, staged, now)?;
        let records = records::of_step(&before, &ring, plan, told);
        let swap = Change::SwapRing {
            expected: plan.expected_version,
            ring: ring.clone(),
            fresh: halves,
            resealed: Vec::new(),
        };
        match self.parts.recorder.act(records, vec![swap]).await {
            Ok(_) => {
                self.lock_opened().extend(handles);
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
            self.reload(pace).await?;
            pace.reload = false;
        }
        Ok(())
    }

    async fn reload(&self, pace: &mut Pace) -> Result<(), RotationFault> {
        let stored = self.parts.store.key_ring().await?;
        for row in &stored.broken {
            tracing::error!(row = %row.name, "a signing key's row cannot be read; the others are served");
        }
        pace.unreadable = stored.broken.iter().map(|row| row.algorithm).collect();
        let (ring, broken) = stored.ring.clone().mend();
        for cause in broken {
            tracing::error!(%cause, "a signing key is not believed; the others are served");
        }
        if ring.keys.is_empty() && ring.version > 0 {
            return Err(RotationFault::Unreadable);
        }
        let stored = Arc::new(stored);
        let opened = match (self.open_halves(&ring, &stored, &pace.sealer).await, pace.candidate.take()) {
            (Err(RotationFault::Sealed { .. }), Some(candidate)) => {
                let opened = self.open_halves(&ring, &stored, &candidate).await?;
                pace.sealer = candidate;
                opened
            }
            (opened, _) => opened?,
        };
        *self.lock_opened() = opened;
        self.put_in_force(ring);
        Ok(())
    }

    async fn open_halves(
        &self,
        ring: &KeyRing,
        stored: &Arc<StoredRing>,
        sealer: &Sealer,
    ) -> Result<Opened, RotationFault> {
        let (ring, stored) = (ring.clone(), stored.clone());
        let (sealer, signer) = (sealer.clone(), self.parts.signer.clone());
        let opening = apart(move || Opened::open(&ring, &stored, &sealer, |pair| signer.hold(pair)));
        let opened = opening.await.ok_or(RotationFault::Broken)?;
        opened.map_err(|OtherKek(kid)| RotationFault::Sealed { kid, source: OpenFailed::OtherKek })
    }

    /// Readers see the new JWKS before the new key signs. Private halves that no longer sign are dropped.
    fn put_in_force(&self, ring: KeyRing) {
        self.document.store(Arc::new(Document::of(&ring, &self.parts.quantities)));
        let mut opened = self.lock_opened();
        opened.keep_needed(&ring);
        let in_force = |algorithm| {
            let active = ring.active(algorithm)?;
            let longest_lifetime = schedule::longest_lifetime(active, &self.parts.quantities);
            Some((algorithm, InForce { key: opened.get(active.kid)?, longest_lifetime }))
        };
        let active: BTreeMap<_, _> = Algorithm::ALL.into_iter().filter_map(in_force).collect();
        drop(opened);
        let revoked =
            ring.keys.iter().filter(|key| key.state == KeyState::Revoked).map(|key| key.kid).collect();
        self.parts.signer.swap(Signing { active, revoked });
        self.ring.store(Arc::new(ring));
    }

    fn lock_opened(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
