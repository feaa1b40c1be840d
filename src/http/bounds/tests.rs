use std::io;

use axum::http::Method;
use axum::routing::post;
use futures_util::stream;
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;

use super::*;

async fn length(body: Bytes) -> String {
    body.len().to_string()
}

fn server(caps: Caps) -> Arc<Bounded> {
    bound(Router::new().route("/", post(length)), &caps)
}

fn request<B>(path: &str, body: B) -> Request<B> {
    Request::builder().method(Method::POST).uri(path).body(body).unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_body_of_the_cap_passes_and_one_byte_more_does_not() {
    let server = server(Caps::default());
    let full = |size| Full::new(Bytes::from(vec![b'x'; size]));
    let answer = server.answer(request("/", full(65_536))).await;
    assert_eq!((answer.status(), text(answer).await.as_str()), (StatusCode::OK, "65536"));
    // A path that leads nowhere is no way around the cap.
    for path in ["/", "/nowhere"] {
        let answer = server.answer(request(path, full(65_537))).await;
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert_eq!(answer.headers()[CONNECTION], "close");
    }
}

#[tokio::test]
async fn an_endless_body_is_refused() {
    let endless = stream::repeat_with(|| Ok::<_, io::Error>(Frame::data(Bytes::from_static(&[0; 1000]))));
    let answer = server(Caps::default()).answer(request("/", StreamBody::new(endless))).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_stops_is_given_up_and_one_that_breaks_is_refused() {
    let server = server(Caps { body_timeout: Duration::from_millis(10), ..Caps::default() });
    let silent = stream::pending::<io::Result<Frame<Bytes>>>();
    assert_eq!(
        server.answer(request("/", StreamBody::new(silent))).await.status(),
        StatusCode::REQUEST_TIMEOUT
    );
    let broken = stream::iter([Err::<Frame<Bytes>, _>(io::Error::other("gone"))]);
    assert_eq!(server.answer(request("/", StreamBody::new(broken))).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_target_of_the_cap_passes_and_one_byte_more_does_not() {
    let server = server(Caps::default());
    let target = |size: usize| format!("/?{}", "a".repeat(size - 2));
    assert_eq!(server.answer(request(&target(8192), Body::empty())).await.status(), StatusCode::OK);
    assert_eq!(server.answer(request(&target(8193), Body::empty())).await.status(), StatusCode::URI_TOO_LONG);
}

#[tokio::test]
async fn headers_are_counted_and_weighed() {
    let server = server(Caps::default());
    let with = |count: usize, size: usize| {
        let mut request = request("/", Body::empty());
        for _ in 0..count {
            request.headers_mut().append("x", HeaderValue::from_bytes(&vec![b'v'; size]).unwrap());
        }
        request
    };
    assert_eq!(server.answer(with(64, 1)).await.status(), StatusCode::OK);
    assert_eq!(server.answer(with(65, 1)).await.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(server.answer(with(1, 16 * 1024 - 5)).await.status(), StatusCode::OK);
    assert_eq!(
        server.answer(with(1, 16 * 1024 - 4)).await.status(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
}

#[tokio::test]
async fn a_handler_that_hangs_is_answered_for_and_the_returns_are_spread() {
    let router = Router::new().route("/", post(std::future::pending::<()>));
    let server = bound(router, &Caps { handler_timeout: Duration::from_millis(5), ..Caps::default() });
    let mut waits = Vec::new();
    for _ in 0..5 {
        let answer = server.answer(request("/", Body::empty())).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        waits.push(answer.headers()[RETRY_AFTER].to_str().unwrap().to_owned());
        assert_eq!(text(answer).await, r#"{"error":"temporarily_unavailable"}"#);
    }
    waits.sort();
    assert_eq!(waits, ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_handler_that_panics_is_answered_for_and_harms_nobody_else() {
    static HELD: std::sync::Mutex<u32> = std::sync::Mutex::new(0);
    async fn breaks() -> &'static str {
        let _held = HELD.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        panic!("with a lock in its hand, and a secret in its message")
    }
    async fn goes_on() -> String {
        let mut held = HELD.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *held += 1;
        held.to_string()
    }
    let router = Router::new().route("/breaks", post(breaks)).route("/", post(goes_on));
    let server = bound(router, &Caps::default());
    for nth in ["1", "2"] {
        let answer = server.answer(request("/breaks", Body::empty())).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(text(answer).await, r#"{"error":"server_error"}"#);
        assert_eq!(text(server.answer(request("/", Body::empty())).await).await, nth);
    }
}

#[tokio::test]
async fn every_request_is_counted_whatever_becomes_of_it() {
    async fn breaks() {
        panic!("a test's panic");
    }
    let router = Router::new()
        .route("/", post(length))
        .route("/breaks", post(breaks))
        .route("/hangs", post(std::future::pending::<()>));
    let clock = Arc::new(crate::ambient::SystemClock::new());
    let traffic = Traffic::new("public", &["/breaks", "/hangs", "/"], clock);
    let caps = Caps { handler_timeout: Duration::from_millis(5), ..Caps::default() };
    let server = bound(Routed { router, traffic: Some(traffic.clone()) }, &caps);
    for path in ["/", "/breaks", "/hangs", "/nowhere"] {
        server.answer(request(path, Body::empty())).await;
    }
    server.answer(request("/", Full::new(Bytes::from(vec![b'x'; 65_537])))).await;
    // Its caller does not wait for the end.
    assert!(server.answer(request("/hangs", Body::empty())).now_or_never().is_none());
    let counted = traffic.reading().routes.into_iter().map(|route| (route.route, route.ends));
    assert_eq!(
        counted.collect::<Vec<_>>(),
        [
            ("/breaks", [0, 0, 0, 1, 0]),
            ("/hangs", [0, 0, 0, 1, 1]),
            ("/", [1, 0, 1, 0, 0]),
            ("other", [0, 0, 1, 0, 0]),
        ]
    );
}
