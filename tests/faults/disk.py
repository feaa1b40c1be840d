#!/usr/bin/env python3
"""Takes the disk away from a running server and gives it back: full, read-only, hanging.

Needs root: goes on in a mount namespace of its own, where the data directory is a small tmpfs.
Full: ballast takes all space, --full-times times for --full-for seconds. Every answer is then a 503 within
two seconds or a token that is in the log; soon only 503 comes. When the ballast goes, tokens come again
within --recover seconds, without a restart.
Read-only: the kernel refuses to remount a file system on which files are open for writing, so
strace answers EROFS to every write of the store instead, and lets go again. The same holds.
Hanging: every sync takes four seconds, twice the deadline of a record. The same holds.
The JWKS and /livez answer 200 throughout and /readyz 503 while nothing can be recorded.
At the end every token is in the exported log and the export verifies. Prints one JSON object.
"""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report
import server as mintmark
from logged import Logged

# Two seconds are promised; the rest is the way to the server and back on a busy machine.
DEADLINE = 2.5
MARK = "MINTMARK_TEST_NAMESPACE"


def enter_namespace():
    """Runs this program again in a mount namespace of its own, once."""
    if os.geteuid() != 0:
        report.end({"error": "run as root: the test mounts a tmpfs in a namespace of its own"},
                   {"the run came to its end": False})
    if MARK not in os.environ:
        os.environ[MARK] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])


def mount_data(home, size):
    """Moves what `init` made onto a small tmpfs at the same place."""
    data = home / "data"
    aside = home / "data.made"
    data.rename(aside)
    data.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", str(data)], check=True)
    subprocess.run(["cp", "-a", f"{aside}/.", str(data)], check=True)
    return data


def fill(ballast):
    """Writes until there is no space; may be called again when something has freed some."""
    with open(ballast, "ab", buffering=0) as out:
        for block in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    out.write(bytes(block))


FILE_WRITES = "pwrite64,pwritev,ftruncate,fallocate"
SYNCS = "fsync,fdatasync"


