//! Keys that nobody's signature is good for: verified with where there is no key to verify with.
//!
//! So a request in the name of a client that does not exist, or by a key that it does not have,
//! costs what one by a registered key costs. What such a verification says is never looked at.

use std::hint::black_box;

use super::rsa::{MOST_BITS, Scheme};
use super::{Algorithm, PublicJwk};

/// Verifies for the work alone. An RSA key is as long as the signature, if a key can be.
pub(super) fn verify(algorithm: Algorithm, message: &[u8], signature: &[u8]) {
    let verified = match algorithm {
        Algorithm::Es256 => P256.verify(message, signature),
        Algorithm::EdDsa => ED25519.verify(message, signature),
        Algorithm::Rs256 | Algorithm::Ps256 => {
            rsa(signature.len()).is_some_and(|key| key.verify(message, signature))
        }
    };
    black_box(verified);
}

/// The base point of P-256 (SEC 2 section 2.4.2): its private key is 1.
static P256: PublicJwk = PublicJwk::P256 {
    x: [
        0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77,
        0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
    ],
    y: [
        0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b,
        0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
    ],
};

/// The base point of Ed25519 (RFC 8032 section 5.1): y = 4/5.
static ED25519: PublicJwk = PublicJwk::Ed25519 { x: base_point() };

const fn base_point() -> [u8; 32] {
    let mut out = [0x66; 32];
    out[0] = 0x58;
    out
}

/// The greatest modulus of so many bytes: no signature of its length is too great for it, which the library would
/// find out before any work. `None` where no key has this length, so that nobody's signature costs anything.
fn rsa(bytes: usize) -> Option<PublicJwk> {
    let modulus = [0xff; MOST_BITS / 8];
    PublicJwk::rsa(Scheme::Pss, modulus.get(..bytes)?, &[1, 0, 1]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that the library would not even take would cost nothing to verify with.
    #[test]
    fn the_keys_are_whole_ones() {
        for key in [&P256, &ED25519] {
            let jwk = key.to_value();
            assert_eq!(PublicJwk::parse(&jwk).as_ref(), Ok(key), "{jwk}");
        }
        for bytes in 0..=1_024 {
            let length = rsa(bytes).map(|key| key.signature_length());
            assert_eq!(length, (256..=512).contains(&bytes).then_some(bytes));
        }
    }

    /// What a signature has to be like for a client's key, it is for these: what one would refuse at once, so does the
    /// other. The all-ones signature is the one that is too great for every modulus.
    #[test]
    fn they_work_wherever_a_registered_key_would() {
        for bytes in 256..=512 {
            let key = rsa(bytes).unwrap();
            for first in [0, 1, 0x7f, 0x80, 0xfe] {
                let mut signature = vec![0xff; bytes];
                signature[0] = first;
                assert!(key.is_work(&signature), "{bytes} {first}");
            }
            assert!(!key.is_work(&vec![0xff; bytes]));
        }
    }
}
