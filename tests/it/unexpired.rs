//! Looking back in the log: which tokens of a key live still, and that nobody reads further than the answer can lie.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use mintmark::ambient::Clock as _;
use mintmark::audit::event::EventType;
use mintmark::audit::leaf::{CHAIN_START, Epoch, Place, Record, encode};
use mintmark::audit::search::{Query, search};
use mintmark::audit::tile::Edge;
use mintmark::audit::tree::leaf_hash;
use mintmark::audit::unexpired::{Unexpired, unexpired};
use mintmark::digest::Digest;
use mintmark::jose::Kid;
use mintmark::store::sqlite::SqliteStore;
use mintmark::store::{Batch, Change, NewEntry, NewLog, Store};
use mintmark::time::Timestamp;
use serde_json::json;

use crate::harness::{FaultyStore, ORDERS, START, TestMint, with_mint};

const HOUR: Duration = Duration::from_hours(1);
const OURS: Kid = Kid(Digest([1; 32]));
const ANOTHER: Kid = Kid(Digest([2; 32]));

/// What is written of one entry: when, and the key and the lifetime if it is a token's.
type Told = (Timestamp, Option<(Kid, Duration)>);

/// A real database with a log made for the question.
struct Log {
    store: Arc<FaultyStore>,
    _folder: tempfile::TempDir,
}

impl Log {
    async fn of(told: &[Told]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mintmark.db");
        let store = SqliteStore::open(&path, folder.path(), true).await.unwrap();
        let log = NewLog { origin: "log".to_owned(), vkey: "vkey".to_owned(), sealed_key: vec![1] };
        let mut changes = vec![Change::OpenLog(log)];
        let mut edge = Edge::new();
        for part in told.chunks(500) {
            let first = edge.size();
            let entries: Vec<_> = part.iter().zip(first..).map(|(told, index)| entry(told, index)).collect();
            let tiles = edge.append(&entries.iter().map(|entry| leaf_hash(&entry.leaf)).collect::<Vec<_>>());
            let changes = std::mem::take(&mut changes);
            let head = edge.head();
            store.append(&Batch { first, entries, part: 202_611, tiles, head, changes }).await.unwrap();
        }
        Self { store: FaultyStore::new(Arc::new(store)), _folder: folder }
    }

    async fn unexpired(&self, kid: Kid, oldest: Timestamp, now: Timestamp) -> Unexpired {
        unexpired(&*self.store, kid, oldest, now).await.unwrap()
    }

    /// All pages of a search, as indices.
    async fn found(&self, query: &Query, limit: usize) -> Vec<u64> {
        let store: Arc<dyn Store> = self.store.clone();
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = search(&store, query, before, limit).await.unwrap();
            found.extend(page.entries.iter().map(|entry| entry.index));
            before = page.next;
            if before.is_none() {
                return found;
            }
        }
    }

    /// The least index that was read since the last question.
    fn furthest(&self) -> u64 {
        self.store.reads().iter().map(|range: &Range<u64>| range.start).min().unwrap()
    }
}

fn entry(&(ts, token): &Told, index: u64) -> NewEntry {
    let record = match token {
        None => Record::new(EventType::AuditRead),
        Some((kid, lifetime)) => Record {
            kid: Some(kid),
            iat: Some(ts.seconds()),
            exp: Some(ts.plus(lifetime).seconds()),
            ..Record::new(EventType::TokenIssued)
        },
    };
    let epoch = Epoch([7; 16]);
    let place = Place { ts, node: "node-1", epoch: &epoch, sequence: index, chain: CHAIN_START };
    NewEntry { leaf: encode(&record, &place, None), body: None, jti: None }
}

fn token(ts: Timestamp, kid: Kid, lifetime: Duration) -> Told {
    (ts, Some((kid, lifetime)))
}

/// Five thousand entries, one a second: two keys, lifetimes from a second to an hour, acts in between.
fn busy_hours() -> Vec<Told> {
    let entry = |second: u64| {
        let ts = START.plus(Duration::from_secs(second));
        let kid = if second.is_multiple_of(3) { ANOTHER } else { OURS };
        let lifetime = Duration::from_secs(1 + second * 7_919 % 3_600);
        (ts, (!second.is_multiple_of(10)).then_some((kid, lifetime)))
    };
    (0..5_000).map(entry).collect()
}

