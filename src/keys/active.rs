//! A handle on a key that signs: what composing needs to know of it, and the way to its signature.
//!
//! The seam behind which a key may lie in memory, in an HSM or in a KMS. The
//! one place among the pure rooms that knows of waiting: whoever composes holds
//! the handle and never signs with it. RFC 7515 section 3.1.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::jose::{Algorithm, Kid, PublicJwk};
use crate::oauth::claims::encoded_header;

/// Why a key gave no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignFailed {
    /// More signatures are asked for than there is room to queue.
    #[error("more signatures are asked for than there is room to queue")]
    Overloaded,
    /// It could not be made; the next one may.
    #[error("the signature could not be made")]
    Failed,
}

/// Something that signs with one private key, wherever that lies.
///
/// `kid`, algorithm and length of its signatures follow from the public half.
#[async_trait]
pub trait SigningKey: Send + Sync + 'static {
    /// The public half; it never changes.
    fn public(&self) -> PublicJwk;

    /// The JWS signature over `message`, raw. It must not hold up the reactor
    /// and must bound how many callers wait. Dropped, it may be made in vain.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed>;
}

/// A shared handle. While one is held, the key lives on, even across its rotation.
#[derive(Clone)]
pub struct ActiveKey(Arc<Held>);

struct Held {
    kid: Kid,
    public: PublicJwk,
    encoded_header: String,
    key: Box<dyn SigningKey>,
}

impl ActiveKey {
    /// Takes the key and prepares the header of its tokens.
    pub fn new(key: impl SigningKey) -> Self {
        let public = key.public();
        let kid = public.kid();
        let encoded_header = encoded_header(public.algorithm(), &kid);
        Self(Arc::new(Held { kid, public, encoded_header, key: Box::new(key) }))
    }

    /// The key's identifier.
    pub fn kid(&self) -> Kid {
        self.0.kid
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.0.public.algorithm()
    }

    /// The JOSE header of its tokens, base64url.
    pub fn encoded_header(&self) -> &str {
        &self.0.encoded_header
    }

    /// How long its signatures are in a compact JWT.
    pub fn encoded_signature_length(&self) -> usize {
        (self.0.public.signature_length() * 4).div_ceil(3)
    }

    /// Asks the key for its signature over `message`.
    pub(super) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        self.0.key.sign(message).await
    }

    /// Whether `signature` is the one that this key would give for `message`.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.public.verify(message, signature)
    }
}

impl fmt::Debug for ActiveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveKey").field("kid", &self.kid()).field("algorithm", &self.algorithm()).finish()
    }
}
