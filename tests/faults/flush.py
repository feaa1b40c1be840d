#!/usr/bin/env python3
"""Fails one flush to disk and shows that nothing is issued until a restart has looked at the whole log.

strace answers EIO to the N-th sync of a running server, for each N of --first to --last. A
sync that failed proves nothing about later ones, so from then on every request is a 503, also
once the syncs work again; the JWKS goes on answering. The restart walks the whole log, and goes on.
At the end every token that arrived is in the exported log and the export verifies. Prints one JSON object.
"""

import shutil
import tempfile
from pathlib import Path

import disk
import report
import server as mintmark
from logged import Logged


def one_failure(server, watch, nth):
    """What one failed flush showed; names of what did not hold."""
    broken = []
    with disk.injected(server, disk.SYNCS, f"error=EIO:when={nth}"):
        if watch.until(503, 5, 30) is None:
            broken.append(f"{nth}: no 503 after the failed flush")
    # The tracer is gone and the disk is well again; the process must not believe it.
    for _ in range(5):
        if watch.ask() != 503:
            broken.append(f"{nth}: a token after a failed flush")
    if watch.ready(503, limit=3.0) is None:
        broken.append(f"{nth}: /readyz stays 200")
    marker = server.home / "data" / "verify-needed"
    if not marker.exists():
        broken.append(f"{nth}: data/verify-needed is missing")
    server.stop()
    server.start().wait_ready()
    if marker.exists():
        broken.append(f"{nth}: data/verify-needed outlives the restart")
    if watch.until(200, 3, 10) is None:
        broken.append(f"{nth}: no token after the restart")
    return broken


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, default=5)
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mintmark-flush-"))
    server = mintmark.Server(args.binary, home)
    broken = []
    try:
        server.init()
        server.start().wait_ready()
        watch = disk.Watch(server, server.register())
        watch.until(200, 5, 30)
        for nth in range(args.first, args.last + 1):
            broken += one_failure(server, watch, nth)
        log = Logged(server, watch.tokens)
    except mintmark.Refused as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    finally:
        server.stop()
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)
    report.end({
        "failures": args.last - args.first + 1, "broken": broken, "tokens": len(watch.tokens),
        "tokens_not_logged": len(log.missing), "verify_exit_code": log.runs[0][0], "jwks_failures": watch.jwks_failures,
    }, {
        "503 until the restart, then on": not broken, "the JWKS answers throughout": watch.jwks_failures == 0,
        "every token is logged": not log.missing, "the log verifies": log.verified(),
    })


if __name__ == "__main__":
    main()
