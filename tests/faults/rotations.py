#!/usr/bin/env python3
"""Rotates signing keys again and again under load, while foreign verifiers check every token twice.

The keys of the server live for seconds. A client asks for tokens at a steady rate; PyJWT, joserfc,
npm jose and josekit, each with a JWKS of several ages and none that fetches because of an unknown
`kid`, check each token at its receipt and again right before its expiry plus leeway. The
JWKS is watched ten times a second: no key signs before it was published long enough, none goes
before its last token has died. At the end every token is in the log and the log verifies.
With --by-hand an operator rotates as soon as it is safe, which leaves verifiers no time to spare.
With --kills the server is killed by SIGKILL every second meanwhile, and started again at once.
Needs what ./test installs, and cargo and OpenSSL's headers for josekit. Prints one JSON object.
"""

import contextlib
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import fleet
import report
import server as mintmark
import times
import watch
from client import Client
from logged import Logged


class Seen:
    """What the client saw of the token endpoint."""

    def __init__(self, receive):
        self.receive = receive
        self.answers, self.tokens, self.lasted = {}, [], []
        # By kid: the first token by algorithm too, in the order of their coming.
        self.first, self.last_begin, self.last_exp = {}, {}, {}

    def take(self, begin, end, status, token):
        self.answers[str(status)] = self.answers.get(str(status), 0) + 1
        if token is None:
            return
        self.receive(token)
        self.tokens.append(token.jti)
        self.lasted.append((begin, end - begin))
        self.first.setdefault(token.alg, {}).setdefault(token.kid, end)
        self.last_begin[token.kid] = max(self.last_begin.get(token.kid, 0), begin)
        self.last_exp[token.kid] = max(self.last_exp.get(token.kid, 0), token.exp)

    def rotations(self, algorithms):
        """How often the signing key has changed, of the algorithm where it did so least."""
        return min(max(len(self.first.get(algorithm, {})) - 1, 0) for algorithm in algorithms)

    def turns(self):
        """(kid, end of the request of its first token) of every signing key but the first of its algorithm."""
        return [turn for kids in self.first.values() for turn in list(kids.items())[1:]]


class Killer(watch.Loop):
    """SIGKILL every `period` seconds; the server is started at once and must be ready by itself."""

    def __init__(self, server, keys, period):
        super().__init__(period)
        self.server, self.keys = server, keys
        self.ready, self.broken = [], []

    def look(self):
        try:
            self.server.kill()
            begin = time.monotonic()
            self.server.start().wait_ready(timeout=30)
            self.ready.append(time.monotonic() - begin)
            self.keys.judge()
        except (mintmark.Refused, OSError, subprocess.TimeoutExpired) as error:
            self.broken.append(str(error))
            if self.server.process.poll() is not None:
                self.stopped.set()

    def figures(self):
        return {"kills": len(self.ready), "after_a_start": self.broken[:5], "ready_seconds": {
            "median": round(statistics.median(self.ready), 3), "max": round(max(self.ready), 3)}}


class Hand(watch.Loop):
    """An operator who asks for a rotation of every ring each second, and gets it when the last standby is known."""

    def __init__(self, server):
        super().__init__(1.0)
        self.server = server

    def look(self):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.server.run("key", "rotate", "--admin", f"unix:{self.server.socket}", timeout=10)


class Run:
    """Everything that goes on at the same time."""

    def __init__(self, args, server, long):
        self.args, self.server, self.long = args, server, long
        self.jwks = watch.JwksWatch(server).start()
        self.keys = watch.KeyListWatch(server, args.algorithms).start()
        ages = ["0", "2", str(long.jwks_max_age), "max-age"]
        self.fleet = fleet.Fleet(server, ages, long.leeway)
        self.seen = Seen(self.fleet.receive)
        self.client = Client(server, args.algorithms, args.connections, self.seen.take)
        self.killer = Killer(server, self.keys, args.kill_every) if args.kills else None
        self.hand = Hand(server).start() if args.by_hand else None
        self.held_back = 0

    def go(self):
        """Until enough rotations were seen, or it takes too long, or something has ended."""
        limit = time.monotonic() + 60 + 1.5 * self.args.rotations * self.long.active_for
        steered = 0.0
        while self.seen.rotations(self.args.algorithms) < self.args.rotations and time.monotonic() < limit:
            self.fleet.pump()
            if time.monotonic() - steered > 0.25:
                steered = time.monotonic()
                self.steer()
            if self.killer and not self.killer.started and self.fleet.at_work():
                self.killer.start()
            if self.killer and self.killer.stopped.is_set():
                raise mintmark.Refused(f"the server stays down: {self.killer.broken[-1]}")
            if self.fleet.dead() or self.client.ended():
                break
            time.sleep(0.05)

    def steer(self):
        """Checks that come too late say nothing, so the load waits for verifiers that cannot follow."""
        behind = self.fleet.backlog() > 1.5 * self.args.rate + 50
        self.held_back += behind
        self.client.rate(0 if behind else self.args.rate)

    def end(self):
        """The client ends first, then the kills; the checks go on until every token, the watch until every old key is gone."""
        self.client.stop()
        for part in (self.killer, self.hand):
            if part and part.started:
                part.stop()
        self.fleet.end()
        limit = time.monotonic() + self.long.retain_for
        while any(self.jwks.keys[kid].gone_by is None for kid in self.old_keys()) and time.monotonic() < limit:
            time.sleep(0.1)
        self.jwks.stop()
        self.keys.stop()

    def old_keys(self):
        """The keys of tokens that others have succeeded, as far as the JWKS has shown them."""
        return [kid for kids in self.seen.first.values() for kid in list(kids)[:-1] if kid in self.jwks.keys]

    def stop(self):
        """Whatever is left of it when it broke off."""
        for part in (self.killer, self.hand, self.jwks, self.keys):
            if part and part.started:
                part.stop()
        self.client.stop()
        self.fleet.stop()


