use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::ambient::SystemEntropy;
use crate::digest::base64url;
use crate::jose::KeyPair;
use crate::jose::rsa::tests::pair as test_pair;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://auth.example.com";

fn pair(algorithm: Algorithm) -> &'static KeyPair {
    static PAIRS: [OnceLock<KeyPair>; 4] = [const { OnceLock::new() }; 4];
    PAIRS[algorithm as usize].get_or_init(|| test_pair(algorithm))
}

fn keys_of(pairs: &[&KeyPair]) -> ClientKeys {
    let keys: Vec<_> = pairs.iter().map(|pair| pair.public().to_value()).collect();
    ClientKeys::from_value(&json!({ "keys": keys })).unwrap()
}

fn keys() -> &'static ClientKeys {
    static KEYS: OnceLock<ClientKeys> = OnceLock::new();
    KEYS.get_or_init(|| keys_of(&ALGORITHMS.map(pair)))
}

fn header(algorithm: Algorithm) -> Value {
    json!({ "typ": "JWT", "alg": algorithm, "kid": pair(algorithm).kid().to_string() })
}

fn claims() -> Value {
    json!({ "iss": "web", "sub": "web", "aud": ISSUER, "iat": NOW, "exp": NOW + 60, "jti": "once" })
}

/// Signs any two texts with a key of `algorithm`, whatever the header says.
fn signed(algorithm: Algorithm, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let signature = pair(algorithm).sign(message.as_bytes()).unwrap();
    format!("{message}.{}", base64url(&signature))
}

fn valid(algorithm: Algorithm) -> String {
    signed(algorithm, &header(algorithm).to_string(), &claims().to_string())
}

fn judge_at(now: Timestamp, jwt: &str, keys: Option<&ClientKeys>) -> Result<Assertion, BadAssertion> {
    Claimed::read(jwt)?.verify(keys, &Expected { issuer: ISSUER, now })
}

fn judge(jwt: &str) -> Result<Assertion, BadAssertion> {
    judge_at(Timestamp::from_seconds(NOW), jwt, Some(keys()))
}

fn verdict(jwt: &str) -> Result<(), BadAssertion> {
    judge(jwt).map(drop)
}

fn changed(mut object: Value, name: &str, value: &Value) -> String {
    let members = object.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value.clone());
    }
    object.to_string()
}

/// The verdict on an assertion that differs from a valid one by one claim; null takes the claim away.
fn with_claim(name: &str, value: &Value) -> Result<(), BadAssertion> {
    let claims = changed(claims(), name, value);
    verdict(&signed(Algorithm::EdDsa, &header(Algorithm::EdDsa).to_string(), &claims))
}

fn with_header(name: &str, value: &Value) -> Result<(), BadAssertion> {
    let header = changed(header(Algorithm::EdDsa), name, value);
    verdict(&signed(Algorithm::EdDsa, &header, &claims().to_string()))
}

#[test]
fn accepts_what_a_client_signed_and_tells_which_key() {
    for algorithm in ALGORITHMS {
        let assertion = judge(&valid(algorithm)).unwrap();
        assert_eq!((assertion.client_id.as_str(), assertion.kid), ("web", pair(algorithm).kid()));
        assert_eq!(assertion.until, Timestamp::from_seconds(NOW + 60 + 30 + 60));
    }
    for (name, value) in [
        ("iat", Value::Null),
        ("nbf", json!(NOW)),
        ("aud", json!(ISSUER)),
        ("scope", json!(["any", { "thing": 1.5 }])),
        ("jti", json!("x".repeat(256))),
        ("jti", json!("\u{1f511}".repeat(256))),
    ] {
        assert_eq!(with_claim(name, &value), Ok(()), "{name}: {value}");
    }
    for (name, value) in [
        ("typ", Value::Null),
        ("typ", json!("jwt")),
        ("typ", json!("client-authentication+jwt")),
        ("alg", json!("Ed25519")),
        ("kid", Value::Null),
        ("x5t", json!("AQAB")),
    ] {
        assert_eq!(with_header(name, &value), Ok(()), "{name}: {value}");
    }
}

#[test]
fn one_jti_of_one_client_is_one_assertion_whoever_signed_it() {
    let id = |client: &str, jti: &str| {
        let mut claims = claims();
        (claims["iss"], claims["sub"], claims["jti"]) = (json!(client), json!(client), json!(jti));
        let header = header(Algorithm::EdDsa).to_string();
        judge(&signed(Algorithm::EdDsa, &header, &claims.to_string())).unwrap().id
    };
    assert_eq!(id("web", "once"), judge(&valid(Algorithm::Es256)).unwrap().id);
    let ids =
        [id("web", "once"), id("web", "twice"), id("web2", "once"), id("we", "bonce"), id("web", "Once")];
    assert_eq!(std::collections::HashSet::from(ids).len(), 5);
}

