use serde_json::json;

use super::*;
use crate::digest::base64url;
use crate::jose::rsa::tests::pair;

/// RFC 7517 appendix A.1.
fn p256() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": "machine-1",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    })
}

/// RFC 8037 appendix A.2.
fn ed25519() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

fn rsa() -> Value {
    let key = pair(Algorithm::Ps256).public().to_value();
    json!({ "kty": "RSA", "alg": "PS256", "kid": "rsa", "n": key["n"], "e": key["e"] })
}

fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk[member] = value;
    jwk
}

fn read(keys: Vec<Value>) -> Result<ClientKeys, BadClientKeys> {
    ClientKeys::from_value(&Map::from_iter([("keys".to_owned(), Value::Array(keys))]).into())
}

/// An odd number of so many bits.
fn number(bits: usize) -> String {
    let mut bytes = vec![0; bits / 8];
    bytes[0] = 0x80;
    *bytes.last_mut().unwrap() |= 1;
    base64url(&bytes)
}

#[test]
fn takes_each_algorithm_and_finds_its_keys() {
    let keys = read(vec![p256(), ed25519(), rsa()]).unwrap();
    let thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    assert_eq!(keys.iter().map(|(kid, _)| kid).collect::<Vec<_>>(), ["machine-1", thumbprint, "rsa"]);
    for (algorithm, kid) in
        [(Algorithm::Es256, "machine-1"), (Algorithm::EdDsa, thumbprint), (Algorithm::Ps256, "rsa")]
    {
        let key = keys.choose(algorithm, Some(kid)).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(keys.choose(algorithm, None), Some(key));
        for stranger in ["", "Machine-1", "machine-1 ", "' OR 1=1 --", "../../keys/kek", "*"] {
            assert_eq!(keys.choose(algorithm, Some(stranger)), None, "{stranger}");
        }
    }
    assert_eq!(keys.choose(Algorithm::Es256, Some("rsa")), None, "another algorithm's key");
    assert_eq!(keys.choose(Algorithm::Rs256, None), None);
}

#[test]
fn without_a_kid_no_key_is_guessed() {
    let other = with(pair(Algorithm::Es256).public().to_value(), "kid", json!("machine-2"));
    let keys = read(vec![p256(), other]).unwrap();
    assert_eq!(keys.choose(Algorithm::Es256, None), None);
    assert!(keys.choose(Algorithm::Es256, Some("machine-2")).is_some());
}

#[test]
fn ed25519_goes_by_both_of_its_names() {
    let keys = read(vec![with(ed25519(), "alg", json!("Ed25519"))]).unwrap();
    assert_eq!(keys, read(vec![with(ed25519(), "alg", json!("EdDSA"))]).unwrap());
    assert_eq!(keys.to_value()["keys"][0]["alg"], "EdDSA");
    let wrong = with(p256(), "alg", json!("Ed25519"));
    assert_eq!(read(vec![wrong]), Err(BadClientKeys::Unsupported(0)));
}

