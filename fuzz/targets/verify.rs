//! The verification of a whole export: any bytes get a verdict, and one that agrees with itself.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mintmark::audit::checkpoint::{Note, Vkey};
use mintmark::audit::export::{Entry, Header};
use mintmark::audit::verify::verify;

const WHOLE: &str = include_str!("../seeds/verify/whole");

static VKEY: LazyLock<Vkey> = LazyLock::new(|| Vkey::parse(include_str!("../seeds/vkey")).unwrap());
/// What the key signed, and there is no other.
static SIGNED: LazyLock<Vec<Entry>> =
    LazyLock::new(|| WHOLE.lines().skip(1).map(|line| Entry::parse(line.as_bytes()).unwrap()).collect());

fuzz_target!(|bytes: &[u8]| {
    let older = include_str!("../seeds/note/checkpoint");
    let verdict = verify(bytes, &VKEY, Some(older)).unwrap();
    assert_eq!(verdict.ok, verdict.reason.is_none());
    assert!(!verdict.ok || verdict.first_bad_index.is_none());
    if !verdict.ok {
        return;
    }
    // Only a part of the one log that was ever signed can be found good.
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let header = Header::parse(lines.next().unwrap()).unwrap();
    let note = Note::parse(&header.checkpoint).unwrap();
    assert_eq!(note.verify(&VKEY).map(|checkpoint| Some(checkpoint.size)), Ok(verdict.size));
    assert_eq!(verdict.entries, header.end - header.first);
    for (line, index) in lines.zip(header.first..header.end) {
        let entry = Entry::parse(line).unwrap();
        let signed = &SIGNED[usize::try_from(index).unwrap()];
        assert_eq!((entry.index, &entry.leaf), (index, &signed.leaf));
        assert!(entry.body.is_none() || entry.body == signed.body);
    }
});
