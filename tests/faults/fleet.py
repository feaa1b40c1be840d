"""Foreign verifiers of several libraries and cache ages, each given every token twice.

At its receipt, and again right before it dies: a little before exp + leeway, when its key has long
been at rest. One process for each library; verifier/README.md tells what they do and what they say.
"""

import base64
import heapq
import json
import math
import os
import queue
import subprocess
import threading
import time

import report
import server as mintmark

FOLDER = report.HERE / "verifier"
PYTHON = report.ROOT / "target/interop/venv/bin/python"
NODE = report.ROOT / "target/interop/node"
RUST = report.ROOT / "target/verifier"
# The second check is made so long before the token is dead; a verifier may be late by less.
MARGIN = 1.5
# A verifier that accepts everything would otherwise look the same.
FORGERIES = (("forged-claims", (1, {"scope": "admin"})), ("forged-kid", (0, {"kid": "unheard-of"})))


class Verifier:
    """One process; what it is told waits in a queue, so that a slow one holds nobody up."""

    def __init__(self, name, command, env=None):
        self.name = name
        self.handed = 0
        self.told = {"done": 0, "late": 0, "caches": {}}
        self.refused = []
        self.queue = queue.SimpleQueue()
        self.process = subprocess.Popen(command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.threads = [threading.Thread(target=act, daemon=True) for act in (self.write, self.read)]
        for thread in self.threads:
            thread.start()

    def write(self):
        try:
            for lines in iter(self.queue.get, None):
                self.process.stdin.write(lines)
                self.process.stdin.flush()
            self.process.stdin.close()
        except OSError:
            pass  # it has ended; its exit code tells

    def read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "rejected" in said:
                self.refused.append(said | {"read_at": time.monotonic()})
            else:
                self.told = said

    def give(self, lines):
        self.handed += len(lines)
        self.queue.put("".join(lines))

    def end(self):
        """Waits until everything is checked; gives the exit code."""
        self.queue.put("tell\n")
        self.queue.put(None)
        for thread in self.threads:
            thread.join(timeout=60)
        return self.process.wait(timeout=30)


def build():
    """Makes the Rust verifier, and says what is missing of the others."""
    for missing in (path for path in (PYTHON, NODE / "node_modules/jose") if not path.exists()):
        raise mintmark.Refused(f"{missing} is missing: ./test makes it")
    subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", str(RUST),
                    "--manifest-path", str(FOLDER / "Cargo.toml")], check=True)


