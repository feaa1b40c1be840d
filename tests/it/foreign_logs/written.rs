//! A log in memory, written as the recorder writes and laid out as it is served, and what tamperers do to it.

use std::collections::BTreeMap;

use mintmark::audit::checkpoint::{Checkpoint, Origin, Vkey};
use mintmark::audit::event::EventType;
use mintmark::audit::export::{Entry, Header, completion};
use mintmark::audit::leaf::{CHAIN_START, Epoch, Leaf, Place, Record, chain_next, encode};
use mintmark::audit::tile::{
    BundlePath, Edge, Resource, Tile, TilePath, TileSet, decode_bundle, encode_bundle, width_at,
};
use mintmark::audit::tree::{Range, TreeHead, hashes, leaf_hash};
use mintmark::digest::Digest;
use mintmark::jose::Kid;
use mintmark::time::Timestamp;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

pub const ORIGIN: &str = "mint.example/log";
/// The seed of the log's own key.
pub const OWN: u8 = 7;
const BEGIN: u64 = 1_795_000_000;
const KEY: Kid = Kid(Digest([1; 32]));

pub fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

pub fn vkey(seed: u8) -> Vkey {
    Vkey::new(Origin::parse(ORIGIN).unwrap(), key(seed).public_key().as_ref().try_into().unwrap())
}

/// The signed note over a tree.
pub fn note(head: TreeHead, seed: u8) -> String {
    let key = key(seed);
    Checkpoint { origin: Origin::parse(ORIGIN).unwrap(), size: head.size, root: head.root }
        .sign(vkey(seed).public(), |text| key.sign(text).as_ref().try_into())
        .unwrap()
}

/// The leaves of one node's one run: the log opens, a key becomes active, tokens follow.
pub fn leaves(epoch: u8, count: u64) -> Vec<Vec<u8>> {
    let mut chain = CHAIN_START;
    let leaf = |sequence: u64| {
        let now = BEGIN + sequence / 100;
        let record = match sequence {
            0 => Record::new(EventType::LogOpened),
            1 => Record { kid: Some(KEY), ..Record::new(EventType::KeyActivated) },
            _ => Record {
                kid: Some(KEY),
                th: Some(Digest::of(&[b"token", &[epoch], &sequence.to_be_bytes()])),
                lk: Some(Digest::of(&[b"jti", &[epoch], &sequence.to_be_bytes()])),
                iat: Some(now),
                exp: Some(now + 600),
                ..Record::new(EventType::TokenIssued)
            },
        };
        let ts = Timestamp::from_seconds(now);
        let place = Place { ts, node: "node-1", epoch: &Epoch([epoch; 16]), sequence, chain };
        let leaf = encode(&record, &place, Some(Digest([9; 32])));
        chain = chain_next(chain, leaf_hash(&leaf));
        leaf
    };
    (0..count).map(leaf).collect()
}

pub fn leaf_hashes(leaves: &[Vec<u8>]) -> Vec<Digest> {
    leaves.iter().map(|leaf| leaf_hash(leaf)).collect()
}

pub fn head(leaves: &[Vec<u8>]) -> TreeHead {
    let mut edge = Edge::new();
    edge.append(&leaf_hashes(leaves));
    edge.head()
}

/// Another leaf in the canonical form: its clock says something else.
pub fn at_another_time(leaf: &mut [u8]) {
    let end_of_time = leaf.windows(2).position(|pair| pair == b"Z\"").unwrap();
    leaf[end_of_time - 1] ^= 1;
}

/// Gives each record from `from` on the chain value of what is before it now.
pub fn chain_anew(leaves: &mut [Vec<u8>], from: usize) {
    for index in from..leaves.len() {
        let before = Leaf::parse(&leaves[index - 1]).unwrap();
        let chain = chain_next(before.chain, leaf_hash(&leaves[index - 1]));
        leaves[index] = Leaf { chain, ..Leaf::parse(&leaves[index]).unwrap() }.encode();
    }
}

