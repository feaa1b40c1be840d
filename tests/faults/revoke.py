#!/usr/bin/env python3
"""Revokes signing keys under load, while foreign verifiers check every token.

The signing key of ES256 is revoked by the command line, first as a dry run. From the answer on its
kid must be in no JWKS and in no token of a later request; its successor signs; verifiers refuse its
tokens at the latest after the exposure that was printed, and refuse no token of another key. The
count of unexpired tokens must be what the log says, and the log must have each that a client holds.
Then a key at rest is revoked when most of its tokens have expired, then the signing key ten times,
once a second. No revoked key comes back, neither by `retain` nor after a SIGKILL.
Needs what ./test installs, and cargo and OpenSSL's headers for josekit. Prints one JSON object.
"""

import datetime
import json
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import fleet
import report
import server as mintmark
import times
import watch
from client import Client
from logged import Logged

ALGORITHMS = ["ES256", "EdDSA"]
AGES = ["0", "2", "5", "max-age"]
REASON = "found in a backup; ticket 7"
# How long tokens may stay away on a busy machine.
PROMPTLY = 2.0


@dataclass
class Revocation:
    """One revocation as its operator saw it; times by the monotonic and by the wall clock."""

    kid: str
    begin: float
    end: float
    wall_begin: float
    wall_end: float
    answer: dict
    # The kids of a JWKS that was fetched right after the answer.
    jwks: set


def late(tokens, revocation):
    """Tokens of the revoked key whose requests began after the answer: there may be none."""
    return [token for token in tokens if token.kid == revocation.kid and token.begin > revocation.end]


def crossing(tokens, revocation):
    """Tokens of the revoked key that came after the answer to requests from before it."""
    return [token for token in tokens if token.kid == revocation.kid and token.begin <= revocation.end < token.end]


def refused(answers, revocations):
    """(within, outside): answers without a token whose requests were under way during a revocation, and others."""
    without = [answer for answer in answers if answer[2] != 200]
    within = [(begin, end, status) for begin, end, status in without
              if any(begin <= each.end and end >= each.begin for each in revocations)]
    return within, [answer for answer in without if answer not in within]


def longest_gap(ends, begin, end):
    """The longest time without an answer among these, between two moments."""
    inside = sorted(moment for moment in ends if begin < moment < end)
    moments = [begin, *inside, end]
    return max(after - before for before, after in zip(moments, moments[1:]))


def counted(received, recorded, begin, end):
    """(least, most) tokens that may be called unexpired by who looks at some moment between two wall times.

    Both are times of expiry. What a client holds was recorded before the revocation; the record of a
    request that was under way may have come after the count, and its token never left.
    """
    return sum(exp > end for exp in received), sum(exp > begin for exp in recorded)


def last_accepted(probes, refusals, checkers):
    """For each (library, age of cache) seconds from the answer to the last probe that it accepted; nothing where none was.

    `probes` are {name: seconds}, `refusals` {(name, library, cache)}.
    """
    accepted = {checker: [seconds for name, seconds in probes.items() if (name, *checker) not in refusals]
                for checker in checkers}
    return {checker: max(seconds) for checker, seconds in accepted.items() if seconds}


class Seen:
    """What the client saw of the token endpoint."""

    def __init__(self, receive):
        # Which tokens verifiers get, and every how many of them.
        self.receive, self.handed, self.every = receive, set(ALGORITHMS), 1
        self.answers, self.tokens = [], []

    def take(self, begin, end, status, token):
        self.answers.append((begin, end, status))
        if token:
            self.tokens.append(token)
            if token.alg in self.handed and len(self.tokens) % self.every == 0:
                self.receive(token)

    def of(self, kid):
        return [token for token in list(self.tokens) if token.kid == kid]


