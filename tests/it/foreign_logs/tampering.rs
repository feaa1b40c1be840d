//! What is done to a log, and who notices: two foreign verifiers and `mintmark audit verify`, each of them every time.
//!
//! Some tamperers reach the files, some hold the log's key as well and sign anew.
//! Against those an auditor needs a checkpoint that was kept outside.

use serde_json::{Value, json};

use super::judges::{self, Evidence};
use super::written::{OWN, Served, at_another_time, chain_anew, head, leaves, note, vkey};

/// Two full bundles and a part.
const SIZE: u64 = 700;
/// What the auditor kept: the checkpoint of so many entries.
const KEPT: usize = 300;

/// What ours says is wrong: the first bad entry, if it can be told, and how it begins to say why.
type Blamed<'a> = (Option<u64>, &'a str);

const CHANGED: &str = "the leaf is not the one that the node's next record follows";

fn kept() -> String {
    note(head(&leaves(1, SIZE)[..KEPT]), OWN)
}

/// To one who trusts the key of this seed and kept the usual checkpoint.
async fn assert_all_refuse(what: &str, served: &Served, seed: u8, blamed: Blamed<'_>) {
    let (vkey, kept) = (vkey(seed).to_string(), kept());
    assert_none_accepts(what, Evidence { served, vkey: &vkey, older: Some(&kept) }, blamed).await;
}

async fn assert_none_accepts(what: &str, evidence: Evidence<'_>, (index, reason): Blamed<'_>) {
    assert!(judges::tlog_tiles(evidence).is_err(), "tlog_tiles accepts {what}");
    assert!(judges::ct_merkle(evidence).is_err(), "ct-merkle accepts {what}");
    let (code, verdict) = judges::mintmark(evidence).await;
    assert_eq!((code, &verdict["ok"]), (1, &json!(false)), "{what}: {verdict}");
    assert_eq!(verdict["first_bad_index"], index.map_or(Value::Null, Value::from), "{what}: {verdict}");
    assert!(verdict["reason"].as_str().unwrap().starts_with(reason), "{what}: {verdict}");
}

async fn assert_all_accept(what: &str, served: &Served, older: Option<&str>) {
    let vkey = vkey(OWN).to_string();
    let evidence = Evidence { served, vkey: &vkey, older };
    assert_eq!(judges::tlog_tiles(evidence), Ok(()), "{what}");
    assert_eq!(judges::ct_merkle(evidence), Ok(()), "{what}");
    let (code, verdict) = judges::mintmark(evidence).await;
    assert_eq!((code, &verdict["ok"]), (0, &json!(true)), "{what}: {verdict}");
}

#[tokio::test]
async fn all_accept_a_sound_log_that_contains_the_older_one() {
    for size in [1, 255, 256, 257, SIZE] {
        let log = leaves(1, size);
        let older = note(head(&log[..log.len().min(KEPT)]), OWN);
        assert_all_accept(&format!("{size} entries"), &Served::of(&log, OWN), Some(&older)).await;
    }
}

#[tokio::test]
async fn a_flipped_leaf_is_named() {
    let log = leaves(1, SIZE);
    for index in [0, 1, 255, 256, 512, 698, 699_u64] {
        let mut changed = log.clone();
        let at = usize::try_from(index).unwrap();
        at_another_time(&mut changed[at]);
        let served = Served::of(&log, OWN).with_entries(&changed, OWN);
        assert_all_refuse(&format!("entry {index} changed"), &served, OWN, (Some(index), "")).await;
        // Signed by whoever holds the key, it misses a checkpoint that covers it, and the node's next
        // record tells which; the last one has none.
        let (signed, vkey) = (Served::of(&changed, OWN), vkey(OWN).to_string());
        let older = note(head(&log[..=at]), OWN);
        let evidence = Evidence { served: &signed, vkey: &vkey, older: Some(&older) };
        let blamed = if index + 1 < SIZE {
            (Some(index), CHANGED)
        } else {
            (None, "the older checkpoint of size 700 is of another history")
        };
        assert_none_accepts(&format!("entry {index} changed and signed"), evidence, blamed).await;
    }
}

#[tokio::test]
async fn a_flipped_tile_is_named() {
    for (path, hash, index) in [
        ("tile/0/000", 0, 0),
        ("tile/0/000", 255, 255),
        ("tile/0/001", 17, 273),
        ("tile/0/002.p/188", 187, 699),
        ("tile/1/000.p/2", 0, 0),
        ("tile/1/000.p/2", 1, 256),
    ] {
        let mut served = Served::of(&leaves(1, SIZE), OWN);
        served.file(path)[32 * hash + 31] ^= 0x80;
        let what = format!("hash {hash} of {path} changed");
        assert_all_refuse(&what, &served, OWN, (Some(index), &format!("/log/{path} does not fit"))).await;
    }
}

