#!/usr/bin/env python3
"""The judge of stops.py under test: `python3 tests/faults/test_stops.py`."""

import unittest

import stops

LIFE = {"exit_code": 0, "seconds": 2.0, "seconds_to": {"unready": 0.01, "shut": 1.02},
        "statuses": {"kept: 200": 50, "slow: 200": 4}, "refused": 3, "lost": []}


class Verdicts(unittest.TestCase):
    def failing(self, **other):
        lives = [LIFE, LIFE | other]
        return sum(not held for held in stops.verdicts(lives, stops.summary(lives)).values())

    def test_a_stop_in_peace(self):
        self.assertEqual(self.failing(), 0)

    def test_a_door_that_is_shut_before_anybody_hears_of_it(self):
        self.assertEqual(self.failing(seconds_to={"unready": None, "shut": 0.01}), 1)
        self.assertEqual(self.failing(seconds_to={"unready": 1.1, "shut": 1.0}), 1)

    def test_a_request_that_is_lost_or_refused(self):
        self.assertEqual(self.failing(lost=[{"kind": "new", "error": "ConnectionResetError()", "at": 1.0}]), 1)
        self.assertEqual(self.failing(statuses={"kept: 503": 1, "slow: 200": 4}), 1)

    def test_an_end_that_is_late_or_a_failure(self):
        self.assertEqual(self.failing(seconds=10.5), 1)
        self.assertEqual(self.failing(exit_code=-9), 1)


if __name__ == "__main__":
    unittest.main()
