//! The public keys that a client is registered with: what its assertions are verified by.
//!
//! Stricter than a set of keys that is merely read: whoever registers a key means it to be used,
//! so one that would never verify anything is refused and not skipped. Never fetches anything and
//! never holds a private key. RFC 7591 section 2 (`jwks`), RFC 7517 section 5, RFC 8725bis sections
//! 3.1 and 3.4.
//!
//! Two ways in. [`ClientKeys::from_value`] judges what somebody brings, by the rules of the day.
//! [`stored`] reads back what was taken in, by its form alone: the policy is read after every act, so
//! it costs no cryptography, and a rule of a later day hides no client that is registered. Its keys
//! stay good until they are replaced.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::jwk::BadJwk;
use super::{Algorithm, PublicJwk, jwk_set, rsa_strength};

/// The longest set, in bytes of JSON without blanks.
pub const MAX_BYTES: usize = 32 * 1024;
/// The most keys of one client: the one in use, the next one, and room for several machines.
pub const MAX_KEYS: usize = 10;
/// What clients may sign with. Not RS256: its padding is the older one, and FAPI 2.0 section 5.4 forbids it.
pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::Es256, Algorithm::Ps256, Algorithm::EdDsa];
/// What [`Algorithm::EdDsa`] is called by RFC 9864, which has a name for each curve. Clients use both.
pub const ED25519: &str = "Ed25519";

/// One to ten keys with distinct identifiers, each for one of [`ALGORITHMS`]. Serialised as `{"keys":[...]}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKeys {
    keys: Vec<(String, PublicJwk)>,
}

/// Why keys were not registered. The text is fit for whoever brought them and repeats nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadClientKeys {
    /// More than [`MAX_BYTES`].
    #[error("the key set is larger than 32 KiB")]
    TooLarge,
    /// Not an object with an array `keys`.
    #[error("a key set is an object with an array named keys")]
    Shape,
    /// No key at all.
    #[error("the key set has no key")]
    Empty,
    /// More than [`MAX_KEYS`].
    #[error("the key set has more than 10 keys")]
    TooMany,
    /// A type, curve or algorithm that no assertion is verified with; counted from 0.
    #[error(
        "keys[{0}]: the key type, curve or algorithm is not supported; \
         use P-256 with ES256, Ed25519 with EdDSA, or RSA with alg PS256"
    )]
    Unsupported(usize),
    /// A faulty key; counted from 0.
    #[error("keys[{0}]: {1}")]
    Key(usize, BadJwk),
    /// An RSA modulus with a small factor, or of a kind of chip whose primes can be guessed; counted from 0.
    #[error("keys[{0}]: n is not the product of two large random primes; make another key")]
    Weak(usize),
    /// A `kid` that is not a string of 1 to 256 bytes; counted from 0.
    #[error("keys[{0}]: kid is not a string of 1 to 256 bytes")]
    Kid(usize),
    /// A `kid` that an earlier key has; counted from 0.
    #[error("keys[{0}]: another key has the same kid")]
    RepeatedKid(usize),
    /// An earlier key is the same one; counted from 0.
    #[error("keys[{0}]: the same key is there twice")]
    RepeatedKey(usize),
}

impl ClientKeys {
    /// Reads a key set that arrived inside a strictly parsed document. A key without `kid` goes by
    /// its thumbprint.
    pub fn from_value(set: &Value) -> Result<Self, BadClientKeys> {
        if serde_json::to_vec(set).map_or(usize::MAX, |text| text.len()) > MAX_BYTES {
            return Err(BadClientKeys::TooLarge);
        }
        let listed = set.get("keys").and_then(Value::as_array).ok_or(BadClientKeys::Shape)?;
        match listed.len() {
            0 => return Err(BadClientKeys::Empty),
            1..=MAX_KEYS => {}
            _ => return Err(BadClientKeys::TooMany),
        }
        let mut keys = Self { keys: Vec::with_capacity(listed.len()) };
        for (index, jwk) in listed.iter().enumerate() {
            keys.add(index, jwk)?;
        }
        Ok(keys)
    }

