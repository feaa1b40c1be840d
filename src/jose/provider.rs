//! jsonwebtoken's cryptography, done by ring.
//!
//! The crate picks a backend by its own features and panics at the first
//! signature when it finds none or two. Here one is installed by hand and tried
//! before the program listens. It verifies only: signing goes by
//! [`KeyPair::sign`], so that no second way leads to a signature. RFC 7518
//! section 3, RFC 8037 section 3.1.

use std::sync::OnceLock;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, Result as JwtResult, new_error};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{DecodingKey, DecodingKeyKind, EncodingKey};

use super::jwk::uncompressed;
use super::key_pair::GenerateFailed;
use super::rsa::Scheme;
use super::{Algorithm, KeyPair, PublicJwk, published};
use crate::ambient::Entropy;
use crate::digest::base64url;

/// Another provider was installed, or one was used, before ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another cryptography provider was installed first")]
pub struct InstallFailed;

/// Why the program must not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelfTestFailed {
    /// Not our provider.
    #[error(transparent)]
    Install(#[from] InstallFailed),
    /// No key to try.
    #[error(transparent)]
    Generate(#[from] GenerateFailed),
    /// A signature could not be made, a true one was refused, or a false one accepted.
    #[error("the {0} self-test failed")]
    Signature(Algorithm),
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: no_signer,
    verifier_factory: verifier,
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(unsupported()),
        rsa_pub_components_from_public_key: |_| Err(unsupported()),
        ec_pub_components_from_private_key: |_, _| Err(unsupported()),
        ed_pub_components_from_private_key: |_, _| Err(unsupported()),
        compute_digest: |_, _| Err(unsupported()),
    },
};

/// Makes ours the provider of this process. Repeating it is harmless and cheap.
pub fn install() -> Result<(), InstallFailed> {
    static INSTALLED: OnceLock<Result<(), InstallFailed>> = OnceLock::new();
    *INSTALLED.get_or_init(|| PROVIDER.install_default().map_err(|_| InstallFailed))
}

/// Installs the provider and tries each algorithm by the path that tokens take:
/// a true signature is taken, and none over another message.
///
/// ES256 and EdDSA sign with a key that is thrown away. Making an RSA key takes
/// longer than the whole start, so published signatures are verified there; that
/// an RSA key of this process signs truly is seen at each of its signatures,
/// before the token is released.
pub fn self_test(entropy: &dyn Entropy) -> Result<(), SelfTestFailed> {
    install()?;
    for algorithm in Algorithm::ALL {
        let failed = SelfTestFailed::Signature(algorithm);
        let (key, message, signature) = match algorithm {
            Algorithm::Es256 | Algorithm::EdDsa => {
                let (pair, _) = KeyPair::generate(algorithm, entropy)?;
                let signature = pair.sign(b"self-test").map_err(|_| failed)?;
                (pair.public(), b"self-test".as_slice(), base64url(&signature))
            }
            Algorithm::Rs256 => published::rs256().ok_or(failed)?,
            Algorithm::Ps256 => published::ps256().ok_or(failed)?,
        };
        let key = decoding_key(&key);
        let accepts =
            |message: &[u8]| jsonwebtoken::crypto::verify(&signature, message, &key, jwt_name(algorithm));
        if accepts(message) != Ok(true) || accepts(b"another message") != Ok(false) {
            return Err(failed);
        }
    }
    Ok(())
}

/// A public key as jsonwebtoken takes it.
pub(super) fn decoding_key(key: &PublicJwk) -> DecodingKey {
    match key {
        PublicJwk::P256 { x, y } => DecodingKey::from_ec_der(&uncompressed(x, y)),
        PublicJwk::Ed25519 { x } => DecodingKey::from_ed_der(x),
        PublicJwk::Rsa(key) => DecodingKey::from_rsa_raw_components(key.modulus(), key.exponent()),
    }
}

/// The inverse. jsonwebtoken knows an RSA key by its family only; that a key is
/// asked for its own algorithm alone is `verify`'s to see to.
fn public_key(algorithm: Algorithm, key: &DecodingKey) -> Option<PublicJwk> {
    match (Scheme::of(algorithm), key.kind()) {
        (None, DecodingKeyKind::SecretOrDer(point)) => PublicJwk::from_point(algorithm, point),
        (Some(scheme), DecodingKeyKind::RsaModulusExponent { n, e }) => PublicJwk::rsa(scheme, n, e).ok(),
        _ => None,
    }
}

/// An algorithm as jsonwebtoken names it.
pub(super) const fn jwt_name(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
    }
}

struct RingVerifier(PublicJwk);

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        if self.0.verify(message, signature) { Ok(()) } else { Err(signature::Error::new()) }
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> jsonwebtoken::Algorithm {
        jwt_name(self.0.algorithm())
    }
}

/// The family is compared as well as the length, so that one kind of key never
/// serves as another.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "jsonwebtoken sets the signature")]
fn verifier(algorithm: &jsonwebtoken::Algorithm, key: &DecodingKey) -> JwtResult<Box<dyn JwtVerifier>> {
    let ours =
        Algorithm::ALL.into_iter().find(|ours| jwt_name(*ours) == *algorithm).ok_or_else(unsupported)?;
    if key.family() != algorithm.family() {
        return Err(new_error(ErrorKind::InvalidKeyFormat));
    }
    let public = public_key(ours, key).ok_or_else(|| new_error(ErrorKind::InvalidKeyFormat))?;
    Ok(Box::new(RingVerifier(public)))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "jsonwebtoken sets the signature")]
fn no_signer(_: &jsonwebtoken::Algorithm, _: &EncodingKey) -> JwtResult<Box<dyn JwtSigner>> {
    Err(unsupported())
}

fn unsupported() -> Error {
    new_error(ErrorKind::UnsupportedAlgorithm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::SystemEntropy;
    use crate::jose::rsa::tests::pair;

    #[test]
    fn the_self_test_passes_and_repeats() {
        assert_eq!(self_test(&SystemEntropy::new()), Ok(()));
        assert_eq!(self_test(&SystemEntropy::new()), Ok(()));
        assert_eq!(install(), Ok(()));
    }

    #[test]
    fn a_key_verifies_its_own_algorithm_only() {
        for algorithm in Algorithm::ALL {
            let pair = pair(algorithm);
            let key = decoding_key(&pair.public());
            assert!(verifier(&jwt_name(algorithm), &key).is_ok());
            assert_eq!(public_key(algorithm, &key), Some(pair.public()));
            for other in [jsonwebtoken::Algorithm::ES384, jsonwebtoken::Algorithm::HS256] {
                assert!(verifier(&other, &key).is_err());
            }
            let secret = DecodingKey::from_secret(pair.public().to_string().as_bytes());
            assert!(verifier(&jwt_name(algorithm), &secret).is_err());
            // RS256 and PS256 are one family to jsonwebtoken; `verify` keeps them apart.
            let strangers = Algorithm::ALL.into_iter().filter(|other| other.is_rsa() != algorithm.is_rsa());
            for stranger in strangers.filter(|other| *other != algorithm) {
                assert!(verifier(&jwt_name(stranger), &key).is_err(), "{algorithm} as {stranger}");
            }
        }
    }

    #[test]
    fn jsonwebtoken_cannot_sign() {
        let (_, document) = KeyPair::generate(Algorithm::EdDsa, &SystemEntropy::new()).unwrap();
        let key = EncodingKey::from_ed_der(document.as_bytes());
        assert!(no_signer(&jsonwebtoken::Algorithm::EdDSA, &key).is_err());
    }
}
