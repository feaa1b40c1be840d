//! Whether 32 bytes are a point of the curve of Ed25519.
//!
//! ring takes any bytes as a public key and only finds out at a signature, by refusing it; whoever
//! brings a key is to be told at once. It is about public numbers alone, so that nothing here needs
//! constant time. RFC 8032 section 5.1.3, RFC 8725bis section 3.4.

/// A number below 2^256 in digits of 16 bits, the least first; it stands for itself modulo p = 2^255 - 19.
type Number = [u64; 16];

const DIGIT: u64 = 0xffff;
const ONE: Number = small(1);
const MINUS_ONE: Number = near_p(0xffec, 0x7fff);
/// d = -121665/121666.
const D: Number = [
    0x78a3, 0x1359, 0x4dca, 0x75eb, 0xd8ab, 0x4141, 0x0a4d, 0x0070, 0xe898, 0x7779, 0x4079, 0x8cc7, 0xfe73,
    0x2b6f, 0x6cee, 0x5203,
];
/// All that is 0 modulo p: 0, p and 2 p.
const ZEROS: [Number; 3] = [small(0), near_p(0xffed, 0x7fff), near_p(0xffda, DIGIT)];
/// All that is 1 modulo p.
const ONES: [Number; 3] = [ONE, near_p(0xffee, 0x7fff), near_p(0xffdb, DIGIT)];

/// Whether this is the encoding of a point: y below p, and some x with -x^2 + y^2 = 1 + d x^2 y^2.
pub(super) fn is_on_curve(encoded: &[u8; 32]) -> bool {
    let mut y: Number = small(0);
    for (digit, bytes) in y.iter_mut().zip(encoded.chunks_exact(2)) {
        *digit = bytes.iter().rev().fold(0, |digit, byte| digit << 8 | u64::from(*byte));
    }
    let [least, between @ .., greatest] = &mut y;
    // Its first bit is the sign of x.
    *greatest &= 0x7fff;
    if *least >= 0xffed && *greatest == 0x7fff && between.iter().all(|digit| *digit == DIGIT) {
        return false;
    }
    let square = multiply(&y, &y);
    // x^2 = u / v, which is a square where u v is one.
    let (u, v) = (add(&square, &MINUS_ONE), add(&multiply(&D, &square), &ONE));
    let product = multiply(&u, &v);
    ZEROS.contains(&product) || ONES.contains(&to_half_of_p(&product))
}

const fn small(number: u64) -> Number {
    let mut out = [0; 16];
    out[0] = number;
    out
}

/// A number whose digits are all ones but for the least and the greatest.
const fn near_p(least: u64, greatest: u64) -> Number {
    let mut out = [DIGIT; 16];
    out[0] = least;
    out[15] = greatest;
    out
}

fn add(left: &Number, right: &Number) -> Number {
    let mut sum = *left;
    for (digit, more) in sum.iter_mut().zip(right) {
        *digit += more;
    }
    carried(sum)
}

fn multiply(left: &Number, right: &Number) -> Number {
    let mut product = [0; 32];
    for (place, digit) in left.iter().enumerate() {
        for (sum, other) in product.iter_mut().skip(place).zip(right) {
            *sum += digit * other;
        }
    }
    let mut folded = small(0);
    let (low, high) = product.split_at(16);
    for ((digit, low), high) in folded.iter_mut().zip(low).zip(high) {
        // 2^256 is 38 modulo p.
        *digit = low + 38 * high;
    }
    carried(folded)
}

/// The same number with each digit in its bounds.
fn carried(mut number: Number) -> Number {
    // What leaves at the top comes in at the bottom; the third time nothing does.
    for _ in 0..3 {
        let mut carry = 0;
        for digit in &mut number {
            *digit += carry;
            carry = *digit >> 16;
            *digit &= DIGIT;
        }
        let [least, ..] = &mut number;
        *least += 38 * carry;
    }
    number
}

/// To the power (p - 1) / 2 = 2^254 - 10: 1 for a square, by Euler's criterion.
fn to_half_of_p(number: &Number) -> Number {
    let bits = std::iter::repeat_n(true, 250).chain([false, true, true, false]);
    bits.fold(ONE, |power, bit| {
        let square = multiply(&power, &power);
        if bit { multiply(&square, number) } else { square }
    })
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;
    use crate::digest::Digest;

    #[test]
    fn every_true_key_is_a_point() {
        for seed in 0..64_u8 {
            let seed = Digest::of(&[&[seed]]);
            let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_bytes()).unwrap();
            let public: [u8; 32] = pair.public_key().as_ref().try_into().unwrap();
            assert!(is_on_curve(&public));
            // So is its negative.
            let mut negative = public;
            negative[31] ^= 0x80;
            assert!(is_on_curve(&negative));
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
        let on_curve: Vec<u8> = (0..=20).filter(|number| is_on_curve(&y(*number))).collect();
        assert_eq!(on_curve, [0, 1, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 19]);
        let above = |least: u8| {
            let mut encoded = [0xff; 32];
            (encoded[0], encoded[31]) = (least, 0x7f);
            encoded
        };
        assert!(is_on_curve(&above(0xec)), "y = -1");
        for least in 0xed..=0xff {
            assert!(!is_on_curve(&above(least)), "{least:x}");
        }
        assert!(!is_on_curve(&[0xff; 32]));
    }

    #[test]
    fn about_half_of_all_numbers_are_points() {
        let numbers = (0..400_u16).map(|number| {
            let mut encoded = *Digest::of(&[&number.to_be_bytes()]).as_bytes();
            encoded[31] &= 0x7f;
            encoded
        });
        let points = numbers.filter(is_on_curve).count();
        assert!((150..250).contains(&points), "{points}");
    }
}
