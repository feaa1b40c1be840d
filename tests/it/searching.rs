//! Searching the log: what fits is found whatever the times and names, little else is read, nothing is lost
//! when pages are damaged, missing, or gone with their month.

use std::time::Duration;

use mintmark::audit::catalogue;
use mintmark::audit::directory::edge::Listed;
use mintmark::audit::directory::{Facts, StoredPage};
use mintmark::audit::event::EventType;
use mintmark::audit::leaf::Record;
use mintmark::audit::search::Query;
use mintmark::digest::Digest;
use mintmark::jose::Kid;
use mintmark::store::sqlite::SqliteStore;
use mintmark::store::{Batch, Change, Store};
use mintmark::time::Timestamp;
use serde_json::json;

use crate::harness::{START, foreign_connection};
use crate::made_log::{MadeLog, Told};

/// Numbers that look like chance and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn key(number: u64) -> Kid {
    Kid(Digest([u8::try_from(number).unwrap(); 32]))
}

fn client(number: u64) -> String {
    format!("client-{number}")
}

/// Some thousand entries over three months: clients of which few ask often, two keys, scopes in pairs, acts,
/// questions, entries without a body, and a clock that steps back and forth.
fn busy_months(count: u64, seed: u64) -> Vec<Told> {
    let mut numbers = Numbers(seed);
    let mut ts = START;
    let mut told = Vec::new();
    for index in 0..count {
        ts = match numbers.below(400) {
            0 => ts.minus(Duration::from_secs(numbers.below(40_000))),
            1 => ts.plus(Duration::from_hours(6)),
            _ => ts.plus(Duration::from_micros(numbers.below(2_000_000_000))),
        };
        let bound = 1 + numbers.below(60);
        let id = client(numbers.below(bound));
        let kid = key(1 + index / 1_500);
        let (record, body) = match numbers.below(20) {
            0 => (Record::new(EventType::NodeAlive), None),
            1 => (
                Record::new(EventType::ClientUpdated),
                Some(json!({ "actor": "unix:0", "object": id, "before": null })),
            ),
            2 => (
                Record::new(EventType::AuditRead),
                Some(json!({ "actor": "unix:0", "object": format!("search client_id={id}") })),
            ),
            3 => (
                Record::new(EventType::TokenDenied),
                Some(json!({ "client_id": id, "reason": "rate_limited", "scope": "a" })),
            ),
            _ => {
                let iat = ts.seconds();
                let exp = Some(iat + numbers.below(3_600));
                let record =
                    Record { kid: Some(kid), iat: Some(iat), exp, ..Record::new(EventType::TokenIssued) };
                let scope = ["a", "b", "a b", "c"][usize::try_from(numbers.below(4)).unwrap()];
                (record, Some(json!({ "client_id": id, "sub": id, "scope": scope })))
            }
        };
        told.push(Told { ts, record, body });
    }
    told
}

/// The same by looking at every entry that was told.
fn fitting(told: &[Told], query: &Query) -> Vec<u64> {
    let fits = |told: &Told| {
        let member = |name: &str| told.body.as_ref()?.get(name)?.as_str();
        let object = member("object").filter(|_| told.record.event == EventType::ClientUpdated);
        let named = member("client_id").or(object);
        let exp = told.record.exp.map(Timestamp::from_seconds);
        query.client_id.as_deref().is_none_or(|id| named == Some(id))
            && query.scope.as_deref().is_none_or(|token| {
                member("scope").is_some_and(|scope| scope.split(' ').any(|each| each == token))
            })
            && query.kid.is_none_or(|kid| told.record.kid == Some(kid))
            && query.event.is_none_or(|event| told.record.event == event)
            && query.from.is_none_or(|from| told.ts >= from)
            && query.to.is_none_or(|to| told.ts <= to)
            && query.unexpired_at.is_none_or(|at| exp.is_some_and(|exp| exp > at))
    };
    (0..told.len()).rev().filter(|&at| fits(&told[at])).map(|at| at as u64).collect()
}

