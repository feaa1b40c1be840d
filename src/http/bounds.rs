//! What a request may cost: sizes and deadlines, for every route and every miss.
//!
//! The whole body is read here, before any route is chosen, so that no handler
//! can forget the cap and none waits for a slow sender: a handler's deadline
//! begins when its request is complete. Requests only; an answer may be of any
//! length. This file knows no route and never looks into a body.
//!
//! RFC 9110 section 15.5 (408, 413, 414), RFC 6585 section 5 (431), RFC 9110 section 15.6.4 (503).

use std::convert::Infallible;
use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Request, StatusCode, Version};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as HttpBody;
use tokio::time::{Instant, timeout, timeout_at};
use tower::Service;

use crate::oauth::ErrorCode;
use crate::telemetry::{Traffic, UnderWay};

/// How long a sender of too much is listened to, so that it can read its 413
/// instead of meeting a reset connection.
const DISCARD_FOR: Duration = Duration::from_secs(1);

/// Retry-After lies between 1 and this many seconds.
const RETRY_SPREAD: u32 = 5;

/// The limits of one listener. Sizes are bytes.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Connections at once. At the cap the longest idle ones make room for new ones.
    pub connections: u32,
    /// Connections beyond them on which only documents are answered.
    pub spare: u32,
    /// From the connection to the end of its handshake, where it has one.
    pub handshake_timeout: Duration,
    /// From the first byte of an HTTP/1 head to its end, else 408.
    pub header_timeout: Duration,
    /// From the end of the head to the end of the body, else 408.
    pub body_timeout: Duration,
    /// From the complete request to the head of its answer, else 503.
    pub handler_timeout: Duration,
    /// How long a connection is kept without a request.
    pub idle_timeout: Duration,
    /// Who has been sending a request for so long makes room when every connection is taken.
    pub sender_patience: Duration,
    /// How long a peer may take nothing of an answer.
    pub write_timeout: Duration,
    /// Header lines of a request, else 431.
    pub max_headers: usize,
    /// All header lines of a request with their separators, else 431.
    pub header_bytes: usize,
    /// The request target with its query, else 414.
    pub uri_bytes: usize,
    /// The body of a request, however it is framed, else 413.
    pub body_bytes: usize,
    /// Answers that wait for their peers, all together; beyond it tiles and proofs are 503.
    pub kept_bytes: u64,
    /// HTTP/2: requests at once on one connection.
    pub h2_streams: u32,
    /// HTTP/2: resets that are remembered before the connection is ended.
    pub h2_resets: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            connections: 8192,
            spare: 256,
            handshake_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            handler_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_mins(1),
            sender_patience: Duration::from_secs(1),
            write_timeout: Duration::from_secs(10),
            max_headers: 64,
            header_bytes: 16 * 1024,
            uri_bytes: 8 * 1024,
            body_bytes: 64 * 1024,
            kept_bytes: 64 * 1024 * 1024,
            h2_streams: 64,
            h2_resets: 20,
        }
    }
}

/// A router, and who counts what passes through it, if anybody does.
pub struct Routed {
    /// Where requests go.
    pub router: Router,
    /// Told of each of them.
    pub traffic: Option<Arc<Traffic>>,
}

impl From<Router> for Routed {
    fn from(router: Router) -> Self {
        Self { router, traffic: None }
    }
}

/// A router that no request can overload.
pub struct Bounded {
    router: Router,
    traffic: Option<Arc<Traffic>>,
    caps: Caps,
    /// Counts refusals, to spread their Retry-After.
    refusals: AtomicU32,
}

/// Puts `caps` before every route of `router` and before its fallback.
pub fn bound(routed: impl Into<Routed>, caps: &Caps) -> Arc<Bounded> {
    let Routed { router, traffic } = routed.into();
    // `with_state` builds the routes once instead of at every request.
    let built = router.with_state(());
    Arc::new(Bounded { router: built, traffic, caps: *caps, refusals: AtomicU32::new(0) })
}

