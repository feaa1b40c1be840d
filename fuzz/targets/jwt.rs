//! Tokens and key sets of strangers.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mintmark::jose::JwkSet;
use mintmark::jose::verify::{decode_unverified, verify_signed};

const TOKEN: &str = include_str!("../seeds/jwt/token");

static KEYS: LazyLock<JwkSet> = LazyLock::new(|| JwkSet::parse(include_bytes!("../seeds/jwt/jwks")).unwrap());

fuzz_target!(|bytes: &[u8]| {
    let _ = JwkSet::parse(bytes);
    let Ok(token) = std::str::from_utf8(bytes) else { return };
    if let Ok(signed) = verify_signed(token, &KEYS) {
        // The keys signed one token that is known here.
        assert_eq!(Ok(signed.decoded), decode_unverified(TOKEN));
    }
});
