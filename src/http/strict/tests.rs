//! What is refused, in whichever pieces it comes, and that nothing sound is.

use proptest::prelude::*;

use super::*;

/// Where the first byte stands that breaks a rule, when the bytes come in pieces of this size.
fn breach(bytes: &[u8], piece: usize) -> Option<usize> {
    let (mut reading, mut before) = (Reading::Preface(0), 0);
    for bytes in bytes.chunks(piece) {
        if let Some(at) = reading.breach(bytes) {
            return Some(before + at);
        }
        before += bytes.len();
    }
    None
}

/// A request with these header lines and this body.
fn post(headers: &str, body: &str) -> String {
    format!("POST /oauth2/token HTTP/1.1\r\nhost: a\r\n{headers}\r\n{body}")
}

const CHUNKED: &str = "transfer-encoding: chunked\r\n";

#[test]
fn what_can_be_read_in_two_ways_is_refused_before_it_ends() {
    let after = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let bad = [
        post("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
        post("content-length: 5\r\ncontent-length: 5\r\n", "hello"),
        post("content-length: 5\r\ncontent-length: 6\r\n", "hello"),
        post("content-length: 5, 5\r\n", "hello"),
        post("content-length: +5\r\n", "hello"),
        post("content-length:  5\r\n", "hello"),
        post("content-length: 5 \r\n", "hello"),
        post("content-length: 0x5\r\n", "hello"),
        post("content-length: -1\r\n", ""),
        post("content-length:\r\n", ""),
        post("content-length: 99999999999999999999\r\n", ""),
        post("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
        post("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", "0\r\n\r\n"),
        post("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        post("transfer-encoding: xchunked\r\n", "0\r\n\r\n"),
        post("x: a\r\n folded: b\r\n", ""),
        post("x: a\r\n\tfolded: b\r\n", ""),
        post("x: a\n", ""),
        post("x: a\rb\r\n", ""),
        post("x: a\0b\r\n", ""),
        post("x: a\x0bb\r\n", ""),
        post("x: a\x7fb\r\n", ""),
        post("host: b\r\n", ""),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\n\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: a\r\n\n".to_owned(),
        post(CHUNKED, "5;x=y\r\nhello\r\n0\r\n\r\n"),
        post(CHUNKED, "5 \r\nhello\r\n0\r\n\r\n"),
        post(CHUNKED, " 5\r\nhello\r\n0\r\n\r\n"),
        post(CHUNKED, "+5\r\nhello\r\n0\r\n\r\n"),
        post(CHUNKED, "0x5\r\nhello\r\n0\r\n\r\n"),
        post(CHUNKED, "\r\nhello\r\n0\r\n\r\n"),
        post(CHUNKED, "000000005\r\nhello\r\n0\r\n\r\n"),
        post(CHUNKED, "5\nhello\r\n0\r\n\r\n"),
        post(CHUNKED, "5\r\nhelloo\r\n0\r\n\r\n"),
        post(CHUNKED, "5\r\nhello0\r\n\r\n"),
        post(CHUNKED, "0\r\ntrailer: x\r\n\r\n"),
        post(CHUNKED, "0\r\nGET /smuggled HTTP/1.1\r\n"),
    ];
    for request in bad {
        let whole = request.len();
        let bytes = [request.as_bytes(), after.as_bytes()].concat();
        let at = breach(&bytes, bytes.len()).unwrap_or_else(|| panic!("{request:?} passed"));
        assert!(at < whole, "{request:?} is refused at {at}, in the next request");
        for piece in 1..8 {
            assert_eq!(breach(&bytes, piece), Some(at), "{request:?} in pieces of {piece}");
        }
    }
}

#[test]
fn what_is_sound_passes_one_behind_the_other() {
    let sound = [
        post("", ""),
        post("content-length: 5\r\n", "hello"),
        post("Content-Length:5\r\n", "\r\n\0\r\n"),
        post("content-length: 0\r\n", ""),
        post("Transfer-Encoding:  Chunked \r\n", "5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"),
        post(CHUNKED, "0\r\n\r\n"),
        post(&format!("x: {}\r\nauthorization: Basic YTpi\r\n", "y".repeat(9_000)), ""),
        post(&format!("{}: y\r\n", "x".repeat(200)), ""),
        post("x:\ta\tb\r\ny: \u{fc}\r\n", ""),
        format!("\r\nGET /{} HTTP/1.1\r\nHOST: a\r\n\r\n", "p".repeat(3_000)),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "PRI / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
    ];
    for (request, next) in sound.iter().zip(sound.iter().cycle().skip(1)) {
        let bytes = format!("{request}{next}{request}");
        for piece in [1, 2, 3, 7, 64, bytes.len()] {
            assert_eq!(breach(bytes.as_bytes(), piece), None, "{bytes:?} in pieces of {piece}");
        }
    }
}

#[test]
fn frames_pass_as_they_are() {
    let bytes = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0, b'\n', 0, b'\r', 0x7f]].concat();
    for piece in [1, 5, 24, 25, bytes.len()] {
        assert_eq!(breach(&bytes, piece), None);
    }
    let almost = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\n";
    assert_eq!(breach(almost, 1), Some(almost.len() - 1), "it is read as HTTP/1");
}

proptest! {
    #[test]
    fn pieces_change_nothing(
        parts in prop::collection::vec(prop::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST /x HTTP/1.0\r\n", "host: a\r\n", "content-length: 3\r\n", CHUNKED,
            "\r\n", "\n", "\r", "\0", " ", "3\r\n", "abc", "0\r\n", ";", "PRI * HTTP/2.0\r\n", "SM\r\n",
        ]), 0..24),
        piece in 1_usize..40,
    ) {
        let bytes = parts.concat();
        prop_assert_eq!(breach(bytes.as_bytes(), piece), breach(bytes.as_bytes(), bytes.len().max(1)));
    }

    #[test]
    fn any_body_that_is_framed_well_passes(
        bodies in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 1..6),
        piece in 1_usize..300,
    ) {
        let mut bytes = Vec::new();
        for (chunked, body) in bodies {
            if chunked {
                bytes.extend(post(CHUNKED, "").into_bytes());
                for chunk in body.chunks(17) {
                    bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            } else {
                bytes.extend(post(&format!("content-length: {}\r\n", body.len()), "").into_bytes());
                bytes.extend(body);
            }
        }
        prop_assert_eq!(breach(&bytes, piece), None);
    }
}
