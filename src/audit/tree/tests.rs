use proptest::prelude::*;

use super::*;

/// The definition of RFC 9162 section 2.1.1, word for word: the oracle of this file.
fn mth(leaves: &[Vec<u8>]) -> Digest {
    match leaves {
        [] => Digest::of(&[]),
        [leaf] => Digest::of(&[&[0], leaf]),
        _ => {
            let k = leaves.len().next_power_of_two() / 2;
            Digest::of(&[&[1], &mth(&leaves[..k]).0, &mth(&leaves[k..]).0])
        }
    }
}

struct Leaves(Vec<Vec<u8>>);

impl Subtrees for Leaves {
    fn hash(&self, subtree: Subtree) -> Option<Digest> {
        let width = 1_usize << subtree.level;
        let start = usize::try_from(subtree.index).unwrap() * width;
        self.0.get(start..start + width).map(mth)
    }
}

fn numbered(size: u64) -> Vec<Vec<u8>> {
    (0..size).map(|n| format!("leaf {n}").into_bytes()).collect()
}

fn frontier(leaves: &[Vec<u8>]) -> Frontier {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(leaf_hash(leaf));
    }
    frontier
}

fn head(leaves: &[Vec<u8>]) -> TreeHead {
    TreeHead { size: leaves.len() as u64, root: mth(leaves) }
}

fn hex(digest: Digest) -> String {
    use std::fmt::Write as _;
    digest.0.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

/// The vectors of the Certificate Transparency reference implementation.
#[test]
fn published_vectors() {
    let leaves: Vec<Vec<u8>> = vec![
        vec![],
        vec![0x00],
        vec![0x10],
        vec![0x20, 0x21],
        vec![0x30, 0x31],
        (0x40..=0x43).collect(),
        (0x50..=0x57).collect(),
        (0x60..=0x6f).collect(),
    ];
    let root = |n: usize| hex(frontier(&leaves[..n]).root());
    assert_eq!(root(0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(root(1), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_eq!(root(8), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    assert_eq!(EMPTY_ROOT, Digest::of(&[]));
}

#[test]
fn no_proof_for_what_is_not_there() {
    assert_eq!(inclusion_path(0, 0), None);
    assert_eq!(inclusion_path(7, 7), None);
    assert_eq!(consistency_path(8, 7), None);
    assert_eq!(outside(3, 3, 7), None);
    assert_eq!(outside(3, 8, 7), None);
    assert!(inclusion_path(u64::MAX - 1, u64::MAX).unwrap().len() <= 64);
    assert!(consistency_path(u64::MAX - 1, u64::MAX).unwrap().len() <= 65);
}

#[test]
fn subtrees_fit_only_on_their_boundary() {
    let mut edge = frontier(&numbered(6));
    let before = edge.clone();
    assert!(!edge.push_subtree(2, Digest([1; 32])));
    assert!(!edge.push_subtree(63, Digest([1; 32])));
    assert!(!edge.push_subtree(200, Digest([1; 32])));
    assert_eq!(edge, before);
    assert!(edge.push_subtree(1, Digest([1; 32])));
    assert_eq!((edge.size(), edge.peaks().len()), (8, 1));
}

#[test]
fn every_small_tree_proves_every_leaf_and_every_prefix() {
    let leaves = Leaves(numbered(34));
    for size in 1..=34_u64 {
        let tree = head(&leaves.0[..usize::try_from(size).unwrap()]);
        for index in 0..size {
            let path = hashes(&inclusion_path(index, size).unwrap(), &leaves).unwrap();
            let leaf = leaf_hash(&leaves.0[usize::try_from(index).unwrap()]);
            assert!(verify_inclusion(index, size, leaf, &path, tree.root), "{index} of {size}");
            assert!(!verify_inclusion(index ^ 1, size, leaf, &path, tree.root) || size == 1);
        }
        for old in 0..=size {
            let path = hashes(&consistency_path(old, size).unwrap(), &leaves).unwrap();
            let old = head(&leaves.0[..usize::try_from(old).unwrap()]);
            assert!(verify_consistency(old, tree, &path), "{} to {size}", old.size);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_frontier_is_the_definition(size in 0_u64..300) {
        let leaves = numbered(size);
        prop_assert_eq!(frontier(&leaves).head(), head(&leaves));
    }

    #[test]
    fn a_spoilt_proof_fails(size in 2_u64..300, a: u64, b: u64, bit in 0_usize..256) {
        let leaves = Leaves(numbered(size));
        let tree = head(&leaves.0);
        let (index, old) = (a % size, 1 + a % (size - 1));
        let flip = |path: &[Digest], at: u64| {
            let mut path = path.to_vec();
            let at = usize::try_from(at % path.len() as u64).unwrap();
            path[at].0[bit / 8] ^= 1 << (bit % 8);
            path
        };
        let leaf = leaf_hash(&leaves.0[usize::try_from(index).unwrap()]);
        let path = hashes(&inclusion_path(index, size).unwrap(), &leaves).unwrap();
        prop_assert!(!verify_inclusion(index, size, leaf, &flip(&path, b), tree.root));
        prop_assert!(!verify_inclusion(index, size, leaf, &path[1..], tree.root));
        let more = [path.clone(), vec![leaf]].concat();
        prop_assert!(!verify_inclusion(index, size, leaf, &more, tree.root));

        let before = head(&leaves.0[..usize::try_from(old).unwrap()]);
        let path = hashes(&consistency_path(old, size).unwrap(), &leaves).unwrap();
        prop_assert!(!verify_consistency(before, tree, &flip(&path, b)));
        prop_assert!(!verify_consistency(before, tree, &path[1..]));
        prop_assert!(!verify_consistency(tree, before, &path));
        let forked = TreeHead { size: old, root: leaf };
        prop_assert!(!verify_consistency(forked, tree, &path) || before.root == leaf);
    }

    #[test]
    fn what_lies_outside_a_range_completes_the_tree(size in 1_u64..300, a: u64, b: u64) {
        let leaves = Leaves(numbered(size));
        let first = a % size;
        let end = first + 1 + b % (size - first);
        let (left, right) = outside(first, end, size).unwrap();
        let mut edge = Frontier::new();
        for range in &left {
            for subtree in range.subtrees() {
                prop_assert!(edge.push_subtree(subtree.level, leaves.hash(subtree).unwrap()));
            }
            // Nodes to the left of something are always complete.
            prop_assert_eq!(range.subtrees().len(), 1);
        }
        prop_assert_eq!(edge.size(), first);
        for leaf in &leaves.0[usize::try_from(first).unwrap()..usize::try_from(end).unwrap()] {
            edge.push(leaf_hash(leaf));
        }
        let mut right = hashes(&right, &leaves).unwrap();
        prop_assert_eq!(edge.root_with(&right, size), Some(mth(&leaves.0)));
        right.push(EMPTY_ROOT);
        prop_assert_eq!(edge.root_with(&right, size), None);
    }

    #[test]
    fn verification_of_nonsense_never_panics(
        numbers in any::<(u64, u64)>(),
        path in proptest::collection::vec(any::<[u8; 32]>().prop_map(Digest), 0..70),
    ) {
        let (a, b) = numbers;
        prop_assert!(!verify_inclusion(a, b, EMPTY_ROOT, &path, EMPTY_ROOT));
        let (old, new) = (TreeHead { size: a, root: EMPTY_ROOT }, TreeHead { size: b, root: EMPTY_ROOT });
        prop_assert!(!verify_consistency(old, new, &path) || a == 0 || a == b);
        let _ = frontier(&numbered(3)).root_with(&path, b);
    }
}
