//! Signed notes, checkpoints and verification keys: nothing that the crate `signed_note` would not read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mintmark::audit::checkpoint::{Note, Origin, Vkey};
use signed_note::StandardVerifier;

const VKEY: &str = include_str!("../seeds/vkey");

fuzz_target!(|text: &str| {
    if let Ok(vkey) = Vkey::parse(text) {
        let line = text.strip_suffix('\n').unwrap_or(text);
        assert_eq!(vkey.to_string(), line);
        // The crate also wants the 32 bytes to be a point of the curve.
        let _ = StandardVerifier::new(line);
    }
    if let Ok(note) = Note::parse(text) {
        let theirs = signed_note::Note::from_bytes(text.as_bytes()).unwrap();
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(theirs.text()).unwrap();
        let ours = note.unverified();
        assert_eq!((checkpoint.origin(), checkpoint.size()), (ours.origin.as_str(), ours.size));
        assert_eq!((checkpoint.hash().0, theirs.text()), (ours.root.0, ours.text().as_bytes()));
        let _ = note.verify(&Vkey::parse(VKEY).unwrap());
    }
    if let Ok(origin) = Origin::parse(text) {
        assert!(signed_note::is_key_name_valid(origin.as_str()));
    }
});
