#!/usr/bin/env python3
"""Whole logs, sound and tampered with, before three judges: see judges.py.

Makes a log with the real server, and a second one that forks from it: a copy of the server's
whole folder that goes on by itself, with the same key. All judges must accept the running
server and a static copy, and must refuse each tampered copy; ours names the first bad entry.
`--entries 70000` gives the log tiles of level 2, and wants a release build.
"""

import argparse
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import server as mintmark  # noqa: E402

from aics_tlog.tiles import tile_path  # noqa: E402
from checks import Checks  # noqa: E402
from copies import bundle_path, copy_log, flipped, linked, read_entries, replace, serve, with_entries  # noqa: E402
from judges import REFUSALS, Evidence, another_vkey, by_aics, by_mintmark, by_pymerkle, opened, reader  # noqa: E402
from verify_commands import check_commands  # noqa: E402
from verify_receipt import check_receipts  # noqa: E402

THREADS = 8


def issue(server, secret, count):
    """`count` more tokens on a few connections; gives one of each connection."""
    tokens, refused = [], []

    def work():
        connection = server.connect()
        token = None
        for _ in range(count // THREADS):
            status, body = mintmark.request_token(connection, "load", secret)
            if status != 200:
                refused.append((status, body))
                return
            token = body["access_token"]
        connection.close()
        tokens.append(token)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if refused:
        raise mintmark.Refused(f"{len(refused)} connections were refused a token: {refused[0]}")
    return tokens


class Log:
    """A static copy of a log at one moment."""

    def __init__(self, url, vkey, folder):
        self.folder = folder / "log"
        self.folder.mkdir(parents=True)
        raw = reader(url).read_checkpoint()
        self.head = opened(raw, vkey)
        copy_log(url, self.head, raw, self.folder)
        self.entries = read_entries(self.folder, self.head.size)
        self.checkpoint = self.folder / "checkpoint"


def covering(server, vkey, size):
    """Waits for the checkpoint over `size` entries; one is promised each second."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if opened(reader(f"{server.url}/log/").read_checkpoint(), vkey).size >= size:
            return
        time.sleep(0.1)
    raise mintmark.Refused(f"no checkpoint over {size} entries within 30 s")


class Court:
    """Brings evidence before all judges."""

    def __init__(self, server, vkey, older):
        self.checks = {name: Checks(name) for name in ("aics-tlog", "pymerkle", "audit verify")}
        self.server = server
        self.vkey = vkey
        self.older = older
        self.seconds = {}

    def failed(self):
        return sum(checks.failed for checks in self.checks.values())

    def timed(self, judge, act):
        begin = time.monotonic()
        result = act()
        self.seconds[judge] = time.monotonic() - begin
        return result

    def accept(self, what, url, older=None):
        evidence = Evidence(url, self.vkey, older or self.older)
        for judge, act in (("aics-tlog", by_aics), ("pymerkle", by_pymerkle)):
            self.checks[judge].passes(f"accepts {what}", lambda: self.timed(judge, lambda: act(evidence)))
        verdict = self.timed("audit verify", lambda: by_mintmark(evidence, self.server))
        self.checks["audit verify"].check(f"accepts {what}", verdict["ok"], verdict)

    def refuse(self, what, folder, index, vkey=None, trees_differ=True):
        """`index` is the first bad entry, None where nobody can tell. Who signed is not pymerkle's business."""
        evidence = Evidence(f"{serve(folder.parent)}log/", vkey or self.vkey, self.older)
        self.checks["aics-tlog"].refuses(f"refuses {what}", lambda: by_aics(evidence), REFUSALS)
        if trees_differ:
            self.checks["pymerkle"].refuses(f"refuses {what}", lambda: by_pymerkle(evidence), REFUSALS)
        verdict = by_mintmark(evidence, self.server)
        where = f"at entry {index}" if index is not None else "as a whole"
        self.checks["audit verify"].check(
            f"refuses {what}, {where}", not verdict["ok"] and verdict["first_bad_index"] == index, verdict)


def at_another_time(entry):
    """The same entry with another last digit of its time: canonical JSON, and a lie."""
    at = entry.index(b'Z"') - 1
    return entry[:at] + bytes([entry[at] ^ 1]) + entry[at + 1:]


def check_entries(court, log):
    """Entries changed, cut, swapped, under the tiles and the checkpoint of the true log."""
    size, folder = log.head.size, log.folder
    for index in sorted({0, 255, 256, size // 2, size - 1}):
        entries = list(log.entries)
        entries[index] = at_another_time(entries[index])
        court.refuse(f"a flipped byte in entry {index}", with_entries(folder, entries, size, [index]), index)
    court.refuse("a log without its last entry", with_entries(folder, log.entries[:-1], size, [size - 1]), size - 1)
    gone = linked(folder)
    last = (size - 1) // 256
    (gone / bundle_path(last, size)).unlink()
    court.refuse("a log without its last bundle", gone, 256 * last)
    for one, other in ((300, 301), (10, size - 10)):
        entries = list(log.entries)
        entries[one], entries[other] = entries[other], entries[one]
        swapped = with_entries(folder, entries, size, [one, other])
        court.refuse(f"entries {one} and {other} in each other's place", swapped, one)


def check_tiles(court, log):
    """One bit of a hash on each level of tiles."""
    size = log.head.size
    level, span = 0, 1
    while size // span:
        count = size // span
        for at in sorted({0, count // 2, count - 1}):
            width = min(256, count - 256 * (at // 256))
            path = tile_path(level, at // 256, None if width == 256 else width)
            what = f"a flipped bit in hash {at % 256} of {path}"
            court.refuse(what, flipped(log.folder, path, 32 * (at % 256) + 31, 0x80), at * span)
        level, span = level + 1, span * 256


def check_histories(court, early, whole, fork, home):
    """A log rolled back, forked, spliced from two, and signed by somebody else."""
    court.refuse("a log that was rolled back", early.folder, None)
    court.refuse("a forked history", fork.folder, None)
    parted = next(at for at, pair in enumerate(zip(whole.entries, fork.entries)) if pair[0] != pair[1])
    seam = (parted // 256 + 1) * 256
    size = min(whole.head.size, fork.head.size)
    if seam >= size:
        raise mintmark.Refused(f"the logs parted at {parted}, too late for a seam below {size}")
    entries = whole.entries[:seam] + fork.entries[seam:size] + whole.entries[size:]
    spliced = with_entries(whole.folder, entries, whole.head.size, range(seam, size))
    court.refuse("a splice of two logs", spliced, seam)
    court.refuse("a checkpoint by another key", whole.folder, None,
                 vkey=another_vkey(court.vkey, home / "another.vkey"), trees_differ=False)


def make_logs(server, other, secret, home, entries):
    """The true log, early and whole, and one that forked from it; a checkpoint that was kept after they parted."""
    vkey, kept, sixth = home / "vkey", home / "kept", max(entries // 6 // THREADS, 1) * THREADS
    vkey.write_bytes(server.get("/log/vkey")[2])
    url = f"{server.url}/log/"
    issue(server, secret, 2 * sixth)
    covering(server, vkey, 2 * sixth)
    early = Log(url, vkey, home / "early")
    tokens = issue(server, secret, 2 * sixth)
    if server.stop() != 0:
        raise mintmark.Refused(f"the server did not stop:\n{server.log_tail()}")
    shutil.copytree(server.home, other.home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("run"))
    server.start().wait_ready()
    other.start().wait_ready()
    tokens += issue(server, secret, sixth)
    covering(server, vkey, early.head.size + 3 * sixth)
    kept.write_bytes(reader(url).read_checkpoint())
    tokens += issue(server, secret, sixth)
    issue(other, secret, 2 * sixth)
    covering(server, vkey, early.head.size + 4 * sixth)
    covering(other, vkey, early.head.size + 4 * sixth)
    whole, fork = Log(url, vkey, home / "whole"), Log(f"{other.url}/log/", vkey, home / "fork")
    other.stop()
    return early, whole, fork, kept, tokens


def judge(server, other, home, entries):
    """Everything, on a server that has been made and is not started; gives the number of failures."""
    server.init()
    server.start().wait_ready()
    secret = server.register()
    begin = time.monotonic()
    early, whole, fork, kept, tokens = make_logs(server, other, secret, home, entries)
    made = time.monotonic() - begin
    court = Court(server, home / "vkey", kept)
    court.accept("a static copy as it was before", f"{serve(early.folder.parent)}log/", early.checkpoint)
    court.accept(f"the running server and its {whole.head.size} entries", f"{server.url}/log/")
    court.accept("a static copy of it", f"{serve(whole.folder.parent)}log/")
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in sorted(court.seconds.items()))
    failed = check_receipts(server, court.vkey, tokens)
    failed += check_commands(server, court.vkey, kept, whole, fork, home)
    check_entries(court, whole)
    check_tiles(court, whole)
    check_histories(court, early, whole, fork, home)
    print(f"     logs of {early.head.size}, {whole.head.size} and {fork.head.size} entries made in {made:.1f} s; "
          f"the static copy was read in: {spent}")
    return failed + court.failed()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", help="the server")
    parser.add_argument("--cli", help="the program that verifies; else the same")
    parser.add_argument("--entries", type=int, default=1500, help="the size of the log, about")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mintmark-tree-") as folder:
        home = Path(folder)
        server = mintmark.Server(args.binary, home / "server", cli=args.cli)
        other = mintmark.Server(args.binary, home / "other", cli=args.cli)
        try:
            failed = judge(server, other, home, args.entries)
        finally:
            server.stop()
            other.stop()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
