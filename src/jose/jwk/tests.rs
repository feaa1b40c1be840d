use super::*;

/// RFC 7517 appendix A.1, the public P-256 key.
fn p256() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    })
}

/// RFC 8037 appendix A.2.
fn ed25519() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk[member] = value;
    jwk
}

#[test]
fn thumbprint_of_rfc_8037() {
    let key = PublicJwk::parse(&ed25519()).unwrap();
    assert_eq!(key.thumbprint().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn thumbprint_of_p256_hashes_its_members_in_byte_order() {
    let key = PublicJwk::parse(&p256()).unwrap();
    let canonical = r#"{"crv":"P-256","kty":"EC","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;
    assert_eq!(key.thumbprint(), Digest::of(&[canonical.as_bytes()]));
}

#[test]
fn is_written_with_exactly_its_members_in_order() {
    let key = PublicJwk::parse(&ed25519()).unwrap();
    assert_eq!(
        key.to_string(),
        r#"{"kty":"OKP","use":"sig","alg":"EdDSA","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
    );
    let key = PublicJwk::parse(&p256()).unwrap();
    let names: Vec<_> = key.to_value().as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["kty", "use", "alg", "kid", "crv", "x", "y"]);
}

#[test]
fn what_is_written_is_read() {
    for jwk in [p256(), ed25519()] {
        let key = PublicJwk::parse(&jwk).unwrap();
        assert_eq!(PublicJwk::parse(&key.to_value()), Ok(key));
    }
}

#[test]
fn refuses_what_is_no_sound_public_signature_key() {
    let off_curve = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyI";
    let cases = [
        (json!("a string"), BadJwk::Shape),
        (json!({ "crv": "P-256" }), BadJwk::Shape),
        (with(p256(), "alg", json!(256)), BadJwk::Shape),
        (with(p256(), "d", json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE")), BadJwk::Private),
        (json!({ "kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ" }), BadJwk::Private),
        (json!({ "kty": "oct" }), BadJwk::Unsupported),
        (json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }), BadJwk::Unsupported),
        (with(p256(), "crv", json!("P-384")), BadJwk::Unsupported),
        (with(p256(), "kty", json!("OKP")), BadJwk::Unsupported),
        (with(p256(), "kty", json!("ec")), BadJwk::Unsupported),
        (with(p256(), "alg", json!("ECDH-ES")), BadJwk::Unsupported),
        (with(p256(), "alg", json!("ES384")), BadJwk::Algorithm),
        (with(p256(), "alg", json!("EdDSA")), BadJwk::Algorithm),
        (with(ed25519(), "alg", json!("HS256")), BadJwk::Algorithm),
        (with(p256(), "use", json!("enc")), BadJwk::Use),
        (with(p256(), "key_ops", json!(["sign"])), BadJwk::Use),
        (with(p256(), "key_ops", json!("verify")), BadJwk::Use),
        (with(p256(), "y", json!("AQAB")), BadJwk::Coordinate),
        (with(p256(), "y", json!(format!("{off_curve}="))), BadJwk::Coordinate),
        (with(p256(), "y", json!(off_curve)), BadJwk::Point),
        (with(ed25519(), "x", json!(base64url(&[0; 32]))), BadJwk::Point),
    ];
    for (jwk, verdict) in cases {
        assert_eq!(PublicJwk::parse(&jwk), Err(verdict), "{jwk}");
    }
}

#[test]
fn takes_fitting_purposes_and_ignores_what_it_does_not_know() {
    let jwk = with(with(p256(), "alg", json!("ES256")), "use", json!("sig"));
    let jwk = with(with(jwk, "key_ops", json!(["verify"])), "x5t", json!("unknown"));
    assert_eq!(PublicJwk::parse(&jwk), PublicJwk::parse(&p256()));
}
