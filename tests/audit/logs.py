"""A log as a forger has it: the lines of an export, what they say, and the means to write them anew.

The forger can do everything but sign for the log's key. He computes chains and commitments by himself;
nothing here is taken from either verifier.
"""

import base64
import hashlib
import json


def encode(raw):
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text):
    """Its inverse."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def write(members):
    """JSON as the log writes it."""
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


def line_of(entry):
    """An entry as a line of an export."""
    return write(entry).encode() + b"\n"


def chained(leaf_text):
    """The chain value after a leaf."""
    leaf_hash = hashlib.sha256(b"\0" + leaf_text.encode()).digest()
    return hashlib.sha256(b"mintmark/chain/v1\n" + decode(json.loads(leaf_text)["p"]) + leaf_hash).digest()


def committed(body, salt):
    """The commitment to a body."""
    return encode(hashlib.sha256(b"mintmark/body/v1\n" + decode(salt) + body.encode()).digest())


class Log:
    """An export taken apart. `lines[0]` is the header, `entries[k]` and `leaves[k]` are of the record at place k."""

    def __init__(self, export):
        self.export = export
        self.lines = export.splitlines(keepends=True)
        self.header = json.loads(self.lines[0])
        self.entries = [json.loads(line) for line in self.lines[1:]]
        self.leaves = [json.loads(entry["leaf"]) for entry in self.entries]
        self.first, self.size = self.header["first"], len(self.entries)
        self.whole = self.first == 0 and not self.header["right"]
        # The places where a run begins and ends: there a record has one neighbour less to vouch for it.
        self.begins, self.ends = {}, {}
        for place, leaf in enumerate(self.leaves):
            self.begins.setdefault(leaf["e"], place)
            self.ends[leaf["e"]] = place
        self.edges = {*self.begins.values(), *self.ends.values()}

    def record(self, place):
        """A copy of an entry and of its leaf, to be changed."""
        return dict(self.entries[place]), dict(self.leaves[place])

    def with_lines(self, changed):
        """The file with these lines after the header."""
        return b"".join([self.lines[0], *changed])

    def renumbered(self, lines):
        """Lines of records with the index that each has by its place."""
        return [b'{"index":%d,' % (self.first + place) + line.partition(b",")[2] for place, line in enumerate(lines)]

    def chain_anew(self, lines, place, epoch):
        """Lines of records, with sequence and chain of a run written anew from a place on, as only a whole root can tell."""
        before, made = None, lines[:place]
        for line in reversed(lines[:place]):
            text = json.loads(line)["leaf"]
            if json.loads(text)["e"] == epoch:
                before = text
                break
        for line in lines[place:]:
            entry = json.loads(line)
            leaf = json.loads(entry["leaf"])
            if leaf["e"] == epoch:
                leaf["s"] = json.loads(before)["s"] + 1 if before else 0
                leaf["p"] = encode(chained(before) if before else bytes(32))
                before = entry["leaf"] = write(leaf)
                line = line_of(entry)
            made.append(line)
        return made
