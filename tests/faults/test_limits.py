#!/usr/bin/env python3
"""The judge of limits.py under test: `python3 tests/faults/test_limits.py`."""

import unittest

import limits


def at(*times, width=0.0):
    """Permits that were sent at these times and answered `width` later."""
    return [(time, time + width) for time in times]


class Windows(unittest.TestCase):
    def test_a_burst_and_what_grows_back_is_allowed(self):
        violations, fullest = limits.windows(at(0, 0, 0, 1, 2, 3), 1.0, 3)
        self.assertEqual((violations, fullest), (0, 1.0))

    def test_one_too_many_is_seen_wherever_it_is(self):
        for taken in (at(0, 0, 0, 0), at(0, 0, 0, 0.5), at(0, 5, 5, 5, 5), at(0, 0, 0, 1, 1.9, 2.5)):
            self.assertGreater(limits.windows(taken, 1.0, 3)[0], 0, taken)

    def test_what_may_have_lain_apart_is_not_held_against_the_server(self):
        self.assertEqual(limits.windows(at(0, 0, 0, 0, width=1.0), 1.0, 3)[0], 0)
        self.assertGreater(limits.windows(at(0, 0, 0, 0, 0, width=1.0), 1.0, 3)[0], 0)

    def test_the_order_of_answers_does_not_matter(self):
        taken = [(0.0, 9.0), (1.0, 1.1), (1.0, 1.1), (1.0, 1.1), (1.0, 1.1)]
        self.assertGreater(limits.windows(taken, 1.0, 3)[0], 0)

    def test_only_those_that_were_charged_count(self):
        answers = [(0, 1, "a b", 200, None, None), (0, 1, "a", 429, "1", None), (0, 1, "ab", 200, None, None)]
        self.assertEqual(limits.permits(answers, "a"), [(0, 1)])

    def test_what_is_left_is_read_from_the_header(self):
        answer = (0, 1, "a b", 200, None, '"a";r=3;t=7, "b";r=0;t=60')
        self.assertEqual((limits.left(answer, "a"), limits.left(answer, "b"), limits.left(answer, "c")), (3, 0, None))


if __name__ == "__main__":
    unittest.main()
