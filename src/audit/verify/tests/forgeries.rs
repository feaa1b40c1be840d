//! Forgeries that a second verifier, written from the specification alone, judged differently once.

use super::*;

/// The leaf of a line, changed, in its canonical spelling.
fn relabel(line: &str, change: impl FnOnce(&mut Leaf)) -> String {
    edit(line, |entry| {
        let mut leaf = Leaf::parse(entry.leaf.as_bytes()).unwrap();
        change(&mut leaf);
        entry.leaf = String::from_utf8(leaf.encode()).unwrap();
    })
}

/// The lines with the index that each has by its place.
fn renumbered(lines: &[String]) -> Vec<String> {
    let mut numbered = lines.to_vec();
    for (index, line) in (0..).zip(numbered.iter_mut().skip(1)) {
        *line = edit(line, |entry| entry.index = index);
    }
    numbered
}

#[test]
fn a_file_has_one_spelling() {
    let log = Log::open(2).tokens(10);
    let good = text(&log.whole());
    let judge = |bytes: &str| {
        let verdict = verify(bytes.as_bytes(), &vkey(), None).unwrap();
        (verdict.ok, verdict.first_bad_index)
    };
    assert_eq!(judge(&good), (true, None));
    let last = log.size() - 1;
    let unended = good.strip_suffix('\n').unwrap();
    assert_eq!(judge(unended), (false, Some(last)));
    assert_eq!(judge(&format!("{good}\n")), (false, Some(last + 1)));
    assert_eq!(judge(&format!("{unended}\r\n")), (false, Some(last)));
    assert_eq!(judge(&good.replacen("{\"index\":4,", "{\"index\":4, ", 1)), (false, Some(4)));
    assert_eq!(judge(&good.replacen("jti", "\\u006ati", 1)), (false, Some(3)));
    assert_eq!(judge(&good.replacen("mint.example/log", "mint.example\\/log", 1)), (false, None));
    let header = good.split_inclusive('\n').next().unwrap();
    assert_eq!(judge(header.trim_end()), (false, None));
    assert_eq!(judge(""), (false, None));
}

#[test]
fn a_record_brought_in_is_named_and_not_the_one_whose_number_it_bears() {
    let log = Log::open(1).tokens(10);
    for at in 3..10 {
        let good = log.whole();
        // It names the record before it rightly, and bears the number of the one behind it.
        let forged = relabel(&good[1 + at], |leaf| leaf.th = Some(Digest([77; 32])));
        let stray = relabel(&forged, |leaf| leaf.chain = Digest([5; 32]));
        for added in [forged, stray] {
            let mut lines = good.clone();
            lines.insert(1 + at, added);
            assert_eq!(blamed(&lines), Some(at as u64));
            assert_eq!(blamed(&renumbered(&lines)), Some(at as u64));
        }
        let mut doubled = good.clone();
        doubled.insert(1 + at, good[1 + at].clone());
        assert_eq!(blamed(&renumbered(&doubled)), Some(at as u64 + 1));
    }
}

#[test]
fn a_record_that_changed_its_place_in_its_run_is_named() {
    let log = Log::open(1).tokens(10);
    let last = usize::try_from(log.size()).unwrap() - 1;
    for at in [0, 1, 5, last] {
        let mut lines = log.whole();
        lines[1 + at] = relabel(&lines[1 + at], |leaf| leaf.node = "impostor".to_owned());
        assert_eq!(blamed(&lines), Some(at as u64), "node");
    }
    for at in [1, 5, last] {
        for sequence in [0, at as u64 - 1, at as u64 + 1, u64::MAX] {
            let mut lines = log.whole();
            lines[1 + at] = relabel(&lines[1 + at], |leaf| leaf.sequence = sequence);
            assert_eq!(blamed(&lines), Some(at as u64), "sequence {sequence}");
        }
        let mut lines = log.whole();
        lines[1 + at] = relabel(&lines[1 + at], |leaf| leaf.epoch = Epoch([99; 16]));
        assert_eq!(blamed(&lines), Some(at as u64), "epoch");
    }
}

