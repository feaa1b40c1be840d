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
const AUDIENCE: &str = "https://api.example.com";

fn pair(algorithm: Algorithm) -> &'static KeyPair {
    static PAIRS: [OnceLock<KeyPair>; 4] = [const { OnceLock::new() }; 4];
    PAIRS[algorithm as usize].get_or_init(|| test_pair(algorithm))
}

fn keys() -> JwkSet {
    Algorithm::ALL.into_iter().map(|algorithm| pair(algorithm).public()).collect()
}

fn expected() -> Expected<'static> {
    Expected {
        issuer: ISSUER,
        audience: Some(AUDIENCE),
        now: Timestamp::from_seconds(NOW),
        leeway: Duration::from_secs(5),
        max_lifetime: Duration::from_mins(10),
    }
}

fn header(algorithm: Algorithm) -> Value {
    json!({ "typ": "at+jwt", "alg": algorithm, "kid": pair(algorithm).kid().to_string() })
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "reader", "aud": AUDIENCE, "client_id": "reader", "scope": "invoices:read",
        "iat": NOW, "exp": NOW + 600, "jti": "AZ0rC3kAYWJjZGVmZ2hpamtsbW4",
    })
}

/// Signs any two texts, true to the form of a token or not.
fn signed(algorithm: Algorithm, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let signature = pair(algorithm).sign(message.as_bytes()).unwrap();
    format!("{message}.{}", base64url(&signature))
}

fn valid(algorithm: Algorithm) -> String {
    signed(algorithm, &header(algorithm).to_string(), &claims().to_string())
}

fn verdict(token: &str) -> Result<(), Invalid> {
    verify_access_token(token, &keys(), &expected()).map(|_| ())
}

/// The verdict on a token that differs from a valid one by one claim; null takes the claim away.
fn with_claim(name: &str, value: &Value) -> Result<(), Invalid> {
    verdict(&signed(Algorithm::EdDsa, &header(Algorithm::EdDsa).to_string(), &changed(claims(), name, value)))
}

