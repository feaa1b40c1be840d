//! A log in a real database that a test writes entry by entry, at any time and of any kind, to be read afterwards.

use std::ops::Range;
use std::sync::Arc;

use mintmark::audit::body::line;
use mintmark::audit::directory::edge::{DirectoryEdge, Listed};
use mintmark::audit::leaf::{CHAIN_START, Epoch, Place, Record, body_commitment, encode};
use mintmark::audit::search::{Query, search};
use mintmark::audit::tile::Edge;
use mintmark::audit::tree::leaf_hash;
use mintmark::store::sqlite::SqliteStore;
use mintmark::store::{Batch, Change, NewEntry, NewLog, Store};
use mintmark::time::Timestamp;
use serde_json::Value;

use crate::harness::FaultyStore;

/// One entry that is to be written.
pub struct Told {
    /// The node's clock.
    pub ts: Timestamp,
    /// What happened, without its body.
    pub record: Record,
    /// Its body.
    pub body: Option<Value>,
}

/// A real database with such a log.
pub struct MadeLog {
    /// The store, which remembers what is read of it.
    pub store: Arc<FaultyStore>,
    /// Where its files lie.
    pub folder: tempfile::TempDir,
}

impl MadeLog {
    /// Writes these entries, with the directory that the recorder would write.
    pub async fn of(told: &[Told]) -> Self {
        Self::written(told, true).await
    }

    /// The same as a program wrote it that knew of no directory.
    pub async fn without_directory(told: &[Told]) -> Self {
        Self::written(told, false).await
    }

    async fn written(told: &[Told], with_directory: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mintmark.db");
        let store = SqliteStore::open(&path, folder.path(), true).await.unwrap();
        let log = NewLog { origin: "log".to_owned(), vkey: "vkey".to_owned(), sealed_key: vec![1] };
        let mut changes = vec![Change::OpenLog(log)];
        let (mut edge, mut directory) = (Edge::new(), DirectoryEdge::new());
        for part in told.chunk_by(|one, next| one.ts.month() == next.ts.month()) {
            for part in part.chunks(500) {
                let first = edge.size();
                let entries: Vec<_> = part.iter().zip(first..).map(|(told, at)| entry(told, at)).collect();
                let hashes: Vec<_> = entries.iter().map(|entry| leaf_hash(&entry.leaf)).collect();
                let tiles = edge.append(&hashes);
                let mut pages = Vec::new();
                for (told, entry) in part.iter().zip(&entries).filter(|_| with_directory) {
                    let Record { event, kid, exp, .. } = told.record;
                    let body = entry.body.as_ref().map(|(_, body)| body.as_slice());
                    directory.push(&Listed { event, ts: told.ts, kid, exp, body }, &mut pages);
                }
                let part = part[0].ts.month();
                let changes = Batch::of_changes(edge.head(), std::mem::take(&mut changes));
                store.append(&Batch { first, entries, part, tiles, pages, ..changes }).await.unwrap();
            }
        }
        if !changes.is_empty() {
            store.append(&Batch::of_changes(edge.head(), changes)).await.unwrap();
        }
        Self { store: FaultyStore::new(Arc::new(store)), folder }
    }

    /// All pages of a search, as indices.
    pub async fn found(&self, query: &Query, limit: usize) -> Vec<u64> {
        let store: Arc<dyn Store> = self.store.clone();
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = search(&store, query, before, limit).await.unwrap();
            assert!(page.entries.len() <= limit, "a page is as long as was asked, at most");
            found.extend(page.entries.iter().map(|entry| entry.index));
            before = page.next;
            if before.is_none() {
                return found;
            }
        }
    }

    /// How many entries were read since the last question.
    pub fn read(&self) -> u64 {
        self.store.reads().iter().map(|range: &Range<u64>| range.end - range.start).sum()
    }
}

fn entry(told: &Told, index: u64) -> NewEntry {
    let epoch = Epoch([7; 16]);
    let place = Place { ts: told.ts, node: "node-1", epoch: &epoch, sequence: index, chain: CHAIN_START };
    let body = told.body.as_ref().map(|body| ([9; 32], line(body)));
    let commitment = body.as_ref().map(|(salt, body)| body_commitment(salt, body));
    NewEntry { leaf: encode(&told.record, &place, commitment), body, jti: None }
}
