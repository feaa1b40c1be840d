#!/usr/bin/env python3
"""Tests of the tree: the vectors of RFC 6962's test suite, and what a range needs to be proven."""

import unittest

from mintmark_audit import tree

LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]
ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def hashes(count):
    return [tree.leaf_hash(bytes([number])) for number in range(count)]


def by_definition(leaves):
    """MTH as RFC 6962 defines it, by splitting."""
    if len(leaves) == 1:
        return leaves[0]
    middle = tree.split(len(leaves))
    return tree.node_hash(by_definition(leaves[:middle]), by_definition(leaves[middle:]))


class Vectors(unittest.TestCase):
    def test_nothing(self):
        self.assertEqual(tree.root([]).hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

    def test_one_empty_leaf(self):
        self.assertEqual(tree.leaf_hash(b"").hex(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")

    def test_eight_leaves(self):
        self.assertEqual(tree.root([tree.leaf_hash(leaf) for leaf in LEAVES]).hex(), ROOT)


class Trees(unittest.TestCase):
    def test_a_split_is_below_the_count(self):
        self.assertEqual([tree.split(count) for count in range(2, 10)], [1, 2, 2, 4, 4, 4, 4, 8])

    def test_by_levels_is_by_splitting(self):
        for count in range(1, 70):
            self.assertEqual(tree.root(hashes(count)), by_definition(hashes(count)), count)

    def test_the_subtrees_outside_and_the_range_are_the_whole(self):
        for size in range(1, 18):
            for first in range(size):
                for end in range(first + 1, size + 1):
                    left, right = tree.outside(first, end, size)
                    covered = [each for low, high in left + [(first, end)] + right for each in range(low, high)]
                    self.assertEqual(covered, list(range(size)))


class Ranges(unittest.TestCase):
    def known(self, first, end, size):
        all_of, (left, right) = hashes(size), tree.outside(first, end, size)
        subtrees = {(low, high): by_definition(all_of[low:high]) for low, high in left + right}
        return tree.Known(first, all_of[first:end], subtrees)

    def test_any_range_gives_the_root_and_every_older_one_within_it(self):
        for size in range(1, 18):
            for first in range(size):
                for end in range(first + 1, size + 1):
                    known = self.known(first, end, size)
                    for older in (*range(first, end + 1), size):
                        self.assertEqual(known.root(older), tree.root(hashes(older)), (first, end, size, older))

    def test_what_does_not_follow_is_not_guessed(self):
        with self.assertRaises(tree.Unknown):
            self.known(4, 6, 8).root(3)
        with self.assertRaises(tree.Unknown):
            self.known(0, 2, 8).root(3)

    def test_another_hash_gives_another_root(self):
        known = self.known(3, 9, 13)
        known.hashes[2] = bytes(32)
        self.assertNotEqual(known.root(13), tree.root(hashes(13)))


if __name__ == "__main__":
    unittest.main()
