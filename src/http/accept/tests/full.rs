//! A house where every seat is taken.

use super::*;

/// One seat and one spare seat.
fn tiny() -> Caps {
    Caps { connections: 1, spare: 1, ..Caps::default() }
}

/// A router with a handler that never ends, and one that is a document.
fn busy(entered: &Arc<Notify>) -> Router {
    let inside = Arc::clone(entered);
    let wait = async move || {
        inside.notify_one();
        std::future::pending::<()>().await;
    };
    Router::new().route("/wait", get(wait)).route("/livez", get(async || "alive"))
}

#[tokio::test]
async fn documents_are_answered_while_every_connection_is_busy_and_nothing_else_is() {
    let entered = Arc::new(Notify::new());
    let caps = Caps { handler_timeout: LONG, ..tiny() };
    let server = start(busy(&entered), caps, LONG).await;
    let mut waiting = server.connect().await;
    waiting.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    entered.notified().await;
    let document = "GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert!(server.ask(document).await.ends_with("alive"));
    // No "connection: close" is asked for: the seat is wanted back at once.
    let refused = server.ask("POST /oauth2/token HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab").await;
    assert_status(&refused, 503);
    assert!(refused.contains("retry-after: ") && refused.contains("connection: close"), "{refused}");
    assert!(server.ask(document).await.ends_with("alive"));
    assert_eq!(server.hits(), 0);
}

#[tokio::test]
async fn one_on_a_spare_seat_moves_when_an_idle_one_makes_room() {
    let entered = Arc::new(Notify::new());
    let server = start(busy(&entered), tiny(), LONG).await;
    let mut idle = server.connect().await;
    let mut kept = server.connect().await;
    kept.write_all(b"POST /count HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab").await.unwrap();
    assert_status(&answer(&mut kept).await, 200);
    assert_eq!(rest(&mut idle).await, "");
    // The spare seat is free again.
    let document = "GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert!(server.ask(document).await.ends_with("alive"));
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn the_slowest_sender_makes_room_and_one_who_is_handled_never_does() {
    let entered = Arc::new(Notify::new());
    let caps =
        Caps { connections: 2, spare: 0, sender_patience: Duration::ZERO, handler_timeout: LONG, ..tiny() };
    let server = start(busy(&entered), caps, LONG).await;
    let mut waiting = server.connect().await;
    waiting.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    entered.notified().await;
    let mut sender = server.connect().await;
    let head = "POST /count HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 20\r\n\r\n";
    sender.write_all(head.as_bytes()).await.unwrap();
    // Its head is read, and its body is waited for.
    sender.readable().await.unwrap();
    assert_status(&server.ask(count("content-length: 2\r\n", "ab")).await, 200);
    assert_eq!(rest(&mut sender).await, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(timeout(SHORT, waiting.read_u8()).await.is_err(), "what is handled goes on");
}

#[tokio::test]
async fn tiles_are_refused_while_too_much_is_kept_for_others_and_documents_are_not() {
    let caps = Caps { kept_bytes: 0, ..Caps::default() };
    let body = |size: usize| get(move || std::future::ready(Body::from(vec![b'x'; size])));
    let router = Router::new().route("/log/tile/{*path}", body(20_000)).route("/openapi.json", body(20_000));
    let server = start(router, caps, LONG).await;
    let ask =
        async |path| server.ask(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
    let refused = ask("/log/tile/0/000").await;
    assert_status(&refused, 503);
    assert!(refused.contains("retry-after: "), "{refused}");
    assert_status(&ask("/openapi.json").await, 200);
}
