//! How long a connection may make us wait: a stream that gives up by itself.
//!
//! hyper has one timer for "waiting for the next request" and "reading its
//! head", and none before it knows the protocol version. Here they are two,
//! and they run from the first byte of the connection:
//!
//! - no request under way: closed after `idle`, counted from the end of the last
//!   one or the last byte that we wrote;
//! - an HTTP/1 head has begun: it must end within `header` of its first byte,
//!   else 408 where no other answer is on its way, and the end (RFC 9110 section 15.5.9);
//! - a request is under way: no limit here, [`bounds`](super::bounds) watches body and handler;
//! - the peer takes none of the bytes we have for it: closed after `write`.
//!
//! - an HTTP/2 connection has had no request at all: its first must be complete within `header` of its first
//!   byte; later a started head falls under `idle`, since heads are frames there;
//! - it was asked to go and nothing of a request is there: the stream ends, by itself and between requests.
//!
//! Bytes of a next head that came along with an earlier request are counted
//! from that request's end and by `idle`, until one more byte comes. After our last word one who still
//! sends is listened to for a moment (RFC 9112 section 9.6).
//!
//! The timer is lazy: a request whose head comes in one piece never touches it.
//! This file never reads, changes or holds back a byte of a request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::bounds::Caps;

/// The answer to a head that does not end.
const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long one who has just come may take to say its first word when the door is being shut.
const FIRST_WORD: Duration = Duration::from_secs(1);
/// How long one who still sends is listened to after our last word, so that it can read that
/// instead of meeting a reset connection.
const LINGER: Duration = Duration::from_secs(1);
/// And how much of it is read and forgotten.
const MOST_FORGOTTEN: usize = 256 * 1024;

/// What a connection can be asked from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Say farewell in time: the door will be shut soon.
    Part = 1,
    /// Make room, if no request is under way.
    Leave = 2,
    /// Make room, if no request is complete and being handled.
    Yield = 4,
    /// Finish what is under way, take nothing new.
    Finish = 8,
    /// End now.
    Abort = 16,
}

/// What was asked since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked(u8);

impl Asked {
    pub(super) fn has(self, what: Ask) -> bool {
        self.0 & what as u8 != 0
    }
}

/// Bytes that lie with the kernel and that nobody has read: an idle connection that has some is not idle.
pub(super) trait Unread {
    fn has_unread(&self) -> bool;
}

