//! Signed notes, ours before the crate `signed_note` and the crate's before ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintmark::audit::checkpoint::{BadCheckpoint, Checkpoint, Note, Origin, Vkey};
use mintmark::audit::tree::TreeHead;
use mintmark::digest::Digest;
use proptest::prelude::*;
use signed_note::{Note as ForeignNote, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::Hash;

use super::judges::opened;
use super::written::{ORIGIN, OWN, note, vkey};

/// A key of another name, as the crate spells private keys: `PRIVATE+KEY+name+id+base64(1 ‖ seed)`.
fn signer(name: &str, seed: u8) -> StandardSigner {
    let id = Vkey::new(Origin::parse(name).unwrap(), *vkey(seed).public()).key_id();
    let id = u32::from_be_bytes(id);
    let key = STANDARD.encode([[1].as_slice(), &[seed; 32]].concat());
    StandardSigner::new(&format!("PRIVATE+KEY+{name}+{id:08x}+{key}")).unwrap()
}

/// A checkpoint that the crates wrote and signed.
pub fn foreign_note(size: u64, root: Hash, seed: u8) -> String {
    let text = tlog_tiles::Checkpoint::new(ORIGIN, size, root, "").unwrap().to_bytes();
    let mut note = ForeignNote::new(&text, &[]).unwrap();
    note.add_sigs(&[&signer(ORIGIN, seed)]).unwrap();
    String::from_utf8(note.to_bytes()).unwrap()
}

/// What ours takes a note to say, if it believes it.
fn ours(note: &str, vkey: &Vkey) -> Result<Checkpoint, BadCheckpoint> {
    Note::parse(note)?.verify(vkey).cloned()
}

#[test]
fn a_witness_of_theirs_signs_our_checkpoint_and_both_still_believe_it() {
    let head = TreeHead { size: 70_000, root: Digest([9; 32]) };
    let mut note = ForeignNote::from_bytes(note(head, OWN).as_bytes()).unwrap();
    let (first, second) = (signer("witness.example/first", 8), signer("witness.example/second", 9));
    note.add_sigs(&[&first, &second]).unwrap();
    let text = String::from_utf8(note.to_bytes()).unwrap();
    assert_eq!(text.lines().count(), 7);
    assert_eq!(ours(&text, &vkey(OWN)).unwrap().head(), head);
    assert_eq!(opened(&text, &vkey(OWN).to_string()).unwrap(), (70_000, Hash([9; 32])));
    // Ours checks a witness's signature as well as any other key's, under the name that it signs with.
    let verifiers = ["first", "second"].map(|name| {
        let seed = if name == "first" { 8 } else { 9 };
        let origin = Origin::parse(&format!("witness.example/{name}")).unwrap();
        Vkey::new(origin, *vkey(seed).public()).to_string()
    });
    let known =
        |vkey: &String| -> Box<dyn signed_note::Verifier> { Box::new(StandardVerifier::new(vkey).unwrap()) };
    let (believed, others) = note.verify(&VerifierList::new(verifiers.iter().map(known).collect())).unwrap();
    assert_eq!((believed.len(), others.len()), (2, 1));
}

#[test]
fn neither_believes_another_key_another_name_or_a_second_signature_that_fails() {
    let head = TreeHead { size: 5, root: Digest([9; 32]) };
    let good = note(head, OWN);
    let both = |note: &str, key: &Vkey| (ours(note, key), opened(note, &key.to_string()).is_ok());
    assert_eq!(both(&good, &vkey(8)), (Err(BadCheckpoint::Unsigned), false));
    let renamed = Vkey::new(Origin::parse("other.example/log").unwrap(), *vkey(OWN).public());
    assert_eq!(both(&good, &renamed), (Err(BadCheckpoint::OtherOrigin), false));
    let (text, lines) = good.rsplit_once("\n\n").unwrap();
    let forged = note(TreeHead { size: 6, ..head }, OWN);
    let forged = forged.rsplit_once("\n\n").unwrap().1;
    assert_eq!(
        both(&format!("{text}\n\n{forged}{lines}"), &vkey(OWN)),
        (Err(BadCheckpoint::Signature), false)
    );
    // Where they differ: the crate leaves a key's second signature alone, ours wants each to hold.
    assert_eq!(
        both(&format!("{text}\n\n{lines}{forged}"), &vkey(OWN)),
        (Err(BadCheckpoint::Signature), true)
    );
    // And an extension line, which nobody could audit, is none of our checkpoints.
    let extended = tlog_tiles::Checkpoint::new(ORIGIN, 5, Hash([9; 32]), "more\n").unwrap().to_bytes();
    let mut extended = ForeignNote::new(&extended, &[]).unwrap();
    extended.add_sigs(&[&signer(ORIGIN, OWN)]).unwrap();
    let extended = String::from_utf8(extended.to_bytes()).unwrap();
    assert_eq!(both(&extended, &vkey(OWN)), (Err(BadCheckpoint::Malformed), true));
}

proptest! {
    #[test]
    fn both_write_the_same_note_byte_for_byte(size: u64, root: [u8; 32], seed: u8) {
        let ours = note(TreeHead { size, root: Digest(root) }, seed);
        prop_assert_eq!(ours, foreign_note(size, Hash(root), seed));
    }

    #[test]
    fn what_ours_believes_of_a_changed_note_the_crates_believe_too(
        size: u64, root: [u8; 32], at: prop::sample::Index, flip in 1_u8..128, more in "[ -~\n]{0,3}",
    ) {
        let mut bytes = foreign_note(size, Hash(root), OWN).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        bytes.splice(at..at, more.bytes());
        let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
        let key = vkey(OWN);
        if let Ok(checkpoint) = ours(&changed, &key) {
            let theirs = opened(&changed, &key.to_string());
            prop_assert_eq!(theirs, Ok((checkpoint.size, Hash(checkpoint.root.0))));
        } else {
            prop_assert!(opened(&changed, &key.to_string()).is_err(), "{changed}");
        }
    }
}
