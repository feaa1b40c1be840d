"""Everybody who uses a server at once, and goes on through its deaths: clients, a stranger, an admin, a keeper of keys."""

import http.client
import os
import subprocess
import threading
import time
from pathlib import Path

import report  # noqa: F401  (names the folder of the shared client)
import server as mintmark


class Ledger:
    """The tokens that clients hold, on disk before the next request is sent."""

    def __init__(self, file):
        self.out = open(file, "a", encoding="ascii")
        self.lock = threading.Lock()
        self.file = file

    def write(self, jti):
        with self.lock:
            self.out.write(jti + "\n")
            self.out.flush()
            os.fdatasync(self.out.fileno())

    def read(self):
        return Path(self.file).read_text(encoding="ascii").split()


class Noise:
    """The threads of all of them. What was acknowledged is remembered, and nothing else."""

    def __init__(self, server, secret, ledger):
        self.server, self.secret, self.ledger = server, secret, ledger
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.answers, self.failed = {}, 0
        # Names of clients, kids of keys.
        self.registered, self.disabled, self.revoked = [], [], []
        self.rotations = 0
        self.threads = []

    def start(self, *acts):
        """Each act runs in a thread of its own until `stop`."""
        self.threads += [threading.Thread(target=act, daemon=True) for act in acts]
        for thread in self.threads:
            if not thread.ident:
                thread.start()

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(timeout=30)

    def count(self, answer):
        with self.lock:
            self.answers[answer] = self.answers.get(answer, 0) + 1

    def client(self, rate, secret=None):
        """Asks for so many tokens a second over one connection, a new one after each failure."""
        connection = self.server.connect(timeout=5)
        due = time.monotonic()
        # What a dead server took away is not made up for by a burst.
        while not self.stopped.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1 / rate, time.monotonic() - 0.1)
            try:
                status, body = mintmark.request_token(connection, "load", secret or self.secret)
                if status == 200:
                    self.ledger.write(mintmark.jwt_part(body["access_token"], 1)["jti"])
                self.count(str(status))
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = self.server.connect(timeout=5)
                self.count("no answer")
        connection.close()

    def act(self, *words):
        """One administrative command; what it printed, or nothing when it was not acknowledged."""
        try:
            return self.server.admin(*words, timeout=15) or {}
        except (mintmark.Refused, OSError, ValueError, subprocess.TimeoutExpired):
            self.failed += 1
            return None

    def admin(self, every):
        """Registers clients, and disables some of them."""
        number = 0
        while not self.stopped.wait(every):
            number += 1
            name = f"made-{number}"
            if self.act("client", "create", name, "--scope", mintmark.SCOPE) is None:
                continue
            self.registered.append(name)
            if number % 3 == 0 and self.act("client", "disable", name) is not None:
                self.disabled.append(name)

    def keeper(self, every, revoke=False):
        """Rotates keys by hand; with `revoke` each third time it revokes one that signs instead."""
        number = 0
        while not self.stopped.wait(every):
            number += 1
            if revoke and number % 3 == 0:
                keys = (self.act("key", "list") or {"items": []})["items"]
                for kid in [key["kid"] for key in keys if key["state"] == "active"][:1]:
                    if self.act("key", "revoke", kid, "--reason", "noise") is not None:
                        self.revoked.append(kid)
            elif self.act("key", "rotate", "--now") is not None:
                self.rotations += 1

    def lost(self):
        """What was acknowledged and is not there any more."""
        clients = {item["client_id"]: item for item in self.server.admin("client", "list")["items"]}
        keys = {item["kid"]: item for item in self.server.admin("key", "list")["items"]}
        return (
            [name for name in self.registered if name not in clients]
            + [name for name in self.disabled if name in clients and not clients[name]["disabled"]]
            + [kid for kid in self.revoked if kid in keys and keys[kid]["state"] != "revoked"])

    def figures(self):
        """For the result."""
        return {"answers": self.answers, "clients_acknowledged": len(self.registered),
                "clients_disabled": len(self.disabled), "keys_revoked": len(self.revoked),
                "rotations": self.rotations, "commands_without_acknowledgement": self.failed}


def active_keys(server):
    """How many active keys each algorithm has."""
    count = {}
    for key in server.admin("key", "list")["items"]:
        count.setdefault(key["alg"], 0)
        count[key["alg"]] += key["state"] == "active"
    return count
