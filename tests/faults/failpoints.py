#!/usr/bin/env python3
"""Ends a loaded server at each of its failpoints, again and again, and shows what its promise is worth there.

Takes a binary that was built with `--features rsa,failpoints`. For each failpoint a server of its own,
whose keys live for seconds, is used by everybody at once: clients whose tokens go into a synced ledger,
one with a wrong secret, an admin who registers and disables clients, a keeper who rotates and
revokes keys. It is started with one failpoint armed, to be killed there after some passes, and started
again without; it must be ready within --ready seconds and have one active key for each algorithm. After
--times deaths every received token must be in the log, no jti twice, the log must verify, also
against checkpoints from before the last deaths, and nothing that was acknowledged may be lost.
Then each failpoint panics once, and where it has a fault to fail with, fails some times: the process must
live, answer nothing but 200, 401, 500 and 503, and issue, administer and rotate again by itself.
A failpoint at which nothing happened is a failure of this program. Prints one JSON object.
"""

import random
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import noise
import report
import server as mintmark
import times
from logged import Logged

ALGORITHMS = ["ES256", "EdDSA"]
# So short that keys come, sign, rest and go within seconds.
TIMES = times.Times(active_for=5, publish_ahead=3, jwks_max_age=1, propagation=1, clock_skew=1, leeway=0, lifetime=2)
# How long a failpoint may keep the noise waiting until it is reached.
PATIENCE = 30.0


@dataclass(frozen=True)
class Point:
    """A failpoint: how many passes at most go by before it acts, and whether it has a fault to fail with."""

    name: str
    passes: int
    fails: bool = False


# A start passes some of them several times, so that some deaths come before it is ready.
POINTS = [
    Point("auth.before_hash", 20), Point("limit.after_take", 60),
    Point("audit.before_write", 60, fails=True), Point("audit.after_write", 60, fails=True),
    Point("audit.before_sync", 60, fails=True), Point("audit.after_sync", 60),
    Point("issue.after_record", 60), Point("issue.after_sign", 60), Point("issue.before_respond", 60),
    Point("rotate.plan.before", 6), Point("rotate.plan.after", 3),
    Point("rotate.publish.before", 3), Point("rotate.publish.after", 3),
    Point("rotate.activate.before", 3), Point("rotate.activate.after", 3),
    Point("rotate.retire.before", 3), Point("rotate.retire.after", 3),
    Point("rotate.delete.before", 3), Point("rotate.delete.after", 3),
    Point("revoke.before_commit", 2), Point("revoke.after_commit", 2),
    Point("admin.after_audit_before_apply", 4),
    Point("db.acquire", 60, fails=True), Point("db.begin", 60, fails=True), Point("db.commit", 60, fails=True),
    Point("jwks.reload", 5), Point("checkpoint.before_remember", 6), Point("checkpoint.after_remember", 6),
]


class Stage:
    """A server of its own and everybody who uses it."""

    def __init__(self, binary):
        self.home = Path(tempfile.mkdtemp(prefix="mintmark-failpoints-"))
        self.server = mintmark.Server(binary, self.home, env=times.Times.env(TIMES, ALGORITHMS) | mintmark.MANY_ATTEMPTS)
        self.server.init()
        self.server.start().wait_ready()
        self.noise = noise.Noise(self.server, self.server.register(), noise.Ledger(self.home / "ledger"))
        self.noise.start(
            *[lambda: self.noise.client(50)] * 4, lambda: self.noise.client(20, secret="wrong"),
            lambda: self.noise.admin(0.1), lambda: self.noise.keeper(0.2, revoke=True))
        self.kept = []

    def keep_checkpoint(self):
        """Keeps the last three checkpoints for `audit verify`."""
        status, _, note = self.server.get("/log/checkpoint")
        self.kept = [*self.kept, note][-3:] if status == 200 else self.kept

    def end(self):
        """The noise is over: what is in the log, and what is lost."""
        self.noise.stop()
        return Logged(self.server, self.noise.ledger.read(), self.kept), self.noise.lost()

    def close(self, keep):
        self.noise.stop()
        self.server.stop()
        if not keep:
            shutil.rmtree(self.home, ignore_errors=True)


def armed(point, passes, action):
    """The environment in which it acts at this failpoint after so many passes."""
    return {"FAILPOINTS": f"{point.name}={passes}*off->{action}"}


def until(true, limit):
    """Seconds until it is true, None when it does not come true."""
    begin = time.monotonic()
    while time.monotonic() - begin < limit:
        if true():
            return time.monotonic() - begin
        time.sleep(0.01)
    return None


def die_there(stage, point):
    """One death at the failpoint and the start after it: seconds to ready, None when it was never reached."""
    server = stage.server
    server.stop()
    server.start(env=armed(point, random.randint(0, point.passes), "return(kill)"))
    died = until(lambda: server.process.poll() is not None, PATIENCE)
    if died is None:
        return None
    if server.process.returncode != -9:
        raise mintmark.Refused(f"{point.name}: ended with {server.process.returncode}:\n{server.log_tail()}")
    server.start()
    return server.wait_ready(timeout=30)


