//! Roots, proofs, tiles and exports are those of foreign crates, at every size.

use std::sync::LazyLock;

use ct_merkle::{ConsistencyProof, InclusionProof};
use mintmark::audit::export::{Header, completion};
use mintmark::audit::tile::{Edge, TileSet};
use mintmark::audit::tree::{
    Range, TreeHead, consistency_path, hashes, inclusion_path, leaf_hash, verify_consistency,
    verify_inclusion,
};
use mintmark::audit::verify::verify;
use mintmark::digest::Digest;
use proptest::prelude::*;
use sha2::Sha256;
use tlog_tiles::{Hash, HashReader, Tile, TileHashReader};

use super::judges::{CtTree, Stored, Tiles, ct_root, opened, path_of};
use super::notes::foreign_note;
use super::written::{OWN, Served, head, leaves, vkey};

/// Enough for a tile of level 2.
const LARGE: u64 = 70_000;

/// Where tiles begin and end.
const EDGES: [u64; 8] = [1, 2, 255, 256, 257, 511, 512, 513];

static LEAVES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| leaves(1, LARGE));

fn first(count: u64) -> &'static [Vec<u8>] {
    &LEAVES[..at(count)]
}

fn at(index: u64) -> usize {
    usize::try_from(index).unwrap()
}

/// Some number below `end`, another one for each `seed`.
fn some(seed: u64, end: u64) -> u64 {
    let bytes = Digest::of(&[&seed.to_be_bytes()]).0;
    u64::from_be_bytes(bytes[..8].try_into().unwrap()) % end
}

/// One log, kept by our writer and by both crates.
#[derive(Default)]
struct Grown {
    edge: Edge,
    tiles: TileSet,
    stored: Stored,
    ct: CtTree,
}

impl Grown {
    fn push(&mut self, leaf: &[u8]) {
        self.stored.push(self.edge.size(), leaf);
        self.ct.push(leaf.to_vec());
        for tile in self.edge.append(&[leaf_hash(leaf)]) {
            assert!(self.tiles.insert(tile.level, tile.index, &tile.bytes));
        }
    }

    /// Our proof over `ranges`, from our tiles.
    fn prove(&mut self, ranges: &[Range]) -> Vec<Digest> {
        let partial = self.edge.partial(0);
        if !partial.is_empty() {
            assert!(self.tiles.insert(0, self.edge.size() / 256, &partial));
        }
        hashes(ranges, &self.tiles).unwrap()
    }

    fn assert_root(&self) {
        let head = self.edge.head();
        assert_eq!(self.stored.root(head.size).0, head.root.0, "{}", head.size);
        assert!(self.ct.root() == ct_root(head.root, head.size), "{}", head.size);
    }

    /// The proof of an entry is the same in all three, and each accepts it for this entry alone.
    fn assert_inclusion(&mut self, index: u64) {
        let TreeHead { size, root } = self.edge.head();
        let ours = self.prove(&inclusion_path(index, size).unwrap());
        let theirs = tlog_tiles::prove_record(size, index, &self.stored).unwrap();
        assert_eq!(theirs, foreign(&ours), "{index} of {size}");
        let ct = self.ct.prove_inclusion(at(index));
        assert_eq!(ct.as_bytes(), bytes(&ours), "{index} of {size}");

        let (leaf, other) = (&first(size)[at(index)], &first(size)[at((index + 1) % size)]);
        let tlog = |leaf| {
            tlog_tiles::check_record(&theirs, size, Hash(root.0), index, tlog_tiles::record_hash(leaf))
                .is_ok()
        };
        let ct = |leaf: &Vec<u8>| {
            let proof = InclusionProof::<Sha256>::from_bytes(bytes(&ours));
            ct_root(root, size).verify_inclusion(leaf, index, &proof).is_ok()
        };
        let own = |leaf: &Vec<u8>| verify_inclusion(index, size, leaf_hash(leaf), &ours, root);
        assert!(tlog(leaf) && ct(leaf) && own(leaf), "{index} of {size}");
        assert!(size == 1 || !(tlog(other) || ct(other) || own(other)), "{index} of {size}");
    }

