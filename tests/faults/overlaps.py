#!/usr/bin/env python3
"""Rotates a client's secret under load and takes old ones away: nobody fails who may not, nobody goes on who may not.

Two processes ask for tokens all the time. In each round the secret is rotated: one process stays on the
old secret, another one begins with the new. Until the overlap ends no request of either fails; within a
second after it the old secret gets 401 and nothing else, and the new one goes on. At last a secret is
revoked within its overlap. Prints one JSON object.
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

# From the end of an overlap to the first refusal at the latest, seconds.
WITHIN = 1.0


class Asking:
    """A process that asks with one secret; keeps (begin, end, status) of each request."""

    def __init__(self, server, secret, rate, number):
        file = server.home / f"secret-{number}"
        file.touch(mode=0o600)
        file.write_text(secret, encoding="ascii")
        self.answers = []
        self.process = subprocess.Popen(
            [sys.executable, str(report.HERE / "asker.py"), str(server.port), "load", str(file), "4", mintmark.SCOPE],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.process.stdin.write(f"{rate}\n")
        self.process.stdin.flush()

    def read(self):
        for line in self.process.stdout:
            begin, end, status, _ = json.loads(line)
            self.answers.append((begin, end, status))

    def stop(self):
        """Every request that is under way has its answer afterwards."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(timeout=30)
        self.reader.join(timeout=30)
        return self.answers


def statuses(answers):
    """How often each came."""
    return {str(status): sum(answer[2] == status for answer in answers) for status in sorted({answer[2] for answer in answers})}


def judged(old, new, first, last):
    """Figures of one end of a secret, which came between `first` and `last`, seconds of the monotonic clock.

    `old` and `new` are the answers by the two secrets. Only requests that were over before `first`
    are certainly before it, and only those begun after `last` certainly after.
    """
    before = [answer for answer in old if answer[1] < first]
    late = [answer for answer in old if answer[0] > last + WITHIN]
    refused = [answer[1] for answer in old if answer[2] == 401]
    return {
        "old_before": statuses(before), "old_a_second_after": statuses(late), "new": statuses(new),
        "seconds_to_the_first_401": round(min(refused) - last, 3) if refused else None,
        "seconds_to_the_last_200": round(max((answer[1] for answer in old if answer[2] == 200), default=last) - last, 3),
    }


def verdicts(what, figures):
    """What must be true of one end of a secret."""
    return {
        f"{what}: no request by the old secret failed before": set(figures["old_before"]) == {"200"},
        f"{what}: the old secret gets 401 within a second": figures["seconds_to_the_first_401"] is not None
        and figures["seconds_to_the_first_401"] <= WITHIN,
        f"{what}: and nothing else from then on": set(figures["old_a_second_after"]) == {"401"},
        f"{what}: the new secret never failed": set(figures["new"]) == {"200"},
    }


def rotated(server, overlap):
    """(the answer, the earliest and the latest moment of the change) of one rotation."""
    first = time.monotonic()
    made = server.admin("client", "rotate-secret", "load", "--overlap", f"{overlap}s")
    return made, first, time.monotonic()


def rounds(args, server, secret):
    """Rotation after rotation; gives figures of each, and the answers of the whole run."""
    told, everything = [], []
    old = Asking(server, secret["client_secret"], args.rate, "first")
    time.sleep(args.calm)
    for number in range(args.rounds):
        made, first, last = rotated(server, args.overlap)
        new = Asking(server, made["client_secret"], args.rate, number)
        time.sleep(max(0.0, last + args.overlap + WITHIN + args.calm - time.monotonic()))
        told.append((f"rotation {number + 1}", old.stop(), new, first + args.overlap, last + args.overlap))
        old, secret = new, made
    made, _, _ = rotated(server, 3600)
    new = Asking(server, made["client_secret"], args.rate, "last")
    time.sleep(args.calm)
    first = time.monotonic()
    server.admin("client", "revoke-secret", "load", secret["secret_id"])
    last = time.monotonic()
    time.sleep(WITHIN + args.calm)
    told.append(("revocation", old.stop(), new, first, last))
    new.stop()
    figures = {}
    for what, answers, after, begin, end in told:
        # What the successor got until then; the rest is the next round's, in which it is the old one.
        figures[what] = judged(answers, [answer for answer in after.answers if answer[1] < end + WITHIN + args.calm], begin, end)
        everything += answers
    return figures, everything + new.answers


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rotations")
    parser.add_argument("--overlap", type=int, default=4, help="seconds for which both secrets work")
    parser.add_argument("--rate", type=float, default=100.0, help="tokens per second of each process")
    parser.add_argument("--calm", type=float, default=2.0, help="seconds of load before and after each change")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mintmark-secrets-"))
    server = mintmark.Server(args.binary, home, env=mintmark.MANY_ATTEMPTS)
    try:
        server.init()
        server.start().wait_ready()
        server.admin("resource", "set", mintmark.RESOURCE)
        server.admin("scope", "set", mintmark.SCOPE, "--resource", mintmark.RESOURCE, "--limit", "1000000/1s", "--burst", "1000000")
        figures, answers = rounds(args, server, server.admin("client", "create", "load", "--scope", mintmark.SCOPE))
        found = {name: held for what, told in figures.items() for name, held in verdicts(what, told).items()}
        stopped = server.stop()
        report.end({**figures, "answers": statuses(answers)}, found | {
            "nothing but 200 and 401": set(statuses(answers)) <= {"200", "401"},
            "enough was asked": len(answers) > args.rounds * args.overlap * args.rate,
            "SIGTERM ends with 0": stopped == 0,
        })
    except mintmark.Refused as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    finally:
        server.stop()
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
