//! The log's own key: signs checkpoints, and no token ever. It lies sealed in the store, beside the log.

use super::checkpoint::{Checkpoint, Origin, Vkey};
use super::tree::TreeHead;
use crate::ambient::Entropy;
use crate::jose::key_pair::{GenerateFailed, SignFailed};
use crate::jose::{Algorithm, KeyPair, Kid, PublicJwk};
use crate::keys::seal::{Label, OpenFailed, Purpose, SealFailed, Sealer};
use crate::store::{Store, StoreFault, StoredLog};

/// Why there is no log key.
#[derive(Debug, thiserror::Error)]
pub enum LogKeyFault {
    /// It lies under another KEK.
    #[error("keys.kek_file: the log's signing key was sealed under another KEK; name that one")]
    OtherKek,
    /// What is stored makes no sense.
    #[error("store.url: the log is damaged: {0}")]
    Damaged(&'static str),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// It could not be made.
    #[error(transparent)]
    Generate(#[from] GenerateFailed),
    /// It could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealFailed),
}

/// The key, open, with its public name.
#[derive(Debug)]
pub struct LogKey {
    pair: KeyPair,
    vkey: Vkey,
}

impl LogKey {
    /// Makes the key of a new log; with it what the store keeps, sealed.
    pub(super) fn make(
        origin: &Origin,
        sealer: &Sealer,
        entropy: &dyn Entropy,
    ) -> Result<(Self, Vec<u8>), LogKeyFault> {
        let (pair, pkcs8) = KeyPair::generate(Algorithm::EdDsa, entropy)?;
        let PublicJwk::Ed25519 { x } = pair.public() else {
            return Err(LogKeyFault::Damaged("the log's key is no Ed25519 key"));
        };
        let stored = sealer.seal(&label(pair.kid()), pkcs8.as_bytes(), entropy)?;
        let vkey = Vkey::new(origin.clone(), x);
        Ok((Self { pair, vkey }, stored))
    }

    /// Opens the key of a stored log.
    pub(super) fn open(stored: &StoredLog, sealer: &Sealer) -> Result<Self, LogKeyFault> {
        let vkey = Vkey::parse(&stored.vkey).map_err(|_| LogKeyFault::Damaged("its vkey cannot be read"))?;
        let public = PublicJwk::Ed25519 { x: *vkey.public() };
        let pkcs8 = sealer.open(&label(public.kid()), &stored.sealed_key).map_err(sealed_fault)?;
        let pair = KeyPair::from_pkcs8(Algorithm::EdDsa, &pkcs8)
            .map_err(|_| LogKeyFault::Damaged("its key cannot be read"))?;
        if pair.public() != public {
            return Err(LogKeyFault::Damaged("its key does not fit its vkey"));
        }
        Ok(Self { pair, vkey })
    }

    /// What others verify with.
    pub fn vkey(&self) -> &Vkey {
        &self.vkey
    }

    /// The signed note of this head.
    pub(super) fn sign(&self, head: TreeHead) -> Result<(String, Checkpoint), SignFailed> {
        let checkpoint = Checkpoint { origin: self.vkey.origin().clone(), size: head.size, root: head.root };
        let note = checkpoint.sign(self.vkey.public(), |text| {
            // An Ed25519 signature is 64 bytes, whatever its message.
            self.pair.sign(text)?.try_into().map_err(|_| SignFailed)
        })?;
        Ok((note, checkpoint))
    }
}

/// The stored key under another KEK, with its `kid`. Whoever stores it records that.
pub async fn seal_anew(
    store: &dyn Store,
    (from, to): (&Sealer, &Sealer),
    entropy: &dyn Entropy,
) -> Result<(Kid, Vec<u8>), LogKeyFault> {
    let stored = store.log().await?.ok_or(LogKeyFault::Damaged("there is none"))?;
    let vkey = Vkey::parse(&stored.vkey).map_err(|_| LogKeyFault::Damaged("its vkey cannot be read"))?;
    let kid = PublicJwk::Ed25519 { x: *vkey.public() }.kid();
    let pkcs8 = from.open(&label(kid), &stored.sealed_key).map_err(sealed_fault)?;
    Ok((kid, to.seal(&label(kid), &pkcs8, entropy)?))
}

fn label(kid: Kid) -> Label {
    Label { purpose: Purpose::LogKey, kid, algorithm: Algorithm::EdDsa }
}

fn sealed_fault(failed: OpenFailed) -> LogKeyFault {
    match failed {
        OpenFailed::OtherKek => LogKeyFault::OtherKek,
        OpenFailed::Damaged => LogKeyFault::Damaged("its sealed key does not open"),
    }
}