/// The same by looking at what was told, entry by entry.
fn counted(told: &[Told], asked: Kid, now: Timestamp) -> Unexpired {
    let exps = told.iter().filter_map(|&(ts, token)| {
        let (kid, lifetime) = token?;
        Some(ts.plus(lifetime)).filter(|exp| kid == asked && *exp > now)
    });
    let exps: Vec<_> = exps.collect();
    Unexpired { count: exps.len() as u64, latest_exp: exps.into_iter().max() }
}

#[tokio::test]
async fn the_tokens_of_a_key_are_counted_until_the_last_has_died() {
    let told = busy_hours();
    let log = Log::of(&told).await;
    for after in [0, 1, 600, 1_800, 4_999, 5_000, 6_000, 8_000, 8_596, 8_597, 8_598, 8_599, 8_600, 20_000] {
        let now = START.plus(Duration::from_secs(after));
        for kid in [OURS, ANOTHER, Kid(Digest([3; 32]))] {
            let found = log.unexpired(kid, now.minus(HOUR), now).await;
            assert_eq!(found, counted(&told, kid, now), "{kid} after {after} s");
        }
    }
    assert_eq!(log.unexpired(OURS, START, START.plus(HOUR * 9)).await, Unexpired::default());
}

#[tokio::test]
async fn an_empty_log_and_a_store_without_one_have_no_tokens() {
    let log = Log::of(&[]).await;
    assert_eq!(log.unexpired(OURS, START, START).await, Unexpired::default());
    let all = Log::of(&[token(START, OURS, HOUR)]).await;
    let expected = Unexpired { count: 1, latest_exp: Some(START.plus(HOUR)) };
    assert_eq!(all.unexpired(OURS, START, START).await, expected);
}

#[tokio::test]
async fn an_expiry_is_the_first_moment_at_which_a_token_is_dead() {
    let log = Log::of(&[token(START, OURS, HOUR)]).await;
    for (now, count) in [
        (START.plus(HOUR).minus(Duration::from_micros(1)), 1),
        (START.plus(HOUR), 0),
        (START.plus(HOUR).plus(Duration::from_micros(1)), 0),
    ] {
        assert_eq!(log.unexpired(OURS, START, now).await.count, count, "{now}");
    }
}

#[tokio::test]
async fn nothing_is_read_from_long_before_the_oldest_token_that_can_live() {
    // Six entries a minute for eight hours: 2 880 before the hour in question, and as many chunks as that takes.
    let told: Vec<_> = (0..2_880)
        .chain((0..3_000).map(|n| 2_880 + n / 10))
        .map(|tenth| token(START.plus(Duration::from_secs(10 * tenth)), OURS, HOUR))
        .collect();
    let log = Log::of(&told).await;
    let now = told.last().unwrap().0;
    let expected = counted(&told, OURS, now);
    assert_eq!(log.unexpired(OURS, now.minus(HOUR), now).await, expected);
    let furthest = log.furthest();
    assert!((1..=1_880).contains(&furthest), "the walk went on to {furthest}");
    let kept = log.store.reads();
    assert!(kept.iter().all(|range| range.end - range.start <= 1_000), "{kept:?}");

    let from = now.minus(HOUR);
    let query = Query { kid: Some(OURS), from: Some(from), ..Query::default() };
    let expected: Vec<u64> =
        (0..told.len()).rev().filter(|&at| told[at].0 >= from).map(|at| at as u64).collect();
    assert_eq!(log.found(&query, 100_000).await, expected);
    assert_eq!(log.furthest(), furthest, "a search ends where it began to be about the past");
    assert_eq!(log.found(&query, 7).await, expected, "page by page");
    let without = Query { kid: Some(ANOTHER), ..Query::default() };
    assert_eq!(log.found(&without, 7).await, [] as [u64; 0]);
    assert_eq!(log.furthest(), 0, "without a beginning the whole log is searched");
}

#[tokio::test]
async fn a_clock_that_stepped_back_for_a_while_hides_nothing() {
    // A token; then the clock is an hour behind for two thousand entries; then it is right again.
    let at = |minutes: u64| START.plus(Duration::from_mins(minutes));
    let mut told = vec![token(at(600), OURS, HOUR)];
    told.extend((0..2_000).map(|_| token(at(541), ANOTHER, HOUR)));
    told.extend((0..2_000).map(|_| token(at(602), ANOTHER, HOUR)));
    let log = Log::of(&told).await;
    let now = at(659);
    assert_eq!(log.unexpired(OURS, now.minus(HOUR), now).await, counted(&told, OURS, now));
    assert_eq!(log.unexpired(ANOTHER, now.minus(HOUR), now).await.count, 2_000);
    let query = Query { kid: Some(OURS), from: Some(now.minus(HOUR)), ..Query::default() };
    assert_eq!(log.found(&query, 100).await, [0]);
}

