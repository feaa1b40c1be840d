"""The bytes by which a private key gives itself away, and where they lie in a process.

A pattern is looked for in pieces of 16 bytes, since half a key is a key to whoever searches
the other half. Numbers are looked for in the forms in which libraries keep them: as in a
document, as limbs of this machine, as residues, and what gives a factor of an RSA modulus away.
Only what is private becomes a piece: a document's header and its public half are everywhere.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

PIECE = 16
PAGE = 4096
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
# The kernel's own pages, which no process can write to and not every one can be read.
KERNEL = ("[vvar]", "[vvar_vclock]", "[vsyscall]", "[vdso]")


def both(name, number, length):
    """A number as a document has it and as limbs of this machine."""
    return {f"{name}, big-endian": number.to_bytes(length, "big"),
            f"{name}, little-endian": number.to_bytes(length, "little")}


def p256(scalar):
    """The patterns of a P-256 key; ring keeps it as a residue in Montgomery form."""
    montgomery = scalar * 2**256 % P256_ORDER
    return both("scalar", scalar, 32) | {"scalar in Montgomery form": montgomery.to_bytes(32, "little")}


def ed25519(seed):
    """The patterns of an Ed25519 key (RFC 8032 section 5.1.5); ring keeps the scalar reduced, and the prefix."""
    digest = hashlib.sha512(seed).digest()
    clamped = bytearray(digest[:32])
    clamped[0] &= 248
    clamped[31] = clamped[31] & 63 | 64
    reduced = int.from_bytes(clamped, "little") % ED25519_ORDER
    return {"seed": seed, "digest of the seed": digest[:32], "clamped scalar": bytes(clamped),
            "reduced scalar": reduced.to_bytes(32, "little"), "prefix": digest[32:]}


def rsa(p, q, d):
    """The patterns of an RSA key (RFC 8017 section 3.2), and residues of which a gcd makes a factor."""
    modulus, length = p * q, ((p * q).bit_length() + 7) // 8
    half, inverse = length // 2, pow(q, -1, p)
    found = both("d", d, length)
    for name, number in (("p", p), ("q", q), ("dP", d % (p - 1)), ("dQ", d % (q - 1)), ("qInv", inverse)):
        found |= both(name, number, half)
    found["qInv in Montgomery form"] = (inverse * 2**(8 * half) % p).to_bytes(half, "little")
    for name, factor in (("p", p), ("q", q)):
        for power in (1, 2, 3):
            found[f"R^{power} mod {name}"] = (2**(8 * half * power) % factor).to_bytes(half, "little")
        found[f"{name} in Montgomery form"] = (factor * 2**(8 * length) % modulus).to_bytes(length, "little")
    return found


def document(text, der, private):
    """The patterns of a PEM text (RFC 7468): of each line the characters that say nothing but private octets of `der`."""
    body = [line for line in text.split("\n") if line and not line.startswith("-")]
    spans = [(der.index(octets), der.index(octets) + len(octets)) for octets in private]
    found = {}
    for number, line in enumerate(body):
        begin = sum(map(len, body[:number]))
        for first, end in spans:
            # Three octets are four characters; what is only half of a span is left out.
            first, end = max(-(-first // 3) * 4 - begin, 0), min(end // 3 * 4 - begin, len(line))
            if end - first >= PIECE:
                found[f"line {number + 1} of the PEM text from {first}"] = line[first:end].encode()
    return found


def pieces(patterns):
    """The 16-byte pieces of patterns: {piece: name of its pattern and where in it}."""
    found = {}
    for name, pattern in patterns.items():
        for offset in [*range(0, len(pattern) - PIECE, PIECE), len(pattern) - PIECE]:
            piece = pattern[offset:offset + PIECE]
            # A number may begin with zeros, which are everywhere.
            if len(set(piece)) > 4:
                found.setdefault(piece, f"{name}, from byte {offset}")
    return found


@dataclass
class Region:
    """A part of a process's memory as it was."""

    name: str
    start: int
    data: bytes


@dataclass(frozen=True)
class Trace:
    """A piece of a key that was found."""

    owner: str
    what: str
    where: str


def find(regions, owned):
    """Every trace of `owned`, {owner: pieces}, in the regions."""
    return [Trace(owner, what, f"{region.name}, {region.start + at:#x}")
            for owner, pieces_of in owned.items() for piece, what in pieces_of.items()
            for region in regions for at in places(region.data, piece)]


def told(found):
    """Traces for a result: by owner and pattern how many pieces, and where some of them are."""
    by = {}
    for trace in found:
        pattern = trace.what.split(", from byte")[0]
        by.setdefault(trace.owner, {}).setdefault(pattern, []).append(trace.where)
    return {owner: {what: [f"{len(where)} pieces", *sorted(where)[:3]] for what, where in patterns.items()}
            for owner, patterns in by.items()}


def dense(region):
    """The region without its empty pages, in the parts that are left: most of a stack was never written to."""
    empty, parts, begin = bytes(PAGE), [], None
    for at in range(0, len(region.data) + PAGE, PAGE):
        page = region.data[at:at + PAGE]
        written = page and page != empty[:len(page)]
        if written and begin is None:
            begin = at
        elif not written and begin is not None:
            parts.append(Region(region.name, region.start + begin, region.data[begin:at]))
            begin = None
    return parts


def places(data, piece):
    """Where the piece begins."""
    at = data.find(piece)
    while at >= 0:
        yield at
        at = data.find(piece, at + 1)


def files(folder):
    """The files of a folder and below as regions; what vanishes meanwhile is left out."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            try:
                found += dense(Region(str(path.relative_to(folder)), 0, path.read_bytes()))
            except FileNotFoundError:
                pass
    return found


def memory(pid):
    """(regions, names of what could not be read) of every readable mapping of a process that is stopped."""
    stacks = stack_pointers(pid)
    regions, unread, guarded = [], [], None
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as source:
        for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
            span, rights, *rest = line.split(maxsplit=5)
            name = rest[3] if len(rest) > 3 else "anonymous"
            start, end = (int(address, 16) for address in span.split("-"))
            if rights.startswith("---") and end - start == PAGE:
                guarded = end  # what follows is a stack; glibc keeps those of ended threads for later ones
            if not rights.startswith("r") or name in KERNEL:
                continue
            inside = [thread for thread, pointer in stacks.items() if start <= pointer < end]
            if inside:
                name = f"stack of {', '.join(inside)}"
            elif name == "anonymous":
                name = "stack of an ended thread" if start == guarded else "heap"
            try:
                source.seek(start)
                regions += dense(Region(name, start, whole(source, end - start)))
            except OSError as error:
                unread.append(f"{name}: {error}")
    return regions, unread


def whole(source, length):
    """So many bytes, however many each read gives."""
    parts = []
    while length > 0:
        part = source.read(length)
        if not part:
            raise OSError("the memory ends early")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def stack_pointers(pid):
    """The stack pointer of each thread of a process that is stopped, by the thread's name and number."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = (task / "syscall").read_text(encoding="ascii").split()
        if len(fields) > 2:
            found[f"{(task / 'comm').read_text(encoding='utf-8').strip()} ({task.name})"] = int(fields[-2], 16)
    return found
