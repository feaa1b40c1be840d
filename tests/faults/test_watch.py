#!/usr/bin/env python3
"""The watches of rotations.py and clocks.py under test: `python3 tests/faults/test_watch.py`. Small answers, each with its verdict."""

import unittest

import watch


def looks(*answers):
    """A watch that got these answers: (begin, kids); each took a tenth of a second."""
    seen = watch.JwksWatch(server=None)
    for begin, kids in answers:
        keys = [{"kid": kid, "alg": "ES256"} for kid in kids]
        seen.note(begin, begin + 0.1, "public, max-age=5", keys)
    return seen


class Brackets(unittest.TestCase):
    def test_a_key_came_after_the_last_look_without_it(self):
        seen = looks((0.0, "a"), (1.0, "a"), (2.0, "ab"))
        self.assertEqual(seen.keys["b"].after, 1.0)
        self.assertEqual(watch.published_before(seen.keys, {"b": 9.5}), {"b": 8.5})

    def test_a_key_of_the_first_answer_counts_from_there(self):
        seen = looks((3.0, "a"), (4.0, "a"))
        self.assertEqual(watch.published_before(seen.keys, {"a": 11.0}), {"a": 8.0})

    def test_a_key_went_before_the_first_look_without_it(self):
        seen = looks((0.0, "ab"), (5.0, "ab"), (6.0, "b"), (7.0, "b"))
        self.assertEqual(seen.keys["a"].last_seen, 5.0)
        self.assertEqual(watch.rested(seen.keys, {"a": 1.0, "b": 1.0}), {"a": 5.1})

    def test_a_key_that_comes_back_is_told(self):
        self.assertEqual(looks((0.0, "a"), (1.0, "b"), (2.0, "ab")).came_back, {"a"})
        self.assertEqual(looks((0.0, "a"), (1.0, "ab"), (2.0, "b")).came_back, set())

    def test_the_most_keys_and_every_max_age_are_kept(self):
        seen = looks((0.0, "ab"), (1.0, "abcd"), (2.0, "b"))
        self.assertEqual(seen.most_keys, {"ES256": 4})
        seen.note(3.0, 3.1, "no-store", [])
        self.assertEqual(seen.max_ages, {5, None})


class Node:
    """A server whose `key list` has these states."""

    def __init__(self, *states):
        self.states = states

    def admin(self, *_, **__):
        items = [{"kid": str(number), "alg": "ES256", "state": state, "activated_at": None if state == "published" else 1}
                 for number, state in enumerate(self.states)]
        return {"items": items}


class SigningKeys(unittest.TestCase):
    def judged(self, *states, algorithms=("ES256",)):
        seen = watch.KeyListWatch(Node(*states), algorithms)
        seen.judge()
        return seen

    def test_one_signing_key_is_right(self):
        seen = self.judged("passive", "active", "published")
        self.assertEqual(seen.wrong, [])
        self.assertEqual(seen.activated, {"ES256": {"0", "1"}})
        self.assertEqual(set(seen.first_signing), {"1"})

    def test_none_and_two_are_wrong(self):
        self.assertEqual(self.judged("passive", "published").wrong, [{"ES256": 0}])
        self.assertEqual(self.judged("active", "active").wrong, [{"ES256": 2}])

    def test_an_algorithm_without_any_key_is_wrong(self):
        self.assertEqual(self.judged("active", algorithms=("ES256", "EdDSA")).wrong, [{"ES256": 1, "EdDSA": 0}])


if __name__ == "__main__":
    unittest.main()
