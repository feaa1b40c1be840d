//! The full walk of a public log: every entry and every tile, against one checkpoint.
//!
//! The entries go through the same verification as an export, so what is
//! checked of them is the same. The tiles are recomputed and compared. A spot
//! check misses what is off its path; this one misses nothing that is served.
//! C2SP tlog-tiles.

use std::io::{self, BufReader, Read};

use bytes::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use tokio::sync::mpsc;

use crate::audit::checkpoint::{Note, Vkey};
use crate::audit::export::{Entry, Header};
use crate::audit::tile::{BundlePath, Edge, TilePath, WIDTH, decode_bundle, width_at};
use crate::audit::tree::{Range, leaf_hash};
use crate::audit::verify::{Verdict, verify};
use crate::cli::failure::Failure;
use crate::cli::refusal::refusal;
use crate::cli::wire::{self, Address};

/// Bundles that may wait for the verification.
const AHEAD: usize = 4;

/// Reads the whole log at `address` and checks it.
pub(super) async fn check(address: &Address, vkey: &Vkey, older: Option<String>) -> Result<Verdict, Failure> {
    let note = match fetch(address, "/log/checkpoint").await? {
        Fetched::There(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Fetched::Absent => {
            return Err(Failure::refused(format!("{address} serves no /log/checkpoint: is the log public?")));
        }
    };
    // An unsigned size could send us anywhere.
    let size = match Note::parse(&note).and_then(|parsed| Ok(parsed.verify(vkey)?.size)) {
        Ok(size) => size,
        Err(bad) => return Ok(refused(bad.to_string())),
    };
    let range = Range { start: 0, end: size };
    let header = Header::new(vkey.origin().as_str(), range, note, Vec::new(), Vec::new());
    let (lines, reader) = mpsc::channel(AHEAD);
    let vkey = vkey.clone();
    let verification = tokio::task::spawn_blocking(move || {
        verify(BufReader::new(Lines { reader, line: Bytes::new() }), &vkey, older.as_deref())
    });
    let mut walk = Walk { address, size, edge: Edge::new(), lines };
    let fault = walk.run(&header).await?;
    drop(walk);
    let verdict = verification.await.map_err(|error| Failure::refused(error.to_string()))?;
    let verdict = verdict.map_err(|error| Failure::refused(error.to_string()))?;
    Ok(settled(verdict, fault))
}

/// Nothing of the log was read.
fn refused(reason: String) -> Verdict {
    Verdict {
        ok: false,
        size: None,
        root_hash: None,
        entries: 0,
        first_bad_index: None,
        reason: Some(reason),
        not_checked: Vec::new(),
    }
}

/// Where the log's files are wrong, which the entries alone do not tell.
struct Fault {
    first_bad_index: u64,
    reason: String,
}

/// The verdict on the entries, together with what the files told.
fn settled(mut verdict: Verdict, fault: Option<Fault>) -> Verdict {
    for rule in &mut verdict.not_checked {
        // The public log serves no bodies, so none of them can have been erased from it.
        if rule.starts_with("erased bodies") {
            "bodies, which a public log does not show".clone_into(rule);
        }
    }
    if let Some(Fault { first_bad_index, reason }) = fault
        && verdict.first_bad_index.is_none_or(|index| first_bad_index <= index)
    {
        verdict.ok = false;
        verdict.first_bad_index = Some(first_bad_index);
        verdict.reason = Some(reason);
    }
    verdict
}

struct Walk<'a> {
    address: &'a Address,
    size: u64,
    edge: Edge,
    lines: mpsc::Sender<Bytes>,
}

