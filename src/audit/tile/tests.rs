use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::audit::tree::{hashes, inclusion_path, leaf_hash, verify_inclusion};

fn leaf_hashes(from: u64, to: u64) -> Vec<Digest> {
    (from..to).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// A store as the writer would keep it: later partial tiles replace earlier ones.
type Stored = BTreeMap<(u8, u64), Vec<u8>>;

fn keep(stored: &mut Stored, tiles: Vec<Tile>) {
    for tile in tiles {
        stored.insert((tile.level, tile.index), tile.bytes);
    }
}

fn grown(batches: &[u64]) -> (Edge, Stored) {
    let (mut edge, mut stored) = (Edge::new(), Stored::new());
    for batch in batches {
        let tiles = edge.append(&leaf_hashes(edge.size(), edge.size() + batch));
        keep(&mut stored, tiles);
    }
    (edge, stored)
}

fn tile(level: u8, index: u64, width: u16) -> Resource {
    Resource::Tile(TilePath { level, index, width })
}

#[test]
fn paths_of_the_specification() {
    assert_eq!(Resource::parse("0/x001/x234/067"), Some(tile(0, 1_234_067, 256)));
    assert_eq!(Resource::parse("0/x001/x234/067.p/1"), Some(tile(0, 1_234_067, 1)));
    assert_eq!(Resource::parse("63/000.p/255"), Some(tile(63, 0, 255)));
    assert_eq!(Resource::parse("1/x001/000"), Some(tile(1, 1000, 256)));
    let bundle = BundlePath { index: 273, width: 112 };
    assert_eq!(Resource::parse("entries/273.p/112"), Some(Resource::Bundle(bundle)));
    assert_eq!(Resource::parse("0/x018/x446/x744/x073/x709/x551/615"), Some(tile(0, u64::MAX, 256)));
}

#[test]
fn every_other_spelling_is_refused() {
    for bad in [
        "",
        "0",
        "/",
        "0/",
        "00/000",
        "64/000",
        "-1/000",
        "a/000",
        "data/000",
        "8/0/000",
        "0/0",
        "0/00",
        "0/0000",
        "0/x000",
        "0/x000/001",
        "0/x001/x234",
        "0/001/234",
        "0/x001/1",
        "0/x01/234",
        "0/X001/234",
        "0/x001//234",
        "0/000/",
        "0/ 00",
        "0/+00",
        "0/000.p",
        "0/000.p/",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "0/000.p/1/",
        "0/000.p/1.p/1",
        "0/000.p/x01",
        "0/x001.p/234",
        "entries",
        "entries/",
        "entries/0",
        "Entries/000",
        "0/x018/x446/x744/x073/x709/x551/616",
        "0/\u{661}00",
        "0/x001/x000/x000/x000/x000/x000/x000/000",
    ] {
        assert_eq!(Resource::parse(bad), None, "{bad}");
    }
}

#[test]
fn widths_follow_the_size() {
    assert_eq!(width_at(0, 0, 0), 0);
    assert_eq!(width_at(0, 0, 1), 1);
    assert_eq!(width_at(0, 0, 256), 256);
    assert_eq!(width_at(0, 1, 256), 0);
    assert_eq!(width_at(1, 0, 255), 0);
    assert_eq!((width_at(0, 273, 70_000), width_at(1, 1, 70_000), width_at(2, 0, 70_000)), (112, 17, 1));
    assert_eq!(width_at(7, 0, u64::MAX), 255);
    assert_eq!((width_at(8, 0, u64::MAX), width_at(63, 0, u64::MAX)), (0, 0));
    assert_eq!(width_at(0, u64::MAX, u64::MAX), 0);
}

#[test]
fn bundles_read_back_and_torn_ones_do_not() {
    let longest = vec![7; 65_536];
    let leaves: [&[u8]; 3] = [b"", b"a", &longest[1..]];
    let bytes = encode_bundle(leaves).unwrap();
    assert_eq!(bytes[..5], [0, 0, 0, 1, b'a']);
    assert_eq!(decode_bundle(&bytes).unwrap(), leaves);
    assert_eq!(decode_bundle(&bytes[..bytes.len() - 1]), None);
    assert_eq!(decode_bundle(&[0]), None);
    assert_eq!(encode_bundle([longest.as_slice()]), None);
}

#[test]
fn a_third_level_appears_when_a_second_is_full() {
    let (edge, stored) = grown(&[65_535, 2]);
    assert_eq!(stored[&(2, 0)].len(), 32);
    assert_eq!(stored[&(1, 0)].len(), 8192);
    assert!(!stored.contains_key(&(0, 256)));
    assert!(!stored.contains_key(&(1, 1)));
    assert_eq!(edge.partial(0), bytes_of(&leaf_hashes(65_536, 65_537)));
    assert_eq!(Edge::needs(65_537), [TilePath { level: 2, index: 0, width: 1 }]);
}

#[test]
fn a_store_that_lost_a_tile_does_not_restore() {
    let (edge, stored) = grown(&[1000]);
    let tiles: Vec<_> =
        stored.iter().map(|(&(level, index), bytes)| Tile { level, index, bytes: bytes.clone() }).collect();
    let last = leaf_hashes(768, 1000);
    assert_eq!(Edge::restore(1000, &last, &tiles), Ok(edge));
    assert_eq!(Edge::restore(1000, &last[1..], &tiles), Err(BadEdge { level: 0 }));
    assert_eq!(Edge::restore(1000, &last, &tiles[..3]), Err(BadEdge { level: 1 }));
    assert_eq!(Edge::restore(1256, &last, &tiles), Err(BadEdge { level: 1 }));
}

proptest! {
    #[test]
    fn our_paths_read_back_and_foreign_code_writes_the_same(level in 0_u8..64, index: u64, width in 1_u16..=256) {
        let path = TilePath { level, index, width };
        let text = path.to_string();
        prop_assert_eq!(Resource::parse(&text), Some(Resource::Tile(path)));
        // Go's and that crate's path has the tile's height in front, C2SP's has not.
        let foreign = tlog_tiles::Tile::new(8, level, index, u32::from(width), false).path();
        prop_assert_eq!(format!("tile/8/{text}"), foreign);
        let bundle = BundlePath { index, width };
        prop_assert_eq!(Resource::parse(&bundle.to_string()), Some(Resource::Bundle(bundle)));
    }

    #[test]
    fn what_is_read_is_written_the_same(path in "(entries|[0-9]{1,2})(/x?[0-9]{3}){1,3}(\\.p/[0-9]{1,3})?") {
        match Resource::parse(&path) {
            Some(Resource::Tile(tile)) => prop_assert_eq!(tile.to_string(), path),
            Some(Resource::Bundle(bundle)) => prop_assert_eq!(bundle.to_string(), path),
            None => {}
        }
    }

    #[test]
    fn no_input_makes_a_parser_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let _ = (Resource::parse(&text), decode_bundle(&bytes), decode_tile(&bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn batches_do_not_matter_and_a_restart_changes_nothing(batches in proptest::collection::vec(0_u64..700, 1..8)) {
        let (edge, stored) = grown(&batches);
        let size = edge.size();
        prop_assert_eq!(edge.root(), root_of(&leaf_hashes(0, size)));

        let tiles: Vec<_> = Edge::needs(size)
            .into_iter()
            .map(|path| Tile {
                level: path.level,
                index: path.index,
                bytes: stored[&(path.level, path.index)].clone(),
            })
            .collect();
        let restored = Edge::restore(size, &leaf_hashes(size - size % 256, size), &tiles).unwrap();
        prop_assert_eq!(restored.head(), edge.head());
        let more = leaf_hashes(size, size + 300);
        prop_assert_eq!(restored.clone().append(&more), edge.clone().append(&more));
    }

    #[test]
    fn proofs_come_out_of_tiles(size in 1_u64..70_000, a: u64) {
        let (edge, mut stored) = grown(&[size]);
        stored.insert((0, size / 256), edge.partial(0));
        let index = a % size;
        let path = inclusion_path(index, size).unwrap();
        let mut set = TileSet::default();
        for tile in tiles_for(&path, size) {
            let bytes = &stored[&(tile.level, tile.index)];
            prop_assert_eq!(bytes.len(), usize::from(tile.width) * 32);
            prop_assert!(set.insert(tile.level, tile.index, bytes));
        }
        let proof = hashes(&path, &set).unwrap();
        prop_assert!(verify_inclusion(index, size, leaf_hash(&index.to_be_bytes()), &proof, edge.root()));
    }
}
