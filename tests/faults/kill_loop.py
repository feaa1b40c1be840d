#!/usr/bin/env python3
"""Kills a loaded server again and again by SIGKILL and shows what its promise is worth.

Several clients ask for tokens without pause; each token that arrives is written into a ledger
that is synced before the next request. An admin registers clients and rotates keys meanwhile.
After each kill the server must be ready without any hand. At the end every token of the
ledger must be in the exported log, the export must verify (also against checkpoints kept from
before the kills), no jti may be there twice, no acknowledged client may be lost, and each ring
must have exactly one active key. Prints one JSON object.

A kill leaves the page cache alive: this shows order and recovery. That a record is on the disk
before its token leaves is what sync_order.py shows.
"""

import http.client
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import report
import server as mintmark
from logged import Logged


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


class Load:
    """The clients and the admin; they go on through every kill."""

    def __init__(self, server, secret, ledger, pause):
        self.server, self.secret, self.ledger, self.pause = server, secret, ledger, pause
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.answers = {}
        self.registered = []
        self.rotations = 0
        self.threads = []

    def start(self, clients, rotate_every):
        acts = [self.client] * clients + [lambda: self.admin(rotate_every)]
        self.threads = [threading.Thread(target=act, daemon=True) for act in acts]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(timeout=30)

    def count(self, answer):
        with self.lock:
            self.answers[answer] = self.answers.get(answer, 0) + 1

    def client(self):
        """Asks for tokens over one connection, a new one after each failure."""
        connection = self.server.connect(timeout=5)
        while not self.stopped.wait(self.pause):
            try:
                status, body = mintmark.request_token(connection, "load", self.secret)
                if status == 200:
                    self.ledger.write(mintmark.jwt_part(body["access_token"], 1)["jti"])
                self.count(str(status))
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = self.server.connect(timeout=5)
                self.count("no answer")
        connection.close()

    def admin(self, rotate_every):
        """Registers clients, and rotates keys now and then; remembers only what was acknowledged."""
        due = time.monotonic() + rotate_every
        number = 0
        while not self.stopped.wait(0.2):
            number += 1
            try:
                if time.monotonic() > due:
                    self.server.admin("key", "rotate", "--now", timeout=10)
                    self.rotations += 1
                    due = time.monotonic() + rotate_every
                name = f"made-{number}"
                self.server.admin("client", "create", name, "--scope", mintmark.SCOPE, timeout=10)
                self.registered.append(name)
            except (mintmark.Refused, OSError, ValueError, subprocess.TimeoutExpired):
                self.count("admin command failed")


def kill_and_restart(server, kills, between, kept):
    """The loop itself: live a while, keep a checkpoint, die, come back. Gives the seconds to ready."""
    ready = []
    for number in range(kills):
        time.sleep(random.uniform(0.2, 2 * between - 0.2) if between > 0.2 else between)
        if number in (0, kills // 2, kills - 1):
            status, _, note = server.get("/log/checkpoint")
            if status == 200:
                kept.append(note)
        server.kill()
        server.start()
        ready.append(server.wait_ready(timeout=30))
    return ready


def active_keys(server):
    """How many active keys each algorithm has."""
    count = {}
    for key in server.admin("key", "list")["items"]:
        count.setdefault(key["alg"], 0)
        count[key["alg"]] += key["state"] == "active"
    return count


def judge(server, load, ledger, kept, ready):
    """Everything that must be true when the noise is over."""
    log = Logged(server, ledger.read(), kept)
    clients = {item["client_id"] for item in server.admin("client", "list")["items"]}
    lost_clients = set(load.registered) - clients
    active = active_keys(server)
    stopped = server.stop()
    report.end({"kills": len(ready)} | log.figures() | {
        "answers": load.answers, "clients_acknowledged": len(load.registered),
        "clients_lost": len(lost_clients), "rotations": load.rotations, "active_keys": active,
        "ready_seconds": {"median": round(statistics.median(ready), 3), "max": round(max(ready), 3)},
        "checkpoints_kept": len(kept), "exit_code_of_sigterm": stopped,
    }, {"tokens were received": len(log.held) > 10 * len(ready)} | log.verdicts() | {
        "no acknowledged client is lost": not lost_clients,
        "each ring has one active key": active and all(count == 1 for count in active.values()),
        "ready by itself within a second": max(ready) <= 1.0,
        "SIGTERM ends with 0": stopped == 0,
    })


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--between", type=float, default=1.0, help="mean seconds of life before a kill")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0.005, help="seconds between the requests of a client")
    parser.add_argument("--rotate-every", type=float, default=10.0, help="seconds between rotations by hand")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mintmark-kill-"))
    server = mintmark.Server(args.binary, home)
    try:
        server.init()
        server.start().wait_ready()
        ledger = Ledger(home / "ledger")
        load = Load(server, server.register(), ledger, args.pause)
        load.start(args.clients, args.rotate_every)
        kept = []
        try:
            ready = kill_and_restart(server, args.kills, args.between, kept)
        finally:
            load.stop()
        judge(server, load, ledger, kept, ready)
    except mintmark.Refused as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    finally:
        server.stop()
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
