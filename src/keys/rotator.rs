//! Carries out what the schedule says: makes keys, records the step, swaps the ring.
//!
//! A step and its records are one transaction, a compare-and-swap on the
//! ring's version. Only after it is durable does a key sign or is it served. A
//! stale plan is refused by the store and made anew from the ring that is there.
//! A step that fails leaves the keys in force as they were.

mod acts;
mod failpoints;
mod stored;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

pub use acts::{ActFault, By, InRing, Revocation};

use super::jwks::Document;
use super::opened::{Opened, label};
use super::plan::{Plan, StalePlan};
use super::records::{self, Told};
use super::repair::{Losses, repair};
use super::schedule::{self, Quantities};
use super::seal::{OpenFailed, SealFailed, Sealer};
use super::signer::Signer;
use super::steady::{Reading, SteadyClock};
use super::{KeyFacts, KeyRing, in_process};
use crate::ambient::{Clock, Entropy};
use crate::audit::log_key::LogKeyFault;
use crate::audit::recorder::{RecordFault, Recorder};
use crate::failpoint::failpoint;
use crate::jose::key_pair::GenerateFailed;
use crate::jose::{Algorithm, KeyPair, Kid, Pkcs8};
use crate::store::{Change, Store, StoreFault};
use crate::time::Timestamp;

/// A wall clock that is further off than this cannot be right, and is not followed.
const FARTHEST: Duration = Duration::from_hours(24 * 366);
/// So many keys may be replaced for wrong signatures within [`BLAME`].
const MOST_WRONG: usize = 2;
/// How long a wrong signature counts against the machine.
const BLAME: Duration = Duration::from_hours(1);
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

impl RotationFault {
    /// Whether it stands in the way of one ring only: another may go on.
    fn is_of_one_ring(&self) -> bool {
        matches!(self, Self::Generate(_) | Self::Seal(_) | Self::Stale(_))
    }
}

/// What a rotator is made of.
pub struct RotatorParts {
    /// Where the ring is kept.
    pub store: Arc<dyn Store>,
    /// Writes the steps into the log.
    pub recorder: Recorder,
    /// Gets the keys to sign with.
    pub signer: Arc<Signer>,
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
    /// Private halves were destroyed or sealed anew, and the store's file may still hold them as they were.
    unwiped: bool,
    /// Rows that cannot be read or believed and may have been an active key, by their algorithm.
    unreadable: Vec<Option<Algorithm>>,
    /// When a key came to rest because it gave a wrong signature.
    wrong_signatures: Vec<Timestamp>,
    /// A move of the dates whose outcome is unknown, and what both clocks showed.
    moving: Option<(KeyRing, Timestamp, Duration)>,
    /// The wall clock cannot be right, and that was told.
    astray: bool,
    /// What one ring could not do, to be told at the end of the tick.
    fault: Option<RotationFault>,
}

/// A key just made or brought, with its private half as the store keeps it.
struct Fresh {
    pair: KeyPair,
    sealed: Vec<u8>,
}

/// Whose step it is, and what is written with it, which may tell of the ring after it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    told: Told<'a>,
    beside: &'a (dyn Fn(&KeyRing) -> Option<Change> + Sync),
}

impl Asked<'_> {
    /// By itself.
    const BY_SCHEDULE: Asked<'static> = Asked { told: Told::BY_SCHEDULE, beside: &|_| None };
}

