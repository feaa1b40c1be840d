//! What the trees of stories are good for: each golden is understood, nothing of it is lost, and a difference is
//! told as a person would.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::story::telling::tell;
use super::story::told::Told;
use super::story::{BREAKS_OFF, of_snapshot, read, reasons};
use super::{files, root};

/// A piece of a story, as the harness tells one.
const STORY: &str = r#"What it shows.

setting MINTMARK_TOKENS__LIFETIME=10m

resource https://orders.example.com ES256
client reader scope "orders:read"

=== +14d = 2026-12-06T12:00:00Z ===

> POST /oauth2/token
> content-type: application/x-www-form-urlencoded
>
> grant_type=client_credentials&scope=a

< 200 OK
< content-length: 545
<
< {"token_type":"Bearer","expires_in":600}

  token
  signature: verified with ES256-1 of the JWKS
  header  {"typ":"at+jwt","alg":"ES256"}
  claims
    iss  "https://auth.example.com"
    iat  1795348800                  = now = 2026-11-22T12:00:00Z
    exp  1795349400                  = iat + 600 = 2026-11-22T12:10:00Z

  log 11  token.issued
    {"aud":"https://orders.example.com","scope":"orders:read"}

> POST /oauth2/token
>
> grant_type=client_credentials&scope=b

< 400 Bad Request
<
< {"error":"invalid_scope"}

$ mintmark key list
ES256

a line
exit 0

The transitions of 15d, one a row:

  time                        key      from -> to           reason  signs
  +0s   2026-11-22T12:00:00Z  ES256-2  - -> published       age     ES256-1
  +1d   2026-11-23T12:00:00Z  ES256-2  published -> active  age     ES256-2"#;

/// The goldens by their cases.
fn goldens() -> Vec<(String, String)> {
    let folder = root().join("current");
    let stories = files(&folder).into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.strip_prefix(&folder).unwrap().display().to_string(), of_snapshot(&text).to_owned())
    });
    stories.collect()
}

#[test]
fn places_have_the_pointers_that_a_person_guesses() {
    let story = read(STORY);
    for (pointer, value) in [
        ("/settings/MINTMARK_TOKENS__LIFETIME", "10m"),
        ("/policy/client reader", " scope \"orders:read\""),
        ("/+14d/time", "2026-12-06T12:00:00Z"),
        ("/+14d/POST ~1oauth2~1token/request/body", "grant_type=client_credentials&scope=a"),
        ("/+14d/POST ~1oauth2~1token/answer/status", "200 OK"),
        ("/+14d/POST ~1oauth2~1token/token/header/alg", "ES256"),
        ("/+14d/POST ~1oauth2~1token/token/claims/iss", "https://auth.example.com"),
        ("/+14d/POST ~1oauth2~1token/log/0/body/scope", "orders:read"),
        ("/+14d/POST ~1oauth2~1token #2/answer/status", "400 Bad Request"),
        ("/+14d/POST ~1oauth2~1token #2/answer/body/error", "invalid_scope"),
        ("/+14d/The transitions of 15d, one a row:/rows/ES256-2 published -> active/time", "+1d"),
        ("/+14d/The transitions of 15d, one a row:/spans/published ahead", "1d"),
        ("/+14d/$ mintmark key list/output/2", "a line"),
    ] {
        assert_eq!(
            story.pointer(pointer).and_then(|found| found.as_str()),
            Some(value),
            "{pointer}: {story:#}"
        );
    }
    let token = "/+14d/POST ~1oauth2~1token/token";
    assert_eq!(story.pointer(&format!("{token}/claims/exp")).unwrap(), 1_795_349_400);
    assert_eq!(story.pointer(&format!("{token}/exp - iat")).unwrap(), 600);
}

/// What only follows from something else is not told beside it; alone it is.
#[test]
fn hashes_are_told_where_nothing_else_is() {
    let leaf = |p: &str, bc: &str, body: &str| {
        format!(
            "entry 3\n  leaf  {{\"v\":1,\"t\":\"a.b\",\"p\":\"{p}\",\"bc\":\"{bc}\"}}\n  body  {body}\n  salt  s"
        )
    };
    let old = leaf("p1", "b1", "{\"n\":1}");
    let told = |new: &str| tell(&old, new);
    assert_eq!(told(&leaf("p2", "b1", "{\"n\":1}")).len(), 1);
    let body = told(&leaf("p2", "b2", "{\"n\":2}"));
    assert_eq!(body, ["log records of a.b: member `n` 1 -> 2"]);
    let alone = told(&leaf("p1", "b2", "{\"n\":1}"));
    assert_eq!(alone, ["leaves of a.b: member `bc` is another"]);
}

