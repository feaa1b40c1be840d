//! The issuance log as auditors meet it: checkpoints, tiles, receipts, exports.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use mintmark::audit::checkpoint::{Note, Vkey};
use mintmark::audit::event::EventType;
use mintmark::audit::leaf::{Leaf, jti_hash, token_hash};
use mintmark::audit::proof::Receipt;
use mintmark::audit::tile::{decode_bundle, decode_tile};
use mintmark::audit::tree::leaf_hash;
use mintmark::audit::verify::verify;
use serde_json::Value;
use signed_note::{StandardVerifier, VerifierList};
use tlog_tiles::{Error, Hash, Tile, TileHashReader, TileReader};

use crate::harness::{ISSUER, ORDERS, TestClient, TestMint, with_mint, with_settings};

/// Records `count` more tokens, many at a time.
pub async fn issue(mint: &TestMint, client: &TestClient, count: usize) {
    for _ in 0..count / 100 {
        for answer in mint.send_all((0..100).map(|_| client.request("scope=many")).collect()).await {
            answer.assert_status(200);
        }
    }
    mint.tick().await;
}

/// A client that nothing slows down.
pub async fn busy_client(mint: &TestMint) -> TestClient {
    mint.usual_policy().await;
    mint.scope("many", ORDERS, "100000/1m").await;
    mint.client("busy", serde_json::json!({ "scope": "many" })).await
}

pub async fn vkey(mint: &TestMint) -> Vkey {
    Vkey::parse(mint.get("/log/vkey").await.text().strip_suffix('\n').unwrap()).unwrap()
}

pub async fn published_size(mint: &TestMint) -> u64 {
    let note = mint.get("/log/checkpoint").await.text();
    Note::parse(&note).unwrap().verify(&vkey(mint).await).unwrap().size
}

async fn export(mint: &TestMint, query: &str) -> Vec<u8> {
    let answer = mint.admin_get(&format!("/admin/v1/audit/export{query}")).await;
    assert_eq!(answer.assert_status(200).header("content-type"), "application/x-ndjson");
    answer.body
}

#[tokio::test]
async fn the_log_begins_with_its_own_name_and_key() {
    with_mint(async |mint| {
        let log = mint.log().await;
        assert_eq!(log[0].leaf.event, EventType::LogOpened);
        assert_eq!(log[0].body["origin"], "auth.example.com/log");
        assert_eq!(log[0].body["vkey"], mint.get("/log/vkey").await.text().trim_end());
        assert_eq!(log[1].leaf.event, EventType::NodeStarted);
    })
    .await;
}

#[tokio::test]
async fn a_checkpoint_is_a_signed_note_that_foreign_software_accepts() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        mint.tick().await;
        let answer = mint.get("/log/checkpoint").await;
        assert_eq!(answer.assert_status(200).header("content-type"), "text/plain; charset=utf-8");
        let vkey = mint.get("/log/vkey").await.text();
        let verifier = StandardVerifier::new(vkey.trim_end()).unwrap();
        let note = signed_note::Note::from_bytes(&answer.body).unwrap();
        let (signed, others) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
        assert_eq!((signed.len(), others.len()), (1, 0));

        let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        assert_eq!((checkpoint.origin(), checkpoint.extension()), ("auth.example.com/log", ""));
        assert_eq!(checkpoint.size(), mint.log().await.len() as u64);

        let mut forged = answer.text();
        forged = forged.replacen('\n', "x\n", 1);
        let verifier = StandardVerifier::new(vkey.trim_end()).unwrap();
        let forged = signed_note::Note::from_bytes(forged.as_bytes()).unwrap();
        assert!(forged.verify(&VerifierList::new(vec![Box::new(verifier)])).is_err());
    })
    .await;
}

/// A foreign reader of our tiles; it says which it lacks.
#[derive(Default)]
struct Fetched {
    tiles: BTreeMap<String, Vec<u8>>,
    missing: RefCell<BTreeSet<String>>,
}

