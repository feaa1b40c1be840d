//! Private keys at rest: sealed with AES-256-GCM under the key-encryption key.
//!
//! A sealed key opens only as what it was sealed as: purpose, `kid`, algorithm
//! and format version are authenticated with it, so a row moved to another
//! place is refused. Never reads the key-encryption key's file and never stores
//! anything. NIST SP 800-38D; nonces are random, and far fewer than 2^32 keys
//! are ever sealed under one key-encryption key.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::ambient::{Entropy, EntropyFailed, random};
use crate::digest::{Digest, base64url};
use crate::jose::{Algorithm, Kid};

/// What a sealed key is for. A token key never opens as the log's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Signs access tokens.
    TokenKey,
    /// Signs the log's checkpoints.
    LogKey,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::TokenKey => "token-key",
            Self::LogKey => "log-key",
        }
    }
}

/// Which key lies sealed: the part of its identity that the seal authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// What the key is for.
    pub purpose: Purpose,
    /// The key's identifier.
    pub kid: Kid,
    /// The algorithm it signs with.
    pub algorithm: Algorithm,
}

/// Why a key could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealFailed {
    /// No random nonce.
    #[error(transparent)]
    Entropy(#[from] EntropyFailed),
    /// The cipher refused; it only does so for absurd lengths.
    #[error("the key could not be sealed")]
    Cipher,
}

/// Why a sealed key does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenFailed {
    /// The record names another key-encryption key.
    #[error("it was sealed under another key-encryption key")]
    OtherKek,
    /// The bytes were sealed for another key, or are damaged. These cannot be told apart.
    #[error("it was sealed for another key, or is damaged")]
    Damaged,
}

/// Seals and opens under one key-encryption key. `Debug` shows the fingerprint only.
///
/// It holds the bytes and not ring's expanded key, because ring does not wipe
/// that one; expanding it anew costs nothing beside how seldom keys are opened.
#[derive(Clone)]
pub struct Sealer {
    kek: Zeroizing<[u8; 32]>,
    kek_id: [u8; KEK_ID_LENGTH],
}

/// How many bytes of the key-encryption key's fingerprint a sealed record carries.
const KEK_ID_LENGTH: usize = 8;

/// The first byte of every sealed key.
const VERSION: u8 = 1;

impl Sealer {
    /// Takes a copy of the key-encryption key and wipes it when dropped.
    pub fn new(kek: &[u8; 32]) -> Self {
        let fingerprint = Digest::of(&[b"mintmark/kek/v1\n", kek]);
        let mut kek_id = [0; KEK_ID_LENGTH];
        kek_id.iter_mut().zip(fingerprint.as_bytes()).for_each(|(to, from)| *to = *from);
        Self { kek: Zeroizing::new(*kek), kek_id }
    }

    /// The key-encryption key's public fingerprint, 11 characters: which one a record was sealed under.
    pub fn kek_id(&self) -> String {
        base64url(&self.kek_id)
    }

    /// Seals: version byte, 8 bytes that name the key-encryption key, 12-byte nonce, ciphertext with its 16-byte tag.
    pub fn seal(
        &self,
        label: &Label,
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, SealFailed> {
        let nonce: [u8; NONCE_LEN] = random(entropy)?;
        let key = self.key().ok_or(SealFailed::Cipher)?;
        let mut sealed = Zeroizing::new(plaintext.to_vec());
        let tag = key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), label.associated(), &mut sealed)
            .map_err(|_| SealFailed::Cipher)?;
        Ok([&[VERSION], self.kek_id.as_slice(), nonce.as_slice(), sealed.as_slice(), tag.as_ref()].concat())
    }

    /// Opens what [`Self::seal`] made under the same key-encryption key and label.
    pub fn open(&self, label: &Label, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenFailed> {
        let rest = sealed.strip_prefix(&[VERSION]).ok_or(OpenFailed::Damaged)?;
        let (kek_id, rest) = rest.split_first_chunk::<KEK_ID_LENGTH>().ok_or(OpenFailed::Damaged)?;
        if *kek_id != self.kek_id {
            return Err(OpenFailed::OtherKek);
        }
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(OpenFailed::Damaged)?;
        let key = self.key().ok_or(OpenFailed::Damaged)?;
        let mut opened = Zeroizing::new(ciphertext.to_vec());
        let length = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), label.associated(), &mut opened)
            .map_err(|_| OpenFailed::Damaged)?
            .len();
        opened.truncate(length);
        Ok(opened)
    }

    fn key(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, self.kek.as_slice()).ok().map(LessSafeKey::new)
    }
}

