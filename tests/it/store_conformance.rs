//! The contract of `Store`, as one suite that each driver passes. `damaged_rows` is about SQLite's own rows.

mod answers;
mod assertions;
mod damaged_rows;
mod gone;
mod revoked;
mod ring;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use mintmark::audit::tile::{Edge, decode_tile};
use mintmark::audit::tree::{Frontier, leaf_hash};
use mintmark::keys::KeyRing;
use mintmark::policy::{Client, ClientId, Policy, Resource, ScopeRule, SecretHash};
use mintmark::store::sqlite::SqliteStore;
use mintmark::store::{Appended, Batch, Change, NewEntry, NewLog, Store, StoreFault, UsedAssertion};
use serde_json::{Value, json};

use crate::harness::{ORDERS, START};

/// Opens a driver's store in a folder, making it if there is none.
type Open = fn(PathBuf) -> Pin<Box<dyn Future<Output = Arc<dyn Store>>>>;

/// Every driver.
const DRIVERS: [(&str, Open); 1] = [("sqlite", |folder| {
    Box::pin(async move {
        Arc::new(SqliteStore::open(&database(&folder), &folder, true).await.unwrap()) as Arc<dyn Store>
    })
})];

fn database(folder: &Path) -> PathBuf {
    folder.join("mintmark.db")
}

/// A store with the tree that belongs to what it was given.
struct Written {
    folder: tempfile::TempDir,
    open: Open,
    store: Arc<dyn Store>,
    edge: Edge,
}

impl Written {
    /// An opened log without an entry.
    async fn start(open: Open) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path().to_owned()).await;
        let mut written = Self { folder, open, store, edge: Edge::new() };
        let log = NewLog { origin: "log".to_owned(), vkey: "vkey".to_owned(), sealed_key: vec![1, 2, 3] };
        written.write(202_611, Vec::new(), vec![Change::OpenLog(log)]).await.unwrap();
        written
    }

    async fn reopen(&mut self) {
        self.store.close().await;
        self.store = (self.open)(self.folder.path().to_owned()).await;
    }

    /// One batch after the last one; the tree grows only if it was written.
    async fn write(
        &mut self,
        part: u32,
        entries: Vec<NewEntry>,
        changes: Vec<Change>,
    ) -> Result<(), StoreFault> {
        self.write_with(part, entries, changes, Vec::new()).await.map(drop)
    }

    /// The same beside assertions that are used up; says of each whether it was.
    async fn write_with(
        &mut self,
        part: u32,
        entries: Vec<NewEntry>,
        changes: Vec<Change>,
        used: Vec<UsedAssertion>,
    ) -> Result<Vec<bool>, StoreFault> {
        let mut edge = self.edge.clone();
        let hashes: Vec<_> = entries.iter().map(|entry| leaf_hash(&entry.leaf)).collect();
        let tiles = edge.append(&hashes);
        let first = self.edge.size();
        let batch = Batch { first, entries, part, tiles, used, ..Batch::of_changes(edge.head(), changes) };
        let Appended { fresh } = self.store.append(&batch).await?;
        self.edge = edge;
        Ok(fresh)
    }

    async fn change(&mut self, changes: Vec<Change>) -> Result<(), StoreFault> {
        self.write(202_611, vec![entry("change")], changes).await
    }

    async fn policy(&self) -> Policy {
        let (policy, broken) = self.store.policy().await.unwrap();
        assert_eq!(broken, []);
        policy
    }

    /// Tries a batch that must conflict, beside changes that would be fine, and that nothing of it is there.
    async fn assert_conflict(&mut self, change: Change) {
        let (head, version) = (self.store.head().await.unwrap(), self.policy().await.version);
        let told = format!("{change:?}");
        let changes = vec![Change::SetFact("companion", told.clone()), change];
        let refused = self.change(changes).await;
        assert_eq!(refused, Err(StoreFault::Conflict), "{told}");
        assert_eq!(self.store.head().await.unwrap(), head, "{told}");
        assert_eq!(self.policy().await.version, version, "{told}");
        assert_ne!(self.store.fact("companion").await.unwrap(), Some(told));
        assert_eq!(self.store.leaves(0..u64::MAX >> 1).await.unwrap().len() as u64, head.unwrap().size);
    }
}

fn entry(leaf: &str) -> NewEntry {
    NewEntry { leaf: leaf.as_bytes().to_vec(), body: None, jti: None }
}

fn numbered(numbers: std::ops::Range<u64>) -> Vec<NewEntry> {
    numbers.map(|n| entry(&format!("leaf {n}"))).collect()
}

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn resource(version: u64) -> Resource {
    let resource: Resource =
        parse(json!({ "resource": ORDERS, "signing_alg": "ES256", "token_lifetime": 60 }));
    Resource { version, ..resource }
}

