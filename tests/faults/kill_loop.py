#!/usr/bin/env python3
"""Kills a loaded server again and again by SIGKILL and shows what its promise is worth.

Several clients ask for tokens at a steady rate; each token that arrives is written into a ledger
that is synced before the next request. An admin registers and disables clients, a keeper rotates
keys meanwhile. After each kill the server must be ready without any hand. At the end every token of the
ledger must be in the exported log, the export must verify (also against checkpoints kept from
before the kills), no jti may be there twice, nothing that was acknowledged may be lost, and each ring
must have exactly one active key. Prints one JSON object.

A kill leaves the page cache alive: this shows order and recovery. That a record is on the disk
before its token leaves is what sync_order.py shows.
"""

import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import report
import server as mintmark
from logged import Logged
from noise import Ledger, Noise, active_keys


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


def percentile(values, part):
    """The least of the values that so great a part of them does not exceed."""
    return sorted(values)[max(0, -(-len(values) * part // 100) - 1)]


def judge(args, noise, kept, ready, seconds):
    """Everything that must be true when the noise is over."""
    server = noise.server
    log, lost, active = Logged(server, noise.ledger.read(), kept), noise.lost(), active_keys(server)
    stopped = server.stop()
    report.end({"kills": len(ready), "seconds": round(seconds)} | log.figures() | noise.figures() | {
        "tokens_per_second": round(len(log.held) / seconds, 1), "lost": lost, "active_keys": active,
        "ready_seconds": {"median": round(statistics.median(ready), 3), "p99": round(percentile(ready, 99), 3),
                          "max": round(max(ready), 3)},
        "checkpoints_kept": len(kept), "exit_code_of_sigterm": stopped,
    }, {"tokens were received": len(log.held) > 10 * len(ready)} | log.verdicts() | {
        "nothing acknowledged is lost": not lost,
        "each ring has one active key": active and all(count == 1 for count in active.values()),
        "keys were rotated": noise.rotations > 0 or seconds < 2 * args.rotate_every,
        "ready by itself in time": max(ready) <= args.ready,
        "SIGTERM ends with 0": stopped == 0,
    })


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--between", type=float, default=1.0, help="mean seconds of life before a kill")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rate", type=float, default=200.0, help="tokens per second of all clients")
    parser.add_argument("--rotate-every", type=float, default=20.0, help="seconds between rotations by hand")
    parser.add_argument("--ready", type=float, default=1.0, help="seconds that a start may take")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mintmark-kill-"))
    server = mintmark.Server(args.binary, home)
    try:
        server.init()
        server.start().wait_ready()
        noise = Noise(server, server.register(), Ledger(home / "ledger"))
        begin = time.monotonic()
        noise.start(*[lambda: noise.client(args.rate / args.clients)] * args.clients,
                    lambda: noise.admin(0.2), lambda: noise.keeper(args.rotate_every))
        kept = []
        try:
            ready = kill_and_restart(server, args.kills, args.between, kept)
        finally:
            noise.stop()
        judge(args, noise, kept, ready, time.monotonic() - begin)
    except mintmark.Refused as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    finally:
        server.stop()
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
