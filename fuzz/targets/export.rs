//! The lines of an export: what is read, written and read again is the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mintmark::audit::export::{Entry, Header, completion};

fuzz_target!(|line: &[u8]| {
    if let Ok(header) = Header::parse(line) {
        assert_eq!(Header::parse(header.line().as_bytes()).as_ref(), Ok(&header));
        let _ = completion(header.first, header.end, u64::MAX);
    }
    if let Ok(entry) = Entry::parse(line) {
        assert_eq!(Entry::parse(entry.line().as_bytes()), Ok(entry));
    }
});
