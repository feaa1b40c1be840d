//! The command line's one HTTP client: one request on one connection (RFC 9112).
//!
//! It follows no redirect, keeps no cookie, repeats nothing and trusts the
//! machine's root certificates only. Credentials never go over plain HTTP to
//! another machine unless the caller says so.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::http::uri::Authority;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

mod address;
mod unnamed;

use super::cause::cause;
pub use address::Address;
use address::bare_host;

/// What the server's log sees of us.
const AGENT: &str = concat!("mintmark/", env!("CARGO_PKG_VERSION"));

/// Why there is no answer; each text is one line and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not an address.
    #[error("`{0}` is not an address: give unix:PATH, https://HOST[:PORT] or, on loopback, http://HOST:PORT")]
    Address(String),
    /// Plain HTTP to another machine.
    #[error("plain http:// to {0} would show credentials to the network: use https:// or a loopback address")]
    PlainHttp(String),
    /// A path or header that cannot be sent.
    #[error("`{0}` cannot be sent as a request: check the names and identifiers in the command")]
    Request(String),
    /// No connection, so nothing has happened.
    #[error("cannot reach the server at {address}: is `mintmark serve` running? ({cause})")]
    Unreachable {
        /// Where to.
        address: String,
        /// What the system said.
        cause: String,
    },
    /// The socket is there, but not for us.
    #[error("cannot open {0}: permission denied; run the command as the user that runs `mintmark serve`")]
    Forbidden(String),
    /// A connection, but no agreement on TLS.
    #[error(
        "cannot reach the server at {address}: TLS failed ({cause}); check its certificate and SSL_CERT_FILE"
    )]
    Tls {
        /// Where to.
        address: String,
        /// What failed.
        cause: String,
    },
    /// The request went out; nobody knows what became of it.
    #[error("the server at {0} did not answer in time: see what it did before you repeat the command")]
    Late(String),
    /// The connection ended before the answer did.
    #[error(
        "the server at {address} broke off its answer ({cause}): see what it did before you repeat the command"
    )]
    CutOff {
        /// Where to.
        address: String,
        /// What failed.
        cause: String,
    },
    /// The answer is larger than any that the API gives.
    #[error("the answer of the server at {0} is too large: ask for less, or is this another server?")]
    TooLarge(String),
}

impl WireError {
    /// Whether no server was reached, so that the exit code is 3 and nothing has happened.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Forbidden(_) | Self::Tls { .. })
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, at most 64 MiB.
    pub body: Bytes,
}

/// An answer whose body is still coming, of any length.
#[derive(Debug)]
pub struct Streamed {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: Incoming,
    address: String,
    patience: Duration,
    _connection: Connection,
}

