"""An export: one line that says what it is of, then one line for each entry.

The file has exactly one spelling, to the last line feed, so that no byte of it is free.
"""

import re
from dataclasses import dataclass

from . import tree
from .encoding import decode_url, is_number, read_any, read_object
from .faults import Wrong
from .leaf import Leaf, commitment, read_leaf


HEADER = ("format", "origin", "first", "end", "checkpoint", "left", "right")
# One event is one line for every reader, whatever the input was.
PRINTABLE = re.compile(r"[ -~]*")
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
        if not is_number(first) or not is_number(end) or first >= end:
            raise ValueError("first and end are no range")
        left, right = hashes(members["left"]), hashes(members["right"])
    except ValueError as error:
        raise Wrong(f"the first line is no header of an export: {error}") from error
    return Header(members["origin"], first, end, members["checkpoint"], left, right)


def hashes(texts):
    """A list of hashes; raises ValueError."""
    if type(texts) is not list:
        raise ValueError("no list of hashes")
    return tuple(decode_url(text, 32) for text in texts)


def completing(header, size):
    """The given hashes by the subtree that each is of; raises Wrong when they are not those that are needed."""
    if header.end > size:
        raise Wrong("the range is longer than the log of the checkpoint")
    left, right = tree.outside(header.first, header.end, size)
    if len(left) != len(header.left) or len(right) != len(header.right):
        raise Wrong("left and right are not the subtrees that complete the range")
    return dict(zip(left + right, header.left + header.right))


def take_lines(raw):
    """The lines of a file; the last one has its line feed as well, or else is spoilt by a byte that no line has."""
    lines = raw.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    else:
        lines[-1] += b"\xff"
    if not lines:
        raise Wrong("the file is empty")
    return lines


@dataclass(frozen=True)
class Entry:
    """What a line says: its leaf, None when it is none; whether its body was erased; what is wrong with it."""

    leaf: Leaf | None = None
    erased: bool = False
    wrong: str | None = None


def read_rest(rest):
    """An entry from its line without the index.

    Whoever checks many copies of one log may remember what this gave: nothing else comes into it.
    """
    try:
        members = read_object("{" + rest.decode("utf-8"))
        if tuple(members) != ("leaf", "body", "salt") or type(members["leaf"]) is not str:
            raise ValueError("not index, leaf, body and salt in their order")
        leaf = read_leaf(members["leaf"])
    except ValueError as error:
        return Entry(wrong=f"no entry of an export: {error}")
    try:
        check_body(leaf, members["body"], members["salt"])
    except ValueError as error:
        return Entry(leaf, wrong=str(error))
    return Entry(leaf, erased=leaf.commitment is not None and members["body"] is None)


def check_body(leaf, body, salt):
    """The body is what the leaf has committed to, or was erased whole; raises ValueError."""
    if (body is None) != (salt is None):
        raise ValueError("body and salt go together")
    if body is None:
        return
    if leaf.commitment is None:
        raise ValueError("a body that the leaf does not commit to")
    if type(body) is not str or commitment(decode_url(salt, 32), body.encode()) != leaf.commitment:
        raise ValueError("the body is not the one that the leaf commits to")
    if not PRINTABLE.fullmatch(body) or type(read_any(body)) is not dict:
        raise ValueError("the body is not one line of JSON in printable ASCII")


def read_entries(header, lines, faults, read=read_rest):
    """The entries of the range as far as there are lines; what is wrong with each by itself goes to the faults."""
    entries = []
    for index, line in enumerate(lines, header.first):
        if index == header.end:
            faults.at(index, "more entries than the header tells")
            break
        match = INDEX.match(line)
        entry = read(line[match.end():]) if match else Entry(wrong="no entry of an export: no index")
        entries.append(entry)
        if entry.wrong:
            faults.at(index, entry.wrong)
        elif int(match[1]) != index:
            faults.at(index, "the entry is missing or out of order")
    return entries
