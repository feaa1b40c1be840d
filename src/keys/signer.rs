//! Signs what was recorded, and nothing else.
//!
//! Knows how no key is held: a [`SigningKey`] may lie in memory today and in an
//! HSM or a KMS later. RFC 7515 section 5.1.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::ActiveKey;
use crate::audit::recorder::Recorded;
use crate::digest::base64url;
use crate::jose::{Algorithm, Kid};

/// Nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSignature {
    /// No key is active for this algorithm.
    #[error("no {0} key is active")]
    NoKey(Algorithm),
    /// The key was revoked while the request was under way. Its record stays, as an unsigned intent.
    #[error("the key {0} was revoked")]
    Revoked(Kid),
    /// The key did not give a signature.
    #[error("the key {0} gave no signature")]
    Failed(Kid),
}

/// A key that signs now.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The handle that composing takes and signing uses.
    pub key: ActiveKey,
    /// No token of this key may live longer: its key would leave the JWKS before it.
    pub longest_lifetime: Duration,
}

/// The keys that sign now, one per algorithm, and those that must never again.
#[derive(Debug, Default)]
pub struct Signing {
    /// By algorithm.
    pub active: BTreeMap<Algorithm, InForce>,
    /// The deny list.
    pub revoked: BTreeSet<Kid>,
}

/// Holds the active keys; the rotator swaps them.
#[derive(Debug, Default)]
pub struct Signer(ArcSwap<Signing>);

impl Signer {
    /// The key that signs with `algorithm` now. Compose takes it, and the
    /// signature uses this same one, so a rotation in between harms nobody.
    pub fn active(&self, algorithm: Algorithm) -> Result<InForce, NoSignature> {
        let signing = self.0.load();
        let lasts = |key: &&InForce| key.longest_lifetime >= Duration::from_secs(1);
        signing.active.get(&algorithm).filter(lasts).cloned().ok_or(NoSignature::NoKey(algorithm))
    }

    /// Signs a recorded token and gives the compact JWT.
    pub fn sign(&self, recorded: Recorded) -> Result<String, NoSignature> {
        let unsigned = recorded.into_unsigned();
        let kid = unsigned.key.kid();
        if self.0.load().revoked.contains(&kid) {
            return Err(NoSignature::Revoked(kid));
        }
        let signature =
            unsigned.key.sign(unsigned.signing_input.as_bytes()).map_err(|_| NoSignature::Failed(kid))?;
        let mut token = unsigned.signing_input;
        token.push('.');
        token.push_str(&base64url(&signature));
        Ok(token)
    }

    /// Puts other keys in force, at once for every later call.
    pub(super) fn swap(&self, signing: Signing) {
        self.0.store(Arc::new(signing));
    }
}
