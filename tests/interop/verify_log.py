#!/usr/bin/env python3
"""Verifies the running server's log by aics-tlog, a C2SP tlog-tiles verifier that nobody here wrote.

Checkpoint signature, inclusion of chosen entries, consistency with an older checkpoint, and
the full walk of every tile and entry. Then the same walk over a copy of the log in which one
byte differs must fail: a verifier that accepts everything would otherwise look the same.
"""

import argparse
import tempfile
import time
from pathlib import Path

import aics_tlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checks import Checks
from copies import copy_log, fetch, flipped, linked, resources, serve

REFUSALS = (aics_tlog.TileVerificationError, aics_tlog.TileMissingError, aics_tlog.TileUnavailableError)


def reader(url):
    """Straight to the server, whatever proxy the environment names."""
    return aics_tlog.HttpTileReader(url, proxies={})


def checkpoint(source, vkey):
    """The signed tree head, verified with the key, and its exact bytes."""
    raw = source.read_checkpoint()
    note = aics_tlog.parse_note(raw)
    result = aics_tlog.verify_checkpoint(note, vkey)
    if not result.ok:
        raise ValueError(f"the checkpoint does not verify: {result}")
    head = aics_tlog.parse_checkpoint(note.text)
    return head, raw


def walk(url, head):
    """Every tile and every entry against the root."""
    return aics_tlog.audit_tiles(reader(url), head.size, head.root)


def check_copies(checks, folder, head):
    """The copy verifies; the copy with one byte changed does not."""
    checks.passes("the full walk accepts a copy of the log", lambda: walk(serve(folder), head))
    bundle = next(p for p in resources(head.size) if p.startswith("tile/entries/"))
    tile = next(p for p in resources(head.size) if p.startswith("tile/0/"))
    # Byte 2 is the first of the first leaf, after its two bytes of length.
    checks.refuses("the full walk refuses one flipped byte of an entry",
                   lambda: walk(serve(flipped(folder, bundle, 2)), head), REFUSALS)
    checks.refuses("the full walk refuses one flipped byte of a tile",
                   lambda: walk(serve(flipped(folder, tile, 5)), head), REFUSALS)
    missing = linked(folder)
    (missing / bundle).unlink()
    checks.refuses("the full walk refuses a log without one of its bundles",
                   lambda: walk(serve(missing), head), REFUSALS)


def check_key(checks, raw, key):
    """The note does not verify under another key of the same name."""
    other = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    stranger = aics_tlog.vkey_from_ed25519(key.name, other.public_key())
    result = aics_tlog.verify_checkpoint(aics_tlog.parse_note(raw), stranger)
    checks.check("the checkpoint does not verify under another key", not result.ok, result)


def check_inclusion(checks, source, head):
    """First, middle and last entry, each by its own proof."""
    proven = aics_tlog.VerifiedTileReader(source, head.size, head.root)
    for index in sorted({0, head.size // 2, head.size - 1}):
        proof = aics_tlog.inclusion_proof_from_tiles(proven, index, head.size)
        leaf = proven.entry(index)
        checks.check(f"entry {index} of {head.size} is included",
                     aics_tlog.verify_leaf_inclusion(leaf, index, head.size, proof, head.root))
        checks.check(f"entry {index} is refused at another place",
                     head.size == 1 or not aics_tlog.verify_leaf_inclusion(
                         leaf, (index + 1) % head.size, head.size, proof, head.root))


def check_growth(checks, source, head, old_file, vkey):
    """The log of an older checkpoint is a prefix of today's."""
    note = aics_tlog.parse_note(old_file.read_bytes())
    checks.check("the older checkpoint verifies", aics_tlog.verify_checkpoint(note, vkey).ok)
    old = aics_tlog.parse_checkpoint(note.text)
    checks.check("the log has grown since", old.size < head.size, (old.size, head.size))
    proof = aics_tlog.consistency_proof_from_tiles(source, old.size, head.size)
    checks.check("the older log is a prefix of this one",
                 aics_tlog.verify_consistency(old.size, head.size, old.root, head.root, proof))
    checks.check("another older root is refused",
                 not aics_tlog.verify_consistency(old.size, head.size, bytes(32), head.root, proof))


def wait_for_size(source, vkey, size):
    """The first checkpoint that covers `size` entries; one is promised each second."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        head, raw = checkpoint(source, vkey)
        if head.size >= size:
            return head, raw
        time.sleep(0.2)
    raise TimeoutError(f"no checkpoint of {size} entries within 20 s; the last has {head.size}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="the log's prefix, such as http://127.0.0.1:8080/log/")
    parser.add_argument("--size", type=int, default=1, help="wait for a checkpoint of at least this size")
    parser.add_argument("--old", type=Path, help="a checkpoint that was kept earlier")
    parser.add_argument("--save", type=Path, help="keep the checkpoint here")
    args = parser.parse_args()
    checks = Checks("aics-tlog")
    source = reader(args.url)
    text = fetch(args.url + "vkey")
    checks.check("/log/vkey is one line and a line feed", text.count(b"\n") == 1 and text.endswith(b"\n"), text)
    vkey = aics_tlog.parse_vkey(text.decode().strip())
    head, raw = wait_for_size(source, vkey, args.size)
    checks.check(f"the checkpoint of {head.size} entries verifies under /log/vkey", True)
    checks.check("the checkpoint's origin is the key's name", head.origin == vkey.name, (head.origin, vkey.name))
    if args.save:
        args.save.write_bytes(raw)
    check_key(checks, raw, vkey)
    check_inclusion(checks, source, head)
    if args.old:
        check_growth(checks, source, head, args.old, vkey)
    report = checks.passes("the full walk accepts the running server", lambda: walk(args.url, head))
    if report:
        checks.check("the full walk saw every entry", report.size == head.size and report.bundles > 0, report)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "log"
        copy.mkdir()
        copy_log(args.url, head, raw, copy)
        check_copies(checks, copy, head)
    checks.end()


if __name__ == "__main__":
    main()
