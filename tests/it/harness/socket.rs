//! A real socket on loopback, for what only bytes on a wire can show.

use std::net::SocketAddr;
use std::time::Duration;

use mintmark::http::Router;
use mintmark::http::accept::{Stage, serve};
use mintmark::http::bounds::Caps;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a test waits for a peer that ought to answer at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// The public listener on a port of its own.
pub struct Loopback {
    address: SocketAddr,
    stages: watch::Sender<Stage>,
    served: JoinHandle<()>,
}

impl Loopback {
    pub(super) async fn open(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stages, told) = watch::channel(Stage::Open);
        let served = tokio::spawn(serve(listener, router, Caps::default(), told, Duration::from_secs(1)));
        Self { address, stages, served }
    }

    /// Writes `request` and reads until the server closes the connection.
    pub async fn exchange(&self, request: &[u8]) -> String {
        exchange(self.address, request).await
    }

    /// Writes `head`, then `chunk` again and again until the server answers and closes.
    pub async fn flood(&self, head: &[u8], chunk: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head).await.unwrap();
        let (reader, mut writer) = stream.into_split();
        let answer = tokio::spawn(read_to_end(reader));
        while !answer.is_finished() && writer.write_all(chunk).await.is_ok() {}
        answer.await.unwrap()
    }

    /// Writes `request` and leaves the answer to whoever reads it.
    pub async fn send(&self, request: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream
    }

    /// Stops listening.
    pub async fn close(self) {
        drop(self.stages);
        self.served.await.unwrap();
    }
}

/// Writes `request` to this address and reads until the server closes the connection.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has heard enough may close before everything was written.
    let _ = stream.write_all(request).await;
    read_to_end(stream).await
}

async fn read_to_end(mut stream: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut answer = Vec::new();
    // A reset after the answer takes nothing of it away.
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection was not closed: {}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}
