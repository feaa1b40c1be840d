//! Who tells who asks, and counts who fails.

use std::sync::Arc;

use super::super::{Ambient, CannotStart};
use super::Ground;
use crate::ambient::random;
use crate::clients::{Assertions, Authenticator, ClientSecrets, LastUses};
use crate::config::{Limits, Settings};
use crate::digest::Digest;
use crate::limits::Attempts;
use crate::telemetry::metrics::Count;
use crate::workers::Workers;

/// Authentication and what belongs to it.
pub(super) struct Doorkeeper {
    pub(super) authenticator: Authenticator,
    /// Counts what fails.
    pub(super) attempts: Arc<Attempts>,
    /// How many verified secrets and used assertions are remembered.
    pub(super) remembered: (Count, Count),
}

/// Each node has its part of the limits on failures.
pub(super) fn doorkeeper(
    settings: &Settings,
    ground: &Ground,
    (hashing, last_uses): (&Workers, &Arc<LastUses>),
) -> Result<Doorkeeper, CannotStart> {
    let Ambient { clock, entropy, .. } = &ground.ambient;
    let issuer = settings.issuer.as_str().to_owned();
    let seed: [u8; 32] = random(&**entropy)?;
    let key = |of: &[u8]| Digest::of(&[of, &seed]).0;
    let Limits { attempts, source_attempts, nodes } = settings.limits;
    let (own, of_source) = (attempts.divided(nodes), source_attempts.divided(nodes));
    let attempts = Arc::new(Attempts::new(own, of_source, clock.clone(), &key(b"attempts")));
    let assertions = Assertions::new(issuer, ground.recorder.clone(), clock.clone(), attempts.clone());
    let kept = (last_uses.clone(), attempts.clone());
    let secrets = ClientSecrets::new(hashing.clone(), clock.clone(), &key(b"secrets"), kept);
    let remembered: (Count, Count) = (Box::new(secrets.remembered()), Box::new(assertions.remembered()));
    let authenticator = Authenticator::new(secrets, assertions, attempts.clone());
    Ok(Doorkeeper { authenticator, attempts, remembered })
}
