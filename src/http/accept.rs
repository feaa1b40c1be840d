//! Our own accept loop: connections in, bounded requests out, over TCP and Unix sockets.
//!
//! It keeps what `axum::serve` leaves open: a cap on connections with seats kept for the documents
//! ([`rooms`]), TLS ([`tls`](super::tls)), deadlines on slow peers ([`pace`](super::pace)), bounds on every
//! request ([`bounds`](super::bounds)), and an end within a given time that loses no request. It speaks
//! HTTP/1.1 (RFC 9112) and HTTP/2 with prior knowledge (RFC 9113), never
//! upgrades a connection, and never ends because of what a peer does.
//!
//! An HTTP/1 request that could be read in two ways is refused
//! ([`strict`](super::strict)), so that none can be smuggled behind another.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request, Version, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::bounds::{Bounded, Caps, Routed, bound, ended};
use super::class::Class;
use super::pace::{Ask, InFlight, Paced, Pulse};
use super::strict::Strict;
use super::tls::Tls;

mod door;
mod held;
mod rooms;
mod socket;
mod stream;

pub use door::Door;
use held::{Held, Kept};
use rooms::{Place, Rooms};
pub use socket::bind_admin_socket;
use stream::{Peer, Stream, shake_hands};

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
/// How soon it is worth looking again for one who could make room when there was none.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long those without a request get to say farewell.
const FAREWELL: Duration = Duration::from_secs(1);
const CLOSE: HeaderValue = HeaderValue::from_static("close");
/// How long connections get to fall when they are ended by force.
const FALL: Duration = Duration::from_secs(1);

/// The effective user id of the peer on a Unix socket, as the kernel tells it; in every request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerUid(pub u32);

/// The address of the peer on a TCP connection; in every request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// What a door is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// To let everybody in.
    Open,
    /// To let everybody in and to ask everybody to come back elsewhere: every answer is the last on its connection.
    Parting,
    /// To shut.
    Shut,
}

/// Serves `router` at `door` until `stages` says [`Stage::Shut`] or its sender is gone. Then lets in whom the
/// kernel had let in, shuts the door, lets requests under way finish within `drain`, ends the rest and returns.
///
/// It fails at nothing: an `accept` that fails is logged and tried again, after
/// a rest if the system is short of something.
pub async fn serve(
    door: impl Into<Door>,
    router: impl Into<Routed>,
    caps: Caps,
    mut stages: watch::Receiver<Stage>,
    drain: Duration,
) {
    let door = door.into();
    let house = Arc::new(House::new(router, &caps, door.tls().cloned()));
    let mut short = false;
    loop {
        let accepted = tokio::select! {
            biased;
            stage = next(&mut stages) => match stage {
                Stage::Open => continue,
                Stage::Parting => {
                    house.part();
                    continue;
                }
                Stage::Shut => break,
            },
            () = sleep(REST), if short => {
                short = false;
                continue;
            }
            accepted = door.accept(), if !short => accepted,
        };
        match accepted {
            Ok((stream, peer)) => house.welcome(stream, peer).await,
            Err(error) if is_peers_fault(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections: raise the limit of open files");
                house.make_room();
                short = true;
            }
        }
    }
    house.part();
    for (stream, peer) in door.shut() {
        if let Some(seat) = house.seat_now() {
            seat.take(stream, peer);
        }
    }
    house.close(drain).await;
}

async fn next(stages: &mut watch::Receiver<Stage>) -> Stage {
    match stages.changed().await {
        Ok(()) => *stages.borrow_and_update(),
        Err(_) => Stage::Shut,
    }
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
    tls: Option<Arc<Tls>>,
    rooms: Rooms,
    kept: Arc<Kept>,
    parting: AtomicBool,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Arc<Pulse>>,
    /// When nobody was found who could have made room.
    in_vain: Option<Instant>,
}