impl TileReader for Fetched {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let mut read = Vec::new();
        for tile in tiles {
            // Go's spelling names the height, C2SP's does not.
            let path = tile.path().replacen("tile/8/", "", 1);
            match self.tiles.get(&path) {
                Some(bytes) => read.push(bytes.clone()),
                None => drop(self.missing.borrow_mut().insert(path)),
            }
        }
        if self.missing.borrow().is_empty() { Ok(read) } else { Err(Error::InvalidProof) }
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

impl Fetched {
    /// Runs `ask`, fetching tiles until it has all that it wants.
    async fn ask<T>(&mut self, mint: &TestMint, ask: impl Fn(&Self) -> Result<T, Error>) -> T {
        loop {
            let answer = ask(self);
            let missing = std::mem::take(self.missing.get_mut());
            if missing.is_empty() {
                return answer.unwrap();
            }
            for path in missing {
                let tile = mint.get(&format!("/log/tile/{path}")).await;
                self.tiles.insert(path, tile.assert_status(200).body.clone());
            }
        }
    }
}

#[tokio::test]
async fn foreign_software_proves_every_entry_from_the_tiles_alone() {
    with_mint(async |mint| {
        let client = busy_client(mint).await;
        issue(mint, &client, 700).await;
        let note = mint.get("/log/checkpoint").await;
        let note = signed_note::Note::from_bytes(&note.body).unwrap();
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        let (size, root) = (checkpoint.size(), *checkpoint.hash());
        assert!(size > 600);

        let mut entries = Vec::new();
        for bundle in 0..=size / 256 {
            let partial = if bundle == size / 256 { format!(".p/{}", size % 256) } else { String::new() };
            let bytes = mint.get(&format!("/log/tile/entries/{bundle:03}{partial}")).await;
            entries.extend(
                decode_bundle(&bytes.assert_status(200).body).unwrap().into_iter().map(<[u8]>::to_vec),
            );
        }
        assert_eq!(entries.len() as u64, size);
        let mut fetched = Fetched::default();
        for index in [0, 1, 255, 256, 511, 512, size - 2, size - 1] {
            let proof = fetched
                .ask(mint, |fetched| {
                    tlog_tiles::prove_record(size, index, &TileHashReader::new(size, root, fetched))
                })
                .await;
            let at = usize::try_from(index).unwrap();
            let hash = tlog_tiles::record_hash(&entries[at]);
            assert_eq!(hash.0, leaf_hash(&entries[at]).0);
            tlog_tiles::check_record(&proof, size, root, index, hash).unwrap();
            let other = tlog_tiles::record_hash(&entries[(at + 1) % entries.len()]);
            assert!(tlog_tiles::check_record(&proof, size, root, index, other).is_err());
        }
        // The log only grows: the tree of now is one of the trees before, and more.
        issue(mint, &client, 100).await;
        let later = mint.get("/log/checkpoint").await;
        let later = signed_note::Note::from_bytes(&later.body).unwrap();
        let later = tlog_tiles::Checkpoint::from_bytes(later.text()).unwrap();
        let (new_size, new_root) = (later.size(), *later.hash());
        let proof = fetched
            .ask(mint, |fetched| {
                let tiles = TileHashReader::new(new_size, new_root, fetched);
                tlog_tiles::prove_tree(new_size, size, &tiles)
            })
            .await;
        tlog_tiles::check_tree(&proof, new_size, new_root, size, root).unwrap();
        assert!(tlog_tiles::check_tree(&proof, new_size, new_root, size, Hash([1; 32])).is_err());
    })
    .await;
}

/// The foreign reader checks indeed: with one bit changed in any tile it proves nothing.
#[tokio::test]
async fn a_changed_tile_fits_no_checkpoint() {
    with_mint(async |mint| {
        let client = busy_client(mint).await;
        issue(mint, &client, 300).await;
        let note = mint.get("/log/checkpoint").await;
        let note = signed_note::Note::from_bytes(&note.body).unwrap();
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        let (size, root) = (checkpoint.size(), *checkpoint.hash());
        let leaf = decode_bundle(&mint.get("/log/tile/entries/000.p/2").await.body).unwrap()[1].to_vec();
        let prove = |fetched: &Fetched| {
            let proof = tlog_tiles::prove_record(size, 1, &TileHashReader::new(size, root, fetched))?;
            tlog_tiles::check_record(&proof, size, root, 1, tlog_tiles::record_hash(&leaf))
        };
        let mut fetched = Fetched::default();
        fetched.ask(mint, prove).await;
        assert_eq!(fetched.tiles.len(), 3);
        for path in fetched.tiles.keys() {
            let mut changed = Fetched { tiles: fetched.tiles.clone(), ..Fetched::default() };
            changed.tiles.get_mut(path).unwrap()[5] ^= 1;
            assert!(prove(&changed).is_err(), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn tiles_are_served_up_to_the_published_size_and_by_one_spelling() {
    with_mint(async |mint| {
        let client = busy_client(mint).await;
        issue(mint, &client, 600).await;
        let size = published_size(mint).await;
        let rest = size % 256;
        assert_eq!(size / 256, 2);

        let full = mint.get("/log/tile/0/000").await;
        assert_eq!(full.assert_status(200).body.len(), 256 * 32);
        assert_eq!(full.header("content-type"), "application/octet-stream");
        assert_eq!(full.header("cache-control"), "public, max-age=31536000, immutable");
        // A partial tile is a prefix, also of a tile that is full by now.
        for (path, width) in [("0/000.p/1", 1), ("0/000.p/255", 255), ("1/000.p/2", 2), ("1/000.p/1", 1)] {
            let partial = mint.get(&format!("/log/tile/{path}")).await;
            assert_eq!(partial.assert_status(200).body.len(), width * 32, "{path}");
            if path.starts_with('0') {
                assert_eq!(partial.body, full.body[..width * 32]);
            }
        }
        let top = decode_tile(&mint.get("/log/tile/1/000.p/2").await.body).unwrap();
        assert_eq!(top.len(), 2);
        let last = mint.get(&format!("/log/tile/0/002.p/{rest}")).await;
        assert_eq!(last.assert_status(200).body.len() as u64, rest * 32);
        let bundle = mint.get("/log/tile/entries/000.p/3").await;
        assert_eq!(decode_bundle(&bundle.assert_status(200).body).unwrap().len(), 3);

        for missing in [
            "0/002",
            "0/003",
            "0/003.p/1",
            &format!("0/002.p/{}", rest + 1),
            &format!("entries/002.p/{}", rest + 1),
            "entries/002",
            "entries/003",
            "1/000",
            "1/000.p/3",
            "2/000.p/1",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p/-1",
            "0/0",
            "0/00",
            "0/0000",
            "0/x000/000",
            "0/000/000",
            "00/000",
            "8/0/000",
            "64/000",
            "-1/000",
            "256/000",
            "0/",
            "0",
            "",
            "entries",
            "entries/",
            "data/000",
            "0/000.p/",
            "0/000.p",
            "0/abc",
            "0/%30%30%30x",
            "0/x999/x999/x999/x999/x999/x999/x999/999",
            "0/../0/000",
        ] {
            assert_eq!(mint.get(&format!("/log/tile/{missing}")).await.status, 404, "{missing}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_no_checkpoint_covers_yet_is_not_shown() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.tick().await;
        let size = published_size(mint).await;
        mint.token(&reader, "").await.assert_token();
        let path = format!("/log/tile/entries/000.p/{}", size + 1);
        mint.get(&path).await.assert_status(404);
        mint.tick().await;
        assert_eq!(published_size(mint).await, size + 1);
        mint.get(&path).await.assert_status(200);
    })
    .await;
}

#[tokio::test]
async fn whoever_holds_a_token_proves_that_it_was_recorded() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let answer = mint.token(&reader, "").await;
        let token = answer.access_token().unwrap();
        let jti = answer.assert_token().1["jti"].as_str().unwrap().to_owned();
        let other = mint.token(&reader, "").await.access_token().unwrap();
        mint.tick().await;

        let text = mint.get(&format!("/log/proof?jti={jti}")).await.assert_status(200).text();
        let receipt = Receipt::parse(&text).unwrap();
        let vkey = vkey(mint).await;
        let proven = receipt.verify_token(&vkey, &token).unwrap();
        assert_eq!(proven.leaf.event, EventType::TokenIssued);
        assert_eq!(proven.leaf.lk, Some(jti_hash(ISSUER, &jti)));
        assert!(receipt.verify_token(&vkey, &other).is_err(), "it is this token's and no other's");
        for at in (0..text.len()).step_by(3) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).ok().and_then(|text| Receipt::parse(&text).ok());
            assert!(changed.is_none_or(|changed| changed.verify_token(&vkey, &token).is_err()), "byte {at}");
        }
        for unknown in ["?jti=unknown", "?jti=", "", "?jti=%00", "?index=1", "?jti=%zz"] {
            mint.get(&format!("/log/proof{unknown}")).await.assert_status(404);
        }
    })
    .await;
}

#[tokio::test]
async fn the_public_part_of_the_log_names_nobody() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        let answer = mint.token(&reader, "").await;
        let jti = answer.assert_token().1["jti"].as_str().unwrap().to_owned();
        mint.tick().await;
        let size = published_size(mint).await;
        let bundle = mint.get(&format!("/log/tile/entries/000.p/{size}")).await;
        let text = String::from_utf8_lossy(&bundle.body);
        for personal in ["reader", "orders", &jti, "unix:0", "client_id"] {
            assert!(!text.contains(personal), "{personal}");
        }
        let leaves = decode_bundle(&bundle.body).unwrap();
        let last = Leaf::parse(leaves.last().unwrap()).unwrap();
        let token = answer.access_token().unwrap();
        assert_eq!(last.th, Some(token_hash(token.rsplit_once('.').unwrap().0.as_bytes())));
        assert!(last.bc.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_log_that_is_not_public_is_served_to_admins_only() {
    with_settings(&[("MINTMARK_AUDIT__PUBLIC", "false")], async |mint| {
        for path in ["/log/checkpoint", "/log/vkey", "/log/tile/entries/000.p/1", "/log/proof?jti=x"] {
            mint.get(path).await.assert_status(404);
        }
        for path in ["/log/checkpoint", "/log/vkey", "/log/tile/entries/000.p/1"] {
            mint.admin_get(path).await.assert_status(200);
        }
    })
    .await;
}

#[tokio::test]
async fn an_export_proves_itself_and_shows_any_change() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        for _ in 0..5 {
            mint.token(&reader, "").await.assert_token();
        }
        mint.token(&reader, "scope=unknown").await.assert_refused(400, "invalid_scope");
        mint.tick().await;
        let older = mint.get("/log/checkpoint").await.text();
        mint.restart().await;
        mint.token(&reader, "").await.assert_token();
        mint.tick().await;

        let vkey = vkey(mint).await;
        let file = export(mint, "").await;
        let verdict = verify(&file[..], &vkey, Some(&older)).unwrap();
        assert!(verdict.ok, "{verdict:?}");
        assert_eq!(verdict.entries, verdict.size.unwrap());
        assert_eq!(
            verdict.entries,
            mint.log().await.len() as u64 - 1,
            "all but the record of the export itself"
        );

        for at in (0..file.len()).step_by(37) {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(!verify(&changed[..], &vkey, Some(&older)).unwrap().ok, "byte {at}");
        }
        let lines: Vec<_> = file.split_inclusive(|&byte| byte == b'\n').collect();
        for gone in 1..lines.len() {
            let without: Vec<u8> = lines
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != gone)
                .flat_map(|(_, line)| line.to_vec())
                .collect();
            assert!(!verify(&without[..], &vkey, None).unwrap().ok, "without line {gone}");
        }
        let mut swapped = lines.clone();
        swapped.swap(3, 4);
        assert!(!verify(&swapped.concat()[..], &vkey, None).unwrap().ok);
        let foreign = "auth.example.com/log+104c00e3+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
        assert!(
            Vkey::parse(foreign).is_err()
                || !verify(&file[..], &Vkey::parse(foreign).unwrap(), None).unwrap().ok
        );
    })
    .await;
}

