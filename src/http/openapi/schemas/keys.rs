//! Signing keys and what is done to them.

use crate::http::openapi::words::{
    Form, any_text, count, list, matching, named, object, one_of, or_null, otherwise, said, text, truth,
    unix_seconds, whole,
};
use crate::jose::Algorithm;
use crate::keys::KeyState;

pub(in crate::http::openapi) fn kid() -> Form {
    matching("^[A-Za-z0-9_-]{43}$")
}

fn algorithm() -> Form {
    one_of(Algorithm::ALL.map(Algorithm::as_str))
}

fn state() -> Form {
    one_of(KeyState::ALL.map(KeyState::as_str).into_iter().chain(["revoked"]))
}

fn at() -> Form {
    or_null(unix_seconds())
}

fn key() -> Form {
    let planned = whole([("activated_at", at()), ("passive_at", at()), ("remove_at", at())]);
    whole([
        ("kid", kid()),
        ("alg", algorithm()),
        ("state", state()),
        ("created_at", unix_seconds()),
        ("published_at", at()),
        ("activated_at", at()),
        ("passive_at", at()),
        ("remove_at", at()),
        ("revoked_at", at()),
        ("rotation_requested_at", at()),
        ("retain", truth()),
        ("reason", or_null(any_text())),
        ("planned", planned),
    ])
}

fn rotation() -> Form {
    let waiting = whole([("alg", algorithm()), ("activates_at", unix_seconds())]);
    whole([
        ("rotated", list(algorithm(), None)),
        ("waiting", list(waiting, None)),
        ("activates_at", at()),
        ("exposure", said(count(), "Seconds for which verifiers may misjudge tokens")),
    ])
}

fn revocation() -> Form {
    let unexpired = whole([("count", count()), ("latest_exp", at())]);
    whole([
        ("kid", kid()),
        ("alg", algorithm()),
        ("state", state()),
        ("dry_run", truth()),
        ("revoked_at", at()),
        ("since", at()),
        ("successor", or_null(kid())),
        ("exposure", said(count(), "Seconds for which verifiers may still believe the key")),
        ("unexpired", or_null(unexpired)),
    ])
}

pub(super) fn components() -> Vec<(&'static str, Form)> {
    let reason = text(
        "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$",
        1,
        200,
    );
    let no = || serde_json::json!(false);
    vec![
        ("Key", key()),
        ("KeyPage", whole([("items", list(named("Key"), Some(1_000))), ("now", unix_seconds())])),
        ("RotateKeys", object([], [("alg", or_null(algorithm())), ("now", otherwise(truth(), no()))])),
        ("RotatedKeys", rotation()),
        ("RevokeKey", object([("reason", reason)], [("since", at()), ("dry_run", otherwise(truth(), no()))])),
        ("RevokedKey", revocation()),
        (
            "ImportKey",
            object([("pkcs8", said(any_text(), "PKCS #8 in PEM"))], [("alg", or_null(algorithm()))]),
        ),
        (
            "RewrapKeys",
            object([("kek_file", said(any_text(), "An absolute path on the issuer's machine"))], []),
        ),
        ("RewrappedKeys", whole([("kek_id", any_text()), ("keys", count())])),
    ]
}
