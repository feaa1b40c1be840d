//! The JWKS document: the ring's public keys as bytes with their caching headers.
//!
//! Pure. Equal rings give equal bytes, on every node and after every restart,
//! so the `ETag` is strong. It never sees a private member. RFC 7517 section 5,
//! RFC 7518 sections 6.2.1 and 6.3.1, RFC 8037 section 2, RFC 9110 section 8.8.3.

use bytes::Bytes;
use serde_json::json;

use super::KeyRing;
use super::schedule::Quantities;
use crate::digest::Digest;

/// The answer to `GET /.well-known/jwks.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// `{"keys":[...]}`, one line, no final line feed.
    pub body: Bytes,
    /// Strong and quoted: the SHA-256 of the body in base64url.
    pub etag: String,
    /// `public, max-age=N`, N in whole seconds.
    pub cache_control: String,
}

impl Document {
    /// Writes the keys that the ring serves, in the order of their publication and
    /// then of their `kid`: a key that changes its state does not change its place.
    pub fn of(ring: &KeyRing, quantities: &Quantities) -> Self {
        let mut served: Vec<_> = ring.served().collect();
        served.sort_by_key(|key| (key.published_at, key.kid));
        let keys: Vec<_> = served.into_iter().map(|key| key.public.to_value()).collect();
        let body = Bytes::from(json!({ "keys": keys }).to_string());
        Self {
            etag: format!("\"{}\"", Digest::of(&[&body])),
            cache_control: format!("public, max-age={}", quantities.served_max_age().as_secs()),
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::jose::Algorithm;
    use crate::keys::tests::{DEFAULTS, at, days, run, seconds};
    use crate::keys::{KeyState, schedule};

    const BOTH: [Algorithm; 2] = [Algorithm::Es256, Algorithm::EdDsa];

    #[test]
    fn shows_what_is_served_in_an_order_that_no_rotation_changes() {
        let served = |ring: &KeyRing| -> Vec<String> {
            let set: Value = serde_json::from_slice(&Document::of(ring, &DEFAULTS).body).unwrap();
            let keys = set["keys"].as_array().unwrap();
            keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
        };
        let first = run(&KeyRing::default(), &BOTH, &DEFAULTS, at(0));
        let second = run(&first, &BOTH, &DEFAULTS, at(0).plus(days(14)));
        assert_eq!(served(&first).len(), 4);
        assert_eq!(served(&second)[..4], served(&first));
        assert_eq!(served(&second).len(), 6);

        let third = run(&second, &BOTH, &DEFAULTS, at(0).plus(days(15)));
        let gone: Vec<_> = third.keys.iter().filter(|key| key.state == KeyState::Removed).collect();
        assert_eq!(gone.len(), 2);
        assert!(gone.iter().all(|key| !served(&third).contains(&key.kid.to_string())));
    }

    #[test]
    fn the_headers_follow_the_bytes_and_the_settings() {
        let ring = run(&KeyRing::default(), &[Algorithm::Es256], &DEFAULTS, at(0));
        let document = Document::of(&ring, &DEFAULTS);
        assert_eq!(document.cache_control, "public, max-age=300");
        assert_eq!(document.etag.len(), 45, "43 characters in quotes");
        let mut shuffled = KeyRing { version: 9, ..ring.clone() };
        shuffled.keys.reverse();
        assert_eq!(Document::of(&shuffled, &DEFAULTS), document);
        shuffled.keys.pop();
        assert_ne!(Document::of(&shuffled, &DEFAULTS).etag, document.etag);

        let short = schedule::Quantities { publish_ahead: seconds(100), ..DEFAULTS };
        assert_eq!(Document::of(&ring, &short).cache_control, "public, max-age=40");
    }
}
