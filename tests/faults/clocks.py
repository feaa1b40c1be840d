#!/usr/bin/env python3
"""Moves the wall clock of a running server about: hours, years, before 1970, past 2038 and 2106, and back each time.

libfaketime stands between the server and its wall clock; the monotonic clock is left alone. Each
jump comes right after a rotation, when a key has just been published and another has just come
to rest, and lasts longer than the rest of a key. No key may sign before it was published
long enough, none may go before its rest is over, by the monotonic clock; tokens have exactly
the configured lifetime from the time that the clock shows. A clock that cannot be right is a
503, never a 500, with a readiness that says so, and the first token comes as soon as it is right again.
Then fresh servers are started under a clock of 1969, 2038 and 2106.
Needs libfaketime (Debian: faketime). Prints one JSON object.
"""

import calendar
import glob
import http.client
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import report
import server as mintmark
import times
import watch
from client import Client
from logged import Logged

ALGORITHMS = ["ES256", "EdDSA"]
METADATA = "/.well-known/oauth-authorization-server"
HOUR, YEAR = 3600, 365 * 86400
# Requests that begin or end this close to a jump may have seen either clock.
BLUR = 0.2
# What "at once" may take on a busy machine.
PROMPTLY = 2.0


def at(year, month=1, day=1, hour=0, minute=0):
    """How far ahead of the true clock this date is, in seconds."""
    return calendar.timegm((year, month, day, hour, minute, 0)) - int(time.time())


# (name, seconds ahead of the true clock at the time of the jump, whether a clock may be so wrong).
JUMPS = (
    ("an hour ahead", lambda: HOUR, True),
    ("an hour back", lambda: -HOUR, True),
    ("ten years ahead", lambda: 10 * YEAR, False),
    ("1969", lambda: at(1969, 7, 20), False),
    # The seconds of the epoch outgrow 31 bits at 03:14:08, and 32 bits in 2106 at 06:28:16: soon after these jumps.
    ("2038-01-19", lambda: at(2038, 1, 19, 3, 14), False),
    ("2106-02-07", lambda: at(2106, 2, 7, 6, 28), False),
)


