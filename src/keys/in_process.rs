//! Keys that lie in the memory of this process: how they are made and how they sign.
//!
//! ES256 and EdDSA sign in place, in some 20 µs. An RSA signature takes 0.7 ms
//! and an RSA key 0.1 s and more, so neither is ever made on the reactor.
//! Nothing here knows rings or records.

use std::sync::Arc;

use async_trait::async_trait;

use super::active::{ActiveKey, SignFailed, SigningKey};
use crate::ambient::{Entropy, EntropyFailed};
use crate::jose::key_pair::GenerateFailed;
use crate::jose::{Algorithm, KeyPair, Pkcs8, PublicJwk};
use crate::workers::{Workers, apart};

/// How many RSA signatures wait for each core. At 0.7 ms each the last one
/// waits for 90 ms; requests that were recorded together also come together.
const WAITING: usize = 128;

/// Where RSA keys sign.
#[derive(Clone, Debug)]
pub(super) struct RsaWorkers(Workers);

impl Default for RsaWorkers {
    fn default() -> Self {
        Self(Workers::on_every_core(WAITING))
    }
}

impl RsaWorkers {
    /// A handle on a key pair in memory.
    pub(super) fn hold(&self, pair: KeyPair) -> ActiveKey {
        if pair.algorithm().is_rsa() {
            ActiveKey::new(Elsewhere { pair: Arc::new(pair), workers: self.0.clone() })
        } else {
            ActiveKey::new(InPlace(pair))
        }
    }
}

/// A key that signs faster than another thread would be found.
struct InPlace(KeyPair);

#[async_trait]
impl SigningKey for InPlace {
    fn public(&self) -> PublicJwk {
        self.0.public()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        self.0.sign(message).map_err(|_| SignFailed::Failed)
    }
}

/// A key that signs on threads of its own.
struct Elsewhere {
    pair: Arc<KeyPair>,
    workers: Workers,
}

#[async_trait]
impl SigningKey for Elsewhere {
    fn public(&self) -> PublicJwk {
        self.pair.public()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        let (pair, message) = (self.pair.clone(), message.to_vec());
        let signed = self.workers.run(move || pair.sign(&message)).await;
        signed.map_err(|_| SignFailed::Overloaded)?.map_err(|_| SignFailed::Failed)
    }
}

/// Makes a key, apart from the reactor: an RSA key takes its time, and each leaves traces on the stack.
pub(super) async fn generate(
    algorithm: Algorithm,
    entropy: &Arc<dyn Entropy>,
) -> Result<(KeyPair, Pkcs8), GenerateFailed> {
    let entropy = entropy.clone();
    let made = apart(move || KeyPair::generate(algorithm, &*entropy)).await;
    made.unwrap_or(Err(GenerateFailed::Entropy(EntropyFailed)))
}
