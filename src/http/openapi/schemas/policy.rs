//! Clients, their secrets, resources, scopes, and the policy of all of them.

use std::time::Duration;

use serde_json::json;

use crate::http::openapi::words::{
    Form, any_text, anything, count, either, list, map, matching, named, nothing, number, object, one_of,
    open, or_null, otherwise, plain, said, some, text, truth, unix_seconds, whole,
};
use crate::jose::Algorithm;
use crate::jose::client_keys::MAX_KEYS;
use crate::limits::quota::MAX_PERIOD;
use crate::oauth::credential::AuthMethod;
use crate::oauth::name::MAX_URI_LENGTH;
use crate::oauth::scope::{MAX_TOKEN_LENGTH, MAX_TOKENS};
use crate::policy::client::{
    LEAST_ROTATE_EVERY, MAX_CLAIMS, MAX_INTROSPECTS, MAX_NAME_LENGTH, MOST_ROTATE_EVERY,
};

/// Bytes of RFC 6749 section 3.3.
const SCOPE_BYTE: &str = r"[\x21\x23-\x5b\x5d-\x7e]";
const SECRETS_LONGEST_OVERLAP: Duration = Duration::from_hours(24 * 90);

pub(in crate::http::openapi) fn client_id() -> Form {
    text("^[A-Za-z0-9._~-]+$", 1, 64)
}

pub(in crate::http::openapi) fn scope_token() -> Form {
    text(&format!("^{SCOPE_BYTE}+$"), 1, MAX_TOKEN_LENGTH)
}

/// An absolute URI without fragment. RFC 8707 section 2.
pub(in crate::http::openapi) fn resource_uri() -> Form {
    const BYTE: &str = r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})";
    text(&format!(r"^[A-Za-z][A-Za-z0-9+.\-]*:(?:(?!//){BYTE}+|//(?!/){BYTE}+)$"), 3, MAX_URI_LENGTH)
}

/// What a client holds: 1 to 64 tokens with spaces between them.
fn scope() -> Form {
    let token = format!("{SCOPE_BYTE}{{1,{MAX_TOKEN_LENGTH}}}");
    matching(&format!("^ *{token}(?: +{token}){{0,{}}} *$", MAX_TOKENS - 1))
}

fn name() -> Form {
    text("^[^\\u0000-\\u001f\\u007f-\\u009f]*$", 0, MAX_NAME_LENGTH)
}

fn algorithm() -> Form {
    one_of(Algorithm::ALL.map(Algorithm::as_str))
}

fn lifetime() -> Form {
    said(or_null(number(1, u64::MAX)), "Seconds, at most tokens.max_lifetime")
}

fn rotate_every() -> Form {
    or_null(number(
        u32::try_from(LEAST_ROTATE_EVERY.as_secs()).unwrap_or(u32::MAX),
        MOST_ROTATE_EVERY.as_secs(),
    ))
}

fn claims() -> Form {
    let name = plain(text("^[^\\u0000-\\u001f\\u007f-\\u009f]+$", 1, usize::from(u16::MAX)));
    said(map(name, anything(), Some(MAX_CLAIMS)), "Claims of its own in its tokens")
}

fn limits() -> Form {
    map(plain(scope_token()), named("Quota"), None)
}

fn introspects() -> Form {
    list(resource_uri(), Some(MAX_INTROSPECTS))
}

fn methods() -> Form {
    one_of(AuthMethod::ALL.map(AuthMethod::as_str))
}

fn secret() -> Form {
    matching("^mms_[A-Za-z0-9_-]{49}$")
}

fn secret_id() -> Form {
    text("^[A-Za-z0-9_-]+$", 1, 64)
}

/// What is said to register a client, with its members as they are when one is left out.
fn registration(identified: bool) -> Form {
    let mut required = vec![("scope", scope())];
    if identified {
        required.push(("client_id", client_id()));
    }
    object(
        required,
        [
            ("client_name", or_null(name())),
            ("default_scope", or_null(scope())),
            ("token_endpoint_auth_method", or_null(methods())),
            ("jwks", or_null(named("ClientKeys"))),
            ("access_token_lifetime", lifetime()),
            ("claims", otherwise(claims(), nothing())),
            ("limits", otherwise(limits(), nothing())),
            ("introspects", introspects()),
            ("rotate_every", rotate_every()),
            ("disabled", or_null(truth())),
        ],
    )
}

fn client_members() -> Vec<(&'static str, Form)> {
    vec![
        ("client_id", client_id()),
        ("client_name", or_null(name())),
        ("token_endpoint_auth_method", methods()),
        ("jwks", or_null(named("ClientKeys"))),
        ("scope", scope()),
        ("default_scope", or_null(scope())),
        ("access_token_lifetime", lifetime()),
        ("claims", claims()),
        ("limits", limits()),
        ("introspects", introspects()),
        ("rotate_every", rotate_every()),
        ("disabled", truth()),
        ("created_at", unix_seconds()),
        ("updated_at", unix_seconds()),
    ]
}

/// A merge patch: what is `null` is reset, what is left out stays. RFC 7396.
fn client_patch() -> Form {
    object(
        [],
        [
            ("client_name", or_null(name())),
            ("scope", scope()),
            ("default_scope", or_null(scope())),
            ("token_endpoint_auth_method", or_null(methods())),
            ("jwks", or_null(named("ClientKeys"))),
            ("access_token_lifetime", lifetime()),
            ("claims", or_null(map(None, anything(), None))),
            ("limits", or_null(map(None, anything(), None))),
            ("introspects", or_null(introspects())),
            ("rotate_every", rotate_every()),
            ("disabled", or_null(truth())),
        ],
    )
}