/// One connection's place; free again when dropped.
struct Seat {
    house: Arc<House>,
    number: u64,
    pulse: Arc<Pulse>,
    place: Arc<Place>,
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
    fn new(router: impl Into<Routed>, caps: &Caps, tls: Option<Arc<Tls>>) -> Self {
        let bounded = bound(router, caps);
        if let Some(traffic) = bounded.traffic() {
            traffic.allow(caps.connections);
        }
        Self {
            bounded,
            builder: builder(caps),
            tls,
            rooms: Rooms::new(caps),
            kept: Kept::new(caps.kept_bytes),
            parting: AtomicBool::new(false),
            seats: Mutex::default(),
        }
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        // The map is whole at every moment, whoever panicked.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a new connection in a task of its own, or drops it when all are busy.
    async fn welcome(self: &Arc<Self>, stream: Stream, peer: Peer) {
        let seat = match self.seat_now() {
            None => timeout(WAIT_FOR_ROOM, self.rooms.wait()).await.ok().map(|place| self.seat(place)),
            seat => seat,
        };
        if let Some(seat) = seat {
            seat.take(stream, peer);
        } else {
            tracing::debug!("connection refused: every connection is busy");
            if let Some(traffic) = self.bounded.traffic() {
                traffic.turned_away();
            }
        }
    }

    fn seat_now(self: &Arc<Self>) -> Option<Seat> {
        let place = self.rooms.any();
        // Room is made before the last seat is taken, so that the door waits for nobody.
        if place.is_none() || self.rooms.are_scarce() {
            self.make_room();
        }
        place.or_else(|| self.rooms.spare()).map(|place| self.seat(place))
    }

    fn seat(self: &Arc<Self>, place: Place) -> Seat {
        let pulse = Arc::new(Pulse::new());
        let mut seats = self.seats();
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number, Arc::clone(&pulse));
        drop(seats);
        if let Some(traffic) = self.bounded.traffic() {
            traffic.connected();
        }
        Seat { house: Arc::clone(self), number, pulse, place: Arc::new(place) }
    }

    /// Asks connections to leave: first those without a request, by their rank, then those that have been sending
    /// one for longest. Never one whose request is being handled. Whether there was one to ask.
    fn make_room(&self) -> bool {
        let mut seats = self.seats();
        let now = Instant::now();
        if seats.in_vain.is_some_and(|at| at + LOOK_AGAIN > now) {
            return false;
        }
        let slow_since = self.bounded.caps().sender_patience;
        let leave = seats.taken.len() / MAKE_ROOM_PART + 1;
        let (mut quiet, mut slow) = (Vec::new(), Vec::new());
        for pulse in seats.taken.values() {
            if pulse.is_quiet() {
                quiet.push(Arc::clone(pulse));
            } else if !pulse.is_handling() && pulse.last_active() + slow_since < now {
                slow.push(Arc::clone(pulse));
            }
        }
        let found = !quiet.is_empty() || !slow.is_empty();
        seats.in_vain = (!found).then_some(now);
        drop(seats);
        let asked = quiet.len().min(leave);
        ask_longest(quiet, leave, Ask::Leave);
        ask_longest(slow, leave - asked, Ask::Yield);
        found
    }

    fn ask_all(&self, what: Ask) {
        for pulse in self.seats().taken.values() {
            pulse.ask(what);
        }
    }

    /// From now on every answer says that it is the last on its connection.
    fn part(&self) {
        self.parting.store(true, Ordering::Relaxed);
        self.ask_all(Ask::Part);
    }

    async fn close(&self, drain: Duration) {
        self.ask_all(Ask::Finish);
        let emptied = async {
            if timeout(FAREWELL, self.rooms.emptied()).await.is_err() {
                // Who has nothing under way and does not take its leave is not waited for.
                self.ask_all(Ask::Leave);
                self.rooms.emptied().await;
            }
        };
        if timeout(drain, emptied).await.is_err() {
            let connections = self.seats().taken.values().filter(|pulse| pulse.is_busy()).count();
            tracing::warn!(connections, "requests did not end in time and were cut off");
            self.ask_all(Ask::Abort);
            let _ = timeout(FALL, self.rooms.emptied()).await;
        }
    }