fn scope(name: &str, version: u64) -> ScopeRule {
    let limit = json!({ "count": 600, "period": 60, "burst": 5 });
    let rule: ScopeRule = parse(json!({ "scope": name, "resource": ORDERS, "limit": limit }));
    ScopeRule { version, ..rule }
}

fn client(id: &str, version: u64) -> Client {
    let client: Client = parse(json!({
        "client_id": id, "client_name": "ä\u{2028}'\"", "token_endpoint_auth_method": "client_secret_post",
        "scope": "a b", "default_scope": "a", "access_token_lifetime": null, "claims": { "roles": [1, null] },
        "limits": { "a": { "count": 1, "period": 1 } }, "disabled": true, "created_at": 5, "updated_at": 6,
    }));
    Client { version, ..client }
}

fn secret(id: &str, selector: u32) -> SecretHash {
    SecretHash {
        secret_id: id.to_owned(),
        selector,
        phc: format!("phc {id}"),
        created_at: START,
        expires_at: None,
        last_used_at: None,
        reminded_at: None,
    }
}

fn id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

#[tokio::test]
async fn a_store_without_a_log_says_so() {
    for (driver, open) in DRIVERS {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path().to_owned()).await;
        assert!(store.head().await.unwrap().is_none(), "{driver}");
        assert!(store.log().await.unwrap().is_none(), "{driver}");
        assert!(store.entries(0..9).await.unwrap().is_empty(), "{driver}");
        assert!(store.tile(0, 0).await.unwrap().is_none(), "{driver}");
        assert_eq!(store.index_of_jti("x").await.unwrap(), None, "{driver}");
        assert_eq!(store.fact("unknown").await.unwrap(), None, "{driver}");
        assert_eq!(store.policy().await.unwrap().0.version, 0, "{driver}");
        let ring = store.key_ring().await.unwrap();
        assert_eq!((ring.ring, ring.sealed.len(), ring.broken.len()), (KeyRing::default(), 0, 0), "{driver}");
        store.tend().await.unwrap();
    }
}

#[tokio::test]
async fn a_log_is_opened_once_and_remembers_its_checkpoint() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let again = NewLog { origin: "other".to_owned(), vkey: "v".to_owned(), sealed_key: vec![9] };
        assert!(written.change(vec![Change::OpenLog(again)]).await.is_err(), "{driver}");
        written.change(vec![Change::Publish("note 1".to_owned())]).await.unwrap();
        written.write(0, Vec::new(), vec![Change::Publish("note 2\nä".to_owned())]).await.unwrap();
        written.reopen().await;
        let log = written.store.log().await.unwrap().unwrap();
        assert_eq!(
            (log.origin.as_str(), log.vkey.as_str(), log.sealed_key),
            ("log", "vkey", vec![1, 2, 3]),
            "{driver}"
        );
        assert_eq!(
            (log.checkpoint.as_deref(), log.head),
            (Some("note 2\nä"), written.edge.head()),
            "{driver}"
        );
    }
}

#[tokio::test]
async fn batches_follow_one_another_without_a_gap() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        for size in [1, 2, 7, 128, 1, 300, 33] {
            let first = written.edge.size();
            written.write(202_611, numbered(first..first + size), Vec::new()).await.unwrap();
        }
        let total = written.edge.size();
        written.reopen().await;
        let store = &written.store;
        assert_eq!(store.head().await.unwrap(), Some(written.edge.head()), "{driver}");
        for (range, expected) in [
            (0..total, 0..total),
            (5..9, 5..9),
            (total - 2..total + 50, total - 2..total),
            (total..total + 5, 0..0),
            (9..9, 0..0),
        ] {
            let expected: Vec<_> = expected.map(|n| format!("leaf {n}").into_bytes()).collect();
            assert_eq!(store.leaves(range.clone()).await.unwrap(), expected, "{driver}");
            let entries = store.entries(range.clone()).await.unwrap();
            assert!(entries.iter().zip(range.start..).all(|(entry, index)| entry.index == index), "{driver}");
            assert_eq!(entries.into_iter().map(|entry| entry.leaf).collect::<Vec<_>>(), expected, "{driver}");
        }
    }
}

