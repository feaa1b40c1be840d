"""The full walk of a public log: checkpoint, every entry bundle, every tile, as C2SP tlog-tiles serves them.

Each tile is compared with the hashes that follow from the entries: only a whole walk shows a whole
log sound. Bodies are not public, so their commitments cannot be checked here.
"""

import http.client
import urllib.error
import urllib.request

from . import tree
from .encoding import encode_url
from .faults import Faults, Wrong
from .leaf import read_leaf
from .note import open_checkpoint
from .verify import Log, Verdict, judge


WIDTH = 256


def path_of(index):
    """An index as a path: groups of three digits, all but the last with an `x`."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return "/".join(reversed(groups))


def pieces(count):
    """(path, first, end) of each whole tile of `count` items, and of the partial one at the end."""
    for first in range(0, count, WIDTH):
        end = min(first + WIDTH, count)
        partial = "" if end - first == WIDTH else f".p/{end - first}"
        yield path_of(first // WIDTH) + partial, first, end


class Server:
    """What a server answers under its log's address; straight to it, whatever proxy the environment names."""

    def __init__(self, address):
        self.address = address
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path):
        """One resource; raises Wrong when there is no answer of status 200."""
        try:
            with self.opener.open(self.address + path, timeout=20) as answer:
                return answer.read()
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            raise Wrong(f"{path}: {error}") from error


def take_bundle(raw, first, end):
    """The entries of a bundle: for each its length in two bytes, then itself; raises Wrong."""
    at, entries = 0, []
    for index in range(first, end):
        size = int.from_bytes(raw[at:at + 2], "big")
        entry = raw[at + 2:at + 2 + size]
        if len(raw) < at + 2 or len(entry) < size:
            raise Wrong("the entry bundle ends too early", index)
        entries.append(entry)
        at += 2 + size
    if at != len(raw):
        raise Wrong("the entry bundle has more than its entries", end - 1)
    return entries


def read_leaves(server, size, faults):
    """Every leaf, None where one is none."""
    leaves = []
    for path, first, end in pieces(size):
        for index, entry in enumerate(take_bundle(server.get(f"tile/entries/{path}"), first, end), first):
            try:
                leaves.append(read_leaf(entry.decode("utf-8")))
            except ValueError as error:
                leaves.append(None)
                faults.at(index, f"no leaf: {error}")
    return leaves


def check_tiles(server, hashes):
    """Every tile of every level has the hashes that follow from the level below; raises Wrong."""
    level = 0
    while hashes:
        for path, first, end in pieces(len(hashes)):
            if server.get(f"tile/{level}/{path}") != b"".join(hashes[first:end]):
                # The first entry below the tile's first wrong hash is not known to be bad; the tile is.
                raise Wrong(f"the tile {level}/{path} is not that of the entries")
        whole = len(hashes) // WIDTH * WIDTH
        hashes = [tree.root(hashes[first:first + WIDTH]) for first in range(0, whole, WIDTH)]
        level += 1


def verify_served(address, vkey, older=None):
    """The verdict over the log that is served under an address, which ends with a slash."""
    verdict, faults, server = Verdict(not_checked=["bodies, which are not public"]), Faults(), Server(address)
    try:
        checkpoint = open_checkpoint(as_text(server.get("checkpoint")), vkey)
        verdict.size, verdict.root_hash = checkpoint.size, encode_url(checkpoint.root)
        kept = open_checkpoint(older, vkey) if older is not None else None
        leaves = read_leaves(server, checkpoint.size, faults)
        verdict.entries = len(leaves)
        judge(verdict, faults, Log(0, checkpoint.size, leaves, {}), checkpoint, kept)
        if verdict.ok:
            check_tiles(server, [leaf.hash for leaf in leaves])
    except Wrong as wrong:
        verdict.ok, verdict.reason, verdict.first_bad_index = False, wrong.reason, wrong.index
    return verdict


def as_text(raw):
    """Bytes that must be UTF-8; raises Wrong."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Wrong("the checkpoint is no text") from error