/// Questions of every kind and of several at once.
fn questions(told: &[Told]) -> Vec<Query> {
    let at = |part: usize| Some(told[told.len() * part / 10].ts);
    let of = |id: u64| Query { client_id: Some(client(id)), ..Query::default() };
    let scope = |token: &str| Query { scope: Some(token.to_owned()), ..Query::default() };
    let event = |event| Query { event: Some(event), ..Query::default() };
    vec![
        Query::default(),
        of(0),
        of(3),
        of(57),
        of(999),
        scope("a"),
        scope("c"),
        scope("a b"),
        event(EventType::ClientUpdated),
        event(EventType::AuditRead),
        event(EventType::LogClosed),
        Query { kid: Some(key(1)), ..Query::default() },
        Query { kid: Some(key(2)), ..of(1) },
        Query { kid: Some(key(9)), ..Query::default() },
        Query { from: at(8), ..Query::default() },
        Query { to: at(2), ..Query::default() },
        Query { from: at(4), to: at(5), ..Query::default() },
        Query { from: at(5), to: at(4), ..Query::default() },
        Query { from: at(3), to: at(7), event: Some(EventType::TokenDenied), ..of(2) },
        Query { unexpired_at: at(9), ..Query::default() },
        Query { unexpired_at: at(9), scope: Some("b".to_owned()), ..of(0) },
    ]
}

#[tokio::test]
async fn what_fits_is_found_and_nothing_else() {
    for (count, seed) in [(0, 1), (1, 2), (255, 3), (256, 4), (257, 5), (3_000, 6)] {
        let told = busy_months(count, seed);
        let log = MadeLog::of(&told).await;
        for query in if told.is_empty() { vec![Query::default()] } else { questions(&told) } {
            let expected = fitting(&told, &query);
            assert_eq!(log.found(&query, 1_000).await, expected, "{count} entries, {query:?}");
            let limit = 1 + expected.len() / 3;
            assert_eq!(
                log.found(&query, limit).await,
                expected,
                "{count} entries, {limit} a page, {query:?}"
            );
        }
    }
}

/// 70 000 entries make pages of pages.
#[tokio::test]
async fn a_rare_client_is_found_without_reading_the_others() {
    let mut told = busy_months(70_000, 7);
    for at in [17, 30_000, 65_535, 65_536] {
        told[at].body = Some(json!({ "client_id": "rare", "scope": "x" }));
    }
    let log = MadeLog::of(&told).await;
    let rare = Query { client_id: Some("rare".to_owned()), ..Query::default() };
    assert_eq!(log.found(&rare, 100).await, [65_536, 65_535, 30_000, 17]);
    assert!(log.read() < 300, "the newest entries and these four");
    let scope = Query { scope: Some("x".to_owned()), ..Query::default() };
    assert_eq!(log.found(&scope, 2).await, [65_536, 65_535, 30_000, 17]);
    let common = Query { kid: Some(key(3)), scope: Some("c".to_owned()), ..Query::default() };
    assert_eq!(log.found(&common, 200).await, fitting(&told, &common));
    the_pages_that_grow_are_the_same_after_a_start(&log, &told).await;
}

#[tokio::test]
async fn a_log_without_a_directory_is_searched_all_the_same_and_gets_one() {
    let told = busy_months(1_500, 8);
    let log = MadeLog::without_directory(&told).await;
    let as_written = MadeLog::of(&told).await;
    for caught_up in [false, true] {
        for query in questions(&told) {
            assert_eq!(log.found(&query, 50).await, fitting(&told, &query), "{caught_up} {query:?}");
        }
        let head = log.store.head().await.unwrap().unwrap();
        catalogue::catch_up(&*log.store, head).await.unwrap();
    }
    for level in 0..2 {
        let leaves = log.store.leaf_pages(level, 0..300).await.unwrap();
        assert_eq!(leaves, as_written.store.leaf_pages(level, 0..300).await.unwrap());
        let bodies = log.store.body_pages(level, 0..300).await.unwrap();
        assert_eq!(bodies, as_written.store.body_pages(level, 0..300).await.unwrap());
    }
    assert_eq!(log.store.directory_length().await.unwrap(), 5);
}

