"""A leaf: one line of JSON whose exact bytes the tree holds for ever.

Its members and their order are fixed, and each value has one spelling; a body is tied to it by
a salted hash, and each record of a run of a node to the one before by the chain.
"""

import datetime
import hashlib
import re
from dataclasses import dataclass

from .encoding import decode_url, is_number, read_object
from .tree import leaf_hash

KEY_EVENTS = frozenset(f"key.{act}" for act in (
    "staged published activated passive removed revoked retained released rewrapped imported rotation_requested").split())
EVENTS = KEY_EVENTS | frozenset("""
    token.issued token.revoked token.denied token.unrecorded
    client.created client.updated client.disabled client.enabled client.deleted
    client.secret_added client.secret_revoked client.secret_due
    scope.set scope.deleted resource.set resource.deleted policy.applied config.changed
    audit.read audit.exported audit.erased audit.gap
    node.started node.alive node.stopped clock.skew log.opened log.closed
    """.split())

TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", re.ASCII)
# How many bytes each member holds that is base64url.
BYTES = {"e": 16, "p": 32, "kid": 32, "th": 32, "lk": 32, "bc": 32}
# The length of an entry in a bundle has two bytes.
LONGEST = 65535
HEAD = ("v", "t", "ts", "n", "e", "s", "p")


def members_of(event, members=()):
    """The members of an event's leaf behind the chain, in their order, without `bc`.

    A revocation is of one token, or of all that were issued before some time: what it has tells which.
    """
    if event == "token.issued":
        return ("kid", "th", "lk", "iat", "exp")
    if event == "token.revoked":
        return ("lk", "exp") if "lk" in members or "exp" in members else ()
    if event == "token.unrecorded":
        return ("kid", "th")
    return ("kid",) if event in KEY_EVENTS else ()


def chain_value(previous, leaf):
    """The chain value of a record, from the one before and its own leaf hash."""
    return hashlib.sha256(b"mintmark/chain/v1\n" + previous + leaf).digest()


def commitment(salt, body):
    """What ties a body to its leaf."""
    return hashlib.sha256(b"mintmark/body/v1\n" + salt + body).digest()


def seconds(text):
    """A time of the log in seconds since 1970; raises ValueError."""
    if type(text) is not str or not TIME.fullmatch(text):
        raise ValueError("ts is no UTC time with six digits of a second's fraction")
    moment = datetime.datetime.fromisoformat(text.removesuffix("Z"))
    since = (moment - datetime.datetime(1970, 1, 1)) / datetime.timedelta(seconds=1)
    if since < 0 or moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") != text:
        raise ValueError("ts is no time since 1970")
    return since


@dataclass(frozen=True, slots=True)
class Leaf:
    """What the leaf says, and the hashes that follow from its bytes."""

    event: str
    at: float
    node: str
    epoch: bytes
    sequence: int
    previous: bytes
    kid: str | None
    issued: int | None
    expires: int | None
    commitment: bytes | None
    hash: bytes
    # The chain value that the next record of this run must name.
    chain: bytes


def read_leaf(text):
    """A leaf from its exact text; raises ValueError when any byte could be otherwise."""
    members = read_object(text)
    if len(text.encode()) > LONGEST:
        raise ValueError("longer than an entry bundle can hold")
    event = members.get("t")
    if members.get("v") != 1 or type(members["v"]) is not int:
        raise ValueError("another version than 1")
    if type(event) is not str or event not in EVENTS:
        raise ValueError("an event that there is not")
    expected = (*HEAD, *members_of(event, members))
    if tuple(members) not in (expected, (*expected, "bc")):
        raise ValueError(f"not the members of {event} in their order")
    raw = {name: decode_url(members[name], size) for name, size in BYTES.items() if name in members}
    if any(not is_number(members[name]) for name in ("s", "iat", "exp") if name in members):
        raise ValueError("a number that is none")
    if type(members["n"]) is not str or not members["n"]:
        raise ValueError("n is no name")
    if event == "token.issued" and members["exp"] <= members["iat"]:
        raise ValueError("exp is not after iat")
    hashed = leaf_hash(text.encode())
    return Leaf(event, seconds(members["ts"]), members["n"], raw["e"], members["s"], raw["p"], members.get("kid"),
                members.get("iat"), members.get("exp"), raw.get("bc"), hashed, chain_value(raw["p"], hashed))
