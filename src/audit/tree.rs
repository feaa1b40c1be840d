//! The Merkle tree: hashes, the writer's right edge, proofs and their verification.
//!
//! Pure, and without storage: who wants a proof asks for the [`Range`]s it is
//! made of, fetches the complete subtrees below them from wherever they lie
//! and hands them back through [`Subtrees`]. Sizes and indices are `u64`.
//! RFC 9162 section 2.1 (the hashing of RFC 6962 section 2.1).

use crate::digest::Digest;

/// The root of the tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: Digest = Digest([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// The hash of a leaf's bytes.
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    Digest::of(&[&[0], leaf])
}

/// The hash over two neighbours.
pub fn node_hash(left: Digest, right: Digest) -> Digest {
    Digest::of(&[&[1], &left.0, &right.0])
}

/// A complete subtree: the 2^level leaves from index * 2^level on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subtree {
    /// 0 for a leaf, at most 63.
    pub level: u8,
    /// Position among the subtrees of this level, from 0.
    pub index: u64,
}

/// Gives the hashes of complete subtrees.
pub trait Subtrees {
    /// The hash of `subtree`, or `None` when it is not to be had.
    fn hash(&self, subtree: Subtree) -> Option<Digest>;
}

/// The leaves from `start` to before `end`, as the RFC's recursion cuts them: a
/// node of the tree, which is incomplete only at the tree's right edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first leaf.
    pub start: u64,
    /// One past the last leaf; more than `start`.
    pub end: u64,
}

impl Range {
    /// The complete subtrees that this node consists of, left to right.
    pub fn subtrees(self) -> Vec<Subtree> {
        let mut out = Vec::new();
        let mut start = self.start;
        while start < self.end {
            // The largest power of two that fits and that `start` is a multiple of.
            let fits = (self.end - start).ilog2();
            let level = fits.min(start.trailing_zeros());
            out.push(Subtree { level: u8::try_from(level).unwrap_or(63), index: start >> level });
            start += 1 << level;
        }
        out
    }

    /// This node's hash, from its complete subtrees.
    pub fn hash(self, subtrees: &impl Subtrees) -> Option<Digest> {
        let mut hash = None;
        for subtree in self.subtrees().into_iter().rev() {
            let left = subtrees.hash(subtree)?;
            hash = Some(hash.map_or(left, |right| node_hash(left, right)));
        }
        hash
    }

    fn len(self) -> u64 {
        self.end - self.start
    }

    /// The two children; only for more than one leaf.
    fn split(self) -> (Self, Self) {
        let middle = self.start + (1 << (self.len() - 1).ilog2());
        (Self { start: self.start, end: middle }, Self { start: middle, end: self.end })
    }
}

/// The hashes of `ranges`, or `None` when one is not to be had.
pub fn hashes(ranges: &[Range], subtrees: &impl Subtrees) -> Option<Vec<Digest>> {
    ranges.iter().map(|range| range.hash(subtrees)).collect()
}

/// The nodes whose hashes prove that leaf `index` is in the tree of `size`
/// leaves, from its sibling up. `None` unless index < size. RFC 9162 section 2.1.3.1.
pub fn inclusion_path(index: u64, size: u64) -> Option<Vec<Range>> {
    if index >= size {
        return None;
    }
    let mut path = Vec::new();
    let mut here = Range { start: 0, end: size };
    while here.len() > 1 {
        let (left, right) = here.split();
        let (next, sibling) = if index < left.end { (left, right) } else { (right, left) };
        path.push(sibling);
        here = next;
    }
    path.reverse();
    Some(path)
}

/// The nodes whose hashes prove that the tree of `old` leaves is a prefix of
/// the tree of `new` ones; empty for equal sizes and for an empty old tree.
/// `None` unless old <= new. RFC 9162 section 2.1.4.1.
pub fn consistency_path(old: u64, new: u64) -> Option<Vec<Range>> {
    if old > new {
        return None;
    }
    if old == 0 || old == new {
        return Some(Vec::new());
    }
    let mut path = Vec::new();
    let mut here = Range { start: 0, end: new };
    while here.end != old {
        let (left, right) = here.split();
        let (next, sibling) = if old <= left.end { (left, right) } else { (right, left) };
        path.push(sibling);
        here = next;
    }
    // The verifier knows the old root, so a node that is the whole old tree needs no telling.
    if here.start != 0 {
        path.push(here);
    }
    path.reverse();
    Some(path)
}

