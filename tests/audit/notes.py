"""Checkpoints as a forger makes them: changed ones that nobody signed anew, and ones that he signed himself."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# The forger's key; every forgery must come out the same again.
STRANGER = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a stranger").digest())


def root_of(lines):
    """The root over the leaves of these lines."""
    row = [hashlib.sha256(b"\0" + json.loads(line)["leaf"].encode()).digest() for line in lines]
    while len(row) > 1:
        pairs = [hashlib.sha256(b"\1" + left + right).digest() for left, right in zip(row[::2], row[1::2])]
        row = pairs + row[len(pairs) * 2:]
    return row[0]


def text_of(origin, size, root):
    """What is signed."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def relabelled(note, size, root):
    """The note with another size and root, and the signature that it had."""
    text, _, signature = note.rpartition("\n\n")
    return f"{text_of(text.split(chr(10))[0], size, root)}\n{signature}"


def public():
    """The stranger's public key, with the type that a note gives it."""
    return b"\x01" + STRANGER.public_key().public_bytes_raw()


def key_id(origin):
    """What marks the stranger's signatures under the log's name."""
    return hashlib.sha256(origin.encode() + b"\n" + public()).digest()[:4]


def signed_by_stranger(origin, size, root):
    """A note that the forger signed, under the log's name."""
    text = text_of(origin, size, root)
    signature = base64.b64encode(key_id(origin) + STRANGER.sign(text.encode())).decode()
    return f"{text}\n— {origin} {signature}\n"


def claimed(origin, size, root, vkey):
    """The same under the number of the log's own key."""
    text = text_of(origin, size, root)
    number = bytes.fromhex(vkey.decode().split("+")[1])
    signature = base64.b64encode(number + STRANGER.sign(text.encode())).decode()
    return f"{text}\n— {origin} {signature}\n"


def vkey_of_stranger(origin):
    """The stranger's verification key under the log's name."""
    return f"{origin}+{key_id(origin).hex()}+{base64.b64encode(public()).decode()}\n".encode()
