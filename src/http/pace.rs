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
//! Bytes of a next head that came along with an earlier request are counted
//! from that request's end and by `idle`, until one more byte comes. HTTP/2 has
//! no `header` limit: its heads are frames, and a started one falls under `idle`.
//!
//! The timer is lazy: a request whose head comes in one piece never touches it.
//! This file never reads, changes or holds back a byte of a request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::bounds::Caps;

/// The answer to a head that does not end.
const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What a connection can be asked from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Make room, if no request is under way.
    Leave = 1,
    /// Finish what is under way, take nothing new.
    Finish = 2,
    /// End now.
    Abort = 3,
}

/// What is known about one connection from outside it.
#[derive(Debug)]
pub(super) struct Pulse {
    in_flight: AtomicU32,
    /// Counts the beginnings and ends of requests.
    turns: AtomicU32,
    opened: Instant,
    /// Milliseconds from `opened` to the last answer.
    active: AtomicU64,
    asked: AtomicU8,
    called: Notify,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            turns: AtomicU32::new(0),
            opened: Instant::now(),
            active: AtomicU64::new(0),
            asked: AtomicU8::new(0),
            called: Notify::new(),
        }
    }

    /// A request is under way until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) > 0
    }

    /// When it last did something for a request, or when it was opened.
    pub(super) fn last_active(&self) -> Instant {
        self.opened + Duration::from_millis(self.active.load(Ordering::Relaxed))
    }

    /// A later ask outweighs an earlier one only if it is stronger.
    pub(super) fn ask(&self, what: Ask) {
        self.asked.fetch_max(what as u8, Ordering::Relaxed);
        self.called.notify_one();
    }

    /// Waits until something is asked.
    pub(super) async fn asked(&self) -> Ask {
        self.called.notified().await;
        match self.asked.load(Ordering::Relaxed) {
            0 | 1 => Ask::Leave,
            2 => Ask::Finish,
            _ => Ask::Abort,
        }
    }

    fn mark_active(&self, now: Instant) {
        let since = now.saturating_duration_since(self.opened).as_millis();
        self.active.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// One request under way.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Pulse>);

impl Drop for InFlight {
    fn drop(&mut self) {
        // In this order: one who sees the request gone must see its turn too.
        self.0.turns.fetch_add(1, Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Release);
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
}

impl<I: AsyncRead + AsyncWrite + Unpin> Paced<I> {
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
        }
    }

    fn arrived(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.protocol == Protocol::Unheard {
            // The preface of RFC 9113 section 3.4; no HTTP/1 method begins so.
            self.protocol = if bytes.starts_with(b"PRI") { Protocol::Http2 } else { Protocol::Http1 };
        }
        if self.protocol == Protocol::Http1 && (self.wrote || self.waiting == Waiting::ForRequest) {
            self.wrote = false;
            self.turns = self.pulse.turns.load(Ordering::Relaxed);
            self.waiting = Waiting::ForRestOfHead;
            self.since = Instant::now();
            self.pulse.mark_active(self.since);
        }
    }

    /// Called whenever there is nothing to read; fails when that has lasted too long.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let busy = self.pulse.is_busy();
        let turns = self.pulse.turns.load(Ordering::Relaxed);
        // An HTTP/2 request may have ended and its answer not yet be written.
        if self.wrote || turns != self.turns {
            self.wrote = false;
            self.turns = turns;
            self.waiting = Waiting::ForRequest;
            self.since = Instant::now();
            self.pulse.mark_active(self.since);
        }
        let deadline = match self.waiting {
            _ if busy => None,
            Waiting::ForRequest => Some(self.since + self.idle),
            Waiting::ForRestOfHead => Some(self.since + self.header),
        };
        // The alarm may ring too early, never too late; only then is it set anew.
        if let Some(deadline) = deadline.filter(|deadline| *deadline < self.alarm.deadline()) {
            self.alarm.as_mut().reset(deadline);
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            match deadline {
                Some(deadline) if deadline <= now => return Poll::Ready(Err(self.expire(cx))),
                Some(deadline) => self.alarm.as_mut().reset(deadline),
                // A millisecond at least, lest an idle limit of zero spin.
                None => self.alarm.as_mut().reset(now + self.idle.max(Duration::from_millis(1))),
            }
        }
        Poll::Pending
    }

    fn expire(&mut self, cx: &mut Context<'_>) -> io::Error {
        if self.waiting == Waiting::ForRestOfHead && !self.unflushed {
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

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Paced<I> {
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

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Paced<I> {
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
        let outcome = Pin::new(&mut this.io).poll_shutdown(cx);
        this.wrote(cx, outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    #[tokio::test]
    async fn the_end_of_a_request_begins_a_new_wait() {
        let caps = Caps { idle_timeout: Duration::from_millis(20), ..Caps::default() };
        let (_peers, (one, other)) = {
            let ((a, b), (c, d)) = (duplex(64), duplex(64));
            ((a, c), (b, d))
        };
        let pulse = Arc::new(Pulse::new());
        let mut served = Paced::new(one, Arc::clone(&pulse), &caps);
        let under_way = pulse.begin();
        // An idle connection of the same age tells that the limit has passed.
        let mut idle = Paced::new(other, Arc::new(Pulse::new()), &caps);
        assert_eq!(idle.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(under_way);
        let mut space = [0];
        let mut buffer = ReadBuf::new(&mut space);
        let now = poll_fn(|cx| Poll::Ready(Pin::new(&mut served).poll_read(cx, &mut buffer))).await;
        assert!(now.is_pending(), "{now:?}");
        assert_eq!(served.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_weaker_ask_does_not_undo_a_stronger_one() {
        let pulse = Pulse::new();
        pulse.ask(Ask::Abort);
        pulse.ask(Ask::Leave);
        assert_eq!(pulse.asked.load(Ordering::Relaxed), Ask::Abort as u8);
    }
}
