use std::collections::HashMap;

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use crate::audit::checkpoint::{Checkpoint, Origin, Vkey};
use crate::audit::event::EventType;
use crate::audit::export::{Entry, Header};
use crate::audit::leaf::{CHAIN_START, Epoch, Place, Record, chain_next, encode};
use crate::audit::tile::{BundlePath, Edge, Tile, TilePath, decode_bundle, encode_bundle, width_at};
use crate::audit::tree::{Range, leaf_hash};
use crate::cli::tests::fake::{Asked, Fake};
use crate::cli::tests::{Ran, file, type_in};
use crate::time::Timestamp;

const CHECKPOINT: &str = "/log/checkpoint";

fn signer() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn vkey() -> Vkey {
    let public = signer().public_key().as_ref().try_into().unwrap();
    Vkey::new(Origin::parse("mint.example/log").unwrap(), public)
}

fn leaves(count: u64) -> Vec<Vec<u8>> {
    let mut chain = CHAIN_START;
    let leaf = |sequence| {
        let event = if sequence == 0 { EventType::LogOpened } else { EventType::NodeAlive };
        let ts = Timestamp::from_seconds(1_795_000_000 + sequence);
        let place = Place { ts, node: "node-1", epoch: &Epoch([1; 16]), sequence, chain };
        let leaf = encode(&Record::new(event), &place, None);
        chain = chain_next(chain, leaf_hash(&leaf));
        leaf
    };
    (0..count).map(leaf).collect()
}

fn checkpoint(leaves: &[Vec<u8>]) -> String {
    let mut edge = Edge::new();
    edge.append(&leaves.iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<_>>());
    Checkpoint { origin: vkey().origin().clone(), size: edge.size(), root: edge.root() }
        .sign(vkey().public(), |text| signer().sign(text).as_ref().try_into())
        .unwrap()
}

/// Every file of a log of these leaves, by its path.
fn files(leaves: &[Vec<u8>]) -> HashMap<String, Vec<u8>> {
    let size = leaves.len() as u64;
    let mut files = HashMap::from([(CHECKPOINT.to_owned(), checkpoint(leaves).into_bytes())]);
    for (index, leaves) in (0..).zip(leaves.chunks(256)) {
        let path = BundlePath { index, width: u16::try_from(leaves.len()).unwrap() };
        let bundle = encode_bundle(leaves.iter().map(Vec::as_slice)).unwrap();
        files.insert(format!("/log/tile/{path}"), bundle);
    }
    let mut edge = Edge::new();
    let mut tiles = edge.append(&leaves.iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<_>>());
    tiles.push(Tile { level: 0, index: size / 256, bytes: edge.partial(0) });
    for Tile { level, index, bytes } in tiles {
        let width = width_at(level, index, size);
        if width > 0 {
            files.insert(format!("/log/tile/{}", TilePath { level, index, width }), bytes);
        }
    }
    files
}

