//! Public keys that look like any other and that nobody has the private half of.
//!
//! What is simulated has keys of the right form and length; none of them ever signs.

use crate::digest::Digest;
use crate::jose::rsa::Scheme;
use crate::jose::{Algorithm, PublicJwk};

/// The key of that number: the same number gives the same key. RSA keys have 2048 bits, as those that are made here.
/// `None` only where the algorithm has no keys at all.
pub fn stand_in(algorithm: Algorithm, number: u64) -> Option<PublicJwk> {
    // A thumbprint does not tell RS256 from PS256, so the key has to.
    let bytes = |part: &[u8]| Digest::of(&[algorithm.as_str().as_bytes(), part, &number.to_be_bytes()]).0;
    match algorithm {
        Algorithm::Es256 => Some(PublicJwk::P256 { x: bytes(b"x"), y: bytes(b"y") }),
        Algorithm::EdDsa => Some(PublicJwk::Ed25519 { x: bytes(b"x") }),
        Algorithm::Rs256 | Algorithm::Ps256 => {
            // Its first bit is set, as in every modulus of its length, and its last, as in every odd number.
            let middle = bytes(b"n").repeat(8);
            let middle = middle.get(1..255).unwrap_or_default();
            let modulus = [&[0xff], middle, &[0xff]].concat();
            PublicJwk::rsa(Scheme::of(algorithm)?, &modulus, &[1, 0, 1]).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_has_keys_of_its_own() {
        let mut kids = std::collections::BTreeSet::new();
        for algorithm in Algorithm::ALL {
            for number in 1..=3 {
                let key = stand_in(algorithm, number).unwrap();
                assert_eq!(key.algorithm(), algorithm);
                assert_eq!(stand_in(algorithm, number).unwrap().kid(), key.kid());
                assert!(kids.insert(key.kid()), "{algorithm} {number}");
            }
        }
    }
}