    /// The same for the proof that a smaller tree is a prefix of this one.
    fn assert_consistency(&mut self, old_size: u64) {
        let new = self.edge.head();
        let ours = self.prove(&consistency_path(old_size, new.size).unwrap());
        let theirs = tlog_tiles::prove_tree(new.size, old_size, &self.stored).unwrap();
        assert_eq!(theirs, foreign(&ours), "{old_size} to {}", new.size);
        let ct = self.ct.prove_consistency(at(new.size - old_size));
        assert_eq!(ct.as_bytes(), bytes(&ours), "{old_size} to {}", new.size);

        let old_root = Digest(self.stored.root(old_size).0);
        let (tlog_new, mut forked) = (Hash(new.root.0), old_root);
        forked.0[31] ^= 1;
        let tlog =
            |old: Digest| tlog_tiles::check_tree(&theirs, new.size, tlog_new, old_size, Hash(old.0)).is_ok();
        let ct = |old: Digest| {
            let proof = ConsistencyProof::try_from_bytes(bytes(&ours)).unwrap();
            ct_root(new.root, new.size).verify_consistency(&ct_root(old, old_size), &proof).is_ok()
        };
        let own = |root: Digest| verify_consistency(TreeHead { size: old_size, root }, new, &ours);
        assert!(tlog(old_root) && ct(old_root) && own(old_root), "{old_size} to {}", new.size);
        assert!(!(tlog(forked) || ct(forked) || own(forked)), "{old_size} to {}", new.size);
    }

    /// What is served of this log are the tiles that the crate makes, and no others.
    fn assert_tiles(&self, served: &Served) {
        let size = self.edge.size();
        let mut theirs = Vec::new();
        for tile in Tile::new_tiles(8, 0, size) {
            let path = path_of(&tile);
            assert_eq!(served.files[&path], tile.read_data(&self.stored).unwrap(), "{path} of {size}");
            theirs.push(path);
        }
        theirs.sort();
        let mut ours: Vec<_> =
            served.files.keys().filter(|path| path.starts_with("tile/")).cloned().collect();
        ours.retain(|path| !path.starts_with("tile/entries/"));
        assert_eq!(ours, theirs, "{size}");
    }
}

/// The hash of a node, by the crate's own cut of a range into what it stores.
fn foreign_node(range: Range, stored: &Stored) -> Digest {
    let parts = tlog_tiles::sub_tree_index(range.start, range.end, Vec::new());
    let parts = stored.read_hashes(&parts).unwrap();
    let node = parts.into_iter().rev().reduce(|right, left| tlog_tiles::node_hash(left, right));
    Digest(node.unwrap().0)
}

fn foreign(path: &[Digest]) -> Vec<Hash> {
    path.iter().map(|hash| Hash(hash.0)).collect()
}

fn bytes(path: &[Digest]) -> Vec<u8> {
    path.iter().flat_map(|hash| hash.0).collect()
}

#[test]
fn every_tree_of_up_to_2000_leaves_is_that_of_foreign_code() {
    let mut log = Grown::default();
    log.assert_root();
    for size in 1..=2000 {
        log.push(&first(size)[at(size - 1)]);
        log.assert_root();
        let mut indices = vec![some(size, size)];
        if EDGES.contains(&size) {
            indices.extend((0..size).step_by(5));
            indices.push(size - 1);
        }
        for index in indices {
            log.assert_inclusion(index);
            log.assert_consistency(index + 1);
        }
        if EDGES.contains(&size) || some(size, 50) == 0 {
            log.assert_tiles(&Served::of(first(size), OWN));
        }
    }
}

