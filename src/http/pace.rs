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
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::bounds::Caps;

mod pulse;

pub(super) use pulse::{Ask, InFlight, Pulse};

/// The answer to a head that does not end.
const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What begins a connection of HTTP/2 and no request of HTTP/1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// How long one who has just come may take to say its first word when the door is being shut.
const FIRST_WORD: Duration = Duration::from_secs(1);
/// How long one who still sends is listened to after our last word, so that it can read that
/// instead of meeting a reset connection.
const LINGER: Duration = Duration::from_secs(1);
/// And how much of it is read and forgotten.
const MOST_FORGOTTEN: usize = 256 * 1024;

/// Bytes that lie with the kernel and that nobody has read: an idle connection that has some is not idle.
pub(super) trait Unread {
    fn has_unread(&self) -> bool;
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
    /// How much of the preface of HTTP/2 has come.
    heard: usize,
    /// The pulse's turns when the wait was last looked at.
    turns: u32,
    /// When something was written last, if that was since then.
    wrote: Option<Instant>,
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
            heard: 0,
            turns: 0,
            wrote: None,
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
            // It may come in pieces. RFC 9113 section 3.4.
            let expected = PREFACE.get(self.heard..).unwrap_or_default();
            let same = expected.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            self.heard += same;
            self.since = Instant::now();
            if self.heard == PREFACE.len() {
                self.protocol = Protocol::Http2;
                self.pulse.speaks_http2.store(true, Ordering::Relaxed);
            } else if same < bytes.len() {
                self.protocol = Protocol::Http1;
            }
        }
        if self.protocol == Protocol::Http1 && (self.wrote.is_some() || self.waiting == Waiting::ForRequest) {
            self.wrote = None;
            self.turns = self.pulse.turns.load(Ordering::Relaxed);
            self.wait(Waiting::ForRestOfHead, Instant::now());
        }
    }

    fn wait(&mut self, what: Waiting, since: Instant) {
        self.waiting = what;
        self.since = since;
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
        if (self.wrote.is_some() || turns != self.turns) && !awaits_first {
            // Counted from when it was, not from when it is seen: nothing may have had to be read since.
            let ended = (turns != self.turns).then(|| self.pulse.last_active());
            // The frames of HTTP/2 itself, such as answers to PING, are no sign of a request.
            let since = if self.protocol == Protocol::Http2 { ended } else { self.wrote.max(ended) };
            self.wrote = None;
            self.turns = turns;
            self.wait(Waiting::ForRequest, since.unwrap_or(self.since));
        }
        let leaves = self.leaves_at(busy);
        if leaves.is_some_and(|at| at <= Instant::now()) {
            return self.leave();
        }
        // No window is open to our answers: HTTP/1 has a stalled write instead.
        let held_up = self.pulse.owes_since().filter(|_| self.protocol == Protocol::Http2);
        let deadline = match self.waiting {
            _ if held_up.is_some() => held_up.map(|since| since + self.write),
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

    fn note_written(&mut self) {
        self.wrote = Some(Instant::now());
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
            this.note_written();
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
            this.note_written();
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
