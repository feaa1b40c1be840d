//! Answers that wait for their peers to take them: each keeps its request under way, and all are counted together.
//!
//! An answer counts until the last of its bytes has left us, not until hyper has them: a peer that takes its answers
//! slowly, or over HTTP/2 not at all, has us keep them. So tiles and proofs, which are made for each who asks, are
//! refused while too much is kept already.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::http::pace::InFlight;

/// Bytes that are kept for all peers of one house.
#[derive(Debug)]
pub(super) struct Kept {
    bytes: AtomicU64,
    most: u64,
}

impl Kept {
    /// Room for `most` bytes.
    pub(super) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicU64::new(0), most })
    }

    /// Whether no more of what can be refused should be kept.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= self.most
    }
}

/// What an answer takes until its last byte has left.
struct Share {
    kept: Arc<Kept>,
    bytes: u64,
    under_way: InFlight,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.kept.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes of an answer, on their way.
struct Part {
    bytes: Bytes,
    share: Arc<Share>,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.share.under_way.taken();
    }
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body and what ends with it.
pub(super) struct Held {
    body: Body,
    share: Arc<Share>,
}

impl Held {
    pub(super) fn new(body: Body, kept: &Arc<Kept>, mut under_way: InFlight) -> Self {
        under_way.answered();
        let bytes = body.size_hint().lower();
        kept.bytes.fetch_add(bytes, Ordering::Relaxed);
        Self { body, share: Arc::new(Share { kept: Arc::clone(kept), bytes, under_way }) }
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let part = |bytes| Bytes::from_owner(Part { bytes, share: Arc::clone(&self.share) });
        polled.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
