#!/usr/bin/env python3
"""The judges of revoke.py under test: `python3 tests/faults/test_revoke.py`. Small histories, each with its verdict."""

import unittest
from types import SimpleNamespace

import revoke
from fleet import Fleet


def token(kid, begin, end):
    return SimpleNamespace(kid=kid, begin=begin, end=end)


def at(begin, end, kid="a"):
    return SimpleNamespace(kid=kid, begin=begin, end=end)


class Tokens(unittest.TestCase):
    def test_a_request_from_before_the_answer_may_still_bring_one(self):
        tokens = [token("a", 1.0, 1.1), token("a", 4.9, 5.2), token("b", 5.3, 5.4)]
        self.assertEqual(revoke.late(tokens, at(4.8, 5.0)), [])
        self.assertEqual(revoke.crossing(tokens, at(4.8, 5.0)), [tokens[1]])

    def test_a_later_request_may_not(self):
        tokens = [token("a", 5.01, 5.2), token("b", 5.01, 5.2)]
        self.assertEqual(revoke.late(tokens, at(4.8, 5.0)), [tokens[0]])
        self.assertEqual(revoke.crossing(tokens, at(4.8, 5.0)), [])

    def test_the_longest_gap_counts_both_ends(self):
        self.assertAlmostEqual(revoke.longest_gap([1.0, 1.5, 1.6], 0.9, 2.0), 0.5)
        self.assertAlmostEqual(revoke.longest_gap([1.0], 0.9, 2.0), 1.0)
        self.assertAlmostEqual(revoke.longest_gap([0.1, 3.0], 1.0, 2.0), 1.0)


class Refused(unittest.TestCase):
    def test_only_what_was_under_way_is_within(self):
        under_way, before, after = (4.7, 5.1, 503), (4.0, 4.5, 503), (5.1, 5.2, 503)
        within, outside = revoke.refused([under_way, before, after, (6.0, 6.1, 200)], [at(4.8, 5.0)])
        self.assertEqual((within, outside), ([under_way], [before, after]))

    def test_any_revocation_will_do(self):
        within, outside = revoke.refused([(7.0, 7.1, 503)], [at(4.8, 5.0), at(7.05, 7.2)])
        self.assertEqual((len(within), outside), (1, []))


class Counted(unittest.TestCase):
    def test_a_token_that_expires_meanwhile_may_be_counted_or_not(self):
        self.assertEqual(revoke.counted([10, 11, 12], [10, 11, 12], 10.2, 10.9), (2, 2))
        self.assertEqual(revoke.counted([10, 11, 12], [10, 11, 12], 10.2, 11.1), (1, 2))

    def test_the_second_of_its_expiry_is_over(self):
        self.assertEqual(revoke.counted([10], [10], 10.0, 10.0), (0, 0))

    def test_what_nobody_received_may_be_counted_or_not(self):
        self.assertEqual(revoke.counted([11, 12], [11, 12, 12], 10.2, 10.9), (2, 3))


class Believed(unittest.TestCase):
    def test_each_verifier_for_itself(self):
        probes = {"revoked-0": 0.1, "revoked-1": 2.0, "revoked-2": 6.5}
        refusals = {(name, "jose", "0") for name in probes} | {("revoked-2", "jose", "5")}
        self.assertEqual(revoke.last_accepted(probes, refusals, [("jose", "0"), ("jose", "5")]), {("jose", "5"): 2.0})

    def test_one_that_believes_again_is_told(self):
        probes = {"revoked-0": 1.0, "revoked-1": 7.0}
        self.assertEqual(revoke.last_accepted(probes, {("revoked-0", "jose", "0")}, [("jose", "0")]), {("jose", "0"): 7.0})


class Excused(unittest.TestCase):
    def rejected(self, *said):
        node = Fleet.__new__(Fleet)
        node.revoked = {"gone-kid": 5.0}
        node.verifiers = [SimpleNamespace(name="jose", refused=[{"rejected": name, "read_at": when} for name, when in said])]
        return [each["rejected"] for each in node.rejected()]

    def test_a_refusal_is_right_once_the_key_is_revoked(self):
        self.assertEqual(self.rejected(("dying-7-gone-kid", 5.1)), [])
        self.assertEqual(self.rejected(("new-7-gone-kid", 4.9)), ["new-7-gone-kid"])

    def test_no_other_key_is_excused(self):
        self.assertEqual(self.rejected(("new-1-other", 9.0), ("revoked-3", 9.0), ("forged-kid", 9.0)), ["new-1-other"])


if __name__ == "__main__":
    unittest.main()
