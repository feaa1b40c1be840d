//! A handle on a key that signs: what composing needs to know of it, and the way to its signature.

use std::fmt;
use std::sync::Arc;

use crate::jose::key_pair::SignFailed;
use crate::jose::{Algorithm, KeyPair, Kid};
use crate::oauth::claims::encoded_header;

/// Something that signs with one private key, wherever that lies.
pub trait SigningKey: Send + Sync + 'static {
    /// The key's identifier.
    fn kid(&self) -> Kid;
    /// What it signs with.
    fn algorithm(&self) -> Algorithm;
    /// The JWS signature over `message`, raw.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignFailed>;
}

impl SigningKey for KeyPair {
    fn kid(&self) -> Kid {
        self.kid()
    }

    fn algorithm(&self) -> Algorithm {
        self.algorithm()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignFailed> {
        self.sign(message)
    }
}

/// A shared handle. While one is held, the key lives on, even across its rotation.
#[derive(Clone)]
pub struct ActiveKey(Arc<Held>);

struct Held {
    encoded_header: String,
    key: Box<dyn SigningKey>,
}

impl ActiveKey {
    /// Takes the key and prepares the header of its tokens.
    pub fn new(key: impl SigningKey) -> Self {
        let encoded_header = encoded_header(key.algorithm(), &key.kid());
        Self(Arc::new(Held { encoded_header, key: Box::new(key) }))
    }

    /// The key's identifier.
    pub fn kid(&self) -> Kid {
        self.0.key.kid()
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.0.key.algorithm()
    }

    /// The JOSE header of its tokens, base64url.
    pub fn encoded_header(&self) -> &str {
        &self.0.encoded_header
    }

    /// How long its signatures are in a compact JWT.
    pub fn encoded_signature_length(&self) -> usize {
        86
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignFailed> {
        self.0.key.sign(message)
    }
}

impl fmt::Debug for ActiveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveKey").field("kid", &self.kid()).field("algorithm", &self.algorithm()).finish()
    }
}
