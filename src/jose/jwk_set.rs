//! A set of public keys, each under a `kid`: what a token's header may choose from.
//!
//! Read strictly and within bounds. Never fetches anything and never holds a
//! private key. RFC 7517 section 5.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::jwk::BadJwk;
use super::{PublicJwk, strict_json};

/// The longest document that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most keys a set may list, with those that are skipped.
pub const MAX_KEYS: usize = 32;
/// The longest `kid`, in bytes.
const MAX_KID: usize = 256;

/// Keys with distinct identifiers. Serialised as `{"keys":[...]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwkSet {
    keys: Vec<(String, PublicJwk)>,
}

/// Why a set was refused. The text is fit for whoever registered it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJwkSet {
    /// More than [`MAX_BYTES`].
    #[error("the key set is larger than 64 KiB")]
    TooLarge,
    /// Not JSON, or with a repeated member.
    #[error("the key set: {0}")]
    Json(#[from] strict_json::BadJson),
    /// Not an object with an array `keys`.
    #[error("a key set is an object with an array named keys")]
    Shape,
    /// More than [`MAX_KEYS`].
    #[error("the key set has more than 32 keys")]
    TooMany,
    /// A key that is meant for us but faulty; counted from 0.
    #[error("keys[{0}]: {1}")]
    Key(usize, BadJwk),
    /// A `kid` that is not a string of 1 to 256 bytes; counted from 0.
    #[error("keys[{0}]: kid is not a string of 1 to 256 bytes")]
    Kid(usize),
    /// A `kid` that an earlier key has; counted from 0.
    #[error("keys[{0}]: another key has the same kid")]
    RepeatedKid(usize),
    /// An earlier key is the same one for another algorithm (RFC 8725bis section 3.1); counted from 0.
    #[error("keys[{0}]: the same key is there for another algorithm; one key has one algorithm")]
    TwoAlgorithms(usize),
}

impl JwkSet {
    /// Reads a key set. Keys of types, curves and algorithms not known here are
    /// skipped; a private member anywhere refuses the whole set. A key without
    /// `kid` goes by its thumbprint.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadJwkSet> {
        if bytes.len() > MAX_BYTES {
            return Err(BadJwkSet::TooLarge);
        }
        Self::from_value(&strict_json::parse(bytes, strict_json::MAX_DEPTH)?)
    }

    /// Reads a key set that arrived inside another strictly parsed document.
    pub fn from_value(set: &Value) -> Result<Self, BadJwkSet> {
        let listed = set.get("keys").and_then(Value::as_array).ok_or(BadJwkSet::Shape)?;
        if listed.len() > MAX_KEYS {
            return Err(BadJwkSet::TooMany);
        }
        let mut keys = Self::default();
        for (index, jwk) in listed.iter().enumerate() {
            match PublicJwk::parse(jwk) {
                Ok(key) => {
                    let kid = kid(jwk, &key).ok_or(BadJwkSet::Kid(index))?;
                    if keys.find(&kid).is_some() {
                        return Err(BadJwkSet::RepeatedKid(index));
                    }
                    if keys.keys.iter().any(|(_, known)| known.is_twin_of(&key)) {
                        return Err(BadJwkSet::TwoAlgorithms(index));
                    }
                    keys.keys.push((kid, key));
                }
                Err(BadJwk::Unsupported) => {}
                Err(reason) => return Err(BadJwkSet::Key(index, reason)),
            }
        }
        Ok(keys)
    }

    /// The key that goes by `kid`, compared byte by byte.
    pub fn find(&self, kid: &str) -> Option<&PublicJwk> {
        self.keys.iter().find(|(name, _)| name == kid).map(|(_, key)| key)
    }

    /// The keys in their order, each with its `kid`.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &PublicJwk)> {
        self.keys.iter().map(|(kid, key)| (kid.as_str(), key))
    }

    /// The set as a JSON object, byte-stable when written.
    pub fn to_value(&self) -> Value {
        let keys = self.keys.iter().map(|(kid, key)| key.named(kid)).collect();
        Value::Object(Map::from_iter([("keys".to_owned(), Value::Array(keys))]))
    }
}

/// Our own keys, each under its thumbprint. A key that comes twice is taken once.
impl FromIterator<PublicJwk> for JwkSet {
    fn from_iter<I: IntoIterator<Item = PublicJwk>>(keys: I) -> Self {
        let mut set = Self::default();
        for key in keys {
            let kid = key.kid().to_string();
            if set.find(&kid).is_none() {
                set.keys.push((kid, key));
            }
        }
        set
    }
}

impl Serialize for JwkSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