fn created() -> Form {
    let told = said(or_null(secret()), "Shown this once; null where the answer is told again");
    // A client with keys has neither.
    object(client_members(), [("secret_id", secret_id()), ("client_secret", told)])
}

fn quota(burst_required: bool) -> Form {
    let permits = || number(1, u64::from(u32::MAX));
    let members = [("count", permits()), ("period", number(1, MAX_PERIOD.as_secs()))];
    if burst_required {
        whole(members.into_iter().chain([("burst", permits())]))
    } else {
        object(members, [("burst", permits())])
    }
}

fn resource() -> Form {
    object([("resource", resource_uri()), ("signing_alg", algorithm())], [("token_lifetime", lifetime())])
}

fn rule() -> Form {
    object(
        [("scope", scope_token()), ("resource", resource_uri()), ("limit", named("Quota"))],
        [
            ("total", or_null(named("Quota"))),
            ("enforce", otherwise(one_of(["refuse", "monitor"]), json!("refuse"))),
            ("token_lifetime", lifetime()),
        ],
    )
}

/// One to ten public keys by value; each with its kid.
fn client_keys() -> Form {
    let key = open([("kty", one_of(["EC", "OKP", "RSA"]))], [("kid", text("^", 1, 256))]);
    open([("keys", some(key, MAX_KEYS))], [])
}

/// What a page of these looks like.
fn page(of: &str) -> Form {
    whole([("items", list(named(of), Some(1_000)))])
}

fn secret_facts() -> Form {
    whole([
        ("secret_id", secret_id()),
        ("created_at", unix_seconds()),
        ("expires_at", or_null(unix_seconds())),
        ("due_at", or_null(unix_seconds())),
        ("last_used_at", or_null(unix_seconds())),
    ])
}

fn policy() -> Form {
    whole([
        ("policy_version", count()),
        ("resources", list(named("Resource"), None)),
        ("scopes", list(named("Scope"), None)),
        ("clients", list(named("Client"), None)),
    ])
}

fn application() -> Form {
    let wanted = object(
        [],
        [
            ("resources", list(named("Resource"), None)),
            ("scopes", list(named("Scope"), None)),
            ("clients", list(named("NewClient"), None)),
        ],
    );
    object([("policy", wanted)], [("prune", otherwise(truth(), json!(false)))])
}

fn planned() -> Form {
    let change = whole([
        ("kind", one_of(["resource", "scope", "client"])),
        ("name", any_text()),
        ("action", one_of(["create", "update", "delete"])),
        ("members", list(any_text(), None)),
        ("before", or_null(open([], []))),
        ("after", or_null(open([], []))),
    ]);
    let tokens = whole([
        ("client_id", client_id()),
        ("resource", resource_uri()),
        ("before", or_null(named("TokenShape"))),
        ("after", or_null(named("TokenShape"))),
    ]);
    whole([("policy_version", count()), ("changes", list(change, None)), ("tokens", list(tokens, None))])
}

/// A token as the policy alone makes it.
fn shape() -> Form {
    whole([
        ("scope", any_text()),
        ("resource", resource_uri()),
        ("signing_alg", algorithm()),
        ("lifetime", named("TokenLifetime")),
        ("claims", claims()),
        ("limits", list(named("TokenLimit"), None)),
    ])
}

fn token_lifetime() -> Form {
    let bound = whole([("seconds", count()), ("set_by", any_text()), ("name", or_null(any_text()))]);
    whole([("seconds", count()), ("bounds", list(bound, None))])
}

fn token_limit() -> Form {
    whole([
        ("scope", scope_token()),
        ("limit", named("Quota")),
        ("set_by", any_text()),
        ("total", or_null(named("Quota"))),
        ("enforce", one_of(["refuse", "monitor"])),
    ])
}

fn preview() -> Form {
    let granted = whole([
        ("granted", truth()),
        ("header", open([], [])),
        ("claims", open([], [])),
        ("lifetime", named("TokenLifetime")),
        ("limits", list(named("TokenLimit"), None)),
        ("length", count()),
    ]);
    let refused = whole([("granted", truth()), ("error", any_text()), ("error_description", any_text())]);
    either([granted, refused])
}

pub(super) fn components() -> Vec<(&'static str, Form)> {
    vec![
        ("Client", whole(client_members())),
        ("NewClient", registration(true)),
        ("ClientPatch", client_patch()),
        ("CreatedClient", created()),
        ("ClientPage", page("Client")),
        ("ClientKeys", client_keys()),
        ("SecretFacts", secret_facts()),
        ("SecretPage", page("SecretFacts")),
        ("NewSecret", object([("overlap", number(0, SECRETS_LONGEST_OVERLAP.as_secs()))], [])),
        (
            "CreatedSecret",
            whole([
                ("secret_id", secret_id()),
                ("client_secret", said(or_null(secret()), "null where the answer is told again")),
                ("expires_at", or_null(unix_seconds())),
            ]),
        ),
        ("Quota", quota(false)),
        ("Resource", resource()),
        ("ResourcePage", page("Resource")),
        ("Scope", rule()),
        ("ScopePage", page("Scope")),
        ("Policy", policy()),
        ("PolicyApplication", application()),
        ("PolicyPlan", planned()),
        ("TokenShape", shape()),
        ("TokenLifetime", token_lifetime()),
        ("TokenLimit", token_limit()),
        (
            "PreviewQuestion",
            object(
                [("client_id", any_text())],
                [("scope", or_null(any_text())), ("resource", or_null(any_text()))],
            ),
        ),
        ("Preview", preview()),
    ]
}