#[tokio::test]
async fn a_batch_for_another_place_is_a_conflict_that_leaves_nothing() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        written.write(202_611, numbered(0..3), Vec::new()).await.unwrap();
        for first in [4, 99] {
            let mut other = written.edge.clone();
            let batch = Batch {
                first,
                entries: numbered(0..2),
                part: 202_611,
                tiles: other.append(&[leaf_hash(b"x"), leaf_hash(b"y")]),
                ..Batch::of_changes(other.head(), vec![Change::SetFact("companion", "here".to_owned())])
            };
            assert_eq!(written.store.append(&batch).await, Err(StoreFault::Conflict), "{driver} at {first}");
        }
        // Where entries are already, it may be told in another way; but nothing is written either.
        let batch = Batch {
            first: 1,
            entries: numbered(0..1),
            part: 202_611,
            ..Batch::of_changes(written.edge.head(), vec![Change::SetFact("companion", "here".to_owned())])
        };
        assert!(written.store.append(&batch).await.is_err(), "{driver}");
        assert_eq!(written.store.fact("companion").await.unwrap(), None, "{driver}");
        assert_eq!(written.store.head().await.unwrap(), Some(written.edge.head()), "{driver}");
        written.write(202_611, numbered(3..4), Vec::new()).await.unwrap();
        assert_eq!(written.store.leaves(0..9).await.unwrap().len(), 4, "{driver}");
    }
}

#[tokio::test]
async fn tiles_are_kept_as_the_tree_has_them() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        for size in [200, 100, 300, 17] {
            let first = written.edge.size();
            written.write(202_611, numbered(first..first + size), Vec::new()).await.unwrap();
        }
        written.reopen().await;
        let leaves = written.store.leaves(0..617).await.unwrap();
        for n in 0..2 {
            let tile = written.store.tile(0, n).await.unwrap().unwrap();
            let range = usize::try_from(n).unwrap() * 256..usize::try_from(n + 1).unwrap() * 256;
            let hashes: Vec<_> = leaves[range].iter().map(|leaf| leaf_hash(leaf)).collect();
            assert_eq!(decode_tile(&tile).unwrap(), hashes, "{driver}");
        }
        assert_eq!(written.store.tile(0, 2).await.unwrap(), None, "{driver}: level 0 only when full");
        let top = decode_tile(&written.store.tile(1, 0).await.unwrap().unwrap()).unwrap();
        let roots = leaves.chunks_exact(256).map(|chunk| {
            let mut tree = Frontier::new();
            for leaf in chunk {
                tree.push(leaf_hash(leaf));
            }
            tree.root()
        });
        assert_eq!(top, roots.collect::<Vec<_>>(), "{driver}");
        assert_eq!(
            (written.store.tile(1, 1).await.unwrap(), written.store.tile(2, 0).await.unwrap()),
            (None, None),
            "{driver}"
        );
    }
}

#[tokio::test]
async fn bodies_and_receipts_are_found_over_the_turn_of_months_and_years() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let parts = [202_611, 202_612, 202_701, 202_611];
        for (n, part) in (0_u8..).zip(parts) {
            let body = Some(([n; 32], format!("{{\"n\":{n}}}\u{2028}").into_bytes()));
            let with_body = NewEntry { leaf: vec![n, 1], body, jti: Some(format!("jti-{n}")) };
            written.write(part, vec![entry("none"), with_body, entry("none")], Vec::new()).await.unwrap();
        }
        written.reopen().await;
        let entries = written.store.entries(0..99).await.unwrap();
        for (n, index) in (0_u8..4).zip([1_u64, 4, 7, 10]) {
            let found = &entries[usize::try_from(index).unwrap()];
            assert_eq!(
                found.body,
                Some(([n; 32], format!("{{\"n\":{n}}}\u{2028}").into_bytes())),
                "{driver}"
            );
            assert_eq!(
                written.store.index_of_jti(&format!("jti-{n}")).await.unwrap(),
                Some(index),
                "{driver}"
            );
        }
        assert_eq!(entries.iter().filter(|entry| entry.body.is_some()).count(), 4, "{driver}");
        for unknown in ["", "jti", "JTI-0", "jti-0 ", "' OR 1=1 --", "%"] {
            assert_eq!(written.store.index_of_jti(unknown).await.unwrap(), None, "{driver}: {unknown}");
        }
    }
}

#[tokio::test]
async fn a_repeated_jti_is_never_written() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let token = |leaf: &str| NewEntry { jti: Some("same".to_owned()), ..entry(leaf) };
        written.write(202_611, vec![token("a")], Vec::new()).await.unwrap();
        assert!(written.write(202_611, vec![token("b")], Vec::new()).await.is_err(), "{driver}");
        assert_eq!(written.store.head().await.unwrap().unwrap().size, 1, "{driver}");
        written.write(202_611, vec![entry("c")], Vec::new()).await.unwrap();
    }
}

