#!/usr/bin/env python3
"""The judge of overlaps.py under test: `python3 tests/faults/test_overlaps.py`."""

import unittest

import overlaps

# (begin, end, status); the secret ended between 10.0 and 10.1.
OLD = [(8.0, 8.1, 200), (9.9, 10.05, 200), (10.2, 10.3, 401), (11.2, 11.3, 401)]
NEW = [(9.0, 9.1, 200), (11.0, 11.1, 200)]


class Verdicts(unittest.TestCase):
    def failing(self, old, new=NEW):
        return sum(not held for held in overlaps.verdicts("x", overlaps.judged(old, new, 10.0, 10.1)).values())

    def test_an_overlap_that_ends_in_time(self):
        self.assertEqual(self.failing(OLD), 0)
        # What was under way at the end may have either answer.
        self.assertEqual(self.failing([*OLD, (9.9, 10.05, 401)]), 0)

    def test_a_secret_that_ends_too_early_or_too_late(self):
        self.assertEqual(self.failing([*OLD, (9.5, 9.6, 401)]), 1)
        self.assertEqual(self.failing([*OLD, (9.5, 9.6, 503)]), 1)
        self.assertEqual(self.failing([*OLD, (11.3, 11.4, 200)]), 1)
        self.assertEqual(self.failing([OLD[0], (11.2, 11.3, 401)]), 1)
        self.assertEqual(self.failing([OLD[0], (11.2, 11.3, 200)]), 2)

    def test_a_successor_that_fails(self):
        self.assertEqual(self.failing(OLD, [*NEW, (9.0, 9.1, 401)]), 1)
        self.assertEqual(self.failing(OLD, []), 1)


if __name__ == "__main__":
    unittest.main()
