//! Keys that lie in the memory of this process: how they are made and how they sign.
//!
//! ES256 and EdDSA sign in place, in some 20 µs. An RSA signature takes 0.7 ms
//! and an RSA key 0.1 s and more, so neither is ever made on the reactor.
//! Nothing here knows rings or records.

use std::sync::Arc;

use async_trait::async_trait;

use super::active::{ActiveKey, Place, Scrutiny, SignFailed, SigningKey};
use crate::ambient::{Entropy, EntropyFailed};
use crate::jose::key_pair::GenerateFailed;
use crate::jose::{Algorithm, KeyPair, Pkcs8, PublicJwk};
use crate::workers::{Workers, WorkersReading, apart};

/// How many RSA signatures each core has places for, beside the one it makes.
///
/// A request holds its place from before its record until its signature, so
/// this bounds both waits together. Those recorded at once, up to 512, also
/// ask to be signed at once: two cores have room for all of them. At 0.8 ms
/// each the last one waits for 0.2 s, with keys of 4096 bits at most eight
/// times as long: after a commit of 2 s still within the 5 s of its request.
/// While a commit hangs, requests beyond the room are refused at once and cost
/// nothing; those that hold it give it back when `audit.deadline` has passed.
const WAITING: usize = 256;

/// Where RSA keys sign. All RSA keys share the room, so a rotation makes none.
#[derive(Clone, Debug)]
pub(super) struct RsaWorkers(Workers);

impl From<Workers> for RsaWorkers {
    fn from(workers: Workers) -> Self {
        Self(workers)
    }
}

impl Default for RsaWorkers {
    fn default() -> Self {
        Self(Workers::on_every_core(WAITING))
    }
}

impl RsaWorkers {
    /// How full the room is.
    pub(super) fn reading(&self) -> WorkersReading {
        self.0.reading()
    }

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

    /// A wrong ES256 signature has a nonce of its own, and a wrong EdDSA signature needs the right one of
    /// the same message beside it, which no token is twice. Verifying costs three times the signature.
    fn scrutiny(&self) -> Scrutiny {
        Scrutiny::Sample
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

    fn reserve(&self) -> Result<Place, SignFailed> {
        self.workers.reserve().map(Place::keeping).map_err(|_| SignFailed::Overloaded)
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        let (pair, message) = (self.pair.clone(), message.to_vec());
        let signed = self.workers.run_reserved(move || pair.sign(&message)).await;
        signed.map_err(|_| SignFailed::Failed)?.map_err(|_| SignFailed::Failed)
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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::ambient::SystemEntropy;

    fn pair(algorithm: Algorithm) -> KeyPair {
        if !algorithm.is_rsa() {
            return KeyPair::generate(algorithm, &SystemEntropy::new()).unwrap().0;
        }
        let line = include_str!("../../keys/golden/rsa.txt").lines().next().unwrap();
        KeyPair::from_pkcs8(algorithm, &STANDARD.decode(line).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn every_key_signs_as_long_as_it_says() {
        for algorithm in Algorithm::ALL {
            let key = RsaWorkers::default().hold(pair(algorithm));
            let signature = key.clone().reserve().unwrap().sign(b"a message").await.unwrap();
            assert!(key.passes(b"a message", &signature));
            let encoded = crate::digest::base64url(&signature);
            assert_eq!(encoded.len(), key.encoded_signature_length(), "{algorithm}");
        }
    }

    #[tokio::test]
    async fn only_rsa_needs_room_and_is_refused_without() {
        let no_room = RsaWorkers(Workers::new(0, 0));
        for algorithm in Algorithm::ALL {
            let reserved = no_room.hold(pair(algorithm)).reserve();
            let expected = if algorithm.is_rsa() { Err(SignFailed::Overloaded) } else { Ok(()) };
            assert_eq!(reserved.map(drop), expected, "{algorithm}");
        }
    }

    #[tokio::test]
    async fn rsa_keys_share_their_room_and_a_key_that_went_gives_it_back() {
        let rsa = RsaWorkers(Workers::new(1, 0));
        let [old, new] = [Algorithm::Rs256, Algorithm::Ps256].map(|algorithm| rsa.hold(pair(algorithm)));
        let reserved = old.reserve().unwrap();
        assert_eq!(new.clone().reserve().map(drop), Err(SignFailed::Overloaded));
        // Nobody else holds the old key any more, and it still signs what it has a place for.
        let signature = reserved.sign(b"a message").await.unwrap();
        assert!(reserved.passes(b"a message", &signature));
        drop(reserved);
        assert_eq!(new.reserve().map(drop), Ok(()));
    }

    #[tokio::test]
    async fn a_key_is_made_for_each_algorithm_of_this_build() {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
        for algorithm in Algorithm::with_keys_in_this_build() {
            let (made, document) = generate(algorithm, &entropy).await.unwrap();
            let again = KeyPair::from_pkcs8(algorithm, document.as_bytes()).unwrap();
            assert_eq!((again.kid(), again.algorithm()), (made.kid(), algorithm));
        }
    }
}
