#!/usr/bin/env python3
"""Tests of the full walk, over a small log that a file server serves, as it is and with one byte flipped."""

import functools
import http.server
import tempfile
import threading
import unittest
from pathlib import Path

from handmade import VKEY, Handmade
from mintmark_audit import tree
from mintmark_audit.served import path_of, pieces, verify_served

LOG = Handmade().tokens(517)
SIZE = len(LOG.entries)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def write(folder):
    """The log's files as C2SP tlog-tiles lays them out."""
    (folder / "checkpoint").write_text(LOG.checkpoint(), encoding="utf-8")
    hashes = LOG.hashes()
    above = [tree.root(hashes[:256]), tree.root(hashes[256:512])]
    leaves = [entry["leaf"].encode() for entry in LOG.entries]
    for name, items in (("0", hashes), ("1", above),
                        ("entries", [len(leaf).to_bytes(2, "big") + leaf for leaf in leaves])):
        for path, first, end in pieces(len(items)):
            file = folder / "tile" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"".join(items[first:end]))


class Served(unittest.TestCase):
    def setUp(self):
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        self.folder = Path(held.name)
        write(self.folder)
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Quiet, directory=str(self.folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.address = f"http://127.0.0.1:{server.server_address[1]}/"

    def walk(self, older=None):
        return verify_served(self.address, VKEY, older)

    def flip(self, path, at):
        raw = bytearray((self.folder / path).read_bytes())
        raw[at] ^= 1
        (self.folder / path).write_bytes(raw)

    def test_a_sound_log_is_found_sound(self):
        verdict = self.walk(LOG.checkpoint(300))
        self.assertEqual((verdict.ok, verdict.entries, verdict.reason), (True, SIZE, None))

    def test_every_kind_of_file_counts(self):
        for path, at in (("checkpoint", 30), ("tile/entries/001", 900), ("tile/entries/002.p/8", 20),
                         ("tile/0/000", 5), ("tile/0/002.p/8", 40), ("tile/1/000.p/2", 33)):
            self.flip(path, at)
            self.assertFalse(self.walk().ok, path)
            self.flip(path, at)
        self.assertTrue(self.walk().ok)

    def test_what_is_not_served_is_not_sound(self):
        for path in ("tile/0/001", "tile/1/000.p/2", "tile/entries/000", "checkpoint"):
            raw = (self.folder / path).read_bytes()
            (self.folder / path).unlink()
            self.assertFalse(self.walk().ok, path)
            (self.folder / path).write_bytes(raw)

    def test_a_bundle_has_its_entries_and_no_more(self):
        file = self.folder / "tile/entries/002.p/8"
        raw = file.read_bytes()
        for bad in (raw + b"\0\0", raw[:-1], raw + b"x", b""):
            file.write_bytes(bad)
            self.assertFalse(self.walk().ok)

    def test_a_changed_leaf_is_named(self):
        at = (self.folder / "tile/entries/001").read_bytes().index(b'"th":"') + 8
        self.flip("tile/entries/001", at)
        self.assertEqual(self.walk().first_bad_index, 256)

    def test_a_longer_history_is_asked_for(self):
        self.assertIn("rolled back", self.walk(Handmade().tokens(518).checkpoint()).reason)


class Paths(unittest.TestCase):
    def test_a_path_has_groups_of_three(self):
        self.assertEqual([path_of(index) for index in (0, 67, 1000, 1_234_067)],
                         ["000", "067", "x001/000", "x001/x234/067"])


if __name__ == "__main__":
    unittest.main()