#[test]
fn claims_are_held_to_their_types_and_values() {
    let rows = [
        ("iss", json!(1), BadAssertion::Claim("iss")),
        ("iss", json!(["web"]), BadAssertion::Claim("iss")),
        ("iss", json!({ "is": "web" }), BadAssertion::Claim("iss")),
        ("iss", Value::Null, BadAssertion::Claim("iss")),
        ("iss", json!("other"), BadAssertion::Subject),
        ("iss", json!("WEB"), BadAssertion::Subject),
        ("sub", json!("other"), BadAssertion::Subject),
        ("sub", json!(["web"]), BadAssertion::Claim("sub")),
        ("sub", json!(7), BadAssertion::Claim("sub")),
        ("sub", json!(""), BadAssertion::Claim("sub")),
        ("sub", Value::Null, BadAssertion::Claim("sub")),
        ("aud", json!("https://auth.example.com/oauth2/token"), BadAssertion::Audience),
        ("aud", json!("https://auth.example.com/"), BadAssertion::Audience),
        ("aud", json!("https://other.example.com"), BadAssertion::Audience),
        ("aud", json!([ISSUER]), BadAssertion::Claim("aud")),
        ("aud", json!([ISSUER, "https://other.example.com"]), BadAssertion::Claim("aud")),
        ("aud", json!(1), BadAssertion::Claim("aud")),
        ("aud", Value::Null, BadAssertion::Claim("aud")),
        ("jti", Value::Null, BadAssertion::Claim("jti")),
        ("jti", json!(""), BadAssertion::Claim("jti")),
        ("jti", json!(7), BadAssertion::Claim("jti")),
        ("jti", json!("x".repeat(257)), BadAssertion::Claim("jti")),
        ("exp", Value::Null, BadAssertion::Claim("exp")),
        ("exp", json!((NOW + 60).to_string()), BadAssertion::Claim("exp")),
        ("exp", json!(-1), BadAssertion::Claim("exp")),
        ("exp", json!(-0.5), BadAssertion::Claim("exp")),
        ("exp", json!(1e300), BadAssertion::Claim("exp")),
        ("exp", json!([NOW]), BadAssertion::Claim("exp")),
        ("exp", json!(0), BadAssertion::Expired),
        ("exp", json!(NOW - 300), BadAssertion::Expired),
        ("exp", json!(NOW - 30), BadAssertion::Expired),
        ("exp", json!(NOW + 3_661), BadAssertion::TooLong),
        ("exp", json!(NOW + 86_400), BadAssertion::TooLong),
        ("exp", json!(1e18), BadAssertion::TooLong),
        ("exp", json!(u64::MAX), BadAssertion::TooLong),
        ("iat", json!(NOW + 61), BadAssertion::NotYet),
        ("iat", json!(NOW + 31), BadAssertion::NotYet),
        ("iat", json!(NOW.to_string()), BadAssertion::Claim("iat")),
        ("nbf", json!(NOW + 61), BadAssertion::NotYet),
        ("nbf", json!([]), BadAssertion::Claim("nbf")),
    ];
    for (name, value, reason) in rows {
        assert_eq!(with_claim(name, &value), Err(reason), "{name}: {value}");
    }
}

#[test]
fn clocks_may_differ_a_little() {
    for (name, value) in [
        ("iat", json!(NOW + 8)),
        ("iat", json!(NOW + 30)),
        ("nbf", json!(NOW + 10)),
        ("exp", json!(NOW - 29)),
        ("exp", json!(NOW + 3_660)),
        ("exp", json!(1_800_000_000.5)),
        ("exp", json!(1.800_000_010e9)),
        ("iat", json!(1_800_000_029.999)),
    ] {
        assert_eq!(with_claim(name, &value), Ok(()), "{name}: {value}");
    }
    assert_eq!(with_claim("iat", &json!(1_800_000_030.001)), Err(BadAssertion::NotYet));
}