async fn check(files: HashMap<String, Vec<u8>>, older: Option<&str>) -> Ran {
    let server = Fake::on_loopback(move |asked: &Asked| {
        match asked.line.strip_prefix("GET ").and_then(|path| files.get(path)) {
            Some(bytes) => (200, Vec::new(), bytes.clone()),
            None => (404, Vec::new(), Vec::new()),
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let vkey = file(folder.path(), "vkey", &format!("{}\n", vkey()));
    let mut arguments = vec!["audit", "verify", "--url", &server.address, "--vkey", &vkey];
    let older = older.map(|note| file(folder.path(), "older", note));
    if let Some(older) = &older {
        arguments.extend(["--checkpoint", older]);
    }
    type_in(&arguments, "", false).await
}

#[tokio::test]
async fn a_whole_log_is_sound() {
    for size in [1, 255, 256, 257, 700] {
        let leaves = leaves(size);
        let ran = check(files(&leaves), None).await;
        assert_eq!(ran.code, 0, "{size}: {ran:?}");
        assert_eq!((&ran.json()["size"], &ran.json()["entries"]), (&json!(size), &json!(size)));
    }
    let leaves = leaves(300);
    let ran = check(files(&leaves), Some(&checkpoint(&leaves[..100]))).await;
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// What is found when one file of a log of 700 entries is changed.
async fn blamed(path: &str, change: impl Fn(&mut Vec<u8>)) -> Ran {
    let mut files = files(&leaves(700));
    change(files.get_mut(path).unwrap_or_else(|| panic!("{path}")));
    let ran = check(files, None).await;
    assert_eq!((ran.code, &ran.json()["ok"]), (1, &json!(false)), "{path}: {ran:?}");
    ran
}

#[tokio::test]
async fn a_flipped_byte_is_found_wherever_it_is() {
    let flip = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    for (path, index) in [
        ("/log/tile/entries/000", 255),
        ("/log/tile/0/001", 511),
        ("/log/tile/0/002.p/188", 699),
        ("/log/tile/1/000.p/2", 256),
    ] {
        assert_eq!(blamed(path, flip).await.json()["first_bad_index"], index, "{path}");
    }
    let another_time = |bundle: &mut Vec<u8>| {
        let end_of_time = bundle.windows(2).rposition(|pair| pair == b"Z\"").unwrap();
        bundle[end_of_time - 1] ^= 1;
    };
    let ran = blamed("/log/tile/entries/002.p/188", another_time).await;
    assert_eq!(ran.json()["first_bad_index"], 699);
}

#[tokio::test]
async fn a_cut_log_and_a_missing_tile_are_found() {
    let ran = blamed("/log/tile/entries/001", Vec::clear).await;
    assert_eq!(ran.json()["first_bad_index"], 256);
    let without = |from: usize, to: usize| {
        move |bundle: &mut Vec<u8>| {
            let mut leaves = decode_bundle(bundle).unwrap();
            leaves.drain(from..to);
            *bundle = encode_bundle(leaves).unwrap();
        }
    };
    let ran = blamed("/log/tile/entries/001", without(200, 256)).await;
    assert_eq!(ran.json()["first_bad_index"], 456);
    assert_eq!(ran.json()["reason"], "/log/tile/entries/001 has too few entries");
    let ran = blamed("/log/tile/entries/001", without(100, 101)).await;
    assert_eq!(ran.json()["first_bad_index"], 356);
    let mut files = files(&leaves(700));
    files.remove("/log/tile/0/001").unwrap();
    let ran = check(files, None).await;
    assert_eq!((ran.code, &ran.json()["reason"]), (1, &json!("/log/tile/0/001 is not served")));
}

#[tokio::test]
async fn another_key_and_another_history_are_found() {
    let ran = blamed(CHECKPOINT, |note| {
        let text = String::from_utf8(note.clone()).unwrap();
        *note = text.replacen("700", "699", 1).into_bytes();
    })
    .await;
    assert_eq!(ran.json()["reason"], "the checkpoint's signature does not hold");
    let mut fork = leaves(100);
    fork.swap(98, 99);
    let ran = check(files(&leaves(700)), Some(&checkpoint(&fork))).await;
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[tokio::test]
async fn an_export_is_checked_without_a_server() {
    let leaves = leaves(3);
    let header = Header::new(
        "mint.example/log",
        Range { start: 0, end: 3 },
        checkpoint(&leaves),
        Vec::new(),
        Vec::new(),
    );
    let mut lines = vec![header.line()];
    for (index, leaf) in (0..).zip(&leaves) {
        let leaf = String::from_utf8(leaf.clone()).unwrap();
        lines.push(Entry { index, leaf, body: None, salt: None }.line());
    }
    let folder = tempfile::tempdir().unwrap();
    let vkey = file(folder.path(), "vkey", &vkey().to_string());
    let whole = file(folder.path(), "whole", &format!("{}\n", lines.join("\n")));
    let ran = type_in(&["audit", "verify", &whole, "--vkey", &vkey], "", false).await;
    assert_eq!((ran.code, &ran.json()["entries"]), (0, &json!(3)), "{ran:?}");
    lines.pop();
    let cut = file(folder.path(), "cut", &format!("{}\n", lines.join("\n")));
    let ran = type_in(&["audit", "verify", &cut, "--vkey", &vkey], "", false).await;
    assert_eq!((ran.code, &ran.json()["first_bad_index"]), (1, &json!(2)), "{ran:?}");
    let ran = type_in(&["audit", "verify", "/nowhere/export", "--vkey", &vkey], "", false).await;
    assert_eq!(ran.code, 2);
}
