//! What must hold at the end of every test, whatever it did.

use std::collections::BTreeSet;

use mintmark::app::App;
use mintmark::audit::checkpoint::{Note, Vkey};
use mintmark::audit::event::EventType;
use mintmark::audit::leaf::{Leaf, token_hash};
use mintmark::audit::tree::{Frontier, leaf_hash};

/// Walks the whole log: its tree, the checkpoint's signature, and a leaf for each token that anybody received.
pub async fn check(app: &App, ledger: &[String]) {
    app.publisher.tick().await.unwrap();
    let log = app.store.log().await.unwrap().unwrap();
    let leaves = app.store.leaves(0..log.head.size).await.unwrap();
    let mut tree = Frontier::new();
    let mut recorded = BTreeSet::new();
    for bytes in &leaves {
        let leaf = Leaf::parse(bytes).unwrap();
        assert_eq!(leaf.encode(), *bytes, "a leaf is not canonical");
        tree.push(leaf_hash(bytes));
        if leaf.event == EventType::TokenIssued {
            assert!(recorded.insert(leaf.th.unwrap()), "a token was recorded twice");
        }
    }
    assert_eq!(tree.head(), log.head, "the tree does not follow from the entries");

    let vkey = Vkey::parse(&log.vkey).unwrap();
    let published = app.publisher.published().borrow().clone().unwrap();
    let note = Note::parse(std::str::from_utf8(&published.note).unwrap()).unwrap();
    assert_eq!(note.verify(&vkey).unwrap().head(), log.head, "the checkpoint is not of this tree");
    assert_eq!(log.checkpoint.unwrap().as_bytes(), &published.note[..]);

    for token in ledger {
        let input = token.rsplit_once('.').unwrap().0;
        assert!(recorded.contains(&token_hash(input.as_bytes())), "a token was released without a record");
    }
}