#[test]
fn a_log_of_70_000_entries_is_that_of_foreign_code() {
    let mut log = Grown::default();
    for (size, leaf) in (1..).zip(first(LARGE)) {
        log.push(leaf);
        if ![4096, 65_535, 65_536, 65_537, 65_791, 65_792, 65_793, LARGE].contains(&size) {
            continue;
        }
        log.assert_root();
        for index in [0, 255, 256, size / 2, some(size, size), size - 257, size - 1] {
            log.assert_inclusion(index);
            log.assert_consistency(index + 1);
        }
    }
    let served = Served::of(first(LARGE), OWN);
    log.assert_tiles(&served);
    for path in ["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"] {
        assert!(served.files.contains_key(path), "{path}");
    }

    // The crate proves entries from our tiles alone, and no longer when a hash of the path is flipped.
    let (size, root) = opened(served.note(), &vkey(OWN).to_string()).unwrap();
    let prove = |served: &Served, index| {
        let tiles = Tiles(served);
        let proof = tlog_tiles::prove_record(size, index, &TileHashReader::new(size, root, &tiles))?;
        tlog_tiles::check_record(
            &proof,
            size,
            root,
            index,
            tlog_tiles::record_hash(&first(size)[at(index)]),
        )?;
        Ok::<_, tlog_tiles::Error>(proof)
    };
    for index in [0, 65_535, 65_536, 69_887, LARGE - 1] {
        let theirs = tlog_tiles::prove_record(size, index, &log.stored).unwrap();
        assert_eq!(prove(&served, index).unwrap(), theirs, "{index}");
    }
    for (path, hash, index) in [
        ("tile/0/000", 2, 3),
        ("tile/1/000", 1, 3),
        ("tile/0/273.p/112", 110, LARGE - 1),
        ("tile/1/001.p/17", 12, 69_000),
        ("tile/2/000.p/1", 0, 69_000),
    ] {
        let mut flipped = served.clone();
        flipped.file(path)[32 * hash] ^= 1;
        assert!(prove(&flipped, index).is_err(), "{path}");
    }

    // Ours reads the whole of it and names the entry that was changed.
    let whole = served.export(0, LARGE, LARGE);
    let verdict = verify(whole.as_bytes(), &vkey(OWN), None).unwrap();
    assert!(verdict.ok && verdict.entries == LARGE, "{verdict:?}");
    let part = served.export(66_000, 67_000, LARGE);
    let line = part.match_indices('\n').nth(666).unwrap().0;
    let time = line + part[line..].find("Z\\\"").unwrap() - 1;
    let mut changed = part.into_bytes();
    changed[time] ^= 1;
    assert_eq!(verify(changed.as_slice(), &vkey(OWN), None).unwrap().first_bad_index, Some(66_666));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn an_export_of_any_range_completes_to_the_tree_that_foreign_code_signed(size in 1_u64..1200, a: u64, b: u64) {
        let start = a % size;
        let end = start + 1 + b % (size - start);
        let mut stored = Stored::default();
        for (index, leaf) in (0..).zip(first(size)) {
            stored.push(index, leaf);
        }
        let root = stored.root(size);
        let mut served = Served::of(first(size), OWN);
        *served.file("checkpoint") = foreign_note(size, root, OWN).into_bytes();

        let export = served.export(start, end, size);
        let header = Header::parse(export.lines().next().unwrap().as_bytes()).unwrap();
        let (left, right) = completion(start, end, size).unwrap();
        let nodes = |ranges: &[Range]| ranges.iter().map(|&range| foreign_node(range, &stored)).collect::<Vec<_>>();
        prop_assert_eq!((&header.left, &header.right), (&nodes(&left), &nodes(&right)));
        let verdict = verify(export.as_bytes(), &vkey(OWN), None).unwrap();
        prop_assert!(verdict.ok, "{:?}", verdict);
        prop_assert_eq!(head(first(size)).root.0, root.0);
    }
}
