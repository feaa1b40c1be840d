//! What clients and verifiers meet: tokens, errors, documents, health.

use serde_json::json;

use super::client_id;
use crate::http::openapi::words::{
    Form, any_text, count, either, list, object, one_of, only, open, text, truth, unix_seconds, whole,
};
use crate::oauth::request::GrantType;

pub(in crate::http::openapi) fn jti() -> Form {
    text("^[A-Za-z0-9_-]+$", 1, 64)
}

/// RFC 9457.
fn problem() -> Form {
    whole([
        ("type", only(&json!("about:blank"))),
        ("title", any_text()),
        ("status", count()),
        ("detail", any_text()),
        ("request_id", any_text()),
    ])
}

/// How a client says in a form who it is.
fn credentials() -> Vec<(&'static str, Form)> {
    vec![
        ("client_id", any_text()),
        ("client_secret", any_text()),
        ("client_assertion_type", any_text()),
        ("client_assertion", any_text()),
    ]
}

fn token_form() -> Form {
    let grants = one_of(GrantType::ALL.map(GrantType::as_str));
    let optional = [("scope", any_text()), ("resource", any_text())].into_iter().chain(credentials());
    open([("grant_type", grants)], optional)
}

fn about_a_token() -> Form {
    open([("token", any_text())], [("token_type_hint", any_text())].into_iter().chain(credentials()))
}

fn introspected() -> Form {
    let active = object(
        [
            ("active", only(&json!(true))),
            ("iss", any_text()),
            ("sub", any_text()),
            ("aud", any_text()),
            ("client_id", client_id()),
            ("token_type", only(&json!("Bearer"))),
            ("exp", unix_seconds()),
            ("iat", unix_seconds()),
            ("jti", jti()),
        ],
        [("scope", any_text())],
    );
    either([active, whole([("active", only(&json!(false)))])])
}

/// RFC 8414, and nothing that is not there.
fn metadata() -> Form {
    let texts = || list(any_text(), None);
    whole([
        ("issuer", any_text()),
        ("token_endpoint", any_text()),
        ("jwks_uri", any_text()),
        ("response_types_supported", list(any_text(), Some(0))),
        ("grant_types_supported", texts()),
        ("token_endpoint_auth_methods_supported", texts()),
        ("token_endpoint_auth_signing_alg_values_supported", texts()),
        ("introspection_endpoint", any_text()),
        ("introspection_endpoint_auth_methods_supported", texts()),
        ("introspection_endpoint_auth_signing_alg_values_supported", texts()),
        ("revocation_endpoint", any_text()),
        ("revocation_endpoint_auth_methods_supported", texts()),
        ("revocation_endpoint_auth_signing_alg_values_supported", texts()),
        ("scopes_supported", texts()),
    ])
}

fn jwks() -> Form {
    let key = open(
        [("kty", any_text()), ("use", only(&json!("sig"))), ("alg", any_text()), ("kid", super::kid())],
        [],
    );
    whole([("keys", list(key, None))])
}

fn oauth_error() -> Form {
    whole([("error", any_text()), ("error_description", any_text()), ("request_id", any_text())])
}

/// What is true of both listeners.
fn shared() -> Vec<(&'static str, Form)> {
    vec![("ListenerError", whole([("error", one_of(["server_error", "temporarily_unavailable"]))]))]
}

pub(super) fn components() -> Vec<(&'static str, Form)> {
    let token = whole([
        ("access_token", any_text()),
        ("token_type", only(&json!("Bearer"))),
        ("expires_in", count()),
        ("scope", any_text()),
    ]);
    let readiness = whole([("ready", truth()), ("complaints", list(any_text(), None))]);
    let mut all = shared();
    all.extend([
        ("TokenRequest", token_form()),
        ("Token", token),
        ("AboutToken", about_a_token()),
        ("Introspected", introspected()),
        ("OAuthError", oauth_error()),
        ("Metadata", metadata()),
        ("JwkSet", jwks()),
        ("Readiness", readiness),
        ("OpenApi", open([("openapi", any_text())], [])),
    ]);
    all
}

pub(super) fn admin_components() -> Vec<(&'static str, Form)> {
    let mut all = shared();
    all.extend([("Problem", problem()), ("OpenApi", open([("openapi", any_text())], []))]);
    all
}