/// The files of a public log: what is below `/log/`, by path.
#[derive(Clone, Default)]
pub struct Served {
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Served {
    /// The log of these leaves, under a checkpoint by the key of this seed.
    pub fn of(leaves: &[Vec<u8>], seed: u8) -> Self {
        let mut edge = Edge::new();
        let mut tiles = edge.append(&leaf_hashes(leaves));
        let size = edge.size();
        tiles.push(Tile { level: 0, index: size / 256, bytes: edge.partial(0) });
        let mut served = Self::default();
        for Tile { level, index, bytes } in tiles {
            let width = width_at(level, index, size);
            if width > 0 {
                served.files.insert(format!("tile/{}", TilePath { level, index, width }), bytes);
            }
        }
        for (index, leaves) in (0..).zip(leaves.chunks(256)) {
            let path = BundlePath { index, width: u16::try_from(leaves.len()).unwrap() };
            let bundle = encode_bundle(leaves.iter().map(Vec::as_slice)).unwrap();
            served.files.insert(format!("tile/{path}"), bundle);
        }
        served.files.insert("checkpoint".to_owned(), note(edge.head(), seed).into_bytes());
        served
    }

    pub fn note(&self) -> &str {
        std::str::from_utf8(&self.files["checkpoint"]).unwrap()
    }

    pub fn file(&mut self, path: &str) -> &mut Vec<u8> {
        self.files.get_mut(path).unwrap_or_else(|| panic!("no {path}"))
    }

    /// Puts other entries under the same tiles and the same checkpoint.
    pub fn with_entries(mut self, leaves: &[Vec<u8>], seed: u8) -> Self {
        let mut other = Self::of(leaves, seed).files;
        other.retain(|path, _| path.starts_with("tile/entries/"));
        self.files.retain(|path, _| !path.starts_with("tile/entries/"));
        self.files.append(&mut other);
        self
    }

    /// Every tile as it is served, for proofs of ours. `None` when one has no whole hashes.
    pub fn tiles(&self) -> Option<TileSet> {
        let mut tiles = TileSet::default();
        for (path, bytes) in &self.files {
            if let Some(Resource::Tile(tile)) = path.strip_prefix("tile/").and_then(Resource::parse)
                && !tiles.insert(tile.level, tile.index, bytes)
            {
                return None;
            }
        }
        Some(tiles)
    }

    /// An export of a part of it, under the checkpoint that is served.
    pub fn export(&self, first: u64, end: u64, size: u64) -> String {
        let (left, right) = completion(first, end, size).unwrap();
        let tiles = self.tiles().unwrap();
        let (left, right) = (hashes(&left, &tiles).unwrap(), hashes(&right, &tiles).unwrap());
        let range = Range { start: first, end };
        let mut text = Header::new(ORIGIN, range, self.note().to_owned(), left, right).line();
        for bundle in first / 256..end.div_ceil(256) {
            let path = format!("tile/{}", BundlePath { index: bundle, width: width_at(0, bundle, size) });
            let leaves = decode_bundle(&self.files[&path]).unwrap();
            for (index, leaf) in
                (bundle * 256..).zip(leaves).filter(|(index, _)| (first..end).contains(index))
            {
                let leaf = String::from_utf8(leaf.to_vec()).unwrap();
                text.push('\n');
                text.push_str(&Entry { index, leaf, body: None, salt: None }.line());
            }
        }
        text + "\n"
    }

    /// The file of a path below `/log/`, and nothing for paths that name no resource.
    pub fn answer(&self, path: &str) -> Option<&[u8]> {
        let path = path.strip_prefix("/log/")?;
        let known = path == "checkpoint" || Resource::parse(path.strip_prefix("tile/")?).is_some();
        self.files.get(path).filter(|_| known).map(Vec::as_slice)
    }
}
