//! Ed25519 signatures over bytes: what a log checkpoint and an EdDSA token share.
//!
//! Pure, verification only; private keys live in `key_pair`. RFC 8032 section 5.1.7.

use curve25519_dalek::edwards::CompressedEdwardsY;
use ring::signature::{ED25519, UnparsedPublicKey};

/// Whether `signature` (64 bytes) is `public`'s over `message`. Malformed keys
/// and signatures are simply not genuine.
pub fn verify(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
}

/// Whether `public` can be a key: the one encoding of a point of the curve (RFC 8032 section 5.1.3) whose order is
/// not small. ring takes any bytes and finds out at a signature; and for a point of small order anybody can sign.
pub fn is_sound(public: &[u8; 32]) -> bool {
    let point = CompressedEdwardsY(*public).decompress();
    point.is_some_and(|point| point.compress().0 == *public && !point.is_small_order())
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;
    use crate::digest::Digest;

    /// The y coordinates of all points whose order divides 8, with the encodings
    /// of 0 and 1 that are not reduced modulo p (the list of libsodium).
    const SMALL_ORDER: [[u8; 32]; 7] = [
        low(0x00),
        low(0x01),
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
        high(0xec),
        high(0xed),
        high(0xee),
    ];

    /// A small number, little-endian.
    const fn low(byte: u8) -> [u8; 32] {
        let mut out = [0; 32];
        out[0] = byte;
        out
    }

    /// 2^255 - 256 + `byte`, little-endian: the numbers around p = 2^255 - 19.
    const fn high(byte: u8) -> [u8; 32] {
        let mut out = [0xff; 32];
        out[0] = byte;
        out[31] = 0x7f;
        out
    }

    /// RFC 8032 section 7.1, test 2: the message is the byte 0x72.
    const PUBLIC: &str = "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw";
    const SIGNATURE: &str =
        "kqAJqfDUyrhyDoILX2QlQKKye1QWUD-Ps3YiI-vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA";

    #[test]
    fn agrees_with_rfc_8032() {
        let seed = [
            0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e, 0x0f,
            0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb,
        ];
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let public: [u8; 32] = pair.public_key().as_ref().try_into().unwrap();
        assert_eq!(crate::digest::base64url(&public), PUBLIC);
        let signature = pair.sign(&[0x72]);
        assert_eq!(crate::digest::base64url(signature.as_ref()), SIGNATURE);
        assert!(verify(&public, &[0x72], signature.as_ref()));
        assert!(!verify(&public, &[0x73], signature.as_ref()));
        assert!(!verify(&public, &[0x72], &signature.as_ref()[1..]));
        assert!(is_sound(&public));
    }

    /// With the signature R = identity, s = 0 a point of small order "signs"
    /// about every eighth message: that is why they are refused.
    #[test]
    fn the_refused_points_need_no_private_key() {
        let mut forged = [0; 64];
        forged[0] = 1;
        for y in SMALL_ORDER {
            let signs = (0..=u8::MAX).any(|message| verify(&y, &[message], &forged));
            assert!(signs, "{y:02x?}");
            let mut negative = y;
            negative[31] |= 0x80;
            assert!(!is_sound(&y) && !is_sound(&negative));
        }
    }

    #[test]
    fn every_true_key_is_a_point() {
        for seed in 0..64_u8 {
            let seed = Digest::of(&[&[seed]]);
            let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_bytes()).unwrap();
            let public: [u8; 32] = pair.public_key().as_ref().try_into().unwrap();
            assert!(is_sound(&public));
            // So is its negative.
            let mut negative = public;
            negative[31] ^= 0x80;
            assert!(is_sound(&negative));
        }
    }

    /// The least y for which there is no x, by a computation of somebody else's; and what is written too large.
    #[test]
    fn what_is_no_point_is_found_out() {
        let y = |number: u8| {
            let mut encoded = [0; 32];
            encoded[0] = number;
            encoded
        };
        let on_curve: Vec<u8> = (0..=20).filter(|number| is_sound(&y(*number))).collect();
        // 0 and 1 are points too, of small order.
        assert_eq!(on_curve, [3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 19]);
        let above = |least: u8| {
            let mut encoded = [0xff; 32];
            (encoded[0], encoded[31]) = (least, 0x7f);
            encoded
        };
        for least in 0xec..=0xff {
            assert!(!is_sound(&above(least)), "{least:x}");
        }
        assert!(!is_sound(&[0xff; 32]));
    }

    #[test]
    fn about_half_of_all_numbers_are_points() {
        let numbers = (0..400_u16).map(|number| {
            let mut encoded = *Digest::of(&[&number.to_be_bytes()]).as_bytes();
            encoded[31] &= 0x7f;
            encoded
        });
        let points = numbers.filter(is_sound).count();
        assert!((150..250).contains(&points), "{points}");
    }
}
