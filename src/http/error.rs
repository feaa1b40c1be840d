//! The one table from what went wrong to what the caller sees. No status code of an endpoint is chosen elsewhere.

use std::error::Error;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use tokio::time::Instant;

use super::class::Class;
use crate::admin::{Outcome, Refusal};
use crate::issue::{Denial, Fault};
use crate::keys::rotator::ActFault;
use crate::limits::Decision;
use crate::limits::headers as limit_headers;
use crate::oauth::{ErrorCode, OAuthError};
use crate::policy::AdminScopes;
use crate::store::StoreFault;
use crate::telemetry::{Readiness, Seldom};

#[derive(Serialize)]
struct OAuthBody<'a> {
    error: &'static str,
    error_description: &'static str,
    request_id: &'a str,
}

/// The answer to a request for a token that gets none. Faults of ours are logged here, once.
pub(super) fn denied(denial: &Denial, request_id: &str) -> Response {
    match denial {
        Denial::Refused(error) => refused(*error, request_id),
        Denial::Limited(decision) => {
            let error = (ErrorCode::RateLimited, "the limit of a scope is exhausted; see Retry-After");
            let mut response = oauth(StatusCode::TOO_MANY_REQUESTS, error, request_id);
            limits(&mut response, decision);
            if let Some(seconds) = limit_headers::retry_after(decision) {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
        Denial::Throttled(wait) => {
            let error = (ErrorCode::RateLimited, "too many attempts failed; see Retry-After");
            let mut response = oauth(StatusCode::TOO_MANY_REQUESTS, error, request_id);
            let seconds = limit_headers::wait_seconds(*wait).saturating_add(spread(request_id).into());
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Denial::Failed(fault) => {
            tell(fault, short_of(fault), request_id, "no token was issued");
            unavailable("the service cannot issue tokens right now; see Retry-After", request_id)
        }
    }
}

/// The answer to a question about a token whose caller is not told anything.
pub(super) fn not_told(denial: &Denial, request_id: &str) -> Response {
    match denial {
        Denial::Failed(fault) => not_answered(fault, short_of(fault), request_id),
        Denial::Refused(_) | Denial::Limited(_) | Denial::Throttled(_) => denied(denial, request_id),
    }
}

/// The answer to a question about a token, or to its revocation, whose outcome is unknown. The cause is logged here, once.
pub(super) fn unanswered(fault: &dyn Error, is_overload: bool, request_id: &str) -> Response {
    not_answered(fault, is_overload.then_some("answers"), request_id)
}

fn not_answered(fault: &dyn Error, short_of: Option<&'static str>, request_id: &str) -> Response {
    tell(fault, short_of, request_id, "a question about a token was not answered");
    unavailable("the service cannot answer right now; see Retry-After", request_id)
}

/// What there was too little of, where a fault is for want of room alone.
fn short_of(fault: &Fault) -> Option<&'static str> {
    fault.is_overload().then_some(match fault {
        Fault::NotAuthenticated(_) => "hashing",
        Fault::NoTurn(_) => "turns",
        Fault::NotRecorded(_) => "records",
        _ => "signatures",
    })
}

/// The line of a fault in the service's own log. One for want of room comes by the thousand: see [`Seldom`].
fn tell(fault: &dyn Error, short_of: Option<&'static str>, request_id: &str, what: &'static str) {
    static OVERLOAD: Seldom = Seldom::new();
    match short_of.map(|short_of| OVERLOAD.is_due(short_of, Instant::now())) {
        None => tracing::error!(request_id, %fault, "{what}"),
        Some(Some(held_back)) => tracing::warn!(request_id, %fault, held_back, "{what}"),
        Some(None) => {}
    }
}

fn unavailable(description: &'static str, request_id: &str) -> Response {
    let error = (ErrorCode::TemporarilyUnavailable, description);
    let mut response = oauth(StatusCode::SERVICE_UNAVAILABLE, error, request_id);
    response.headers_mut().insert(header::RETRY_AFTER, jittered(request_id));
    response
}

/// The answer to a request that found no room for its class, in the form of its endpoint.
pub(super) fn no_room(class: Class, request_id: &str) -> Response {
    tell(&NoRoom, Some(class.as_str()), request_id, "a request was turned away");
    match class {
        Class::Admin => {
            let detail = "more is asked for at once than there is room for; see Retry-After".to_owned();
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let mut response = problem(status, "temporarily unavailable", detail, request_id);
            response.headers_mut().insert(header::RETRY_AFTER, jittered(request_id));
            response
        }
        Class::Log => try_again(jittered(request_id)),
        Class::Document | Class::Issuance | Class::Introspection => {
            unavailable("the service cannot answer right now; see Retry-After", request_id)
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("more is asked for at once than there is room for")]
struct NoRoom;

/// The answer to a request that the caller can mend.
pub(super) fn refused(error: OAuthError, request_id: &str) -> Response {
    let status = match error.code {
        ErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
        ErrorCode::InvalidRequest
        | ErrorCode::UnauthorizedClient
        | ErrorCode::UnsupportedGrantType
        | ErrorCode::InvalidScope
        | ErrorCode::InvalidTarget => StatusCode::BAD_REQUEST,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = oauth(status, (error.code, error.description), request_id);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"mintmark\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn oauth(status: StatusCode, (code, description): (ErrorCode, &'static str), request_id: &str) -> Response {
    let body = OAuthBody { error: code.as_str(), error_description: description, request_id };
    let mut response = (status, json(&body)).into_response();
    // For whoever counts: the code is not read from the body again.
    response.extensions_mut().insert(code);
    response
}

/// The two header fields of the `RateLimit` draft, on success and on refusal.
pub(super) fn limits(response: &mut Response, decision: &Decision) {
    let fields = [
        ("ratelimit-policy", limit_headers::rate_limit_policy(decision)),
        ("ratelimit", limit_headers::rate_limit(decision)),
    ];
    for (name, value) in fields {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
}

const JSON: &str = "application/json; charset=utf-8";

/// A JSON answer in UTF-8.
pub(super) fn json<T: Serialize>(body: &T) -> Response {
    typed_json(body, JSON)
}

/// The answer to an act that was done, its body composed already.
pub(super) fn done(outcome: Outcome, body: String) -> Response {
    let status = match outcome {
        Outcome::Done => StatusCode::OK,
        Outcome::Made => StatusCode::CREATED,
        Outcome::Awaited => StatusCode::ACCEPTED,
    };
    (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
}

fn typed_json<T: Serialize>(body: &T, kind: &'static str) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
        Err(cause) => {
            tracing::error!(%cause, "an answer could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A text of its own kind.
pub(super) fn written(
    text: Result<String, std::fmt::Error>,
    kind: &'static str,
    request_id: &str,
) -> Response {
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(cause) => {
            tracing::error!(request_id, %cause, "an answer could not be written");
            let detail = "its log has the cause under this request_id";
            problem(StatusCode::INTERNAL_SERVER_ERROR, "internal error", detail.to_owned(), request_id)
        }
    }
}

/// One to five seconds, spread over the callers so that they do not come back together.
fn jittered(request_id: &str) -> HeaderValue {
    HeaderValue::from(spread(request_id))
}

fn spread(request_id: &str) -> u32 {
    1 + request_id.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 5
}

/// A problem document of the admin API. RFC 9457.
#[derive(Debug, Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    request_id: &'a str,
}

/// What is wrong with a request to the admin API before any act is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// The body is not `application/json`.
    MediaType,
    /// The body is no strict JSON, or not of this route's form.
    Body,
    /// A query parameter cannot be read.
    Query,
    /// No such route.
    Route,
    /// The route is not for this method.
    Method,
    /// The object in the body is not the one in the path.
    OtherObject,
    /// The `Idempotency-Key` is none.
    Key,
}

/// The answer to a malformed request.
pub(super) fn malformed(what: Malformed, detail: &str, request_id: &str) -> Response {
    let (status, title) = match what {
        Malformed::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported media type"),
        Malformed::Body => (StatusCode::BAD_REQUEST, "malformed body"),
        Malformed::Query => (StatusCode::BAD_REQUEST, "malformed query"),
        Malformed::Route => (StatusCode::NOT_FOUND, "no such route"),
        Malformed::Method => (StatusCode::METHOD_NOT_ALLOWED, "method not allowed"),
        Malformed::OtherObject => (StatusCode::BAD_REQUEST, "path and body differ"),
        Malformed::Key => (StatusCode::BAD_REQUEST, "malformed key"),
    };
    problem(status, title, detail.to_owned(), request_id)
}

/// In the extensions of the answer to who would have given a client these admin scopes and does not hold them.
#[derive(Clone, Copy, Debug)]
pub(super) struct BeyondPower(pub(super) AdminScopes);

/// The answer to an act that was not done.
pub(super) fn not_done(refusal: &Refusal, request_id: &str) -> Response {
    let (status, title) = match refusal {
        Refusal::NotFound(_) => (StatusCode::NOT_FOUND, "not found"),
        Refusal::Taken => (StatusCode::CONFLICT, "taken"),
        Refusal::InUse(_) => (StatusCode::CONFLICT, "in use"),
        Refusal::TwoSecrets => (StatusCode::CONFLICT, "too many secrets"),
        Refusal::PreconditionRequired => (StatusCode::PRECONDITION_REQUIRED, "precondition required"),
        Refusal::Stale => (StatusCode::PRECONDITION_FAILED, "precondition failed"),
        Refusal::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid value"),
        Refusal::Policy(_) => (StatusCode::BAD_REQUEST, "invalid policy"),
        Refusal::StillRunning => (StatusCode::CONFLICT, "still running"),
        Refusal::KeyOfAnother => (StatusCode::UNPROCESSABLE_ENTITY, "another request"),
        Refusal::AnswerErased => (StatusCode::GONE, "answer erased"),
        Refusal::TooManyKeys(_) => (StatusCode::TOO_MANY_REQUESTS, "too many keys"),
        Refusal::Beyond(_) => (StatusCode::FORBIDDEN, "beyond your own scopes"),
        Refusal::ClientMetadata(_) => (StatusCode::BAD_REQUEST, "invalid_client_metadata"),
        Refusal::Key(ActFault::Refused(_) | ActFault::NoActiveKey(_)) => {
            (StatusCode::CONFLICT, "the keys do not allow it")
        }
        Refusal::Key(ActFault::Failed(_))
        | Refusal::NotHashed(_)
        | Refusal::Unknown(_)
        | Refusal::NotYet
        | Refusal::Clock(_)
        | Refusal::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily unavailable"),
        Refusal::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
    };
    if let Refusal::Beyond(beyond) = refusal {
        let mut response = problem(status, title, refusal.to_string(), request_id);
        response.extensions_mut().insert(BeyondPower(*beyond));
        return response;
    }
    if status.is_server_error() {
        tracing::error!(request_id, fault = %refusal, "an administrative act failed");
        let detail = match refusal {
            Refusal::Unknown(_) => "whether it was done is unknown: look, or repeat it",
            Refusal::NotYet => "no checkpoint covers this entry yet",
            _ => "the service cannot do this right now; its log has the cause under this request_id",
        };
        let mut response = problem(status, title, detail.to_owned(), request_id);
        // A checkpoint is a second away for everybody alike.
        let pause = if matches!(refusal, Refusal::NotYet) { 1.into() } else { jittered(request_id) };
        response.headers_mut().insert(header::RETRY_AFTER, pause);
        return response;
    }
    let mut response = problem(status, title, refusal.to_string(), request_id);
    if let Refusal::TooManyKeys(wait) = refusal {
        response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().saturating_add(1).into());
    }
    response
}

/// The answer over TCP to who did not say who it is, or `given` a token that is not good. RFC 6750 section 3.
pub(super) fn unauthenticated(given: bool, request_id: &str) -> Response {
    let (detail, challenge) = if given {
        (
            "the token is not one for the admin API, or no longer",
            r#"Bearer realm="mintmark-admin", error="invalid_token""#,
        )
    } else {
        ("send an access token for the admin API", r#"Bearer realm="mintmark-admin""#)
    };
    let mut response = problem(StatusCode::UNAUTHORIZED, "unauthenticated", detail.to_owned(), request_id);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// The answer over TCP to who may not do this; `needed` is what would do, if anything. RFC 6750 section 3.1.
pub(super) fn beyond_token(needed: Option<AdminScopes>, request_id: &str) -> Response {
    let detail = needed.map_or_else(
        || "nobody may do this over TCP".to_owned(),
        |needed| format!("the token needs the scope {needed}"),
    );
    let mut response = problem(StatusCode::FORBIDDEN, "insufficient scope", detail, request_id);
    let scope = needed.map_or_else(String::new, |needed| format!(r#", scope="{needed}""#));
    let challenge = format!(r#"Bearer realm="mintmark-admin", error="insufficient_scope"{scope}"#);
    if let Ok(challenge) = HeaderValue::try_from(challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The answer where it could not be found out who calls: nobody is let in. The cause is logged here, once.
pub(super) fn not_identified(fault: &dyn std::fmt::Display, request_id: &str) -> Response {
    tracing::error!(request_id, %fault, "it could not be found out who calls the admin API");
    let detail = "who you are cannot be found out right now; its log has the cause under this request_id";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = problem(status, "temporarily unavailable", detail.to_owned(), request_id);
    response.headers_mut().insert(header::RETRY_AFTER, jittered(request_id));
    response
}

fn problem(status: StatusCode, title: &'static str, detail: String, request_id: &str) -> Response {
    let problem = Problem { r#type: "about:blank", title, status: status.as_u16(), detail, request_id };
    (status, typed_json(&problem, "application/problem+json")).into_response()
}

/// A read of the log that failed, or found nothing.
pub(super) fn log_read(fault: Option<&StoreFault>) -> Response {
    match fault {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(fault) => {
            tracing::error!(%fault, "the log could not be read");
            try_later()
        }
    }
}

/// 503 for what will be there in a moment.
pub(super) fn try_later() -> Response {
    try_again(HeaderValue::from_static("1"))
}

fn try_again(after: HeaderValue) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, after)]).into_response()
}

/// The answer to a conditional request whose document is the one the caller has.
pub(super) const NOT_MODIFIED: StatusCode = StatusCode::NOT_MODIFIED;
/// The answer that an object is gone.
pub(super) const NO_CONTENT: StatusCode = StatusCode::NO_CONTENT;

/// The answer to "are you ready?".
pub(super) fn readiness(readiness: &Readiness) -> Response {
    #[derive(Serialize)]
    struct Body<'a> {
        ready: bool,
        complaints: &'a [String],
    }
    let Readiness { ready, complaints } = readiness;
    let status = if *ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, json(&Body { ready: *ready, complaints })).into_response()
}
