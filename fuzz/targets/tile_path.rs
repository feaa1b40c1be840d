//! Paths of tiles and bundles: one spelling each, and the crate `tlog_tiles` reads the same tile.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mintmark::audit::tile::{Resource, width_at};

fuzz_target!(|path: &str| {
    // Go's spelling, which is the crate's, has the height in front.
    let foreign = |spelling: &str| tlog_tiles::Tile::from_path(&format!("tile/8/{spelling}")).ok();
    match Resource::parse(path) {
        Some(Resource::Tile(tile)) => {
            assert_eq!(tile.to_string(), path);
            let _ = width_at(tile.level, tile.index, u64::MAX);
            // The crate does not read paths that are longer.
            if let Some(theirs) = foreign(path) {
                assert_eq!((theirs.level(), theirs.level_index()), (tile.level, tile.index));
                assert_eq!(theirs.width(), u32::from(tile.width));
            } else {
                assert!(path.len() > 40, "{path}");
            }
        }
        Some(Resource::Bundle(bundle)) => assert_eq!(bundle.to_string(), path),
        None => {}
    }
});
