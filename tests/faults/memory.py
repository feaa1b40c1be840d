#!/usr/bin/env python3
"""Looks for private keys in the memory and in the files of a running server, while they sign and after.

The real server signs tokens under load. This program opens the sealed private halves of its
database with the key-encryption key, as only an operator can, and looks for the bytes of each key
in every readable mapping of the process and in every file of its data. While a key signs it must
be found in memory, which shows that the search can find. Keys go out by rotation, under load and
of a server that has nothing to do before or after, and, with some that openssl made, by
revocation while they sign and while they wait; all are sealed under another key-encryption key.
P + 5 s later no mapping may hold a piece of a key that is out, nor of the old key-encryption
key, and no file its sealed half or one under the old key-encryption key. No file may hold a
plain half at any time.
Needs root, openssl, and what ./test installs. Prints one JSON object.
"""

import base64
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import fleet
import report
import server as mintmark
import times
import traces
from client import Client

try:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.serialization import load_der_private_key
except ImportError:
    if not fleet.PYTHON.exists():
        report.end({"error": f"{fleet.PYTHON} is missing: ./test makes it"}, {"the run came to its end": False})
    os.execv(fleet.PYTHON, [str(fleet.PYTHON), *sys.argv])

# Version, name of the key-encryption key, nonce; then ciphertext and tag.
SEALED_HEAD = 1 + 8 + 12
# Algorithm, octet string in an octet string: what comes before the seed (RFC 8410).
ED25519_SEED = bytes.fromhex("300506032b657004220420")
GENKEY = {"ES256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "EdDSA": ["ED25519"],
          "RS256": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "PS256": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]}
# So long after P has passed, the private half is gone.
GONE_AFTER = 5.0
# Tokens per second.
LOAD = 90
OLD_KEK = "the old key-encryption key"
OLD_SEALS = "under the old key-encryption key"


@dataclass
class Key:
    """A key of the ring, with what of it must not be seen."""

    kid: str
    alg: str
    imported: bool = False
    plain: dict = field(default_factory=dict)
    # The sealed halves it ever had, by the fingerprint of the key-encryption key.
    sealed: dict = field(default_factory=dict)
    out_at: float | None = None
    why_out: str = ""

    def name(self):
        return f"{self.alg} {self.kid[:8]}{', imported' if self.imported else ''}"


