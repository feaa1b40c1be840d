//! Every event with the bytes of its leaf and its body, and every proof.

use std::collections::BTreeSet;

use mintmark::audit::event::EventType;
use mintmark::audit::leaf::Leaf;

use super::{assert_shown, text_of};

/// Events whose records have nothing to say but that they happened.
const BODILESS: [EventType; 2] = [EventType::NodeAlive, EventType::NodeStopped];

#[test]
fn every_event_is_shown_with_the_bytes_of_leaf_and_body() {
    let text = text_of("audit");
    let lines: Vec<_> = text.lines().collect();
    let shown: BTreeSet<&str> = lines
        .windows(2)
        .filter_map(|pair| {
            let leaf = pair[0].strip_prefix("  leaf  ")?;
            let event = Leaf::parse(leaf.as_bytes()).expect("a leaf").event;
            (pair[1].starts_with("  body  ") || BODILESS.contains(&event)).then_some(event.as_str())
        })
        .collect();
    let rows = EventType::ALL.iter().map(|event| event.as_str());
    assert_shown(
        "events",
        rows,
        |event| shown.contains(event),
        &[("audit.gap", "it is for several nodes with one log, and this version has one")],
    );
}

#[test]
fn every_proof_is_shown() {
    let text = text_of("audit");
    let proofs = [
        ("a checkpoint", "> GET /log/checkpoint"),
        ("the key that signs it", "> GET /log/vkey"),
        ("a receipt, which holds an inclusion proof", "> GET /log/proof?jti="),
        ("a consistency proof", "is the beginning of that of"),
        ("an export", "GET /admin/v1/audit/export   "),
        ("what the verifier says of it", "verdict  {\"ok\":true"),
    ];
    assert_shown("proofs", proofs, |(_, shown)| text.contains(shown), &[]);
}
