//! Raw bytes over real sockets, as a hostile or a slow peer would send them.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;

mod full;
mod handshakes;
mod parting;

const LONG: Duration = Duration::from_hours(1);
const SHORT: Duration = Duration::from_millis(20);

/// A server, the way to stop it, and how often its handler was reached.
struct Running {
    address: SocketAddr,
    stages: watch::Sender<Stage>,
    ended: JoinHandle<()>,
    hits: Arc<AtomicUsize>,
}

async fn start(router: Router, caps: Caps, drain: Duration) -> Running {
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hits);
    let count = move |body: Bytes| async move {
        counted.fetch_add(1, Ordering::SeqCst);
        body.len().to_string()
    };
    let router = router.route("/count", post(count));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stages, told) = watch::channel(Stage::Open);
    let ended = tokio::spawn(serve(listener, router, caps, told, drain));
    Running { address, stages, ended, hits }
}

async fn default() -> Running {
    start(Router::new(), Caps::default(), LONG).await
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Everything that comes back until the server closes the connection.
    async fn ask(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(request.as_ref()).await;
        rest(&mut stream).await
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    String::from_utf8(read).unwrap()
}

/// One answer with a length, on a connection that stays.
async fn answer(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        read.push(stream.read_u8().await.unwrap());
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return text.into_owned();
            }
        }
    }
}

fn count(headers: &str, body: &str) -> String {
    format!("POST /count HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n{body}")
}

fn chunked(size: usize) -> String {
    let body = "x".repeat(size);
    count("transfer-encoding: chunked\r\n", &format!("{size:x}\r\n{body}\r\n0\r\n\r\n"))
}

#[track_caller]
fn assert_status(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status} expected: {answer:?}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "one answer only: {answer:?}");
}

#[tokio::test]
async fn heads_beyond_the_caps_are_refused() {
    let server = default().await;
    let lines = |count| (0..count).fold(String::new(), |lines, n| lines + &format!("x-{n}: y\r\n"));
    assert_status(&server.ask(count(&lines(62), "")).await, 200);
    assert_status(&server.ask(count(&lines(63), "")).await, 431);
    assert_status(&server.ask(count(&lines(99), "")).await, 431);
    assert_status(&server.ask(count(&format!("x: {}\r\n", "y".repeat(20 * 1024)), "")).await, 431);
    let target = "a".repeat(9 * 1024);
    assert_status(&server.ask(format!("GET /{target} HTTP/1.1\r\nhost: a\r\n\r\n")).await, 414);
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn a_head_without_end_is_cut() {
    let server = default().await;
    let endless = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "y".repeat(200 * 1024));
    let answer = server.ask(endless).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
}

#[tokio::test]
async fn a_body_beyond_the_cap_is_refused_and_the_connection_closed() {
    let server = default().await;
    let sized = |size: usize| {
        format!("POST /count HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n{}", "x".repeat(size))
    };
    // No "connection: close" is asked for: the server must close by itself.
    assert_status(&server.ask(sized(64 * 1024 + 1)).await, 413);
    assert_status(&server.ask(chunked(64 * 1024 + 1)).await, 413);
    assert_eq!(server.hits(), 0);
    assert!(server.ask(chunked(64 * 1024)).await.ends_with("65536"));
}

#[tokio::test]
async fn one_who_asks_before_sending_too_much_is_told_at_once() {
    let server = default().await;
    let mut stream = server.connect().await;
    let head = "POST /count HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 100000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_status(&rest(&mut stream).await, 413);
}

