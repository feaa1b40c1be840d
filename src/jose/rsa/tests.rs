use serde_json::{Value, json};

use super::*;
use crate::ambient::SystemEntropy;
use crate::digest::base64url;
use crate::jose::jwk::BadJwk;
use crate::jose::{KeyPair, PublicJwk};

/// The public test keys, as PKCS#8.
pub(in crate::jose) fn document(number: usize) -> Vec<u8> {
    use base64::Engine as _;
    let line = include_str!("../../../keys/golden/rsa.txt").lines().nth(number).unwrap();
    base64::engine::general_purpose::STANDARD.decode(line).unwrap()
}

/// Some key of this algorithm: a fresh one, or one of the public test keys, another for each algorithm.
pub(in crate::jose) fn pair(algorithm: Algorithm) -> KeyPair {
    match algorithm {
        Algorithm::Es256 | Algorithm::EdDsa => KeyPair::generate(algorithm, &SystemEntropy::new()).unwrap().0,
        Algorithm::Rs256 => KeyPair::from_pkcs8(algorithm, &document(0)).unwrap(),
        Algorithm::Ps256 => KeyPair::from_pkcs8(algorithm, &document(1)).unwrap(),
    }
}

/// RFC 7638 section 3.1.
const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
const KID: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

fn jwk(alg: &str) -> Value {
    json!({ "kty": "RSA", "alg": alg, "n": N, "e": "AQAB" })
}

/// A number of so many bits, all of them set.
fn ones(bits: usize) -> String {
    let mut bytes = vec![0xff; bits.div_ceil(8)];
    bytes[0] >>= (8 - bits % 8) % 8;
    base64url(&bytes)
}

#[test]
fn the_thumbprint_of_rfc_7638_is_the_same_for_both_algorithms() {
    for alg in ["RS256", "PS256"] {
        assert_eq!(PublicJwk::parse(&jwk(alg)).unwrap().kid().to_string(), KID);
    }
}

#[test]
fn is_written_with_exactly_its_members_in_order_and_read_again() {
    for alg in ["RS256", "PS256"] {
        let key = PublicJwk::parse(&jwk(alg)).unwrap();
        assert_eq!(
            key.to_string(),
            format!(r#"{{"kty":"RSA","use":"sig","alg":"{alg}","kid":"{KID}","n":"{N}","e":"AQAB"}}"#)
        );
        assert_eq!(PublicJwk::parse(&key.to_value()), Ok(key));
    }
}

#[test]
fn a_key_says_which_algorithm_it_is_for_or_the_context_does() {
    let silent = json!({ "kty": "RSA", "n": N, "e": "AQAB" });
    assert_eq!(PublicJwk::parse(&silent), Err(BadJwk::Unsupported));
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        assert_eq!(PublicJwk::parse_for(algorithm, &silent).unwrap().algorithm(), algorithm);
    }
    assert_eq!(PublicJwk::parse_for(Algorithm::Ps256, &jwk("RS256")), Err(BadJwk::Algorithm));
    assert_eq!(PublicJwk::parse_for(Algorithm::Es256, &jwk("RS256")), Err(BadJwk::Algorithm));
    assert_eq!(PublicJwk::parse_for(Algorithm::Es256, &silent), Err(BadJwk::Unsupported));
}

#[test]
fn refuses_what_is_no_sound_rsa_key() {
    let cases = [
        ("alg", json!("ES256"), BadJwk::Algorithm),
        ("alg", json!("HS256"), BadJwk::Algorithm),
        ("alg", json!("RS384"), BadJwk::Unsupported),
        ("alg", json!("PS512"), BadJwk::Unsupported),
        ("alg", json!("RSA-OAEP"), BadJwk::Unsupported),
        ("alg", json!("rs256"), BadJwk::Unsupported),
        ("alg", json!(256), BadJwk::Shape),
        ("use", json!("enc"), BadJwk::Use),
        ("p", json!("AQAB"), BadJwk::Private),
        ("d", json!("AQAB"), BadJwk::Private),
        ("n", json!(ones(2047)), BadJwk::Modulus),
        ("n", json!(ones(1024)), BadJwk::Modulus),
        ("n", json!(ones(4104)), BadJwk::Modulus),
        ("n", json!(ones(16_384)), BadJwk::Modulus),
        ("n", json!(base64url(&[&[0_u8], [0xff; 256].as_slice()].concat())), BadJwk::Modulus),
        ("n", json!(base64url(&[[0xff; 255].as_slice(), &[0xfe]].concat())), BadJwk::Modulus),
        ("n", json!(format!("{N}=")), BadJwk::Modulus),
        ("n", json!(""), BadJwk::Modulus),
        ("n", json!(7), BadJwk::Shape),
        ("e", json!("AQ"), BadJwk::Exponent),
        ("e", json!("Ag"), BadJwk::Exponent),
        ("e", json!("AAEAAQ"), BadJwk::Exponent),
        ("e", json!(base64url(&[2, 0, 0, 0, 1])), BadJwk::Exponent),
        ("e", json!(""), BadJwk::Exponent),
        ("e", json!("AQAB="), BadJwk::Exponent),
    ];
    for (member, value, verdict) in cases {
        let mut jwk = jwk("RS256");
        jwk[member] = value;
        assert_eq!(PublicJwk::parse(&jwk), Err(verdict), "{jwk}");
    }
    for missing in ["n", "e"] {
        let mut jwk = jwk("RS256");
        jwk.as_object_mut().unwrap().remove(missing);
        assert!(matches!(PublicJwk::parse(&jwk), Err(BadJwk::Modulus | BadJwk::Exponent)), "{jwk}");
    }
}

#[test]
fn takes_every_length_and_exponent_within_the_bounds() {
    for (n, e) in [(ones(2048), "Aw"), (ones(3072), "AQAB"), (ones(4096), "Af____8")] {
        let jwk = json!({ "kty": "RSA", "alg": "PS256", "n": n, "e": e });
        assert!(PublicJwk::parse(&jwk).is_ok(), "{jwk}");
    }
}

/// RFC 8725bis section 3.1: the key itself decides, whoever asks.
#[test]
fn one_key_verifies_its_own_scheme_only() {
    let message = b"a message";
    for (own, other) in [(Algorithm::Rs256, Algorithm::Ps256), (Algorithm::Ps256, Algorithm::Rs256)] {
        let [pair, twin] = [own, other].map(|each| KeyPair::from_pkcs8(each, &document(0)).unwrap());
        assert_eq!(pair.kid(), twin.kid(), "one RSA key has one kid");
        assert_ne!(pair.public(), twin.public());
        let signature = pair.sign(message).unwrap();
        assert_eq!(signature.len(), 256);
        assert!(pair.public().verify(message, &signature));
        assert!(!twin.public().verify(message, &signature));
        for length in [0, 255] {
            assert!(!pair.public().verify(message, &signature[..length]));
        }
        assert!(!pair.public().verify(message, &[&[0], signature.as_slice()].concat()));
    }
}

#[test]
fn the_published_signatures_verify() {
    for (published, algorithm) in [
        (crate::jose::published::rs256(), Algorithm::Rs256),
        (crate::jose::published::ps256(), Algorithm::Ps256),
    ] {
        let (key, message, signature) = published.unwrap();
        assert_eq!(key.algorithm(), algorithm);
        let signature = crate::digest::base64url_decode(&signature).unwrap();
        assert!(key.verify(message, &signature));
        assert!(!key.verify(b"another message", &signature));
    }
}
