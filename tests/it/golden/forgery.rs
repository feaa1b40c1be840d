//! Tokens that somebody else signs, with a key whose private half was stolen before it was brought in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintmark::digest::base64url;
use mintmark::jose::verify::decode_unverified;
use mintmark::jose::{Algorithm, KeyPair, Pkcs8};
use mintmark::oauth::claims::encoded_header;
use serde_json::{Value, json};

use super::play::Player;
use crate::harness::SeededEntropy;

/// The key that was stolen.
fn stolen() -> (KeyPair, Pkcs8) {
    KeyPair::generate(Algorithm::EdDsa, &SeededEntropy::new(b"stolen")).unwrap()
}

/// `./stolen.pem` of the folder in which commands are run.
pub(super) fn stolen_pem() -> String {
    pem(&STANDARD.encode(stolen().1.as_bytes()))
}

/// A private key in base64 as people hand it around.
pub(super) fn pem(base64: &str) -> String {
    let armor = |end: &str| format!("-----{end} PRIVATE KEY-----\n");
    format!("{}{base64}\n{}", armor("BEGIN"), armor("END"))
}

impl Player<'_> {
    /// `forge NAME=VALUE...`: the claims of the last token, these changed, signed with the stolen key: the last token
    /// from now on.
    pub(super) fn forge(&mut self, changes: &[&str]) {
        let genuine = self.last_token.as_deref().expect("a token to start from");
        let mut claims = Value::Object(decode_unverified(genuine).unwrap().claims);
        for (name, value) in changes.iter().map(|change| change.split_once('=').unwrap()) {
            claims[name] = json!(value);
        }
        let key = stolen().0;
        let header = encoded_header(Algorithm::EdDsa, &key.kid());
        let input = format!("{header}.{}", base64url(claims.to_string().as_bytes()));
        let signature = key.sign(input.as_bytes()).unwrap();
        self.last_token = Some(format!("{input}.{}", base64url(&signature)));
        self.say(&format!(
            "\nsomebody signs this with the private half of {}, which he has a copy of:\n{claims}",
            key.kid()
        ));
    }
}