impl Streamed {
    /// The next piece of the body, `None` at its proper end.
    ///
    /// It fails when the body is cut short or nothing comes for 30 seconds.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, WireError> {
        loop {
            let frame = timeout(self.patience, self.body.frame())
                .await
                .map_err(|_| WireError::Late(self.address.clone()))?;
            match frame.transpose().map_err(|error| cut_off(&self.address, &error))? {
                None => return Ok(None),
                Some(frame) => {
                    // A frame of trailers says nothing to us.
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

/// How long and how much is borne.
#[derive(Clone, Copy, Debug)]
struct Patience {
    connect: Duration,
    answer: Duration,
    body_bytes: usize,
}

const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(30),
    body_bytes: 64 * 1024 * 1024,
};

/// Sends one request and reads the whole answer, whatever its status.
///
/// `path_and_query` begins with `/` and is percent-encoded. It fails if there
/// is no connection within 5 seconds, no whole answer within 30, or more than 64 MiB.
pub async fn send(
    address: &Address,
    method: Method,
    path_and_query: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, WireError> {
    let request = compose(address, method, path_and_query, headers, body)?;
    whole(address, request, PATIENCE).await
}

/// As [`send`], but hands the body over piece by piece, of any length.
pub async fn send_streaming(
    address: &Address,
    method: Method,
    path_and_query: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Streamed, WireError> {
    let request = compose(address, method, path_and_query, headers, body)?;
    begin(address, request, PATIENCE).await
}

fn compose(
    address: &Address,
    method: Method,
    path_and_query: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, WireError> {
    let refused = || WireError::Request(path_and_query.escape_debug().to_string());
    if !path_and_query.starts_with('/') {
        return Err(refused());
    }
    let uri: Uri = path_and_query.parse().map_err(|_| refused())?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    let host = HeaderValue::from_str(address.host_header()).map_err(|_| refused())?;
    let own = request.headers_mut();
    own.insert(HOST, host);
    own.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    own.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

async fn whole(
    address: &Address,
    request: Request<Full<Bytes>>,
    patience: Patience,
) -> Result<Response, WireError> {
    let mut answer = begin(address, request, patience).await?;
    let read = async {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > patience.body_bytes {
                return Err(WireError::TooLarge(address.to_string()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(body))
    };
    let body = timeout(patience.answer, read).await.map_err(|_| WireError::Late(address.to_string()))??;
    Ok(Response { status: answer.status, headers: answer.headers, body })
}

async fn begin(
    address: &Address,
    request: Request<Full<Bytes>>,
    patience: Patience,
) -> Result<Streamed, WireError> {
    let stream = timeout(patience.connect, connect(address)).await.map_err(|_| {
        WireError::Unreachable { address: address.to_string(), cause: "no connection in time".to_owned() }
    })??;
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = Connection(tokio::spawn(async move {
            // Its error reaches us through the answer.
            let _ = connection.await;
        }));
        Ok::<_, hyper::Error>((sender.send_request(request).await?, connection))
    };
    let (answer, connection) = timeout(patience.answer, exchange)
        .await
        .map_err(|_| WireError::Late(address.to_string()))?
        .map_err(|error| cut_off(&address.to_string(), &error))?;
    let (parts, body) = answer.into_parts();
    Ok(Streamed {
        status: parts.status,
        headers: parts.headers,
        body,
        address: address.to_string(),
        patience: patience.answer,
        _connection: connection,
    })
}

fn cut_off(address: &str, error: &hyper::Error) -> WireError {
    let cause = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    WireError::CutOff { address: address.to_owned(), cause }
}

/// The task that moves the bytes; it ends with its owner.
#[derive(Debug)]
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

async fn connect(address: &Address) -> Result<Pin<Box<dyn Duplex>>, WireError> {
    match address {
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(|error| unreachable(address, &error))?;
            Ok(Box::pin(stream))
        }
        Address::Http { authority } => Ok(Box::pin(connect_tcp(address, authority, 80).await?)),
        Address::Https { authority } => handshake(address, authority, tls_config()).await,
        Address::HttpsUnnamed { authority } => handshake(address, authority, unnamed::config()).await,
    }
}

async fn handshake(
    address: &Address,
    authority: &Authority,
    config: Result<ClientConfig, String>,
) -> Result<Pin<Box<dyn Duplex>>, WireError> {
    let stream = connect_tcp(address, authority, 443).await?;
    let failed = |cause: String| WireError::Tls { address: address.to_string(), cause };
    let name =
        ServerName::try_from(bare_host(authority).to_owned()).map_err(|error| failed(error.to_string()))?;
    let config = config.map_err(failed)?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| failed(error.to_string()))?;
    Ok(Box::pin(stream))
}

async fn connect_tcp(
    address: &Address,
    authority: &Authority,
    usual_port: u16,
) -> Result<TcpStream, WireError> {
    let port = authority.port_u16().unwrap_or(usual_port);
    let stream = TcpStream::connect((bare_host(authority), port))
        .await
        .map_err(|error| unreachable(address, &error))?;
    // One small request: it must not wait for company.
    stream.set_nodelay(true).map_err(|error| unreachable(address, &error))?;
    Ok(stream)
}

fn unreachable(address: &Address, error: &io::Error) -> WireError {
    if error.kind() == io::ErrorKind::PermissionDenied && matches!(address, Address::Unix(_)) {
        return WireError::Forbidden(address.to_string());
    }
    WireError::Unreachable { address: address.to_string(), cause: advised(address, error) }
}

/// What the system said, and what else may be wrong than a server that does not run.
fn advised(address: &Address, error: &io::Error) -> String {
    match address {
        Address::Unix(_) if error.kind() == io::ErrorKind::NotFound => {
            "there is no such socket; --config or --admin names another".to_owned()
        }
        Address::Unix(_) if error.kind() == io::ErrorKind::ConnectionRefused => {
            "nobody listens at this socket any more".to_owned()
        }
        _ => cause(error),
    }
}

fn tls_config() -> Result<ClientConfig, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A damaged certificate among the machine's roots is the machine's matter; none at all is ours.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("this machine has no trusted root certificates".to_owned());
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests;