#[test]
fn keys_that_would_never_verify_an_assertion_are_refused() {
    use BadJwk::{Coordinate, Exponent, Modulus, Point, Private, Shape, Use};
    let off_curve = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyI";
    let even = base64url(&[[0xff; 255].as_slice(), &[0xfe]].concat());
    let cases = [
        (with(p256(), "d", json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE")), Err(Private)),
        (with(rsa(), "p", json!("AQAB")), Err(Private)),
        (with(rsa(), "d", Value::Null), Err(Private)),
        (with(ed25519(), "seed", json!("AQAB")), Err(Private)),
        (json!({ "kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ" }), Err(Private)),
        (json!({ "kty": "oct" }), Ok(())),
        (with(rsa(), "n", json!(number(1024))), Err(Modulus)),
        (with(rsa(), "n", json!(number(2040))), Err(Modulus)),
        (with(rsa(), "n", json!(number(8192))), Err(Modulus)),
        (with(rsa(), "n", json!(even)), Err(Modulus)),
        (with(rsa(), "e", json!("AQ")), Err(Exponent)),
        (with(rsa(), "e", json!("AQAC")), Err(Exponent)),
        (with(rsa(), "e", json!(base64url(&[2, 0, 0, 0, 1]))), Err(Exponent)),
        (with(p256(), "y", json!(off_curve)), Err(Point)),
        (with(p256(), "x", json!(base64url(&[0; 32]))), Err(Point)),
        (with(p256(), "x", json!(base64url(&[0; 33]))), Err(Coordinate)),
        (with(ed25519(), "x", json!(base64url(&[0; 32]))), Err(Point)),
        (with(ed25519(), "x", json!(base64url(&[&[2], [0; 31].as_slice()].concat()))), Err(Point)),
        (with(ed25519(), "x", json!(base64url(&[0xff; 32]))), Err(Point)),
        (with(p256(), "use", json!("enc")), Err(Use)),
        (with(p256(), "key_ops", json!(["sign"])), Err(Use)),
        (json!("a key"), Err(Shape)),
        // Understood elsewhere, or by others.
        (with(rsa(), "alg", json!("RS256")), Ok(())),
        (with(rsa(), "alg", json!("PS384")), Ok(())),
        (json!({ "kty": "RSA", "n": rsa()["n"], "e": "AQAB" }), Ok(())),
        (with(p256(), "crv", json!("P-384")), Ok(())),
        (with(p256(), "crv", json!("secp256k1")), Ok(())),
        (with(ed25519(), "crv", json!("X25519")), Ok(())),
        (with(ed25519(), "crv", json!("Ed448")), Ok(())),
        (json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AQAB" }), Ok(())),
    ];
    for (jwk, verdict) in cases {
        let verdict = verdict.err().map_or(BadClientKeys::Unsupported(1), |bad| BadClientKeys::Key(1, bad));
        let valid = pair(Algorithm::Es256).public().to_value();
        assert_eq!(read(vec![valid, jwk.clone()]), Err(verdict), "{jwk}");
    }
}

#[test]
fn a_modulus_that_anybody_can_factor_is_refused() {
    let modulus = crate::digest::base64url_decode(rsa()["n"].as_str().unwrap()).unwrap();
    // Each step of 2 changes the remainder by 2, so that one of three odd neighbours is a multiple of three.
    let neighbours = [0, 2, 4].map(|step| {
        let mut number = modulus.clone();
        *number.last_mut().unwrap() = modulus.last().unwrap() % 128 + step;
        read(vec![with(rsa(), "n", json!(base64url(&number)))])
    });
    assert!(neighbours.contains(&Err(BadClientKeys::Weak(0))), "{neighbours:?}");
    let all_ones = json!(base64url(&[0xff; 256]));
    assert_eq!(read(vec![with(rsa(), "n", all_ones)]), Err(BadClientKeys::Weak(0)));
    // A power of 65537, as the moduli of those chips are modulo every small prime.
    let power = (0..128).fold(vec![1_u8], |number, _| {
        let shifted = [&[0, 0], number.as_slice()].concat();
        let mut carry = 0;
        let mut sum = Vec::new();
        for (place, digit) in shifted.iter().enumerate() {
            carry += u16::from(*digit) + u16::from(*number.get(place).unwrap_or(&0));
            sum.push(carry.to_le_bytes()[0]);
            carry >>= 8;
        }
        sum
    });
    let power: Vec<u8> = power.into_iter().rev().skip_while(|digit| *digit == 0).collect();
    assert_eq!(read(vec![with(rsa(), "n", json!(base64url(&power)))]), Err(BadClientKeys::Weak(0)));
}

#[test]
fn a_set_is_bounded_and_says_each_thing_once() {
    let twins = |first: Value, second: Value| read(vec![first, second]);
    assert_eq!(twins(p256(), with(ed25519(), "kid", json!("machine-1"))), Err(BadClientKeys::RepeatedKid(1)));
    assert_eq!(twins(p256(), with(p256(), "kid", json!("machine-2"))), Err(BadClientKeys::RepeatedKey(1)));
    for kid in [json!(""), json!(7), Value::Null, json!("k".repeat(257))] {
        assert_eq!(read(vec![with(p256(), "kid", kid)]), Err(BadClientKeys::Kid(0)));
    }
    for shape in [json!([p256()]), json!({}), json!({ "keys": p256() }), json!("x"), p256()] {
        assert_eq!(ClientKeys::from_value(&shape), Err(BadClientKeys::Shape), "{shape}");
    }
    assert_eq!(read(Vec::new()), Err(BadClientKeys::Empty));
    assert_eq!(read(vec![p256(); 11]), Err(BadClientKeys::TooMany));
    let padded = |length: usize| with(p256(), "x5t", json!("a".repeat(length)));
    assert_eq!(read(vec![padded(MAX_BYTES)]), Err(BadClientKeys::TooLarge));
    assert!(read(vec![padded(MAX_BYTES - 300)]).is_ok());
}

#[test]
fn what_is_written_is_read_and_holds_public_members_alone() {
    let strange = with(with(p256(), "x5u", json!("https://evil.test/cert")), "note", json!("ours"));
    let keys = read(vec![strange, ed25519(), rsa()]).unwrap();
    let written = serde_json::to_string(&keys).unwrap();
    assert!(!written.contains("evil") && !written.contains("ours"));
    assert_eq!(read_back(&written).unwrap(), Some(keys));
    assert_eq!(read_back("null").unwrap(), None);
    for (form, another) in [
        ("P-256", "P-255"),
        (r#""kty":"OKP""#, r#""kty":"EC""#),
        (r#""alg":"PS256""#, r#""alg":"ES256""#),
        (r#""kid":"rsa""#, r#""kid":7"#),
        (r#""e":"AQAB""#, r#""e":"+""#),
        (r#""keys""#, r#""key""#),
    ] {
        let broken = written.replacen(form, another, 1);
        assert_ne!(broken, written);
        assert!(read_back(&broken).is_err(), "{another}");
    }
}

fn read_back(written: &str) -> Result<Option<ClientKeys>, serde_json::Error> {
    stored(&mut serde_json::Deserializer::from_str(written))
}

/// What registration would refuse today is read all the same, and written again byte by byte.
#[test]
fn what_was_taken_once_is_read_whatever_the_rules_are_now() {
    let whole = |jwk: Value, alg: &str| with(with(jwk, "alg", json!(alg)), "kid", json!("old"));
    let short = with(with(rsa(), "n", json!(number(1024))), "e", json!("Aw"));
    let weak = with(rsa(), "n", json!(base64url(&[0xff; 256])));
    for jwk in [
        whole(with(p256(), "y", json!(base64url(&[7; 32]))), "ES256"),
        whole(with(ed25519(), "x", json!(base64url(&[0; 32]))), "EdDSA"),
        whole(short, "PS256"),
        whole(weak, "PS256"),
        whole(rsa(), "RS256"),
    ] {
        assert!(read(vec![jwk.clone()]).is_err(), "{jwk}");
        let set = json!({ "keys": [jwk] });
        let keys = read_back(&set.to_string()).unwrap().unwrap();
        let mut shown = keys.to_value();
        assert_eq!(shown["keys"][0]["use"].take(), json!("sig"));
        shown["keys"][0].as_object_mut().unwrap().remove("use");
        assert_eq!(shown, set);
        let key = keys.iter().next().unwrap().1;
        assert!(!key.verify(b"anything", &vec![0xfe; key.signature_length()]));
    }
    let eleven: Vec<_> = (0..=MAX_KEYS).map(|_| whole(ed25519(), "EdDSA")).collect();
    let keys = read_back(&json!({ "keys": eleven }).to_string()).unwrap().unwrap();
    assert_eq!((keys.iter().len(), keys.choose(Algorithm::EdDsa, Some("old"))), (11, None));
}
