"""The encodings of the log: JSON and base64, each value with exactly one spelling.

A verifier that takes a second spelling of the same thing lets somebody change bytes unseen. So
what was read is written again, and the two must be the same to the last byte.
"""

import base64
import binascii
import json

MAX_U64 = 2**64 - 1


def write(value):
    """JSON without blanks, members in their order, nothing escaped that need not be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def read_object(text):
    """The members of one JSON object in its only spelling; raises ValueError on any other text."""
    members = read_any(text)
    if type(members) is not dict or write(members) != text:
        raise ValueError("another spelling of the same JSON, or no object")
    return members


def read_any(text):
    """Any JSON value; raises ValueError."""
    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("too deep") from error


def refuse(constant):
    """Python reads `NaN` and the like, JSON does not have them."""
    raise ValueError(f"{constant} is no JSON")


def is_number(value):
    """Whether it is an unsigned number of 64 bits; JSON's `true` is none."""
    return type(value) is int and 0 <= value <= MAX_U64


def decode_url(text, size):
    """Base64url without padding of exactly `size` bytes; raises ValueError."""
    if type(text) is not str or not text.isascii() or "=" in text:
        raise ValueError("no base64url without padding")
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if encode_url(raw) != text or len(raw) != size:
        raise ValueError(f"no base64url of {size} bytes")
    return raw


def encode_url(raw):
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_standard(text):
    """Standard base64 with padding, in its only spelling; raises ValueError."""
    if type(text) is not str or not text.isascii():
        raise ValueError("no base64")
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
    if base64.b64encode(raw).decode() != text:
        raise ValueError("another spelling of the same base64")
    return raw