impl Label {
    /// One field a line; no field can hold a line feed, so no two labels read alike.
    fn associated(&self) -> Aad<Vec<u8>> {
        let Self { purpose, kid, algorithm } = self;
        Aad::from(
            format!("mintmark/seal/v{VERSION}\n{}\n{kid}\n{algorithm}\n", purpose.as_str()).into_bytes(),
        )
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({})", self.kek_id())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ambient::SystemEntropy;

    const KEK: [u8; 32] = [7; 32];

    fn label() -> Label {
        let kid = Kid(Digest::of(&[b"a key"]));
        Label { purpose: Purpose::TokenKey, kid, algorithm: Algorithm::Es256 }
    }

    fn sealed(plaintext: &[u8]) -> Vec<u8> {
        Sealer::new(&KEK).seal(&label(), plaintext, &SystemEntropy::new()).unwrap()
    }

    #[test]
    fn the_fingerprint_is_stable_and_tells_keks_apart() {
        // The first 8 bytes of sha256("mintmark/kek/v1\n" and 32 bytes of 7).
        assert_eq!(Sealer::new(&KEK).kek_id(), "na96mB81Mkk");
        assert_ne!(Sealer::new(&[8; 32]).kek_id(), Sealer::new(&KEK).kek_id());
        assert_eq!(format!("{:?}", Sealer::new(&KEK)), "Sealer(na96mB81Mkk)");
    }

    #[test]
    fn opens_only_as_what_it_was_sealed_as() {
        let bytes = sealed(b"private");
        let sealer = Sealer::new(&KEK);
        assert_eq!(sealer.open(&label(), &bytes).unwrap().as_slice(), b"private");
        let strangers = [
            Label { purpose: Purpose::LogKey, ..label() },
            Label { kid: Kid(Digest::of(&[b"another key"])), ..label() },
            Label { algorithm: Algorithm::EdDsa, ..label() },
        ];
        for stranger in strangers {
            assert_eq!(sealer.open(&stranger, &bytes), Err(OpenFailed::Damaged), "{stranger:?}");
        }
    }

    /// An independent AES-256-GCM made these bytes: the KEK's name, a nonce of 9s, the label above.
    #[test]
    fn reads_the_first_version_for_ever() {
        const SEALED: &str = "AZ2vepgfNTJJCQkJCQkJCQkJCQkJV_ft4t-EpNDHdom3h80h0F29XUWZ6zE";
        let sealed = crate::digest::base64url_decode(SEALED).unwrap();
        assert_eq!(Sealer::new(&KEK).open(&label(), &sealed).unwrap().as_slice(), b"private");
    }

    #[test]
    fn two_seals_of_one_key_differ() {
        assert_ne!(sealed(b"private"), sealed(b"private"));
    }

    proptest! {
        #[test]
        fn round_trips(plaintext in proptest::collection::vec(any::<u8>(), 0..300)) {
            let sealed = sealed(&plaintext);
            prop_assert_eq!(sealed.len(), plaintext.len() + 37);
            let opened = Sealer::new(&KEK).open(&label(), &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), plaintext.as_slice());
        }

        #[test]
        fn any_changed_byte_fails(index in any::<prop::sample::Index>(), change in 1..=u8::MAX) {
            let mut sealed = sealed(b"a private key of some length");
            let index = index.index(sealed.len());
            sealed[index] ^= change;
            prop_assert!(Sealer::new(&KEK).open(&label(), &sealed).is_err());
        }

        #[test]
        fn any_cut_or_growth_fails(length in 0..40_usize) {
            let bytes = sealed(b"private");
            let sealer = Sealer::new(&KEK);
            if length < bytes.len() {
                prop_assert_eq!(sealer.open(&label(), &bytes[..length]), Err(OpenFailed::Damaged));
            }
            let grown = [bytes.as_slice(), &vec![0; length + 1]].concat();
            prop_assert_eq!(sealer.open(&label(), &grown), Err(OpenFailed::Damaged));
        }

        #[test]
        fn any_other_kek_fails(index in 0..32_usize, change in 1..=u8::MAX) {
            let mut kek = KEK;
            kek[index] ^= change;
            prop_assert_eq!(Sealer::new(&kek).open(&label(), &sealed(b"private")), Err(OpenFailed::OtherKek));
        }
    }
}