@contextlib.contextmanager
def injected(server, calls, effect):
    """The server's system calls of these names meet the effect until the end of the block."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-q", "-o", "/dev/null", "-e", f"trace={calls}",
         "-e", f"inject={calls}:{effect}", "-p", str(server.pid())],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = Path(f"/proc/{server.pid()}/status")
    deadline = time.monotonic() + 10
    while "TracerPid:\t0\n" in status.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(timeout=10)


class Watch:
    """Asks for tokens and notes every answer: its status, its time, its token."""

    def __init__(self, server, secret):
        self.server, self.secret = server, secret
        self.tokens, self.slowest, self.statuses = [], 0.0, {}
        self.jwks_failures, self.livez_failures = 0, 0

    def ask(self):
        begin = time.monotonic()
        connection = self.server.connect(timeout=10)
        try:
            status, body = mintmark.request_token(connection, "load", self.secret)
        except (OSError, http.client.HTTPException) as error:
            status, body = type(error).__name__, {}
        finally:
            connection.close()
        self.slowest = max(self.slowest, time.monotonic() - begin)
        self.statuses[str(status)] = self.statuses.get(str(status), 0) + 1
        if "access_token" in body:
            self.tokens.append(mintmark.jwt_part(body["access_token"], 1)["jti"])
        self.jwks_failures += self.server.status("/.well-known/jwks.json") != 200
        self.livez_failures += self.server.status("/livez") != 200
        return status

    def until(self, wanted, times, limit, between=lambda: None):
        """Asks until `wanted` came so many times in a row; seconds it took, None when it did not come."""
        begin, row = time.monotonic(), 0
        while time.monotonic() - begin < limit:
            row = row + 1 if self.ask() == wanted else 0
            if row == times:
                return round(time.monotonic() - begin, 3)
            between()
        return None

    def ready(self, wanted, limit=10.0):
        """Seconds until /readyz gives the status, None when it does not."""
        begin = time.monotonic()
        while time.monotonic() - begin < limit:
            if self.server.status("/readyz") == wanted:
                return round(time.monotonic() - begin, 3)
            time.sleep(0.05)
        return None


def phase(watch, refused, restored):
    """What one fault showed."""
    seen = {"statuses": watch.statuses, "slowest_seconds": round(watch.slowest, 3),
            "jwks_failures": watch.jwks_failures, "livez_failures": watch.livez_failures, **refused, **restored}
    watch.statuses, watch.slowest, watch.jwks_failures, watch.livez_failures = {}, 0.0, 0, 0
    return seen


def again(watch, during):
    """What a fault showed, with the way back from it."""
    restored = {"seconds_to_200": watch.until(200, 10, 30), "seconds_to_ready": watch.ready(200)}
    after = phase(watch, {}, {})
    return during | restored | {name: during[name] + after[name] for name in ("jwks_failures", "livez_failures")}


def disk_full(watch, data, seconds):
    ballast = data / "ballast"
    begin = time.monotonic()
    fill(ballast)
    refused = {"seconds_to_503": watch.until(503, 10, 60, between=lambda: fill(ballast)),
               "seconds_to_unready": watch.ready(503)}
    tokens = len(watch.tokens)
    while time.monotonic() < begin + seconds:
        watch.ask()
        fill(ballast)
        time.sleep(0.02)
    refused |= {"tokens_while_full": len(watch.tokens) - tokens, "process_alive": watch.server.process.poll() is None}
    during = phase(watch, refused, {})
    ballast.unlink()
    return again(watch, during)


def disk_injected(watch, calls, effect):
    with injected(watch.server, calls, effect):
        refused = {"seconds_to_503": watch.until(503, 10, 30),
                   "seconds_to_unready": watch.ready(503), "process_alive": watch.server.process.poll() is None}
        during = phase(watch, refused, {})
    return again(watch, during)


def verdicts(name, seen, recover):
    """What must be true of one fault."""
    return {
        f"{name}: 503 comes and stays": seen["seconds_to_503"] is not None,
        f"{name}: nothing but 200 and 503 is answered": set(seen["statuses"]) <= {"200", "503"},
        f"{name}: each answer within two seconds": seen["slowest_seconds"] <= DEADLINE,
        f"{name}: the process lives": seen["process_alive"],
        f"{name}: /readyz says 503": seen["seconds_to_unready"] is not None,
        f"{name}: the JWKS answers throughout": seen["jwks_failures"] == 0,
        f"{name}: /livez answers throughout": seen["livez_failures"] == 0,
        f"{name}: no token while 503 stays": seen.get("tokens_while_full", 0) == 0,
        f"{name}: goes on in time, without a restart": seen["seconds_to_200"] is not None and seen["seconds_to_200"] <= recover,
        f"{name}: /readyz says 200 again in time": seen["seconds_to_ready"] is not None and seen["seconds_to_ready"] <= recover,
    }


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--size", default="6m", help="size of the file system under the store")
    parser.add_argument("--full-for", type=float, default=3.0, help="seconds that the disk is full")
    parser.add_argument("--full-times", type=int, default=1, help="how often it is")
    parser.add_argument("--recover", type=float, default=5.0, help="seconds that the way back may take")
    args = parser.parse_args()
    enter_namespace()
    home = Path(tempfile.mkdtemp(prefix="mintmark-disk-"))
    server = mintmark.Server(args.binary, home)
    try:
        server.init()
        data = mount_data(home, args.size)
        server.start().wait_ready()
        watch = Watch(server, server.register())
        watch.until(200, 20, 30)
        phase(watch, {}, {})
        full = [disk_full(watch, data, args.full_for) for _ in range(args.full_times)]
        readonly = disk_injected(watch, FILE_WRITES, "error=EROFS")
        hanging = disk_injected(watch, SYNCS, "delay_enter=4000000")
        log = Logged(server, watch.tokens)
        stopped = server.stop()
    except mintmark.Refused as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    finally:
        server.stop()
        if not args.keep:
            subprocess.run(["umount", "-l", str(home / "data")], stderr=subprocess.DEVNULL, check=False)
            shutil.rmtree(home, ignore_errors=True)
    report.end({
        "full": full, "read_only": readonly, "hanging": hanging, "tokens": len(watch.tokens), "tokens_not_logged": len(log.missing),
        "verify_exit_code": log.runs[0][0], "exit_code_of_sigterm": stopped,
    }, {name: held for number, seen in enumerate(full, 1)
        for name, held in verdicts(f"full, {number}", seen, args.recover).items()}
       | verdicts("read-only", readonly, args.recover) | verdicts("hanging", hanging, args.recover) | {
        "every token is logged": not log.missing, "the log verifies": log.verified(), "SIGTERM ends with 0": stopped == 0,
    })


if __name__ == "__main__":
    main()
