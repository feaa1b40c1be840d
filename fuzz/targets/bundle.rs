//! Entry bundles and tiles: what is read is written the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mintmark::audit::tile::{decode_bundle, decode_tile, encode_bundle};

fuzz_target!(|bytes: &[u8]| {
    if let Some(leaves) = decode_bundle(bytes) {
        assert_eq!(encode_bundle(leaves).unwrap(), bytes);
    }
    if let Some(hashes) = decode_tile(bytes) {
        assert_eq!(hashes.len() * 32, bytes.len());
    }
});
