//! Inclusion and consistency proofs: ours and the crate `tlog_tiles` say the same of each, sound or spoilt.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mintmark::audit::tree::{
    Frontier, Subtree, Subtrees, TreeHead, consistency_path, hashes, inclusion_path, leaf_hash,
    verify_consistency, verify_inclusion,
};
use mintmark::digest::Digest;
use tlog_tiles::{Hash, check_record, check_tree};

/// The tree whose leaves are the numbers from 0.
struct Numbers;

impl Subtrees for Numbers {
    fn hash(&self, subtree: Subtree) -> Option<Digest> {
        let first = subtree.index << subtree.level;
        Some(tree(first..first + (1 << subtree.level)).root())
    }
}

fn tree(numbers: std::ops::Range<u64>) -> Frontier {
    let mut tree = Frontier::new();
    for number in numbers {
        tree.push(leaf_hash(&number.to_be_bytes()));
    }
    tree
}

/// Drops, doubles, swaps and flips hashes as the bytes say.
fn spoil(path: &mut Vec<Digest>, bytes: &[u8]) {
    for pair in bytes.chunks_exact(2).take(4) {
        let at = usize::from(pair[0] >> 3).min(path.len());
        match pair[0] % 8 {
            0 => path.truncate(at),
            1 => path.insert(at, Digest([pair[1]; 32])),
            2 if at < path.len() => drop(path.remove(at)),
            3 if at < path.len() => path[at].0[usize::from(pair[1] % 32)] ^= pair[1],
            4 => path.rotate_left(at),
            _ => {}
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [size, a, b, claimed, rest @ ..] = bytes else { return };
    // The claim is now and then another than the truth.
    let size = u64::from(size % 70) + 1;
    let claim = |true_number: u64| if claimed % 4 == 0 { true_number } else { u64::from(claimed / 4) };
    let (index, old) = (u64::from(*a) % size, u64::from(*b) % size + 1);
    let head = tree(0..size).head();
    let root = Hash(head.root.0);

    let mut path = hashes(&inclusion_path(index, size).unwrap(), &Numbers).unwrap();
    spoil(&mut path, rest);
    let leaf = leaf_hash(&index.to_be_bytes());
    let theirs = path.iter().map(|hash| Hash(hash.0)).collect();
    for (index, size) in [(index, size), (claim(index), size), (index, claim(size))] {
        let ours = verify_inclusion(index, size, leaf, &path, head.root);
        assert_eq!(ours, check_record(&theirs, size, root, index, Hash(leaf.0)).is_ok(), "{index} of {size}");
    }

    let mut path = hashes(&consistency_path(old, size).unwrap(), &Numbers).unwrap();
    spoil(&mut path, rest);
    let before = tree(0..old).head();
    let theirs = path.iter().map(|hash| Hash(hash.0)).collect();
    for (old, new) in [(old, size), (claim(old), size), (old, claim(size))] {
        // The crate has no proofs from or to an empty tree.
        if old == 0 || new == 0 {
            continue;
        }
        let ours =
            verify_consistency(TreeHead { size: old, ..before }, TreeHead { size: new, ..head }, &path);
        let other = check_tree(&theirs, new, root, old, Hash(before.root.0)).is_ok();
        assert_eq!(ours, other, "{old} to {new}");
    }
});