#[tokio::test]
async fn a_cut_tail_is_named_or_misses_what_an_auditor_kept() {
    let log = leaves(1, SIZE);
    // Under the same checkpoint the end is missing.
    let whole = Served::of(&log, OWN);
    let mut torn = whole.clone();
    torn.files.remove("tile/entries/002.p/188").unwrap();
    assert_all_refuse(
        "the last bundle is gone",
        &torn,
        OWN,
        (Some(512), "/log/tile/entries/002.p/188 is not"),
    )
    .await;
    // Whoever has the key signs what is left, and only the kept checkpoint is longer.
    let cut = Served::of(&log[..250], OWN);
    assert_all_refuse("cut and signed", &cut, OWN, (None, "the log is shorter than the older")).await;
    assert_all_accept("cut and signed, to one who kept nothing", &cut, None).await;
    let rolled_back = Served::of(&log[..KEPT - 1], OWN);
    assert_all_refuse("one entry short", &rolled_back, OWN, (None, "the log is shorter than the older"))
        .await;
}

#[tokio::test]
async fn swapped_entries_are_named() {
    let log = leaves(1, SIZE);
    for (one, other, index) in [(299, 300, 299), (10, 600, 10), (2, 3, 2)] {
        let mut swapped = log.clone();
        swapped.swap(one, other);
        let what = format!("{one} and {other} swapped");
        let under_the_old_tree = Served::of(&log, OWN).with_entries(&swapped, OWN);
        assert_all_refuse(&what, &under_the_old_tree, OWN, (Some(index), "")).await;
        let signed = Served::of(&swapped, OWN);
        assert_all_refuse(&format!("{what} and signed"), &signed, OWN, (Some(index), "")).await;
    }
}

#[tokio::test]
async fn a_splice_of_two_logs_is_named_where_they_meet() {
    let (log, other) = (leaves(1, SIZE), leaves(2, SIZE));
    for seam in [1, 200, 256] {
        let spliced = [&log[..seam], &other[seam..]].concat();
        let what = format!("spliced at {seam}");
        let blamed = (Some(seam as u64), "records of the node before this one are missing");
        let under_the_old_tree = Served::of(&log, OWN).with_entries(&spliced, OWN);
        assert_all_refuse(&what, &under_the_old_tree, OWN, (Some(seam as u64), "")).await;
        assert_all_refuse(&format!("{what} and signed"), &Served::of(&spliced, OWN), OWN, blamed).await;
    }
}

#[tokio::test]
async fn a_forked_history_does_not_contain_what_an_auditor_kept() {
    let other = Served::of(&leaves(2, SIZE), OWN);
    assert_all_refuse(
        "another history",
        &other,
        OWN,
        (None, "the older checkpoint of size 300 is of another"),
    )
    .await;
    assert_all_accept("another history, to one who kept nothing", &other, None).await;
    // The fork may begin late, and end at the same size.
    let mut late = leaves(1, KEPT as u64);
    late.pop();
    late.extend(leaves(2, 1));
    let blamed = (Some(299), "log.opened comes at index 0, or after log.closed");
    assert_all_refuse("the last entry is another", &Served::of(&late, OWN), OWN, blamed).await;
}

#[tokio::test]
async fn a_history_that_was_rewritten_with_all_its_chains_needs_the_kept_checkpoint() {
    let mut log = leaves(1, SIZE);
    at_another_time(&mut log[100]);
    chain_anew(&mut log, 101);
    let served = Served::of(&log, OWN);
    assert_all_refuse("rewritten", &served, OWN, (None, "the older checkpoint of size 300 is of another"))
        .await;
    assert_all_accept("rewritten, to one who kept nothing", &served, None).await;
    let before_it = note(head(&log[..100]), OWN);
    assert_all_accept("rewritten, to one who kept too little", &served, Some(&before_it)).await;
}

#[tokio::test]
async fn another_key_is_refused_whoever_signed() {
    let log = leaves(1, SIZE);
    let by_a_stranger = Served::of(&log, 8);
    assert_all_refuse(
        "signed by a stranger",
        &by_a_stranger,
        OWN,
        (None, "the checkpoint bears no signature"),
    )
    .await;
    assert_all_refuse(
        "read with another key",
        &Served::of(&log, OWN),
        8,
        (None, "the checkpoint bears no signature"),
    )
    .await;
    // A size that nobody signed.
    let mut claimed = Served::of(&log, OWN);
    let text = claimed.note().replacen("700", "699", 1);
    *claimed.file("checkpoint") = text.into_bytes();
    assert_all_refuse(
        "a size that was not signed",
        &claimed,
        OWN,
        (None, "the checkpoint's signature does not"),
    )
    .await;
}