/// Why a request goes no further. This is HTTP's own refusal, below any endpoint's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    UriTooLong,
    HeadTooLarge,
    BodyTooLarge,
    BodyTooSlow,
    BodyBroken,
    HandlerTooSlow,
    HandlerPanicked,
    HouseFull,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::HandlerTooSlow | Self::HouseFull => StatusCode::SERVICE_UNAVAILABLE,
            Self::HandlerPanicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Bounded {
    /// The limits in force.
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// Who counts, if anybody does.
    pub(super) fn traffic(&self) -> Option<&Traffic> {
        self.traffic.as_deref()
    }

    /// The router's answer, or the refusal of a request that is too large or too slow; counted either way.
    pub async fn answer<B>(&self, request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let counted = self.begin(request.uri().path());
        let response = match self.receive(request).await {
            Ok(request) => self.handle(request).await,
            Err(refused) => refused,
        };
        ended(counted, &response);
        response
    }

    /// A request for `path` has come; [`ended`] says what became of it.
    pub(super) fn begin(&self, path: &str) -> Option<UnderWay<'_>> {
        self.traffic().map(|traffic| traffic.begin(path))
    }

    /// The complete request, or the refusal of one that is too large or too slow.
    pub(super) async fn receive<B>(&self, request: Request<B>) -> Result<Request<Body>, Response>
    where
        B: HttpBody<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let version = request.version();
        self.read(request).await.map_err(|refusal| self.refuse(refusal, version))
    }

    /// The router's answer to a complete request.
    pub(super) async fn handle(&self, request: Request<Body>) -> Response {
        let version = request.version();
        self.route(request).await.unwrap_or_else(|refusal| self.refuse(refusal, version))
    }

    /// The answer where every connection is taken and this request is none of those that are kept for last.
    pub(super) fn no_room(&self, version: Version) -> Response {
        self.refuse(Refusal::HouseFull, version)
    }

    async fn read<B>(&self, request: Request<B>) -> Result<Request<Body>, Refusal>
    where
        B: HttpBody<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.check_head(&request)?;
        let (parts, body) = request.into_parts();
        let body = if body.is_end_stream() {
            Body::empty()
        } else {
            Body::from(self.read_body(body, parts.headers.contains_key(EXPECT)).await?)
        };
        Ok(Request::from_parts(parts, body))
    }

    fn check_head<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let uri = request.uri();
        let target = uri.path_and_query().map_or(0, |target| target.as_str().len())
            + uri.authority().map_or(0, |authority| authority.as_str().len());
        if target > self.caps.uri_bytes {
            return Err(Refusal::UriTooLong);
        }
        let headers = request.headers();
        // Four more for the colon, the space and the line's end.
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if headers.len() > self.caps.max_headers || size > self.caps.header_bytes {
            return Err(Refusal::HeadTooLarge);
        }
        Ok(())
    }

    async fn read_body<B>(&self, mut body: B, expects: bool) -> Result<Bytes, Refusal>
    where
        B: HttpBody<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let cap = self.caps.body_bytes;
        let announced = body.size_hint().lower();
        if announced > u64::try_from(cap).unwrap_or(u64::MAX) {
            // One who waits for "100 Continue" has sent nothing and must not be asked to.
            if !expects {
                discard(&mut body, cap.saturating_mul(2)).await;
            }
            return Err(Refusal::BodyTooLarge);
        }
        let whole = Limited::new(&mut body, cap).collect();
        match timeout(self.caps.body_timeout, whole).await {
            Ok(Ok(whole)) => Ok(whole.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                discard(&mut body, cap).await;
                Err(Refusal::BodyTooLarge)
            }
            Ok(Err(_)) => Err(Refusal::BodyBroken),
            Err(_) => Err(Refusal::BodyTooSlow),
        }
    }

    async fn route(&self, request: Request<Body>) -> Result<Response, Refusal> {
        // A clone of a router is a count; a router is always ready.
        let mut router = self.router.clone();
        // What a handler shares is behind locks that bear a panic; the process lives on.
        let handled = AssertUnwindSafe(router.call(request)).catch_unwind();
        match timeout(self.caps.handler_timeout, handled).await {
            Ok(Ok(outcome)) => {
                Ok(without_false_length(outcome.unwrap_or_else(|never: Infallible| match never {})))
            }
            Ok(Err(_)) => Err(Refusal::HandlerPanicked),
            Err(_) => Err(Refusal::HandlerTooSlow),
        }
    }

    fn refuse(&self, refusal: Refusal, version: Version) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = refusal.status();
        let body = match refusal {
            Refusal::HandlerTooSlow | Refusal::HouseFull => r#"{"error":"temporarily_unavailable"}"#,
            Refusal::HandlerPanicked => r#"{"error":"server_error"}"#,
            _ => "",
        };
        if !body.is_empty() {
            *response.body_mut() = Body::from(body);
        }
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if matches!(refusal, Refusal::HandlerTooSlow | Refusal::HouseFull) {
            // Clients that were refused together shall not come back together.
            let nth = self.refusals.fetch_add(1, Ordering::Relaxed);
            headers.insert(RETRY_AFTER, HeaderValue::from(nth % RETRY_SPREAD + 1));
        }
        let goes_on = matches!(refusal, Refusal::HandlerTooSlow | Refusal::HandlerPanicked);
        if !goes_on && version < Version::HTTP_2 {
            // What follows on the connection cannot be told from what was refused, or has no room.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Says what became of a request, where it is counted.
pub(super) fn ended(counted: Option<UnderWay<'_>>, response: &Response) {
    if let Some(under_way) = counted {
        under_way.answered(response.status().as_u16(), response.extensions().get::<ErrorCode>().copied());
    }
}

/// Axum counts the bytes of every answer, but a 304 may only tell the length that a 200 would have.
/// RFC 9110 section 8.6.
fn without_false_length(mut response: Response) -> Response {
    if response.status() == StatusCode::NOT_MODIFIED {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response
}

/// Reads and forgets up to `most` bytes, for a short while.
async fn discard<B: HttpBody<Data = Bytes> + Unpin>(body: &mut B, most: usize) {
    let until = Instant::now() + DISCARD_FOR;
    let mut left = most;
    while let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await {
        let read = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(read) {
            Some(rest) if rest > 0 => left = rest,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests;
