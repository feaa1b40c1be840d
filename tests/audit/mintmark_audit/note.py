"""The signed checkpoint: C2SP signed-note with one Ed25519 key, and three lines of text.

What a note must look like is exact. Lines of other signers, such as witnesses, are let be; a line
of the log's own key must be valid.
"""

import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .encoding import MAX_U64, decode_standard
from .faults import Wrong

ED25519 = b"\x01"
NAME = re.compile(r"[^\s+\x00-\x1f\x7f]+")
SIZE = re.compile(r"0|[1-9][0-9]{0,19}")
SIGNATURE = re.compile(r"— ([^\s+\x00-\x1f\x7f]+) ([A-Za-z0-9+/=]+)")


def key_id(name, public):
    """The first four bytes of the hash over name and key."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


@dataclass(frozen=True)
class Vkey:
    """The log's name and public key."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text):
        """Reads `name+hex(keyID)+base64(0x01 ‖ public key)`; raises Wrong."""
        try:
            name, number, key = text.split("+", 2)
            raw = decode_standard(key)
        except ValueError as error:
            raise Wrong(f"the verification key has another form: {error}") from error
        if not NAME.fullmatch(name) or len(raw) != 33 or raw[:1] != ED25519:
            raise Wrong("the verification key is none of Ed25519 with a name")
        if number != key_id(name, raw[1:]).hex():
            raise Wrong("the verification key's number is not that of its name and key")
        return cls(name, raw[1:])

    def holds(self, signature, text):
        """Whether this is the key's signature over the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


def read_vkey(raw):
    """The key of a file: one line and a line feed, which may have got lost in copying."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Wrong("the verification key is no text") from error
    return Vkey.parse(text.removesuffix("\n"))


@dataclass(frozen=True)
class Checkpoint:
    """What the log's key has signed."""

    origin: str
    size: int
    root: bytes


def open_checkpoint(note, vkey):
    """The checkpoint in a note that the key has signed; raises Wrong."""
    try:
        text, signatures = take_apart(note)
        origin, size, root = take_lines(text)
    except ValueError as error:
        raise Wrong(f"the checkpoint has another form: {error}") from error
    if origin != vkey.name:
        raise Wrong("the checkpoint is of another log than the verification key")
    own = [raw[4:] for name, raw in signatures if name == vkey.name and raw[:4] == key_id(name, vkey.public)]
    if not own:
        raise Wrong("the checkpoint is not signed by the verification key")
    if not all(vkey.holds(signature, text.encode()) for signature in own):
        raise Wrong("the checkpoint's signature does not hold")
    return Checkpoint(origin, size, root)


def take_apart(note):
    """The signed text with its last line feed, and (name, key number and signature) of each signature line."""
    # The signatures stand behind the last empty line.
    text, divider, tail = note.rpartition("\n\n")
    if not divider or not tail.endswith("\n"):
        raise ValueError("no signature lines behind an empty line")
    if any(ord(char) < 0x20 and char != "\n" or char == "\x7f" for char in note):
        raise ValueError("control characters")
    signatures = []
    for line in tail[:-1].split("\n"):
        match = SIGNATURE.fullmatch(line)
        if not match:
            raise ValueError("a line that is no signature")
        raw = decode_standard(match[2])
        if len(raw) < 5:
            raise ValueError("a signature that is too short")
        signatures.append((match[1], raw))
    if len(signatures) > 100:
        raise ValueError("too many signatures")
    return text + "\n", signatures


def take_lines(text):
    """Origin, size and root of the signed text."""
    lines = text[:-1].split("\n")
    if len(lines) != 3:
        raise ValueError("not three lines")
    origin, size, root = lines
    raw = decode_standard(root)
    if not NAME.fullmatch(origin) or not SIZE.fullmatch(size) or int(size) > MAX_U64 or len(raw) != 32:
        raise ValueError("origin, size and root are not as they must be")
    return origin, int(size), raw
