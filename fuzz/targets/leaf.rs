//! A leaf that is read is the one that was written: no second spelling.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mintmark::audit::leaf::Leaf;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(leaf) = Leaf::parse(bytes) {
        assert_eq!(leaf.encode(), bytes);
    }
});