#[test]
fn headers_of_other_tokens_and_strangers_keys_are_refused() {
    let rows = [
        ("crit", json!(["x"]), BadAssertion::Header),
        ("crit", json!(["b64"]), BadAssertion::Header),
        ("crit", json!(["exp"]), BadAssertion::Header),
        ("crit", json!([]), BadAssertion::Header),
        ("b64", json!(false), BadAssertion::Header),
        ("cty", json!("JWT"), BadAssertion::Header),
        ("jwk", json!(pair(Algorithm::EdDsa).public()), BadAssertion::Header),
        ("jku", json!("http://127.0.0.1/jwks"), BadAssertion::Header),
        ("x5u", json!("http://127.0.0.1/cert"), BadAssertion::Header),
        ("x5c", json!([]), BadAssertion::Header),
        ("typ", json!("at+jwt"), BadAssertion::Type),
        ("typ", json!("dpop+jwt"), BadAssertion::Type),
        ("typ", json!("logout+jwt"), BadAssertion::Type),
        ("typ", json!("JWT "), BadAssertion::Type),
        ("typ", json!(1), BadAssertion::Type),
        ("alg", json!("none"), BadAssertion::Algorithm),
        ("alg", json!("nOnE"), BadAssertion::Algorithm),
        ("alg", json!("HS256"), BadAssertion::Algorithm),
        ("alg", json!("HS384"), BadAssertion::Algorithm),
        ("alg", json!("HS512"), BadAssertion::Algorithm),
        ("alg", json!("RS256"), BadAssertion::Algorithm),
        ("alg", json!("ES384"), BadAssertion::Algorithm),
        ("alg", json!("eddsa"), BadAssertion::Algorithm),
        ("alg", json!(["EdDSA"]), BadAssertion::Algorithm),
        ("alg", Value::Null, BadAssertion::Algorithm),
        // The key of that name is another algorithm's.
        ("alg", json!("ES256"), BadAssertion::UnknownKey),
        ("alg", json!("PS256"), BadAssertion::UnknownKey),
        ("kid", json!(1), BadAssertion::Kid),
        ("kid", json!(["x"]), BadAssertion::Kid),
        ("kid", json!(""), BadAssertion::UnknownKey),
        ("kid", json!("' OR 1=1 --"), BadAssertion::UnknownKey),
        ("kid", json!("*)(uid=*"), BadAssertion::UnknownKey),
        ("kid", json!("../../keys/kek"), BadAssertion::UnknownKey),
        ("kid", json!("k".repeat(4_000)), BadAssertion::UnknownKey),
        ("kid", json!(pair(Algorithm::Es256).kid().to_string()), BadAssertion::UnknownKey),
    ];
    for (name, value, reason) in rows {
        assert_eq!(with_header(name, &value), Err(reason), "{name}: {value}");
    }
}

#[test]
fn a_hash_keyed_by_a_public_key_is_no_signature() {
    for algorithm in ALGORITHMS {
        let jwk = pair(algorithm).public().to_string();
        for alg in ["HS256", "none"] {
            let head = base64url(
                json!({ "alg": alg, "kid": pair(algorithm).kid().to_string() }).to_string().as_bytes(),
            );
            let message = format!("{head}.{}", base64url(claims().to_string().as_bytes()));
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, jwk.as_bytes());
            let tag = ring::hmac::sign(&key, message.as_bytes());
            assert_eq!(
                verdict(&format!("{message}.{}", base64url(tag.as_ref()))),
                Err(BadAssertion::Algorithm)
            );
            assert_eq!(verdict(&format!("{message}.")), Err(BadAssertion::Form));
        }
    }
}

#[test]
fn without_a_kid_the_only_key_of_the_algorithm_is_meant() {
    let other = KeyPair::generate(Algorithm::EdDsa, &SystemEntropy::new()).unwrap().0;
    let header = json!({ "alg": "EdDSA" }).to_string();
    let jwt = signed(Algorithm::EdDsa, &header, &claims().to_string());
    let now = Timestamp::from_seconds(NOW);
    let own = pair(Algorithm::EdDsa);
    assert!(judge_at(now, &jwt, Some(&keys_of(&[own, pair(Algorithm::Es256)]))).is_ok());
    let several = judge_at(now, &jwt, Some(&keys_of(&[own, &other])));
    assert_eq!(several, Err(BadAssertion::UnknownKey));
    assert_eq!(judge_at(now, &jwt, Some(&keys_of(&[&other]))), Err(BadAssertion::Signature));
    assert_eq!(judge_at(now, &jwt, None), Err(BadAssertion::UnknownKey));
}

#[test]
fn repeated_members_are_refused() {
    let (good_header, good_claims) = (header(Algorithm::EdDsa).to_string(), claims().to_string());
    let again = |object: &str, member: &str| object.replacen('{', &format!("{{{member},"), 1);
    for member in [r#""jti":"other""#, r#""exp":1"#, r#""sub":"other""#, r#""a":{"b":1,"b":2}"#] {
        let jwt = signed(Algorithm::EdDsa, &good_header, &again(&good_claims, member));
        assert_eq!(verdict(&jwt), Err(BadAssertion::Form), "{member}");
    }
    for member in [r#""alg":"ES256""#, r#""kid":"x""#, r#""x":1,"x":1"#] {
        let jwt = signed(Algorithm::EdDsa, &again(&good_header, member), &good_claims);
        assert_eq!(verdict(&jwt), Err(BadAssertion::Form), "{member}");
    }
}

