//! Answers that wait for their peers to take them: each keeps its request under way, and all are counted together.
//!
//! A peer that takes its answers slowly, or over HTTP/2 not at all, has us keep them. So great answers are refused
//! while too much is kept already. Small ones are always given: there are only so many connections to keep them for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::http::pace::InFlight;

/// An answer of no more bytes is never refused for want of room.
const SMALL: u64 = 4 * 1024;

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

    /// Whether an answer with this body can be kept as well.
    pub(super) fn has_room(&self, body: &Body) -> bool {
        let bytes = body.size_hint().lower();
        bytes <= SMALL || self.bytes.load(Ordering::Relaxed).saturating_add(bytes) <= self.most
    }
}

/// The body and what ends with it.
pub(super) struct Held {
    body: Body,
    kept: Arc<Kept>,
    bytes: u64,
    _under_way: InFlight,
}

impl Held {
    pub(super) fn new(body: Body, kept: &Arc<Kept>, mut under_way: InFlight) -> Self {
        under_way.answered();
        let bytes = body.size_hint().lower();
        kept.bytes.fetch_add(bytes, Ordering::Relaxed);
        Self { body, kept: Arc::clone(kept), bytes, _under_way: under_way }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.kept.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
