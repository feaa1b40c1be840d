//! An answer, read whole.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt as _;
use mintmark::digest::base64url_decode;
use serde_json::Value;

/// Status, headers and body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads a response to its end.
    pub async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Self { status: parts.status, headers: parts.headers, body }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// One header field; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks the status and shows the body when it is another.
    #[track_caller]
    pub fn assert_status(&self, expected: u16) -> &Self {
        assert_eq!(self.status.as_u16(), expected, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Checks status and `error` of an OAuth error, and that it is a whole and harmless one.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, error: &str) -> &Self {
        self.assert_status(status);
        let body = self.json();
        assert_eq!(body["error"], error, "{body}");
        assert!(body["request_id"].is_string(), "{body}");
        assert!(body["access_token"].is_null());
        assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
        let description = body["error_description"].as_str().unwrap();
        let inert = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        assert!(!description.is_empty() && description.bytes().all(inert), "{description}");
        let challenge = if status == 401 { "Basic realm=\"mintmark\"" } else { "" };
        assert_eq!(self.header("www-authenticate"), challenge);
        self.assert_json_that_nobody_keeps()
    }

    /// Checks what is true of every JSON answer of the token endpoint.
    #[track_caller]
    pub fn assert_json_that_nobody_keeps(&self) -> &Self {
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        self
    }

    /// Checks for a problem document of this status.
    #[track_caller]
    pub fn assert_problem(&self, status: u16) -> &Self {
        self.assert_status(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        for member in ["type", "title", "detail", "request_id"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
        self
    }

    /// Whole seconds of `Retry-After`.
    #[track_caller]
    pub fn retry_after(&self) -> u64 {
        self.header("retry-after").parse().expect("Retry-After in seconds")
    }

    /// The access token of a successful answer.
    pub fn access_token(&self) -> Option<String> {
        Some(self.json().get("access_token")?.as_str()?.to_owned())
    }

    /// Checks for success and gives the token's header and claims, unverified.
    #[track_caller]
    pub fn assert_token(&self) -> (Value, Value) {
        self.assert_status(200).assert_json_that_nobody_keeps();
        let token = self.access_token().unwrap();
        let mut parts = token.split('.').map(|part| base64url_decode(part).unwrap());
        let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
        (next(), next())
    }
}