impl Rotator {
    /// Reads the ring and opens its private keys, which `sealer` has sealed under the KEK. Fails when none of them opens: then the KEK is
    /// another one. What is damaged beside sound keys is repaired by the first [`Self::tick`].
    pub async fn open(parts: RotatorParts, sealer: Sealer) -> Result<Self, RotationFault> {
        let document = Document::of(&KeyRing::default(), &parts.quantities);
        let pace = Pace {
            clock: SteadyClock::new(parts.quantities.clock_skew),
            sealer,
            candidate: None,
            reload: true,
            unwiped: false,
            unreadable: Vec::new(),
            wrong_signatures: Vec::new(),
            moving: None,
            astray: false,
            fault: None,
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

    /// Makes every step that is due. Skipped and late calls do no harm. A ring whose step cannot be
    /// made stops no other; the first such fault is told.
    pub async fn tick(&self) -> Result<(), RotationFault> {
        let mut pace = self.stepping.lock().await;
        let now = self.begin(&mut pace).await?;
        let mut algorithms = self.parts.algorithms.clone();
        for _ in 0..STEPS {
            failpoint!("rotate.plan.before");
            let plan = schedule::schedule(&self.ring(), &algorithms, &self.parts.quantities, now);
            let Some(plan) = plan else { break };
            failpoint!("rotate.plan.after");
            let made = self.step(&mut pace, &plan, Asked::BY_SCHEDULE).await;
            let held_up = plan.needs_new();
            match made {
                Ok(()) => {}
                Err(fault) if fault.is_of_one_ring() && !held_up.is_empty() => {
                    algorithms.retain(|algorithm| !held_up.contains(algorithm));
                    pace.fault.get_or_insert(fault);
                }
                Err(fault) => return Err(fault),
            }
        }
        if pace.unwiped {
            // Only now is a private half that was destroyed off the disk. Somebody who reads may be in
            // the way; the next tick tries again.
            pace.unwiped = self.parts.store.flush().await.is_err();
        }
        pace.fault.take().map_or(Ok(()), Err)
    }

    /// Whether every configured algorithm has a key that signs.
    pub fn signs(&self) -> bool {
        self.parts.algorithms.iter().all(|algorithm| self.parts.signer.active(*algorithm).is_ok())
    }

    /// What is wrong although every step is made, and what to do.
    pub fn complaint(&self) -> Option<String> {
        let (ring, quarantined) = (self.ring(), self.parts.signer.quarantined());
        let active = |algorithm: &&Algorithm| {
            ring.active(**algorithm).is_some_and(|key| quarantined.contains(&key.kid))
        };
        if let Some(algorithm) = self.parts.algorithms.iter().find(active) {
            return Some(format!(
                "several {algorithm} keys in a row gave wrong signatures, and none is tried any more; move to another machine"
            ));
        }
        let now = Timestamp::from_micros(self.told.load(Ordering::Acquire));
        let until = schedule::ahead(&ring, &self.parts.quantities, now)?;
        Some(format!(
            "the keys' times lie ahead of the clock, until {until}; correct the clock, or run mintmark key rotate --now"
        ))
    }

    /// What comes before every act: the stored ring is in force, its dates fit the clock, what is lost is
    /// repaired. A ring that cannot be repaired stops nothing else.
    async fn begin(&self, pace: &mut Pace) -> Result<Timestamp, RotationFault> {
        self.catch_up(pace).await?;
        let now = self.go_with_the_clock(pace).await?;
        self.told.store(now.micros(), Ordering::Release);
        for algorithm in Algorithm::ALL {
            let (losses, by_signature) = self.losses(pace, algorithm, now);
            let policy = (self.parts.algorithms.as_slice(), &self.parts.quantities);
            let Some(plan) = repair(&self.ring(), &losses, algorithm, policy) else { continue };
            match self.step(pace, &plan, Asked::BY_SCHEDULE).await {
                Ok(()) if by_signature => pace.wrong_signatures.push(now),
                Ok(()) => {}
                Err(fault) if fault.is_of_one_ring() => {
                    pace.fault.get_or_insert(fault);
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(now)
    }

    /// The time. Where the wall clock has jumped, the keys' dates jump with it, in one transaction, so
    /// that each key is as old as it is, here and after a restart. A wall clock that cannot be right is
    /// not followed: time goes on by the monotonic clock. A crash between the jump and its record leaves
    /// dates that are off by the jump.
    async fn go_with_the_clock(&self, pace: &mut Pace) -> Result<Timestamp, RotationFault> {
        if let Some((moved, wall, monotonic)) = pace.moving.take()
            && self.ring().keys == moved.keys
        {
            // It was written after all: moved once more, every key would be older or younger than it is.
            pace.clock.begin_anew(wall, monotonic);
        }
        let (wall, monotonic) = (self.parts.clock.now(), self.parts.clock.monotonic());
        let Reading { now, off } = pace.clock.read(wall, monotonic);
        let Some(off) = off else {
            pace.astray = false;
            return Ok(now);
        };
        if off > FARTHEST {
            if !std::mem::replace(&mut pace.astray, true) {
                tracing::warn!("the wall clock cannot be right; keys go by the monotonic clock meanwhile");
            }
            return Ok(now);
        }
        let before = self.ring();
        let ring = before.moved(now, wall);
        let swap = Change::SwapRing {
            expected: before.version,
            ring: ring.clone(),
            fresh: Vec::new(),
            resealed: Vec::new(),
        };
        if let Err(fault) = self.parts.recorder.act(vec![records::of_move(now, wall)], vec![swap]).await {
            pace.reload = true;
            pace.moving = Some((ring, wall, monotonic));
            return Err(fault.into());
        }
        tracing::warn!(seconds = off.as_secs(), "the wall clock jumped; the keys' dates went with it");
        self.put_in_force(ring);
        Ok(pace.clock.begin_anew(wall, monotonic).now)
    }

    /// What is lost of one ring, and whether that is for a wrong signature of its active key. Where
    /// keys in a row gave wrong signatures, the machine is to blame, and the next one is not tried.
    fn losses(&self, pace: &mut Pace, algorithm: Algorithm, now: Timestamp) -> (Losses, bool) {
        let mut keys = self.lock_opened().lost().clone();
        pace.wrong_signatures.retain(|at| now.since(*at) < BLAME);
        let quarantined = self.parts.signer.quarantined();
        let active = self.ring().active(algorithm).map(|key| key.kid);
        let by_signature = active.is_some_and(|kid| quarantined.contains(&kid));
        if pace.wrong_signatures.len() < MOST_WRONG {
            keys.extend(quarantined);
        }
        (Losses { keys, rows: pace.unreadable.clone() }, by_signature)
    }

    /// Makes the keys that the plan asks for, then the step.
    async fn step(&self, pace: &mut Pace, plan: &Plan, asked: Asked<'_>) -> Result<(), RotationFault> {
        let mut fresh = Vec::new();
        for algorithm in plan.needs_new() {
            let (pair, pkcs8) = in_process::generate(algorithm, &self.parts.entropy).await?;
            fresh.push(self.seal(pace, pair, &pkcs8)?);
        }
        self.step_with(pace, plan, fresh, asked).await
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
        asked: Asked<'_>,
    ) -> Result<(), RotationFault> {
        let before = self.ring();
        // Not the time of the plan: making a key or a slow disk may have come between.
        let now = pace.clock.read(self.parts.clock.now(), self.parts.clock.monotonic()).now;
        let (mut staged, mut halves, mut handles) = (Vec::new(), Vec::new(), Vec::new());
        for Fresh { pair, sealed } in fresh {
            staged.push(KeyFacts::staged(pair.public(), now));
            halves.push((pair.kid(), sealed));
            handles.push(self.parts.signer.hold(pair));
        }
        let ring = plan.apply(&before, staged, now)?;
        let records = records::of_step(&before, &ring, plan, asked.told);
        let swap = Change::SwapRing {
            expected: plan.expected_version,
            ring: ring.clone(),
            fresh: halves,
            resealed: Vec::new(),
        };
        let changes = std::iter::once(swap).chain((asked.beside)(&ring)).collect();
        failpoints::before_commit(plan);
        // Whatever breaks this off: until it is known that it was written, the store has the truth.
        pace.reload = true;
        pace.unwiped |= plan.destroys_private_halves();
        match self.parts.recorder.act(records, changes).await {
            Ok(_) => {
                failpoints::after_commit(plan);
                pace.reload = false;
                self.lock_opened().extend(handles);
                self.put_in_force(ring);
                Ok(())
            }
            // Refused, or unknown whether it was written.
            Err(fault) => Err(fault.into()),
        }
    }

    fn lock_opened(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
