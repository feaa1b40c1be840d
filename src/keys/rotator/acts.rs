//! What an operator does to the keys, one function each. Who may do it is `admin`'s to say.

use std::sync::Arc;

use super::{Asked, Pace, RotationFault, Rotator};
use crate::audit::event::EventType;
use crate::audit::log_key;
use crate::audit::recorder::RecordFault;
use crate::jose::key_pair::Pkcs8;
use crate::jose::{Algorithm, KeyPair, Kid};
use crate::keys::by_hand::{self, NoActiveKey, Refusal, Rotation};
use crate::keys::opened::label;
use crate::keys::plan::Plan;
use crate::keys::records::{self, Told};
use crate::keys::schedule::Quantities;
use crate::keys::seal::Sealer;
use crate::keys::{KeyFacts, KeyRing, KeyState};
use crate::store::{Change, StoreFault};
use crate::time::Timestamp;

/// An act that did not happen, except where the fault says that its outcome is unknown.
#[derive(Debug, thiserror::Error)]
pub enum ActFault {
    /// The key does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is nothing to rotate.
    #[error(transparent)]
    NoActiveKey(#[from] NoActiveKey),
    /// It could not be made.
    #[error(transparent)]
    Failed(#[from] RotationFault),
}

/// Who acts, and what is written in the act's own transaction about what comes of it, a `T`.
pub struct By<'a, T> {
    actor: &'a str,
    beside: &'a (dyn Fn(&T) -> Option<Change> + Sync),
}

impl<'a, T> By<'a, T> {
    /// `actor` as the log names it.
    pub fn new(actor: &'a str, beside: &'a (dyn Fn(&T) -> Option<Change> + Sync)) -> Self {
        Self { actor, beside }
    }
}

/// With nothing beside.
impl<'a, T> From<&'a str> for By<'a, T> {
    fn from(actor: &'a str) -> Self {
        Self { actor, beside: &|_| None }
    }
}

/// A key, and the ring as it was then.
#[derive(Clone, Debug)]
pub struct InRing {
    /// The ring.
    pub ring: Arc<KeyRing>,
    /// One of its keys.
    pub key: KeyFacts,
}

/// What a revocation does, or would do.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// The key as it was before.
    pub key: KeyFacts,
    /// When; `None` if it was only asked for.
    pub revoked_at: Option<Timestamp>,
    /// The key that signs in its stead. `None` when the revoked one did not sign, or when the
    /// key that would follow is not made yet.
    pub successor: Option<Kid>,
    /// The step; [`Plan::exposure`] is how long verifiers may still believe the key.
    pub plan: Plan,
}

impl Rotator {
    /// Rotates by hand: at once where every verifier knows the successor; elsewhere it asks
    /// the schedule to do it then. `at_once` does not wait in any case.
    pub async fn rotate(
        &self,
        algorithm: Option<Algorithm>,
        at_once: bool,
        by: By<'_, Rotation>,
    ) -> Result<Rotation, ActFault> {
        let mut pace = self.stepping.lock().await;
        let now = self.begin(&mut pace).await?;
        let wanted: Vec<_> = self
            .algorithms()
            .iter()
            .copied()
            .filter(|each| algorithm.is_none_or(|one| one == *each))
            .collect();
        let rotation = by_hand::rotate_by_hand(&self.ring(), &wanted, at_once, self.quantities(), now)?;
        if rotation.plan.is_idle() {
            self.write_beside((by.beside)(&rotation)).await?;
        } else {
            let beside = |_: &KeyRing| (by.beside)(&rotation);
            let asked = Asked { told: Told { actor: by.actor, since: None }, beside: &beside };
            self.step(&mut pace, &rotation.plan, asked).await?;
        }
        Ok(rotation)
    }

    /// Holds a key in the JWKS until it is released or revoked. Repeating it changes nothing.
    pub async fn retain(&self, kid: Kid, by: By<'_, InRing>) -> Result<InRing, ActFault> {
        self.mark(kid, by, by_hand::retain).await
    }

    /// Gives a retained key back to the timers. Repeating it changes nothing.
    pub async fn release(&self, kid: Kid, by: By<'_, InRing>) -> Result<InRing, ActFault> {
        self.mark(kid, by, by_hand::release).await
    }