/// The maximal nodes of the tree of `size` leaves that lie wholly before `first`,
/// and those wholly from `end` on, left to right.
/// `None` unless first < end <= size.
pub fn outside(first: u64, end: u64, size: u64) -> Option<(Vec<Range>, Vec<Range>)> {
    if first >= end || end > size {
        return None;
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut pending = vec![Range { start: 0, end: size }];
    while let Some(here) = pending.pop() {
        if here.end <= first {
            left.push(here);
        } else if here.start >= end {
            right.push(here);
        } else if here.start < first || here.end > end {
            let (before, after) = here.split();
            pending.push(after);
            pending.push(before);
        }
    }
    Some((left, right))
}

/// Whether `path` proves that a leaf with this hash is at `index` in the tree
/// of `size` leaves with this `root`. RFC 9162 section 2.1.3.2.
pub fn verify_inclusion(index: u64, size: u64, leaf_hash: Digest, path: &[Digest], root: Digest) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf_hash);
    for &sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == root
}

/// A tree's size and root hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// The number of leaves.
    pub size: u64,
    /// The root hash.
    pub root: Digest,
}

/// Whether `path` proves that the tree `old` is a prefix of the tree `new`. RFC 9162 section 2.1.4.2.
pub fn verify_consistency(old: TreeHead, new: TreeHead, path: &[Digest]) -> bool {
    if old.size == new.size {
        return path.is_empty() && old.root == new.root;
    }
    if old.size == 0 {
        return path.is_empty() && old.root == EMPTY_ROOT;
    }
    if old.size > new.size {
        return false;
    }
    let mut siblings = path.iter().copied();
    let start = if old.size.is_power_of_two() { Some(old.root) } else { siblings.next() };
    let Some(start) = start else { return false };
    let shift = (old.size - 1).trailing_ones();
    let (mut at, mut last) = ((old.size - 1) >> shift, (new.size - 1) >> shift);
    let (mut old_hash, mut new_hash) = (start, start);
    for sibling in siblings {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(sibling, old_hash);
            new_hash = node_hash(sibling, new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(new_hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == old.root && new_hash == new.root
}

/// A tree's right edge: all that is needed to append to it and to know its root.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// The complete subtrees that the tree consists of, largest first: one for each bit of `size`.
    peaks: Vec<Digest>,
}

impl Frontier {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the complete subtrees, one for each bit of the size, largest first.
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf_hash: Digest) {
        // Level 0 always fits.
        let _ = self.push_subtree(0, leaf_hash);
    }

    /// Appends a complete subtree of 2^level leaves. `false`, and no change, unless
    /// the size is a multiple of that and stays below 2^64.
    #[must_use]
    pub fn push_subtree(&mut self, level: u8, hash: Digest) -> bool {
        let Some(leaves) = 1_u64.checked_shl(u32::from(level)) else { return false };
        let Some(size) = self.size.checked_add(leaves) else { return false };
        if self.size & (leaves - 1) != 0 {
            return false;
        }
        let mut hash = hash;
        for _ in 0..(self.size >> level).trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(left, hash);
            }
        }
        self.peaks.push(hash);
        self.size = size;
        true
    }

    /// The root hash.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev().copied();
        let Some(smallest) = peaks.next() else { return EMPTY_ROOT };
        peaks.fold(smallest, |right, left| node_hash(left, right))
    }

    /// Size and root together.
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root() }
    }

    /// The root of the tree of `size` leaves that begins with this one and goes on with the
    /// nodes that [`outside`] names to the right of it. `None` when they are too few or too many.
    pub fn root_with(&self, right: &[Digest], size: u64) -> Option<Digest> {
        if size == 0 || self.size > size {
            return (size == 0 && self.size == 0 && right.is_empty()).then_some(EMPTY_ROOT);
        }
        let mut peaks = self.peaks.iter().copied();
        let mut right = right.iter().copied();
        let root = self.fold(Range { start: 0, end: size }, &mut peaks, &mut right)?;
        (peaks.next().is_none() && right.next().is_none()).then_some(root)
    }

    fn fold(
        &self,
        here: Range,
        peaks: &mut impl Iterator<Item = Digest>,
        right: &mut impl Iterator<Item = Digest>,
    ) -> Option<Digest> {
        if here.start >= self.size {
            return right.next();
        }
        // The peak that starts here has the size of the highest bit that is left of the total.
        if here.len() == 1 << (self.size - here.start).ilog2() {
            return peaks.next();
        }
        let (before, after) = here.split();
        let before = self.fold(before, peaks, right)?;
        Some(node_hash(before, self.fold(after, peaks, right)?))
    }
}

#[cfg(test)]
mod tests;
