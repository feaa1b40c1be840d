//! Strict JSON: what it reads, `serde_json` reads as the same value.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mintmark::jose::strict_json::{MAX_DEPTH, parse};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = parse(bytes, MAX_DEPTH) {
        assert_eq!(serde_json::from_slice::<serde_json::Value>(bytes).unwrap(), value);
        assert_eq!(parse(value.to_string().as_bytes(), MAX_DEPTH).unwrap(), value);
    }
});