#[test]
fn of_a_story_that_breaks_off_the_reason_is_told() {
    let old = "=== +0s = 2026-11-22T12:00:00Z ===\n\n> GET /a\n\n< 200 OK\n\n> GET /b\n\n< 200 OK";
    let (first, _) = old.split_once("\n\n> GET /b").unwrap();
    let new = format!("{first}\n\n{BREAKS_OFF}\nthe token does not verify: typ is not at+jwt");
    assert_eq!(tell(old, &new), ["the story breaks off: the token does not verify: typ is not at+jwt"]);
    let other = new.replace("200 OK", "201 Created");
    assert_eq!(tell(old, &other).len(), 2, "{:?}", tell(old, &other));
}

/// Each line of each golden counts: without it, twice, or with one character more the tree is another one.
/// So is it where two lines change their places.
#[test]
fn no_two_stories_have_one_tree() {
    for (case, story) in goldens() {
        let tree = read(&story);
        let lines: Vec<&str> = story.lines().collect();
        // Long stories repeat themselves; a part of their lines shows as much.
        for at in (0..lines.len()).step_by(lines.len() / 12 + 1) {
            let with = |change: &dyn Fn(&mut Vec<String>)| {
                let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
                change(&mut lines);
                lines.join("\n")
            };
            let changed = [
                with(&|lines| drop(lines.remove(at))),
                with(&|lines| lines.insert(at, lines[at].clone())),
                with(&|lines| lines[at].push('x')),
                with(&|lines| lines[at].push(' ')),
                with(&|lines| lines[at].insert(0, ' ')),
                with(&|lines| lines[at] = lines[at].chars().skip(1).collect()),
                with(&|lines| {
                    let next = (at + 1).min(lines.len() - 1);
                    lines.swap(at, next);
                }),
            ];
            for (kind, other) in changed.iter().enumerate() {
                let same = other.trim_matches('\n') == story;
                assert!(same || read(other) != tree, "{case}:{at}, change {kind}: {}", lines[at]);
            }
        }
    }
}

/// What has a form is taken apart in every golden: no request, answer, token or record is left as its lines.
#[test]
fn every_golden_is_understood() {
    let mut as_lines = Vec::new();
    for (case, story) in goldens() {
        assert!(!story.contains(BREAKS_OFF), "{case} breaks off: no golden does");
        let tree = read(&story);
        let mut places = BTreeSet::new();
        collect(&tree, &mut String::new(), &mut places);
        // What commands print is no exchange of the story.
        places.retain(|place| !place.contains("/output/"));
        let count = |part: &str| places.iter().filter(|place| place.ends_with(part)).count();
        let said = |mark: &str| story.split("\n\n").filter(|part| part.starts_with(mark)).count();
        assert_eq!(count("/request"), said("> "), "{case}");
        assert_eq!(count("/answer/status"), said("< "), "{case}");
        assert_eq!(count("/token/claims"), said("  token\n"), "{case}");
        assert_eq!(count("/event"), said("  log "), "{case}");
        assert_eq!(count("/exit"), said("$ "), "{case}");
        // Texts, and what is told of mishaps.
        let known = [
            "/story/lines",
            "The schedule alone",
            "A token ",
            "/rotate",
            "toml:",
            "/./goldens/",
            "the copy is put back",
            "the log is reopened",
            "the service starts again",
            "the service ends",
            "somebody signs this",
            "audit/export",
            "proven by",
        ];
        let left = places.into_iter().filter(|place| place.ends_with("/lines"));
        let left = left.filter(|place| !known.iter().any(|known| place.contains(known)));
        as_lines.extend(left.map(|place| format!("{case}: {place}")));
    }
    assert!(as_lines.is_empty(), "these are left as their lines: {as_lines:#?}");
}

