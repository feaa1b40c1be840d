//! What the log recorded, and the proofs that hold it together.

use axum::http::Method;
use mintmark::audit::checkpoint::{Note, Vkey};
use mintmark::audit::leaf::Leaf;
use mintmark::audit::served::root_at;
use mintmark::audit::tile::{TileSet, tiles_for};
use mintmark::audit::tree::{TreeHead, consistency_path, hashes, verify_consistency};
use mintmark::audit::verify::verify;
use mintmark::digest::base64url;
use mintmark::store::StoredEntry;

use super::play::Player;
use super::render;

impl Player<'_> {
    async fn new_entries(&mut self) -> Vec<StoredEntry> {
        self.settle().await;
        let entries = self.mint.app().store.entries(self.next_entry..u64::MAX >> 1).await.unwrap();
        self.next_entry = entries.last().map_or(self.next_entry, |entry| entry.index + 1);
        entries
    }

    /// Entries of the setting-up are not part of the story.
    pub(super) async fn skip_entries(&mut self) {
        self.new_entries().await;
    }

    /// New entries in short: index, event and body.
    pub(super) async fn tell_entries(&mut self) {
        for entry in self.new_entries().await {
            let leaf = Leaf::parse(&entry.leaf).unwrap();
            let (_, body) = entry.body.unwrap_or_default();
            let body = String::from_utf8(body).unwrap();
            self.say(&format!("\n  log {}  {}", entry.index, leaf.event));
            self.out.push_str(&render::marked("    ", &render::body(&body)));
        }
    }

    /// `log [EVENT...]`: the exact bytes of each leaf, body and salt, from the beginning of the log; only of
    /// events whose names begin so.
    pub(super) async fn tell_log(&mut self, events: &[&str]) {
        self.say_time();
        self.next_entry = 0;
        let is_wanted = |leaf: &[u8]| {
            let event = Leaf::parse(leaf).unwrap().event.as_str();
            events.is_empty() || events.iter().any(|wanted| event.starts_with(wanted))
        };
        for StoredEntry { index, leaf, body } in self.new_entries().await {
            if !is_wanted(&leaf) {
                continue;
            }
            self.say(&format!("\nentry {index}"));
            self.say(&format!("  leaf  {}", String::from_utf8(leaf).unwrap()));
            if let Some((salt, body)) = body {
                self.say(&format!("  body  {}", String::from_utf8(body).unwrap()));
                self.say(&format!("  salt  {}", base64url(&salt)));
            }
        }
    }

    /// A proof that the tree of `old` entries is the beginning of the published one, from the served tiles.
    pub(super) async fn tell_consistency(&mut self, old: u64) {
        self.mint.tick().await;
        let note = self.mint.get("/log/checkpoint").await.text();
        let vkey = Vkey::parse(self.mint.get("/log/vkey").await.text().trim_end()).unwrap();
        let note = Note::parse(&note).unwrap();
        let new = note.verify(&vkey).unwrap().head();
        let ranges = consistency_path(old, new.size).unwrap();
        let mut tiles = TileSet::default();
        for tile in tiles_for(&ranges, new.size) {
            let bytes = self.mint.get(&format!("/log/tile/{tile}")).await;
            assert!(tiles.insert(tile.level, tile.index, &bytes.assert_status(200).body));
        }
        let path = hashes(&ranges, &tiles).unwrap();
        let root = root_at(&*self.mint.app().store, old).await.unwrap();
        assert!(verify_consistency(TreeHead { size: old, root }, new, &path), "the proof does not hold");
        self.say_time();
        self.say(&format!("\nthe tree of {old} entries is the beginning of that of {}: proven by", new.size));
        self.say(&format!("  old root  {root}\n  new root  {}", new.root));
        for hash in path {
            self.say(&format!("  hash      {hash}"));
        }
    }

    /// `export [FIRST END]`: the file as an admin takes it home, and what the verifier says of it.
    pub(super) async fn tell_export(&mut self, range: &[&str]) {
        self.mint.tick().await;
        let query = match range {
            [first, end] => format!("?first={first}&end={end}"),
            _ => String::new(),
        };
        let path = format!("/admin/v1/audit/export{query}");
        let export = self.mint.admin(Method::GET, &path, None).await;
        let vkey = Vkey::parse(self.mint.get("/log/vkey").await.text().trim_end()).unwrap();
        let verdict = verify(export.assert_status(200).body.as_slice(), &vkey, None).unwrap();
        assert!(verdict.ok, "{verdict:?}");
        self.say_time();
        self.say(&format!("\nGET {path}   (admin socket)\n\n{}", render::marked("  ", &export.text())));
        self.say(&format!("verdict  {}", serde_json::to_string(&verdict).unwrap()));
        self.tell_entries().await;
    }
}
