#!/usr/bin/env python3
"""What failpoints.py knows of its failpoints, under test: `python3 tests/faults/test_failpoints.py`."""

import re
import unittest

import failpoints
import kill_loop
import noise
import report


class Told:
    """A server that tells of these clients and keys."""

    def __init__(self, clients, keys):
        self.told = {"client": clients, "key": keys}

    def admin(self, what, *_):
        return {"items": self.told[what]}


class Points(unittest.TestCase):
    def test_every_failpoint_of_the_program_is_here_and_no_other(self):
        found = {}
        for file in (report.ROOT / "src").rglob("*.rs"):
            for name, comma in re.findall(r'failpoint!\("([^"]+)"(,?)', file.read_text(encoding="utf-8")):
                found[name] = bool(comma)
        # The page that explains them shows one.
        self.assertEqual({point.name: point.fails for point in failpoints.POINTS}, found)

    def test_what_arms_one(self):
        point = failpoints.Point("db.begin", 60)
        self.assertEqual(failpoints.armed(point, 7, "return(kill)"), {"FAILPOINTS": "db.begin=7*off->return(kill)"})


class Judges(unittest.TestCase):
    def test_statuses_of_a_living_process(self):
        self.assertEqual(failpoints.unfit({"200": 9, "503": 1, "500": 1, "no answer": 3}), [])
        self.assertEqual(failpoints.unfit({"200": 9, "502": 1}), ["an answer 502"])

    def test_a_failpoint_that_was_not_reached_is_a_failure(self):
        fine = {"kills": 2, "ready_max": 0.1, "wrong_active_keys": [], "broken": []}
        alive = {"missing": {}, "broken": []}
        args = type("Args", (), {"times": 2, "ready": 1.0})
        self.assertTrue(all(failpoints.verdicts(args, {"a": fine}, alive, alive).values()))
        for worse in ({"kills": 1}, {"ready_max": 1.1}, {"wrong_active_keys": [{}]}, {"broken": ["x"]}):
            found = failpoints.verdicts(args, {"a": fine, "b": fine | worse}, alive, alive)
            self.assertEqual(list(found.values()).count(False), 1, worse)
        for worse in ({"missing": {"a": ["x"]}}, {"broken": ["x"]}):
            found = failpoints.verdicts(args, {"a": fine}, alive | worse, alive)
            self.assertEqual(list(found.values()).count(False), 1, worse)

    def test_what_was_acknowledged_and_is_gone(self):
        server = Told([{"client_id": "a", "disabled": False}, {"client_id": "b", "disabled": True}],
                      [{"kid": "k", "state": "active"}, {"kid": "l", "state": "revoked"}])
        heard = noise.Noise(server, "secret", None)
        heard.registered, heard.disabled, heard.revoked = ["a", "b"], ["b"], ["l"]
        self.assertEqual(heard.lost(), [])
        heard.registered, heard.disabled, heard.revoked = ["a", "b", "c"], ["a"], ["k", "l"]
        self.assertEqual(heard.lost(), ["c", "a", "k"])

    def test_one_active_key_for_each_algorithm(self):
        keys = [{"alg": "ES256", "state": "active"}, {"alg": "ES256", "state": "passive"},
                {"alg": "EdDSA", "state": "published"}]
        self.assertEqual(noise.active_keys(Told([], keys)), {"ES256": 1, "EdDSA": 0})

    def test_percentiles(self):
        self.assertEqual(kill_loop.percentile([3, 1, 2], 50), 2)
        self.assertEqual(kill_loop.percentile(list(range(1, 101)), 99), 99)
        self.assertEqual(kill_loop.percentile([5], 99), 5)


if __name__ == "__main__":
    unittest.main()
