//! Whether an RSA key can be factored by what is known of bad generators.
//!
//! Pure. Where it sees a private key it keeps nothing of it; what it computes is
//! wiped. That the numbers belong together is ring's to check. NIST SP 800-56B
//! section 6.4.1.2.1 for the primes, Nemec et al. (CCS 2017) for ROCA.

use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::asn1::UintRef;
use pkcs8::der::{Decode as _, Reader as _, SliceReader};
use zeroize::Zeroizing;

use super::rsa::{LEAST_BITS, MOST_BITS, bit_length};

/// Why an RSA key is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weak {
    /// Not PKCS#8 with an RSA key of two primes.
    Form,
    /// Shorter or longer than what is used.
    Bits(usize),
    /// Less than 65537, even, or longer than 33 bits.
    Exponent,
    /// p and q are so close that Fermat's method finds them.
    ClosePrimes,
    /// Made by a chip whose primes can be guessed (CVE-2017-15361).
    Roca,
}

/// Says whether the RSA key in this PKCS#8 document is weak.
pub(super) fn check(pkcs8: &[u8]) -> Result<(), Weak> {
    let info = PrivateKeyInfoRef::try_from(pkcs8).map_err(|_| Weak::Form)?;
    let Numbers { modulus, exponent, p, q } =
        Numbers::read(info.private_key.as_bytes()).map_err(|_| Weak::Form)?;
    let bits = bit_length(modulus);
    if !(LEAST_BITS..=MOST_BITS).contains(&bits) {
        return Err(Weak::Bits(bits));
    }
    let odd = exponent.last().is_some_and(|last| last & 1 == 1);
    if !odd || bit_length(exponent) < 17 || bit_length(exponent) > 33 {
        return Err(Weak::Exponent);
    }
    if bit_length(&distance(p, q)) <= bits / 2 - 100 {
        return Err(Weak::ClosePrimes);
    }
    if has_roca_fingerprint(modulus) { Err(Weak::Roca) } else { Ok(()) }
}

/// What of an `RSAPrivateKey` (RFC 8017 appendix A.1.2) is looked at.
struct Numbers<'a> {
    modulus: &'a [u8],
    exponent: &'a [u8],
    p: &'a [u8],
    q: &'a [u8],
}

impl<'a> Numbers<'a> {
    fn read(pkcs1: &'a [u8]) -> Result<Self, pkcs8::der::Error> {
        let mut reader = SliceReader::new(pkcs1)?;
        let numbers = reader.sequence(|fields| {
            let mut number = || UintRef::decode(fields).map(|number| number.as_bytes());
            let [_version, modulus, exponent, _d] = [number()?, number()?, number()?, number()?];
            let [p, q, _dp, _dq, _qi] = [number()?, number()?, number()?, number()?, number()?];
            Ok::<_, pkcs8::der::Error>(Self { modulus, exponent, p, q })
        })?;
        reader.finish()?;
        Ok(numbers)
    }
}

/// |p - q|, big-endian.
fn distance(p: &[u8], q: &[u8]) -> Zeroizing<Vec<u8>> {
    // Without leading zeros, the longer one is the greater, and of two equally long ones the first that differs tells.
    let (greater, less) = if (p.len(), p) < (q.len(), q) { (q, p) } else { (p, q) };
    let mut difference = Zeroizing::new(greater.to_vec());
    let mut borrow = false;
    let less = less.iter().rev().copied().chain(std::iter::repeat(0));
    for (digit, take) in difference.iter_mut().rev().zip(less) {
        let (rest, first) = digit.overflowing_sub(take);
        let (rest, second) = rest.overflowing_sub(u8::from(borrow));
        *digit = rest;
        borrow = first || second;
    }
    difference
}

/// The odd primes up to 167, which is what a ROCA modulus of the shortest kind is built from.
const SMALL_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether a public modulus shows by itself that it is no product of two large and random primes.
pub(super) fn is_weak_modulus(modulus: &[u8]) -> bool {
    SMALL_PRIMES.iter().any(|prime| remainder(modulus, *prime) == 0) || has_roca_fingerprint(modulus)
}

/// A big-endian number modulo a small one.
fn remainder(number: &[u8], divisor: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % divisor)
}

/// The primes of such a chip are powers of 65537 modulo every small prime, and
/// so is their product. A sound modulus is so once in some 2^27.
fn has_roca_fingerprint(modulus: &[u8]) -> bool {
    SMALL_PRIMES.iter().all(|prime| {
        let remainder = remainder(modulus, *prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * 65_537 % prime));
        // The powers come round after at most prime - 1 of them.
        powers.take(*prime as usize).any(|power| power == remainder)
    })
}

#[cfg(test)]
pub(super) mod tests;
