#!/usr/bin/env python3
"""The judges of stalls.py, disconnects.py and disk.py under test: `python3 tests/faults/test_stalls.py`."""

import unittest

import disconnects
import disk
import stalls
from stalls import Answer

LOCKED = {"statuses": {"200": 1, "503": 9}, "median_seconds": 2.0, "slowest_seconds": 2.1, "readyz_at_its_end": 503,
          "readyz_afterwards": 200, "seconds_to_a_token": 0.1, "tokens_while_locked": 0, "after": {"statuses": {"200": 5}}}
HALF = {"statuses": {"200": 9}, "median_seconds": 1.0, "slowest_seconds": 1.6}
SLOW = {"first_half": HALF, "second_half": HALF, "after": {"statuses": {"200": 5}, "median_seconds": 0.01}}
FULL = {"seconds_to_503": 0.1, "statuses": {"200": 1, "503": 9}, "slowest_seconds": 2.0, "process_alive": True,
        "seconds_to_unready": 0.1, "jwks_failures": 0, "livez_failures": 0, "tokens_while_full": 0, "seconds_to_200": 0.5,
        "seconds_to_ready": 0.1}
GONE = {"sent": True, "baseline": {"descriptors": 20, "resident_mib": 50}, "after": {"descriptors": 22, "resident_mib": 60},
        "good": {"answers": {"200": 9}}, "wrong_secrets": [401, 401, 401], "rsa_tokens": 128}
STORM = {"alive": True, "during": {"descriptors": 250}, "cores_while_held": 0.01, "seconds_to_jwks_while_held": 2.0,
         "seconds_to_ready_afterwards": 0.5, "tokens_afterwards": 20, "baseline": {"descriptors": 20}, "after": {"descriptors": 20}}


class Verdicts(unittest.TestCase):
    def failing(self, found):
        return sum(not held for held in found.values())

    def test_a_locked_store(self):
        self.assertEqual(self.failing(stalls.lock_verdicts("x", LOCKED)), 0)
        for worse in ({"tokens_while_locked": 1}, {"statuses": {"200": 4}}, {"statuses": {"503": 1, "0": 1}},
                      {"slowest_seconds": 2.6}, {"readyz_at_its_end": 200}, {"readyz_afterwards": 503},
                      {"seconds_to_a_token": None}, {"seconds_to_a_token": 2.1}, {"after": {"statuses": {"200": 5, "503": 1}}}):
            self.assertEqual(self.failing(stalls.lock_verdicts("x", LOCKED | worse)), 1, worse)

    def test_slow_syncs(self):
        self.assertEqual(self.failing(stalls.slow_verdicts(SLOW)), 0)
        for worse in ({"statuses": {"503": 9}}, {"statuses": {"200": 9, "500": 1}}, {"slowest_seconds": 2.6}, {"median_seconds": 1.6}):
            self.assertEqual(self.failing(stalls.slow_verdicts(SLOW | {"second_half": HALF | worse})), 1, worse)
        for worse in ({"statuses": {"200": 5, "503": 1}}, {"median_seconds": 0.3}):
            self.assertEqual(self.failing(stalls.slow_verdicts(SLOW | {"after": SLOW["after"] | worse})), 1, worse)

    def test_a_full_disk(self):
        self.assertEqual(self.failing(disk.verdicts("x", FULL, 5)), 0)
        for worse in ({"seconds_to_503": None}, {"statuses": {"500": 1}}, {"slowest_seconds": 3}, {"process_alive": False},
                      {"seconds_to_unready": None}, {"jwks_failures": 1}, {"livez_failures": 1}, {"tokens_while_full": 1},
                      {"seconds_to_200": None}, {"seconds_to_200": 5.1}, {"seconds_to_ready": None},
                      {"seconds_to_ready": 5.1}):
            self.assertEqual(self.failing(disk.verdicts("x", FULL | worse, 5)), 1, worse)

    def test_clients_that_go_away(self):
        self.assertEqual(self.failing(disconnects.verdicts(GONE, STORM)), 0)
        for worse in ({"sent": False}, {"after": {"descriptors": 23, "resident_mib": 60}}, {"rsa_tokens": 127},
                      {"after": {"descriptors": 22, "resident_mib": 67}}, {"wrong_secrets": [401, 503, 401]},
                      {"good": {"answers": {"200": 9, "503": 1}}}):
            self.assertEqual(self.failing(disconnects.verdicts(GONE | worse, STORM)), 1, worse)
        for worse in ({"alive": False}, {"during": {"descriptors": 257}}, {"cores_while_held": 0.9}, {"tokens_afterwards": 19},
                      {"seconds_to_jwks_while_held": None}, {"seconds_to_ready_afterwards": None}, {"after": {"descriptors": 23}}):
            self.assertEqual(self.failing(disconnects.verdicts(GONE, STORM | worse)), 1, worse)


class Figures(unittest.TestCase):
    def test_a_summary(self):
        answers = [Answer(0.0, 0.5, 200), Answer(1.0, 1.1, 503), Answer(2.0, 2.3, 200)]
        self.assertEqual(stalls.summary(answers),
                         {"statuses": {"200": 2, "503": 1}, "median_seconds": 0.3, "slowest_seconds": 0.5})
        self.assertEqual(stalls.summary([])["statuses"], {})

    def test_the_first_token_after_a_moment(self):
        answers = [Answer(0.0, 0.5, 200), Answer(1.0, 1.2, 503), Answer(1.0, 2.25, 200)]
        self.assertEqual(stalls.first_token(answers, 1.0), 1.25)
        self.assertIsNone(stalls.first_token(answers, 3.0))


if __name__ == "__main__":
    unittest.main()
