//! The operations of the public listener.

use utoipa::openapi::security::SecurityRequirement;

use super::operation::{FORM, JSON, Operation, TEXT, get, post};
use super::schemas::jti;
use super::words::{Form, any_text, matching, named, number};

pub(super) const BASIC: &str = "client_secret_basic";
const TOKENS: &str = "tokens";
const DOCUMENTS: &str = "documents";
const LOG: &str = "log";
const HEALTH: &str = "health";

fn of_a_client(operation: Operation) -> Operation {
    let error = || named("OAuthError");
    operation
        .part(TOKENS)
        .lets_in(SecurityRequirement::new(BASIC, [] as [&str; 0]))
        // By the body: client_secret_post and private_key_jwt.
        .lets_in(SecurityRequirement::default())
        .answer("400", "the request cannot be granted", JSON, error())
        .answer("401", "no client is known by this credential", JSON, error())
        .with("401", "WWW-Authenticate", any_text(), "Basic")
        .answer("429", "too many attempts to authenticate failed", JSON, error())
        .with("429", "Retry-After", number(1, u64::from(u32::MAX)), "seconds")
        .answer("500", "a fault of ours", JSON, error())
        .answer("503", "the service cannot do this now", JSON, error())
}

fn tokens() -> [Operation; 3] {
    let token = of_a_client(post("/oauth2/token", "issueToken", "Get an access token"))
        .told("RFC 6749 section 4.4, RFC 8707, RFC 9068. Unknown parameters are ignored.")
        .body(&[FORM], &named("TokenRequest"))
        .answer("200", "an access token", JSON, named("Token"))
        .with("200", "RateLimit-Policy", any_text(), "the limits of the scopes")
        .with("200", "RateLimit", any_text(), "what is left of them")
        .answer(
            "429",
            "the limit of a scope is exhausted, or too many attempts to authenticate failed",
            JSON,
            named("OAuthError"),
        )
        .with("429", "RateLimit-Policy", any_text(), "the limits of the scopes")
        .with("429", "RateLimit", any_text(), "what is left of them");
    let introspect =
        of_a_client(post("/oauth2/introspect", "introspectToken", "Ask whether a token is good"))
            .told("RFC 7662. Whatever is not good for the caller is inactive.")
            .body(&[FORM], &named("AboutToken"))
            .answer("200", "what the token is worth", JSON, named("Introspected"));
    let revoke = of_a_client(post("/oauth2/revoke", "revokeToken", "Revoke a token of one's own"))
        .told("RFC 7009. Done, and nothing to do, are one answer.")
        .body(&[FORM], &named("AboutToken"))
        .empty("200", "it is good no more");
    [token, introspect, revoke]
}

/// A document that is kept by caches.
fn document(path: &'static str, id: &str, summary: &str, body: &str) -> Operation {
    get(path, id, summary)
        .part(DOCUMENTS)
        .field("If-None-Match", any_text(), "the ETag of what one has")
        .answer("200", "the document", JSON, named(body))
        .with("200", "ETag", any_text(), "of these very bytes")
        .with("200", "Cache-Control", any_text(), "how long it may be kept")
        .empty("304", "what one has is in force")
        .with("304", "ETag", any_text(), "of the document in force")
        .with("304", "Cache-Control", any_text(), "how long it may be kept")
}

fn documents() -> [Operation; 4] {
    [
        document(
            "/.well-known/oauth-authorization-server",
            "metadata",
            "The issuer's metadata, RFC 8414",
            "Metadata",
        ),
        document(
            "/.well-known/openid-configuration",
            "metadataAlias",
            "The same, where some look for it",
            "Metadata",
        ),
        document("/.well-known/jwks.json", "jwks", "The public keys, RFC 7517", "JwkSet"),
        get("/openapi.json", "openapi", "This document").part(DOCUMENTS).answer(
            "200",
            "it",
            JSON,
            named("OpenApi"),
        ),
    ]
}

fn health() -> [Operation; 4] {
    let alive = |path, id| {
        get(path, id, "Whether the process answers").part(HEALTH).answer("200", "it does", TEXT, any_text())
    };
    let ready = |path, id| {
        get(path, id, "Whether tokens can be issued now")
            .part(HEALTH)
            .answer("200", "they can", JSON, named("Readiness"))
            .answer("503", "what is in the way", JSON, named("Readiness"))
    };
    [
        alive("/livez", "live"),
        alive("/health/alive", "liveAlias"),
        ready("/readyz", "ready"),
        ready("/health/ready", "readyAlias"),
    ]
}

/// The transparency log, which both listeners serve. C2SP tlog-tiles.
pub(super) fn log() -> [Operation; 4] {
    let place: Form = matching(r"^(entries|[0-9]{1,2})(/x[0-9]{3})*/[0-9]{3}(\.p/[0-9]{1,3})?$");
    [
        get("/log/checkpoint", "checkpoint", "The newest signed checkpoint").part(LOG).answer(
            "200",
            "a signed note",
            TEXT,
            any_text(),
        ),
        get("/log/tile/{path}", "tile", "A tile of hashes or a bundle of entries")
            .part(LOG)
            .told("The path has several segments, such as `0/x001/067.p/5` or `entries/000`.")
            .segment("path", place, "level, then the number in groups of three digits")
            .answer("200", "the tile", "application/octet-stream", any_text())
            .with("200", "Cache-Control", any_text(), "it never changes")
            .empty("404", "there is no such tile yet"),
        get("/log/vkey", "vkey", "The log's public key").part(LOG).answer(
            "200",
            "a verifier key",
            TEXT,
            any_text(),
        ),
        get("/log/proof", "receipt", "The receipt of a token")
            .part(LOG)
            .query("jti", jti(), "the token's identifier")
            .answer("200", "a C2SP tlog-proof", TEXT, any_text())
            .empty("404", "no such token is known"),
    ]
}

/// Every operation; without the log where it is not public.
pub(super) fn operations(log_is_public: bool) -> Vec<Operation> {
    let mut all: Vec<_> = tokens().into_iter().chain(documents()).chain(health()).collect();
    if log_is_public {
        all.extend(log());
    }
    all
}
