//! Signs what was recorded, and nothing else, and looks at each signature before it lets it go.
//!
//! Knows how no key is held: a [`SigningKey`](super::SigningKey) may lie in
//! memory today and in an HSM or a KMS later. A wrong signature could give the
//! private key away (for RSA: Boneh and others, Eurocrypt 1997), so where it could,
//! each is verified, elsewhere a sample; one that is found wrong never leaves, and
//! its key signs nothing more in this process. RFC 7515 section 5.1.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::ActiveKey;
use super::active::{ReservedKey, SignFailed};
use super::in_process::RsaWorkers;
use crate::audit::recorder::Recorded;
use crate::digest::base64url;
use crate::jose::{Algorithm, KeyPair, Kid};
use crate::workers::{Workers, WorkersReading};

/// Nothing was signed. Where there is a record, it stays, as an unsigned intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSignature {
    /// No key is active for this algorithm.
    #[error("no {0} key is active")]
    NoKey(Algorithm),
    /// The key was revoked while the request was under way.
    #[error("the key {0} was revoked")]
    Revoked(Kid),
    /// The key gave a wrong signature before, or just now.
    #[error("the key {0} gave a wrong signature and signs nothing more; look at this machine")]
    Quarantined(Kid),
    /// The key did not give a signature.
    #[error("the key {0} gave no signature")]
    Failed(Kid),
    /// More signatures of this key are asked for than there is room to queue.
    #[error("more signatures of the key {0} are asked for than there is room to queue")]
    Overloaded(Kid),
}

/// A key that signs now.
#[derive(Clone, Debug)]
pub struct InForce {
    /// Its handle.
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
pub struct Signer {
    signing: ArcSwap<Signing>,
    /// Keys that gave a wrong signature in this process.
    quarantine: ArcSwap<BTreeSet<Kid>>,
    rsa: RsaWorkers,
    /// Tokens that were signed, by algorithm.
    issued: [AtomicU64; Algorithm::ALL.len()],
}

/// What a signer has signed and what it would not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerReading {
    /// Tokens that were signed since the start of the process, by algorithm.
    pub issued: [(Algorithm, u64); Algorithm::ALL.len()],
    /// Keys that gave a wrong signature and sign nothing more.
    pub quarantined: usize,
    /// The room in which RSA keys sign.
    pub rsa: WorkersReading,
}

impl Signer {
    /// A signer whose RSA keys sign on these `workers`; the default has room for some 256 signatures a core.
    pub fn on(workers: Workers) -> Self {
        Self { rsa: workers.into(), ..Self::default() }
    }

    /// The key that signs with `algorithm` now.
    pub fn active(&self, algorithm: Algorithm) -> Result<InForce, NoSignature> {
        let lasts = |key: &InForce| key.longest_lifetime >= Duration::from_secs(1);
        let key = self.signing.load().active.get(&algorithm).cloned().filter(lasts);
        let key = key.ok_or(NoSignature::NoKey(algorithm))?;
        self.permit(key.key.kid())?;
        Ok(key)
    }

    /// The same with room for one signature, and how long its token may live at most.
    ///
    /// Taken before anything is charged or recorded. Compose takes it, and the
    /// signature uses this same key, so a rotation in between harms nobody.
    pub fn reserve(&self, algorithm: Algorithm) -> Result<(ReservedKey, Duration), NoSignature> {
        let InForce { key, longest_lifetime } = self.active(algorithm)?;
        let kid = key.kid();
        let reserved = key.reserve().map_err(|failed| no_signature(failed, kid))?;
        Ok((reserved, longest_lifetime))
    }

    /// Signs a recorded token and gives the compact JWT. Whether the key may
    /// sign is asked before and after, since a signature can take its time.
    pub async fn sign(&self, recorded: Recorded) -> Result<String, NoSignature> {
        let unsigned = recorded.into_unsigned();
        let (key, mut token) = (unsigned.key, unsigned.signing_input);
        let kid = key.kid();
        self.permit(kid)?;
        let signature = key.sign(token.as_bytes()).await.map_err(|failed| no_signature(failed, kid))?;
        if !key.passes(token.as_bytes(), &signature) {
            self.quarantine(kid);
        }
        self.permit(kid)?;
        if let Some(issued) = self.issued.get(key.algorithm() as usize) {
            issued.fetch_add(1, Ordering::Relaxed);
        }
        token.push('.');
        token.push_str(&base64url(&signature));
        Ok(token)
    }

    /// What was signed since the start, and how full its room is.
    pub fn reading(&self) -> SignerReading {
        let issued = |algorithm: Algorithm| {
            let issued = self.issued.get(algorithm as usize);
            (algorithm, issued.map_or(0, |issued| issued.load(Ordering::Relaxed)))
        };
        SignerReading {
            issued: Algorithm::ALL.map(issued),
            quarantined: self.quarantine.load().len(),
            rsa: self.rsa.reading(),
        }
    }

    /// A handle on a key pair in memory; an RSA key signs on threads that this signer bounds.
    pub fn hold(&self, pair: KeyPair) -> ActiveKey {
        self.rsa.hold(pair)
    }

    /// Lets this key sign nothing more in this process.
    pub fn quarantine(&self, kid: Kid) {
        self.quarantine.rcu(|kids| kids.iter().copied().chain([kid]).collect::<BTreeSet<_>>());
    }

    /// The keys that gave a wrong signature. They sign nothing more until a restart; whoever rotates replaces them.
    pub fn quarantined(&self) -> BTreeSet<Kid> {
        self.quarantine.load().as_ref().clone()
    }

    /// Puts other keys in force, at once for every later call.
    pub fn swap(&self, signing: Signing) {
        self.signing.store(Arc::new(signing));
    }

    fn permit(&self, kid: Kid) -> Result<(), NoSignature> {
        if self.quarantine.load().contains(&kid) {
            return Err(NoSignature::Quarantined(kid));
        }
        if self.signing.load().revoked.contains(&kid) { Err(NoSignature::Revoked(kid)) } else { Ok(()) }
    }
}

fn no_signature(failed: SignFailed, kid: Kid) -> NoSignature {
    match failed {
        SignFailed::Overloaded => NoSignature::Overloaded(kid),
        SignFailed::Failed => NoSignature::Failed(kid),
    }
}
