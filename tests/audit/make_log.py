"""A real log for the forgeries: issued by a real server, with everything that a log has.

Tokens, refusals, acts of administrators, rotations, a revocation, and several runs of the node, of
which one ended by SIGKILL. A second, smaller log of the same name serves whoever wants to splice.
"""

import contextlib
import http.client
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import server as mintmark  # noqa: E402


@dataclass
class Made:
    """An export of the whole log and of its middle, the log's key, and checkpoints from its way, by size."""

    export: bytes
    middle: bytes
    vkey: bytes
    kept: list

    def save(self, folder):
        """Writes it down, so that forgeries can be made of it again."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "export.ndjson").write_bytes(self.export)
        (folder / "middle.ndjson").write_bytes(self.middle)
        (folder / "vkey").write_bytes(self.vkey)
        for number, note in enumerate(self.kept):
            (folder / f"checkpoint-{number}").write_bytes(note)

    @classmethod
    def load(cls, folder):
        """What `save` has written."""
        kept = sorted((file.read_bytes() for file in folder.glob("checkpoint-*")), key=size_of)
        return cls(*((folder / name).read_bytes() for name in ("export.ndjson", "middle.ndjson", "vkey")), kept)


class Acts:
    """What goes on at a server: tokens most of the time, and now and then something else."""

    def __init__(self, server):
        self.server = server
        self.secret = server.register()
        self.number = 0
        self.connection = server.connect()

    def reconnect(self):
        """After a restart."""
        self.connection.close()
        self.connection = self.server.connect()

    def tokens(self, count):
        """Issues so many tokens."""
        for _ in range(count):
            status, answer = mintmark.request_token(self.connection, "load", self.secret)
            if status != 200:
                raise mintmark.Refused(f"no token: {status} {answer}")

    def others(self):
        """Two refusals, acts of an administrator, a search, and each time another turn of the keys."""
        self.number += 1
        server, name = self.server, f"made-{self.number}"
        mintmark.request_token(self.connection, "load", self.secret + "x")
        mintmark.request_token(self.connection, "load", self.secret, "never:granted")
        server.admin("client", "create", name, "--scope", mintmark.SCOPE, "--name", f'"{name}" \u2028 für alle')
        server.admin("client", "disable", name)
        server.admin("audit", "search", "--client", "load", "--limit", "1")
        turn = self.number % 3
        if turn == 0:
            server.admin("key", "revoke", active(server), "--reason", "to see it in the log")
        else:
            server.admin("key", "rotate", "--now")
        if turn == 1:
            server.admin("key", "retain", active(server))


def active(server):
    """The kid of a key that signs."""
    return next(key["kid"] for key in server.admin("key", "list")["items"] if key["state"] == "active")


def size_of(note):
    """The size that a checkpoint names."""
    return int(note.split(b"\n")[1])


def checkpoint_of(server, at_least):
    """The first checkpoint of at least this size; one is promised each second."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _, note = server.get("/log/checkpoint")
            if status == 200 and size_of(note) >= at_least:
                return note
        time.sleep(0.05)
    raise mintmark.Refused(f"no checkpoint of {at_least} entries within 20 s")


def make(binary, home, records, look=lambda server, vkey: None, runs=6):
    """A log of about so many records, from so many runs of one node; `look` sees the server before it ends."""
    server = mintmark.Server(binary, home)
    server.init()
    server.start()
    try:
        server.wait_ready()
        acts, kept = Acts(server), []
        each = max(records // runs - 20, 5)
        for run in range(runs):
            if run:
                restart(server, killed=run == 2)
                acts.reconnect()
            acts.tokens(each // 2)
            acts.others()
            acts.tokens(each - each // 2)
            kept.append(checkpoint_of(server, (run + 1) * each))
        file = Path(home) / "export.ndjson"
        vkey = server.export(file).read_bytes()
        export = file.read_bytes()
        look(server, vkey)
        return Made(export, part(server, home, len(export.splitlines()) - 1), vkey, kept)
    finally:
        server.stop()


def restart(server, killed):
    """The same node, another run."""
    if killed:
        server.kill()
    else:
        server.stop()
    server.start()
    server.wait_ready()


def part(server, home, size):
    """An export of the middle of the log."""
    file = Path(home) / "middle.ndjson"
    code, _, err = server.run("audit", "export", "--first", str(size // 4), "--end", str(3 * size // 4),
                              "--out", str(file), "--admin", f"unix:{server.socket}")
    if code != 0:
        raise mintmark.Refused(f"mintmark audit export: exit {code}: {err.strip()}")
    return file.read_bytes()


def tell(made):
    """What the log has, for the result."""
    events, runs = {}, set()
    for line in made.export.splitlines()[1:]:
        leaf = json.loads(json.loads(line)["leaf"])
        events[leaf["t"]] = events.get(leaf["t"], 0) + 1
        runs.add(leaf["e"])
    return {"entries": sum(events.values()), "runs": len(runs), "events": dict(sorted(events.items()))}