def kills(args, point):
    """Everything that --times deaths at one failpoint showed."""
    stage = Stage(args.binary)
    ready, wrong_keys = [], []
    try:
        # Keys come to rest and go, so that every step of theirs is reached soon.
        time.sleep(TIMES.retain_for if point.name.startswith("rotate.delete") else 0)
        for _ in range(args.times):
            stage.keep_checkpoint()
            seconds = die_there(stage, point)
            if seconds is None:
                break
            ready.append(seconds)
            active = noise.active_keys(stage.server)
            if active != dict.fromkeys(ALGORITHMS, 1):
                wrong_keys.append(active)
        stage.server.stop()
        stage.server.start().wait_ready()
        log, lost = stage.end()
        return {"kills": len(ready), "ready_max": round(max(ready, default=0), 3),
                "ready_median": round(statistics.median(ready or [0]), 3), "wrong_active_keys": wrong_keys, "lost": lost,
                **log.figures(), **stage.noise.figures(), "broken": broken(log, lost)}
    finally:
        stage.close(args.keep)


def broken(log, lost):
    """The promises that do not hold of a log and of what was acknowledged."""
    return [name for name, held in log.verdicts().items() if not held] + (["nothing acknowledged is lost"] if lost else [])


def live_there(stage, point, action):
    """One panic, or some faults, at a failpoint: what did not hold, by name."""
    server, passes = stage.server, point.passes
    for _ in range(4):
        server.stop()
        server.start(env=armed(point, passes, action))
        try:
            server.wait_ready()
            break
        except mintmark.Refused:
            # It was reached before the server was ready, which is no work under way.
            passes = passes * 2 + 5
    else:
        return ["it never was ready"]
    spoken = f"failpoint {point.name} panic"
    if action.endswith("panic"):
        met = until(lambda: spoken in (server.home / "server.log").read_text(errors="replace"), PATIENCE)
    else:
        met = until(lambda: stage.noise.answers.get("503", 0) > 0, PATIENCE)
    if met is None:
        return ["it was never reached"]
    before = dict(stage.noise.answers)
    signs = {
        "the process lives": lambda: server.process.poll() is None,
        "tokens come again": lambda: stage.noise.answers.get("200", 0) > before.get("200", 0) + 20,
        "it is ready again": lambda: server.status("/readyz") == 200,
        "an admin is served again": lambda: stage.noise.act("client", "list") is not None,
        "keys rotate again": lambda: stage.noise.act("key", "rotate", "--now") is not None,
        "one active key for each algorithm": lambda: noise.active_keys(server) == dict.fromkeys(ALGORITHMS, 1),
    }
    missing = [name for name, holds in signs.items() if until(holds, 10) is None]
    return missing + unfit(stage.noise.answers)


def unfit(answers):
    """Statuses that nobody should see while the process lives."""
    return [f"an answer {status}" for status in sorted(set(answers) - {"200", "401", "500", "503", "no answer"})]


def lives(args, points, action):
    """What one action showed at each of these failpoints, one after the other on one server."""
    stage = Stage(args.binary)
    try:
        time.sleep(TIMES.retain_for)
        found = {}
        for point in points:
            stage.noise.answers.clear()
            missing = live_there(stage, point, action)
            if missing:
                found[point.name] = missing
            stage.keep_checkpoint()
        stage.server.stop()
        stage.server.start().wait_ready()
        log, lost = stage.end()
        return {"points": len(points), "missing": found, "lost": lost, **log.figures(), "broken": broken(log, lost)}
    finally:
        stage.close(args.keep)


def verdicts(args, deaths, panics, faults):
    """What must be true of all of it."""
    every = deaths.values()
    return {
        "each failpoint was reached each time": all(seen["kills"] == args.times for seen in every),
        "after each death ready by itself in time": all(seen["ready_max"] <= args.ready for seen in every),
        "after each death one active key for each algorithm": not any(seen["wrong_active_keys"] for seen in every),
        "every promise holds after the deaths": not any(seen["broken"] for seen in every),
        "the process outlives each panic and goes on": not panics["missing"],
        "every promise holds after the panics": not panics["broken"],
        "it outlives each fault and goes on": not faults["missing"],
        "every promise holds after the faults": not faults["broken"],
    }


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--times", type=int, default=20, help="deaths at each failpoint")
    parser.add_argument("--ready", type=float, default=1.0, help="seconds that a start may take")
    parser.add_argument("--only", help="only failpoints whose name begins so")
    args = parser.parse_args()
    points = [point for point in POINTS if point.name.startswith(args.only or "")]
    try:
        deaths = {point.name: kills(args, point) for point in points}
        panics = lives(args, points, "1*panic")
        faults = lives(args, [point for point in points if point.fails], "3*return")
    except mintmark.Refused as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    report.end({
        "failpoints": len(points), "kills": sum(seen["kills"] for seen in deaths.values()),
        "ready_max": max(seen["ready_max"] for seen in deaths.values()),
        "tokens_received": sum(seen["tokens_received"] for seen in deaths.values()),
        "received_but_not_logged": sum(seen["received_but_not_logged"] for seen in deaths.values()),
        "deaths": deaths, "panics": panics, "faults": faults,
    }, verdicts(args, deaths, panics, faults))


if __name__ == "__main__":
    main()
