//! When each secret opened the door last: in memory on each request, written down later by others.
//!
//! A verified secret holds a handle on its own number, so that a request writes one number in
//! memory and waits for nobody. A crash loses what was not written yet; no access rests on it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::policy::{ClientId, Policy};
use crate::time::Timestamp;

/// The last use of one secret: Unix seconds, 0 for none.
#[derive(Clone, Debug, Default)]
pub struct LastUse(Arc<AtomicU64>);

impl LastUse {
    /// It is used now. Within the same second nothing is written, so that many cores share the number in peace.
    pub fn note(&self, now: Timestamp) {
        let seconds = now.seconds();
        if self.0.load(Ordering::Relaxed) != seconds {
            self.0.store(seconds, Ordering::Relaxed);
        }
    }

    fn at(&self) -> Option<Timestamp> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&seconds| seconds > 0).map(Timestamp::from_seconds)
    }
}

struct Known {
    client: ClientId,
    last_use: LastUse,
    written: Option<Timestamp>,
}

/// The last uses that this process knows of, by the secret's identifier: as many as there are secrets, at most.
#[derive(Default)]
pub struct LastUses {
    known: Mutex<HashMap<String, Known>>,
}

impl LastUses {
    /// The handle of a registered secret.
    pub fn of(&self, client: &ClientId, secret_id: &str) -> LastUse {
        let mut known = self.lock();
        if let Some(found) = known.get(secret_id) {
            return found.last_use.clone();
        }
        let (client, last_use) = (client.clone(), LastUse::default());
        known.insert(secret_id.to_owned(), Known { client, last_use: last_use.clone(), written: None });
        last_use
    }

    /// When a secret was used last, if it was since this process began.
    pub fn at(&self, secret_id: &str) -> Option<Timestamp> {
        self.lock().get(secret_id)?.last_use.at()
    }

    /// What is to be written down. Secrets that the policy in force no longer has are forgotten.
    pub fn unwritten(&self, policy: &ArcSwap<Policy>) -> Vec<(String, Timestamp)> {
        let mut known = self.lock();
        // Only behind the lock: whoever took a handle did so by this policy or an older one.
        let policy = policy.load();
        known.retain(|secret_id, known| {
            let registered = policy.client(known.client.as_str());
            registered.is_some_and(|found| found.secrets.iter().any(|hash| hash.secret_id == *secret_id))
        });
        let changed = known.iter().filter_map(|(secret_id, known)| {
            let at = known.last_use.at().filter(|at| known.written != Some(*at))?;
            Some((secret_id.clone(), at))
        });
        changed.collect()
    }

    /// These are written down.
    pub fn written(&self, uses: &[(String, Timestamp)]) {
        let mut known = self.lock();
        for (secret_id, at) in uses {
            if let Some(known) = known.get_mut(secret_id) {
                known.written = Some(*at);
            }
        }
    }

    /// A panic elsewhere never leaves it half-changed, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
