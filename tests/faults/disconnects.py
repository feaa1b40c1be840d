#!/usr/bin/env python3
"""Clients that go away in the middle of a request, and more connections than there are descriptors.

Resets: --resets requests whose client ends the connection by RST right after sending, some a moment later:
requests for tokens of ES256, of RS256, with a wrong secret, and for the JWKS. A good client is served
throughout. Afterwards descriptors, threads and memory are where they were after the first tenth, the
places for hashing and for RSA signatures are all there, and every token that arrived is in the log.
Storm: with at most 256 open files, --storm connections are held open, then as many come and go. The server does not
spin, looks after its JWKS within seconds, and is as before when they are gone. Prints one JSON object.
"""

import http.client
import multiprocessing
import random
import resource
import shutil
import socket
import struct
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

import report
import server as mintmark
import times
from logged import Logged

ALGORITHMS = ["ES256", "RS256"]
RESET = struct.pack("ii", 1, 0)
# How much may stay of what a tenth of the resets had taken already.
SPARE_MIB = 16
SPARE_DESCRIPTORS = 2
FILES = 256


def requests(secret):
    """What is sent, each as bytes, and how often of a hundred."""
    def token(scope, secret):
        body = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": scope})
        return (f"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nAuthorization: {mintmark.basic(times.CLIENT, secret)}\r\n"
                f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()
    es256, rs256 = (token(times.scope(algorithm), secret) for algorithm in ALGORITHMS)
    jwks = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\n\r\n"
    return [es256, rs256, token(times.scope("ES256"), "wrong"), jwks, es256[:-9]], [80, 8, 2, 5, 5]


def send_and_reset(port, secret, count, seed):
    """One process of clients that go away."""
    chance = random.Random(seed)
    texts, weights = requests(secret)
    failed = 0
    for _ in range(count):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.sendall(chance.choices(texts, weights)[0])
                if chance.random() < 0.1:
                    time.sleep(chance.random() * 0.004)
        except OSError:
            failed += 1
    if failed > count // 100:
        raise SystemExit(f"{failed} of {count} connections failed")


def resets(server, secret, count, processes=2):
    """So many requests that nobody waits for; whether all of them were sent."""
    started = [multiprocessing.Process(target=send_and_reset, args=(server.port, secret, count // processes, seed))
               for seed in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return all(process.exitcode == 0 for process in started)


def usage(server):
    """Descriptors, threads, resident MiB and seconds of processor of the server."""
    place = Path(f"/proc/{server.pid()}")
    status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines() if ":" in line)
    fields = (place / "stat").read_text().rsplit(")", 1)[1].split()
    return {"descriptors": len(list((place / "fd").iterdir())), "threads": int(status["Threads"]),
            "resident_mib": int(status["VmRSS"].split()[0]) // 1024, "cpu_seconds": (int(fields[11]) + int(fields[12])) / 100}


def settled(server, baseline, limit=20.0):
    """The usage once as few descriptors are open as before, or when the limit is over."""
    begin = time.monotonic()
    while usage(server)["descriptors"] > baseline["descriptors"] + SPARE_DESCRIPTORS and time.monotonic() - begin < limit:
        time.sleep(0.1)
    return usage(server) | {"seconds_to_settle": round(time.monotonic() - begin, 2)}


class Good:
    """A client that reads every answer, on a connection of its own."""

    def __init__(self, server, secret):
        self.server, self.secret = server, secret
        self.answers, self.tokens, self.slowest = {}, [], 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        connection = self.server.connect(timeout=10)
        while not self.ended.wait(0.03):
            begin = time.monotonic()
            try:
                status, body = mintmark.request_token(connection, times.CLIENT, self.secret, times.scope("ES256"))
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = self.server.connect(timeout=10)
                status, body = "no answer", {}
            self.slowest = max(self.slowest, time.monotonic() - begin)
            self.answers[str(status)] = self.answers.get(str(status), 0) + 1
            if "access_token" in body:
                self.tokens.append(mintmark.jwt_part(body["access_token"], 1)["jti"])
        connection.close()

    def stop(self):
        self.ended.set()
        self.thread.join(timeout=20)

    def figures(self):
        return {"answers": self.answers, "slowest_seconds": round(self.slowest, 3)}


def at_once(server, secret, scope, count):
    """The answers to so many requests at the same moment: (statuses, jti of tokens)."""
    statuses, tokens = [], []
    ready = threading.Barrier(count)

    def one():
        connection = server.connect(timeout=20)
        connection.connect()
        ready.wait()
        status, body = mintmark.request_token(connection, times.CLIENT, secret, scope)
        statuses.append(status)
        if status == 200:
            tokens.append(mintmark.jwt_part(body["access_token"], 1)["jti"])
        connection.close()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses, tokens


def go_away(server, secret, count):
    """The resets: what a tenth of them took, and what all of them."""
    good = Good(server, secret)
    sent = resets(server, secret, count // 10)
    time.sleep(2)
    baseline = usage(server)
    begin = time.monotonic()
    sent &= resets(server, secret, count - count // 10)
    seconds = time.monotonic() - begin
    after = settled(server, baseline)
    good.stop()
    # Two hashes run at once on two cores and four wait: the fewest places of any machine are three.
    wrong, _ = at_once(server, "wrong", times.scope("ES256"), 3)
    rsa, tokens = at_once(server, secret, times.scope("RS256"), 128)
    return {"resets": count, "sent": sent, "per_second": round((count - count // 10) / seconds), "baseline": baseline, "after": after,
            "good": good.figures(), "wrong_secrets": wrong, "rsa_tokens": rsa.count(200)}, good.tokens + tokens


def hold(server, count):
    """Opens so many connections that say nothing; those that came about."""
    held = []
    for _ in range(count):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", server.port))
        held.append(client)
    return held


def seconds_to_answer(server, path, limit=10.0):
    """Seconds to the first 200 of a new connection, None when it does not come."""
    begin = time.monotonic()
    while time.monotonic() - begin < limit:
        if server.status(path, timeout=1) == 200:
            return round(time.monotonic() - begin, 3)
        time.sleep(0.05)
    return None


def storm(server, secret, count):
    """More connections than descriptors."""
    baseline = usage(server)
    resource.prlimit(server.pid(), resource.RLIMIT_NOFILE, (FILES, FILES))
    held = hold(server, count)
    time.sleep(1)
    before = usage(server)
    time.sleep(3)
    during = usage(server)
    answer = seconds_to_answer(server, "/.well-known/jwks.json")
    for client in held:
        client.close()
    # As many that come and go at once.
    for _ in range(5):
        for client in hold(server, count):
            client.close()
    alive = server.process.poll() is None
    recovered = seconds_to_answer(server, "/readyz")
    statuses, tokens = at_once(server, secret, times.scope("ES256"), 20)
    return {"files": FILES, "connections": count, "baseline": baseline, "during": during, "alive": alive,
            "cores_while_held": round((during["cpu_seconds"] - before["cpu_seconds"]) / 3, 3),
            "seconds_to_jwks_while_held": answer, "seconds_to_ready_afterwards": recovered,
            "tokens_afterwards": statuses.count(200), "after": settled(server, baseline)}, tokens


def verdicts(gone, stormed):
    """What must be true of both."""
    before, after = gone["baseline"], gone["after"]
    return {
        "the resets were sent": gone["sent"],
        "descriptors come back": after["descriptors"] <= before["descriptors"] + SPARE_DESCRIPTORS,
        "memory comes back": after["resident_mib"] <= before["resident_mib"] + SPARE_MIB,
        "a good client is served throughout": set(gone["good"]["answers"]) == {"200"},
        "the places for hashing come back": gone["wrong_secrets"] == [401] * len(gone["wrong_secrets"]),
        "the places for RSA come back": gone["rsa_tokens"] == 128,
        "storm: the process lives within its files": stormed["alive"] and stormed["during"]["descriptors"] <= FILES,
        "storm: it does not spin": stormed["cores_while_held"] < 0.2,
        "storm: it answers while they are held": stormed["seconds_to_jwks_while_held"] is not None,
        # A connection that the kernel had no room for asks again only after a second.
        "storm: ready within seconds afterwards": stormed["seconds_to_ready_afterwards"] is not None
                                                  and stormed["seconds_to_ready_afterwards"] <= 3.0,
        "storm: tokens come afterwards": stormed["tokens_afterwards"] == 20,
        "storm: descriptors come back": stormed["after"]["descriptors"] <= stormed["baseline"]["descriptors"] + SPARE_DESCRIPTORS,
    }


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--resets", type=int, default=100_000)
    parser.add_argument("--storm", type=int, default=1_000, help="connections at once with 256 open files")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mintmark-disconnects-"))
    server = mintmark.Server(args.binary, home, env={"MINTMARK_KEYS__ALGORITHMS": ",".join(ALGORITHMS)} | mintmark.MANY_ATTEMPTS)
    try:
        server.init()
        server.start().wait_ready(timeout=60)
        secret = times.register(server, ALGORITHMS)
        gone, tokens = go_away(server, secret, args.resets)
        stormed, more = storm(server, secret, args.storm)
        log = Logged(server, tokens + more)
        stopped = server.stop()
    except mintmark.Refused as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    finally:
        server.stop()
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)
    report.end({"resets": gone, "storm": stormed, **log.figures(), "exit_code_of_sigterm": stopped},
               verdicts(gone, stormed) | log.verdicts() | {"SIGTERM ends with 0": stopped == 0})


if __name__ == "__main__":
    main()