fn with_header(name: &str, value: &Value) -> Result<(), Invalid> {
    let header = changed(header(Algorithm::EdDsa), name, value);
    verdict(&signed(Algorithm::EdDsa, &header, &claims().to_string()))
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

#[test]
fn accepts_a_valid_token_and_types_its_claims() {
    for algorithm in Algorithm::ALL {
        let verified = verify_access_token(&valid(algorithm), &keys(), &expected()).unwrap();
        assert_eq!(verified.kid, pair(algorithm).kid());
        assert_eq!(Value::Object(verified.decoded.header), header(algorithm));
        assert_eq!(Value::Object(verified.decoded.claims), claims());
        assert_eq!(verified.claims.scope.as_deref(), Some("invoices:read"));
        assert_eq!(verified.claims.issued_at, Timestamp::from_seconds(NOW));
        assert_eq!(verified.claims.expires_at, Timestamp::from_seconds(NOW + 600));
    }
    assert_eq!(with_claim("scope", &Value::Null), Ok(()));
    assert_eq!(with_claim("roles", &json!(["reader", { "of": [1.5, null] }])), Ok(()));
    let any_audience = Expected { audience: None, ..expected() };
    assert!(verify_access_token(&valid(Algorithm::Es256), &keys(), &any_audience).is_ok());
}

/// What jsonwebtoken 11.1.0 accepts or rejects by itself, row by row.
#[test]
fn claims_that_jsonwebtoken_is_lax_about_are_refused() {
    let rows = [
        ("iss", json!(1), Invalid::Claim("iss")),
        ("iss", json!({ "is": ISSUER }), Invalid::Claim("iss")),
        ("iss", Value::Null, Invalid::Claim("iss")),
        ("iss", json!([ISSUER]), Invalid::Claim("iss")),
        ("iss", json!("https://auth.example.com/"), Invalid::Issuer),
        ("aud", json!(1), Invalid::Claim("aud")),
        ("aud", Value::Null, Invalid::Claim("aud")),
        ("aud", json!(["https://foreign.example.com", AUDIENCE]), Invalid::Claim("aud")),
        ("aud", json!([AUDIENCE]), Invalid::Claim("aud")),
        ("aud", json!("https://foreign.example.com"), Invalid::Audience),
        ("exp", json!(1e18), Invalid::Claim("exp")),
        ("exp", json!(1_000_000_000_000_000_000_u64), Invalid::Lifetime),
        ("exp", json!(u64::MAX), Invalid::Lifetime),
        ("exp", json!((NOW + 600).to_string()), Invalid::Claim("exp")),
        ("exp", json!(-1), Invalid::Claim("exp")),
        ("exp", json!(1_800_000_600.0), Invalid::Claim("exp")),
        ("exp", Value::Null, Invalid::Claim("exp")),
        ("iat", json!(NOW.to_string()), Invalid::Claim("iat")),
        ("iat", Value::Null, Invalid::Claim("iat")),
        ("nbf", json!(NOW.to_string()), Invalid::Claim("nbf")),
        ("nbf", json!(NOW + 6), Invalid::NotYet),
        ("sub", json!(""), Invalid::Claim("sub")),
        ("client_id", Value::Null, Invalid::Claim("client_id")),
        ("jti", json!(7), Invalid::Claim("jti")),
        ("scope", json!(["invoices:read"]), Invalid::Claim("scope")),
    ];
    for (name, value, reason) in rows {
        assert_eq!(with_claim(name, &value), Err(reason), "{name}: {value}");
    }
}

#[test]
fn headers_that_jsonwebtoken_is_lax_about_are_refused() {
    let rows = [
        ("crit", json!(["x-must"]), Invalid::Critical),
        ("crit", json!(["b64"]), Invalid::Critical),
        ("crit", json!(["exp"]), Invalid::Critical),
        ("crit", json!([]), Invalid::Critical),
        ("crit", json!("exp"), Invalid::Critical),
        ("b64", json!(false), Invalid::HeaderMember),
        ("typ", json!("logout+jwt"), Invalid::Type),
        ("typ", json!("JWT"), Invalid::Type),
        ("typ", json!("AT+JWT"), Invalid::Type),
        ("typ", Value::Null, Invalid::Type),
        ("alg", json!("none"), Invalid::Algorithm),
        ("alg", json!("nOnE"), Invalid::Algorithm),
        ("alg", json!("hs256"), Invalid::Algorithm),
        ("alg", json!("HS256"), Invalid::Algorithm),
        ("alg", json!("RS384"), Invalid::Algorithm),
        ("alg", json!(["EdDSA"]), Invalid::Algorithm),
        ("alg", Value::Null, Invalid::Algorithm),
        ("alg", json!("ES256"), Invalid::KeyAlgorithm),
        ("alg", json!("RS256"), Invalid::KeyAlgorithm),
        ("kid", Value::Null, Invalid::UnknownKey),
        ("kid", json!(1), Invalid::UnknownKey),
        ("kid", json!("../../keys/golden"), Invalid::UnknownKey),
        ("jwk", json!(pair(Algorithm::EdDsa).public()), Invalid::OwnKey),
        ("jku", json!("http://127.0.0.1/jwks"), Invalid::OwnKey),
        ("x5u", json!("http://127.0.0.1/cert"), Invalid::OwnKey),
        ("x5c", json!([]), Invalid::OwnKey),
        ("cty", json!("JWT"), Invalid::HeaderMember),
    ];
    for (name, value, reason) in rows {
        assert_eq!(with_header(name, &value), Err(reason), "{name}: {value}");
    }
}

#[test]
fn repeated_members_are_refused() {
    let (plain_header, plain_claims) = (header(Algorithm::EdDsa).to_string(), claims().to_string());
    let again = |object: &str, member: &str| object.replacen('{', &format!("{{{member},"), 1);
    let repeated = |name: &str| BadJson::Repeated(name.to_owned());
    for (name, member) in
        [("scope", r#""scope":"invoices:read""#), ("exp", r#""exp":1"#), ("iss", r#""iss":"x""#)]
    {
        let token = signed(Algorithm::EdDsa, &plain_header, &again(&plain_claims, member));
        assert_eq!(verdict(&token), Err(Invalid::ClaimsJson(repeated(name))), "{name}");
    }
    let nested = again(&plain_claims, r#""roles":{"a":1,"a":2}"#);
    assert_eq!(
        verdict(&signed(Algorithm::EdDsa, &plain_header, &nested)),
        Err(Invalid::ClaimsJson(repeated("a")))
    );
    for (name, member) in [("alg", r#""alg":"EdDSA""#), ("kid", r#""kid":"x""#), ("x", r#""x":1,"x":1"#)] {
        let token = signed(Algorithm::EdDsa, &again(&plain_header, member), &plain_claims);
        assert_eq!(verdict(&token), Err(Invalid::HeaderJson(repeated(name))), "{name}");
    }
}

#[test]
fn only_the_compact_form_is_read() {
    let token = valid(Algorithm::EdDsa);
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts") };
    let forms = [
        String::new(),
        "..".to_owned(),
        format!("{token}.x"),
        format!("{token}."),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}.{signature}=="),
        format!("{header}=.{claims}.{signature}"),
        format!("{header}. {claims}.{signature}"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}\0"),
        format!("\u{feff}{token}"),
        format!("{header}.{claims}.{}", signature.replace(['-', '_'], "+")) + "/",
        json!({ "protected": header, "payload": claims, "signature": signature }).to_string(),
    ];
    for form in forms {
        assert_eq!(verdict(&form), Err(Invalid::Form), "{form}");
    }
    // Still well-formed, but a signature of 65 bytes.
    assert_eq!(verdict(&format!("{token}A")), Err(Invalid::Signature));
    assert_eq!(verdict(&"a".repeat(MAX_TOKEN + 1)), Err(Invalid::TooLong));
}

#[test]
fn what_is_inside_must_be_one_json_object_each() {
    let (good_header, good_claims) = (header(Algorithm::EdDsa).to_string(), claims().to_string());
    let sign = |header: &str, claims: &str| verdict(&signed(Algorithm::EdDsa, header, claims));
    assert_eq!(sign(&good_header, "[]"), Err(Invalid::NotObjects));
    assert_eq!(sign("\"at+jwt\"", &good_claims), Err(Invalid::NotObjects));
    assert_eq!(sign(&good_header, &format!("{good_claims}x")), Err(Invalid::ClaimsJson(BadJson::Trailing)));
    assert_eq!(
        sign(&format!("\u{feff}{good_header}"), &good_claims),
        Err(Invalid::HeaderJson(BadJson::Syntax))
    );
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(32), "]".repeat(32));
    assert_eq!(sign(&good_header, &deep), Err(Invalid::ClaimsJson(BadJson::TooDeep)));
}

#[test]
fn the_signature_must_be_the_named_keys() {
    let stranger = KeyPair::generate(Algorithm::EdDsa, &SystemEntropy::new()).unwrap().0;
    let token = valid(Algorithm::EdDsa);
    let (message, _) = token.rsplit_once('.').unwrap();
    let forged = stranger.sign(message.as_bytes()).unwrap();
    assert_eq!(verdict(&format!("{message}.{}", base64url(&forged))), Err(Invalid::Signature));
    let without: JwkSet = [stranger.public()].into_iter().collect();
    let verdict = verify_access_token(&token, &without, &expected()).unwrap_err();
    assert_eq!(verdict, Invalid::UnknownKey);
}

#[test]
fn a_token_is_in_force_from_iat_to_exp_give_or_take_the_leeway() {
    let token = valid(Algorithm::EdDsa);
    let at = |now: u64| {
        let expected = Expected { now: Timestamp::from_seconds(now), ..expected() };
        verify_access_token(&token, &keys(), &expected).map(|_| ())
    };
    assert_eq!(at(0), Err(Invalid::NotYet));
    assert_eq!(at(NOW - 6), Err(Invalid::NotYet));
    assert_eq!(at(NOW - 5), Ok(()));
    assert_eq!(at(NOW + 604), Ok(()));
    assert_eq!(at(NOW + 605), Err(Invalid::Expired));
    assert_eq!(at(u64::MAX), Err(Invalid::Expired));
    assert_eq!(with_claim("exp", &json!(NOW + 601)), Err(Invalid::Lifetime));
    assert_eq!(with_claim("exp", &json!(NOW)), Err(Invalid::Lifetime));
    assert_eq!(with_claim("nbf", &json!(NOW + 5)), Ok(()));
}

#[test]
fn inspecting_believes_nothing_but_reads_strictly() {
    let token = signed(Algorithm::EdDsa, r#"{"alg":"none"}"#, r#"{"exp":"never"}"#);
    let decoded = decode_unverified(&token).unwrap();
    assert_eq!(Value::Object(decoded.header), json!({ "alg": "none" }));
    assert_eq!(Value::Object(decoded.claims), json!({ "exp": "never" }));
    let twice = signed(Algorithm::EdDsa, "{}", r#"{"a":1,"a":2}"#);
    assert_eq!(decode_unverified(&twice), Err(Invalid::ClaimsJson(BadJson::Repeated("a".to_owned()))));
}

#[test]
fn a_reason_is_one_short_sentence() {
    assert_eq!(Invalid::Signature.to_string(), "the signature does not fit the key");
    assert_eq!(Invalid::Claim("aud").to_string(), "the claim aud is missing or has the wrong type");
    assert_eq!(
        Invalid::ClaimsJson(BadJson::Repeated("exp".to_owned())).to_string(),
        "the claims: the member \"exp\" is repeated"
    );
}

/// Every place of a token, each with neighbours in the alphabet and strangers to it.
#[test]
fn no_single_character_can_be_changed() {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for algorithm in Algorithm::ALL {
        let token = valid(algorithm);
        for (index, byte) in token.bytes().enumerate() {
            let place = ALPHABET.iter().position(|letter| *letter == byte).unwrap_or(0);
            let (low, high) = (ALPHABET[place ^ 1], ALPHABET[place ^ 32]);
            for replacement in [low, high, b'.', b'='] {
                let mut changed = token.clone().into_bytes();
                changed[index] = replacement;
                let changed = String::from_utf8(changed).unwrap();
                assert!(changed == token || verdict(&changed).is_err(), "{algorithm}: {changed}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_replaced_inserted_or_removed_character_is_accepted(
        algorithm in prop::sample::select(Algorithm::ALL.to_vec()), index in any::<prop::sample::Index>(), stranger in any::<char>(), how in 0..3_u8,
    ) {
        let token = valid(algorithm);
        let index = index.index(token.len());
        let mut changed = token.clone();
        match how {
            0 => changed.replace_range(index..=index, &stranger.to_string()),
            1 => changed.insert(index, stranger),
            _ => { changed.remove(index); }
        }
        prop_assume!(changed != token);
        prop_assert!(verdict(&changed).is_err(), "{}", changed);
    }

    #[test]
    fn any_text_is_refused_without_a_panic(text in ".{0,200}", parts in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){2}") {
        prop_assert!(verdict(&text).is_err());
        prop_assert!(verdict(&parts).is_err());
    }

    #[test]
    fn any_signed_claims_are_judged_without_a_panic(claims in r#"\{("(iss|aud|exp|iat|nbf)":(1e9|-1|"a"|null|\[\]),?){0,4}\}"#) {
        let token = signed(Algorithm::EdDsa, &header(Algorithm::EdDsa).to_string(), &claims);
        prop_assert!(verdict(&token).is_err());
    }
}
