//! Between the first word of a stop and the last.

use std::io::{Read as _, Write as _};

use super::*;

const KEPT: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn before_a_door_is_shut_everybody_is_served_and_told_to_come_back_elsewhere() {
    let server = default().await;
    let mut kept = server.connect().await;
    kept.write_all(KEPT).await.unwrap();
    assert!(!answer(&mut kept).await.contains("connection: close"));
    server.stages.send_replace(Stage::Parting);
    // The answer to one who comes tells that the server has heard of it.
    while !server.ask(count("", "").replace("connection: close\r\n", "")).await.contains("connection: close")
    {
    }
    kept.write_all(KEPT).await.unwrap();
    let last = rest(&mut kept).await;
    assert_status(&last, 404);
    assert!(last.contains("connection: close"), "{last}");
    server.stages.send_replace(Stage::Shut);
    server.ended.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "the door is shut");
}

#[tokio::test]
async fn http2_gets_its_farewell_while_the_door_is_open() {
    let server = default().await;
    let stream = TokioIo::new(server.connect().await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let post = || Request::post("http://mintmark/count").body(Full::new(Bytes::from_static(b"ab"))).unwrap();
    assert_eq!(sender.send_request(post()).await.unwrap().status(), StatusCode::OK);
    server.stages.send_replace(Stage::Parting);
    // It ends in peace, by the server's doing.
    connection.await.unwrap().unwrap();
    assert!(sender.send_request(post()).await.is_err());
    // One who comes now is served once, too.
    let stream = TokioIo::new(server.connect().await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    assert_eq!(sender.send_request(post()).await.unwrap().status(), StatusCode::OK);
    connection.await.unwrap().unwrap();
    assert_eq!(server.hits(), 2);
}

#[tokio::test]
async fn whom_the_kernel_has_let_in_is_served_although_the_door_is_shut_next() {
    let server = default().await;
    // Nothing is awaited here, so that the server does not come to accept them.
    let mut before_the_door: Vec<_> = (0..10)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(server.address).unwrap();
            stream.write_all(count("content-length: 2\r\n", "ab").as_bytes()).unwrap();
            stream
        })
        .collect();
    server.stages.send_replace(Stage::Shut);
    let hits = Arc::clone(&server.hits);
    server.ended.await.unwrap();
    assert_eq!(hits.load(Ordering::SeqCst), 10);
    for stream in &mut before_the_door {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_status(&answer, 200);
    }
}
