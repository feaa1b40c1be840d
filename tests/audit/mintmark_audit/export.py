"""An export: one line that says what it is of, then one line for each entry.

The file has exactly one spelling, to the last line feed, so that no byte of it is free.
"""

import re
from dataclasses import dataclass

from . import tree
from .encoding import decode_standard, decode_url, is_number, read_object
from .leaf import Leaf, commitment, read_leaf
from .wrong import Wrong

HEADER = ("format", "origin", "first", "end", "checkpoint", "left", "right")
INDEX = re.compile(rb'\{"index":(0|[1-9][0-9]{0,19}),')


@dataclass(frozen=True)
class Header:
    """The range of the export, the checkpoint it belongs to, and the hashes left and right of it."""

    origin: str
    first: int
    end: int
    checkpoint: str
    left: tuple
    right: tuple


def read_header(line):
    """The first line; raises Wrong."""
    try:
        members = read_object(line.decode("utf-8"))
        if tuple(members) != HEADER or members["format"] != "mintmark-export/v1":
            raise ValueError("not the members of mintmark-export/v1 in their order")
        if type(members["origin"]) is not str or type(members["checkpoint"]) is not str:
            raise ValueError("origin and checkpoint are texts")
        first, end = members["first"], members["end"]
        if not is_number(first) or not is_number(end) or first > end:
            raise ValueError("first and end are no range")
        left, right = hashes(members["left"]), hashes(members["right"])
    except ValueError as error:
        raise Wrong(f"the first line is no header of an export: {error}") from error
    return Header(members["origin"], first, end, members["checkpoint"], left, right)


def hashes(texts):
    """A list of hashes in standard base64; raises ValueError."""
    if type(texts) is not list:
        raise ValueError("no list of hashes")
    found = tuple(decode_standard(text) for text in texts)
    if any(len(each) != 32 for each in found):
        raise ValueError("a hash that is none")
    return found


def completing(header, size):
    """The given hashes by the subtree that each is of; raises Wrong when they are not those that are needed."""
    if header.end > size:
        raise Wrong("the range is longer than the log of the checkpoint")
    left, right = tree.outside(header.first, header.end, size)
    if len(left) != len(header.left) or len(right) != len(header.right):
        raise Wrong("left and right are not the subtrees that complete the range")
    return dict(zip(left + right, header.left + header.right))


def take_lines(raw):
    """The lines of a file of which each ends with a line feed; raises Wrong."""
    lines = raw.split(b"\n")
    if lines.pop() != b"":
        raise Wrong("the file does not end with a line feed")
    if not lines:
        raise Wrong("the file is empty")
    return lines


def read_rest(rest):
    """An entry's leaf from its line without the index; raises ValueError.

    Whoever checks many copies of one log may remember what this gave: nothing else comes into it.
    """
    members = read_object("{" + rest.decode("ascii"))
    if tuple(members) != ("leaf", "body", "salt") or type(members["leaf"]) is not str:
        raise ValueError("not index, leaf, body and salt in their order")
    leaf = read_leaf(members["leaf"])
    check_body(leaf, members["body"], members["salt"])
    return leaf


def check_body(leaf: Leaf, body, salt):
    """The body is what the leaf has committed to, or was erased whole; raises ValueError."""
    if (body is None) != (salt is None):
        raise ValueError("body and salt go together")
    if body is None:
        return
    if leaf.commitment is None:
        raise ValueError("a body that the leaf does not commit to")
    if type(body) is not str or commitment(decode_url(salt, 32), body.encode("ascii")) != leaf.commitment:
        raise ValueError("the body is not the one that the leaf commits to")
    read_object(body, ascii_only=True)


def read_entry(index, line, read=read_rest):
    """The leaf of the line that must be entry `index`; raises Wrong."""
    try:
        match = INDEX.match(line)
        if not match or int(match[1]) != index:
            raise ValueError("another index is expected here")
        return read(line[match.end():])
    except ValueError as error:
        raise Wrong(f"the entry is not in order: {error}", index) from error