#[test]
fn only_the_compact_form_is_read() {
    let jwt = valid(Algorithm::EdDsa);
    let parts: Vec<_> = jwt.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts") };
    for form in [
        String::new(),
        "..".to_owned(),
        format!("{jwt}.x"),
        format!("{jwt}."),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}.{signature}=="),
        format!("{header}. {claims}.{signature}"),
        format!(" {jwt}"),
        format!("{jwt}\n"),
        format!("\u{feff}{jwt}"),
        format!("{header}.{claims}.+{}", &signature[1..]),
        format!("{header}.{claims}./{}", &signature[1..]),
        json!({ "protected": header, "payload": claims, "signature": signature }).to_string(),
        signed(Algorithm::EdDsa, "{\"alg\":\"EdDSA\"}", "[]"),
        signed(Algorithm::EdDsa, "\"EdDSA\"", "{}"),
        "a".repeat(8_193),
    ] {
        assert_eq!(verdict(&form), Err(BadAssertion::Form), "{form}");
    }
    assert_eq!(verdict(&format!("{jwt}AAAA")), Err(BadAssertion::Signature));
}

#[test]
fn no_single_character_can_be_changed() {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for algorithm in ALGORITHMS {
        let jwt = valid(algorithm);
        for (index, byte) in jwt.bytes().enumerate() {
            let place = ALPHABET.iter().position(|letter| *letter == byte).unwrap_or(0);
            for replacement in [ALPHABET[place ^ 1], ALPHABET[place ^ 32], b'.', b'='] {
                let mut changed = jwt.clone().into_bytes();
                changed[index] = replacement;
                let changed = String::from_utf8(changed).unwrap();
                assert!(changed == jwt || verdict(&changed).is_err(), "{algorithm}: {changed}");
            }
        }
    }
}

#[test]
fn a_reason_is_one_line_that_repeats_nothing() {
    assert_eq!(BadAssertion::Claim("aud").to_string(), "the claim aud is missing or has the wrong type");
    assert_eq!(BadAssertion::TooLong.to_string(), "exp lies more than an hour ahead");
}

proptest! {
    /// An assertion is in force in a bounded span, and remembered for longer than that.
    #[test]
    fn an_assertion_is_taken_for_a_bounded_time_and_remembered_beyond_it(
        exp in NOW..NOW + 10_000, lead in 0..4_000_u64, now in NOW - 5_000..NOW + 15_000,
    ) {
        let claims = json!({ "iss": "web", "sub": "web", "aud": ISSUER, "iat": exp - lead, "exp": exp, "jti": "x" });
        let jwt = signed(Algorithm::EdDsa, &header(Algorithm::EdDsa).to_string(), &claims.to_string());
        let judged = judge_at(Timestamp::from_seconds(now), &jwt, Some(keys()));
        let in_force = now < exp + 30 && exp <= now + 3_660 && exp - lead <= now + 30;
        prop_assert_eq!(judged.is_ok(), in_force);
        if let Ok(assertion) = judged {
            prop_assert!(assertion.until >= Timestamp::from_seconds(now).plus(MARGIN));
            prop_assert!(assertion.until <= Timestamp::from_seconds(now).plus(MAX_AHEAD + LEEWAY + MARGIN));
        }
    }

    #[test]
    fn no_replaced_inserted_or_removed_character_is_accepted(
        algorithm in prop::sample::select(ALGORITHMS.to_vec()), index in any::<prop::sample::Index>(), stranger in any::<char>(), how in 0..3_u8,
    ) {
        let jwt = valid(algorithm);
        let index = index.index(jwt.len());
        let mut changed = jwt.clone();
        match how {
            0 => changed.replace_range(index..=index, &stranger.to_string()),
            1 => changed.insert(index, stranger),
            _ => { changed.remove(index); }
        }
        prop_assume!(changed != jwt);
        prop_assert!(verdict(&changed).is_err(), "{}", changed);
    }

    #[test]
    fn any_text_is_refused_without_a_panic(text in ".{0,200}", parts in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){2}") {
        prop_assert!(verdict(&text).is_err());
        prop_assert!(verdict(&parts).is_err());
    }

    /// Whatever a client signs, only the rules let it in: both strings, the sole audience, a number in the window.
    #[test]
    fn any_signed_claims_are_judged_without_a_panic(
        claims in r#"\{("(iss|sub|aud|exp|iat|nbf|jti)":(1\.8e9|1e9|1e400|-1|"a"|null|\[\]|true),?){0,7}\}"#
    ) {
        let jwt = signed(Algorithm::EdDsa, &header(Algorithm::EdDsa).to_string(), &claims);
        prop_assert!(verdict(&jwt).is_err());
    }
}
