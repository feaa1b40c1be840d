//! A server of a few lines that answers as a test says and remembers what it was asked.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Asked {
    /// Method, a blank, path and query.
    pub(in crate::cli) line: String,
    pub(in crate::cli) headers: hyper::HeaderMap,
    pub(in crate::cli) body: String,
}

impl Asked {
    pub(in crate::cli) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(in crate::cli) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(in crate::cli) type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// An answer in JSON.
pub(in crate::cli) fn json_answer(status: u16, body: &Value) -> Answer {
    (status, vec![("content-type", "application/json".to_owned())], body.to_string().into_bytes())
}

trait Answers: Fn(&Asked) -> Answer + Send + Sync + 'static {}
impl<T: Fn(&Asked) -> Answer + Send + Sync + 'static> Answers for T {}

/// It listens until the test's runtime ends.
pub(in crate::cli) struct Fake {
    /// As `--admin` or `--url` takes it.
    pub(in crate::cli) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _folder: Option<tempfile::TempDir>,
}

impl Fake {
    pub(in crate::cli) fn on_a_socket(answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("admin.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (answers, asked) = (Arc::new(answers), Arc::default());
        let keep = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&keep)));
            }
        });
        Self { address: format!("unix:{}", path.display()), asked, _folder: Some(folder) }
    }

    pub(in crate::cli) async fn on_loopback(
        answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (answers, asked) = (Arc::new(answers), Arc::default());
        let keep = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&keep)));
            }
        });
        Self { address, asked, _folder: None }
    }

    /// Everything that was asked so far.
    pub(in crate::cli) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: Arc<impl Answers>,
    keep: Arc<Mutex<Vec<Asked>>>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (answers, keep) = (Arc::clone(&answers), Arc::clone(&keep));
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let asked = Asked {
                line: format!("{} {}", parts.method, parts.uri),
                headers: parts.headers,
                body: String::from_utf8(body.to_vec()).unwrap(),
            };
            let (status, headers, body) = answers(&asked);
            keep.lock().unwrap().push(asked);
            let mut answer = Response::builder().status(status);
            for (name, value) in headers {
                answer = answer.header(name, value);
            }
            Ok::<_, hyper::Error>(answer.body(Full::new(Bytes::from(body))).unwrap())
        }
    });
    // How a connection ends is the client's matter.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
