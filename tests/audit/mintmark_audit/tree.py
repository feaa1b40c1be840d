"""The Merkle tree of RFC 6962, 2.1: hashes of ranges, and which subtrees complete a range.

A tree of n entries is split at the largest power of two below n, again and again. A range of it is
proven by the hashes of the maximal subtrees outside the range: with them the root follows.
"""

import hashlib

EMPTY = hashlib.sha256(b"").digest()


class Unknown(Exception):
    """A hash is needed that neither the entries nor the given subtrees tell."""


def leaf_hash(entry):
    """The hash of one entry's bytes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    """The hash of two neighbours."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(count):
    """The largest power of two below `count`, which is at least 2."""
    return 1 << (count - 1).bit_length() - 1


def root(hashes):
    """The hash over these leaf hashes.

    Level by level, the odd one at the end goes up as it is: the same tree as by splitting, since
    every left part is a whole power of two.
    """
    if not hashes:
        return EMPTY
    sha256 = hashlib.sha256
    while len(hashes) > 1:
        above = [sha256(b"\x01" + hashes[at] + hashes[at + 1]).digest() for at in range(0, len(hashes) - 1, 2)]
        if len(hashes) % 2:
            above.append(hashes[-1])
        hashes = above
    return hashes[0]


def outside(first, end, size):
    """The maximal subtrees of a tree of `size` that lie left and right of the range, as (low, high) in order."""
    left, right = [], []

    def visit(low, high):
        if low >= high or (first <= low and high <= end):
            return
        if high <= first:
            left.append((low, high))
        elif low >= end:
            right.append((low, high))
        else:
            middle = low + split(high - low)
            visit(low, middle)
            visit(middle, high)

    visit(0, size)
    return left, right


class Known:
    """What an export tells of the tree: the leaf hashes from `first` on, and hashes of subtrees outside."""

    def __init__(self, first, hashes, subtrees):
        self.first, self.hashes, self.end = first, hashes, first + len(hashes)
        self.subtrees = subtrees

    def root(self, size):
        """The root at `size`, today's or an older one; raises Unknown when that does not follow."""
        return self.subtree(0, size) if size else EMPTY

    def subtree(self, low, high):
        if self.first <= low and high <= self.end:
            return root(self.hashes[low - self.first:high - self.first])
        if (low, high) in self.subtrees:
            return self.subtrees[low, high]
        inner = high - low > 1 and (
            low < self.end and high > self.first
            or any(low <= left and right <= high for left, right in self.subtrees))
        if not inner:
            raise Unknown
        middle = low + split(high - low)
        return node_hash(self.subtree(low, middle), self.subtree(middle, high))
