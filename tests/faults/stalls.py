#!/usr/bin/env python3
"""Holds a loaded server's store up: another process locks it, then each sync takes half a second.

Locked: another process begins a transaction and keeps it for --locked seconds, first IMMEDIATE, then
EXCLUSIVE. Each request meanwhile ends with a 503 within two seconds, and tokens come again within a
moment. Slow: strace holds each sync up for half a second under load from many connections, for
--slow seconds. What waits goes with the next sync, so requests wait for a few of them and not for longer
and longer; nothing but 200 and 503 is answered, and when it is over the server is as quick as before. The JWKS answers 200 throughout. At the end every token is in the
exported log and the export verifies. Needs root and strace. Prints one JSON object.
"""

import shutil
import sqlite3
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import disk
import report
import server as mintmark
from client import Client
from logged import Logged

# The promise is two seconds; the rest is the way there and back on a busy machine.
DEADLINE = 2.5
SLOW = 0.5


@dataclass
class Answer:
    """One request as its client saw it; times by the monotonic clock."""

    begin: float
    end: float
    status: int


class Load:
    """Clients at a steady rate, and somebody who looks at the JWKS."""

    def __init__(self, server, connections):
        self.server, self.answers, self.tokens, self.jwks = server, [], [], []
        self.client = Client(server, ["ES256"], connections, self.take)
        self.ended = threading.Event()
        self.looker = threading.Thread(target=self.look, daemon=True)
        self.looker.start()

    def take(self, begin, end, status, token):
        self.answers.append(Answer(begin, end, status))
        if token:
            self.tokens.append(token.jti)

    def look(self):
        while not self.ended.wait(0.05):
            begin = time.monotonic()
            self.jwks.append((self.server.status("/.well-known/jwks.json"), time.monotonic() - begin))

    def between(self, begin, end):
        """The answers to requests that began within this time."""
        return [answer for answer in list(self.answers) if begin <= answer.begin < end]

    def stop(self):
        self.client.stop()
        self.ended.set()
        self.looker.join(timeout=10)


def summary(answers):
    """Statuses and times of some answers."""
    statuses = {}
    for answer in answers:
        statuses[str(answer.status)] = statuses.get(str(answer.status), 0) + 1
    took = sorted(answer.end - answer.begin for answer in answers) or [0.0]
    return {"statuses": statuses, "median_seconds": round(took[len(took) // 2], 3), "slowest_seconds": round(took[-1], 3)}


def first_token(answers, after):
    """Seconds from this moment to the first token, None when none came."""
    ends = [answer.end - after for answer in answers if answer.status == 200 and answer.end >= after]
    return round(min(ends), 3) if ends else None


def locked(load, kind, seconds):
    """Another process holds the store: what the clients saw."""
    other = sqlite3.connect(load.server.home / "data" / "mintmark.db", isolation_level=None, timeout=10)
    other.execute(f"BEGIN {kind}")
    begin = time.monotonic()
    time.sleep(seconds)
    # What was on its way when the lock came may have been committed just before.
    unready = load.server.status("/readyz")
    end = time.monotonic()
    other.execute("ROLLBACK")
    other.close()
    time.sleep(4)
    return summary(load.between(begin, end)) | {
        "readyz_at_its_end": unready, "seconds_to_a_token": first_token(load.answers, end),
        "readyz_afterwards": load.server.status("/readyz"), "after": summary(load.between(end + 2, end + 4)),
        "tokens_while_locked": sum(answer.status == 200 for answer in load.between(begin + 0.05, end - DEADLINE)),
    }


def slow(load, seconds):
    """Each sync takes half a second: what the clients saw."""
    with disk.injected(load.server, disk.SYNCS, f"delay_exit={int(SLOW * 1e6)}"):
        begin = time.monotonic()
        time.sleep(seconds)
        end = time.monotonic()
        memory = resident(load.server)
    time.sleep(4)
    first, last = load.between(begin, begin + seconds / 2), load.between(begin + seconds / 2, end)
    return {"first_half": summary(first), "second_half": summary(last), "after": summary(load.between(end + 2, end + 4)),
            "seconds_to_a_token": first_token(load.answers, end), "resident_mib": memory}


def resident(server):
    """The server's resident memory in MiB."""
    for line in Path(f"/proc/{server.pid()}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0


def lock_verdicts(name, seen):
    """What must be true of a locked store."""
    return {
        f"{name}: only 503 is answered": seen["tokens_while_locked"] == 0 and set(seen["statuses"]) <= {"200", "503"}
                                         and seen["statuses"].get("503", 0) > 0,
        f"{name}: each answer within two seconds": seen["slowest_seconds"] <= DEADLINE,
        f"{name}: /readyz says 503, and 200 afterwards": (seen["readyz_at_its_end"], seen["readyz_afterwards"]) == (503, 200),
        f"{name}: tokens come again within two seconds": seen["seconds_to_a_token"] is not None and seen["seconds_to_a_token"] <= 2,
        f"{name}: afterwards nothing fails": set(seen["after"]["statuses"]) == {"200"},
    }


def slow_verdicts(seen):
    """What must be true of slow syncs."""
    halves = (seen["first_half"], seen["second_half"])
    return {
        "slow: nothing but 200 and 503 is answered": all(set(half["statuses"]) <= {"200", "503"} for half in halves),
        "slow: tokens keep coming": all(half["statuses"].get("200", 0) > 0 for half in halves),
        "slow: each answer within two seconds": all(half["slowest_seconds"] <= DEADLINE for half in halves),
        "slow: waiting does not grow": halves[1]["median_seconds"] <= halves[0]["median_seconds"] + SLOW,
        "slow: afterwards nothing fails, and quickly": set(seen["after"]["statuses"]) == {"200"}
                                                       and seen["after"]["median_seconds"] < SLOW / 2,
    }


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--locked", type=float, default=10.0, help="seconds that the store is locked")
    parser.add_argument("--slow", type=float, default=20.0, help="seconds that syncs are slow")
    parser.add_argument("--rate", type=float, default=100.0, help="tokens per second that clients ask for")
    parser.add_argument("--connections", type=int, default=64)
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mintmark-stalls-"))
    server = mintmark.Server(args.binary, home)
    try:
        server.init()
        server.start().wait_ready()
        load = Load(server, args.connections)
        load.client.rate(args.rate)
        time.sleep(2)
        immediate, exclusive = (locked(load, kind, args.locked) for kind in ("IMMEDIATE", "EXCLUSIVE"))
        slowly = slow(load, args.slow)
        alive = server.process.poll() is None
        load.stop()
        log = Logged(server, load.tokens)
        stopped = server.stop()
    except mintmark.Refused as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    finally:
        server.stop()
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)
    slowest = max(seconds for _, seconds in load.jwks)
    report.end({
        "immediate": immediate, "exclusive": exclusive, "slow": slowly, **log.figures(),
        "jwks_answers": len(load.jwks), "jwks_slowest_seconds": round(slowest, 3), "exit_code_of_sigterm": stopped,
    }, lock_verdicts("immediate", immediate) | lock_verdicts("exclusive", exclusive) | slow_verdicts(slowly) | log.verdicts() | {
        "the JWKS answers throughout": all(status == 200 for status, _ in load.jwks),
        "the process lives": alive, "SIGTERM ends with 0": stopped == 0,
    })


if __name__ == "__main__":
    main()
