//! Client assertions and registered key sets of strangers.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mintmark::jose::ClientKeys;
use mintmark::jose::verify::assertion::{Claimed, Expected};
use mintmark::time::Timestamp;
use serde_json::Value;

const ISSUER: &str = "https://auth.example.com";
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// The key that signed them is gone.
static KEYS: LazyLock<ClientKeys> =
    LazyLock::new(|| serde_json::from_slice(include_bytes!("../seeds/assertion/jwks")).unwrap());
/// One that is good at `NOW`.
const GOOD: &str = include_str!("../seeds/assertion/good");

fuzz_target!(|bytes: &[u8]| {
    if let Ok(set) = serde_json::from_slice::<Value>(bytes)
        && let Ok(keys) = ClientKeys::from_value(&set)
    {
        // What is registered is shown, and what is shown could be registered.
        assert_eq!(ClientKeys::from_value(&keys.to_value()), Ok(keys));
    }
    let Ok(jwt) = std::str::from_utf8(bytes) else { return };
    let Ok(claimed) = Claimed::read(jwt) else { return };
    let client_id = claimed.client_id().to_owned();
    if let Ok(assertion) = claimed.verify(Some(&KEYS), &Expected { issuer: ISSUER, now: NOW }) {
        // The keys signed two that are known here; one of them is for another audience.
        assert_eq!(jwt, GOOD);
        assert_eq!(assertion.client_id, client_id);
    }
});