def outlived(run):
    """For each key that went: seconds from the death of its last token to the first look without it."""
    to_monotonic = time.monotonic() - time.time()
    deaths = {kid: exp + run.long.leeway + to_monotonic for kid, exp in run.seen.last_exp.items()}
    return watch.rested(run.jwks.keys, deaths)


def percentiles(run):
    """Milliseconds of the token endpoint within a second of a rotation, and at other times."""
    near, far = [], []
    for begin, lasted in run.seen.lasted:
        (near if any(abs(begin - turn) <= 1 for _, turn in run.seen.turns()) else far).append(lasted * 1000)
    return {"within_a_second_of_a_rotation": quantiles(near), "otherwise": quantiles(far)}


def quantiles(values):
    """Median, 99th percentile and maximum, where there are enough of them."""
    if len(values) < 100:
        return {"requests": len(values)}
    cut = statistics.quantiles(values, n=100)
    return {"requests": len(values), "p50": round(cut[49], 2), "p99": round(cut[98], 2), "max": round(max(values), 1)}


def judge(run, log, stopped):
    """Everything that must be true of the whole run."""
    args, long, seen, jwks, keys = run.args, run.long, run.seen, run.jwks, run.keys
    ahead = watch.published_before(jwks.keys, dict(seen.turns()))
    rests, spare = watch.rested(jwks.keys, seen.last_begin), outlived(run)
    listed = min(len(keys.activated[algorithm]) for algorithm in args.algorithms) - 1
    least_ahead = long.known_after if args.by_hand else long.publish_ahead
    quiet = {"200", "503", "0"} if run.killer else {"200"}
    result = {
        "algorithms": args.algorithms, "rotations": seen.rotations(args.algorithms), "rotations_in_key_list": listed,
        "answers": seen.answers, "load_held_back": run.held_back,
        "milliseconds": percentiles(run), **run.fleet.figures(),
        "jwks": {"looks": jwks.looks, "longest_gap": round(jwks.longest_gap, 3), "statuses": jwks.statuses,
                 "max_ages": sorted(jwks.max_ages, key=str), "most_keys": jwks.most_keys},
        "least_published_ahead": round(min(ahead.values(), default=0), 3),
        "least_rest": round(min(rests.values(), default=0), 3),
        "rests_too_short": [(jwks.keys[kid].alg, kid[:8], round(seconds, 3)) for kid, seconds in rests.items()
                            if seconds < long.retain_for][:5],
        "least_outlived": round(min(spare.values(), default=0), 3), "keys_gone": len(spare),
        "looks_at_key_list": keys.looks, "wrong_key_lists": keys.wrong[:5],
        **(run.killer.figures() if run.killer and run.killer.ready else {}), **log.figures(),
        "exit_code_of_sigterm": stopped,
    }
    verdicts = run.fleet.verdicts() | {
        "enough rotations in the tokens": seen.rotations(args.algorithms) >= args.rotations,
        "enough rotations in key list": listed >= args.rotations,
        "each algorithm always has one signing key": keys.looks > args.rotations and not keys.wrong,
        "no key signs before it was published long enough":
            bool(ahead) and all(seconds >= least_ahead for seconds in ahead.values()),
        "each old key goes, and not before its last token has died":
            set(run.old_keys()) <= set(spare) and all(seconds >= 0 for seconds in spare.values()),
        "each old key rests for the whole retention": all(seconds >= long.retain_for for seconds in rests.values()),
        "every key of a token was in the JWKS": set(seen.last_exp) <= set(jwks.keys),
        "no key comes back": not jwks.came_back,
        "max-age is within its bound": all(age is not None and age <= long.served_max_age for age in jwks.max_ages),
        "no answer of the token endpoint is an error": set(seen.answers) <= quiet,
        "no answer of the JWKS is an error": set(jwks.statuses) <= ({"200", "0"} if run.killer else {"200"}),
        "SIGTERM ends with 0": stopped == 0,
    } | log.verdicts()
    if not args.by_hand:
        # Rotations by hand may come faster than old keys go.
        most = max(jwks.most_keys.values())
        verdicts["never more than three keys of an algorithm in the JWKS"] = most <= 3
    if run.killer:
        verdicts |= {
            "the server was killed again and again": len(run.killer.ready) > args.rotations,
            "ready by itself after each kill, each algorithm with one signing key": not run.killer.broken,
        }
    report.end(result, verdicts)


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--rotations", type=int, default=20)
    parser.add_argument("--algorithms", default="ES256,EdDSA", type=lambda text: text.split(","))
    parser.add_argument("--rate", type=float, default=200.0, help="tokens per second")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--active-for", type=int, default=20, help="seconds for which a key signs")
    parser.add_argument("--by-hand", action="store_true", help="rotate by `key rotate` as soon as it lets")
    parser.add_argument("--kills", action="store_true", help="kill the server all the time")
    parser.add_argument("--kill-every", type=float, default=1.0, help="seconds between kills")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mintmark-rotations-"))
    long = times.Times(active_for=args.active_for)
    server = mintmark.Server(args.binary, home, env=long.env(args.algorithms))
    run = None
    try:
        fleet.build()
        server.init()
        server.start().wait_ready()
        run = Run(args, server, long)
        run.go()
        run.end()
        log = Logged(server, run.seen.tokens)
        stopped = server.stop()
    except (mintmark.Refused, subprocess.SubprocessError) as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    finally:
        if run:
            run.stop()
        server.stop()
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)
    judge(run, log, stopped)


if __name__ == "__main__":
    main()