class WallClock:
    """The wall clock of one process, as libfaketime shows it."""

    def __init__(self, home):
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not found:
            raise mintmark.Refused("libfaketime is missing: install the package faketime")
        self.file = home / "clock"
        self.env = {
            "LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
        }
        self.history = []
        self.set(0)

    def set(self, ahead):
        """Shows the true time and so many seconds more from now on; gives when, by the monotonic clock."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{ahead:+d}\n", encoding="ascii")
        fresh.rename(self.file)
        self.history.append((time.monotonic(), ahead))
        return self.history[-1][0]

    def ahead(self, begin, end):
        """What it showed all the time from `begin` to `end`; nothing when it jumped about then."""
        if any(begin - BLUR < moment < end + BLUR for moment, _ in self.history):
            return None
        return [ahead for moment, ahead in self.history if moment < begin][-1]


class Run:
    """A server whose clock is moved, its watches and its client."""

    def __init__(self, args, server, long):
        self.args, self.server, self.long = args, server, long
        self.clock = WallClock(server.home)
        server.start(env=self.clock.env).wait_ready()
        self.jwks = watch.JwksWatch(server, (watch.JWKS, METADATA)).start()
        self.keys = watch.KeyListWatch(server, ALGORITHMS).start()
        self.answers, self.tokens = [], []
        self.client = Client(server, ALGORITHMS, 2, self.take)
        self.client.rate(args.rate)

    def take(self, begin, end, status, token):
        self.answers.append((begin, end, status))
        if token:
            self.tokens.append(token)

    def jump(self, name, ahead, sane):
        """One jump and the way back; gives what was seen."""
        rotated = self.rotation()
        begin = self.clock.set(ahead())
        self.readiness(begin + PROMPTLY)
        readiness = self.readiness(begin + self.long.retain_for + 4)
        back = self.clock.set(0)
        restored = self.readiness(back + 5)
        return {
            "jump": name, "sane": sane, "rotated_by_itself": rotated, "begin": begin,
            "during": self.statuses(begin, back), "after": self.statuses(back, time.monotonic()),
            "seconds_to_a_token": self.first_token(back),
            "readiness": list(dict.fromkeys(readiness)), "readiness_at_the_end": restored[-1],
        }

    def rotation(self):
        """Waits until the schedule has just rotated; else does it by hand and says so."""
        known, limit = set(self.jwks.keys), time.monotonic() + 2 * self.long.active_for
        while time.monotonic() < limit:
            if set(self.jwks.keys) - known:
                return True
            time.sleep(0.02)
        self.server.run("key", "rotate", "--now", "--admin", f"unix:{self.server.socket}")
        time.sleep(0.5)
        return False

    def readiness(self, until):
        """Every (status, body) of /readyz until then, in order."""
        seen = []
        while time.monotonic() < until:
            try:
                status, _, body = self.server.get("/readyz", timeout=5)
                # What the clock shows changes at each look; that it is told is enough.
                text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME", body.decode(errors="replace").strip())
                seen.append((status, text))
            except (OSError, http.client.HTTPException) as error:
                seen.append((0, type(error).__name__))
            time.sleep(0.2)
        return seen

    def statuses(self, begin, end):
        """How often the token endpoint gave each status to requests that lie wholly within."""
        count = {}
        for begun, ended, status in list(self.answers):
            if begun > begin + BLUR and ended < end - BLUR:
                count[str(status)] = count.get(str(status), 0) + 1
        return count

    def first_token(self, since):
        """Seconds until the first token of a request that began after this moment."""
        ends = [end for begin, end, status in list(self.answers) if begin > since and status == 200]
        return round(min(ends) - since, 3) if ends else None

    def events(self):
        """Everything that must not happen, by what it is: (moment, kid, number)."""
        lived = self.long.lifetime
        return {
            "keys_that_signed_early": self.early_signing(),
            "keys_that_went_early": self.early_goings(),
            "wrong_lifetimes": [(token.begin, token.kid, token.exp - token.iat) for token in self.tokens
                                if token.exp - token.iat != lived],
            "wrong_iat": self.wrong_iat(),
        }

    def early_signing(self):
        """Keys that signed before they were published long enough, by tokens and by `key list`; seconds."""
        signed = dict(self.keys.first_signing)
        for token in self.tokens:
            signed[token.kid] = min(token.end, signed.get(token.kid, token.end))
        # The first key of an algorithm may sign at once.
        firsts = {min(kids, key=signed.get) for kids in map(set(signed).intersection, self.keys.activated.values()) if kids}
        waits = watch.published_before(self.jwks.keys, signed)
        return [(signed[kid], kid, wait) for kid, wait in waits.items()
                if kid not in firsts and wait < self.long.publish_ahead]

    def early_goings(self):
        """Keys that went before they had rested long enough; seconds since they last signed."""
        signed = dict(self.keys.last_signing)
        for token in self.tokens:
            signed[token.kid] = max(token.begin, signed.get(token.kid, 0))
        rests = watch.rested(self.jwks.keys, signed)
        return [(self.jwks.keys[kid].gone_by, kid, rest) for kid, rest in rests.items() if rest < self.long.retain_for]

    def wrong_iat(self):
        """Tokens that were not issued when the server's clock says; seconds that they are ahead of it."""
        to_wall = time.time() - time.monotonic()
        found = []
        for token in self.tokens:
            ahead = self.clock.ahead(token.begin, token.end)
            if ahead is not None and not token.begin - 2 <= token.iat - ahead - to_wall <= token.end + 1:
                found.append((token.begin, token.kid, token.iat - ahead - to_wall - token.end))
        return found

    def stop(self):
        """Ends the client and the watches."""
        self.client.stop()
        for part in (self.jwks, self.keys):
            if part.started:
                part.stop()


def jump_verdicts(seen, events):
    """What must be true of one jump; `events` are those from its beginning to the next one's."""
    name = seen["jump"]
    for what, found in events.items():
        seen[what] = [(kid, round(number, 3)) for _, kid, number in found][:4]
    verdicts = {
        f"{name}: no key signs early": not events["keys_that_signed_early"],
        f"{name}: no key goes early": not events["keys_that_went_early"],
        f"{name}: each lifetime is the configured one": not events["wrong_lifetimes"],
        f"{name}: each iat is what the clock shows": not events["wrong_iat"],
        f"{name}: the schedule has rotated before it": seen["rotated_by_itself"],
        f"{name}: tokens again at once": (seen["seconds_to_a_token"] or 60) <= PROMPTLY,
        f"{name}: nothing but tokens afterwards": set(seen["after"]) == {"200"},
        f"{name}: ready again": seen["readiness_at_the_end"][0] == 200,
    }
    if seen["sane"]:
        return verdicts | {f"{name}: tokens go on": set(seen["during"]) == {"200"}}
    return verdicts | {
        f"{name}: every answer is 503": set(seen["during"]) == {"503"},
        f"{name}: readiness says why": all(status == 503 and "clock" in body for status, body in seen["readiness"]),
    }


