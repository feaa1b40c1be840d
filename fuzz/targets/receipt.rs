//! Receipts: what is read is written the same, and nobody makes one that proves another leaf.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mintmark::audit::checkpoint::Vkey;
use mintmark::audit::proof::{Receipt, signing_input};

const VKEY: &str = include_str!("../seeds/vkey");
const SEED: &str = include_str!("../seeds/receipt/token");

fuzz_target!(|text: &str| {
    let _ = signing_input(text);
    let Ok(receipt) = Receipt::parse(text) else { return };
    assert_eq!(receipt.to_string(), text);
    if receipt.verify(&Vkey::parse(VKEY).unwrap()).is_ok() {
        let seed = Receipt::parse(SEED).unwrap();
        assert_eq!((receipt.leaf, receipt.index, receipt.path), (seed.leaf, seed.index, seed.path));
    }
});
