#!/usr/bin/env python3
"""Tests of the whole verdict: hand-made logs, sound and not, and which index is named."""

import json
import unittest

import logs
from handmade import KEY, NEXT, VKEY, Handmade, changed
from mintmark_audit.verify import verify_export


def verdict_of(lines, older=None):
    return verify_export(b"".join(lines), VKEY, older)


class Logs(unittest.TestCase):
    def sound(self, lines, older=None, not_checked=()):
        verdict = verdict_of(lines, older)
        self.assertEqual((verdict.ok, verdict.reason, verdict.not_checked), (True, None, list(not_checked)))

    def bad(self, lines, index, older=None):
        verdict = verdict_of(lines, older)
        self.assertEqual((verdict.ok, verdict.first_bad_index), (False, index), verdict.reason)
        return verdict.reason


class Files(Logs):
    def setUp(self):
        self.lines = Handmade(2).tokens(10, 2).lines()

    def test_a_sound_log_is_found_sound(self):
        verdict = verdict_of(self.lines)
        self.assertEqual((verdict.ok, verdict.size, verdict.entries), (True, 14, 14))

    def test_a_file_has_one_spelling(self):
        whole = b"".join(self.lines)
        self.bad([whole[:-1]], 13)
        self.bad([whole, b"\n"], 14)
        self.bad([whole.replace(b'"index":4,', b'"index":4, ')], 4)
        self.bad([whole.replace(b'"index":4,', b'"index":04,')], 4)
        self.bad([whole.replace(b"mintmark.example/log", b"mintmark.example\\/log", 1)], None)
        self.bad([b"\n", whole], None)
        self.bad([], None)
        self.bad([self.lines[0][:-1]], None)

    def test_a_header_is_exact(self):
        header = json.loads(self.lines[0])
        for change in ({"format": "mintmark-export/v2"}, {"origin": "other"}, {"first": 1}, {"end": 13}, {"end": 15},
                       {"end": 0}, {"first": -1}, {"first": False}, {"left": [logs.encode(bytes(32))]}, {"right": "x"},
                       {"right": [logs.encode(bytes(31))]}, {"checkpoint": 1}, {"more": 1}, {"checkpoint": ""}):
            self.bad([logs.line_of(header | change), *self.lines[1:]], None)
        self.bad([logs.line_of(dict(reversed(header.items()))), *self.lines[1:]], None)

    def test_lines_that_are_lost_doubled_or_strange_are_named(self):
        self.bad(self.lines[:5] + self.lines[6:], 4)
        self.bad(self.lines[:6] + self.lines[5:], 5)
        self.bad(self.lines[:9], 8)
        self.bad(self.lines[:4] + [b"{}\n"] + self.lines[4:], 3)
        self.bad(self.lines + [self.lines[-1]], 14)
        self.bad(self.lines[:4] + [self.lines[5], self.lines[4]] + self.lines[6:], 3)


class Chains(Logs):
    def setUp(self):
        self.log = Handmade().tokens(10)
        self.lines = self.log.lines()

    def with_record(self, place, line):
        return self.lines[:1 + place] + [line] + self.lines[2 + place:]

    def renumbered(self, lines):
        return [lines[0], *(b'{"index":%d,' % place + line.partition(b",")[2] for place, line in enumerate(lines[1:]))]

    def test_a_changed_leaf_is_named_by_the_record_that_follows_it(self):
        for place in range(3, 13):
            line = changed(self.lines[1 + place], th=logs.encode(bytes(32)))
            self.bad(self.with_record(place, line), place)

    def test_a_changed_chain_value_is_of_the_leaf_that_bears_it(self):
        for place in range(3, 12):
            line = changed(self.lines[1 + place], p=logs.encode(bytes(32)))
            self.bad(self.with_record(place, line), place)
        # Of the last two nobody knows; all before the earlier one is proven.
        self.bad(self.with_record(12, changed(self.lines[13], p=logs.encode(bytes(32)))), 11)

    def test_a_record_that_changed_its_place_is_named(self):
        for place in (3, 7, 12):
            for members in ({"n": "x"}, {"s": place + 1}, {"s": place - 1}, {"e": logs.encode(bytes([9]) * 16)}):
                self.bad(self.with_record(place, changed(self.lines[1 + place], **members)), place)

    def test_a_run_begins_with_nothing_before_it(self):
        self.bad(self.with_record(0, changed(self.lines[1], p=logs.encode(bytes([1]) * 32))), 0)

    def test_a_record_brought_in_is_named(self):
        for place in range(4, 12):
            for members in ({"th": logs.encode(bytes(32))}, {"p": logs.encode(bytes(32))}):
                forged = changed(self.lines[1 + place], **members)
                lines = self.lines[:1 + place] + [forged] + self.lines[1 + place:]
                self.bad(lines, place)
                self.bad(self.renumbered(lines), place)

    def test_a_record_doubled_or_missing_is_named_though_numbered_anew(self):
        self.bad(self.renumbered(self.lines[:7] + self.lines[6:]), 6)
        self.bad(self.renumbered(self.lines[:7] + self.lines[8:]), 6)

    def test_one_last_leaf_is_named_by_the_root_and_of_two_none(self):
        stopped = Handmade().tokens(3).add("node.stopped").lines()
        self.bad(stopped[:-1] + [changed(stopped[-1], ts="2026-11-21T23:00:00.000000Z")], 6)
        two = Handmade(2).tokens(4, 2).lines()
        self.bad(two[:-1] + [changed(two[-1], th=logs.encode(bytes(32)))], None)

    def test_a_gap_is_in_order_once_it_is_confirmed(self):
        log = Handmade(2).tokens(4, 2)
        sequence, chain = log.runs[1]
        log.runs[1] = sequence + 1, chain
        log.issue(1)
        self.bad(log.lines(), 8)
        log = Handmade(2).tokens(4, 2).add("audit.gap")
        log.runs[1] = sequence + 1, chain
        self.sound(log.issue(1).lines(), not_checked=["confirmed gaps in node chains: 1"])