#[tokio::test]
async fn no_second_request_is_smuggled_behind_the_first() {
    let server = default().await;
    let smuggled = "POST /count HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    let body = format!("0\r\n\r\n{smuggled}");
    let length = format!("content-length: {}\r\n", body.len());
    let encoding = "transfer-encoding: chunked\r\n";
    for framing in [format!("{length}{encoding}"), format!("{encoding}{length}"), format!("{length}{length}")]
    {
        // No "connection: close" here: that the connection ends is the server's doing.
        let answer = server.ask(format!("POST /count HTTP/1.1\r\nhost: a\r\n{framing}\r\n{body}")).await;
        assert_status(&answer, 400);
        assert_eq!(server.hits(), 0);
    }
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_ends_the_connection() {
    let server = default().await;
    let next = count("content-length: 2\r\n", "ab");
    let chunked = "transfer-encoding: chunked\r\n";
    for (headers, body) in [
        ("content-length: 1\r\ncontent-length: 2\r\n", "hello"),
        ("content-length: 1, 2\r\n", "hello"),
        ("content-length: +5\r\n", "hello"),
        ("content-length:  5\r\n", "hello"),
        ("content-length: 0x5\r\n", "hello"),
        ("content-length: -1\r\n", "hello"),
        ("content-length: 99999999999999999999\r\n", "hello"),
        ("content-length : 5\r\n", "hello"),
        ("transfer-encoding: gzip\r\n", "hello"),
        ("transfer-encoding : chunked\r\n", "hello"),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", "hello"),
        ("x: a\r\n folded: b\r\n", ""),
        ("x: a\0b\r\n", ""),
        ("x: a\n", ""),
        ("x: a\rb\r\n", ""),
        ("host: b\r\n", ""),
        (chunked, "5;x=y\r\nhello\r\n0\r\n\r\n"),
        (chunked, "5\nhello\r\n0\r\n\r\n"),
        (chunked, "5\r\nhello0\r\n0\r\n\r\n"),
        (chunked, "0\r\ntrailer: x\r\n\r\n"),
        (chunked, "100000000\r\nhello"),
    ] {
        let request = format!("POST /count HTTP/1.1\r\nhost: a\r\n{headers}\r\n{body}{next}");
        assert_status(&server.ask(request).await, 400);
        assert_eq!(server.hits(), 0, "{headers:?} {body:?}");
    }
    assert_status(&server.ask(format!("GET / HTTP/1.1\r\n\r\n{next}")).await, 400);
    assert_status(&server.ask(format!("GET / HTTP/1.1\nhost: a\n\n{next}")).await, 400);
    assert_eq!(server.hits(), 0);
}

#[tokio::test]
async fn a_sound_request_before_a_refused_one_has_its_answer() {
    let server = default().await;
    let sound = "POST /count HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab";
    let answer = server.ask(format!("{sound}{sound}GET / HTTP/1.1\n\n{sound}")).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 2, "{answer}");
    assert_eq!(
        (answer.matches("HTTP/1.1 ").count(), answer.matches("HTTP/1.1 400 ").count()),
        (3, 1),
        "{answer}"
    );
    assert_eq!(server.hits(), 2);
}