#[test]
fn a_record_has_the_members_of_its_event() {
    let blamed_for = |record: Record| {
        let mut log = Log::open(1);
        log.record(0, record);
        log.record(0, Record::new(EventType::NodeAlive));
        check(&log.whole(), None)
    };
    let issued = Record {
        kid: Some(KEY),
        th: Some(Digest([1; 32])),
        lk: Some(Digest([2; 32])),
        iat: Some(1_795_000_000),
        exp: Some(1_795_000_600),
        ..Record::new(EventType::TokenIssued)
    };
    assert!(blamed_for(issued.clone()).ok);
    let revoked = Record { event: EventType::TokenRevoked, kid: None, th: None, iat: None, ..issued.clone() };
    assert!(blamed_for(revoked.clone()).ok);
    assert!(blamed_for(Record::new(EventType::TokenRevoked)).ok, "all that were issued before some time");
    let unrecorded =
        Record { event: EventType::TokenUnrecorded, lk: None, iat: None, exp: None, ..issued.clone() };
    assert!(blamed_for(unrecorded.clone()).ok);
    for bad in [
        Record { lk: None, ..issued.clone() },
        Record { exp: None, ..issued.clone() },
        Record { event: EventType::TokenRevoked, ..issued.clone() },
        Record { exp: None, ..revoked.clone() },
        Record { lk: None, ..revoked },
        Record { th: None, ..unrecorded },
        Record { event: EventType::KeyRetained, ..issued.clone() },
        Record::new(EventType::KeyRetained),
        Record { event: EventType::NodeAlive, kid: Some(KEY), ..Record::new(EventType::NodeAlive) },
    ] {
        let verdict = blamed_for(bad);
        let reason = "the leaf's members are not those of its event";
        assert_eq!((verdict.first_bad_index, verdict.reason.as_deref()), (Some(2), Some(reason)));
    }
}

#[test]
fn a_body_is_one_line_of_json() {
    for bad in ["", "x", "[]", "{\"a\":1", "{\"a\":\"\u{2028}\"}", "{\"a\":1}\n", "{}\u{7f}"] {
        let mut log = Log::open(1);
        log.record(0, Record::of(EventType::ClientCreated, bad.as_bytes().to_vec()));
        log.record(0, Record::new(EventType::NodeAlive));
        let verdict = check(&log.whole(), None);
        let reason = "the body is not one line of JSON in printable ASCII";
        assert_eq!((verdict.first_bad_index, verdict.reason.as_deref()), (Some(2), Some(reason)), "{bad:?}");
    }
}

#[test]
fn a_key_that_never_signed_comes_to_no_rest() {
    for out in [EventType::KeyRemoved, EventType::KeyPassive] {
        let mut log = Log::open(1);
        log.key(EventType::KeyStaged, NEXT_KEY);
        log.key(out, NEXT_KEY);
        log.issue(0, NEXT_KEY, log.seconds);
        log.record(0, Record::new(EventType::NodeAlive));
        let verdict = check(&log.whole(), None);
        assert_eq!(verdict.reason.as_deref(), Some("the token's key was not active yet"), "{out:?}");
        assert_eq!(verdict.first_bad_index, Some(4));
    }
}

#[test]
fn a_revoked_key_is_not_made_or_brought_in_again() {
    for back in [EventType::KeyStaged, EventType::KeyImported, EventType::KeyPublished] {
        let mut log = Log::open(1);
        log.key(EventType::KeyRevoked, KEY);
        log.key(back, KEY);
        log.record(0, Record::new(EventType::NodeAlive));
        assert_eq!(blamed(&log.whole()), Some(3), "{back:?}");
    }
}

#[test]
fn a_token_ends_after_it_begins() {
    let mut log = Log::open(1).tokens(3);
    log.record(
        0,
        Record {
            kid: Some(KEY),
            th: Some(Digest([1; 32])),
            lk: Some(Digest([2; 32])),
            iat: Some(log.seconds),
            exp: Some(log.seconds),
            ..Record::new(EventType::TokenIssued)
        },
    );
    log.record(0, Record::new(EventType::NodeAlive));
    assert_eq!(blamed(&log.whole()), Some(5));
}