    async fn mark(
        &self,
        kid: Kid,
        by: By<'_, InRing>,
        decide: impl Fn(&KeyRing, Kid, Timestamp) -> Result<Plan, Refusal>,
    ) -> Result<InRing, ActFault> {
        let mut pace = self.stepping.lock().await;
        let now = self.begin(&mut pace).await?;
        let beside = |ring: &KeyRing| (by.beside)(&in_ring(ring, kid)?);
        match decide(&self.ring(), kid, now) {
            Ok(plan) => {
                let asked = Asked { told: Told { actor: by.actor, since: None }, beside: &beside };
                self.step(&mut pace, &plan, asked).await?;
            }
            Err(Refusal::NoChange) => self.write_beside(beside(&self.ring())).await?,
            Err(refusal) => return Err(refusal.into()),
        }
        Ok(in_ring(&self.ring(), kid).ok_or(Refusal::UnknownKey)?)
    }

    /// Where nothing is to be changed, what is written beside it goes alone.
    async fn write_beside(&self, beside: Option<Change>) -> Result<(), RotationFault> {
        if let Some(change) = beside {
            self.parts.recorder.act(Vec::new(), vec![change]).await?;
        }
        Ok(())
    }

    /// Takes a key out of the JWKS at once and for ever. From the return on it is in no
    /// JWKS of this node and signs nothing; its successor signs.
    pub async fn revoke(
        &self,
        kid: Kid,
        reason: &str,
        since: Option<Timestamp>,
        by: By<'_, Revocation>,
    ) -> Result<Revocation, ActFault> {
        let mut pace = self.stepping.lock().await;
        let now = self.begin(&mut pace).await?;
        let key = self.facts(kid)?;
        let plan = by_hand::revoke(&self.ring(), kid, reason, self.policy(), now)?;
        let signed = key.state == KeyState::Active;
        let revoked = |ring: &KeyRing| Revocation {
            key: key.clone(),
            revoked_at: ring.key(kid).and_then(|key| key.revoked_at),
            successor: ring.active(key.algorithm).filter(|_| signed).map(|key| key.kid),
            plan: plan.clone(),
        };
        let beside = |ring: &KeyRing| (by.beside)(&revoked(ring));
        let asked = Asked { told: Told { actor: by.actor, since }, beside: &beside };
        if let Err(fault) = self.step(&mut pace, &plan, asked).await {
            // If nobody knows whether it was written, it counts as written until the store has told.
            if pace.reload {
                self.deny(kid, now);
            }
            let told = self.catch_up(&mut pace).await;
            if told.is_err() || self.facts(kid)?.state != KeyState::Revoked {
                return Err(fault.into());
            }
        }
        Ok(revoked(&self.ring()))
    }

    /// What [`Self::revoke`] would do now. Changes nothing, but for what the next tick would repair.
    pub async fn foresee_revocation(&self, kid: Kid, reason: &str) -> Result<Revocation, ActFault> {
        let mut pace = self.stepping.lock().await;
        let now = self.begin(&mut pace).await?;
        let ring = self.ring();
        let key = self.facts(kid)?;
        let plan = by_hand::revoke(&ring, kid, reason, self.policy(), now)?;
        let signed = key.state == KeyState::Active;
        let successor = ring.standby(key.algorithm).filter(|_| signed).map(|key| key.kid);
        Ok(Revocation { key, revoked_at: None, successor, plan })
    }

