"""Watches a running server's keys from outside: its JWKS ten times a second, `key list` now and then.

What is seen is bracketed: a key came after the last look without it and went before the first
look without it. Verdicts are made of these bounds, so that a slow machine widens them
and never turns a sound server into a broken one. Times are of this machine's monotonic clock.
"""

import http.client
import json
import re
import subprocess
import threading
import time
from dataclasses import dataclass

import report  # noqa: F401  (names the folder of the shared client)
import server as mintmark

JWKS = "/.well-known/jwks.json"


@dataclass
class Sight:
    """One key as the JWKS showed it."""

    alg: str
    after: float  # the last look without it began then; the first look at all, for the first keys
    first_seen: float
    last_seen: float
    gone_by: float | None = None  # the first look without it ended then


class Loop:
    """Something that is done again and again in a thread until it is stopped."""

    def __init__(self, period):
        self.period = period
        self.stopped = threading.Event()
        self.started = False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.started = True
        self.thread.start()
        return self

    def stop(self):
        self.stopped.set()
        self.thread.join(timeout=30)

    def run(self):
        due = time.monotonic()
        while not self.stopped.is_set():
            self.look()
            due = max(due + self.period, time.monotonic())
            self.stopped.wait(due - time.monotonic())


class JwksWatch(Loop):
    """The JWKS at 10 Hz: when each key came and went, and what the answers looked like."""

    def __init__(self, server, paths=(JWKS,)):
        super().__init__(0.1)
        self.server, self.paths = server, paths
        self.keys = {}
        self.statuses = {}
        self.max_ages = set()
        self.most_keys = {}
        self.looks = 0
        self.longest_gap = 0.0
        self.came_back = set()
        self.before = None

    def look(self):
        for path in self.paths:
            begin = time.monotonic()
            try:
                status, headers, body = self.server.get(path, timeout=5)
            except (OSError, http.client.HTTPException):
                status = 0
            self.statuses[str(status)] = self.statuses.get(str(status), 0) + 1
            if path == JWKS and status == 200:
                self.note(begin, time.monotonic(), headers["Cache-Control"] or "", json.loads(body)["keys"])

    def note(self, begin, end, control, keys):
        """One answer with keys."""
        found = re.search(r"max-age=(\d+)", control)
        self.max_ages.add(int(found[1]) if found else None)
        count = {}
        for key in keys:
            count[key["alg"]] = count.get(key["alg"], 0) + 1
            sight = self.keys.get(key["kid"])
            if sight is None:
                after = begin if self.before is None else self.before
                sight = self.keys[key["kid"]] = Sight(key["alg"], after, end, begin)
            elif sight.gone_by is not None:
                self.came_back.add(key["kid"])
            sight.last_seen = begin
        for alg, number in count.items():
            self.most_keys[alg] = max(number, self.most_keys.get(alg, 0))
        shown = {key["kid"] for key in keys}
        for kid, sight in list(self.keys.items()):
            if kid not in shown and sight.gone_by is None:
                sight.gone_by = end
        if self.before is not None:
            self.longest_gap = max(self.longest_gap, begin - self.before)
        self.before = begin
        self.looks += 1


class KeyListWatch(Loop):
    """`key list`, twice a second: how many keys of each algorithm sign, and which ever did."""

    def __init__(self, server, algorithms):
        super().__init__(0.5)
        self.server, self.algorithms = server, algorithms
        self.looks = 0
        self.wrong = []
        self.activated = {alg: set() for alg in algorithms}
        # By kid: when a look that first showed it signing ended, and when the last one such began.
        self.first_signing, self.last_signing = {}, {}

    def look(self):
        try:
            self.judge()
        except (mintmark.Refused, OSError, ValueError, subprocess.TimeoutExpired):
            pass  # the server is down; where it must not be, the other watch tells

    def judge(self):
        """One look that must succeed; gives the keys."""
        begin = time.monotonic()
        items = self.server.admin("key", "list", timeout=20)["items"]
        end = time.monotonic()
        signing = dict.fromkeys(self.algorithms, 0)
        for key in items:
            signing[key["alg"]] = signing.get(key["alg"], 0) + (key["state"] == "active")
            if key["state"] == "active":
                self.first_signing.setdefault(key["kid"], end)
                self.last_signing[key["kid"]] = begin
            if key["activated_at"] is not None:
                self.activated.setdefault(key["alg"], set()).add(key["kid"])
        if any(number != 1 for number in signing.values()):
            self.wrong.append(signing)
        self.looks += 1
        return items


def published_before(sights, first_signed):
    """Seconds from the last look without each key to the end of the request of its first signature: not less than the truth."""
    return {kid: end - sights[kid].after for kid, end in first_signed.items() if kid in sights}


def rested(sights, last_signed):
    """Seconds from the begin of the request of each key's last signature to the first look without it: not less than the truth."""
    gone = {kid: sight.gone_by for kid, sight in sights.items() if sight.gone_by is not None}
    return {kid: by - last_signed[kid] for kid, by in gone.items() if kid in last_signed}