#[tokio::test]
async fn a_part_of_the_log_is_exported_and_proves_itself_too() {
    with_mint(async |mint| {
        let client = busy_client(mint).await;
        issue(mint, &client, 300).await;
        let (size, vkey) = (published_size(mint).await, vkey(mint).await);
        for (query, entries) in [
            ("?first=10&end=20".to_owned(), 10),
            ("?first=290".to_owned(), size - 290),
            ("?end=1".to_owned(), 1),
        ] {
            let file = export(mint, &query).await;
            let verdict = verify(&file[..], &vkey, None).unwrap();
            assert!(verdict.ok, "{query}: {verdict:?}");
            assert_eq!(verdict.entries, entries, "{query}");
        }
        for bad in [
            "?first=20&end=10",
            &format!("?end={}", size + 99),
            "?first=-1",
            "?first=a",
            "?end=1&end=2",
            "?from=1",
        ] {
            mint.admin_get(&format!("/admin/v1/audit/export{bad}")).await.assert_problem(400);
        }
    })
    .await;
}

#[tokio::test]
async fn each_run_has_a_chain_of_its_own_without_a_gap() {
    with_mint(async |mint| {
        let reader = mint.usual_policy().await;
        mint.token(&reader, "").await.assert_token();
        mint.restart().await;
        mint.token(&reader, "").await.assert_token();
        mint.crash().await;
        mint.token(&reader, "").await.assert_token();

        let mut runs: Vec<(String, Vec<EventType>)> = Vec::new();
        for entry in mint.log().await {
            let epoch = format!("{:?}", entry.leaf.epoch);
            if runs.last().is_none_or(|(last, _)| *last != epoch) {
                assert_eq!(entry.leaf.chain.0, [0; 32], "a chain begins with nothing before it");
                runs.push((epoch, Vec::new()));
            }
            let (_, events) = runs.last_mut().unwrap();
            assert_eq!(entry.leaf.sequence, events.len() as u64);
            assert_eq!(entry.leaf.node, mint.settings().node.as_str());
            events.push(entry.leaf.event);
        }
        let epochs: BTreeSet<_> = runs.iter().map(|(epoch, _)| epoch).collect();
        assert_eq!((runs.len(), epochs.len()), (3, 3));
        let ends: Vec<_> = runs.iter().map(|(_, events)| *events.last().unwrap()).collect();
        assert_eq!(ends, [EventType::NodeStopped, EventType::TokenIssued, EventType::TokenIssued]);
        assert!(runs.iter().skip(1).all(|(_, events)| events[0] == EventType::NodeStarted));
        let file = {
            mint.tick().await;
            export(mint, "").await
        };
        let verdict = verify(&file[..], &vkey(mint).await, None).unwrap();
        assert!(verdict.ok, "{verdict:?}");
        let values: Vec<Value> =
            file.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        assert_eq!(values.len() as u64, verdict.entries + 1, "one line is one record");
    })
    .await;
}
