use proptest::prelude::*;

use super::*;

fn issued() -> (Record, Epoch, Digest) {
    let record = Record {
        event: EventType::TokenIssued,
        kid: Some(Kid(Digest([1; 32]))),
        th: Some(Digest([2; 32])),
        lk: Some(Digest([3; 32])),
        iat: Some(1_795_301_881),
        exp: Some(1_795_302_481),
        body: Some(b"{}".to_vec()),
    };
    (record, Epoch([5; 16]), Digest([4; 32]))
}

fn place<'a>(epoch: &'a Epoch, node: &'a str) -> Place<'a> {
    let ts = Timestamp::from_micros(1_795_301_881_123_456);
    Place { ts, node, epoch, sequence: 18_342, chain: CHAIN_START }
}

#[test]
fn an_issuance_is_this_line() {
    let (record, epoch, bc) = issued();
    let line = encode(&record, &place(&epoch, "node-1"), Some(bc));
    assert_eq!(
        String::from_utf8(line).unwrap(),
        concat!(
            r#"{"v":1,"t":"token.issued","ts":"2026-11-21T22:58:01.123456Z","n":"node-1","#,
            r#""e":"BQUFBQUFBQUFBQUFBQUFBQ","s":18342,"p":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","#,
            r#""kid":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","#,
            r#""th":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI","#,
            r#""lk":"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM","#,
            r#""iat":1795301881,"exp":1795302481,"bc":"BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ"}"#,
        )
    );
}

#[test]
fn members_that_an_event_does_not_have_are_left_out() {
    let (_, epoch, _) = issued();
    let line = encode(&Record::new(EventType::NodeAlive), &place(&epoch, "n"), None);
    let text = String::from_utf8(line.clone()).unwrap();
    assert!(text.ends_with("AAA\"}"), "{text}");
    assert_eq!(Leaf::parse(&line).unwrap().encode(), line);
}

#[test]
fn only_the_canonical_spelling_is_read() {
    let (record, epoch, bc) = issued();
    let line = String::from_utf8(encode(&record, &place(&epoch, "node-1"), Some(bc))).unwrap();
    assert!(Leaf::parse(line.as_bytes()).is_ok());
    let spoilt = [
        line.replace("\"v\":1", "\"v\":2"),
        line.replace("\"v\":1", "\"v\":1.0"),
        line.replace("\"v\":1,", "\"v\":1, "),
        line.replace("\"s\":18342", "\"s\":\"18342\""),
        line.replace("\"s\":18342", "\"s\":018342"),
        line.replace("\"s\":18342", "\"s\":-1"),
        line.replace("\"s\":18342", "\"s\":18342,\"s\":18342"),
        line.replace("token.issued", "token.minted"),
        line.replace("token.issued", "token.issue\\u0064"),
        line.replace("01.123456Z", "01.12345Z"),
        line.replace("01.123456Z", "01.123456+00:00"),
        line.replace("\"iat\":1795301881,\"exp\":1795302481", "\"exp\":1795302481,\"iat\":1795301881"),
        line.replace("\"iat\":1795301881", "\"iat\":null"),
        line.replace('}', ",\"sub\":\"me\"}"),
        line.replace("BAQ\"}", "BAR\"}"),
        line.replace("\"n\":\"node-1\",", ""),
        line.replace("\"n\":\"node-1\"", "\"n\":\"node\\u002d1\""),
        line.replace("\"n\":\"node-1\"", "\"n\":\"node\\/1\""),
        line.replace("\"n\":\"node-1\"", "\"n\":\"node\n\""),
        line.replace("\"n\":\"node-1\"", "\"n\":\"node\\\""),
        line.replace("\"s\":18342", "\"s\":"),
        line.replace("\"s\":18342", "\"s\":18446744073709551616"),
        line.replace("AQE\",\"th\"", "AQEA\",\"th\""),
        line.replace("BQUFBQ\"", "BQUFBR\""),
        format!("{line}\n"),
        format!(" {line}"),
        String::new(),
        "[]".to_owned(),
    ];
    for bad in spoilt {
        assert_eq!(Leaf::parse(bad.as_bytes()), Err(BadLeaf), "{bad}");
    }
}

#[test]
fn hashes_are_separated_by_their_purpose() {
    assert_eq!(token_hash(b"a.b"), Digest::of(&[b"mintmark/token/v1\na.b"]));
    assert_eq!(jti_hash("https://i", "j"), Digest::of(&[b"mintmark/jti/v1\nhttps://i\nj"]));
    let mut input = b"mintmark/body/v1\n".to_vec();
    input.extend([9; 32]);
    input.extend(b"{}");
    assert_eq!(body_commitment(&[9; 32], b"{}"), Digest::of(&[&input]));
    let mut input = b"mintmark/chain/v1\n".to_vec();
    input.extend([0; 32]);
    input.extend([7; 32]);
    assert_eq!(chain_next(CHAIN_START, Digest([7; 32])), Digest::of(&[&input]));
}

fn any_digest() -> impl Strategy<Value = Option<Digest>> {
    proptest::option::of(any::<[u8; 32]>().prop_map(Digest))
}

proptest! {
    #[test]
    fn whatever_is_recorded_reads_back(
        event in proptest::sample::select(EventType::ALL),
        digests in (any_digest(), any_digest(), any_digest(), any_digest()),
        numbers in (any::<Option<u64>>(), any::<Option<u64>>(), any::<u64>()),
        micros in 0..=Timestamp::MAX.micros(),
        node in any::<String>(),
        epoch in any::<[u8; 16]>(),
        chain in any::<[u8; 32]>(),
    ) {
        let (kid, th, lk, bc) = digests;
        let (iat, exp, sequence) = numbers;
        let record = Record { event, kid: kid.map(Kid), th, lk, iat, exp, body: None };
        let epoch = Epoch(epoch);
        let ts = Timestamp::from_micros(micros);
        let place = Place { ts, node: &node, epoch: &epoch, sequence, chain: Digest(chain) };
        let line = encode(&record, &place, bc);
        prop_assert!(!line.contains(&b'\n'));
        let escaped = format!("\"n\":{},", serde_json::to_string(&node).unwrap());
        let text = String::from_utf8(line.clone()).unwrap();
        prop_assert!(text.contains(&escaped));
        let leaf = Leaf::parse(&line).unwrap();
        prop_assert_eq!(leaf.encode(), line);
        prop_assert_eq!((leaf.ts, leaf.node, leaf.sequence, leaf.bc), (ts, node, sequence, bc));
    }

    #[test]
    fn one_changed_byte_is_never_the_same_leaf(at in 0_usize..400, flip in 1_u8..=255) {
        let (record, epoch, bc) = issued();
        let mut line = encode(&record, &place(&epoch, "node-1"), Some(bc));
        let good = Leaf::parse(&line).unwrap();
        let at = at % line.len();
        line[at] ^= flip;
        if let Ok(read) = Leaf::parse(&line) {
            prop_assert_ne!(&read, &good);
            prop_assert_eq!(read.encode(), line);
        }
    }

    #[test]
    fn no_input_makes_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Leaf::parse(&bytes);
    }
}
