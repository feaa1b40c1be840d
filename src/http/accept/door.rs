//! Where connections come in, and how the last of them are let in before a door is shut.

use std::io;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::PeerUid;
use super::stream::{Peer, Stream};
use crate::http::tls::Tls;

/// Where connections come in.
#[derive(Debug)]
pub enum Door {
    /// A TCP port: requests carry a [`PeerAddress`](super::PeerAddress).
    Tcp(TcpListener),
    /// The same with TLS before any request.
    Tls(TcpListener, Arc<Tls>),
    /// A Unix socket: requests carry a [`PeerUid`].
    Unix(UnixListener),
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Door {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

impl Door {
    /// A port, with TLS if there is an identity for it.
    pub fn at(listener: TcpListener, tls: Option<Arc<Tls>>) -> Self {
        match tls {
            Some(tls) => Self::Tls(listener, tls),
            None => Self::Tcp(listener),
        }
    }

    pub(super) fn tls(&self) -> Option<&Arc<Tls>> {
        match self {
            Self::Tls(_, tls) => Some(tls),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => {
                let (stream, address) = listener.accept().await?;
                Ok(over_tcp(stream, address))
            }
            Self::Unix(listener) => over_socket(listener.accept().await?.0),
        }
    }

    /// Shuts the door, and gives those whom the kernel had let in already: closing over them would reset them.
    pub(super) fn shut(self) -> Vec<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => {
                let Ok(listener) = listener.into_std() else { return Vec::new() };
                rest(|| {
                    let (stream, address) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    Ok(over_tcp(TcpStream::from_std(stream)?, address))
                })
            }
            Self::Unix(listener) => {
                let Ok(listener) = listener.into_std() else { return Vec::new() };
                rest(|| {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    over_socket(UnixStream::from_std(stream)?)
                })
            }
        }
    }
}

/// Those who stand before a door come at once or never; whoever comes meanwhile does not hold it open for ever.
const MOST_AT_THE_END: usize = 4096;

fn rest(mut accept: impl FnMut() -> io::Result<(Stream, Peer)>) -> Vec<(Stream, Peer)> {
    let mut found = Vec::new();
    for _ in 0..MOST_AT_THE_END {
        match accept() {
            Ok(connection) => found.push(connection),
            Err(error) if super::is_peers_fault(&error) => {}
            // There is nobody left, or no room for them.
            Err(_) => break,
        }
    }
    found
}

fn over_tcp(stream: TcpStream, address: std::net::SocketAddr) -> (Stream, Peer) {
    // Answers are small and go out whole. A peer already gone fails here and is met later.
    let _ = stream.set_nodelay(true);
    (Stream::Tcp(stream), Peer::Address(address))
}

fn over_socket(stream: UnixStream) -> io::Result<(Stream, Peer)> {
    // Nobody is served whom the kernel does not name.
    let uid = stream.peer_cred().map_err(|_| io::ErrorKind::ConnectionAborted)?.uid();
    Ok((Stream::Unix(stream), Peer::Uid(PeerUid(uid))))
}
