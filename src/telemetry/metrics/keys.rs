//! Signing keys: how many there are, how old the one that signs is, when the next one does.

use std::fmt;
use std::sync::Arc;

use super::Group;
use super::sheet::Sheet;
use crate::ambient::Clock;
use crate::jose::Algorithm;
use crate::keys::KeyState;
use crate::keys::rotator::Rotator;
use crate::keys::signer::Signer;
use crate::keys::timeline::planned;
use crate::time::Timestamp;

pub(super) struct Keys {
    pub(super) rotator: Arc<Rotator>,
    pub(super) signer: Arc<Signer>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Seconds from one time to another; less than 0 when that is over.
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    if to < from { -from.since(to).as_secs_f64() } else { to.since(from).as_secs_f64() }
}

impl Group for Keys {
    fn write(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let (ring, now) = (self.rotator.ring(), self.clock.now());
        let (algorithms, quantities) = (self.rotator.algorithms(), self.rotator.quantities());
        let label = |algorithm: &Algorithm| vec![("alg", algorithm.as_str())];
        let states = algorithms.iter().flat_map(|algorithm| {
            KeyState::ALL.map(|state| {
                let count = ring.of(*algorithm).filter(|key| key.state == state).count();
                (vec![("alg", algorithm.as_str()), ("state", state.as_str())], count)
            })
        });
        sheet.gauges("keys", "Signing keys by algorithm and state", states)?;
        let active = || algorithms.iter().filter_map(|algorithm| Some((algorithm, ring.active(*algorithm)?)));
        let age =
            active().filter_map(|(algorithm, key)| Some((label(algorithm), seconds(key.activated_at?, now))));
        sheet.gauges("key_age_seconds", "How long the key that signs has signed", age)?;
        let due = active().filter_map(|(algorithm, key)| {
            let rotation = planned(&ring, key, algorithms, quantities).passive_at?;
            Some((label(algorithm), seconds(now, rotation)))
        });
        sheet.gauges("key_rotation_due_seconds", "Time until the next key signs; below 0 it is late", due)?;
        let missing = algorithms
            .iter()
            .map(|algorithm| (label(algorithm), u64::from(ring.standby(*algorithm).is_none())));
        sheet.gauges("key_standby_missing", "1 while there is no next key in the JWKS", missing)?;
        let quarantined = self.signer.reading().quarantined;
        sheet.gauge("keys_quarantined", "Keys that gave a wrong signature and sign nothing more", quarantined)
    }
}
