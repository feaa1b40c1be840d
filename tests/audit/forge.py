"""The ways to forge a log: each takes a chance and a log and gives a file that says something else.

A forgery knows at which index the first record differs from the true log; that is what a verifier
should name. It can do so exactly where a record has its neighbours in its run. A forgery that touches
the first or the last record of a run, or that writes chains anew, is `soft`: it must be seen, but
the place cannot be known from what the file has.
"""

import string
from dataclasses import dataclass

import logs
import notes


@dataclass
class Forgery:
    """A forged file, and with which key and kept checkpoint it is to be verified; None is the true one."""

    export: bytes
    # The first index that differs, None where the header, a key or a checkpoint does.
    index: int | None = None
    soft: bool = False
    vkey: bytes | None = None
    anchor: bytes | None = None


@dataclass
class Scene:
    """What a forger has: a log, its key, checkpoints from its way, and another log of the same name."""

    log: logs.Log
    vkey: bytes
    kept: list
    foreign: logs.Log
    foreign_vkey: bytes
    foreign_kept: list


def split(export):
    """Lines with their line feeds, by line feed alone."""
    lines = [line + b"\n" for line in export.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def differs_at(log, export):
    """The index of the first line that is another one; None when that is the header."""
    lines = split(export)
    for place, (mine, theirs) in enumerate(zip(log.lines, lines)):
        if mine != theirs:
            return log.first + place - 1 if place else None
    return log.first + min(len(log.lines), len(lines)) - 1


def of(log, export, touched=()):
    """The forgery that this file is, when it touches the records at these places."""
    index = differs_at(log, export)
    places = {*touched} if index is None else {*touched, index - log.first}
    # In a part of a log a run may have begun before it, so that its records need not begin at 0.
    return Forgery(export, index, soft=not log.whole or not places.isdisjoint(log.edges))


# -- bytes ------------------------------------------------------------------------------------------


def position(chance, log):
    """Somewhere in the file; every twentieth time in the header, which is short."""
    return chance.randrange(len(log.lines[0]) if chance.random() < 0.05 else len(log.export))


def bit_flipped(chance, scene):
    at, raw = position(chance, scene.log), bytearray(scene.log.export)
    raw[at] ^= 1 << chance.randrange(8)
    return of(scene.log, bytes(raw))


def byte_changed(chance, scene):
    at, raw = position(chance, scene.log), bytearray(scene.log.export)
    raw[at] = chance.choice(string.printable.encode()) if chance.random() < 0.8 else chance.randrange(256)
    return of(scene.log, bytes(raw))


def byte_inserted(chance, scene):
    raw, at = scene.log.export, position(chance, scene.log)
    # Behind the last line feed, too.
    at += chance.random() < 0.01 and len(raw) - at
    added = chance.choice([b" ", b"\n", b"\\", b"0", bytes([chance.randrange(256)]), raw[at:at + 1] or b"\n"])
    return of(scene.log, raw[:at] + added + raw[at:])


def byte_deleted(chance, scene):
    raw, at = scene.log.export, position(chance, scene.log)
    at = len(raw) - 1 if chance.random() < 0.01 else at
    return of(scene.log, raw[:at] + raw[at + 1:])


# -- whole records ----------------------------------------------------------------------------------


def ordered(chance, log, lines):
    """The file with these records; half of the time the forger numbers them anew."""
    return log.with_lines(log.renumbered(lines) if chance.random() < 0.5 else lines)


def deleted(chance, scene):
    place, lines = chance.randrange(scene.log.size), scene.log.lines[1:]
    del lines[place]
    return of(scene.log, ordered(chance, scene.log, lines), [place])


def duplicated(chance, scene):
    log, lines = scene.log, scene.log.lines[1:]
    place = chance.randrange(log.size)
    to = place + 1 if chance.random() < 0.5 else chance.randrange(log.size + 1)
    lines.insert(to, lines[place])
    return of(log, ordered(chance, log, lines), [place, to - 1])


def inserted(chance, scene):
    """A record that was not there, with the number and the chain value that belong at its place."""
    log, lines = scene.log, scene.log.lines[1:]
    place = chance.randrange(1, log.size)
    entry, leaf = log.record(place)
    if chance.random() < 0.5 or log.leaves[place - 1]["e"] != leaf["e"]:
        changed_leaf(chance, leaf)
    else:
        leaf = dict(log.leaves[place - 1], s=leaf["s"], p=leaf["p"])
        entry["body"], entry["salt"] = log.entries[place - 1]["body"], log.entries[place - 1]["salt"]
    entry["leaf"] = logs.write(leaf)
    lines.insert(place, logs.line_of(entry))
    return of(log, ordered(chance, log, lines), [place - 1])


def swapped(chance, scene):
    log, lines = scene.log, scene.log.lines[1:]
    one = chance.randrange(log.size - 1)
    other = one + 1 if chance.random() < 0.5 else chance.randrange(log.size)
    lines[one], lines[other] = lines[other], lines[one]
    return of(log, ordered(chance, log, lines), [one, other])


def segment(chance, size):
    """Two places with at least two records between them."""
    begin = chance.randrange(size - 2)
    return begin, min(size, begin + chance.randrange(2, 200))


def reversed_segment(chance, scene):
    log, lines = scene.log, scene.log.lines[1:]
    begin, end = segment(chance, log.size)
    lines[begin:end] = lines[begin:end][::-1]
    return of(log, ordered(chance, log, lines), range(begin, end))


def spliced(chance, scene):
    """Records of another log, instead of some or between them."""
    log, lines, foreign = scene.log, scene.log.lines[1:], scene.foreign
    begin, end = segment(chance, log.size)
    source, until = segment(chance, foreign.size)
    lines[begin:end if chance.random() < 0.5 else begin] = foreign.lines[1 + source:1 + until]
    brought = any(source <= place < until for place in foreign.begins.values())
    forgery = of(log, ordered(chance, log, lines), [*range(begin, end), *([begin - 1] if begin else [])])
    # A run that is brought in from its beginning is in order by itself.
    forgery.soft |= brought
    return forgery


def cut(chance, scene):
    """The tail is gone, and the forger has or has not changed the header as far as he can."""
    log = scene.log
    left = chance.randrange(1, log.size)
    lines = log.lines[1:1 + left]
    if chance.random() < 0.5:
        return of(log, log.with_lines(lines))
    note = notes.relabelled(log.header["checkpoint"], left, notes.root_of(lines))
    header = log.header | {"end": log.first + left} | ({"checkpoint": note} if chance.random() < 0.8 else {})
    return Forgery(logs.line_of(header) + b"".join(lines), soft=not log.whole)


# -- what a record says -----------------------------------------------------------------------------


def another_hash(chance):
    return logs.encode(chance.randbytes(32))


def changed_leaf(chance, leaf):
    """Changes something that a leaf says; it stays a leaf in its canonical form."""
    names = [name for name in ("ts", "kid", "th", "lk", "iat", "exp", "bc", "p", "s", "e", "n") if name in leaf]
    name = chance.choice(names)
    if name == "ts":
        leaf["ts"] = leaf["ts"][:20] + f"{chance.randrange(10**6):06}Z"
    elif name == "n":
        leaf["n"] += "x"
    elif name == "e":
        leaf["e"] = logs.encode(chance.randbytes(16))
    elif name in ("iat", "exp", "s"):
        leaf[name] += chance.choice([1, 2, 1000])
    else:
        leaf[name] = another_hash(chance)


def leaf_changed(chance, scene):
    log, lines = scene.log, scene.log.lines[1:]
    place = chance.randrange(log.size)
    entry, leaf = log.record(place)
    changed_leaf(chance, leaf)
    entry["leaf"] = logs.write(leaf)
    lines[place] = logs.line_of(entry)
    return of(log, log.with_lines(lines))


def with_body(chance, log):
    """The place of a record that has its body."""
    while True:
        place = chance.randrange(log.size)
        if log.entries[place]["body"] is not None:
            return place


def body_changed(chance, scene):
    """Body, salt, or both, are other ones, or one of them is gone."""
    log, lines = scene.log, scene.log.lines[1:]
    place, other = with_body(chance, log), log.entries[with_body(chance, log)]
    entry, _ = log.record(place)
    entry |= chance.choice([
        {"body": entry["body"].replace("1", "2")}, {"body": entry["body"] + " "}, {"body": "{}"}, {"body": None},
        {"salt": another_hash(chance)}, {"salt": other["salt"]}, {"salt": None},
        {"body": other["body"]}, {"body": other["body"], "salt": other["salt"]},
    ])
    lines[place] = logs.line_of(entry)
    forgery = of(log, log.with_lines(lines))
    # The leaf itself tells what its body is, wherever it stands.
    forgery.soft = False
    return forgery


def body_committed(chance, scene):
    """A body is another one, and the leaf commits to it."""
    log, lines = scene.log, scene.log.lines[1:]
    place = with_body(chance, log)
    entry, leaf = log.record(place)
    entry["body"] = entry["body"].replace('"load"', '"made-1"').replace("null", "true")
    leaf["bc"] = logs.committed(entry["body"], entry["salt"])
    entry["leaf"] = logs.write(leaf)
    lines[place] = logs.line_of(entry)
    return of(log, log.with_lines(lines))


# -- what only a root can tell ----------------------------------------------------------------------


def anew(chance, scene):
    """Records of a log of which one is changed, gone or brought in, with every later chain value made to fit."""
    log, lines = scene.log, scene.log.lines[1:]
    place = chance.randrange(1, log.size)
    epoch = log.leaves[place]["e"]
    how = chance.choice(["change", "delete", "double"])
    if how == "change":
        entry, leaf = log.record(place)
        leaf["ts"] = leaf["ts"][:20] + f"{chance.randrange(10**6):06}Z"
        lines[place] = logs.line_of(entry | {"leaf": logs.write(leaf)})
    elif how == "delete":
        del lines[place]
    else:
        lines.insert(place, lines[place])
    return log.renumbered(log.chain_anew(lines, place, epoch))


def chain_anew(chance, scene):
    lines = anew(chance, scene)
    header = scene.log.header
    if scene.log.whole and chance.random() < 0.5:
        header = header | {"end": len(lines)}
    forgery = of(scene.log, logs.line_of(header) + b"".join(lines))
    forgery.soft = True
    return forgery


def forked(chance, scene):
    """Another history that fits together, signed by somebody else in the log's name."""
    log, lines = scene.log, anew(chance, scene)
    if not log.whole:
        return None
    sign = chance.choice([notes.signed_by_stranger, lambda *what: notes.claimed(*what, scene.vkey)])
    note = sign(log.header["origin"], len(lines), notes.root_of(lines))
    return Forgery(logs.line_of(log.header | {"end": len(lines), "checkpoint": note}) + b"".join(lines))


# -- header, keys and checkpoints -------------------------------------------------------------------


def header_changed(chance, scene):
    log, header = scene.log, dict(scene.log.header)
    hashes = [another_hash(chance)]
    kept = chance.choice(scene.kept).decode()
    header |= chance.choice([
        {"origin": header["origin"] + "x"}, {"format": "mintmark-export/v2"}, {"first": header["first"] + 1},
        {"end": header["end"] - 1}, {"end": header["end"] + 1}, {"first": 2**64}, {"end": True},
        {"left": header["left"] + hashes}, {"right": hashes + header["right"]}, {"right": hashes},
        {"checkpoint": kept}, {"checkpoint": chance.choice(scene.foreign_kept).decode()},
        {"checkpoint": header["checkpoint"] + "\n"}, {"more": 1},
        {"checkpoint": header["checkpoint"].replace("\n", "\nnote\n", 1)},
    ])
    if chance.random() < 0.1:
        header = dict(reversed(header.items()))
    return Forgery(logs.line_of(header) + b"".join(log.lines[1:]), soft=not log.whole)


def rolled_back(chance, scene):
    """The log as it once was, every byte of it true: only a checkpoint that somebody kept can tell."""
    if not scene.log.whole:
        return None
    one, other = sorted(chance.sample(range(len(scene.kept)), 2))
    note, size = scene.kept[one], int(scene.kept[one].split(b"\n")[1])
    if size == int(scene.kept[other].split(b"\n")[1]):
        return None
    header = scene.log.header | {"end": size, "checkpoint": note.decode()}
    return Forgery(logs.line_of(header) + b"".join(scene.log.lines[1:1 + size]), anchor=scene.kept[other])


def wrong_key(chance, scene):
    """The log is as it was; the key is another one, or not a key."""
    raw = bytearray(scene.vkey)
    raw[chance.randrange(len(raw) - 1)] ^= 1 << chance.randrange(7)
    stranger = notes.vkey_of_stranger(scene.log.header["origin"])
    return Forgery(scene.log.export, vkey=chance.choice([bytes(raw), stranger, scene.foreign_vkey]))


def wrong_anchor(chance, scene):
    """The log is as it was; the kept checkpoint is of another log, or somebody changed it."""
    raw = bytearray(chance.choice(scene.kept))
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(7)
    size = chance.randrange(1, scene.log.size)
    claimed = notes.claimed(scene.log.header["origin"], size, chance.randbytes(32), scene.vkey).encode()
    return Forgery(scene.log.export, anchor=chance.choice([bytes(raw), claimed, chance.choice(scene.foreign_kept)]))


# How often each is made, in parts of all.
KINDS = {
    bit_flipped: 14, byte_changed: 14, byte_inserted: 10, byte_deleted: 10,
    deleted: 6, duplicated: 5, inserted: 6, swapped: 5, reversed_segment: 4, spliced: 4, cut: 4,
    leaf_changed: 8, body_changed: 5, body_committed: 4, chain_anew: 2, forked: 1,
    header_changed: 4, rolled_back: 2, wrong_key: 2, wrong_anchor: 2,
}
