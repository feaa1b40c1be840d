//! The log as auditors read it.

use serde_json::json;

use super::{client_id, jti};
use crate::audit::event::EventType;
use crate::http::openapi::words::{
    Form, any_text, count, either, list, named, object, one_of, only, open, or_null, text, truth,
    unix_seconds, whole,
};

fn at() -> Form {
    or_null(unix_seconds())
}

fn event() -> Form {
    one_of(EventType::ALL.iter().map(|event| event.as_str()))
}

fn entry() -> Form {
    whole([
        ("index", count()),
        ("leaf", open([], [])),
        ("body", or_null(open([], []))),
        ("salt", or_null(any_text())),
    ])
}

fn verdict() -> Form {
    whole([
        ("ok", truth()),
        ("size", or_null(count())),
        ("root_hash", or_null(any_text())),
        ("entries", count()),
        ("first_bad_index", or_null(count())),
        ("reason", or_null(any_text())),
        ("not_checked", list(any_text(), None)),
    ])
}

/// Names with figures, the greatest first; the others summed up.
fn top(figures: &[&'static str]) -> Form {
    let figures = || figures.iter().map(|figure| (*figure, count()));
    let item = whole([("name", any_text())].into_iter().chain(figures()));
    whole([("items", list(item, None)), ("more", count()), ("rest", whole(figures()))])
}

fn acts() -> Form {
    let act = object(
        [("index", count()), ("at", unix_seconds()), ("event", event()), ("node", any_text())],
        [
            ("actor", any_text()),
            ("object", any_text()),
            ("kid", any_text()),
            ("reason", any_text()),
            ("since", unix_seconds()),
            ("before", any_text()),
            ("after", any_text()),
            ("without_body", truth()),
        ],
    );
    whole([("items", list(act, None)), ("more", count())])
}

fn report() -> Form {
    let counted = |names: &[&'static str]| whole(names.iter().map(|name| (*name, count())));
    let entries = whole([
        ("first", or_null(count())),
        ("end", or_null(count())),
        ("count", count()),
        ("outside_period", count()),
        ("unreadable", count()),
        ("newer", count()),
        ("first_at", at()),
        ("last_at", at()),
    ]);
    let events = whole([("event", event()), ("count", count()), ("without_body", count())]);
    whole([
        ("origin", any_text()),
        ("from", at()),
        ("to", at()),
        ("entries", entries),
        ("verification", or_null(named("Verdict"))),
        ("issued", counted(&["count", "without_body"])),
        ("denied", counted(&["count", "anonymous", "records", "without_body"])),
        ("clients", top(&["issued", "denied"])),
        ("scopes", top(&["issued", "denied"])),
        ("keys", top(&["issued"])),
        ("reasons", top(&["denied"])),
        ("acts", named("Acts")),
        ("key_changes", named("Acts")),
        ("readers", top(&["read", "exported", "erased"])),
        ("readings", named("Acts")),
        ("runs", named("Acts")),
        ("incidents", named("Acts")),
        ("events", list(events, None)),
        ("bodies", counted(&["there", "gone", "unreadable"])),
    ])
}

fn revoke_tokens() -> Form {
    let before = || either([unix_seconds(), only(&json!("now"))]);
    either([
        object([("jti", any_text())], []),
        object([("issued_before", before())], [("client_id", or_null(any_text()))]),
    ])
}

fn revoked_tokens() -> Form {
    either([
        whole([("jti", jti()), ("client_id", or_null(client_id())), ("exp", unix_seconds())]),
        whole([("client_id", or_null(client_id())), ("issued_before", unix_seconds())]),
    ])
}

pub(super) fn components() -> Vec<(&'static str, Form)> {
    let name = || text("^", 1, 65_536);
    let found = one_of(["issued", "pending", "forged", "foreign"]);
    vec![
        ("Entry", entry()),
        ("EntryPage", whole([("items", list(named("Entry"), Some(1_000)))])),
        ("Verdict", verdict()),
        ("Acts", acts()),
        ("Report", report()),
        ("FindToken", object([("token", any_text())], [])),
        ("FoundToken", whole([("verdict", found), ("index", or_null(count()))])),
        ("Erase", either([object([("client_id", name())], []), object([("subject", name())], [])])),
        ("Erased", whole([("erased", count()), ("more", truth()), ("registered", truth())])),
        ("RevokeTokens", revoke_tokens()),
        ("RevokedTokens", revoked_tokens()),
    ]
}
