//! The recorder itself over a store that fails: nothing is lost that was promised, nothing is written twice.

mod panics;
mod sharing;

use std::sync::Arc;
use std::time::Duration;

use mintmark::audit::alive::Alive;
use mintmark::audit::directory::edge::DirectoryEdge;
use mintmark::audit::directory::page::{Page, Slots};
use mintmark::audit::directory::term::Term;
use mintmark::audit::event::EventType;
use mintmark::audit::leaf::Record;
use mintmark::audit::recorder::{Opening, RecordFault, Recorder, WriterParts};
use mintmark::audit::tile::Edge;
use mintmark::audit::tree::{Frontier, leaf_hash};
use mintmark::store::sqlite::SqliteStore;
use mintmark::store::{Batch, Change, NewLog, Store, StoreFault};

use crate::harness::{FakeClock, Fault, FaultyStore, START, SeededEntropy, foreign_connection};

const PATIENCE: Duration = Duration::from_secs(10);

/// A recorder over a store that fails on demand.
pub(crate) struct Faulty {
    folder: tempfile::TempDir,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) recorder: Recorder,
}

impl Faulty {
    pub(crate) async fn start(deadline: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inner = SqliteStore::open(&folder.path().join("mintmark.db"), folder.path(), true).await.unwrap();
        let log = NewLog { origin: "log".to_owned(), vkey: "vkey".to_owned(), sealed_key: vec![1] };
        let head = Edge::new().head();
        let changes = vec![Change::OpenLog(log)];
        let batch = Batch::of_changes(head, changes);
        inner.append(&batch).await.unwrap();
        let store = FaultyStore::new(Arc::new(inner));
        let entropy = Arc::new(SeededEntropy::new(b"recording"));
        let opening = Opening::new(Edge::new(), DirectoryEdge::new(), &*entropy).unwrap();
        let clock = Arc::new(FakeClock::at(START));
        let parts = WriterParts { store: store.clone(), clock, entropy, node: "node-1".to_owned() };
        let (recorder, _) = Recorder::start(opening, parts, deadline);
        Self { folder, store, recorder }
    }

    async fn act(&self, count: usize) -> Result<u64, RecordFault> {
        let record = || Record::of(EventType::NodeAlive, b"{}".to_vec());
        self.recorder.act((0..count).map(|_| record()).collect(), Vec::new()).await
    }

    /// The log is whole: indices without a gap, and the root that follows from the leaves.
    async fn assert_whole(&self, size: u64) {
        let entries = self.store.entries(0..1_000).await.unwrap();
        let mut tree = Frontier::new();
        for entry in &entries {
            tree.push(leaf_hash(&entry.leaf));
        }
        assert!(entries.iter().zip(0..).all(|(entry, index)| entry.index == index));
        assert_eq!((tree.head(), tree.size()), (self.store.head().await.unwrap().unwrap(), size));
        assert!(self.folder.path().exists());
    }
}

#[tokio::test]
async fn a_commit_that_failed_and_was_lost_leaves_nothing_behind() {
    let faulty = Faulty::start(PATIENCE).await;
    assert_eq!(faulty.act(2).await, Ok(0));
    faulty.store.fail(Fault::Lost);
    assert!(matches!(faulty.act(3).await, Err(RecordFault::Store(StoreFault::Unavailable(_)))));
    assert_eq!(faulty.act(1).await, Ok(2));
    faulty.assert_whole(3).await;
}

#[tokio::test]
async fn a_commit_that_failed_and_was_written_all_the_same_is_found_and_built_upon() {
    let faulty = Faulty::start(PATIENCE).await;
    assert_eq!(faulty.act(2).await, Ok(0));
    faulty.store.fail(Fault::Persisted);
    assert!(faulty.act(3).await.is_err());
    assert_eq!(faulty.act(1).await, Ok(5), "after the three that nobody was told of");
    faulty.store.fail(Fault::Persisted);
    faulty.store.fail(Fault::Lost);
    assert!(faulty.act(300).await.is_err());
    assert!(faulty.act(1).await.is_err());
    assert_eq!(faulty.act(1).await, Ok(306));
    faulty.assert_whole(307).await;
}