/// What the writer goes on from after a start at some size gives the pages that it gave without that start.
async fn the_pages_that_grow_are_the_same_after_a_start(log: &MadeLog, told: &[Told]) {
    let from = 66_000;
    let mut restored = catalogue::restore(&*log.store, from).await.unwrap();
    let mut pages = Vec::new();
    let entries = log.store.entries(from..told.len() as u64).await.unwrap();
    for (told, entry) in told[66_000..].iter().zip(&entries) {
        let Record { event, kid, exp, .. } = told.record;
        let body = entry.body.as_ref().map(|(_, body)| body.as_slice());
        restored.push(&Listed { event, ts: told.ts, kid, exp, body }, &mut pages);
    }
    let mut expected = log.store.leaf_pages(0, 257..300).await.unwrap();
    expected.extend(log.store.body_pages(0, 257..300).await.unwrap());
    let place = |page: &StoredPage| (matches!(page.facts, Facts::Bodies(_)), page.index);
    pages.sort_by_key(place);
    expected.sort_by_key(place);
    assert_eq!(pages, expected);
}

#[tokio::test]
async fn damaged_and_lost_pages_hide_nothing() {
    let told = busy_months(1_500, 10);
    let log = MadeLog::of(&told).await;
    let mut hand = foreign_connection(&log.folder.path().join("mintmark.db")).await;
    let month = START.month();
    for sql in [
        "UPDATE log_directory SET page = x'0102' WHERE place = 1".to_owned(),
        "UPDATE log_directory SET page = x'' WHERE place = 2".to_owned(),
        "DELETE FROM log_directory WHERE place = 3".to_owned(),
        format!("UPDATE log_directory_{month} SET page = x'ff' WHERE place = 0"),
        format!("DELETE FROM log_directory_{month} WHERE place = 4"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut hand).await.unwrap();
    }
    sqlx::Connection::close(hand).await.unwrap();
    for query in questions(&told) {
        assert_eq!(log.found(&query, 200).await, fitting(&told, &query), "{query:?}");
    }
}

#[tokio::test]
async fn months_go_in_slices_and_what_they_held_is_not_looked_for() {
    let told = busy_months(6_000, 11);
    let log = MadeLog::of(&told).await;
    let months = log.store.months().await.unwrap();
    assert!(months.len() > 2, "{months:?}");
    let of_three = Query { client_id: Some(client(3)), ..Query::default() };
    let before = fitting(&told, &of_three);
    let mut slices = 0;
    while log.store.months().await.unwrap().contains(&months[0]) {
        let head = log.store.head().await.unwrap().unwrap();
        let slice = Change::DropBodies { month: months[0], at_most: 100 };
        log.store.append(&Batch::of_changes(head, vec![slice])).await.unwrap();
        slices += 1;
        let left: Vec<u64> = log.found(&of_three, 500).await;
        assert!(before.starts_with(&left), "the oldest go first");
    }
    let gone = told.iter().take_while(|told| told.ts.month() == months[0]).count();
    assert!(slices > 3 && slices >= gone / 100, "{slices} for {gone}");
    let kept: Vec<u64> =
        before.into_iter().filter(|&at| told[usize::try_from(at).unwrap()].ts.month() > months[0]).collect();
    assert_eq!(log.found(&of_three, 500).await, kept);
    log.read();
    let nobody = Query { client_id: Some(client(999)), ..Query::default() };
    assert_eq!(log.found(&nobody, 500).await, [] as [u64; 0]);
    assert!(log.read() <= 256);
    let by_leaf = Query { kid: Some(key(1)), ..Query::default() };
    assert_eq!(log.found(&by_leaf, 500).await, fitting(&told, &by_leaf), "leaves are found for ever");
}

/// A store of before the directory is brought up to date by its next start.
#[tokio::test]
async fn an_older_store_gets_its_tables() {
    let told = busy_months(600, 12);
    let log = MadeLog::without_directory(&told).await;
    let path = log.folder.path().join("mintmark.db");
    log.store.close().await;
    let mut hand = foreign_connection(&path).await;
    sqlx::raw_sql("DROP TABLE log_directory; DELETE FROM _sqlx_migrations WHERE version = 3")
        .execute(&mut hand)
        .await
        .unwrap();
    for month in [202_611, 202_612] {
        let sql = format!("DROP TABLE IF EXISTS log_directory_{month}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut hand).await.unwrap();
    }
    sqlx::Connection::close(hand).await.unwrap();
    let store = SqliteStore::open(&path, log.folder.path(), false).await.unwrap();
    let head = store.head().await.unwrap().unwrap();
    catalogue::catch_up(&store, head).await.unwrap();
    assert_eq!(store.directory_length().await.unwrap(), 2);
    assert_eq!(store.body_pages(0, 0..9).await.unwrap().len(), 2);
    store.close().await;
}
