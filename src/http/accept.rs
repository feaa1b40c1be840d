//! Our own accept loop: connections in, bounded requests out, over TCP and Unix sockets.
//!
//! It keeps what `axum::serve` leaves open: a cap on connections, deadlines on
//! slow peers ([`pace`](super::pace)), bounds on every request
//! ([`bounds`](super::bounds)), and an end within a given time. It speaks
//! HTTP/1.1 (RFC 9112) and HTTP/2 with prior knowledge (RFC 9113), never
//! upgrades a connection, and never ends because of what a peer does.
//!
//! A message with both `Content-Length` and `Transfer-Encoding` is read by its
//! `Transfer-Encoding` and ends its connection (RFC 9112 section 6.3), so that
//! no second request can be smuggled behind it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::bounds::{Bounded, Caps, Routed, bound};
use super::pace::{Ask, Paced, Pulse};

mod socket;

pub use socket::bind_admin_socket;

/// Room in hyper's buffer for the method, the version and line ends, beside target and headers.
const START_LINE: usize = 64;
/// hyper refuses a smaller buffer.
const SMALLEST_BUFFER: usize = 8 * 1024;
/// How long the loop rests when the system has no descriptors or memory left.
const REST: Duration = Duration::from_millis(100);
/// How long a new connection waits for room.
const WAIT_FOR_ROOM: Duration = Duration::from_millis(100);
/// The share of connections that make room at once, so that looking for them stays rare.
const MAKE_ROOM_PART: usize = 64;
/// How long connections get to fall when they are ended by force.
const FALL: Duration = Duration::from_secs(1);

/// The effective user id of the peer on a Unix socket, as the kernel tells it; in every request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerUid(pub u32);

/// The address of the peer on a TCP connection; in every request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// Where connections come in.
#[derive(Debug)]
pub enum Door {
    /// A TCP port: requests carry a [`PeerAddress`].
    Tcp(TcpListener),
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

enum Stream {
    Tcp(TcpStream, PeerAddress),
    Unix(UnixStream, PeerUid),
}

impl Door {
    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Answers are small and go out whole. A peer already gone fails here and is met later.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream, PeerAddress(address)))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                // Nobody is served whom the kernel does not name.
                let uid = stream.peer_cred().map_err(|_| io::ErrorKind::ConnectionAborted)?.uid();
                Ok(Stream::Unix(stream, PeerUid(uid)))
            }
        }
    }
}

/// Serves `router` at `door` until `shutdown` resolves, then closes the door,
/// lets requests under way finish within `drain`, ends the rest and returns.
///
/// It fails at nothing: an `accept` that fails is logged and tried again, after
/// a rest if the system is short of something.
pub async fn serve(
    door: impl Into<Door>,
    router: impl Into<Routed>,
    caps: Caps,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let door = door.into();
    let house = Arc::new(House::new(router, &caps));
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.as_mut() => break,
            accepted = door.accept() => accepted,
        };
        match accepted {
            Ok(stream) => house.welcome(stream).await,
            Err(error) if is_peers_fault(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections: raise the limit of open files");
                house.make_room();
                tokio::select! {
                    biased;
                    () = shutdown.as_mut() => break,
                    () = sleep(REST) => {}
                }
            }
        }
    }
    drop(door);
    house.close(drain).await;
}

/// The connection failed before we had it; the next one is none the worse.
fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | TimedOut
    )
}

/// Everybody who is connected to one door.
struct House {
    bounded: Arc<Bounded>,
    builder: Builder<TokioExecutor>,
    room: Arc<Semaphore>,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Arc<Pulse>>,
}

/// One connection's place; free again when dropped.
struct Seat {
    house: Arc<House>,
    number: u64,
    pulse: Arc<Pulse>,
    _room: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.house.seats().taken.remove(&self.number);
        if let Some(traffic) = self.house.bounded.traffic() {
            traffic.disconnected();
        }
    }
}

