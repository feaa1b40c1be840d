//! Who judges a log: three verifiers that share no code, each over the files as they are served.
//!
//! Two are crates that nobody here wrote. They find the files by paths of their
//! own making and decode bundles by their own few lines here, so that nothing of
//! ours stands between them and the bytes. The third is `mintmark audit verify`.

use std::io::Empty;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse as _;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use mintmark::audit::tree::{hashes, inclusion_path};
use mintmark::cli::{self, Terminal, Zone};
use mintmark::digest::Digest;
use mintmark::time::Timestamp;
use serde_json::Value;
use sha2::Sha256;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Checkpoint, Error, Hash, HashReader, Tile, TileHashReader, TileReader};

use super::written::Served;
use crate::harness::FakeClock;

/// What a judge is shown.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    pub served: &'a Served,
    /// The log's key, which the judge trusts.
    pub vkey: &'a str,
    /// A checkpoint that the judge kept.
    pub older: Option<&'a str>,
}

/// A tree of the crate `ct-merkle`.
pub type CtTree = MemoryBackedTree<Sha256, Vec<u8>>;

pub fn ct_root(root: Digest, size: u64) -> RootHash<Sha256> {
    RootHash::new(root.0.into(), size)
}

/// The size and root of a note, once `signed_note` believes it and `tlog_tiles` can read it.
pub fn opened(note: &str, vkey: &str) -> Result<(u64, Hash), String> {
    let note = Note::from_bytes(note.as_bytes()).map_err(|error| error.to_string())?;
    let verifier = StandardVerifier::new(vkey).map_err(|error| error.to_string())?;
    let known = VerifierList::new(vec![Box::new(verifier)]);
    note.verify(&known).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::from_bytes(note.text()).map_err(|error| error.to_string())?;
    Ok((checkpoint.size(), *checkpoint.hash()))
}

/// The path of a tile as C2SP spells it: the crate's, which is Go's, without the height.
pub fn path_of(tile: &Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1).replacen("tile/data/", "tile/entries/", 1)
}

/// The tiles as they are served, for the crate `tlog_tiles`.
pub struct Tiles<'a>(pub &'a Served);

impl TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let file = |tile: &Tile| self.0.files.get(&path_of(tile)).cloned().ok_or(Error::InvalidTile);
        tiles.iter().map(file).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// Every entry as it is served.
pub fn entries(served: &Served, size: u64) -> Result<Vec<Vec<u8>>, String> {
    let mut entries = Vec::new();
    for mut tile in Tile::new_tiles(8, 0, size).into_iter().filter(|tile| tile.level() == 0) {
        tile.set_is_data();
        let path = path_of(&tile);
        let mut rest = served.files.get(&path).ok_or_else(|| format!("no {path}"))?.as_slice();
        while let [high, low, more @ ..] = rest {
            let length = usize::from(*high) << 8 | usize::from(*low);
            let (entry, more) = more.split_at_checked(length).ok_or_else(|| format!("{path} is torn"))?;
            entries.push(entry.to_vec());
            rest = more;
        }
    }
    if entries.len() as u64 == size { Ok(entries) } else { Err(format!("{} entries", entries.len())) }
}

/// What the crate `tlog_tiles` stores of a log.
#[derive(Default)]
pub struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let hash = |&index: &u64| self.0.get(usize::try_from(index).ok()?).copied();
        indexes.iter().map(hash).collect::<Option<_>>().ok_or(Error::IndexesNotInTree)
    }
}

impl Stored {
    pub fn push(&mut self, index: u64, leaf: &[u8]) {
        let more = tlog_tiles::stored_hashes(index, leaf, self).unwrap();
        self.0.extend(more);
    }

    pub fn root(&self, size: u64) -> Hash {
        tlog_tiles::tree_hash(size, self).unwrap()
    }
}

