//! Private signing keys, parsed once and held ready.
//!
//! ring signs; jsonwebtoken never sees a private key, because it would parse
//! the document again at each signature. Nothing here logs, stores or prints a
//! private byte. RFC 7518 sections 3.3 to 3.5, RFC 8037, RFC 5958, RFC 8410.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as RingKeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use zeroize::Zeroizing;

use super::rsa::Scheme;
use super::{Algorithm, Kid, PublicJwk, rsa_strength};
use crate::ambient::{Entropy, EntropyFailed, signature_random};

/// A private key as PKCS#8 DER, wiped when dropped. `Debug` shows its length only.
#[derive(Clone)]
pub struct Pkcs8(Zeroizing<Vec<u8>>);

impl Pkcs8 {
    /// Takes the DER document over.
    pub fn new(der: Zeroizing<Vec<u8>>) -> Self {
        Self(der)
    }

    /// The DER document. Whoever copies it must wipe the copy.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Pkcs8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs8([{} bytes])", self.0.len())
    }
}

/// A private signing key with its public half. `Debug` shows algorithm and `kid` only.
pub struct KeyPair {
    private: Private,
    public: PublicJwk,
    kid: Kid,
}

enum Private {
    P256(EcdsaKeyPair, SystemRandom),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>, Scheme, SystemRandom),
}

/// The document is no PKCS#8 private key for this algorithm, or its halves do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a PKCS#8 private key for this algorithm")]
pub struct BadKey;

/// The signature could not be made: the source of random bytes failed, or a
/// calculation with an RSA key went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature could not be made")]
pub struct SignFailed;

/// Why no key pair could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenerateFailed {
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyFailed),
    /// The source of randomness gave a document that is no key.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// This build cannot make keys for it.
    #[error("this build makes no {0} keys; build it with --features rsa")]
    NotInThisBuild(Algorithm),
}

impl KeyPair {
    /// Makes a fresh key. An Ed25519 key depends on the 32 bytes that `entropy`
    /// fills alone; a P-256 key is made by [`Entropy::p256_pkcs8`], an RSA key by
    /// [`Entropy::rsa_pkcs8`], which takes some 0.1 s and sometimes a whole one.
    pub fn generate(algorithm: Algorithm, entropy: &dyn Entropy) -> Result<(Self, Pkcs8), GenerateFailed> {
        if !algorithm.has_keys_in_this_build() {
            return Err(GenerateFailed::NotInThisBuild(algorithm));
        }
        let der = match algorithm {
            Algorithm::Es256 => entropy.p256_pkcs8()?,
            Algorithm::EdDsa => {
                let mut seed = Zeroizing::new([0; 32]);
                entropy.fill(seed.as_mut_slice())?;
                ed25519_pkcs8(&seed)?
            }
            Algorithm::Rs256 | Algorithm::Ps256 => entropy.rsa_pkcs8()?,
        };
        let document = Pkcs8::new(der);
        Ok((Self::from_pkcs8(algorithm, document.as_bytes())?, document))
    }

    /// Parses PKCS#8 DER. A P-256 document must hold its public key; an Ed25519
    /// one may (RFC 8410: version 2) and is then checked against it. An RSA key
    /// has 2048 to 4096 bits and is none that can be factored.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, BadKey> {
        let (private, public) = match algorithm {
            Algorithm::Es256 => {
                let random = signature_random();
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random);
                let pair = pair.map_err(|_| BadKey)?;
                let public = PublicJwk::from_point(algorithm, pair.public_key().as_ref());
                (Private::P256(pair, random), public)
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| BadKey)?;
                let public = PublicJwk::from_point(algorithm, pair.public_key().as_ref());
                (Private::Ed25519(pair), public)
            }
            Algorithm::Rs256 => rsa(Scheme::Pkcs1, der)?,
            Algorithm::Ps256 => rsa(Scheme::Pss, der)?,
        };
        let public = public.ok_or(BadKey)?;
        Ok(Self { private, kid: public.kid(), public })
    }

    /// The one algorithm this key signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// The public half.
    pub fn public(&self) -> PublicJwk {
        self.public.clone()
    }

    /// The key's identifier: the thumbprint of its public half.
    pub const fn kid(&self) -> Kid {
        self.kid
    }

    /// Signs: r and s for ES256 (RFC 7518 section 3.4), R and S for Ed25519, one
    /// number as long as the modulus for RSA, which takes some 0.7 ms. The same
    /// message gives the same EdDSA and RS256 signature, never the same ES256 or PS256 one.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        match &self.private {
            Private::P256(pair, random) => {
                Ok(pair.sign(random, message).map_err(|_| SignFailed)?.as_ref().to_vec())
            }
            Private::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Private::Rsa(pair, scheme, random) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = match scheme {
                    Scheme::Pkcs1 => pair.sign(&RSA_PKCS1_SHA256, random, message, &mut signature),
                    Scheme::Pss => pair.sign(&RSA_PSS_SHA256, random, message, &mut signature),
                };
                signed.map_err(|_| SignFailed)?;
                Ok(signature)
            }
        }
    }
}

