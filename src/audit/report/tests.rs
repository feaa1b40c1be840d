use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::audit::leaf::{CHAIN_START, Epoch, Place, Record, body_commitment, encode};
use crate::digest::Digest;
use crate::jose::Kid;

const SALT: [u8; 32] = [9; 32];

/// An entry of `event` at that second, with a body or where one was.
fn entry(index: u64, event: EventType, seconds: u64, body: Option<Value>, kept: bool) -> Entry {
    let body = body.map(|body| body.to_string());
    let kid = event.as_str().starts_with("key.") || event == EventType::TokenIssued;
    let record = Record { kid: kid.then_some(Kid(Digest([1; 32]))), ..Record::new(event) };
    let place = Place {
        ts: Timestamp::from_seconds(seconds),
        node: "node-1",
        epoch: &Epoch([1; 16]),
        sequence: index,
        chain: CHAIN_START,
    };
    let bc = body.as_ref().map(|body| body_commitment(&SALT, body.as_bytes()));
    let leaf = String::from_utf8(encode(&record, &place, bc)).unwrap();
    let body = body.filter(|_| kept);
    let salt = body.is_some().then_some(SALT);
    Entry { index, leaf, body, salt }
}

fn token(client: &str, scope: &str) -> Value {
    json!({ "client_id": client, "sub": client, "scope": scope, "jti": "j", "policy_version": 3 })
}

fn refusal(client: Option<&str>, reason: &str, count: u64) -> Value {
    json!({ "client_id": client, "reason": reason, "scope": null, "resource": null, "count": count })
}

fn report(entries: &[Entry], period: Period) -> Report {
    let mut tally = Tally::of(period);
    for entry in entries {
        tally.add(entry);
    }
    tally.report("mint.example/log", Some(0..entries.len() as u64), 0, None)
}

fn named<F: Copy>(top: &Top<F>) -> Vec<(&str, F)> {
    top.items.iter().map(|item| (item.name.as_str(), item.figure)).collect()
}

#[test]
fn tokens_and_refusals_are_counted_by_client_scope_key_and_reason() {
    let entries = [
        entry(0, EventType::TokenIssued, 10, Some(token("a", "read write")), true),
        entry(1, EventType::TokenIssued, 11, Some(token("b", "read")), true),
        entry(2, EventType::TokenDenied, 12, Some(refusal(Some("b"), "rate_limited", 1)), true),
        entry(3, EventType::TokenDenied, 13, Some(refusal(Some("b"), "rate_limited", 41)), true),
        entry(4, EventType::TokenDenied, 14, Some(refusal(None, "invalid_client", 7)), true),
    ];
    let report = report(&entries, Period::default());
    assert_eq!(report.issued, IssuedTokens { count: 2, without_body: 0 });
    assert_eq!(report.denied, Refusals { count: 49, anonymous: 7, records: 3, without_body: 0 });
    let outcome = |issued, denied| Outcome { issued, denied };
    assert_eq!(named(&report.clients), [("b", outcome(1, 42)), ("a", outcome(1, 0))]);
    assert_eq!(named(&report.scopes), [("read", outcome(2, 0)), ("write", outcome(1, 0))]);
    let key = Kid(Digest([1; 32])).to_string();
    assert_eq!(named(&report.keys), [(key.as_str(), Issued { issued: 2 })]);
    assert_eq!(
        named(&report.reasons),
        [("rate_limited", Denied { denied: 42 }), ("invalid_client", Denied { denied: 7 })]
    );
    assert_eq!((report.entries.first_at, report.entries.last_at), (Some(10), Some(14)));
}

#[test]
fn what_a_body_no_longer_tells_is_counted_and_not_guessed() {
    let entries = [
        entry(0, EventType::TokenIssued, 10, Some(token("a", "read")), false),
        entry(1, EventType::TokenDenied, 11, Some(refusal(Some("a"), "rate_limited", 41)), false),
        entry(2, EventType::ClientDisabled, 12, Some(json!({ "actor": "unix:0", "object": "a" })), false),
        entry(3, EventType::AuditRead, 13, Some(json!({ "actor": "unix:7" })), false),
        entry(4, EventType::TokenIssued, 14, Some(json!("no object")), true),
        entry(5, EventType::TokenDenied, 15, Some(json!({ "reason": "rate_limited" })), true),
        entry(6, EventType::NodeStopped, 16, None, true),
    ];
    let report = report(&entries, Period::default());
    assert_eq!(report.issued, IssuedTokens { count: 2, without_body: 2 });
    assert_eq!(report.denied, Refusals { count: 0, anonymous: 0, records: 2, without_body: 2 });
    assert_eq!(report.bodies, Bodies { there: 1, gone: 4, unreadable: 1 });
    assert!(
        report.clients.items.is_empty() && report.scopes.items.is_empty() && report.reasons.items.is_empty()
    );
    assert_eq!(report.keys.items[0].figure, Issued { issued: 2 }, "the leaf tells the key");
    let act = &report.acts.items[0];
    assert_eq!((act.event, act.actor.as_ref(), act.without_body), ("client.disabled", None, true));
    assert_eq!(named(&report.readers), [("", Readings { read: 1, exported: 0, erased: 0 })]);
    assert!(!report.runs.items[0].without_body, "it never had one");
    let issued = report.events.iter().find(|seen| seen.event == "token.issued");
    assert_eq!(issued, Some(&EventCount { event: "token.issued", count: 2, without_body: 1 }));
}

