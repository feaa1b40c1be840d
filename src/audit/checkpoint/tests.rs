use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::*;

const NAME: &str = "mintmark.example/log";
const VKEY: &str = "mintmark.example/log+104c00e3+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";

fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn public(key: &Ed25519KeyPair) -> [u8; 32] {
    key.public_key().as_ref().try_into().unwrap()
}

fn vkey(name: &str, seed: u8) -> Vkey {
    Vkey::new(Origin::parse(name).unwrap(), public(&key(seed)))
}

fn sample() -> Checkpoint {
    Checkpoint { origin: Origin::parse(NAME).unwrap(), size: 20_852_163, root: Digest([9; 32]) }
}

fn signed(checkpoint: &Checkpoint, seed: u8) -> String {
    let key = key(seed);
    checkpoint.sign(&public(&key), |text| key.sign(text).as_ref().try_into()).unwrap()
}

#[test]
fn the_published_verification_key() {
    assert_eq!(vkey(NAME, 7).to_string(), VKEY);
    assert_eq!(Vkey::parse(VKEY), Ok(vkey(NAME, 7)));
    assert_eq!(Vkey::parse(&format!("{VKEY}\n")), Ok(vkey(NAME, 7)));
    for bad in [
        "",
        "mintmark.example/log",
        &VKEY.replace("104c00e3", "104c00e4"),
        &VKEY.replace("104c00e3", "104C00E3"),
        &VKEY.replace("+Aep", "+Bep"),
        &VKEY.replace("/log", "/ log"),
        &VKEY.replace("mintmark", "othermark"),
        &VKEY[..VKEY.len() - 4],
        &format!("{VKEY}\n\n"),
        &format!(" {VKEY}"),
    ] {
        assert_eq!(Vkey::parse(bad), Err(BadCheckpoint::Vkey), "{bad}");
    }
}

#[test]
fn a_checkpoint_is_three_lines_and_a_signature() {
    let note = signed(&sample(), 7);
    let text = "mintmark.example/log\n20852163\nCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\n";
    assert_eq!(sample().text(), text);
    assert!(note.starts_with(&format!("{text}\n\u{2014} mintmark.example/log EEwA4")), "{note}");
    assert_eq!(Note::parse(&note).unwrap().verify(&vkey(NAME, 7)), Ok(&sample()));
}

#[test]
fn the_specification_s_example_reads() {
    let note = concat!(
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n",
        "\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5",
        "/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    );
    assert_eq!(Note::parse(note).unwrap().unverified().size, 20_852_163);
}

#[test]
fn witnesses_may_sign_too_and_do_not_count() {
    let note = signed(&sample(), 7);
    let witness = signed(&sample(), 8);
    let line = witness.rsplit_once("\n\n").unwrap().1.replace(NAME, "witness.example");
    let both = Note::parse(&format!("{note}{line}")).unwrap();
    assert_eq!(both.verify(&vkey(NAME, 7)), Ok(&sample()));
    assert_eq!(both.verify(&vkey(NAME, 8)), Err(BadCheckpoint::Unsigned));
}

#[test]
fn wrong_keys_names_and_texts_are_told_apart() {
    let note = signed(&sample(), 7);
    let verify = |note: &str, key: &Vkey| Note::parse(note).and_then(|note| note.verify(key).cloned());
    assert_eq!(verify(&note, &vkey(NAME, 8)), Err(BadCheckpoint::Unsigned));
    assert_eq!(verify(&note, &vkey("other.example", 7)), Err(BadCheckpoint::OtherOrigin));
    let grown = note.replace("20852163", "20852164");
    assert_eq!(verify(&grown, &vkey(NAME, 7)), Err(BadCheckpoint::Signature));
    // A second signature that claims to be by the key and is not.
    let forged = signed(&Checkpoint { size: 1, ..sample() }, 7);
    let twice = format!("{note}{}", forged.rsplit_once("\n\n").unwrap().1);
    assert_eq!(verify(&twice, &vkey(NAME, 7)), Err(BadCheckpoint::Signature));
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    let note = signed(&sample(), 7);
    for bad in [
        note.replace("20852163", "020852163"),
        note.replace("20852163", "+20852163"),
        note.replace("20852163", "18446744073709551616"),
        note.replace("CQk=", "CQl="),
        note.replace("CQk=", "CQk"),
        note.replace("CQk=\n", "CQk=\nextension\n"),
        note.replace('\n', "\r\n"),
        note.replace("\u{2014} ", "- "),
        note.trim_end().to_owned(),
        format!("{note}\n"),
        format!("\n{note}"),
        format!("{note}{}", note.rsplit_once("\n\n").unwrap().1.repeat(100)),
        sample().text(),
        format!("{}\n", sample().text()),
        String::new(),
    ] {
        assert_eq!(Note::parse(&bad), Err(BadCheckpoint::Malformed), "{bad:?}");
    }
}

#[test]
fn origins_have_one_spelling() {
    for bad in ["", "a b", "a+b", "a\nb", "a\u{a0}b", "a\u{7f}", &"x".repeat(256)] {
        assert_eq!(Origin::parse(bad), Err(BadCheckpoint::Origin), "{bad:?}");
    }
    assert_eq!(Origin::parse("mint.example/log").unwrap().as_str(), "mint.example/log");
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_a_changed_byte_does_not(
        size: u64, root: [u8; 32], at: usize, flip in 1_u8..128,
    ) {
        let checkpoint = Checkpoint { size, root: Digest(root), ..sample() };
        let note = signed(&checkpoint, 7);
        let read = Note::parse(&note).unwrap();
        prop_assert_eq!(read.verify(&vkey(NAME, 7)), Ok(&checkpoint));
        let mut bytes = note.into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        if let Ok(note) = String::from_utf8(bytes).map_err(drop).and_then(|note| Note::parse(&note).map_err(drop)) {
            prop_assert!(note.verify(&vkey(NAME, 7)).is_err());
        }
    }

    #[test]
    fn no_input_makes_a_parser_panic(text in any::<String>()) {
        let _ = (Note::parse(&text), Vkey::parse(&text));
    }
}
