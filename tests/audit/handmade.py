"""A small log written by hand, for tests of the verifier: its own writer, so that a test says what it means."""

import base64
import datetime
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import logs
import notes
from mintmark_audit import tree
from mintmark_audit.note import Vkey

NAME = "mintmark.example/log"
SEED = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
PUBLIC = SEED.public_key().public_bytes_raw()
VKEY = Vkey(NAME, PUBLIC)
KEY, NEXT = (logs.encode(bytes([number]) * 32) for number in (1, 2))
START = datetime.datetime(2026, 11, 21, 22, 58)
SALT = logs.encode(bytes([9]) * 32)


def signed(text, key=SEED, name=NAME, number=None):
    """A note over a text."""
    number = number or hashlib.sha256(name.encode() + b"\n\x01" + key.public_key().public_bytes_raw()).digest()[:4]
    return f"{text}\n— {name} {base64.b64encode(number + key.sign(text.encode())).decode()}\n"


class Handmade:
    """Records of nodes in the order of the log. A node is a number; its run is that byte, sixteen times."""

    def __init__(self, nodes=1):
        self.entries, self.runs = [], {}
        self.seconds = int((START - datetime.datetime(1970, 1, 1)).total_seconds())
        self.add("log.opened", body={"origin": NAME})
        self.add("key.published", kid=KEY)
        self.add("key.activated", kid=KEY)
        for node in range(1, nodes):
            self.add("node.started", node=node)

    def add(self, event, node=0, body=None, **members):
        """One more record; `members` come behind the chain, in their order."""
        self.seconds += 1
        sequence, chain = self.runs.get(node, (0, bytes(32)))
        at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=self.seconds)
        leaf = {"v": 1, "t": event, "ts": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "n": f"node-{node}",
                "e": logs.encode(bytes([node]) * 16), "s": sequence, "p": logs.encode(chain), **members}
        text = body if isinstance(body, str) else body and logs.write(body)
        if text is not None:
            leaf["bc"] = logs.committed(text, SALT)
        line = logs.write(leaf)
        self.entries.append({"index": len(self.entries), "leaf": line, "body": text, "salt": SALT if text else None})
        self.runs[node] = sequence + 1, logs.chained(line)
        return self

    def issue(self, node=0, kid=KEY, late=0, lasts=600, **more):
        """A token."""
        iat = self.seconds + late
        number = logs.encode(hashlib.sha256(bytes([len(self.entries) % 256])).digest())
        members = {"kid": kid, "th": number, "lk": number, "iat": iat, "exp": iat + lasts} | more
        return self.add("token.issued", node, {"jti": "x", "client_id": "load"}, **members)

    def tokens(self, count, nodes=1):
        """So many tokens, of each node in turn."""
        for number in range(count):
            self.issue(number % nodes)
        return self

    def hashes(self, size=None):
        """The leaf hashes of the first records."""
        return [tree.leaf_hash(entry["leaf"].encode()) for entry in self.entries[:size]]

    def checkpoint(self, size=None):
        """The signed checkpoint over the first records."""
        hashes = self.hashes(size)
        return signed(notes.text_of(NAME, len(hashes), tree.root(hashes)))

    def lines(self, first=0, end=None):
        """An export's lines: a header, and one line for each record of the range."""
        end = len(self.entries) if end is None else end
        left, right = tree.outside(first, end, len(self.entries))
        hashes = self.hashes()
        texts = [[logs.encode(tree.root(hashes[low:high])) for low, high in side] for side in (left, right)]
        header = {"format": "mintmark-export/v1", "origin": NAME, "first": first, "end": end,
                  "checkpoint": self.checkpoint(), "left": texts[0], "right": texts[1]}
        return [logs.line_of(header), *map(logs.line_of, self.entries[first:end])]


def changed(line, **members):
    """A record's line with other members in its leaf."""
    entry = json.loads(line)
    entry["leaf"] = logs.write(json.loads(entry["leaf"]) | members)
    return logs.line_of(entry)