#[tokio::test]
async fn the_policy_comes_back_as_it_was_put() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let first = vec![
            Change::PutResource(resource(1)),
            Change::PutScope(scope("a", 1)),
            Change::PutScope(scope("b", 1)),
        ];
        written.change(first).await.unwrap();
        let second =
            vec![Change::PutClient(client("x", 1)), Change::AddSecret(id("x"), secret("s1", u32::MAX))];
        written.change(second).await.unwrap();
        written
            .change(vec![
                Change::AddSecret(id("x"), secret("s2", 0)),
                Change::EndSecret("s1".to_owned(), START),
            ])
            .await
            .unwrap();
        written.change(vec![Change::PutClient(client("y", 1))]).await.unwrap();
        assert_eq!(written.policy().await.version, 4, "{driver}: one for each batch that changes it");
        written.change(Vec::new()).await.unwrap();
        written.change(vec![Change::SetFact("probe", "1".to_owned())]).await.unwrap();
        written.reopen().await;

        let policy = written.policy().await;
        assert_eq!(policy.version, 4, "{driver}: and none for others");
        assert_eq!(
            policy.resources.values().map(|r| (**r).clone()).collect::<Vec<_>>(),
            [resource(1)],
            "{driver}"
        );
        let names: Vec<_> = policy.scopes.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["a", "b"], "{driver}");
        let a = policy.scopes.values().next().unwrap();
        assert_eq!(**a, ScopeRule { key: a.key, ..scope("a", 1) }, "{driver}");
        let x = policy.client("x").unwrap();
        assert_eq!(x.client, client("x", 1), "{driver}");
        let s1 = SecretHash { expires_at: Some(START), ..secret("s1", u32::MAX) };
        assert_eq!(x.secrets, [s1, secret("s2", 0)], "{driver}: oldest first");
        assert!(policy.client("y").unwrap().secrets.is_empty(), "{driver}");
        assert!(policy.client("X").is_none(), "{driver}");
    }
}

#[tokio::test]
async fn the_numbers_that_stand_for_scopes_and_clients_stay() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let changes = vec![
            Change::PutScope(scope("a", 1)),
            Change::PutScope(scope("b", 1)),
            Change::PutClient(client("x", 1)),
            Change::PutClient(client("y", 1)),
        ];
        written.change(changes).await.unwrap();
        let numbers = |policy: &Policy| {
            let scopes: Vec<_> = policy.scopes.values().map(|rule| rule.key).collect();
            (scopes, policy.client("x").unwrap().key, policy.client("y").unwrap().key)
        };
        let before = numbers(&written.policy().await);
        assert!(before.0[0] != before.0[1] && before.1 != before.2, "{driver}");
        written
            .change(vec![Change::PutScope(scope("a", 2)), Change::PutClient(client("x", 2))])
            .await
            .unwrap();
        written.reopen().await;
        assert_eq!(numbers(&written.policy().await), before, "{driver}");
    }
}

#[tokio::test]
async fn a_change_to_another_version_than_the_stored_one_is_a_conflict_that_leaves_nothing() {
    for (_, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let changes = vec![
            Change::PutResource(resource(1)),
            Change::PutScope(scope("a", 1)),
            Change::PutClient(client("x", 1)),
        ];
        written.change(changes).await.unwrap();
        for version in [1, 3, 0] {
            written.assert_conflict(Change::PutResource(resource(version))).await;
            written.assert_conflict(Change::PutScope(scope("a", version))).await;
            written.assert_conflict(Change::PutClient(client("x", version))).await;
        }
        for version in [2, 7] {
            written.assert_conflict(Change::PutScope(scope("new", version))).await;
            written.assert_conflict(Change::PutClient(client("new", version))).await;
        }
        written.assert_conflict(Change::EndSecret("unknown".to_owned(), START)).await;
        let changes = vec![
            Change::PutResource(resource(2)),
            Change::PutScope(scope("a", 2)),
            Change::PutClient(client("x", 2)),
        ];
        written.change(changes).await.unwrap();
        assert_eq!(written.policy().await.version, 2);
    }
}

#[tokio::test]
async fn a_secret_belongs_to_a_client() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        let head = written.edge.head();
        assert!(
            written.change(vec![Change::AddSecret(id("nobody"), secret("s", 1))]).await.is_err(),
            "{driver}"
        );
        assert_eq!(written.store.head().await.unwrap(), Some(head), "{driver}");
    }
}

#[tokio::test]
async fn facts_are_kept_and_replaced() {
    for (driver, open) in DRIVERS {
        let mut written = Written::start(open).await;
        for value in ["one", "two", "", "ä\n'"] {
            written.write(0, Vec::new(), vec![Change::SetFact("fact", value.to_owned())]).await.unwrap();
            assert_eq!(written.store.fact("fact").await.unwrap().as_deref(), Some(value), "{driver}");
        }
        written.reopen().await;
        assert_eq!(written.store.fact("fact").await.unwrap().as_deref(), Some("ä\n'"), "{driver}");
    }
}
