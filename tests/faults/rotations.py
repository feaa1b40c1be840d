#!/usr/bin/env python3
"""Rotates signing keys again and again under load, while foreign verifiers check every token twice.

The keys of the server live for seconds. A client asks for tokens at a steady rate; PyJWT, joserfc,
npm jose and josekit, each with a JWKS of several ages and none that fetches because of an unknown
`kid`, check each token at its receipt and again right before its expiry plus leeway. The
JWKS is watched ten times a second: no key signs before it was published long enough, none goes
before its last token has died. At the end every token is in the log and the log verifies.
With --kills the server is killed by SIGKILL every second meanwhile, and started again at once.
Needs what ./test installs, and cargo and OpenSSL's headers for josekit. Prints one JSON object.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import fleet
import report
import server as mintmark
import times
import watch
from logged import Logged


class Client:
    """The client's process: its answers, and the tokens among them, each passed on as it comes."""

    def __init__(self, server, secret, algorithms, connections, receive):
        file = server.home / "client.secret"
        file.touch(mode=0o600)
        file.write_text(secret, encoding="ascii")
        scopes = ",".join(times.scope(algorithm) for algorithm in algorithms)
        self.process = subprocess.Popen(
            [sys.executable, str(report.HERE / "asker.py"), str(server.port), times.CLIENT, str(file),
             str(connections), scopes], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.receive = receive
        self.answers, self.tokens, self.lasted = {}, [], []
        self.first, self.last = {}, {}
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            begin, end, status, text = json.loads(line)
            self.answers[str(status)] = self.answers.get(str(status), 0) + 1
            if text is None:
                continue
            token = fleet.Token(begin, end, text)
            self.receive(token)
            self.tokens.append(token.jti)
            self.lasted.append((begin, end - begin))
            self.first.setdefault(token.alg, {}).setdefault(token.kid, end)
            exp, count = self.last.get(token.kid, (0, 0))
            self.last[token.kid] = (max(exp, token.exp), count + 1)

    def rate(self, rate):
        self.process.stdin.write(f"{rate}\n")
        self.process.stdin.flush()

    def rotations(self, algorithms):
        """How often the signing key has changed, of the algorithm where it did so least."""
        return min(max(len(self.first.get(algorithm, {})) - 1, 0) for algorithm in algorithms)

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(timeout=30)
        self.reader.join(timeout=30)


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


class Run:
    """Everything that goes on at the same time."""

    def __init__(self, args, server, long):
        self.args, self.server, self.long = args, server, long
        self.jwks = watch.JwksWatch(server).start()
        self.keys = watch.KeyListWatch(server, args.algorithms).start()
        secret = times.register(server, args.algorithms)
        ages = ["0", "2", str(long.jwks_max_age), "max-age"]
        self.fleet = fleet.Fleet(server, ages, long.leeway)
        self.client = Client(server, secret, args.algorithms, args.connections, self.fleet.receive)
        self.killer = Killer(server, self.keys, args.kill_every) if args.kills else None
        self.held_back = 0

    def go(self):
        """Until enough rotations were seen, or it takes too long, or something has ended."""
        limit = time.monotonic() + 60 + 1.5 * self.args.rotations * self.long.active_for
        steered = 0.0
        while self.client.rotations(self.args.algorithms) < self.args.rotations and time.monotonic() < limit:
            self.fleet.pump()
            if time.monotonic() - steered > 0.25:
                steered = time.monotonic()
                self.steer()
            if self.killer and not self.killer.started and self.fleet.at_work():
                self.killer.start()
            if self.fleet.dead() or self.client.process.poll() is not None:
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
        if self.killer:
            self.killer.stop()
        self.fleet.end()
        limit = time.monotonic() + self.long.retain_for
        while any(self.jwks.keys[kid].gone_by is None for kid in self.old_keys()) and time.monotonic() < limit:
            time.sleep(0.1)
        self.jwks.stop()
        self.keys.stop()

    def old_keys(self):
        """The keys of tokens that others have succeeded, as far as the JWKS has shown them."""
        return [kid for kids in self.client.first.values() for kid in list(kids)[:-1] if kid in self.jwks.keys]

    def stop(self):
        """Whatever is left of it when it broke off."""
        for part in (self.killer, self.jwks, self.keys):
            if part and part.started:
                part.stop()
        self.client.stop()
        self.fleet.stop()


def published_ahead(run):
    """For each signing key but the first of its algorithm: seconds from the last look without it to its first token."""
    waits = {}
    for kids in run.client.first.values():
        for kid, end in list(kids.items())[1:]:
            sight = run.jwks.keys.get(kid)
            waits[kid] = None if sight is None else end - sight.after
    return waits


def outlived(run):
    """For each key that went: seconds from the death of its last token to the first look without it."""
    to_monotonic = time.monotonic() - time.time()
    return {kid: run.jwks.keys[kid].gone_by - (exp + run.long.leeway + to_monotonic)
            for kid, (exp, _) in run.client.last.items()
            if kid in run.jwks.keys and run.jwks.keys[kid].gone_by is not None}


def percentiles(run):
    """Milliseconds of the token endpoint within a second of a rotation, and at other times."""
    turns = [end for kids in run.client.first.values() for end in list(kids.values())[1:]]
    near, far = [], []
    for begin, lasted in run.client.lasted:
        (near if any(abs(begin - turn) <= 1 for turn in turns) else far).append(lasted * 1000)
    def of(values):
        if len(values) < 100:
            return {"requests": len(values)}
        cut = statistics.quantiles(values, n=100)
        return {"requests": len(values), "p50": round(cut[49], 2), "p99": round(cut[98], 2), "max": round(max(values), 1)}
    return {"within_a_second_of_a_rotation": of(near), "otherwise": of(far)}


def judge(run, log, stopped):
    """Everything that must be true of the whole run."""
    args, long, client, jwks, keys = run.args, run.long, run.client, run.jwks, run.keys
    ahead, spare = published_ahead(run), outlived(run)
    listed = min(len(keys.activated[algorithm]) for algorithm in args.algorithms) - 1
    quiet = {"200", "503", "0"} if run.killer else {"200"}
    result = {
        "algorithms": args.algorithms, "rotations": client.rotations(args.algorithms), "rotations_in_key_list": listed,
        "answers": client.answers, "load_held_back": run.held_back,
        "milliseconds": percentiles(run), **run.fleet.figures(),
        "jwks": {"looks": jwks.looks, "longest_gap": round(jwks.longest_gap, 3), "statuses": jwks.statuses,
                 "max_ages": sorted(jwks.max_ages, key=str), "most_keys": jwks.most_keys},
        "least_published_ahead": round(min((wait for wait in ahead.values() if wait is not None), default=0), 3),
        "least_outlived": round(min(spare.values(), default=0), 3), "keys_gone": len(spare),
        "looks_at_key_list": keys.looks, "wrong_key_lists": keys.wrong[:5],
        **(run.killer.figures() if run.killer and run.killer.ready else {}), **log.figures(),
        "exit_code_of_sigterm": stopped,
    }
    verdicts = run.fleet.verdicts() | {
        "enough rotations in the tokens": client.rotations(args.algorithms) >= args.rotations,
        "enough rotations in key list": listed >= args.rotations,
        "each algorithm always has one signing key": keys.looks > args.rotations and not keys.wrong,
        "never more than three keys of an algorithm in the JWKS": all(n <= 3 for n in jwks.most_keys.values()),
        "no key signs before it was published long enough":
            bool(ahead) and all(wait is not None and wait >= long.publish_ahead for wait in ahead.values()),
        "each old key goes, and not before its last token has died":
            set(run.old_keys()) <= set(spare) and all(seconds >= 0 for seconds in spare.values()),
        "every key of a token was in the JWKS": set(client.last) <= set(jwks.keys),
        "no key comes back": not jwks.came_back,
        "max-age is within its bound": all(age is not None and age <= long.served_max_age for age in jwks.max_ages),
        "no answer of the token endpoint is an error": set(client.answers) <= quiet,
        "no answer of the JWKS is an error": set(jwks.statuses) <= ({"200", "0"} if run.killer else {"200"}),
        "SIGTERM ends with 0": stopped == 0,
    } | log.verdicts()
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
        log = Logged(server, run.client.tokens)
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