impl Walk<'_> {
    /// Hands header and entries to the verification and compares every tile. It ends at the first fault of a file.
    async fn run(&mut self, header: &Header) -> Result<Option<Fault>, Failure> {
        self.hand_over(format!("{}\n", header.line())).await;
        for index in 0..self.size.div_ceil(u64::from(WIDTH)) {
            if let Some(fault) = self.bundle(index).await? {
                return Ok(Some(fault));
            }
        }
        for level in 0..=7 {
            let bytes = self.edge.partial(level);
            if !bytes.is_empty() {
                let row = self.size >> (8 * u32::from(level));
                if let Some(fault) = self.tile(level, row / u64::from(WIDTH), &bytes).await? {
                    return Ok(Some(fault));
                }
            }
        }
        Ok(None)
    }

    /// Hands text to the verification, which reads until this walk ends.
    async fn hand_over(&self, text: String) {
        // It only stops reading early when it already has its verdict.
        let _ = self.lines.send(Bytes::from(text)).await;
    }

    async fn bundle(&mut self, index: u64) -> Result<Option<Fault>, Failure> {
        let width = width_at(0, index, self.size);
        let path = format!("/log/tile/{}", BundlePath { index, width });
        let first = index * u64::from(WIDTH);
        let fault = |what: &str| Some(Fault { first_bad_index: first, reason: format!("{path} {what}") });
        let Fetched::There(bytes) = fetch(self.address, &path).await? else {
            return Ok(fault("is not served"));
        };
        let Some(leaves) = decode_bundle(&bytes).filter(|leaves| leaves.len() <= usize::from(width)) else {
            return Ok(fault("is not a bundle of that many entries"));
        };
        let mut text = String::new();
        for (index, leaf) in (first..).zip(&leaves) {
            // A leaf that is no text fails the verification, whatever stands in for it.
            let leaf = String::from_utf8_lossy(leaf).into_owned();
            text.push_str(&Entry { index, leaf, body: None, salt: None }.line());
            text.push('\n');
        }
        let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        self.hand_over(text).await;
        if leaves.len() < usize::from(width) {
            // Those that are there were handed over: they may tell that it is an earlier one that is gone.
            let first_bad_index = first + leaves.len() as u64;
            return Ok(Some(Fault { first_bad_index, reason: format!("{path} has too few entries") }));
        }
        for tile in self.edge.append(&hashes) {
            // Partial tiles go on changing; the last ones are compared at the end.
            if tile.bytes.len() == usize::from(WIDTH) * 32
                && let Some(fault) = self.tile(tile.level, tile.index, &tile.bytes).await?
            {
                return Ok(Some(fault));
            }
        }
        Ok(None)
    }

    async fn tile(&self, level: u8, index: u64, expected: &[u8]) -> Result<Option<Fault>, Failure> {
        let width = u16::try_from(expected.len() / 32).unwrap_or(WIDTH);
        let path = format!("/log/tile/{}", TilePath { level, index, width });
        let served = fetch(self.address, &path).await?;
        let (wrong, what) = match &served {
            Fetched::Absent => (0, "is not served"),
            Fetched::There(bytes) if bytes != expected => {
                let same = bytes.chunks(32).zip(expected.chunks(32)).take_while(|(a, b)| a == b).count();
                (same as u64, "does not fit the entries")
            }
            Fetched::There(_) => return Ok(None),
        };
        let first_bad_index = (index * u64::from(WIDTH) + wrong) << (8 * u32::from(level));
        Ok(Some(Fault { first_bad_index, reason: format!("{path} {what}") }))
    }
}

enum Fetched {
    There(Bytes),
    Absent,
}

async fn fetch(address: &Address, path: &str) -> Result<Fetched, Failure> {
    let answer = wire::send(address, Method::GET, path, HeaderMap::new(), Bytes::new()).await?;
    match answer.status {
        StatusCode::OK => Ok(Fetched::There(answer.body)),
        StatusCode::NOT_FOUND => Ok(Fetched::Absent),
        status => Err(refusal(status, &answer.headers, &answer.body)),
    }
}

/// What arrives, as the verification reads it on its own thread.
struct Lines {
    reader: mpsc::Receiver<Bytes>,
    line: Bytes,
}

impl Read for Lines {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.line.is_empty() {
            match self.reader.blocking_recv() {
                Some(bytes) => self.line = bytes,
                None => return Ok(0),
            }
        }
        let taken = self.line.split_to(self.line.len().min(out.len()));
        if let Some(start) = out.get_mut(..taken.len()) {
            start.copy_from_slice(&taken);
        }
        Ok(taken.len())
    }
}

#[cfg(test)]
mod tests;