#[tokio::test]
async fn a_search_for_unexpired_tokens_finds_what_is_counted() {
    let told = busy_hours();
    let log = Log::of(&told).await;
    let now = START.plus(Duration::from_mins(80));
    let query = Query {
        kid: Some(OURS),
        event: Some(EventType::TokenIssued),
        unexpired_at: Some(now),
        from: Some(now.minus(HOUR)),
        ..Query::default()
    };
    let found = log.found(&query, 1_000).await;
    assert_eq!(found.len() as u64, counted(&told, OURS, now).count);
    assert!(found.len() > 100 && found.is_sorted_by(|newer, older| newer > older));
    let any = Query { unexpired_at: Some(now), ..Query::default() };
    assert!(log.found(&any, 1_000).await.len() > found.len(), "of any key, but tokens only");
}

/// The entries that the admin API finds.
async fn asked(mint: &TestMint, query: &str) -> Vec<serde_json::Value> {
    let answer = mint.admin_get(&format!("/admin/v1/audit/entries?{query}")).await;
    answer.assert_status(200).json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_operator_lists_the_tokens_of_a_key_that_live_still() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let slow =
            json!({ "scope": "orders:read", "default_scope": "orders:read", "access_token_lifetime": 3_600 });
        let slow = mint.client("slow", slow).await;
        mint.token(&reader, "").await.assert_token();
        let (header, claims) = mint.token(&slow, "").await.assert_token();
        let (kid, jti) = (header["kid"].as_str().unwrap().to_owned(), claims["jti"].clone());
        let of_key = format!("kid={kid}&event=token.issued&unexpired=true");
        assert_eq!(asked(mint, &of_key).await.len(), 2);
        mint.later("10m").await;
        let live = asked(mint, &of_key).await;
        assert_eq!(live.len(), 1, "the usual token has died");
        assert_eq!((&live[0]["body"]["jti"], &live[0]["leaf"]["exp"]), (&jti, &claims["exp"]));
        // The question is on record with all that narrows it.
        let told = asked(mint, "event=audit.read&limit=2").await[1]["body"]["object"].clone();
        for part in [
            format!("kid={kid}"),
            "unexpired_at=2026-11-22T12:10:00.".to_owned(),
            "from=2026-11-21T11:10:00.".to_owned(),
        ] {
            assert!(told.as_str().unwrap().contains(&part), "{part}: {told}");
        }
        assert_eq!(asked(mint, &format!("kid={kid}&event=token.issued&unexpired=false")).await.len(), 2);
        for bad in ["unexpired=yes", "unexpired=1", "unexpired=TRUE", "unexpired=true&unexpired=true"] {
            mint.admin_get(&format!("/admin/v1/audit/entries?{bad}")).await.assert_problem(400);
        }
        let now = mint.clock().now();
        let kid = Kid::parse(&kid).unwrap();
        let counted = unexpired(&*mint.app().store, kid, now.minus(HOUR), now).await.unwrap();
        let exp = claims["exp"].as_u64().map(Timestamp::from_seconds);
        assert_eq!(counted, Unexpired { count: 1, latest_exp: exp });
    })
    .await;
}

#[tokio::test]
async fn the_list_of_live_tokens_goes_on_over_pages() {
    with_mint(async |mint| {
        mint.usual_policy().await;
        mint.scope("many", ORDERS, "100000/1m").await;
        let client = mint.client("busy", json!({ "scope": "many" })).await;
        crate::log::issue(mint, &client, 300).await;
        let first =
            mint.admin_get("/admin/v1/audit/entries?event=token.issued&unexpired=true&limit=200").await;
        assert_eq!(first.assert_status(200).json()["items"].as_array().unwrap().len(), 200);
        let link = first.header("link").to_owned();
        let next = link.strip_prefix('<').unwrap().split_once('>').unwrap().0;
        mint.later("11m").await;
        assert!(next.contains("unexpired="), "{link}");
        let second = mint.admin_get(next).await;
        assert_eq!(second.assert_status(200).json()["items"], json!([]), "they died between the pages");
    })
    .await;
}
