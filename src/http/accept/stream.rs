//! One connection's bytes, whichever way they come: TCP, TLS over TCP, a Unix socket.
//!
//! It passes bytes on and can tell whether some lie there unread. It knows nothing of HTTP.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Extensions;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::{PeerAddress, PeerUid};
use crate::http::pace::Unread;
use crate::http::tls::Tls;

/// A connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// Who is at the other end.
#[derive(Clone, Copy)]
pub(super) enum Peer {
    Address(SocketAddr),
    Uid(PeerUid),
}

impl Peer {
    /// Puts who it is into a request's extensions.
    pub(super) fn tell(self, extensions: &mut Extensions) {
        match self {
            Self::Address(address) => drop(extensions.insert(PeerAddress(address))),
            Self::Uid(uid) => drop(extensions.insert(uid)),
        }
    }
}

/// Agrees on TLS within this time. What peers do wrong here is not worth more than a whisper.
pub(super) async fn shake_hands(stream: Stream, tls: &Tls, within: Duration) -> Option<Stream> {
    let Stream::Tcp(stream) = stream else { return None };
    match timeout(within, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => Some(Stream::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("a handshake took too long");
            None
        }
    }
}

impl Stream {
    fn socket(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Tls(stream) => stream.get_ref().0.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Unread for Stream {
    fn has_unread(&self) -> bool {
        let mut first = [0];
        // Nothing there is "again"; an end or a fault is nothing to wait for either.
        recv(self.socket(), &mut first, RecvFlags::PEEK | RecvFlags::DONTWAIT)
            .is_ok_and(|(_, length)| length > 0)
    }
}

/// Calls the same method of whatever stream it is.
macro_rules! pass_on {
    ($self:ident, $method:ident, $($argument:expr),*) => {
        match $self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
            Stream::Unix(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        pass_on!(self, poll_read, cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        pass_on!(self, poll_write, cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        pass_on!(self, poll_write_vectored, cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pass_on!(self, poll_flush, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pass_on!(self, poll_shutdown, cx)
    }
}
