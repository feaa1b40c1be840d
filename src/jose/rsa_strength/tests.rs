use super::*;
use crate::jose::rsa::tests::document;

/// An RSA key pair of `keys/golden/rsa_weak.txt` as PKCS#8.
pub(in crate::jose) fn weak(name: &str) -> Vec<u8> {
    use base64::Engine as _;
    let keys = include_str!("../../../keys/golden/rsa_weak.txt");
    let line = keys.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    base64::engine::general_purpose::STANDARD.decode(line).unwrap()
}

#[test]
fn sound_keys_pass() {
    for number in 0..12 {
        assert_eq!(check(&document(number)), Ok(()), "{number}");
    }
}

#[test]
fn each_weakness_is_found() {
    for (name, verdict) in [
        ("1024-bits", Err(Weak::Bits(1024))),
        ("2047-bits", Err(Weak::Bits(2047))),
        ("4608-bits", Err(Weak::Bits(4608))),
        ("e-is-3", Err(Weak::Exponent)),
        ("three-primes", Err(Weak::Form)),
        ("close-primes", Err(Weak::ClosePrimes)),
        ("just-far-enough", Ok(())),
        ("roca", Err(Weak::Roca)),
    ] {
        assert_eq!(check(&weak(name)), verdict, "{name}");
    }
    assert_eq!(check(b"no DER"), Err(Weak::Form));
}

#[test]
fn the_distance_is_the_greater_less_the_other() {
    for (p, q, distance) in [
        (&[5][..], &[3][..], &[2][..]),
        (&[3], &[5], &[2]),
        (&[1, 0], &[255], &[0, 1]),
        (&[255], &[1, 0, 0], &[0, 255, 1]),
        (&[2, 0, 0], &[1, 255, 255], &[0, 0, 1]),
        (&[7, 7], &[7, 7], &[0, 0]),
    ] {
        assert_eq!(super::distance(p, q).as_slice(), distance, "{p:?} {q:?}");
    }
}