fn rsa(scheme: Scheme, der: &[u8]) -> Result<(Private, Option<PublicJwk>), BadKey> {
    rsa_strength::check(der).map_err(|_| BadKey)?;
    let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| BadKey)?;
    let RsaPublicKeyComponents { n, e }: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
    let public = PublicJwk::rsa(scheme, &n, &e).ok();
    Ok((Private::Rsa(Box::new(pair), scheme, signature_random()), public))
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({} {})", self.algorithm(), self.kid)
    }
}

/// `OneAsymmetricKey` version 2 with the public key (RFC 8410 section 7), so
/// that a damaged document is noticed when it is parsed.
fn ed25519_pkcs8(seed: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>, BadKey> {
    const BEFORE_SEED: [u8; 16] = *b"\x30\x51\x02\x01\x01\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    const BEFORE_PUBLIC: [u8; 3] = *b"\x81\x21\x00";
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadKey)?;
    // Room for all of it, so that growing leaves no copy of the seed behind.
    let mut der = Zeroizing::new(Vec::with_capacity(83));
    der.extend_from_slice(&BEFORE_SEED);
    der.extend_from_slice(seed);
    der.extend_from_slice(&BEFORE_PUBLIC);
    der.extend_from_slice(pair.public_key().as_ref());
    Ok(der)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::SystemEntropy;
    use crate::digest::base64url;

    /// The seed of RFC 8037 appendix A.1, whose public half is in A.2.
    struct Rfc8037;

    const SEED: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44,
        0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ];

    impl Entropy for Rfc8037 {
        fn fill(&self, out: &mut [u8]) -> Result<(), EntropyFailed> {
            out.copy_from_slice(&SEED);
            Ok(())
        }

        fn p256_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
            Err(EntropyFailed)
        }

        fn rsa_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, EntropyFailed> {
            Err(EntropyFailed)
        }
    }

    #[test]
    fn signs_as_rfc_8037_says() {
        let (pair, _) = KeyPair::generate(Algorithm::EdDsa, &Rfc8037).unwrap();
        assert_eq!(pair.kid().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let signature = pair.sign(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc").unwrap();
        assert_eq!(
            base64url(&signature),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }

    #[test]
    fn a_key_comes_back_from_its_document() {
        for algorithm in Algorithm::with_keys_in_this_build() {
            let (pair, document) = KeyPair::generate(algorithm, &SystemEntropy::new()).unwrap();
            let again = KeyPair::from_pkcs8(algorithm, document.as_bytes()).unwrap();
            assert_eq!(
                (again.kid(), again.public(), again.algorithm()),
                (pair.kid(), pair.public(), algorithm)
            );
            let signature = again.sign(b"a message").unwrap();
            assert!(pair.public().verify(b"a message", &signature));
            assert!(!pair.public().verify(b"another message", &signature));
        }
    }

    #[test]
    fn a_document_is_for_its_algorithm_only() {
        for (made, read) in [(Algorithm::Es256, Algorithm::EdDsa), (Algorithm::EdDsa, Algorithm::Es256)] {
            let (_, document) = KeyPair::generate(made, &SystemEntropy::new()).unwrap();
            assert_eq!(KeyPair::from_pkcs8(read, document.as_bytes()).unwrap_err(), BadKey);
        }
    }

    #[test]
    fn a_damaged_document_is_refused() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let (_, document) = KeyPair::generate(algorithm, &SystemEntropy::new()).unwrap();
            for index in 0..document.as_bytes().len() {
                let mut damaged = document.as_bytes().to_vec();
                damaged[index] ^= 1;
                assert!(KeyPair::from_pkcs8(algorithm, &damaged).is_err(), "{algorithm}, byte {index}");
            }
        }
    }

    #[test]
    fn no_randomness_no_key() {
        assert_eq!(
            KeyPair::generate(Algorithm::Es256, &Rfc8037).unwrap_err(),
            GenerateFailed::Entropy(EntropyFailed)
        );
    }

    #[cfg(not(feature = "rsa"))]
    #[test]
    fn a_build_without_rsa_keys_says_how_to_get_one_that_makes_them() {
        for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
            let refused = KeyPair::generate(algorithm, &SystemEntropy::new()).unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!("this build makes no {algorithm} keys; build it with --features rsa")
            );
        }
    }

    #[test]
    fn debug_shows_nothing_private() {
        let (pair, document) = KeyPair::generate(Algorithm::EdDsa, &Rfc8037).unwrap();
        assert_eq!(format!("{pair:?}"), "KeyPair(EdDSA kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k)");
        assert_eq!(format!("{document:?}"), "Pkcs8([83 bytes])");
    }
}
