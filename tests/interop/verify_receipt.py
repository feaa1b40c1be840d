"""Receipts of a running server, read by hand as c2sp.org/tlog-proof@v1 and proven by aics-tlog and pymerkle.

Nothing of a receipt is believed before the leaf's hash, the index and the path of the text give
the root of the checkpoint in the text, which the log's key signed; and nothing is said of a
token whose hash is not the leaf's.
"""

import base64
import hashlib
import json
from collections import namedtuple

import aics_tlog

import server as mintmark
from checks import Checks
from judges import grown, opened
from copies import bundle_path, fetch, split_bundle

Receipt = namedtuple("Receipt", "leaf index path note")


class NotProven(Exception):
    """The receipt proves nothing."""


def parse(text):
    """The parts of a receipt, each in its one spelling."""
    head, _, note = text.partition("\n\n")
    first, extra, index, *path = head.split("\n")
    if first != "c2sp.org/tlog-proof@v1" or not extra.startswith("extra ") or not index.startswith("index "):
        raise NotProven(f"not a receipt: {text[:80]!r}")
    number = int(index.removeprefix("index "))
    if f"index {number}" != index:
        raise NotProven(f"another spelling of the index: {index}")
    hashes = [base64.b64decode(line, validate=True) for line in path]
    return Receipt(base64.b64decode(extra.removeprefix("extra "), validate=True), number, hashes, note)


def prove(receipt, token, vkey):
    """Raises unless this token's record is in the log that the key signed."""
    head = opened(receipt.note.encode(), vkey)
    if not aics_tlog.verify_leaf_inclusion(receipt.leaf, receipt.index, head.size, receipt.path, head.root):
        raise NotProven("the leaf is not in the tree")
    signing_input = token.rsplit(".", 1)[0].encode()
    digest = hashlib.sha256(b"mintmark/token/v1\n" + signing_input).digest()
    named = base64.urlsafe_b64decode(json.loads(receipt.leaf)["th"] + "=")
    if named != digest:
        raise NotProven("the receipt is of another token")


def fetch_receipt(server, token):
    """The text of a token's receipt."""
    jti = mintmark.jwt_part(token, 1)["jti"]
    status, headers, body = server.get(f"/log/proof?jti={jti}")
    if status != 200:
        raise NotProven(f"{status} for {jti}: {body!r}")
    return body.decode()


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def check_altered(checks, receipt, token, other, vkey):
    """One part of the receipt changed at a time."""
    altered = {
        "leaf": receipt._replace(leaf=flip(receipt.leaf, receipt.leaf.index(b'Z"') - 1)),
        "index, one more": receipt._replace(index=receipt.index + 1),
        "index, one less": receipt._replace(index=receipt.index - 1),
        "first hash": receipt._replace(path=[flip(receipt.path[0], 31), *receipt.path[1:]]),
        "last hash": receipt._replace(path=[*receipt.path[:-1], flip(receipt.path[-1], 0)]),
        "path, cut": receipt._replace(path=receipt.path[:-1]),
        "path, longer": receipt._replace(path=[*receipt.path, bytes(32)]),
        "path, reversed": receipt._replace(path=receipt.path[::-1]),
    }
    for what, changed in altered.items():
        checks.refuses(f"a receipt with another {what} proves nothing",
                       lambda: prove(changed, token, vkey), NotProven)
    checks.refuses("a receipt is for no other token", lambda: prove(receipt, other, vkey), NotProven)
    header, claims, signature = token.split(".")
    claims = base64.urlsafe_b64encode(base64.urlsafe_b64decode(claims + "==").replace(b"load", b"lord"))
    changed = f"{header}.{claims.decode().rstrip('=')}.{signature}"
    checks.refuses("a token with another claim has no receipt", lambda: prove(receipt, changed, vkey), NotProven)


def check_path(checks, server, receipt, vkey):
    """pymerkle, which has all entries, makes the same path."""
    size = opened(receipt.note.encode(), vkey).size
    entries = []
    for index in range((size + 255) // 256):
        entries += split_bundle(fetch(f"{server.url}/log/{bundle_path(index, size)}"))
    proof = grown(entries).prove_inclusion(receipt.index + 1, size)
    checks.check("pymerkle makes the receipt's path from all entries", proof.path[1:] == receipt.path, proof.path)
    checks.check("the leaf is the log's entry at the index", entries[receipt.index] == receipt.leaf, receipt.leaf)


def check_receipts(server, vkey, tokens):
    """The receipts of some tokens; gives the number of failures."""
    checks = Checks("receipts")
    tokens = sorted(set(tokens))
    for token in tokens:
        what = f"aics-tlog proves the record of {mintmark.jwt_part(token, 1)['jti']}"
        checks.passes(what, lambda: prove(parse(fetch_receipt(server, token)), token, vkey))
    receipt = parse(fetch_receipt(server, tokens[0]))
    check_altered(checks, receipt, tokens[0], tokens[1], vkey)
    check_path(checks, server, receipt, vkey)
    checks.check("a jti that nobody has is unknown", server.status("/log/proof?jti=nobody") == 404)
    return checks.failed