/// `signed_note` and `tlog_tiles`: the signature, the root over every entry, every tile, the older tree.
///
/// The crate's `TileHashReader` is not enough for a whole log: when several subtrees of the root lie in
/// one tile it leaves others unchecked (CVE-2026-56865 of Go's, from which it comes). So every tile is
/// made anew from the entries and compared.
pub fn tlog_tiles(evidence: Evidence<'_>) -> Result<(), String> {
    let (size, root) = opened(evidence.served.note(), evidence.vkey)?;
    let mut stored = Stored::default();
    for (index, entry) in (0..).zip(entries(evidence.served, size)?) {
        stored.push(index, &entry);
    }
    if stored.root(size) != root {
        return Err("the entries do not give the root".to_owned());
    }
    for tile in Tile::new_tiles(8, 0, size) {
        let data = tile.read_data(&stored).map_err(|error| error.to_string())?;
        if evidence.served.files.get(&path_of(&tile)) != Some(&data) {
            return Err(format!("{} does not fit the entries", path_of(&tile)));
        }
    }
    let Some(older) = evidence.older else { return Ok(()) };
    let (old_size, old_root) = opened(older, evidence.vkey)?;
    let tiles = Tiles(evidence.served);
    let reader = TileHashReader::new(size, root, &tiles);
    let proof = tlog_tiles::prove_tree(size, old_size, &reader).map_err(|error| error.to_string())?;
    tlog_tiles::check_tree(&proof, size, root, old_size, old_root).map_err(|error| error.to_string())
}

/// `ct-merkle`: the root from the entries alone, each entry by the proof that the tiles give, the older tree.
/// It has no notes of its own.
pub fn ct_merkle(evidence: Evidence<'_>) -> Result<(), String> {
    let (size, root) = opened(evidence.served.note(), evidence.vkey)?;
    let root = ct_root(Digest(root.0), size);
    let tiles = evidence.served.tiles().ok_or("a tile is torn")?;
    let mut tree = CtTree::new();
    for (index, entry) in (0..).zip(entries(evidence.served, size)?) {
        let path = inclusion_path(index, size).ok_or("no such entry")?;
        let proof = hashes(&path, &tiles).ok_or("a tile is missing")?;
        let proof = InclusionProof::from_bytes(proof.iter().flat_map(|hash| hash.0).collect());
        root.verify_inclusion(&entry, index, &proof).map_err(|error| format!("entry {index}: {error:?}"))?;
        tree.push(entry);
    }
    if tree.root() != root {
        return Err("the entries do not give the root".to_owned());
    }
    let Some(older) = evidence.older else { return Ok(()) };
    let (old_size, old_root) = opened(older, evidence.vkey)?;
    let proof = match size.checked_sub(old_size) {
        Some(more) => tree.prove_consistency(usize::try_from(more).map_err(|error| error.to_string())?),
        None => ConsistencyProof::from_digests([]),
    };
    root.verify_consistency(&ct_root(Digest(old_root.0), old_size), &proof)
        .map_err(|error| format!("{error:?}"))
}

/// `mintmark audit verify --url`: its exit code and its verdict.
pub async fn mintmark(evidence: Evidence<'_>) -> (u8, Value) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = evidence.served.clone();
    let files = Router::new().fallback(async move |uri: Uri| match served.answer(uri.path()) {
        Some(bytes) => bytes.to_vec().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    });
    let serving = tokio::spawn(axum::serve(listener, files).into_future());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string()
    };
    let mut argv = ["mintmark", "audit", "verify", "-o", "json", "--url", &url].map(Into::into).to_vec();
    argv.extend(["--vkey".into(), file("vkey", evidence.vkey)]);
    if let Some(older) = evidence.older {
        argv.extend(["--checkpoint".into(), file("older", older)]);
    }
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let stdin: &mut Empty = &mut std::io::empty();
    let mut terminal =
        Terminal { stdin, stdout: &mut stdout, stderr: &mut stderr, is_terminal: false, zone: Zone::utc() };
    let clock = FakeClock::at(Timestamp::from_seconds(1_800_000_000));
    let code = cli::run(argv, Vec::new(), &clock, &mut terminal).await;
    serving.abort();
    let verdict = serde_json::from_slice(&stdout);
    (code, verdict.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&stderr))))
}
