//! Bodies of requests: strict JSON objects within bounds, and nothing else. RFC 8259, RFC 7396.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Caller;
use crate::http::error::{self, Malformed};
use crate::jose::{strict_json, unread};

/// The longest body of a request about one object, bytes.
const MAX_OBJECT: usize = 64 * 1024;
/// The longest body of a request about the whole policy, bytes: what this listener takes at all.
pub const MAX_POLICY: usize = 1024 * 1024;
const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Reads a strict JSON body of one form.
pub(super) fn read_body<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &Bytes,
    caller: &Caller,
) -> Result<T, Box<Response>> {
    typed(read_members(headers, body, caller, (&[JSON], MAX_OBJECT))?, caller)
}

/// The same for a body as long as this listener takes.
pub(super) fn read_long_body<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &Bytes,
    caller: &Caller,
) -> Result<T, Box<Response>> {
    typed(read_members(headers, body, caller, (&[JSON], MAX_POLICY))?, caller)
}

/// Reads a strict merge patch, under its own name or as JSON. RFC 5789 section 2.2: a refusal names what is taken.
pub(super) fn read_patch(
    headers: &HeaderMap,
    body: &Bytes,
    caller: &Caller,
) -> Result<Map<String, Value>, Box<Response>> {
    read_members(headers, body, caller, (&[MERGE_PATCH, JSON], MAX_OBJECT)).map_err(|mut refused| {
        refused.headers_mut().insert("accept-patch", HeaderValue::from_static(MERGE_PATCH));
        refused
    })
}

fn typed<T: DeserializeOwned>(members: Map<String, Value>, caller: &Caller) -> Result<T, Box<Response>> {
    serde_json::from_value(Value::Object(members))
        .map_err(|cause| Box::new(refuse(Malformed::Body, &unread::reason(&cause), caller)))
}

fn read_members(
    headers: &HeaderMap,
    body: &Bytes,
    caller: &Caller,
    (kinds, longest): (&[&str], usize),
) -> Result<Map<String, Value>, Box<Response>> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !kinds.iter().any(|kind| essence.eq_ignore_ascii_case(kind)) {
        let detail = format!("send {}", kinds.join(" or "));
        return Err(Box::new(refuse(Malformed::MediaType, &detail, caller)));
    }
    if body.len() > longest {
        let detail = format!("the body is larger than {} KiB", longest / 1024);
        return Err(Box::new(refuse(Malformed::Body, &detail, caller)));
    }
    let value = strict_json::parse(body, strict_json::MAX_DEPTH)
        .map_err(|cause| Box::new(refuse(Malformed::Body, &cause.to_string(), caller)))?;
    // serde would also take an array of the members' values.
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(Box::new(refuse(Malformed::Body, "send an object", caller))),
    }
}

fn refuse(what: Malformed, detail: &str, caller: &Caller) -> Response {
    error::malformed(what, detail, &caller.0.request_id)
}
