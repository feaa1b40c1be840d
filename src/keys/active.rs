//! A handle on a key that signs: what composing needs to know of it, and the way to its signature.
//!
//! The seam behind which a key may lie in memory, in an HSM or in a KMS. The
//! one place among the pure rooms that knows of waiting: whoever composes holds
//! the handle and never signs with it. RFC 7515 section 3.1.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::jose::{Algorithm, Kid, PublicJwk};
use crate::oauth::claims::encoded_header;

/// Why a key gave no signature, or has no room for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignFailed {
    /// More signatures are asked for than there is room to queue.
    #[error("more signatures are asked for than there is room to queue")]
    Overloaded,
    /// It could not be made; the next one may.
    #[error("the signature could not be made")]
    Failed,
}

/// Room for one signature, kept by whoever bounds a key: its own until this is dropped.
#[derive(Default)]
pub struct Place {
    _kept: Option<Box<dyn Send + Sync>>,
}

impl Place {
    /// A place that is free again when `kept` is dropped, such as a semaphore's permit.
    pub fn keeping(kept: impl Send + Sync + 'static) -> Self {
        Self { _kept: Some(Box::new(kept)) }
    }
}

/// Something that signs with one private key, wherever that lies.
///
/// `kid`, algorithm and length of its signatures follow from the public half.
#[async_trait]
pub trait SigningKey: Send + Sync + 'static {
    /// The public half; it never changes.
    fn public(&self) -> PublicJwk;

    /// Keeps room for one signature, before anything is charged or recorded for
    /// it: what is refused here costs nobody anything. A key that takes time
    /// bounds its callers here; it is never asked to wait. Without a word of its
    /// own, a key always has room.
    fn reserve(&self) -> Result<Place, SignFailed> {
        Ok(Place::default())
    }

    /// How often its signatures are verified before they leave.
    fn scrutiny(&self) -> Scrutiny {
        Scrutiny::Each
    }

    /// The JWS signature over `message`, raw, for a caller that holds a place.
    /// It must not hold up the reactor. Dropped, it may be made in vain. A
    /// failure here leaves a record without a token.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed>;
}

/// How often the signatures of a key are verified before they leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrutiny {
    /// Each of them: one wrong signature could give the key away, or the key lies elsewhere.
    Each,
    /// The first, and then one in [`SAMPLE`]: a wrong signature is worth nothing to anybody, and a
    /// key that has become wrong in memory is noticed soon.
    Sample,
}

/// One signature in so many is verified under [`Scrutiny::Sample`].
pub const SAMPLE: u64 = 64;

/// A shared handle. While one is held, the key lives on, even across its rotation.
#[derive(Clone)]
pub struct ActiveKey(Arc<Held>);

struct Held {
    kid: Kid,
    public: PublicJwk,
    encoded_header: String,
    signed: AtomicU64,
    key: Box<dyn SigningKey>,
}

impl ActiveKey {
    /// Takes the key and prepares the header of its tokens.
    pub fn new(key: impl SigningKey) -> Self {
        let public = key.public();
        let kid = public.kid();
        let encoded_header = encoded_header(public.algorithm(), &kid);
        Self(Arc::new(Held { kid, public, encoded_header, signed: AtomicU64::new(0), key: Box::new(key) }))
    }

    /// A handle with nothing behind it, for people who look before they leap: tokens can be composed for it, and it
    /// never signs one.
    pub fn that_never_signs(public: PublicJwk) -> Self {
        Self::new(NoPrivateHalf(public))
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

    /// Keeps room for one signature of this key.
    pub fn reserve(self) -> Result<ReservedKey, SignFailed> {
        let place = self.0.key.reserve()?;
        Ok(ReservedKey { key: self, _place: place })
    }

    /// Whether `signature` over `message` may leave: it is this key's, as far as it was looked at.
    pub(super) fn passes(&self, message: &[u8], signature: &[u8]) -> bool {
        let count = self.0.signed.fetch_add(1, Ordering::Relaxed);
        let looks = match self.0.key.scrutiny() {
            Scrutiny::Each => true,
            Scrutiny::Sample => count.is_multiple_of(SAMPLE),
        };
        !looks || self.0.public.verify(message, signature)
    }
}

/// See [`ActiveKey::that_never_signs`].
struct NoPrivateHalf(PublicJwk);

#[async_trait]
impl SigningKey for NoPrivateHalf {
    fn public(&self) -> PublicJwk {
        self.0.clone()
    }

    fn reserve(&self) -> Result<Place, SignFailed> {
        Err(SignFailed::Failed)
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignFailed> {
        Err(SignFailed::Failed)
    }
}

/// The handle for one token: the key, and its room for the signature, which is free again when this is
/// dropped. The room outlives a rotation as the key does.
pub struct ReservedKey {
    key: ActiveKey,
    _place: Place,
}

impl ReservedKey {
    /// Asks the key for its signature over `message`.
    pub(super) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        self.key.0.key.sign(message).await
    }
}

impl Deref for ReservedKey {
    type Target = ActiveKey;

    fn deref(&self) -> &ActiveKey {
        &self.key
    }
}

impl fmt::Debug for ReservedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

impl fmt::Debug for ActiveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveKey").field("kid", &self.kid()).field("algorithm", &self.algorithm()).finish()
    }
}