class Fleet:
    """All verifiers, and when each token's checks are due."""

    def __init__(self, server, ages, leeway):
        metadata = json.loads(server.get("/.well-known/oauth-authorization-server")[2])
        tail = [metadata["jwks_uri"], metadata["issuer"], str(leeway), ",".join(ages)]
        self.ages, self.leeway, self.codes = ages, leeway, {}
        self.verifiers = [
            Verifier("PyJWT", [str(PYTHON), "-W", "ignore", str(FOLDER / "verifier.py"), "pyjwt", *tail]),
            Verifier("joserfc", [str(PYTHON), "-W", "ignore", str(FOLDER / "verifier.py"), "joserfc", *tail]),
            Verifier("jose", ["node", str(FOLDER / "verifier.mjs"), *tail], os.environ | {"JOSE_FROM": str(NODE)}),
            Verifier("josekit", [str(RUST / "release/verifier"), *tail]),
        ]
        self.fresh = queue.SimpleQueue()
        self.dying = []
        self.number = 0
        self.asked = 0
        self.forged = False
        # By kid of a revoked key: since when a refusal of its tokens is right.
        self.revoked = {}

    def receive(self, token):
        """A token that has just come; safe from any thread."""
        self.fresh.put(token)

    def pump(self):
        """Hands over what has come and what is about to die. Call it all the time."""
        # Down to the millisecond, which is what some clocks of verifiers can tell.
        now = math.floor(time.time() * 1000) / 1000
        lines = []
        while not self.fresh.empty():
            token = self.fresh.get()
            self.number += 1
            if not self.forged:
                self.forged = True
                lines += [self.line(name, now, token, text) for name, text in forgeries(token.text)]
            lines.append(self.line(f"new-{self.number}-{token.kid}", now, token, token.text))
            heapq.heappush(self.dying, (token.exp + self.leeway - MARGIN, self.number, token))
        while self.dying and self.dying[0][0] <= now:
            _, number, token = heapq.heappop(self.dying)
            lines.append(self.line(f"dying-{number}-{token.kid}", now, token, token.text))
        if lines:
            for verifier in self.verifiers:
                verifier.give(lines)

    def ask(self, name, token):
        """One more check of a token, by a name of its own."""
        self.asked += 1
        line = self.line(name, math.floor(time.time() * 1000) / 1000, token, token.text)
        for verifier in self.verifiers:
            verifier.give([line])

    def line(self, name, now, token, text):
        return f"{name} {now:.3f} {token.exp + self.leeway} {token.alg} {token.aud} {text}\n"

    def backlog(self):
        """How many checks the slowest verifier is behind, as of its last word; asks for a new one."""
        for verifier in self.verifiers:
            verifier.queue.put("tell\n")
        return max(verifier.handed - verifier.told["done"] for verifier in self.verifiers)

    def at_work(self):
        """Whether every verifier has checked something, so that each cache has a JWKS."""
        return all(verifier.told["done"] for verifier in self.verifiers)

    def dead(self):
        """The verifiers that have ended by themselves."""
        return [verifier.name for verifier in self.verifiers if verifier.process.poll() is not None]

    def end(self):
        """Checks what is still to be checked, then ends every verifier."""
        while self.dying or not self.fresh.empty():
            self.pump()
            time.sleep(0.05)
        self.codes = {verifier.name: verifier.end() for verifier in self.verifiers}

    def stop(self):
        """Ends every process, whatever is left to check."""
        for verifier in self.verifiers:
            if verifier.process.poll() is None:
                verifier.process.kill()
                verifier.process.wait(timeout=10)

    def rejected(self):
        """Every refusal of a token that was received, unless its key was revoked."""
        return [said for said in self.refusals() if said["rejected"].startswith(("new-", "dying-"))
                and said["read_at"] < self.revoked.get(said["rejected"].split("-", 2)[2], math.inf)]

    def refusals(self):
        """Everything that was refused, with the library that did."""
        return [said | {"library": verifier.name} for verifier in self.verifiers for said in list(verifier.refused)]

    def figures(self):
        """Per library and age of cache; of the caches what is not zero."""
        caches = {f"{verifier.name}, cache {age}": {name: round(value, 3) for name, value in cache.items() if value}
                  for verifier in self.verifiers for age, cache in verifier.told["caches"].items()}
        return {
            "checks": sum(cache.get("checks", 0) for cache in caches.values()),
            "rejected": len(self.rejected()), "examples_of_rejected": self.rejected()[:5],
            "late": sum(verifier.told["late"] for verifier in self.verifiers), "caches": caches,
        }

    def verdicts(self):
        """What must hold."""
        handed = 2 * self.number + self.asked
        forged = {name for name, _ in FORGERIES}
        blind = [(verifier.name, age) for verifier in self.verifiers for age in self.ages
                 if forged - {said["rejected"] for said in verifier.refused if said["cache"] == age}]
        return {
            "no verifier refuses a received token": self.number > 0 and not self.rejected(),
            "every verifier was given every token twice": all(
                verifier.told["done"] == handed + len(FORGERIES) for verifier in self.verifiers),
            "nearly all checks were made while the token lived": all(
                verifier.told["late"] * 100 <= handed for verifier in self.verifiers),
            "every verifier refuses forged tokens": not blind,
            "every verifier ended well": bool(self.codes) and not any(self.codes.values()),
        }


def changed(token, index, change):
    """The token with other members in its header (0) or claims (1), under its old signature."""
    parts = token.split(".")
    text = json.dumps(mintmark.jwt_part(token, index) | change).encode()
    parts[index] = base64.urlsafe_b64encode(text).rstrip(b"=").decode()
    return ".".join(parts)


def forgeries(token):
    """(name, text) of tokens that nobody issued."""
    return [(name, changed(token, *change)) for name, change in FORGERIES]