    async fn answer(&self, request: Request<Incoming>, place: &Place, under_way: &mut InFlight) -> Response {
        let version = request.version();
        let counted = self.bounded.begin(request.uri().path());
        let class = Class::of(request.uri().path());
        let mut response = if class == Class::Document || self.has_room_for(place).await {
            let received = self.bounded.receive(request).await;
            under_way.complete();
            match received {
                Ok(_) if class == Class::Log && self.kept.is_full() => self.bounded.no_room(version),
                Ok(request) => self.bounded.handle(request).await,
                Err(refused) => refused,
            }
        } else {
            under_way.complete();
            self.bounded.no_room(version)
        };
        ended(counted, &response);
        if self.parting.load(Ordering::Relaxed) && version < Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, CLOSE);
        }
        response
    }

    /// Whether this connection may ask for more than documents; one on a spare seat moves if another makes room.
    async fn has_room_for(&self, place: &Place) -> bool {
        if !place.is_spare() || self.parting.load(Ordering::Relaxed) || self.rooms.move_now(place) {
            return true;
        }
        self.make_room() && timeout(WAIT_FOR_ROOM, self.rooms.move_later(place)).await.is_ok()
    }
}

fn ask_longest(mut of: Vec<Arc<Pulse>>, count: usize, what: Ask) {
    if count < of.len() {
        of.select_nth_unstable_by_key(count, |pulse| pulse.rank());
    }
    for pulse in of.iter().take(count) {
        pulse.ask(what);
    }
}

impl Seat {
    fn take(self, stream: Stream, peer: Peer) {
        drop(tokio::spawn(self.attend(stream, peer)));
    }

    async fn attend(self, stream: Stream, peer: Peer) {
        let Some(stream) = self.greet(stream).await else { return };
        let service = service_fn(|mut request: Request<Incoming>| {
            let mut under_way = self.pulse.begin();
            let (house, place) = (Arc::clone(&self.house), Arc::clone(&self.place));
            peer.tell(request.extensions_mut());
            if house.parting.load(Ordering::Relaxed) {
                // HTTP/2 has its farewell apart from any answer.
                self.pulse.ask(Ask::Part);
            }
            async move {
                let response = house.answer(request, &place, &mut under_way).await;
                Ok::<_, Infallible>(response.map(|body| Body::new(Held::new(body, &house.kept, under_way))))
            }
        });
        let paced = Paced::new(stream, Arc::clone(&self.pulse), self.house.bounded.caps());
        let io = TokioIo::new(Strict::new(paced));
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
                asked = self.pulse.asked() => {
                    if asked.has(Ask::Abort) || asked.has(Ask::Yield) && !self.pulse.is_handling() {
                        return;
                    }
                    // HTTP/1 says farewell with each answer, and its stream ends by itself.
                    if self.pulse.speaks_http2() {
                        if asked.has(Ask::Leave) && !self.pulse.is_busy() {
                            return;
                        }
                        if asked.has(Ask::Part) || asked.has(Ask::Finish) {
                            connection.as_mut().graceful_shutdown();
                        }
                    }
                }
            }
        }
    }

    /// Agrees on TLS, where this door speaks it. Who does not come to it in time, or is asked to make room, gets nothing.
    async fn greet(&self, stream: Stream) -> Option<Stream> {
        let Some(tls) = &self.house.tls else { return Some(stream) };
        let within = self.house.bounded.caps().handshake_timeout;
        let mut shaken = pin!(shake_hands(stream, tls, within));
        loop {
            tokio::select! {
                biased;
                stream = shaken.as_mut() => return stream,
                asked = self.pulse.asked() => {
                    if asked.has(Ask::Leave) || asked.has(Ask::Yield) || asked.has(Ask::Abort) {
                        return None;
                    }
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