#[tokio::test]
async fn whatever_comes_the_next_one_is_served() {
    let server = default().await;
    let noise: Vec<u8> = (0..=255).cycle().take(50_000).collect();
    for weird in [
        &noise[..],
        b"\r\n\r\n\r\n",
        b"\0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut stream = server.connect().await;
        let _ = stream.write_all(weird).await;
        let _ = stream.shutdown().await;
        let mut ignored = Vec::new();
        let _ = stream.read_to_end(&mut ignored).await;
    }
    assert_status(&server.ask(count("content-length: 2\r\n", "ab")).await, 200);
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_caller_an_answer_and_not_the_connection() {
    async fn breaks() {
        panic!("a test's panic");
    }
    let router = Router::new().route("/breaks", get(breaks)).route("/", get(async || "well"));
    let server = start(router, Caps::default(), LONG).await;
    let both =
        "GET /breaks HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answers = server.ask(both).await;
    assert!(answers.starts_with("HTTP/1.1 500 "), "{answers}");
    assert!(
        answers.contains(r#"{"error":"server_error"}HTTP/1.1 200 "#) && answers.ends_with("well"),
        "{answers}"
    );
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let caps = Caps { idle_timeout: SHORT, header_timeout: LONG, ..Caps::default() };
    let server = start(Router::new(), caps, LONG).await;
    assert_eq!(rest(&mut server.connect().await).await, "");
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_status(&rest(&mut stream).await, 404);
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up() {
    let caps = Caps { idle_timeout: LONG, header_timeout: SHORT, ..Caps::default() };
    let server = start(Router::new(), caps, LONG).await;
    assert_status(&server.ask("GET / HT").await, 408);
    // The same on a connection that has served a request before.
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_status(&answer(&mut stream).await, 404);
    stream.write_all(b"GET / HTTP/1.1\r\nho").await.unwrap();
    assert_status(&rest(&mut stream).await, 408);
}

#[tokio::test]
async fn a_body_that_does_not_end_is_given_up() {
    let caps = Caps { body_timeout: SHORT, ..Caps::default() };
    let server = start(Router::new(), caps, LONG).await;
    assert_status(&server.ask(count("content-length: 10\r\n", "hello")).await, 408);
    assert_eq!(server.hits(), 0);
}

#[tokio::test]
async fn a_request_outlives_the_limits_of_an_idle_connection() {
    let caps = Caps { idle_timeout: SHORT, header_timeout: SHORT, ..Caps::default() };
    let release = Arc::new(Notify::new());
    let wait = Arc::clone(&release);
    let router = Router::new().route("/wait", get(async move || wait.notified().await));
    let server = start(router, caps, LONG).await;
    let mut waiting = server.connect().await;
    waiting.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    // A connection opened later is closed for idleness: so the limit has passed for the first too.
    assert_eq!(rest(&mut server.connect().await).await, "");
    release.notify_one();
    assert_status(&rest(&mut waiting).await, 200);
}

#[tokio::test]
async fn one_who_takes_nothing_is_left() {
    let caps = Caps { write_timeout: SHORT, ..Caps::default() };
    let router = Router::new().route("/long", get(async || Body::from(vec![0; 32 * 1024 * 1024])));
    let server = start(router, caps, LONG).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /long HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    stream.readable().await.unwrap();
    server.stages.send_replace(Stage::Shut);
    // The drain would last an hour if the connection were still held.
    server.ended.await.unwrap();
}

#[tokio::test]
async fn the_longest_idle_connection_makes_room() {
    let caps = Caps { connections: 2, ..Caps::default() };
    let server = start(Router::new(), caps, LONG).await;
    let mut idle = server.connect().await;
    let mut other = server.connect().await;
    other.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_status(&answer(&mut other).await, 404);
    assert_status(&server.ask(count("content-length: 2\r\n", "ab")).await, 200);
    assert_eq!(rest(&mut idle).await, "");
}

#[tokio::test]
async fn when_all_are_busy_a_new_connection_is_closed() {
    let router = Router::new().route("/wait", get(std::future::pending::<()>));
    let server = start(router, Caps { connections: 1, spare: 0, ..Caps::default() }, LONG).await;
    let entered = server.connect().await;
    entered.writable().await.unwrap();
    entered.try_write(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert_eq!(server.ask(count("", "")).await, "");
    assert_eq!(server.hits(), 0);
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_takes_no_new_ones() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, gate) = (Arc::clone(&entered), Arc::clone(&release));
    let router = Router::new().route(
        "/wait",
        get(async move || {
            inside.notify_one();
            gate.notified().await;
            "done"
        }),
    );
    let server = start(router, Caps::default(), LONG).await;
    let mut idle = server.connect().await;
    let mut waiting = server.connect().await;
    waiting.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    entered.notified().await;
    server.stages.send_replace(Stage::Shut);
    assert_eq!(rest(&mut idle).await, "", "an idle connection ends at once");
    assert!(TcpStream::connect(server.address).await.is_err(), "the door is closed");
    assert!(!server.ended.is_finished(), "a request is under way");
    release.notify_one();
    let answer = rest(&mut waiting).await;
    assert_status(&answer, 200);
    assert!(answer.ends_with("done") && answer.contains("connection: close"), "{answer}");
    server.ended.await.unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_longer_than_it_was_told() {
    let entered = Arc::new(Notify::new());
    let inside = Arc::clone(&entered);
    let router = Router::new().route(
        "/wait",
        get(async move || {
            inside.notify_one();
            std::future::pending::<()>().await;
        }),
    );
    let server = start(router, Caps { handler_timeout: LONG, ..Caps::default() }, SHORT).await;
    let mut waiting = server.connect().await;
    waiting.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    entered.notified().await;
    server.stages.send_replace(Stage::Shut);
    server.ended.await.unwrap();
    assert_eq!(rest(&mut waiting).await, "");
}

#[tokio::test]
async fn a_request_over_tcp_knows_its_address() {
    let who = async |Extension(PeerAddress(address)): Extension<PeerAddress>| address.to_string();
    let server = start(Router::new().route("/who", get(who)), Caps::default(), LONG).await;
    let mut stream = server.connect().await;
    let own = stream.local_addr().unwrap().to_string();
    stream.write_all(b"GET /who HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(answer(&mut stream).await.ends_with(&own));
}

#[tokio::test]
async fn a_request_over_the_socket_knows_its_user() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let listener = bind_admin_socket(&path).unwrap();
    let who = async |Extension(PeerUid(uid)): Extension<PeerUid>| uid.to_string();
    let router = Router::new().route("/who", get(who));
    let (_open, stages) = watch::channel(Stage::Open);
    let server = tokio::spawn(serve(listener, router, Caps::default(), stages, LONG));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /who HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let own = rustix::process::geteuid().as_raw().to_string();
    assert!(rest(&mut stream).await.ends_with(&format!("\r\n\r\n{own}")));
    server.abort();
}

#[tokio::test]
async fn http2_is_spoken_and_bounded_alike() {
    let server = default().await;
    let stream = TokioIo::new(server.connect().await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    for (path, size, status) in [
        ("/count".to_owned(), 3, StatusCode::OK),
        ("/count".to_owned(), 64 * 1024 + 1, StatusCode::PAYLOAD_TOO_LARGE),
        (format!("/{}", "a".repeat(9 * 1024)), 0, StatusCode::URI_TOO_LONG),
    ] {
        let body = Full::new(Bytes::from(vec![b'x'; size]));
        let request = Request::post(format!("http://mintmark{path}")).body(body).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), status);
        let _ = answer.into_body().collect().await;
    }
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn an_http2_connection_without_a_request_is_closed() {
    let caps = Caps { idle_timeout: SHORT, header_timeout: LONG, ..Caps::default() };
    let server = start(Router::new(), caps, LONG).await;
    let stream = TokioIo::new(server.connect().await);
    let (_sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), stream).await.unwrap();
    let _ = connection.await;
}

#[tokio::test]
async fn an_http2_peer_that_acknowledges_nothing_is_closed() {
    let caps = Caps { idle_timeout: SHORT, header_timeout: LONG, ..Caps::default() };
    let server = start(Router::new(), caps, LONG).await;
    let mut stream = server.connect().await;
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat()).await.unwrap();
    let mut ignored = Vec::new();
    let _ = stream.read_to_end(&mut ignored).await;
}

#[test]
fn only_the_peers_fault_is_passed_over_without_a_rest() {
    assert!(is_peers_fault(&io::Error::from_raw_os_error(rustix::io::Errno::CONNABORTED.raw_os_error())));
    for ours in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::NOMEM] {
        assert!(!is_peers_fault(&io::Error::from_raw_os_error(ours.raw_os_error())), "{ours}");
    }
}
