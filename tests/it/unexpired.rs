//! Looking back in the log: which tokens of a key live still, and that nobody reads further than the answer can lie.

use std::time::Duration;

use mintmark::ambient::Clock as _;
use mintmark::audit::event::EventType;
use mintmark::audit::leaf::Record;
use mintmark::audit::search::Query;
use mintmark::audit::unexpired::{Unexpired, unexpired};
use mintmark::digest::Digest;
use mintmark::jose::Kid;
use mintmark::time::Timestamp;
use serde_json::json;

use crate::harness::{ORDERS, START, TestMint, with_mint};
use crate::made_log::{MadeLog, Told};

const HOUR: Duration = Duration::from_hours(1);
const OURS: Kid = Kid(Digest([1; 32]));
const ANOTHER: Kid = Kid(Digest([2; 32]));

async fn counted_in(log: &MadeLog, kid: Kid, now: Timestamp) -> Unexpired {
    unexpired(&*log.store, kid, now).await.unwrap()
}

fn act(ts: Timestamp) -> Told {
    Told { ts, record: Record::new(EventType::AuditRead), body: None }
}

fn token(ts: Timestamp, kid: Kid, lifetime: Duration) -> Told {
    let (iat, exp) = (Some(ts.seconds()), Some(ts.plus(lifetime).seconds()));
    let record = Record { kid: Some(kid), iat, exp, ..Record::new(EventType::TokenIssued) };
    Told { ts, record, body: None }
}

/// Five thousand entries, one a second: two keys, lifetimes from a second to an hour, acts in between.
fn busy_hours() -> Vec<Told> {
    let entry = |second: u64| {
        let ts = START.plus(Duration::from_secs(second));
        let kid = if second.is_multiple_of(3) { ANOTHER } else { OURS };
        let lifetime = Duration::from_secs(1 + second * 7_919 % 3_600);
        if second.is_multiple_of(10) { act(ts) } else { token(ts, kid, lifetime) }
    };
    (0..5_000).map(entry).collect()
}

/// The same by looking at what was told, entry by entry.
fn counted(told: &[Told], asked: Kid, now: Timestamp) -> Unexpired {
    let exps = told.iter().filter(|told| told.record.kid == Some(asked)).filter_map(|told| told.record.exp);
    let exps: Vec<_> = exps.map(Timestamp::from_seconds).filter(|exp| *exp > now).collect();
    Unexpired { count: exps.len() as u64, latest_exp: exps.into_iter().max() }
}

#[tokio::test]
async fn the_tokens_of_a_key_are_counted_until_the_last_has_died() {
    let told = busy_hours();
    let log = MadeLog::of(&told).await;
    for after in [0, 1, 600, 1_800, 4_999, 5_000, 6_000, 8_000, 8_596, 8_597, 8_598, 8_599, 8_600, 20_000] {
        let now = START.plus(Duration::from_secs(after));
        for kid in [OURS, ANOTHER, Kid(Digest([3; 32]))] {
            let found = counted_in(&log, kid, now).await;
            assert_eq!(found, counted(&told, kid, now), "{kid} after {after} s");
        }
    }
    assert_eq!(counted_in(&log, OURS, START.plus(HOUR * 9)).await, Unexpired::default());
}

#[tokio::test]
async fn an_empty_log_and_a_store_without_one_have_no_tokens() {
    let log = MadeLog::of(&[]).await;
    assert_eq!(counted_in(&log, OURS, START).await, Unexpired::default());
    let all = MadeLog::of(&[token(START, OURS, HOUR)]).await;
    let expected = Unexpired { count: 1, latest_exp: Some(START.plus(HOUR)) };
    assert_eq!(counted_in(&all, OURS, START).await, expected);
}

#[tokio::test]
async fn an_expiry_is_the_first_moment_at_which_a_token_is_dead() {
    let log = MadeLog::of(&[token(START, OURS, HOUR)]).await;
    for (now, count) in [
        (START.plus(HOUR).minus(Duration::from_micros(1)), 1),
        (START.plus(HOUR), 0),
        (START.plus(HOUR).plus(Duration::from_micros(1)), 0),
    ] {
        assert_eq!(counted_in(&log, OURS, now).await.count, count, "{now}");
    }
}

#[tokio::test]
async fn little_is_read_beside_the_tokens_that_live_still() {
    // Six entries a minute for eight hours, and then six a second for as long.
    let told: Vec<_> = (0..2_880)
        .chain((0..3_000).map(|n| 2_880 + n / 10))
        .map(|tenth| token(START.plus(Duration::from_secs(10 * tenth)), OURS, HOUR))
        .collect();
    let log = MadeLog::of(&told).await;
    let now = told.last().unwrap().ts;
    let expected = counted(&told, OURS, now);
    assert_eq!(counted_in(&log, OURS, now).await, expected);
    let read = log.read();
    assert!((expected.count..expected.count + 2 * 256).contains(&read), "{read} for {}", expected.count);

    let from = now.minus(HOUR);
    let query = Query { kid: Some(OURS), from: Some(from), ..Query::default() };
    let expected: Vec<u64> =
        (0..told.len()).rev().filter(|&at| told[at].ts >= from).map(|at| at as u64).collect();
    assert_eq!(log.found(&query, 100_000).await, expected);
    assert!(log.read() < expected.len() as u64 + 2 * 256, "a search reads where its answer can lie");
    assert_eq!(log.found(&query, 7).await, expected, "page by page");
    log.read();
    let without = Query { kid: Some(ANOTHER), ..Query::default() };
    assert_eq!(log.found(&without, 7).await, [] as [u64; 0]);
    assert!(log.read() < 256, "of a key that never signed only the newest entries are looked at");
}

#[tokio::test]
async fn a_clock_that_stepped_back_for_a_while_hides_nothing() {
    // A token; then the clock is an hour behind for two thousand entries; then it is right again.
    let at = |minutes: u64| START.plus(Duration::from_mins(minutes));
    let mut told = vec![token(at(600), OURS, HOUR)];
    told.extend((0..2_000).map(|_| token(at(541), ANOTHER, HOUR)));
    told.extend((0..2_000).map(|_| token(at(602), ANOTHER, HOUR)));
    let log = MadeLog::of(&told).await;
    let now = at(659);
    assert_eq!(counted_in(&log, OURS, now).await, counted(&told, OURS, now));
    assert_eq!(counted_in(&log, ANOTHER, now).await.count, 2_000);
    let query = Query { kid: Some(OURS), from: Some(now.minus(HOUR)), ..Query::default() };
    assert_eq!(log.found(&query, 100).await, [0]);
}

#[tokio::test]
async fn a_search_for_unexpired_tokens_finds_what_is_counted() {
    let told = busy_hours();
    let log = MadeLog::of(&told).await;
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
        for part in [format!("kid={kid}"), "unexpired_at=2026-11-22T12:10:00.".to_owned()] {
            assert!(told.as_str().unwrap().contains(&part), "{part}: {told}");
        }
        assert_eq!(asked(mint, &format!("kid={kid}&event=token.issued&unexpired=false")).await.len(), 2);
        for bad in ["unexpired=yes", "unexpired=1", "unexpired=TRUE", "unexpired=true&unexpired=true"] {
            mint.admin_get(&format!("/admin/v1/audit/entries?{bad}")).await.assert_problem(400);
        }
        let now = mint.clock().now();
        let kid = Kid::parse(&kid).unwrap();
        let counted = unexpired(&*mint.app().store, kid, now).await.unwrap();
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
