#!/usr/bin/env python3
"""Tests of leaf and body: one spelling, the members of the event, the commitment."""

import string
import unittest

import logs
from handmade import SALT, Handmade
from mintmark_audit import export
from mintmark_audit.leaf import read_leaf, seconds

ENTRY = Handmade().issue().entries[-1]
LEAF = ENTRY["leaf"]
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def rest(**members):
    """A line of an export behind its index."""
    line = logs.line_of(ENTRY | members)
    return line[:-1].partition(b",")[2]


class Leaves(unittest.TestCase):
    def test_a_leaf_is_read(self):
        leaf = read_leaf(LEAF)
        self.assertEqual((leaf.event, leaf.node, leaf.sequence, leaf.expires - leaf.issued),
                         ("token.issued", "node-0", 3, 600))
        self.assertEqual(leaf.chain, logs.chained(LEAF))

    def test_another_spelling_is_refused(self):
        for bad in (
            LEAF + "\n", " " + LEAF, LEAF.replace(":1,", ": 1,", 1), LEAF.replace('"v":1', '"v":1.0'),
            LEAF.replace('"v":1', '"v":2'), LEAF.replace('"v":1', '"v":true'), LEAF.replace('"s":3', '"s":03'),
            LEAF.replace('"s":3', '"s":"3"'), LEAF.replace('"s":3', '"s":-3'), LEAF.replace('"s":3', f'"s":{2**64}'),
            LEAF.replace('"s":3', '"s":3,"s":3'), LEAF.replace("token.issued", "token.minted"),
            LEAF.replace("token", "\\u0074oken"), LEAF.replace('"n":"node-0",', ""), LEAF.replace("}", ',"sub":"me"}'),
            LEAF.replace('"bc"', '"cb"'), "", "[]", "null", "[" * 100_000, '{"v":NaN}', '{"v":1,"n":"\\ud800"}',
        ):
            with self.assertRaises(ValueError, msg=bad[:80]):
                read_leaf(bad)

    def test_base64_has_one_spelling(self):
        # The last of 43 characters bears two bits that are of no byte.
        commitment = LEAF[-45:-2]
        last = ALPHABET.index(commitment[-1])
        for other in range(last + 1, last + 4):
            with self.assertRaises(ValueError, msg=other):
                read_leaf(LEAF.replace(commitment, commitment[:-1] + ALPHABET[other]))

    def test_an_event_has_its_members_and_no_others(self):
        hash_of = logs.encode(bytes(32))
        for event, members, good in (
            ("key.removed", {"kid": hash_of}, True), ("key.removed", {}, False), ("node.alive", {}, True),
            ("node.alive", {"kid": hash_of}, False), ("token.revoked", {"lk": hash_of, "exp": 1}, True),
            ("token.revoked", {}, True), ("token.revoked", {"lk": hash_of}, False), ("token.revoked", {"exp": 1}, False),
            ("token.revoked", {"exp": 1, "lk": hash_of}, False), ("token.unrecorded", {"kid": hash_of}, False),
            ("token.unrecorded", {"kid": hash_of, "th": hash_of}, True), ("token.denied", {}, True),
        ):
            leaf = Handmade().add(event, **members).entries[-1]["leaf"]
            if good:
                self.assertEqual(read_leaf(leaf).event, event)
            else:
                with self.assertRaises(ValueError, msg=leaf):
                    read_leaf(leaf)

    def test_a_token_ends_after_it_begins(self):
        with self.assertRaises(ValueError):
            read_leaf(Handmade().issue(lasts=0).entries[-1]["leaf"])

    def test_a_time_is_one(self):
        self.assertEqual(seconds("1970-01-01T00:00:01.500000Z"), 1.5)
        for bad in ("2026-11-21T22:58:01Z", "2026-11-21T22:58:01.123456+00:00", "2026-11-21 22:58:01.123456Z",
                    "2026-02-30T22:58:01.123456Z", "2026-11-21T24:00:00.000000Z", "2026-11-21T22:58:60.000000Z",
                    "1969-12-31T23:59:59.999999Z", "2026-11-21T22:58:01.12345٦Z", 7, None):
            with self.assertRaises(ValueError, msg=bad):
                seconds(bad)


class Entries(unittest.TestCase):
    def test_a_body_is_the_one_that_the_leaf_commits_to(self):
        self.assertIsNone(export.read_rest(rest()).wrong)
        for bad in ({"body": "{}"}, {"body": None}, {"salt": None}, {"salt": logs.encode(bytes(32))},
                    {"salt": SALT[:-1]}, {"salt": SALT + "="}, {"body": 1}, {"leaf": None}):
            self.assertIsNotNone(export.read_rest(rest(**bad)).wrong, bad)

    def test_an_erased_body_is_in_order(self):
        entry = export.read_rest(rest(body=None, salt=None))
        self.assertEqual((entry.wrong, entry.erased), (None, True))

    def test_a_record_without_a_body_has_none(self):
        entry = Handmade().add("node.alive").entries[-1]
        self.assertEqual(export.read_rest(logs.line_of(entry)[:-1].partition(b",")[2]), export.Entry(
            read_leaf(entry["leaf"])))
        line = logs.line_of(entry | {"body": "{}", "salt": SALT})[:-1]
        self.assertIsNotNone(export.read_rest(line.partition(b",")[2]).wrong)

    def test_a_body_is_one_line_of_json(self):
        for bad in ("x", "[]", '{"a":1', '{"a":"\u2028"}', '{"a":1}\n', "{}\x7f", '{"a":NaN}'):
            entry = Handmade().add("client.created", body=bad).entries[-1]
            self.assertIsNotNone(export.read_rest(logs.line_of(entry)[:-1].partition(b",")[2]).wrong, bad)

    def test_another_spelling_of_a_line_is_refused(self):
        for old, new in ((b'"leaf":', b'"leaf": '), (b"null", b"null "), (b"jti", b"\\u006ati"), (b'}"', b'}"\r')):
            line = rest().replace(old, new, 1)
            if line != rest():
                self.assertIsNotNone(export.read_rest(line).wrong, line)


if __name__ == "__main__":
    unittest.main()