impl House {
    fn new(router: impl Into<Routed>, caps: &Caps) -> Self {
        let bounded = bound(router, caps);
        if let Some(traffic) = bounded.traffic() {
            traffic.allow(caps.connections);
        }
        Self {
            bounded,
            builder: builder(caps),
            room: Arc::new(Semaphore::new(
                usize::try_from(caps.connections).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            seats: Mutex::default(),
        }
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        // The map is whole at every moment, whoever panicked.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a new connection in a task of its own, or drops it when all are busy.
    async fn welcome(self: &Arc<Self>, stream: Stream) {
        let Some(seat) = self.seat().await else {
            tracing::debug!("connection refused: every connection is busy");
            if let Some(traffic) = self.bounded.traffic() {
                traffic.turned_away();
            }
            return;
        };
        match stream {
            Stream::Tcp(stream, peer) => drop(tokio::spawn(seat.attend(stream, peer))),
            Stream::Unix(stream, peer) => drop(tokio::spawn(seat.attend(stream, peer))),
        }
    }

    async fn seat(self: &Arc<Self>) -> Option<Seat> {
        let room = if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() {
            room
        } else {
            self.make_room();
            timeout(WAIT_FOR_ROOM, Arc::clone(&self.room).acquire_owned()).await.ok()?.ok()?
        };
        let pulse = Arc::new(Pulse::new());
        let mut seats = self.seats();
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number, Arc::clone(&pulse));
        drop(seats);
        if let Some(traffic) = self.bounded.traffic() {
            traffic.connected();
        }
        Some(Seat { house: Arc::clone(self), number, pulse, _room: room })
    }

    /// Asks the connections without a request to leave, those first that had none for longest.
    fn make_room(&self) {
        let seats = self.seats();
        let mut idle: Vec<_> = seats.taken.values().filter(|pulse| !pulse.is_busy()).cloned().collect();
        let leave = seats.taken.len() / MAKE_ROOM_PART + 1;
        drop(seats);
        if leave < idle.len() {
            idle.select_nth_unstable_by_key(leave, |pulse| pulse.last_active());
        }
        for pulse in idle.iter().take(leave) {
            pulse.ask(Ask::Leave);
        }
    }

    fn ask_all(&self, what: Ask) {
        for pulse in self.seats().taken.values() {
            pulse.ask(what);
        }
    }

    async fn close(&self, drain: Duration) {
        self.ask_all(Ask::Finish);
        if timeout(drain, self.emptied()).await.is_err() {
            tracing::warn!(
                connections = self.seats().taken.len(),
                "requests did not end in time and were cut off"
            );
            self.ask_all(Ask::Abort);
            let _ = timeout(FALL, self.emptied()).await;
        }
    }

    /// Waits until every seat is free. No seat is given meanwhile: the door is closed.
    async fn emptied(&self) {
        let all = self.bounded.caps().connections;
        drop(self.room.acquire_many(all).await);
    }
}

impl Seat {
    async fn attend<I, P>(self, io: I, peer: P)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Clone + Send + Sync + 'static,
    {
        let service = service_fn(|mut request: Request<Incoming>| {
            let under_way = self.pulse.begin();
            let bounded = Arc::clone(&self.house.bounded);
            request.extensions_mut().insert(peer.clone());
            async move {
                let response = bounded.answer(request).await;
                drop(under_way);
                Ok::<_, Infallible>(response)
            }
        });
        let io = TokioIo::new(Paced::new(io, Arc::clone(&self.pulse), self.house.bounded.caps()));
        let mut connection = pin!(self.house.builder.serve_connection(io, service));
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        // What peers do is not worth more than a whisper.
                        tracing::debug!(error, "connection ended early");
                    }
                    return;
                }
                asked = self.pulse.asked() => match asked {
                    Ask::Leave if self.pulse.is_busy() => {}
                    Ask::Finish => connection.as_mut().graceful_shutdown(),
                    Ask::Leave | Ask::Abort => return,
                }
            }
        }
    }
}

fn builder(caps: &Caps) -> Builder<TokioExecutor> {
    let head = caps.uri_bytes.saturating_add(caps.header_bytes).saturating_add(START_LINE);
    let small = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `pace` tells an idle connection from a slow head; this one does not.
        .header_read_timeout(None)
        .max_buf_size(head.max(SMALLEST_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(caps.h2_streams)
        .max_pending_accept_reset_streams(caps.h2_resets)
        .max_local_error_reset_streams(caps.h2_resets)
        .max_send_buf_size(caps.body_bytes)
        .initial_stream_window_size(small(caps.body_bytes))
        .initial_connection_window_size(small(caps.body_bytes.saturating_mul(4)))
        // RFC 9113 section 6.5.2 counts 32 bytes more for each header.
        .max_header_list_size(small(head.saturating_add(caps.max_headers.saturating_mul(32))));
    builder
}

#[cfg(test)]
mod tests;
