#!/usr/bin/env python3
"""The judge of load/timing under test: `python3 tests/faults/test_timing.py`."""

import importlib.machinery
import importlib.util
import random
import unittest
from pathlib import Path

PATH = str(Path(__file__).resolve().parents[2] / "load/timing")
LOADER = importlib.machinery.SourceFileLoader("timing", PATH)
timing = importlib.util.module_from_spec(importlib.util.spec_from_loader("timing", LOADER))
LOADER.exec_module(timing)


def times(count, middle, seed):
    """Times as a network gives them: a narrow hill, and some that are very late."""
    chance = random.Random(seed)
    return [chance.gauss(middle, middle / 50) + (chance.expovariate(1 / middle) * 20 if chance.random() < 0.05 else 0)
            for _ in range(count)]


class Comparison(unittest.TestCase):
    def test_times_of_one_kind_are_alike(self):
        found = timing.compared(times(3000, 1e6, 1), times(3000, 1e6, 2))
        self.assertLess(found["greatest_t"], 4.5)
        self.assertLess(found["median_difference_percent"], 1)

    def test_half_a_percent_is_seen_under_noise_that_hides_it_from_the_mean(self):
        found = timing.compared(times(3000, 1e6, 1), times(3000, 1.005e6, 2))
        self.assertLess(abs(found["t_of_all"]), 4.5)
        self.assertGreater(found["greatest_t"], 4.5)

    def test_a_secret_has_its_form(self):
        self.assertRegex(timing.wrong_secret(), r"\Amms_[A-Za-z0-9_-]{49}\Z")


if __name__ == "__main__":
    unittest.main()