fn collect(value: &serde_json::Value, here: &mut String, places: &mut BTreeSet<String>) {
    let children: Vec<(String, &serde_json::Value)> = match value {
        serde_json::Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        serde_json::Value::Array(list) => {
            list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        _ => return,
    };
    for (name, child) in children {
        let length = here.len();
        here.push('/');
        here.push_str(&name);
        places.insert(here.clone());
        collect(child, here, places);
        here.truncate(length);
    }
}

#[test]
fn a_difference_is_told_in_the_words_of_a_user() {
    let told = |pairs: &[(&str, &str)]| {
        let new = pairs.iter().fold(STORY.to_owned(), |text, (old, new)| {
            assert!(text.contains(old), "{old}");
            text.replace(old, new)
        });
        tell(STORY, &new)
    };
    let shorter = [
        (
            "1795349400                  = iat + 600 = 2026-11-22T12:10:00Z",
            "1795349100                  = iat + 300 = 2026-11-22T12:05:00Z",
        ),
        ("\"expires_in\":600", "\"expires_in\":300"),
    ];
    assert_eq!(
        told(&shorter),
        [
            "answers of `POST /oauth2/token`: member `expires_in` 600 -> 300",
            "access tokens of client_credentials: `exp - iat` 600 -> 300"
        ]
    );
    for (old, new, sentence) in [
        ("400 Bad Request", "401 Unauthorized", "error invalid_scope: status 400 -> 401"),
        ("\"at+jwt\"", "\"JWT\"", "access tokens of client_credentials: header `typ` at+jwt -> JWT"),
        (
            "\"aud\":\"https://orders.example.com\",",
            "",
            "log records of token.issued: member `aud` is gone (was https://orders.example.com)",
        ),
        ("  +1d   2026", "  +2d   2026", "keys are published 1d -> 2d ahead"),
        ("exit 0", "exit 2", "`$ mintmark key list`: exit code 0 -> 2"),
        (
            "{\"typ\":\"at+jwt\",\"alg\":\"ES256\"}",
            "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}",
            "access tokens of client_credentials: the header's members come in another order",
        ),
    ] {
        assert_eq!(told(&[(old, new)])[0], sentence);
    }
    assert_eq!(told(&[]), [""; 0]);
}

#[test]
fn a_line_of_changes_names_its_cases() {
    let changes = "# Changes\n\n- one: `token/a`\n- two: `audit/*`\n\n## 0.1.0\n\n- old: `errors/b`\n";
    let since = reasons::lines(changes, Some("0.1.0"));
    assert_eq!(since.len(), 2);
    let named = ["token/a", "audit/b", "token/b", "errors/b"].map(|case| reasons::name(case, &since));
    assert_eq!(named, [true, true, false, false]);
    assert!(reasons::name("errors/b", &reasons::lines(changes, None)));
}

#[test]
fn what_many_goldens_have_in_common_is_told_once() {
    let mut told = Told::default();
    for (sentence, case) in [("one", "token/a"), ("all", "token/b"), ("all", "token/a"), ("all", "audit/c")] {
        told.add(sentence.to_owned(), case);
    }
    assert_eq!(told.cases(), 3);
    assert_eq!(told.text(), "all\n    audit/c, token/a, token/b\none\n    token/a\n");
}

/// Lines that mean something to the reader, in any company.
const LINES: [&str; 30] = [
    "",
    "=== +0s = now ===",
    "=== +0s ===",
    "> GET /a",
    "> a: b",
    ">",
    "< 200 OK",
    "< a: b",
    "<",
    "< {\"a\":1}",
    "  token",
    "  signature: verified",
    "  header  {\"a\":1}",
    "  claims",
    "    iat  1  = now",
    "  log 1  a.b",
    "    {\"a\":1}",
    "    text",
    "$ mintmark",
    "exit 0",
    "! error",
    "| typed",
    "entry 1",
    "  leaf  {\"a\":1}",
    "setting A=b",
    "client a b",
    "  time  key",
    "  +0s   K-1",
    "verdict  {\"a\":1}",
    "prose",
];

fn story_of(lines: &[usize]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| LINES[*line]).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// Whatever the lines are, another line, one more or one less is another tree.
    #[test]
    fn no_two_texts_have_one_tree(
        mut lines in prop::collection::vec(0..LINES.len(), 1..9),
        at in any::<prop::sample::Index>(),
        other in 0..LINES.len(),
        act in 0..4,
    ) {
        let story = story_of(&lines);
        let at = at.index(lines.len());
        match act {
            0 => lines[at] = other,
            1 => lines.insert(at, other),
            2 => drop(lines.remove(at)),
            _ => lines.swap(0, at),
        }
        let changed = story_of(&lines);
        prop_assert_eq!(read(&story) == read(&changed), story == changed, "{:?}\n{:?}\n{:#}", story, changed, read(&story));
    }
}
