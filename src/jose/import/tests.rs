use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::ambient::SystemEntropy;
use crate::jose::rsa::tests::document;
use crate::jose::rsa_strength::tests::weak;

/// PEM as openssl writes it.
fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn private(der: &[u8]) -> String {
    pem("PRIVATE KEY", der)
}

fn read(text: &str) -> Result<Algorithm, BadImport> {
    import(text.as_bytes(), None).map(|(pair, _)| pair.algorithm())
}

fn made(algorithm: Algorithm) -> String {
    let (_, document) = KeyPair::generate(algorithm, &SystemEntropy::new()).unwrap();
    private(document.as_bytes())
}

/// By `openssl genpkey -algorithm ed25519`: PKCS#8 of version 1, without the public half.
const ED25519_OF_OPENSSL: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";

#[test]
fn a_key_is_for_its_usual_algorithm_unless_another_is_asked_for() {
    assert_eq!(read(&made(Algorithm::Es256)), Ok(Algorithm::Es256));
    assert_eq!(read(&made(Algorithm::EdDsa)), Ok(Algorithm::EdDsa));
    assert_eq!(read(&private(&document(2))), Ok(Algorithm::Rs256));
    let (pair, _) = import(private(&document(2)).as_bytes(), Some(Algorithm::Ps256)).unwrap();
    assert_eq!(pair.algorithm(), Algorithm::Ps256);
    let (pair, _) = import(ED25519_OF_OPENSSL.as_bytes(), Some(Algorithm::EdDsa)).unwrap();
    assert_eq!(
        pair.kid().to_string(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        "RFC 8037 appendix A.3"
    );
}

#[test]
fn the_document_is_what_was_imported() {
    let der = document(3);
    let (pair, document) = import(private(&der).as_bytes(), None).unwrap();
    assert_eq!(document.as_bytes(), der);
    let again = KeyPair::from_pkcs8(pair.algorithm(), document.as_bytes()).unwrap();
    assert_eq!(again.kid(), pair.kid());
}

#[test]
fn a_key_never_signs_with_anothers_algorithm() {
    let rsa = private(&document(0));
    for (text, asked, complaint) in [
        (made(Algorithm::Es256), Algorithm::EdDsa, "a P-256 key signs with ES256, not with EdDSA"),
        (made(Algorithm::Es256), Algorithm::Rs256, "a P-256 key signs with ES256, not with RS256"),
        (made(Algorithm::EdDsa), Algorithm::Es256, "an Ed25519 key signs with EdDSA, not with ES256"),
        (rsa.clone(), Algorithm::Es256, "an RSA key signs with RS256 or PS256, not with ES256"),
        (rsa, Algorithm::EdDsa, "an RSA key signs with RS256 or PS256, not with EdDSA"),
    ] {
        let refused = import(text.as_bytes(), Some(asked)).unwrap_err();
        assert_eq!(refused.to_string(), complaint);
    }
}

#[test]
fn white_space_around_and_other_line_ends_do_no_harm() {
    let text = made(Algorithm::Es256);
    for same in [format!("\n  {text}\n\n"), text.replace('\n', "\r\n"), text.trim_end().to_owned()] {
        assert_eq!(read(&same), Ok(Algorithm::Es256), "{same}");
    }
    let body = STANDARD.encode(document(0));
    let one_line = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----");
    assert_eq!(read(&one_line), Ok(Algorithm::Rs256));
}

#[test]
fn what_is_no_single_plain_pkcs8_block_is_refused() {
    let good = made(Algorithm::Es256);
    let der = document(0);
    let cases = [
        (String::new(), BadImport::NoPem),
        ("hello".to_owned(), BadImport::NoPem),
        (STANDARD.encode(&der), BadImport::NoPem),
        (format!("{good}{good}"), BadImport::Several),
        (format!("{}{good}", pem("CERTIFICATE", &der)), BadImport::Several),
        (format!("{}{good}", pem("EC PARAMETERS", &der)), BadImport::Several),
        (pem("ENCRYPTED PRIVATE KEY", &der), BadImport::Encrypted),
        (pem("EC PRIVATE KEY", &der), BadImport::OlderForm),
        (pem("RSA PRIVATE KEY", &der), BadImport::OlderForm),
        (pem("CERTIFICATE", &der), BadImport::Public),
        (pem("PUBLIC KEY", &der), BadImport::Public),
        (pem("PKCS7", &der), BadImport::OtherBlock),
        (pem("private key", &der), BadImport::OtherBlock),
        (format!("Bag Attributes: none\n{good}"), BadImport::Damaged),
        (format!("{good}more"), BadImport::Damaged),
        ("-----BEGIN PRIVATE KEY".to_owned(), BadImport::Damaged),
        ("-----BEGIN PRIVATE KEY-----".to_owned(), BadImport::Damaged),
        (good.replace("-----END PRIVATE KEY-----", "-----END EC PRIVATE KEY-----"), BadImport::Damaged),
        (good.replace("MIG", "M!G"), BadImport::Damaged),
        (private(b"no DER"), BadImport::NotPkcs8),
        (private(&[der.as_slice(), &[0]].concat()), BadImport::NotPkcs8),
        (private(&der[..der.len() - 1]), BadImport::NotPkcs8),
        (" ".repeat(MAX_BYTES + 1), BadImport::TooLong),
    ];
    for (text, verdict) in cases {
        assert_eq!(read(&text), Err(verdict), "{text}");
    }
    assert_eq!(import(&der, None).unwrap_err(), BadImport::NoPem);
}

#[test]
fn other_types_and_curves_are_not_supported() {
    // By `openssl genpkey`: P-384, secp256k1, X25519, Ed448.
    for text in include_str!("../../../keys/golden/unsupported.txt").lines() {
        assert_eq!(read(&private(&STANDARD.decode(text).unwrap())), Err(BadImport::Unsupported), "{text}");
    }
}

#[test]
fn weak_rsa_keys_are_refused_with_the_reason() {
    for (name, complaint) in [
        ("1024-bits", "the RSA key has 1024 bits; make one of 2048 to 4096"),
        ("2047-bits", "the RSA key has 2047 bits; make one of 2048 to 4096"),
        ("4608-bits", "the RSA key has 4608 bits; make one of 2048 to 4096"),
        ("e-is-3", "the RSA key is weak: its exponent is not an odd number from 65537 to 2^33"),
        ("three-primes", "the RSA key is weak: it has not two primes"),
        (
            "close-primes",
            "the RSA key is weak: its primes are so close to each other that it can be factored",
        ),
        ("roca", "the RSA key is weak: a faulty chip made it, so that it can be factored (CVE-2017-15361)"),
    ] {
        let refused = read(&private(&weak(name))).unwrap_err().to_string();
        assert!(refused.starts_with(complaint) && refused.contains("openssl genpkey"), "{refused}");
    }
    assert_eq!(read(&private(&weak("just-far-enough"))), Ok(Algorithm::Rs256));
}

/// ring looks at some parts of an RSA key only when it signs, and never at d.
#[test]
fn a_key_with_a_damaged_byte_is_refused() {
    let der = document(4);
    let d = 300..560;
    for index in (0..der.len()).filter(|index| *index < 40 || index % 11 == 0 || *index == der.len() - 1) {
        let mut damaged = der.clone();
        damaged[index] ^= 1;
        let taken = import(private(&damaged).as_bytes(), None).is_ok();
        assert!(!taken || d.contains(&index), "byte {index} of {}", der.len());
    }
}