class Keys(Logs):
    def test_a_token_needs_a_key_that_was_active(self):
        self.bad(Handmade().issue(kid=NEXT).lines(), 3)
        self.bad(Handmade().add("key.published", kid=NEXT).issue(kid=NEXT).lines(), 4)
        self.sound(Handmade().add("key.activated", kid=NEXT).issue(kid=NEXT).lines())

    def test_a_token_under_way_comes_up_to_a_minute_later(self):
        for event in ("key.passive", "key.removed"):
            self.sound(Handmade().add(event, kid=KEY).issue(late=60).lines())
            self.bad(Handmade().add(event, kid=KEY).issue(late=61).lines(), 4)

    def test_a_key_that_never_signed_comes_to_no_rest(self):
        for event in ("key.passive", "key.removed"):
            log = Handmade().add("key.staged", kid=NEXT).add(event, kid=NEXT).issue(kid=NEXT)
            self.bad(log.lines(), 5)

    def test_after_a_revocation_it_is_an_intent_and_the_key_stays_out(self):
        log = Handmade().add("key.revoked", kid=KEY)
        self.sound(log.issue().lines(), not_checked=[
            "tokens recorded after key.revoked, unsigned intents: 1, the first at index 4"])
        for event in ("key.staged", "key.imported", "key.published", "key.activated", "key.passive"):
            self.bad(Handmade().add("key.revoked", kid=KEY).add(event, kid=KEY).lines(), 4)
        self.sound(Handmade().add("key.revoked", kid=KEY).add("key.rewrapped", kid=KEY).lines())

    def test_a_log_opens_once_or_after_it_was_closed(self):
        self.bad(Handmade().tokens(2).add("log.opened").lines(), 5)
        self.bad(Handmade().tokens(2).add("log.closed").add("node.alive").lines(), 6)
        self.sound(Handmade().tokens(2).add("log.closed").add("log.opened").lines())


class Ranges(Logs):
    def setUp(self):
        self.log = Handmade(2).tokens(20, 2)

    def test_any_range_proves_itself(self):
        for first in range(0, 24, 3):
            for end in range(first + 1, 25, 4):
                self.assertTrue(verdict_of(self.log.lines(first, end)).ok, (first, end))

    def test_a_range_names_what_it_cannot_show(self):
        self.sound(self.log.lines(10, 15), self.log.checkpoint(9), [
            "consistency with the older checkpoint of size 9", "node chains that begin before the range: 2",
            "tokens whose key was activated before the range: 5"])

    def test_a_hash_outside_counts(self):
        lines = self.log.lines(10, 15)
        header = json.loads(lines[0])
        for side in ("left", "right"):
            other = header | {side: [*header[side][:-1], logs.encode(bytes(32))]}
            self.bad([logs.line_of(other), *lines[1:]], None)

    def test_an_older_checkpoint_holds_or_shows_another_history(self):
        for size in range(1, 25):
            self.sound(self.log.lines(), self.log.checkpoint(size))
        other = Handmade(3).tokens(19, 2)
        self.assertIn("older checkpoint", self.bad(self.log.lines(), None, other.checkpoint(15)))
        self.assertIn("older checkpoint", self.bad(self.log.lines(0, 5), None, other.checkpoint()))

    def test_a_rollback_is_seen_with_a_later_checkpoint_and_without_one_by_nobody(self):
        later = Handmade(2).tokens(21, 2)
        self.sound(self.log.lines())
        self.assertIn("rolled back", self.bad(self.log.lines(), None, later.checkpoint()))

    def test_an_older_checkpoint_that_is_none_is_refused(self):
        self.bad(self.log.lines(), None, "no note")
        self.bad(self.log.lines(), None, self.log.checkpoint(9).replace("9", "8", 1))

    def test_an_erased_body_is_told(self):
        lines = self.log.lines()
        entry = json.loads(lines[9])
        erased = logs.line_of(entry | {"body": None, "salt": None})
        self.sound(lines[:9] + [erased] + lines[10:], not_checked=["erased bodies: 1"])


if __name__ == "__main__":
    unittest.main()