/// The `kid` that the document gives a key, or else its thumbprint; `None` for one that is no short string.
pub(super) fn kid(jwk: &Value, key: &PublicJwk) -> Option<String> {
    match jwk.get("kid") {
        None => Some(key.kid().to_string()),
        Some(Value::String(kid)) if (1..=MAX_KID).contains(&kid.len()) => Some(kid.clone()),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::Algorithm;
    use crate::jose::strict_json::BadJson;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const KID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

    fn okp(kid: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": X })
    }

    fn read(set: &Value) -> Result<JwkSet, BadJwkSet> {
        JwkSet::parse(set.to_string().as_bytes())
    }

    #[test]
    fn a_key_goes_by_its_kid_or_else_its_thumbprint() {
        let unnamed = json!({ "kty": "OKP", "crv": "Ed25519", "x": X });
        let set = read(&json!({ "keys": [okp("first"), unnamed] })).unwrap();
        let kids: Vec<_> = set.iter().map(|(kid, _)| kid).collect();
        assert_eq!(kids, ["first", KID]);
        assert!(set.find("first").is_some());
        for stranger in ["First", "firs", "first ", ""] {
            assert!(set.find(stranger).is_none(), "{stranger}");
        }
    }

    #[test]
    fn skips_what_it_does_not_know() {
        let others = [
            json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "first" }),
            json!({ "kty": "EC", "crv": "P-384", "x": X, "y": X }),
            json!({ "kty": "OKP", "crv": "X25519", "x": X }),
            json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": X }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": X, "alg": "Ed25519" }),
        ];
        let mut keys = others.to_vec();
        keys.push(okp("first"));
        assert_eq!(read(&json!({ "keys": keys })).unwrap().iter().len(), 1);
    }

    #[test]
    fn refuses_faulty_sets() {
        let cases = [
            (json!([]), BadJwkSet::Shape),
            (json!({ "keys": {} }), BadJwkSet::Shape),
            (json!({ "keys": ["key"] }), BadJwkSet::Key(0, BadJwk::Shape)),
            (json!({ "keys": [okp("a"), okp("a")] }), BadJwkSet::RepeatedKid(1)),
            (json!({ "keys": [okp("")] }), BadJwkSet::Kid(0)),
            (json!({ "keys": [okp(&"a".repeat(257))] }), BadJwkSet::Kid(0)),
            (json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": X, "kid": 1 }] }), BadJwkSet::Kid(0)),
            (
                json!({ "keys": [okp("a"), { "kty": "oct", "k": "AQAB" }] }),
                BadJwkSet::Key(1, BadJwk::Private),
            ),
            (json!({ "keys": vec![json!({ "kty": "RSA" }); 33] }), BadJwkSet::TooMany),
        ];
        for (set, verdict) in cases {
            assert_eq!(read(&set), Err(verdict), "{set}");
        }
    }

    #[test]
    fn refuses_ambiguous_and_oversize_documents() {
        let repeated = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"AA","x":"{X}"}}]}}"#);
        let verdict = BadJwkSet::Json(BadJson::Repeated("x".to_owned()));
        assert_eq!(JwkSet::parse(repeated.as_bytes()), Err(verdict));
        let large = format!(r#"{{"keys":[],"pad":"{}"}}"#, "a".repeat(MAX_BYTES));
        assert_eq!(JwkSet::parse(large.as_bytes()), Err(BadJwkSet::TooLarge));
    }

    #[test]
    fn one_rsa_key_is_not_listed_for_two_algorithms() {
        let rsa = |kid: &str, alg: &str| {
            let key = crate::jose::rsa::tests::pair(Algorithm::Rs256).public().to_value();
            json!({ "kty": "RSA", "kid": kid, "alg": alg, "n": key["n"], "e": key["e"] })
        };
        let set = |second| read(&json!({ "keys": [rsa("a", "RS256"), rsa("b", second)] }));
        assert_eq!(set("PS256"), Err(BadJwkSet::TwoAlgorithms(1)));
        assert_eq!(set("RS256").unwrap().iter().len(), 2);
    }

    #[test]
    fn what_is_written_is_read() {
        let set = read(&json!({ "keys": [okp("first"), okp("second")] })).unwrap();
        assert_eq!(read(&set.to_value()), Ok(set));
    }

    #[test]
    fn our_own_keys_go_by_their_thumbprints_once() {
        let key = PublicJwk::parse(&okp("ignored")).unwrap();
        let set: JwkSet = [key.clone(), key.clone()].into_iter().collect();
        let written = format!(r#"{{"keys":[{key}]}}"#);
        assert_eq!(serde_json::to_string(&set).unwrap(), written);
        assert_eq!(set.find(KID), Some(&key));
    }
}
