//! RSA public keys and what they verify: RS256 and PS256.
//!
//! Pure, verification only; private keys live in `key_pair`. ring does the
//! arithmetic. RFC 7518 sections 3.3, 3.5 and 6.3.1, RFC 8017.

use std::sync::Arc;

use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
};

use super::Algorithm;

/// How an RSA key signs. It is a part of the key, so that none signs both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 with SHA-256: RS256.
    Pkcs1,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes: PS256.
    Pss,
}

impl Scheme {
    /// The scheme of an algorithm, if it is one of RSA.
    pub const fn of(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Rs256 => Some(Self::Pkcs1),
            Algorithm::Ps256 => Some(Self::Pss),
            Algorithm::Es256 | Algorithm::EdDsa => None,
        }
    }

    /// The algorithm of a scheme.
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::Pkcs1 => Algorithm::Rs256,
            Self::Pss => Algorithm::Ps256,
        }
    }

    fn verification(self) -> &'static RsaParameters {
        match self {
            Self::Pkcs1 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Pss => &RSA_PSS_2048_8192_SHA256,
        }
    }
}

/// A public key with its scheme. One that somebody brings has 2048 to 4096 bits. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RsaPublicKey {
    scheme: Scheme,
    modulus: Arc<[u8]>,
    exponent: Arc<[u8]>,
}

/// What is wrong with an RSA public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadRsa {
    /// Too short, too long, even, or with leading zeros.
    Modulus,
    /// 1, even, longer than 33 bits, or with leading zeros.
    Exponent,
}

/// The least length of a modulus, in bits (RFC 7518 sections 3.3 and 3.5).
pub(super) const LEAST_BITS: usize = 2048;
/// The greatest length of a modulus, in bits; longer ones only cost time.
pub(super) const MOST_BITS: usize = 4096;

impl RsaPublicKey {
    /// Takes modulus and exponent, both big-endian without leading zeros.
    pub(super) fn new(scheme: Scheme, modulus: &[u8], exponent: &[u8]) -> Result<Self, BadRsa> {
        let odd = |bytes: &[u8]| bytes.last().is_some_and(|last| last & 1 == 1);
        if !(LEAST_BITS..=MOST_BITS).contains(&bit_length(modulus)) || !is_minimal(modulus) || !odd(modulus) {
            return Err(BadRsa::Modulus);
        }
        // ring takes no longer ones: each bit costs a multiplication at every verification.
        if exponent == [1] || bit_length(exponent) > 33 || !is_minimal(exponent) || !odd(exponent) {
            return Err(BadRsa::Exponent);
        }
        Ok(Self { scheme, modulus: modulus.into(), exponent: exponent.into() })
    }

    /// Takes modulus and exponent that were judged before they were stored. ring verifies by no key of fewer bits.
    pub(super) fn from_stored(scheme: Scheme, modulus: &[u8], exponent: &[u8]) -> Self {
        Self { scheme, modulus: modulus.into(), exponent: exponent.into() }
    }

    /// How it signs.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The modulus n, big-endian without leading zeros.
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// The exponent e, big-endian without leading zeros.
    pub fn exponent(&self) -> &[u8] {
        &self.exponent
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent }
            .verify(self.scheme.verification(), message, signature)
            .is_ok()
    }
}

/// The length of a big-endian number in bits, without leading zeros.
pub(super) fn bit_length(number: &[u8]) -> usize {
    let zeros: usize = number.iter().take_while(|byte| **byte == 0).count();
    let first = number.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
    (number.len() - zeros) * 8 - first
}

fn is_minimal(number: &[u8]) -> bool {
    number.first().is_some_and(|first| *first != 0)
}

#[cfg(test)]
pub(super) mod tests;