class Run:
    """A server under load, its watches and verifiers, and what was done to its keys."""

    def __init__(self, args, server, long):
        self.args, self.server, self.long = args, server, long
        self.jwks = watch.JwksWatch(server).start()
        self.keys = watch.KeyListWatch(server, ALGORITHMS).start()
        self.fleet = fleet.Fleet(server, AGES, long.leeway)
        self.seen = Seen(self.fleet.receive)
        self.client = Client(server, ALGORITHMS, args.connections, self.seen.take)
        self.revocations, self.probes, self.found = [], {}, {}

    def go_on(self, seconds, done=lambda: False):
        """Lets tokens come and be checked for so long, or until it is done."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit and not done():
            self.fleet.pump()
            if self.fleet.dead() or self.client.ended():
                raise mintmark.Refused(f"a verifier or the client has ended: {self.fleet.dead()}")
            time.sleep(0.02)

    def signing(self, algorithm="ES256"):
        """The kid of the active key."""
        active, = (key["kid"] for key in self.keys.judge() if key["alg"] == algorithm and key["state"] == "active")
        return active

    def document(self):
        """The kids of the JWKS now."""
        return {key["kid"] for key in json.loads(self.server.get(watch.JWKS)[2])["keys"]}

    def revoke(self, kid, *more):
        """One revocation by the command line."""
        begin, wall_begin = time.monotonic(), time.time()
        self.fleet.revoked[kid] = begin
        answer = self.server.admin("key", "revoke", kid, "--reason", REASON, *more)
        end, wall_end = time.monotonic(), time.time()
        self.revocations.append(Revocation(kid, begin, end, wall_begin, wall_end, answer, self.document()))
        return self.revocations[-1]

    def dry_run(self, kid):
        """What a dry run says, and whether anything changed by it."""
        def looks():
            return json.loads(self.server.get(watch.JWKS)[2]), self.server.admin("key", "list")["items"]
        before = looks()
        said = self.server.admin("key", "revoke", kid, "--reason", REASON, "--dry-run")
        return {"said": said, "unchanged": looks() == before,
                "recorded": len(self.log(kid, "key.revoked"))}

    def log(self, kid, event, *more):
        """Entries of the log about a key."""
        return self.server.admin("audit", "search", "--kid", kid, "--event", event, *more)["items"]

    def unexpired(self, revocation):
        """What the log says of the revoked key's tokens, beside what was printed and what clients hold."""
        begin = time.time()
        listed = {entry["body"]["jti"] for entry in self.log(revocation.kid, "token.issued", "--unexpired")}
        end = time.time()
        entries = self.log(revocation.kid, "token.issued")
        recorded = {entry["body"]["jti"]: entry["leaf"]["exp"] for entry in entries}
        revoked_at, = (entry["index"] for entry in self.log(revocation.kid, "key.revoked"))
        held = {token.jti: token.exp for token in self.seen.of(revocation.kid)}
        live = {jti for jti, exp in held.items() if exp > end}
        return {
            "printed": revocation.answer["unexpired"]["count"], "listed": len(listed), "recorded": len(recorded),
            "received": len(held), "recorded_and_not_received": len(set(recorded) - set(held)),
            "recorded_after_the_revocation": sum(entry["index"] > revoked_at for entry in entries),
            "received_of_these": sum(entry["index"] > revoked_at and entry["body"]["jti"] in held for entry in entries),
            "may_be_printed": counted(held.values(), recorded.values(), revocation.wall_begin, revocation.wall_end),
            "may_be_listed": counted(held.values(), recorded.values(), begin, end),
            "latest_exp_is_right": revocation.answer["unexpired"]["latest_exp"] == max(recorded.values()),
            "live_and_not_listed": len(live - set(listed)), "held_and_not_recorded": len(set(held) - set(recorded)),
        }

    def refused_twice(self, kid):
        """Exit codes of what a revoked key does not allow."""
        return {verb[0]: self.server.run("key", verb[0], kid, *verb[1:], "--admin", f"unix:{self.server.socket}")[0]
                for verb in (("retain",), ("revoke", "--reason", "again"))}

    def probe(self, revocation, others, seconds):
        """Shows every verifier a token of the revoked key and of each other key again and again."""
        revoked = self.seen.of(revocation.kid)[-1]
        limit = revocation.end + seconds
        while (now := time.monotonic()) < limit:
            number = len(self.probes)
            self.probes[f"revoked-{number}"] = now - revocation.end
            self.fleet.ask(f"revoked-{number}", revoked)
            for other, token in others.items():
                self.fleet.ask(f"{other}-{number}", token)
            self.go_on(0.2)

    def go(self):
        """The whole course of events."""
        self.client.rate(self.args.rate)
        first = self.signing()
        self.server.run("key", "rotate", "--alg", "ES256", "--admin", f"unix:{self.server.socket}")
        self.go_on(30, lambda: self.signed_by_another(first))
        leaked = self.signing()
        self.go_on(self.args.signs)
        self.found["dry_run"] = self.dry_run(leaked)
        since = int(time.time()) - 3600
        moment = datetime.datetime.fromtimestamp(since, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        revocation = self.revoke(leaked, "--since", moment)
        self.found["unexpired"] = self.unexpired(revocation)
        self.found["record"] = [entry["body"] for entry in self.log(leaked, "key.revoked")]
        self.found["since"] = since
        others = {"at-rest": self.seen.of(first)[-1], "other": self.seen.of(self.signing("EdDSA"))[-1]}
        self.probe(revocation, others, revocation.answer["exposure"] + 3)
        self.found["again"] = self.refused_twice(leaked)
        self.client.rate(self.args.rate / 4)
        self.resting(first)
        self.again_and_again()
        self.client.rate(0)
        self.fleet.end()
        self.after_a_kill()

    def signed_by_another(self, kid):
        return any(token.alg == "ES256" and token.kid != kid for token in list(self.seen.tokens))

    def resting(self, kid):
        """Revokes a key at rest when three quarters of its tokens have expired."""
        expiries = sorted(token.exp for token in self.seen.of(kid))
        self.go_on(expiries[len(expiries) * 3 // 4] + 0.5 - time.time())
        self.found["unexpired_at_rest"] = self.unexpired(self.revoke(kid))

    def again_and_again(self):
        """Revokes the signing key once a second, under more load.

        Verifiers cannot know keys that young, so they get no more tokens of them, and fewer of the others.
        """
        self.seen.handed, self.seen.every = {"EdDSA"}, 4
        self.client.rate(4 * self.args.rate)
        due = time.monotonic()
        for _ in range(self.args.times):
            self.revoke(self.signing())
            self.keys.judge()
            due += 1
            self.go_on(due - time.monotonic())

    def after_a_kill(self):
        """SIGKILL, a start, and tokens: what is left of the revoked keys."""
        self.found["killed_at"] = time.monotonic()
        self.server.kill()
        self.server.start().wait_ready()
        began = time.monotonic()
        states = {key["kid"]: key["state"] for key in self.keys.judge()}
        revoked = {each.kid for each in self.revocations}
        document = self.document()
        self.client.rate(self.args.rate)
        time.sleep(2)
        self.client.rate(0)
        tokens = [token for token in list(self.seen.tokens) if token.begin > began]
        self.found["after_a_kill"] = {
            "states": sorted({states.get(kid) for kid in revoked}), "in_the_jwks": len(revoked & document),
            "tokens": len(tokens), "tokens_by_revoked": sum(token.kid in revoked for token in tokens),
            **self.refused_twice(self.revocations[0].kid),
        }

    def stop(self):
        """Ends everything."""
        self.client.stop()
        for part in (self.jwks, self.keys):
            if part.started:
                part.stop()
        self.fleet.stop()


def of_each(run, revocation, following):
    """What was seen of one revocation; `following` is when the successor's own time ended."""
    seen = run.seen
    after = {token.kid for token in seen.tokens if token.alg == "ES256" and revocation.end < token.begin
             and token.end < following}
    ends = [token.end for token in seen.tokens if token.alg == "ES256"]
    window = revocation.begin - 1, min(following, revocation.end + 1)
    sight = run.jwks.keys.get(revocation.kid)
    return {
        "state": revocation.answer["state"], "seconds_to_the_answer": round(revocation.end - revocation.begin, 3),
        "longest_gap_without_a_token": round(longest_gap(ends, *window), 3),
        "tokens_after_it": len(late(seen.tokens, revocation)), "tokens_across_it": len(crossing(seen.tokens, revocation)),
        "in_the_next_jwks": revocation.kid in revocation.jwks,
        "last_look_with_it": round(sight.last_seen - revocation.end, 3) if sight else None,
        "successor_signs": after == {revocation.answer["successor"]}, "exposure": revocation.answer["exposure"],
    }


def judge(run, log, stopped):
    """What must hold."""
    found, seen, revocations = run.found, run.seen, run.revocations
    active = [each for each in revocations if each.answer["state"] == "active"]
    killed_at = found.pop("killed_at")
    follow = [each.begin for each in active[1:]] + [killed_at]
    each = [of_each(run, revocation, end) for revocation, end in zip(active, follow)]
    resting, = (of_each(run, revocation, killed_at) for revocation in revocations if revocation not in active)
    first, live = active[0], [answer for answer in seen.answers if answer[0] < killed_at]
    within, outside = refused(live, revocations)
    refusals = {(said["rejected"], said["library"], said["cache"]) for said in run.fleet.refusals()}
    checkers = [(verifier.name, age) for verifier in run.fleet.verifiers for age in AGES]
    believed = last_accepted(run.probes, refusals, checkers)
    exposure = run.long.jwks_max_age + run.long.propagation
    dry, record = found["dry_run"], found["record"]
    wrong_refusals = [name for name in refusals if name[0].startswith(("at-rest-", "other-"))]
    counts = found["unexpired"], found["unexpired_at_rest"]
    report.end({
        "revocations": each, "revocation_at_rest": resting, **found,
        "last_accepted_seconds_after_the_answer": {f"{name}, cache {age}": round(seconds, 2)
                                                   for (name, age), seconds in believed.items()},
        "refused_during_a_revocation": len(within), "refused_otherwise": outside[:5], **run.fleet.figures(),
        "looks_at_jwks": run.jwks.looks, "looks_at_key_list": run.keys.looks, "wrong_key_lists": run.keys.wrong[:5],
        **log.figures(), "exit_code_of_sigterm": stopped,
    }, run.fleet.verdicts() | log.verdicts() | of_keys(run, each, resting) | {
        "a dry run changes nothing": dry["unchanged"] and dry["recorded"] == 0 and dry["said"]["revoked_at"] is None,
        "a dry run says what happens": {name: dry["said"][name] for name in ("kid", "state", "successor", "exposure")}
        == {name: first.answer[name] for name in ("kid", "state", "successor", "exposure")},
        "the exposure is P + C": all(one["exposure"] == exposure for one in (*each, resting)),
        "only requests under way at a revocation were refused, by 503":
            not outside and all(status == 503 for _, _, status in within),
        "verifiers believed the key for a while": bool(believed),
        "every verifier refuses the key's tokens after the exposure":
            all(seconds < first.answer["exposure"] for seconds in believed.values())
            and max(run.probes.values()) > first.answer["exposure"] + 2,
        "no verifier refuses the keys beside it": not wrong_refusals,
        "the printed count is what the log says": all(
            one["may_be_printed"][0] <= one["printed"] <= one["may_be_printed"][1] and one["latest_exp_is_right"]
            for one in counts),
        "the list is what the log says": all(
            one["may_be_listed"][0] <= one["listed"] <= one["may_be_listed"][1] for one in counts),
        "every live token is listed": not any(
            one["live_and_not_listed"] or one["held_and_not_recorded"] for one in counts),
        "what was recorded and not received was refused": all(
            one["recorded_and_not_received"] <= len(within) for one in counts),
        "no token was recorded after the revocation and received": not any(one["received_of_these"] for one in counts),
        "many tokens were unexpired, and of the resting key's some were not":
            counts[0]["printed"] > 500 and 0 < counts[1]["printed"] < counts[1]["recorded"],
        "the record tells who, why and since when": len(record) == 1 and record[0]["actor"] == "unix:0"
        and record[0]["reason"] == REASON and record[0]["alg"] == "ES256" and first.answer["since"] == found["since"]
        and datetime.datetime.fromisoformat(record[0]["since"]).timestamp() == found["since"],
        "retain and a second revocation are refused": found["again"] == {"retain": 1, "revoke": 1},
        "a killed server comes back without the revoked keys": found["after_a_kill"]["states"] == ["revoked"]
        and found["after_a_kill"] | {"states": 0, "tokens": 0} == {
            "states": 0, "in_the_jwks": 0, "tokens": 0, "tokens_by_revoked": 0, "retain": 1, "revoke": 1}
        and found["after_a_kill"]["tokens"] > 50,
        "SIGTERM ends with 0": stopped == 0,
    })


def of_keys(run, each, resting):
    """What must hold of every revocation."""
    return {
        "as many revocations as wanted": len(each) == 1 + run.args.times,
        "no token of a later request carries a revoked kid": not any(one["tokens_after_it"] for one in (*each, resting)),
        "no JWKS of after the answer has a revoked key": not any(
            one["in_the_next_jwks"] or (one["last_look_with_it"] or -1) > 0 for one in (*each, resting)),
        "the named successor signs": all(one["successor_signs"] for one in each),
        "a key at rest has no successor": resting["state"] == "passive" and not any(
            one.answer["successor"] for one in run.revocations if one.answer["state"] == "passive"),
        "tokens go on": all(one["longest_gap_without_a_token"] <= PROMPTLY for one in (*each, resting)),
        "each algorithm always has one signing key": run.keys.looks > len(each) and not run.keys.wrong,
        "no key comes back": not run.jwks.came_back,
    }


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--rate", type=float, default=150.0, help="tokens per second")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--signs", type=float, default=15.0, help="seconds for which the revoked key has signed")
    parser.add_argument("--times", type=int, default=10, help="revocations of the signing key once a second")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mintmark-revoke-"))
    # Nothing is rotated but by hand.
    long = times.Times(active_for=3600, lifetime=60)
    server = mintmark.Server(args.binary, home, env=long.env(ALGORITHMS))
    run = None
    try:
        fleet.build()
        server.init()
        server.start().wait_ready()
        run = Run(args, server, long)
        run.go()
        run.client.stop()
        log = Logged(server, [token.jti for token in run.seen.tokens])
        for part in (run.jwks, run.keys):
            part.stop()
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