    fn add(&mut self, index: usize, jwk: &Value) -> Result<(), BadClientKeys> {
        let key = PublicJwk::parse(&by_its_older_name(jwk)).map_err(|bad| match bad {
            BadJwk::Unsupported => BadClientKeys::Unsupported(index),
            bad => BadClientKeys::Key(index, bad),
        })?;
        if !ALGORITHMS.contains(&key.algorithm()) {
            return Err(BadClientKeys::Unsupported(index));
        }
        if let PublicJwk::Rsa(rsa) = &key
            && rsa_strength::is_weak_modulus(rsa.modulus())
        {
            return Err(BadClientKeys::Weak(index));
        }
        let kid = jwk_set::kid(jwk, &key).ok_or(BadClientKeys::Kid(index))?;
        if self.keys.iter().any(|(known, _)| *known == kid) {
            return Err(BadClientKeys::RepeatedKid(index));
        }
        if self.keys.iter().any(|(_, known)| known.thumbprint() == key.thumbprint()) {
            return Err(BadClientKeys::RepeatedKey(index));
        }
        self.keys.push((kid, key));
        Ok(())
    }

    /// The key for a header with this `alg` and `kid`. Without a `kid`, the only key of the
    /// algorithm: where there are several, none is guessed.
    pub fn choose(&self, algorithm: Algorithm, kid: Option<&str>) -> Option<&PublicJwk> {
        let named = |known: &str| kid.is_none_or(|kid| kid == known);
        let mut fitting =
            self.keys.iter().filter(|(known, key)| named(known) && key.algorithm() == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some((_, key)), None) => Some(key),
            _ => None,
        }
    }

    /// The keys in their order, each with its `kid`.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &PublicJwk)> {
        self.keys.iter().map(|(kid, key)| (kid.as_str(), key))
    }

    /// The set as a JSON object, byte-stable when written: each key with exactly `kty use alg kid`
    /// and its parameters, whatever else was registered with it.
    pub fn to_value(&self) -> Value {
        let keys = self.keys.iter().map(|(kid, key)| key.named(kid)).collect();
        Value::Object(Map::from_iter([("keys".to_owned(), Value::Array(keys))]))
    }
}

/// An Ed25519 key may say `alg` in the words of RFC 9864; here it goes by those of RFC 8037.
fn by_its_older_name(jwk: &Value) -> Cow<'_, Value> {
    let says = |member: &str, text: &str| jwk.get(member).and_then(Value::as_str) == Some(text);
    if !(says("kty", "OKP") && says("crv", ED25519) && says("alg", ED25519)) {
        return Cow::Borrowed(jwk);
    }
    let mut jwk = jwk.clone();
    if let Some(members) = jwk.as_object_mut() {
        members.insert("alg".to_owned(), json!(Algorithm::EdDsa));
    }
    Cow::Owned(jwk)
}

impl Serialize for ClientKeys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

/// Reads a client's keys, if it has any, as [`ClientKeys::to_value`] wrote them. Only for what was judged before it
/// was stored: whether a key is sound, long enough or the only one of its name is not looked at. Fails only where the
/// text has another form.
pub fn stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ClientKeys>, D::Error> {
    #[derive(Deserialize)]
    struct Stored {
        keys: Vec<Value>,
    }
    let read = |jwk: &Value| {
        let kid = jwk.get("kid").and_then(Value::as_str).ok_or(BadJwk::Shape)?;
        Ok((kid.to_owned(), PublicJwk::from_stored(jwk)?))
    };
    let Some(Stored { keys }) = Option::deserialize(deserializer)? else { return Ok(None) };
    let keys: Result<_, BadJwk> = keys.iter().map(read).collect();
    Ok(Some(ClientKeys { keys: keys.map_err(D::Error::custom)? }))
}

#[cfg(test)]
mod tests;
