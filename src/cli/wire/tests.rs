use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-seen: yes\r\n\r\nhello";

/// A server that reads one request, sends `answer` and closes; it returns what it read.
async fn serve_once(listener: TcpListener, answer: Vec<u8>) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let asked = read_request(&mut stream).await;
    stream.write_all(&answer).await.unwrap();
    asked
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 1024];
    while !(read.ends_with(b"{}") || read.starts_with(b"GET") && read.ends_with(b"\r\n\r\n")) {
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(n > 0, "the request ended early");
        read.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8(read).unwrap()
}

async fn loopback() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    (listener, address)
}

fn get(address: &Address) -> Request<Full<Bytes>> {
    compose(address, Method::GET, "/healthz", HeaderMap::new(), Bytes::new()).unwrap()
}

#[tokio::test]
async fn a_post_goes_out_whole_and_its_answer_comes_back_whole() {
    let (listener, address) = loopback().await;
    let server = tokio::spawn(serve_once(listener, OK.to_vec()));
    let mut headers = HeaderMap::new();
    headers.insert("x-asked", HeaderValue::from_static("once"));
    let answer =
        send(&address, Method::POST, "/admin/v1/clients?a=b", headers, Bytes::from("{}")).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["x-seen"], "yes");
    assert_eq!(answer.body, "hello");
    let asked = server.await.unwrap();
    assert!(asked.starts_with("POST /admin/v1/clients?a=b HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("x-asked: once\r\n") && asked.contains("content-length: 2\r\n"), "{asked}");
    assert!(asked.contains(&format!("host: {}\r\n", address.host_header())), "{asked}");
}

#[tokio::test]
async fn the_admin_socket_answers_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = read_request(&mut stream).await;
        stream.write_all(OK).await.unwrap();
        asked
    });
    let answer = whole(&Address::Unix(path.clone()), get(&Address::Unix(path)), PATIENCE).await.unwrap();
    assert_eq!(answer.body, "hello");
    assert!(server.await.unwrap().contains("host: mintmark\r\n"));
}

#[tokio::test]
async fn a_long_answer_comes_piece_by_piece() {
    let (listener, address) = loopback().await;
    let mut long = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..100 {
        long.extend_from_slice(b"5\r\nhello\r\n");
    }
    long.extend_from_slice(b"0\r\n\r\n");
    let server = tokio::spawn(serve_once(listener, long));
    let mut answer =
        send_streaming(&address, Method::GET, "/x", HeaderMap::new(), Bytes::new()).await.unwrap();
    let mut read = Vec::new();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        read.extend_from_slice(&chunk);
    }
    assert_eq!(read, b"hello".repeat(100));
    server.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_not_an_end() {
    let (listener, address) = loopback().await;
    let short = b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello".to_vec();
    let server = tokio::spawn(serve_once(listener, short));
    let error = whole(&address, get(&address), PATIENCE).await.unwrap_err();
    assert!(matches!(error, WireError::CutOff { .. }), "{error}");
    assert!(!error.is_unreachable());
    server.await.unwrap();
}

#[tokio::test]
async fn an_answer_without_end_is_not_kept() {
    let (listener, address) = loopback().await;
    let server = tokio::spawn(serve_once(listener, OK.to_vec()));
    let patience = Patience { body_bytes: 4, ..PATIENCE };
    let error = whole(&address, get(&address), patience).await.unwrap_err();
    assert!(matches!(error, WireError::TooLarge(_)), "{error}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let (listener, address) = loopback().await;
    let patience = Patience { answer: Duration::from_millis(20), ..PATIENCE };
    let error = whole(&address, get(&address), patience).await.unwrap_err();
    assert!(matches!(error, WireError::Late(_)), "{error}");
    assert!(!error.is_unreachable(), "it may have done what was asked");
    drop(listener);
}

#[tokio::test]
async fn where_nobody_listens_the_text_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Unix(folder.path().join("admin.sock"));
    let error = whole(&address, get(&address), PATIENCE).await.unwrap_err();
    assert!(error.is_unreachable());
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot reach the server at {address}: is `mintmark serve` running?")));
    assert!(!text.contains('\n'));

    let (listener, address) = loopback().await;
    drop(listener);
    assert!(whole(&address, get(&address), PATIENCE).await.unwrap_err().is_unreachable());
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_not_reached() {
    let (listener, address) = loopback().await;
    let Address::Http { authority } = address else { panic!("loopback is plain") };
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let address = Address::Https { authority };
    let error = whole(&address, get(&address), PATIENCE).await.unwrap_err();
    assert!(matches!(error, WireError::Tls { .. }) && error.is_unreachable(), "{error}");
    server.abort();
}

#[test]
fn a_path_that_would_break_the_request_is_not_sent() {
    let address = Address::Unix("x".into());
    for path in ["", "healthz", "/a b", "/a\r\nx: y", "http://elsewhere/"] {
        let error = compose(&address, Method::GET, path, HeaderMap::new(), Bytes::new()).unwrap_err();
        assert!(matches!(error, WireError::Request(_)), "{path}");
        assert!(!error.to_string().contains('\n'));
    }
}