#[test]
fn a_damaged_count_is_not_too_much() {
    let most = || Some(refusal(Some("a"), "rate_limited", u64::MAX));
    let entries = [0, 1].map(|index| entry(index, EventType::TokenDenied, 10, most(), true));
    let report = report(&entries, Period::default());
    assert_eq!((report.denied.count, report.clients.items[0].figure.denied), (u64::MAX, u64::MAX));
}

#[test]
fn the_period_is_that_of_the_leaves() {
    let at = |seconds| Some(Timestamp::from_seconds(seconds));
    let entries: Vec<_> = [9, 10, 30, 20, 21]
        .iter()
        .zip(0..)
        .map(|(&seconds, index)| entry(index, EventType::NodeAlive, seconds, None, true))
        .collect();
    let told = report(&entries, Period { from: at(10), to: at(20) });
    assert_eq!((told.entries.count, told.entries.outside_period), (2, 3));
    assert_eq!((told.from, told.to), (Some(10), Some(20)));
    let damaged = Entry { index: 0, leaf: "{}".to_owned(), body: None, salt: None };
    assert_eq!(report(&[damaged], Period::default()).entries.unreadable, 1);
}

#[test]
fn names_and_acts_are_bounded_and_nothing_is_lost() {
    let long = "x".repeat(10_000);
    let mut names = Names::default();
    for number in 0..12_000_u64 {
        names.add(&format!("{number:05}{long}"), Issued { issued: 1 + number % 2 });
    }
    let top = names.top();
    assert_eq!((top.items.len(), top.more), (1_000, 9_000));
    assert_eq!(top.items.iter().map(|item| item.figure.issued).sum::<u64>() + top.rest.issued, 18_000);
    assert!(top.items.iter().all(|item| item.name.len() == 200 && item.figure.issued == 2));
    let acts: Vec<_> = (0..1_500)
        .map(|index| entry(index, EventType::ClientCreated, index, Some(json!({ "object": long })), true))
        .collect();
    let report = report(&acts, Period::default());
    assert_eq!((report.acts.items.len(), report.acts.more), (1_000, 500));
    assert_eq!((report.acts.items[999].index, report.entries.count), (999, 1_500));
    assert_eq!(report.acts.items[0].object.as_ref().unwrap().len(), 200);
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let body = (0..4_u8, 0..4_u8, any::<bool>(), 1..9_u64);
    let events = prop::sample::select(EventType::ALL);
    prop::collection::vec((events, 0..100_u64, body, any::<bool>()), 0..60).prop_map(|drawn| {
        let made = drawn.into_iter().zip(0..).map(|((event, seconds, body, kept), index)| {
            let (client, scope, known, count) = body;
            let body = json!({
                "client_id": known.then(|| format!("c{client}")), "scope": format!("s{scope} s0"),
                "reason": format!("r{scope}"), "count": count, "actor": format!("unix:{client}"),
            });
            entry(index, event, seconds, Some(body).filter(|_| client > 0), kept)
        });
        made.collect()
    })
}

/// Every figure of a report as a number, by its path, those of a list by the name in it.
fn figures(report: &Report) -> BTreeMap<String, u64> {
    fn walk(path: &str, value: &Value, found: &mut BTreeMap<String, u64>) {
        match value {
            Value::Number(number) => *found.entry(path.to_owned()).or_default() += number.as_u64().unwrap(),
            Value::Object(members) => {
                for (name, value) in members {
                    walk(&format!("{path}/{name}"), value, found);
                }
            }
            Value::Array(items) => {
                for item in items {
                    let name = [&item["name"], &item["event"]].into_iter().find_map(Value::as_str).unwrap();
                    walk(&format!("{path}/{name}"), item, found);
                }
                *found.entry(format!("{path}/length of acts")).or_default() +=
                    items.iter().filter(|item| item.get("at").is_some()).count() as u64;
            }
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    let mut report = json!(report);
    for end in ["first", "end", "first_at", "last_at"] {
        report["entries"][end].take();
    }
    report["from"].take();
    report["to"].take();
    let mut found = BTreeMap::new();
    walk("", &report, &mut found);
    found.retain(|_, figure| *figure > 0);
    found
}

proptest! {
    #[test]
    fn the_parts_of_a_range_add_up_to_the_whole(
        entries in entries(), cut: prop::sample::Index, from in 0..100_u64, length in 0..100_u64,
    ) {
        let period = Period {
            from: Some(Timestamp::from_seconds(from)),
            to: Some(Timestamp::from_seconds(from + length)),
        };
        let (first, second) = entries.split_at(cut.index(entries.len() + 1));
        let mut sum = figures(&report(first, period));
        for (path, figure) in figures(&report(second, period)) {
            *sum.entry(path).or_default() += figure;
        }
        prop_assert_eq!(sum, figures(&report(&entries, period)));
    }

    #[test]
    fn no_entry_makes_it_panic(leaf in ".{0,60}", body in ".{0,60}", event in prop::sample::select(EventType::ALL)) {
        let mut odd = entry(0, event, 1, Some(json!(0)), true);
        odd.body = Some(body);
        let report = report(&[odd, Entry { index: 1, leaf, body: None, salt: None }], Period::default());
        prop_assert_eq!((report.entries.count, report.entries.unreadable), (1, 1));
    }
}
