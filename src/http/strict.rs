//! One reading of every HTTP/1 request: what two programs could take for different messages is refused.
//!
//! hyper follows RFC 9112 and is lenient where that allows it: a line may end
//! with LF alone, a length may stand beside a transfer coding or be repeated,
//! chunks may have extensions. A proxy in front may read those otherwise, and
//! so let a second request be smuggled behind the first. Here the bytes are
//! looked at before hyper has them. In place of the first one that breaks a
//! rule, and of all behind it, hyper gets a NUL, the end of a head and the end
//! of the stream: it refuses a NUL wherever it stands, with 400, behind the
//! answers to all requests before, and closes the connection.
//!
//! The rules are [`Message`]'s. Nothing is judged but framing: sizes are
//! [`bounds`](super::bounds)' matter, and HTTP/2 passes as it is.
//! RFC 9112 sections 2.2, 3.2, 5, 6 and 7.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

mod line;
mod message;

use message::Message;

/// Begins each HTTP/2 connection. RFC 9113 section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// hyper looks at a head that came in pieces only when it has an end.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// A stream whose HTTP/1 requests can be read in one way only.
pub(super) struct Strict<I> {
    io: I,
    reading: Reading,
}

enum Reading {
    /// The first bytes are those of the preface, so many of them.
    Preface(usize),
    /// HTTP/1.
    Messages(Message),
    /// HTTP/2.
    Frames,
    /// A rule was broken, and hyper has all of the end of a head but this.
    Over(&'static [u8]),
}

impl<I> Strict<I> {
    pub(super) fn new(io: I) -> Self {
        Self { io, reading: Reading::Preface(0) }
    }
}

impl Reading {
    /// Where the first of these bytes stands that breaks a rule.
    fn breach(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Preface(seen) => {
                let expected = PREFACE.get(*seen..).unwrap_or_default();
                let length = expected.len().min(bytes.len());
                let same = expected.iter().zip(bytes).take_while(|(a, b)| a == b).count();
                if same == length {
                    *seen += length;
                    if *seen == PREFACE.len() {
                        *self = Self::Frames;
                    }
                    return None;
                }
                // It is HTTP/1, also in what was seen already, which breaks no rule.
                let mut message = Message::new();
                message.breach(PREFACE.get(..*seen).unwrap_or_default());
                *self = Self::Messages(message);
                self.breach(bytes)
            }
            Self::Messages(message) => message.breach(bytes),
            Self::Frames => None,
            Self::Over(_) => Some(0),
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Strict<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Reading::Over(left) = &mut this.reading {
            let (now, later) = left.split_at(left.len().min(buffer.remaining()));
            buffer.put_slice(now);
            *left = later;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.io).poll_read(cx, buffer);
        if !matches!(outcome, Poll::Ready(Ok(()))) {
            return outcome;
        }
        let fresh = buffer.filled_mut().get_mut(before..).unwrap_or_default();
        if let Some(at) = this.reading.breach(fresh) {
            if let Some(byte) = fresh.get_mut(at) {
                *byte = 0;
            }
            buffer.set_filled(before.saturating_add(at).saturating_add(1).min(buffer.filled().len()));
            this.reading = Reading::Over(END_OF_HEAD);
        }
        outcome
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Strict<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