    /// Takes in a key that was made elsewhere. It waits, staged, until its ring needs a standby.
    pub async fn import(&self, pair: KeyPair, pkcs8: Pkcs8, by: By<'_, InRing>) -> Result<InRing, ActFault> {
        let mut pace = self.stepping.lock().await;
        let now = self.begin(&mut pace).await?;
        let kid = pair.kid();
        let plan = by_hand::import(&self.ring(), &pair.public(), self.algorithms(), now)?;
        let fresh = self.seal(&pace, pair, &pkcs8).map_err(RotationFault::from)?;
        let beside = |ring: &KeyRing| (by.beside)(&in_ring(ring, kid)?);
        let asked = Asked { told: Told { actor: by.actor, since: None }, beside: &beside };
        let outcome = self.step_with(&mut pace, &plan, vec![fresh], asked).await;
        if let Err(RotationFault::Record(RecordFault::Store(StoreFault::Conflict))) = outcome {
            // Where the ring is still the one that was planned for, it is the key that the store knows,
            // by a row which cannot be read.
            self.catch_up(&mut pace).await?;
            if self.ring().version == plan.expected_version {
                return Err(Refusal::Known.into());
            }
        }
        outcome?;
        Ok(in_ring(&self.ring(), kid).ok_or(Refusal::UnknownKey)?)
    }

    /// Seals every private half, and the log's, under another KEK, in one transaction. Gives how many.
    /// From the return on the configured `keys.kek_file` must name the new one before the next start.
    pub async fn rewrap(&self, kek: Sealer, by: By<'_, usize>) -> Result<usize, ActFault> {
        let mut pace = self.stepping.lock().await;
        self.begin(&mut pace).await?;
        if kek.kek_id() == pace.sealer.kek_id() {
            return Err(Refusal::SameKek.into());
        }
        let told = Told { actor: by.actor, since: None };
        let (records, mut changes) = self.sealed_anew(&pace, &kek, told).await?;
        let count = records.len();
        changes.extend((by.beside)(&count));
        match self.parts.recorder.act(records, changes).await {
            Ok(_) => {
                pace.sealer = kek;
                pace.unwiped = true;
                let mut ring = KeyRing::clone(&self.ring());
                ring.version = ring.version.saturating_add(1);
                self.ring.store(Arc::new(ring));
                Ok(count)
            }
            Err(fault) => {
                // If it was written after all, only the new KEK opens the keys.
                pace.candidate = Some(kek);
                pace.reload = true;
                Err(RotationFault::from(fault).into())
            }
        }
    }

    async fn sealed_anew(
        &self,
        pace: &Pace,
        kek: &Sealer,
        told: Told<'_>,
    ) -> Result<(Vec<crate::audit::leaf::Record>, Vec<Change>), RotationFault> {
        const REASON: &str = "another key-encryption key";
        let (stored, entropy) = (self.parts.store.key_ring().await?, &*self.parts.entropy);
        let mut ring = KeyRing::clone(&self.ring());
        let (mut records, mut resealed) = (Vec::new(), Vec::new());
        let lost = self.lock_opened().lost().clone();
        let whole = |key: &&KeyFacts| key.state.keeps_private_half() && !lost.contains(&key.kid);
        for key in ring.keys.iter().filter(whole) {
            let sealed = stored.sealed.get(&key.kid).map(Vec::as_slice).unwrap_or_default();
            let label = label((key.kid, key.algorithm));
            let opened = pace.sealer.open(&label, sealed);
            let pkcs8 = opened.map_err(|source| RotationFault::Sealed { kid: key.kid, source })?;
            resealed.push((key.kid, kek.seal(&label, &pkcs8, entropy)?));
            records.push(records::of_key(EventType::KeyRewrapped, (key.kid, key.algorithm), REASON, told));
        }
        let (kid, log_key) = log_key::seal_anew(&*self.parts.store, (&pace.sealer, kek), entropy).await?;
        records.push(records::of_key(EventType::KeyRewrapped, (kid, Algorithm::EdDsa), REASON, told));
        let expected = ring.version;
        ring.version = expected.saturating_add(1);
        let swap = Change::SwapRing { expected, ring, fresh: Vec::new(), resealed };
        Ok((records, vec![swap, Change::SealLogKey(log_key)]))
    }

    fn policy(&self) -> (&[Algorithm], &Quantities) {
        (self.algorithms(), self.quantities())
    }

    fn facts(&self, kid: Kid) -> Result<KeyFacts, ActFault> {
        Ok(self.ring().key(kid).cloned().ok_or(Refusal::UnknownKey)?)
    }
}

fn in_ring(ring: &KeyRing, kid: Kid) -> Option<InRing> {
    let key = ring.key(kid)?.clone();
    Some(InRing { ring: Arc::new(ring.clone()), key })
}