/// What is known about one connection from outside it.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Requests whose head is complete and whose answer is not yet handed over.
    in_flight: AtomicU32,
    /// Those of them that are complete.
    handled: AtomicU32,
    /// A head has begun and is not complete.
    receiving: AtomicBool,
    speaks_http2: AtomicBool,
    /// Counts the beginnings and ends of requests.
    turns: AtomicU32,
    opened: Instant,
    /// Milliseconds from `opened` to the last answer, or to the beginning of what is being received.
    active: AtomicU64,
    asked: AtomicU8,
    /// Whoever is quiet shall go: for the sake of others, or for good.
    makes_room: AtomicBool,
    finishes: AtomicBool,
    called: Notify,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            handled: AtomicU32::new(0),
            receiving: AtomicBool::new(false),
            speaks_http2: AtomicBool::new(false),
            turns: AtomicU32::new(0),
            opened: Instant::now(),
            active: AtomicU64::new(0),
            asked: AtomicU8::new(0),
            makes_room: AtomicBool::new(false),
            finishes: AtomicBool::new(false),
            called: Notify::new(),
        }
    }

    /// A request is under way until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.receiving.store(false, Ordering::Relaxed);
        self.makes_room.store(false, Ordering::Relaxed);
        self.mark_active(Instant::now());
        InFlight { pulse: Arc::clone(self), complete: false }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) > 0
    }

    /// A request is complete and its answer is not yet handed over.
    pub(super) fn is_handling(&self) -> bool {
        self.handled.load(Ordering::Acquire) > 0
    }

    /// Nothing of a request is there.
    pub(super) fn is_quiet(&self) -> bool {
        !self.is_busy() && !self.receiving.load(Ordering::Relaxed)
    }

    pub(super) fn speaks_http2(&self) -> bool {
        self.speaks_http2.load(Ordering::Relaxed)
    }

    /// When it last did something for a request, when that began which is being received, or when it was opened.
    pub(super) fn last_active(&self) -> Instant {
        self.opened + Duration::from_millis(self.active.load(Ordering::Relaxed))
    }

    /// Who goes first when room is wanted: those that never asked for anything, and among equals the longest inactive.
    pub(super) fn rank(&self) -> (bool, Instant) {
        (self.turns.load(Ordering::Relaxed) > 0, self.last_active())
    }

    pub(super) fn ask(&self, what: Ask) {
        match what {
            Ask::Leave => self.makes_room.store(true, Ordering::Relaxed),
            Ask::Finish => self.finishes.store(true, Ordering::Relaxed),
            Ask::Part | Ask::Yield | Ask::Abort => {}
        }
        self.asked.fetch_or(what as u8, Ordering::Release);
        self.called.notify_one();
    }

    /// Waits until something is asked.
    pub(super) async fn asked(&self) -> Asked {
        self.called.notified().await;
        Asked(self.asked.swap(0, Ordering::Acquire))
    }

    fn mark_active(&self, now: Instant) {
        let since = now.saturating_duration_since(self.opened).as_millis();
        self.active.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// One request under way.
#[derive(Debug)]
pub(super) struct InFlight {
    pulse: Arc<Pulse>,
    complete: bool,
}

impl InFlight {
    /// Its last byte has come: from now on it is ours to answer.
    pub(super) fn complete(&mut self) {
        if !self.complete {
            self.complete = true;
            self.pulse.handled.fetch_add(1, Ordering::Release);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.pulse.mark_active(Instant::now());
        if self.complete {
            self.pulse.handled.fetch_sub(1, Ordering::Release);
        }
        // In this order: one who sees the request gone must see its turn too.
        self.pulse.turns.fetch_add(1, Ordering::Relaxed);
        self.pulse.in_flight.fetch_sub(1, Ordering::Release);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    ForRequest,
    ForRestOfHead,
}

/// As its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Unheard,
    Http1,
    Http2,
}

/// A stream that ends with `TimedOut` when its peer is too slow.
pub(super) struct Paced<I> {
    io: I,
    pulse: Arc<Pulse>,
    header: Duration,
    idle: Duration,
    write: Duration,
    waiting: Waiting,
    since: Instant,
    protocol: Protocol,
    /// The pulse's turns when the wait was last looked at.
    turns: u32,
    /// Something was written since then.
    wrote: bool,
    /// Something was written since the last flush.
    unflushed: bool,
    alarm: Pin<Box<Sleep>>,
    stall: Option<Pin<Box<Sleep>>>,
    /// The peer has said its last word, or is taken to have.
    ended: bool,
    linger: Option<Linger>,
}

/// After our last word.
struct Linger {
    until: Pin<Box<Sleep>>,
    left: usize,
}

impl<I: AsyncRead + AsyncWrite + Unread + Unpin> Paced<I> {
    pub(super) fn new(io: I, pulse: Arc<Pulse>, caps: &Caps) -> Self {
        let since = Instant::now();
        Self {
            io,
            pulse,
            header: caps.header_timeout,
            idle: caps.idle_timeout,
            write: caps.write_timeout,
            waiting: Waiting::ForRequest,
            since,
            protocol: Protocol::Unheard,
            turns: 0,
            wrote: false,
            unflushed: false,
            alarm: Box::pin(sleep_until(since + caps.idle_timeout)),
            stall: None,
            ended: false,
            linger: None,
        }
    }

    fn arrived(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.ended = true;
            return;
        }
        if self.protocol == Protocol::Unheard {
            // The preface of RFC 9113 section 3.4; no HTTP/1 method begins so.
            let is_http2 = bytes.starts_with(b"PRI");
            self.protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
            self.pulse.speaks_http2.store(is_http2, Ordering::Relaxed);
            self.since = Instant::now();
        }
        if self.protocol == Protocol::Http1 && (self.wrote || self.waiting == Waiting::ForRequest) {
            self.wrote = false;
            self.turns = self.pulse.turns.load(Ordering::Relaxed);
            self.wait(Waiting::ForRestOfHead);
        }
    }

    fn wait(&mut self, what: Waiting) {
        self.waiting = what;
        self.since = Instant::now();
        self.pulse.receiving.store(what == Waiting::ForRestOfHead, Ordering::Relaxed);
        self.pulse.mark_active(self.since);
    }

    /// Called whenever there is nothing to read; ends the stream when that has lasted too long, or shall last no longer.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let busy = self.pulse.is_busy();
        let turns = self.pulse.turns.load(Ordering::Relaxed);
        // What is written before the first request of HTTP/2 is settings and the like.
        let awaits_first = self.protocol == Protocol::Http2 && turns == 0;
        // An HTTP/2 request may have ended and its answer not yet be written.
        if (self.wrote || turns != self.turns) && !awaits_first {
            self.wrote = false;
            self.turns = turns;
            self.wait(Waiting::ForRequest);
        }
        let leaves = self.leaves_at(busy);
        if leaves.is_some_and(|at| at <= Instant::now()) {
            return self.leave();
        }
        let deadline = match self.waiting {
            _ if busy => None,
            _ if awaits_first => Some(self.since + self.idle.min(self.header)),
            Waiting::ForRequest => Some(self.since + self.idle),
            Waiting::ForRestOfHead => Some(self.since + self.header),
        };
        let next = deadline.into_iter().chain(leaves).min();
        // The alarm may ring too early, never too late; only then is it set anew.
        if let Some(next) = next.filter(|next| *next < self.alarm.deadline()) {
            self.alarm.as_mut().reset(next);
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            match next {
                _ if leaves.is_some_and(|at| at <= now) => return self.leave(),
                Some(deadline) if deadline <= now => return Poll::Ready(Err(self.expire(cx))),
                Some(deadline) => self.alarm.as_mut().reset(deadline),
                // A millisecond at least, lest an idle limit of zero spin.
                None => self.alarm.as_mut().reset(now + self.idle.max(Duration::from_millis(1))),
            }
        }
        Poll::Pending
    }

    /// From when on a quiet connection that was asked to go may go. HTTP/2 has a farewell of its own.
    fn leaves_at(&self, busy: bool) -> Option<Instant> {
        let makes_room = self.pulse.makes_room.load(Ordering::Relaxed);
        let finishes = self.pulse.finishes.load(Ordering::Relaxed);
        let written = self.stall.is_none() && !self.unflushed;
        let quiet = !busy && written && self.waiting == Waiting::ForRequest;
        if !(makes_room || finishes) || !quiet || self.protocol == Protocol::Http2 {
            return None;
        }
        // One who has just come through the door may have a request on its way.
        let is_new = self.protocol == Protocol::Unheard && !makes_room;
        Some(if is_new { self.since + FIRST_WORD } else { self.since })
    }

    /// The end of the stream, unless a request lies there that we have not been told of yet.
    fn leave(&mut self) -> Poll<io::Result<()>> {
        if self.io.has_unread() {
            return Poll::Pending;
        }
        self.ended = true;
        Poll::Ready(Ok(()))
    }

    /// Reads and forgets what still comes: closing over it would take our last word away.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let linger = self
            .linger
            .get_or_insert_with(|| Linger { until: Box::pin(sleep(LINGER)), left: MOST_FORGOTTEN });
        let mut space = [0; 4096];
        while linger.left > 0 && !self.pulse.makes_room.load(Ordering::Relaxed) {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    linger.left = linger.left.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return linger.until.as_mut().poll(cx).map(Ok),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn expire(&mut self, cx: &mut Context<'_>) -> io::Error {
        if self.waiting == Waiting::ForRestOfHead && self.protocol == Protocol::Http1 && !self.unflushed {
            // What does not fit now is not worth waiting for.
            let _ = Pin::new(&mut self.io).poll_write(cx, REQUEST_TIMEOUT);
        }
        io::Error::from(io::ErrorKind::TimedOut)
    }

    fn wrote<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stall = None;
            return outcome;
        }
        let write = self.write;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(write)));
        stall.as_mut().poll(cx).map(|()| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl<I: AsyncRead + AsyncWrite + Unread + Unpin> AsyncRead for Paced<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.io).poll_read(cx, buffer);
        match outcome {
            Poll::Ready(Ok(())) => this.arrived(buffer.filled().get(before..).unwrap_or_default()),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => return this.poll_patience(cx),
        }
        outcome
    }
}

impl<I: AsyncRead + AsyncWrite + Unread + Unpin> AsyncWrite for Paced<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write(cx, bytes);
        if outcome.is_ready() {
            this.wrote = true;
            this.unflushed = true;
        }
        this.wrote(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        if outcome.is_ready() {
            this.wrote = true;
            this.unflushed = true;
        }
        this.wrote(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_flush(cx);
        if outcome.is_ready() {
            this.unflushed = false;
        }
        this.wrote(cx, outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            let outcome = Pin::new(&mut this.io).poll_shutdown(cx);
            let outcome = ready!(this.wrote(cx, outcome));
            if outcome.is_err() || this.ended {
                return Poll::Ready(outcome);
            }
        }
        this.poll_linger(cx)
    }
}

#[cfg(test)]
mod tests;
