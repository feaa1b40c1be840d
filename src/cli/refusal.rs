//! A server's refusal as a person reads it. RFC 9457, RFC 6749 section 5.2.

use std::fmt::Write as _;

use hyper::StatusCode;
use hyper::header::HeaderMap;
use serde_json::Value;

use super::failure::Failure;

/// A refusal in one line: what the server says, and what it knows the request by when it is the server's fault.
pub fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let member = |name: &str| document.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    // Admin endpoints answer with `detail`, OAuth endpoints with `error` (RFC 6749 section 5.2).
    let mut line = match (member("detail").or(member("title")), member("error")) {
        (Some(detail), _) => detail.to_owned(),
        (None, Some(error)) => match member("error_description") {
            Some(description) => format!("{error}: {description}"),
            None => error.to_owned(),
        },
        (None, None) => {
            format!("the server answered {status}: is it Mintmark, and the listener that you mean?")
        }
    };
    // Writing to a String cannot fail.
    if let Some(seconds) = headers.get("retry-after").and_then(|value| value.to_str().ok()) {
        let _ = write!(line, "; try again in {seconds} s");
    }
    if status.is_server_error() {
        let request_id = member("request_id").unwrap_or("unknown");
        let _ = write!(line, "; the server's log tells more under request {request_id}");
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        Failure::unreachable(line)
    } else {
        Failure::refused(line)
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn a_refusal_says_what_the_server_says() {
        let problem = br#"{"type":"about:blank","title":"Conflict","status":409,"detail":"web exists"}"#;
        let failure = refusal(StatusCode::CONFLICT, &HeaderMap::new(), problem);
        assert_eq!((failure.exit.code(), failure.to_string().as_str()), (1, "web exists"));

        let oauth = br#"{"error":"invalid_scope","error_description":"not granted","request_id":"r"}"#;
        let failure = refusal(StatusCode::BAD_REQUEST, &HeaderMap::new(), oauth);
        assert_eq!(failure.to_string(), "invalid_scope: not granted");

        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static("2"));
        let busy = br#"{"detail":"the log cannot be written","request_id":"r-1"}"#;
        let failure = refusal(StatusCode::SERVICE_UNAVAILABLE, &headers, busy);
        assert_eq!(failure.exit.code(), 3);
        assert_eq!(
            failure.to_string(),
            "the log cannot be written; try again in 2 s; the server's log tells more under request r-1"
        );

        let failure = refusal(StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"<html>");
        assert!(failure.to_string().contains("502"), "{failure}");
    }
}
