"""Three judges of a log as it is served: aics-tlog, pymerkle, and `mintmark audit verify --url`.

The first two are programs that nobody here wrote. aics-tlog checks signature, tiles, entries
and growth. pymerkle knows trees alone: it makes the root, the tiles and the older root anew
from the entries, and who signed is not its business. Each raises or tells when it refuses.
"""

import base64
import hashlib
import json
import subprocess
import urllib.error
from collections import namedtuple

import aics_tlog
import pymerkle
from aics_tlog.tiles import tile_path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pymerkle.hasher import MerkleHasher

from copies import bundle_path, fetch, split_bundle


class Refused(Exception):
    """A judge says no."""


# `url` ends in /log/; `vkey` and `older`, a checkpoint that was kept, are files.
Evidence = namedtuple("Evidence", "url vkey older")

# What a judge raises when it says no. All else is a broken test.
REFUSALS = (
    Refused, aics_tlog.TileVerificationError, aics_tlog.TileMissingError, aics_tlog.TileUnavailableError,
    pymerkle.InvalidProof, pymerkle.InvalidChallenge,
)


def reader(url):
    """Straight to the server, whatever proxy the environment names."""
    return aics_tlog.HttpTileReader(url, proxies={})


def opened(raw, vkey):
    """Size and root of a signed note, by aics-tlog."""
    note = aics_tlog.parse_note(raw)
    result = aics_tlog.verify_checkpoint(note, aics_tlog.parse_vkey(vkey.read_text().strip()))
    if not result.ok:
        raise Refused(f"the checkpoint does not verify: {result}")
    return aics_tlog.parse_checkpoint(note.text)


def by_aics(evidence):
    """Signature, every tile, every entry, and growth since the older checkpoint."""
    source = reader(evidence.url)
    head = opened(source.read_checkpoint(), evidence.vkey)
    report = aics_tlog.audit_tiles(source, head.size, head.root)
    if report.size != head.size:
        raise ValueError(f"the walk saw {report}")
    if evidence.older:
        old = opened(evidence.older.read_bytes(), evidence.vkey)
        smaller = old.size <= head.size
        proof = aics_tlog.consistency_proof_from_tiles(source, old.size, head.size) if smaller else []
        if not aics_tlog.verify_consistency(old.size, head.size, old.root, head.root, proof):
            raise Refused("the older log is no prefix of this one")


def served(url):
    """One file of the log; a log without it is refused."""
    try:
        return fetch(url)
    except urllib.error.HTTPError as error:
        raise Refused(f"{url}: {error.code}") from error


def claimed(raw):
    """Size and root that a note claims: its second and third line."""
    lines = raw.decode().split("\n")
    return int(lines[1]), base64.b64decode(lines[2], validate=True)


def grown(entries):
    """pymerkle's tree of these entries. Its prefixes are those of RFC 6962: 0x00 for leaves, 0x01 for nodes."""
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for entry in entries:
        tree.append_entry(entry)
    return tree


def by_pymerkle(evidence):
    """The root and every tile made anew from the entries, and the older root with a proof of growth."""
    size, root = claimed(served(evidence.url + "checkpoint"))
    entries = []
    for index in range((size + 255) // 256):
        entries += split_bundle(served(evidence.url + bundle_path(index, size)))
    tree = grown(entries)
    if tree.get_size() != size or tree.get_root() != root:
        raise Refused("the entries do not give the root")
    compare_tiles(evidence.url, tree)
    if evidence.older:
        old_size, old_root = claimed(evidence.older.read_bytes())
        if old_size > tree.get_size():
            raise Refused("the log is shorter than the older checkpoint")
        proof = tree.prove_consistency(old_size, size)
        pymerkle.verify_consistency(old_root, root, proof)


def compare_tiles(url, tree):
    """Each tile is made of pymerkle's hashes; 256 of them give one of the level above."""
    pair = MerkleHasher("sha256").hash_pair
    hashes = [tree.get_leaf(index) for index in range(1, tree.get_size() + 1)]
    level = 0
    while hashes:
        for index in range(0, len(hashes), 256):
            part = hashes[index:index + 256]
            path = tile_path(level, index // 256, None if len(part) == 256 else len(part))
            if served(url + path) != b"".join(part):
                raise Refused(f"{path} is not made of the entries")
        for _ in range(8):
            hashes = [pair(left, right) for left, right in zip(hashes[::2], hashes[1::2])]
        level += 1


def by_mintmark(evidence, server):
    """The verdict of the command, which must agree with its exit code."""
    command = [server.cli, "audit", "verify", "--url", evidence.url.removesuffix("/log/"),
               "--vkey", str(evidence.vkey), "-o", "json"]
    if evidence.older:
        command += ["--checkpoint", str(evidence.older)]
    done = subprocess.run(command, cwd=server.home, env=server.env, capture_output=True, text=True, timeout=300)
    if done.returncode not in (0, 1) or not done.stdout:
        raise ValueError(f"exit {done.returncode}: {done.stderr.strip()}")
    verdict = json.loads(done.stdout)
    if verdict["ok"] != (done.returncode == 0):
        raise ValueError(f"exit {done.returncode} and {verdict}")
    return verdict


def another_vkey(file, out):
    """A verification key of the same name that is not the log's, in a file."""
    name = file.read_text().split("+")[0]
    public = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    key = b"\x01" + public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    identifier = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    out.write_text(f"{name}+{identifier.hex()}+{base64.b64encode(key).decode()}\n")
    return out
