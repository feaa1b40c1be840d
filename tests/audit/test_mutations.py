#!/usr/bin/env python3
"""Tests of the campaign itself: its forgeries differ where they say, and a verifier that sleeps fails it."""

import argparse
import random
import stat
import tempfile
import unittest
from pathlib import Path

import forge
import make_log
import mutations
from handmade import VKEY, Handmade

TEXT = b"mintmark.example/log+104c00e3+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs\n"


def made_of(log):
    """A hand-made log as the campaign takes it from a server."""
    size = len(log.entries)
    kept = [log.checkpoint(part).encode() for part in (size // 3, size // 2, size)]
    return make_log.Made(b"".join(log.lines()), b"".join(log.lines(size // 4, size // 2)), TEXT, kept)


MADE, FOREIGN = made_of(Handmade(2).tokens(60, 2)), made_of(Handmade(3).tokens(40, 3))


def campaign(folder, says):
    """A campaign against a program that says the same of every file."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\ncat <<'E'\n{says}\nE\n", encoding="ascii")
    program.chmod(stat.S_IRWXU)
    return mutations.Campaign(argparse.Namespace(seed=1, binary=str(program)), MADE, FOREIGN, folder)


class Campaigns(unittest.TestCase):
    def setUp(self):
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        self.folder = Path(held.name)

    def results(self, says):
        made = campaign(self.folder, says)
        return [result for result in map(made.judge, range(40)) if not result.get("skipped")]

    def test_a_program_that_accepts_everything_is_found_out(self):
        results = self.results('{"ok":true,"first_bad_index":null,"reason":null}')
        self.assertFalse(any(result["good"] for result in results))
        figures = mutations.count(results)
        self.assertEqual((figures["detected_by_product"], figures["detected_by_python"]), (0, len(results)))
        self.assertEqual(figures["disagreements"], len(results))

    def test_a_program_that_names_one_index_for_all_is_found_out(self):
        # Its exit code says the contrary, which is no verdict either.
        results = self.results('{"ok":false,"first_bad_index":3,"reason":"x"}')
        self.assertFalse(any(result["good"] for result in results))


class Forgeries(unittest.TestCase):
    def setUp(self):
        self.scene = mutations.scenes_of(MADE, FOREIGN)[0]

    def test_each_kind_changes_something_and_again_the_same(self):
        for kind in forge.KINDS:
            changed = 0
            for number in range(10):
                one, again = (kind(random.Random(number), self.scene) for _ in range(2))
                self.assertEqual(one, again, kind)
                changed += one is not None and (
                    one.export != self.scene.log.export or one.vkey is not None or one.anchor is not None)
            self.assertGreaterEqual(changed, 5, kind)

    def test_the_first_difference_is_found_by_lines(self):
        log = self.scene.log
        for export, index in (
            (log.export[:-1], log.size - 1), (log.export + b"\n", log.size), (b"x" + log.export, None),
            (log.export.replace(b'"index":7,', b'"index":8,'), 7), (b"".join(log.lines[:6]), 5),
        ):
            self.assertEqual(forge.differs_at(log, export), index)

    def test_chains_are_written_anew_so_that_only_the_root_tells(self):
        log = self.scene.log
        lines = log.lines[1:]
        del lines[20]
        made = log.renumbered(log.chain_anew(lines, 20, log.leaves[20]["e"]))
        said = mutations.verifiers.python(log.with_lines(made), TEXT)
        self.assertEqual((said.ok, said.index), (False, log.size - 1))
        self.assertEqual(VKEY.name, log.header["origin"])


if __name__ == "__main__":
    unittest.main()
