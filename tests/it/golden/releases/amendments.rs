//! `amendments.toml`: where today's code answers otherwise than a release did, on purpose.
//!
//! Each is for one place of one golden, says what stood there and what stands there now, and why. One that no
//! release needs is refused, so that the file holds nothing but what is true.

use std::sync::atomic::{AtomicBool, Ordering};

use mintmark::golden::compare::Change;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    amendment: Vec<Amendment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Amendment {
    release: String,
    case: String,
    pointer: String,
    old: Option<Json>,
    new: Option<Json>,
    since: String,
    reason: String,
}

/// A value as JSON text: TOML has no `null`, and goldens have many.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Json(Value);

impl TryFrom<String> for Json {
    type Error = serde_json::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        serde_json::from_str(&text).map(Self)
    }
}

/// All of them, and which were needed.
pub(super) struct Amendments(Vec<(Amendment, AtomicBool)>);

impl Amendments {
    /// Reads the file's text.
    pub(super) fn read(text: &str) -> Self {
        let file: File = toml::from_str(text).unwrap_or_else(|error| panic!("amendments.toml: {error}"));
        for amendment in &file.amendment {
            let Amendment { since, reason, pointer, .. } = amendment;
            assert!(!since.is_empty() && reason.len() > 9, "{pointer}: say since when and why");
        }
        Self(file.amendment.into_iter().map(|amendment| (amendment, AtomicBool::new(false))).collect())
    }

    /// Whether this change is amended; the amendment is used then. What stands at a place that is new need not be
    /// said: nobody who goes by the release relies on it.
    pub(super) fn allow(&self, release: &str, case: &str, change: &Change) -> bool {
        let is = |said: &Option<Json>, value: &Option<Value>| {
            said.as_ref().map(|Json(said)| said) == value.as_ref()
        };
        let of_this = |amendment: &Amendment| {
            (amendment.release.as_str(), amendment.case.as_str()) == (release, case)
                && amendment.pointer == change.pointer
                && is(&amendment.old, &change.old)
                && (is(&amendment.new, &change.new) || (amendment.old.is_none() && amendment.new.is_none()))
        };
        let found = self.0.iter().find(|(amendment, _)| of_this(amendment));
        found.inspect(|(_, used)| used.store(true, Ordering::Relaxed)).is_some()
    }

    /// Those that nobody needed.
    pub(super) fn unused(&self) -> Vec<String> {
        let unused = self.0.iter().filter(|(_, used)| !used.load(Ordering::Relaxed));
        unused
            .map(|(Amendment { release, case, pointer, .. }, _)| format!("{release} {case} {pointer}"))
            .collect()
    }
}

#[test]
fn an_amendment_is_for_what_it_says_and_no_more() {
    let of = |words: &str| {
        Amendments::read(&format!(
            "[[amendment]]\nrelease = \"0.1.0\"\ncase = \"a/b\"\npointer = \"/x\"\n{words}\nsince = \"0.2.0\"\nreason = \"It was wrong.\"\n"
        ))
    };
    let change = |old: Option<u64>, new: Option<u64>| Change {
        pointer: "/x".to_owned(),
        old: old.map(Value::from),
        new: new.map(Value::from),
    };
    let (changed, gone, added) = (change(Some(1), Some(2)), change(Some(1), None), change(None, Some(2)));
    let table = [
        ("old = '1'\nnew = '2'", [true, false, false]),
        ("old = '1'\nnew = '3'", [false; 3]),
        ("old = '1'", [false, true, false]),
        ("new = '2'", [false, false, true]),
        ("new = '3'", [false; 3]),
        // Whatever is new there.
        ("", [false, false, true]),
    ];
    for (words, allowed) in table {
        let found = [&changed, &gone, &added].map(|change| of(words).allow("0.1.0", "a/b", change));
        assert_eq!(found, allowed, "{words}");
    }
    let of_null = Change { old: Some(Value::Null), ..changed.clone() };
    assert!(of("old = 'null'\nnew = '2'").allow("0.1.0", "a/b", &of_null));
    assert!(!of("new = '2'").allow("0.1.0", "a/b", &of_null), "nothing and null are two things");
    assert!(!of("old = '1'\nnew = '2'").allow("0.1.1", "a/b", &changed), "it is for one release");
    assert!(!of("old = '1'\nnew = '2'").allow("0.1.0", "a/c", &changed), "it is for one case");
}
