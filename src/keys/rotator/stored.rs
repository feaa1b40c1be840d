//! From the stored ring to the keys in force: reading, opening, putting in place.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Pace, RotationFault, Rotator};
use crate::failpoint::failpoint;
use crate::jose::{Algorithm, Kid};
use crate::keys::jwks::Document;
use crate::keys::opened::{Opened, OtherKek};
use crate::keys::seal::{OpenFailed, Sealer};
use crate::keys::signer::{InForce, Signing};
use crate::keys::{KeyRing, KeyState, schedule};
use crate::store::{BrokenKey, StoredRing};
use crate::time::Timestamp;
use crate::workers::apart;

impl Rotator {
    /// Puts the stored ring in force after a step whose outcome is unknown. Only
    /// behind everything that was submitted before does the store tell it.
    pub(super) async fn catch_up(&self, pace: &mut Pace) -> Result<(), RotationFault> {
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
        let (ring, mended) = stored.ring.clone().mend();
        for (_, cause) in &mended {
            tracing::error!(%cause, "a signing key is not believed; the others are served");
        }
        if ring.version > 0 && !ring.keys.iter().any(|key| key.state < KeyState::Removed) {
            return Err(RotationFault::Unreadable);
        }
        // A row that says of itself that its key does not sign costs the ring no active key.
        let may_have_signed = |row: &&BrokenKey| row.state.is_none_or(|state| state == KeyState::Active);
        let unread = stored.broken.iter().filter(may_have_signed).map(|row| row.algorithm);
        pace.unreadable = unread.chain(mended.into_iter().map(|(algorithm, _)| Some(algorithm))).collect();
        let stored = Arc::new(stored);
        let opened = match (self.open_halves(&ring, &stored, &pace.sealer).await, &pace.candidate) {
            (Err(RotationFault::Sealed { .. }), Some(candidate)) => {
                let opened = self.open_halves(&ring, &stored, candidate).await?;
                pace.sealer = candidate.clone();
                opened
            }
            (opened, _) => opened?,
        };
        // One of the two has opened the keys, so the other is of no use any more.
        pace.candidate = None;
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
    pub(super) fn put_in_force(&self, ring: KeyRing) {
        failpoint!("jwks.reload");
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

    /// Believes the worst of a revocation whose outcome is unknown: until the store has told it, the
    /// key is in no JWKS and signs nothing.
    pub(super) fn deny(&self, kid: Kid, now: Timestamp) {
        let mut ring = KeyRing::clone(&self.ring());
        for key in ring.keys.iter_mut().filter(|key| key.kid == kid) {
            key.state = KeyState::Revoked;
            key.revoked_at = Some(now);
            key.retain = false;
        }
        self.put_in_force(ring);
    }
}