/// Refusals of a minute in which the disk was full are told when it is no longer: once each, and some hundred at most.
#[tokio::test]
async fn what_nobody_waits_for_is_written_once_the_store_is_back() {
    let faulty = Faulty::start(PATIENCE).await;
    let note = |name: &str| {
        assert!(faulty.recorder.note(Record::of(EventType::TokenDenied, name.as_bytes().to_vec())));
    };
    assert_eq!(faulty.act(1).await, Ok(0));
    faulty.store.fail(Fault::Lost);
    note("lost");
    assert!(faulty.act(1).await.is_err());
    faulty.store.fail(Fault::Persisted);
    note("persisted");
    assert!(faulty.act(1).await.is_err());
    note("in time");
    faulty.act(1).await.unwrap();
    let bodies = async || {
        let entries = faulty.store.entries(0..2_000).await.unwrap();
        let denied = entries.into_iter().filter_map(|entry| entry.body).map(|(_, body)| body);
        denied.filter(|body| body != b"{}").map(|body| String::from_utf8(body).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(bodies().await, ["lost", "persisted", "in time"]);
    assert_eq!(faulty.recorder.dropped(), 0);

    for round in 0..3 {
        faulty.store.fail(Fault::Lost);
        (0..200).for_each(|number| note(&format!("{round} {number}")));
        assert!(faulty.act(1).await.is_err());
    }
    faulty.act(1).await.unwrap();
    let kept = bodies().await.len() as u64 - 3;
    assert_eq!((kept, faulty.recorder.dropped()), (256, 344));
}

/// An erasure whose outcome was unknown was written: the page that grew with the name is stored without it.
#[tokio::test]
async fn what_was_erased_comes_into_no_page_later() {
    for fault in [None, Some(Fault::Persisted)] {
        let faulty = Faulty::start(PATIENCE).await;
        let named = || Record::of(EventType::TokenDenied, br#"{"client_id":"person-4711"}"#.to_vec());
        faulty.recorder.act((0..9).map(|_| named()).collect(), Vec::new()).await.unwrap();
        if let Some(fault) = fault {
            faulty.store.fail(fault);
        }
        let erase = Change::Erase { entries: (0..9).collect(), pages: Vec::new() };
        assert_eq!(faulty.recorder.act(Vec::new(), vec![erase]).await.is_err(), fault.is_some());
        faulty.act(300).await.unwrap();
        let page = faulty.store.body_pages(0, 0..1).await.unwrap().pop().unwrap();
        let page = Page::decode(&page.bytes).unwrap();
        assert_eq!(page.with(&[Term::name("person-4711")]), Slots::default(), "{fault:?}");
    }
}

#[tokio::test]
async fn an_idle_node_says_that_it_lives() {
    let faulty = Faulty::start(PATIENCE).await;
    assert_eq!(faulty.act(1).await, Ok(0));
    let alive = Alive::new(faulty.recorder.clone());
    let told = async || {
        alive.tick().await.unwrap();
        faulty.store.leaves(0..100).await.unwrap().len()
    };
    assert_eq!(told().await, 1, "it has only just begun to look");
    assert_eq!(told().await, 2);
    assert_eq!(told().await, 3, "again, as nothing else was recorded");
    faulty.act(4).await.unwrap();
    assert_eq!(told().await, 7, "who speaks lives");
    assert_eq!(told().await, 8);
}

#[tokio::test]
async fn a_store_that_never_answers_is_a_failure_and_not_a_wait() {
    let faulty = Faulty::start(Duration::from_millis(50)).await;
    assert_eq!(faulty.act(1).await, Ok(0));
    faulty.store.fail(Fault::Hangs);
    for _ in 0..3 {
        let answer = tokio::time::timeout(PATIENCE, faulty.act(1)).await.expect("an answer in time");
        assert_eq!(answer, Err(RecordFault::TooSlow(Duration::from_millis(50))));
    }
    faulty.assert_whole(1).await;
}

#[tokio::test]
async fn a_log_that_another_hand_wrote_is_never_written_again() {
    let faulty = Faulty::start(PATIENCE).await;
    assert_eq!(faulty.act(2).await, Ok(0));
    let mut other = foreign_connection(&faulty.folder.path().join("mintmark.db")).await;
    sqlx::query("UPDATE log SET size = 99").execute(&mut other).await.unwrap();
    assert!(faulty.act(1).await.is_err());
    // A failure that leaves doubt makes the writer look.
    faulty.store.fail(Fault::Lost);
    assert!(faulty.act(1).await.is_err());
    assert_eq!(faulty.act(1).await, Err(RecordFault::Foreign));
    sqlx::query("UPDATE log SET size = 2").execute(&mut other).await.unwrap();
    assert_eq!(faulty.act(1).await, Err(RecordFault::Foreign), "for good, until somebody looks");
}