def start_in_1969(args):
    """A start that must be refused: (exit code, what it said)."""
    with tempfile.TemporaryDirectory(prefix="mintmark-1969-") as folder:
        server = mintmark.Server(args.binary, folder)
        server.init()
        clock = WallClock(server.home)
        clock.set(at(1969, 7, 20))
        server.start(env=clock.env)
        try:
            code = server.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            code = None
        server.stop()
        return {"exit_code": code, "lines": server.log_tail().splitlines()}


def fresh_start(args, ahead, long):
    """A new server, its store and its commands under a clock of the future: what its first token says."""
    with tempfile.TemporaryDirectory(prefix="mintmark-future-") as folder:
        server = mintmark.Server(args.binary, folder, env=long.env(ALGORITHMS))
        clock = WallClock(server.home)
        clock.set(ahead)
        server.env |= clock.env
        try:
            server.init()
            server.start().wait_ready()
            secret = times.register(server, ALGORITHMS)
            status, body = mintmark.request_token(server.connect(), times.CLIENT, secret, times.scope("ES256"))
            claims = mintmark.jwt_part(body["access_token"], 1) if status == 200 else {}
            off = claims.get("iat", 0) - ahead - time.time()
            return {"status": status, "iat_off_by": round(off), "lifetime": claims.get("exp", 0) - claims.get("iat", 0),
                    "jwks": server.status(watch.JWKS), "exit_code_of_sigterm": server.stop()}
        except (mintmark.Refused, OSError, http.client.HTTPException) as error:
            return {"error": str(error)}
        finally:
            server.stop()


def judge(run, jumps, log, starts, stopped):
    """Everything that must be true when the clock is at rest."""
    verdicts, events = {}, run.events()
    # What a jump did may show itself when the clock is back, so each window lasts until the next jump.
    ends = [seen["begin"] for seen in jumps[1:]] + [time.monotonic()]
    begin = 0.0
    for seen, end in zip(jumps, ends):
        within = {what: [event for event in found if begin <= event[0] < end] for what, found in events.items()}
        verdicts |= jump_verdicts(seen, within)
        begin = end
        del seen["begin"]
    lines = (run.server.home / "server.log").read_text(errors="replace").splitlines()
    panics = [line for line in lines if "panic" in line]
    refused, futures = starts
    report.end({
        "jumps": jumps, "tokens": len(run.tokens), "documents": run.jwks.statuses, "most_keys": run.jwks.most_keys,
        "wrong_key_lists": run.keys.wrong[:5], "panics": panics[:3], "start_in_1969": refused, "fresh_starts": futures,
        "exit_code_of_sigterm": stopped, **log.figures(),
    }, verdicts | {
        "JWKS and metadata answer throughout": set(run.jwks.statuses) == {"200"},
        "no answer is a 500": not any(status == 500 for _, _, status in run.answers),
        "each algorithm always has one signing key": run.keys.looks > len(jumps) and not run.keys.wrong,
        "never more than three keys of an algorithm in the JWKS": all(n <= 3 for n in run.jwks.most_keys.values()),
        "no key comes back": not run.jwks.came_back,
        "no panic": not panics,
        "the process lives to the end": stopped == 0,
        "a start in 1969 is refused in one line":
            refused["exit_code"] not in (None, 0) and len(refused["lines"]) == 1 and "clock" in refused["lines"][0],
    } | {
        f"a fresh start in {name} issues": seen.get("status") == 200 and abs(seen["iat_off_by"]) <= 3
        and seen["lifetime"] == run.long.lifetime and seen["jwks"] == 200 for name, seen in futures.items()
    } | log.verdicts())


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--rate", type=float, default=20.0, help="tokens per second")
    parser.add_argument("--jump", action="append", choices=[name for name, _, _ in JUMPS], help="only these jumps")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mintmark-clocks-"))
    long = times.Times()
    server = mintmark.Server(args.binary, home, env=long.env(ALGORITHMS))
    run = None
    try:
        server.init()
        run = Run(args, server, long)
        jumps = [run.jump(*jump) for jump in JUMPS if not args.jump or jump[0] in args.jump]
        time.sleep(2)
        run.stop()
        log = Logged(server, [token.jti for token in run.tokens])
        stopped = server.stop()
        starts = start_in_1969(args), {"2038": fresh_start(args, at(2038, 1, 20), long),
                                       "2106": fresh_start(args, at(2106, 2, 8), long)}
        judge(run, jumps, log, starts, stopped)
    except mintmark.Refused as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    finally:
        if run:
            run.stop()
        server.stop()
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