def patterns(alg, der):
    """The plain patterns of a private key, and its private octets as they lie in the document."""
    if alg == "EdDSA":
        # The library reads no document with a public key in it (RFC 8410 section 7); the seed is at the same place in both.
        if der[5:16] != ED25519_SEED:
            raise mintmark.Refused("an Ed25519 key's document is of another form")
        return traces.ed25519(der[16:48]), [der[16:48]]
    numbers = load_der_private_key(der, None).private_numbers()
    if alg == "ES256":
        return traces.p256(numbers.private_value), [numbers.private_value.to_bytes(32, "big")]
    octets = numbers.d.to_bytes((numbers.d.bit_length() + 7) // 8, "big")
    # From d on everything is private (RFC 8017 appendix A.1.2).
    return traces.rsa(numbers.p, numbers.q, numbers.d), [der[der.index(octets):]]


@dataclass
class Look:
    """Memory and files as they were at one moment; judged at the end, since the search takes its time."""

    name: str
    states: dict
    moment: float
    memory: list
    unread: list
    files: list


class Ring:
    """All keys that the server ever had a private half of, as its database says."""

    def __init__(self, server):
        self.server = server
        self.database = server.home / "data/mintmark.db"
        self.keks = {}
        self.keys = {}
        self.log_seals = set()
        self.know(server.home / "keys/kek")

    def know(self, file):
        """A key-encryption key, by its fingerprint."""
        kek = base64.b64decode(file.read_text(encoding="ascii"))
        self.keks[hashlib.sha256(b"mintmark/kek/v1\n" + kek).digest()[:8]] = kek

    def read(self):
        """Takes over what the database has now; gives {kid: state}."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as rows:
            found = rows.execute("SELECT kid, alg, state, sealed FROM signing_keys").fetchall()
            self.log_seals.add(rows.execute("SELECT sealed_key FROM log").fetchone()[0])
        for kid, alg, _, sealed in found:
            key = self.keys.setdefault(kid, Key(kid, alg))
            if sealed is not None and sealed[1:9] not in key.sealed:
                key.sealed[sealed[1:9]] = sealed
                key.plain |= patterns(alg, self.opened(key, sealed))[0]
        return {kid: state for kid, _, state, _ in found}

    def of(self, state):
        """The keys in this state now."""
        states = self.read()
        return [key for key in self.keys.values() if states.get(key.kid) == state]

    def opened(self, key, sealed):
        """The document in a sealed half."""
        if sealed[0] != 1 or sealed[1:9] not in self.keks:
            raise mintmark.Refused(f"the sealed half of {key.name()} is of another form")
        label = f"mintmark/seal/v1\ntoken-key\n{key.kid}\n{key.alg}\n".encode()
        return AESGCM(self.keks[sealed[1:9]]).decrypt(sealed[9:SEALED_HEAD], sealed[SEALED_HEAD:], label)

    def brought(self, alg):
        """A key by openssl, imported; its text counts as one of its patterns."""
        file = self.server.home / f"brought-{alg}.pem"
        with open(file, "xb", opener=for_owner_only) as out:
            subprocess.run(["openssl", "genpkey", "-algorithm", *GENKEY[alg]], check=True, stdout=out,
                           stderr=subprocess.DEVNULL)
        kid = self.server.admin("key", "import", str(file), "--alg", alg)["kid"]
        text = file.read_text(encoding="ascii")
        file.unlink()
        der = base64.b64decode("".join(line for line in text.split("\n") if not line.startswith("-")))
        plain, octets = patterns(alg, der)
        self.keys[kid] = Key(kid, alg, True, plain | traces.document(text, der, octets))
        self.read()
        return self.keys[kid]

    def seals(self):
        """The pieces of every sealed half it ever had, by the key's name."""
        return {key.name(): traces.pieces({f"sealed half {number}": sealed[SEALED_HEAD:]
                                           for number, sealed in enumerate(key.sealed.values(), start=1)})
                for key in self.keys.values()}

    def seals_under(self, kek_id):
        """The pieces of everything that was ever sealed under one key-encryption key."""
        halves = [sealed for key in self.keys.values() for sealed in key.sealed.values()] + list(self.log_seals)
        under = {f"sealed half {number}": sealed[SEALED_HEAD:] for number, sealed in enumerate(halves)
                 if sealed[1:9] == kek_id}
        return {OLD_SEALS: traces.pieces(under)}


class Run:
    """A server, its load, and what was seen at each look."""

    def __init__(self, server, algorithms, long):
        self.server, self.algorithms, self.long = server, algorithms, long
        self.ring = Ring(server)
        self.answers, self.signers = {}, {}
        self.looks = []
        self.old_kek, self.rewrapped_at = None, None
        self.client = Client(server, algorithms, 2 * len(algorithms), self.take)

    def take(self, _begin, _end, status, token):
        self.answers[status] = self.answers.get(status, 0) + 1
        if token:
            self.signers[token.kid] = self.signers.get(token.kid, 0) + 1

    def look(self, name):
        """Takes memory and files as they are now."""
        states = self.ring.read()
        pid = self.server.pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until_stopped(pid)
            moment = time.monotonic()
            memory, unread = traces.memory(pid)
            files = traces.files(self.server.home / "data") + traces.files(self.server.home / "run")
        finally:
            os.kill(pid, signal.SIGCONT)
        files.append(traces.Region("server.log", 0, (self.server.home / "server.log").read_bytes()))
        self.looks.append(Look(name, states, moment, memory, unread, files))

    def look_when_gone(self, name):
        """The same as soon as everything that is out must be gone."""
        time.sleep(self.long.propagation + GONE_AFTER)
        self.look(name)

    def active(self):
        """Waits until each algorithm has an active key that has signed under load; gives these keys."""
        limit = time.monotonic() + 20
        while time.monotonic() < limit:
            keys = self.ring.of("active")
            if {key.alg for key in keys if self.signers.get(key.kid, 0) >= 20} == set(self.algorithms):
                return keys
            time.sleep(0.2)
        raise mintmark.Refused("no active key of each algorithm signs")

    def load(self, rate):
        """So many tokens per second from now on; with none, the last answer is there when this returns."""
        self.client.rate(rate)
        if not rate:
            time.sleep(1)

    def out(self, keys, why):
        """These keys are out from now on."""
        for key in keys:
            key.out_at, key.why_out = time.monotonic(), why

    def rotate(self, keys, why):
        """The next keys sign at once instead of these."""
        self.server.admin("key", "rotate", "--now")
        self.out(keys, why)

    def revoke(self, keys, why):
        """These keys are revoked."""
        for key in keys:
            self.server.admin("key", "revoke", key.kid, "--reason", "a test")
            self.out([key], why)

    def rewrap(self):
        """All halves under another key-encryption key."""
        self.ring.read()
        self.old_kek, = self.ring.keks
        file = self.server.home / "keys/new"
        with open(file, "x", encoding="ascii", opener=for_owner_only) as out:
            out.write(base64.b64encode(os.urandom(32)).decode() + "\n")
        self.ring.know(file)
        self.server.admin("key", "rewrap", "--kek-file", str(file))
        self.rewrapped_at = time.monotonic()
        self.ring.read()

    def acts(self):
        """What is done, and when it is looked at."""
        self.rotate(self.ring.of("active"), "rotated before any load")
        self.look_when_gone("after a rotation before any load")
        self.load(LOAD)
        first = self.active()
        self.look("the next keys sign")
        for alg in self.algorithms:
            self.ring.brought(alg)
        self.rotate(first, "rotated under load")
        self.look_when_gone("after a rotation under load")
        second = self.active()
        self.load(0)
        self.rotate(second, "rotated, then quiet")
        self.look_when_gone("after a rotation in quiet")
        self.load(LOAD)
        brought = self.active()
        self.look("the imported keys sign")
        self.load(0)
        self.rewrap()
        self.revoke(brought, "revoked while it signed")
        self.look_when_gone("after a rewrap and a revocation in quiet")
        self.revoke([self.ring.brought(alg) for alg in self.algorithms], "revoked while it waited")
        self.look_when_gone("after a revocation of keys that waited")
        self.load(LOAD)
        self.active()


def for_owner_only(path, flags):
    """Opens a file that nobody else can read."""
    return os.open(path, flags, 0o600)


def wait_until_stopped(pid):
    """Every thread has stopped, so that memory holds still."""
    limit = time.monotonic() + 5
    while time.monotonic() < limit:
        states = [(task / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
                  for task in Path(f"/proc/{pid}/task").iterdir()]
        if set(states) <= {"T", "t"}:
            return
        time.sleep(0.005)
    raise mintmark.Refused("the server does not stop for a look at its memory")


class Judged:
    """What one look shows, once everything is known that must not be seen."""

    def __init__(self, look, run):
        self.look = look
        keys = run.ring.keys.values()
        due = look.moment - run.long.propagation - GONE_AFTER
        gone = {key.name() for key in keys if key.out_at is not None and key.out_at <= due}
        plain = {key.name(): traces.pieces(key.plain) for key in keys}
        self.plain_in_files = traces.find(look.files, plain)
        in_memory = traces.find(look.memory, plain)
        active = {key.name() for key in keys if look.states.get(key.kid) == "active"}
        self.gone = sorted(gone)
        self.of_active = [trace for trace in in_memory if trace.owner in active]
        self.blind = sorted(active - {trace.owner for trace in in_memory})
        self.survivors = [trace for trace in in_memory if trace.owner in gone]
        sealed = traces.find(look.files, run.ring.seals())
        self.sealed_in_files = {trace.owner for trace in sealed}
        self.sealed_survivors = [trace for trace in sealed if trace.owner in gone]
        old = run.ring.keks[run.old_kek]
        forms = {"bytes": old, "text": base64.b64encode(old)}
        of_kek = traces.find(look.memory, {OLD_KEK: traces.pieces(forms)})
        if look.moment < run.rewrapped_at and not of_kek:
            self.blind.append(OLD_KEK)
        self.kek_survivors = []
        if run.rewrapped_at <= due:
            self.gone += [OLD_SEALS, OLD_KEK]
            self.kek_survivors = of_kek
            self.sealed_survivors += traces.find(look.files, run.ring.seals_under(run.old_kek))

    def told(self):
        """For the result."""
        found = traces.told(self.of_active)
        return {
            "look": self.look.name, "mebibytes_written": sum(len(part.data) for part in self.look.memory) >> 20,
            "patterns_of_active_keys": found, "must_be_gone": self.gone,
            "survivors_in_memory": traces.told(self.survivors + self.kek_survivors),
            "sealed_survivors_in_files": traces.told(self.sealed_survivors),
            "plain_in_files": traces.told(self.plain_in_files), "unread": self.look.unread,
        }


def judge(run, stopped):
    """What must hold."""
    looks = [Judged(look, run) for look in run.looks]
    keys = run.ring.keys.values()
    ways = {"rotated before any load", "rotated under load", "rotated, then quiet",
            "revoked while it signed", "revoked while it waited"}
    gone = {name for look in looks for name in look.gone}
    report.end({
        "looks": [look.told() for look in looks], "answers": run.answers, "exit_code_of_sigterm": stopped,
        "keys": {key.name(): {"signed": run.signers.get(key.kid, 0), "out": key.why_out} for key in keys},
    }, {
        "each key that signs is found in memory": not any(look.blind for look in looks),
        "the sealed halves of active keys are found in files":
            all({trace.owner for trace in look.of_active} <= look.sealed_in_files for look in looks),
        "every readable mapping was read": not any(look.look.unread for look in looks),
        "keys of each algorithm were out long enough at a look, by each way": OLD_SEALS in gone and all(
            {key.why_out for key in keys if key.alg == alg and key.name() in gone} == ways for alg in run.algorithms),
        "imported keys of each algorithm were revoked":
            {key.alg for key in keys if key.imported and key.why_out.startswith("revoked")} == set(run.algorithms),
        "no key that is out is in memory": not any(look.survivors for look in looks),
        "no sealed half that is out is in a file": not any(look.sealed_survivors for look in looks),
        "no plain half is in a file at any time": not any(look.plain_in_files for look in looks),
        "no answer is an error": set(run.answers) <= {200, 503} and run.answers.get(503, 0) < 50,
        "SIGTERM ends with 0": stopped == 0,
    })


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--algorithms", default="ES256,EdDSA,RS256", type=lambda text: text.split(","))
    args = parser.parse_args()
    if os.geteuid() != 0:
        report.end({"error": "only root may read another process's memory"}, {"the run came to its end": False})
    home = Path(tempfile.mkdtemp(prefix="mintmark-memory-"))
    # No key is rotated but by hand.
    long = times.Times(active_for=3600)
    server = mintmark.Server(args.binary, home, env=long.env(args.algorithms))
    run = None
    try:
        server.init()
        server.start().wait_ready()
        run = Run(server, args.algorithms, long)
        run.acts()
        run.client.stop()
        judge(run, server.stop())
    except (mintmark.Refused, OSError, subprocess.SubprocessError) as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    finally:
        if run:
            run.client.stop()
        server.stop()
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
