//! TLS before any request.

use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::http::tls::Tls;
use crate::http::tls::tests::Folder;

async fn start_with_tls(folder: &Folder, caps: Caps) -> (Running, Arc<Tls>) {
    let tls = Tls::open("public", &folder.files()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let who = async |Extension(PeerAddress(address)): Extension<PeerAddress>| address.to_string();
    let (stages, told) = watch::channel(Stage::Open);
    let door = Door::at(listener, Some(tls.clone()));
    let ended = tokio::spawn(serve(door, Router::new().route("/who", get(who)), caps, told, LONG));
    (Running { address, stages, ended, hits: Arc::default() }, tls)
}

/// A connection that believes what lies in the folder, and nothing else.
async fn connect(server: &Running, folder: &Folder, protocol: &[u8]) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.files().cert).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("auth.example.com").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await
}

const WHO: &[u8] = b"GET /who HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn requests_come_through_tls_by_either_protocol_and_know_their_address() {
    let folder = Folder::new();
    let (server, _) = start_with_tls(&folder, Caps::default()).await;
    let mut stream = connect(&server, &folder, b"http/1.1").await.unwrap();
    let own = stream.get_ref().0.local_addr().unwrap().to_string();
    stream.write_all(WHO).await.unwrap();
    assert!(rest(&mut stream).await.ends_with(&own));
    let stream = connect(&server, &folder, b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://mintmark/who").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_old_ones_go_on() {
    let folder = Folder::new();
    let (server, tls) = start_with_tls(&folder, Caps::default()).await;
    let mut old = connect(&server, &folder, b"http/1.1").await.unwrap();
    folder.renew();
    assert!(connect(&server, &folder, b"http/1.1").await.is_err(), "it has not been taken up yet");
    tls.look(false);
    assert!(connect(&server, &folder, b"http/1.1").await.is_ok());
    old.write_all(WHO).await.unwrap();
    assert_status(&rest(&mut old).await, 200);
}

#[tokio::test]
async fn who_does_not_come_to_an_agreement_gets_nothing_and_holds_nobody_up() {
    let folder = Folder::new();
    let caps = Caps { handshake_timeout: SHORT, idle_timeout: LONG, ..Caps::default() };
    let (server, _) = start_with_tls(&folder, caps).await;
    assert_eq!(rest(&mut server.connect().await).await, "", "silence is given up");
    let mut plain = Vec::new();
    let mut stream = server.connect().await;
    stream.write_all(WHO).await.unwrap();
    let _ = stream.read_to_end(&mut plain).await;
    assert!(!plain.starts_with(b"HTTP/"), "{plain:?}");
    server.stages.send_replace(Stage::Shut);
    server.ended.await.unwrap();
}
