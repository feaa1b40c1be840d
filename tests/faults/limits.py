#!/usr/bin/env python3
"""Hammers scopes with small limits over many connections: every sliding window holds, and every wait that was told is true.

Connections in processes of their own ask as fast as they are answered, for several scopes, alone and mixed. A 200 took its
permits between the moment it was sent and the moment its answer was there; these bounds, of one monotonic clock, are all
that is known of its place. For each window that begins with one permit and ends with another, the permits that surely lie
in the span from the first one's sending to the last one's answer must be no more than burst and rate x that span: it is
never shorter than the true one, so the bound needs no tolerance. For the other side, that the limit is not too narrow,
the permits of the whole run must reach four fifths of rate x time, since a client does not come back at the very moment
at which a permit has grown back.

In turn: 500 at once for a burst of five, mixes that are all or none, a limit that changes under load, a monitored limit,
waits that are obeyed, SIGKILL, after which budgets are full again as documented. Prints one JSON object.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import report
import server as mintmark

# Scope: (count, period in seconds, burst); the client `load` has all of them.
SCOPES = {
    "burst:five": (5, 3600, 5),
    "slow:a": (3, 1, 3),
    "slow:b": (5, 2, 10),
    "slow:c": (30, 1, 4),
    "mix:wide": (1000, 3600, 1000),
    "mix:narrow": (4, 3600, 4),
    "live:changes": (20, 1, 5),
    "watched": (2, 3600, 2),
    "total:shared": (100, 1, 50),
    "waits": (2, 1, 2),
    "killed": (5, 3600, 5),
}
TOTAL = (7, 1, 7)
# A limit that is changed holds within a second for requests that come after the answer to the change.
WITHIN = 1.0


class Hammer:
    """A process with connections that ask as fast as they are answered; keeps (sent, answered, scope, status, wait, left)."""

    def __init__(self, server, client, secret, connections, asked):
        file = server.home / f"secret-{client}"
        file.touch(mode=0o600)
        file.write_text(secret, encoding="ascii")
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--hammer", str(server.port), client, str(file), str(connections), *asked],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answers = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.answers.append(tuple(json.loads(line)))

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.reader.join(timeout=60)
        return self.answers


def ask(connection, authorization, scope):
    """(sent, answered, scope, status, Retry-After, RateLimit) of one request."""
    body = "grant_type=client_credentials&scope=" + scope.replace(" ", "+")
    sent = time.monotonic()
    connection.request("POST", "/oauth2/token", body, {
        "Authorization": authorization, "Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    answer.read()
    return (sent, time.monotonic(), scope, answer.status, answer.headers.get("Retry-After"), answer.headers.get("RateLimit"))


def hammer(port, client, secret_file, connections, scopes):
    """The process of a Hammer: ends with its standard input."""
    import http.client
    authorization = mintmark.basic(client, Path(secret_file).read_text(encoding="ascii"))
    ended, lock = threading.Event(), threading.Lock()

    def run(number):
        connection, turn = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10), number
        while not ended.is_set():
            try:
                told = ask(connection, authorization, scopes[turn % len(scopes)])
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
                told = (time.monotonic(), time.monotonic(), scopes[turn % len(scopes)], 0, None, None)
            turn += 1
            with lock:
                print(json.dumps(told), flush=True)
            # A breath: the watched process is not to be starved by who watches it.
            ended.wait(0.002)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(int(connections))]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join()


def permits(answers, scope):
    """(sent, answered) of each 200 that charged this scope."""
    return [(sent, answered) for sent, answered, asked, status, *_ in answers if status == 200 and scope in asked.split()]


def windows(taken, rate, burst):
    """(violations, the fullest window's share of what it may hold). See the head of this file.

    A window from permit i to permit j is at most `answered of j - sent of i` long. In it lie surely all permits that
    were sent no earlier than i and answered no later than j.
    """
    violations, fullest = 0, 0.0
    taken = sorted(taken)
    for first in range(len(taken)):
        # The answers of those sent from here on, in order; the n-th of them ends a window with n permits.
        ends = sorted(answered for _, answered in taken[first:])
        for count, end in enumerate(ends, 1):
            allowed = burst + rate * (end - taken[first][0])
            fullest = max(fullest, count / allowed)
            violations += count > int(allowed + 1e-9)
    return violations, round(fullest, 4)


def rate_of(limit):
    count, period, burst = limit
    return count / period, burst


def setup(server):
    server.admin("resource", "set", mintmark.RESOURCE)
    for name, (count, period, burst) in SCOPES.items():
        more = []
        if name == "watched":
            more = ["--monitor"]
        if name == "total:shared":
            more = ["--total", f"{TOTAL[0]}/{TOTAL[1]}s"]
        server.admin("scope", "set", name, "--resource", mintmark.RESOURCE, "--limit", f"{count}/{period}s", "--burst", str(burst), *more)
    secrets = {}
    for client in ("load", "other", "third"):
        secrets[client] = server.admin("client", "create", client, "--scope", " ".join(SCOPES))["client_secret"]
    return secrets


def volley(server, client, secret, scope, count):
    """`count` requests over as many connections, all at once; their answers."""
    authorization, answers, gate = mintmark.basic(client, secret), [None] * count, threading.Barrier(count)
    # One verification before, so that none of the many waits for the hashing of its secret.
    first = server.connect()
    first.request("POST", "/oauth2/token", "grant_type=client_credentials&scope=waits", {
        "Authorization": authorization, "Content-Type": "application/x-www-form-urlencoded"})
    first.getresponse().read()

    def one(number):
        connection = server.connect(timeout=30)
        connection.connect()
        gate.wait()
        answers[number] = ask(connection, authorization, scope)
        connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def statuses(answers):
    found = {}
    for answer in answers:
        found[str(answer[3])] = found.get(str(answer[3]), 0) + 1
    return found


def left(answer, scope):
    """`r` of one scope in the RateLimit header."""
    for item in (answer[5] or "").split(", "):
        name, *parameters = item.split(";")
        if name == f'"{scope}"':
            return int(dict(parameter.split("=") for parameter in parameters)["r"])
    return None


def mixes(server, secret):
    """A mix of a wide and a narrow scope: when the narrow one is exhausted the wide one loses nothing more."""
    authorization, connection = mintmark.basic("third", secret), server.connect()
    seen = [ask(connection, authorization, "mix:wide mix:narrow mix:wide") for _ in range(12)]
    after = ask(connection, authorization, "mix:wide")
    return {"statuses": statuses(seen), "wide_left": left(after, "mix:wide")}, {
        "a mix is all or none": [answer[3] for answer in seen] == [200] * 4 + [429] * 8,
        "a refused mix takes nothing of the other scope": left(after, "mix:wide") == 1000 - 4 - 1,
        "both scopes are told in scope order": all(
            (answer[5] or "").index('"mix:narrow"') < (answer[5] or "").index('"mix:wide"') for answer in seen),
    }


def waits(server, secret, rounds):
    """Whoever waits as long as it is told gets a token, and the wait is not longer than it must be, in whole seconds."""
    authorization, connection = mintmark.basic("third", secret), server.connect()
    obeyed, early = [], []
    for _ in range(rounds):
        refused = None
        while refused is None:
            answer = ask(connection, authorization, "waits")
            refused = answer if answer[3] == 429 else None
        wait = int(refused[4])
        # The true wait is half a second at most and rounded up to one.
        early.append(wait)
        time.sleep(max(0.0, refused[1] + wait - time.monotonic()))
        obeyed.append(ask(connection, authorization, "waits")[3])
    return {"obeyed": obeyed, "told": early}, {
        "who waits as told gets a token": obeyed == [200] * rounds,
        "no wait is longer than the true one, rounded up": set(early) == {1},
    }


def changes(server, seconds):
    """`live:changes` from 20/s to 5/s, to 40/s and back while it is hammered; the burst stays. When each began and was answered."""
    steps = []
    for count in (5, 40, 5):
        time.sleep(seconds)
        begin = time.monotonic()
        server.admin("scope", "set", "live:changes", "--resource", mintmark.RESOURCE, "--limit", f"{count}/1s", "--burst", "5")
        steps.append((begin, time.monotonic(), count))
    time.sleep(seconds)
    return steps


def judge_changes(answers, steps):
    """In each part, from a second after its change to the next change, the windows of its own rate hold; and over a change
    nothing is given anew: the windows that reach over it hold at the greater of both rates with the one burst."""
    figures, verdicts = {}, {}
    taken = permits(answers, "live:changes")
    ends = [step[0] for step in steps[1:]] + [max(answered for _, answered in taken)]
    before = SCOPES["live:changes"][0]
    for (begin, answered, count), end in zip(steps, ends):
        part = [permit for permit in taken if permit[0] >= answered + WITHIN and permit[1] <= end]
        over = [permit for permit in taken if begin - WITHIN <= permit[0] and permit[1] <= answered + WITHIN]
        violations, fullest = windows(part, count, 5)
        across, _ = windows(over, max(count, before), 5)
        name = f"{before}/s to {count}/s"
        span = end - answered - WITHIN
        figures[name] = {"permits": len(part), "seconds": round(span, 2), "per_second": round(len(part) / span, 2), "fullest": fullest}
        verdicts[f"{name}: the new limit holds a second later"] = violations == 0
        verdicts[f"{name}: and what the new limit gives is given"] = len(part) >= 0.8 * count * span - 5
        verdicts[f"{name}: nothing is given anew by the change"] = across == 0
        before = count
    return figures, verdicts


def hammered(args, server, secrets):
    """Everybody at once; figures and verdicts."""
    plain = ["slow:a", "slow:b", "slow:c", "slow:a slow:b", "slow:c slow:b slow:c", "live:changes", "live:changes", "total:shared", "watched"]
    hammers = {client: Hammer(server, client, secrets[client], args.connections, plain) for client in ("load", "other")}
    time.sleep(1)
    steps = changes(server, args.seconds / 4)
    answers = {client: hammer.stop() for client, hammer in hammers.items()}
    figures, verdicts = {"answers": {client: statuses(seen) for client, seen in answers.items()}}, {}
    for scope in ("slow:a", "slow:b", "slow:c"):
        for client, seen in answers.items():
            taken = permits(seen, scope)
            rate, burst = rate_of(SCOPES[scope])
            violations, fullest = windows(taken, rate, burst)
            span = max(answered for _, answered, *_ in seen) - min(answer[0] for answer in seen)
            figures[f"{scope} {client}"] = {"permits": len(taken), "seconds": round(span, 2), "fullest_window": fullest}
            verdicts[f"{scope} {client}: no window holds more than burst and rate"] = violations == 0
            verdicts[f"{scope} {client}: the limit is not narrower than it says"] = len(taken) >= 0.8 * (rate * span)
    both = [permit for seen in answers.values() for permit in permits(seen, "total:shared")]
    violations, fullest = windows(both, TOTAL[0] / TOTAL[1], TOTAL[2])
    figures["total:shared"] = {"permits": len(both), "fullest_window": fullest}
    verdicts["a total over both clients: no window holds more"] = violations == 0
    for client, seen in answers.items():
        told, held = judge_changes(seen, steps)
        figures[f"live:changes {client}"] = told
        verdicts |= {f"{client}: {name}": value for name, value in held.items()}
    watched = [answer for seen in answers.values() for answer in seen if answer[2] == "watched"]
    figures["watched"] = statuses(watched)
    verdicts["a monitored limit never refuses"] = set(statuses(watched)) == {"200"}
    everything = [answer for seen in answers.values() for answer in seen]
    verdicts["nothing but 200 and 429"] = set(statuses(everything)) <= {"200", "429"}
    verdicts["each 429 says how long to wait"] = all(int(answer[4] or 0) >= 1 for answer in everything if answer[3] == 429)
    return figures, verdicts


def counted(server):
    """The decisions about each scope, from the metrics; nothing where the server has none."""
    found = {}
    for line in server.admin_get("/metrics").splitlines():
        if line.startswith("mintmark_scope_decisions_total{"):
            name, value = line.rsplit(" ", 1)
            found[name.split("{")[1].rstrip("}")] = int(value)
    return found


def run(args, server):
    server.init()
    server.start().wait_ready()
    secrets = setup(server)
    answers = volley(server, "load", secrets["load"], "burst:five", 500)
    figures, verdicts = {"volley": statuses(answers)}, {}
    verdicts["of 500 at once exactly five are served"] = statuses(answers) == {"200": 5, "429": 495}
    parts = {"mixes": mixes(server, secrets["third"]), "waits": waits(server, secrets["third"], 5),
             "load": hammered(args, server, secrets)}
    for name, (told, held) in parts.items():
        figures[name] = told
        verdicts |= held
    metrics = counted(server)
    if metrics:
        took = sum(figures["load"][f"slow:a {client}"]["permits"] for client in ("load", "other"))
        figures["slow:a by the metrics"] = {key: value for key, value in metrics.items() if "slow:a" in key}
        verdicts["the metrics count what was answered"] = metrics['scope="slow:a",outcome="allowed"'] == took
        verdicts["a monitored limit tells what it would have refused"] = metrics['scope="watched",outcome="would_have_refused"'] > 0
    before = volley(server, "load", secrets["load"], "killed", 50)
    server.kill()
    server.start().wait_ready()
    after = volley(server, "load", secrets["load"], "killed", 50)
    figures["killed"] = {"before": statuses(before), "after": statuses(after)}
    verdicts["a kill fills the budgets, which are in memory, and no more"] = [statuses(seen).get("200") for seen in (before, after)] == [5, 5]
    verdicts["SIGTERM ends with 0"] = server.stop() == 0
    return figures, verdicts


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--hammer":
        hammer(*sys.argv[2:6], sys.argv[6:])
        return
    parser = report.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=30, help="length of the load")
    parser.add_argument("--connections", type=int, default=24, help="of each of the two clients")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mintmark-limits-"))
    server = mintmark.Server(args.binary, home)
    try:
        report.end(*run(args, server))
    except mintmark.Refused as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    finally:
        server.stop()
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
