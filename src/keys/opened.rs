//! The private halves that are open in this process: those of keys that sign or may sign one day.
//!
//! A half that does not open is a loss that the ring can repair, unless none of
//! them opens: then the KEK is another one, and nothing may be repaired.

use std::collections::{BTreeSet, HashMap};

use super::seal::{Label, OpenFailed, Purpose, Sealer};
use super::{ActiveKey, KeyFacts, KeyRing};
use crate::jose::{Algorithm, KeyPair, Kid};
use crate::store::StoredRing;

/// No private half opens: each was sealed under another KEK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OtherKek(pub(super) Kid);

/// What a key is sealed as.
pub(super) fn label((kid, algorithm): (Kid, Algorithm)) -> Label {
    Label { purpose: Purpose::TokenKey, kid, algorithm }
}

/// Open halves, and keys that should have one and do not.
#[derive(Debug, Default)]
pub(super) struct Opened {
    pairs: HashMap<Kid, ActiveKey>,
    lost: BTreeSet<Kid>,
}

impl Opened {
    /// Opens what the ring still needs; `hold` makes the handle of an open pair.
    pub(super) fn open(
        ring: &KeyRing,
        stored: &StoredRing,
        sealer: &Sealer,
        hold: impl Fn(KeyPair) -> ActiveKey,
    ) -> Result<Self, OtherKek> {
        let mut opened = Self::default();
        let mut alien = None;
        for key in ring.keys.iter().filter(|key| key.state.keeps_private_half()) {
            match open_one(key, stored, sealer) {
                Ok(pair) => opened.extend([hold(pair)]),
                Err(cause) => {
                    tracing::error!(kid = %key.kid, %cause, "a private half is lost; its ring is repaired");
                    opened.lost.insert(key.kid);
                    alien = alien.or((cause == Lost::Sealed(OpenFailed::OtherKek)).then_some(key.kid));
                }
            }
        }
        match alien {
            Some(kid) if opened.pairs.is_empty() => Err(OtherKek(kid)),
            _ => Ok(opened),
        }
    }

    /// The handle of an open key.
    pub(super) fn get(&self, kid: Kid) -> Option<ActiveKey> {
        self.pairs.get(&kid).cloned()
    }

    /// Keys that should have a private half and have none that opens.
    pub(super) fn lost(&self) -> &BTreeSet<Kid> {
        &self.lost
    }

    /// Takes fresh keys in.
    pub(super) fn extend(&mut self, fresh: impl IntoIterator<Item = ActiveKey>) {
        self.pairs.extend(fresh.into_iter().map(|key| (key.kid(), key)));
    }

    /// Drops what the ring no longer needs: a request that holds a handle is the last to have it.
    pub(super) fn keep_needed(&mut self, ring: &KeyRing) {
        let needed = |kid: &Kid| ring.key(*kid).is_some_and(|key| key.state.keeps_private_half());
        self.pairs.retain(|kid, _| needed(kid));
        self.lost.retain(needed);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Lost {
    #[error("it is not in the store")]
    Missing,
    #[error(transparent)]
    Sealed(OpenFailed),
    #[error("it is no private key of this public key")]
    Unfit,
}

fn open_one(key: &KeyFacts, stored: &StoredRing, sealer: &Sealer) -> Result<KeyPair, Lost> {
    let half = stored.sealed.get(&key.kid).ok_or(Lost::Missing)?;
    let pkcs8 = sealer.open(&label((key.kid, key.algorithm)), half).map_err(Lost::Sealed)?;
    let pair = KeyPair::from_pkcs8(key.algorithm, &pkcs8).map_err(|_| Lost::Unfit)?;
    if pair.kid() == key.kid { Ok(pair) } else { Err(Lost::Unfit) }
}
