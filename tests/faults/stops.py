#!/usr/bin/env python3
"""Stops a loaded server by SIGTERM again and again: nobody whose request it took is left without an answer.

Clients on connections that are kept, clients with a connection for each request, and clients that send
their request slowly go on through the stop. From the signal on readiness must be false before the door is
shut; every request on a connection that came about must be answered; the process must end with 0 in time;
after the last start every received token must be in the log. Prints one JSON object.
"""

import http.client
import json
import random
import shutil
import socket
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

import report
import server as mintmark
from logged import Logged

# From the signal to the end of the process at the latest, seconds.
WITHIN = 10.0


class Round:
    """Everybody who asks during one life of the server."""

    def __init__(self, server, secret, received):
        self.server, self.secret, self.received = server, secret, received
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.statuses, self.lost, self.refused = {}, [], 0
        self.unready_at = self.shut_at = None
        self.threads = []

    def start(self, *acts):
        self.threads = [threading.Thread(target=act, daemon=True) for act in acts]
        for thread in self.threads:
            thread.start()

    def join(self):
        self.over.set()
        for thread in self.threads:
            thread.join(timeout=30)

    def answered(self, kind, status, body):
        with self.lock:
            key = f"{kind}: {status}"
            self.statuses[key] = self.statuses.get(key, 0) + 1
            if status == 200:
                self.received.append(mintmark.jwt_part(body["access_token"], 1)["jti"])

    def failed(self, kind, error, connected):
        """Who finds the door shut is refused; whoever came in and has no answer is lost."""
        with self.lock:
            if connected:
                self.lost.append({"kind": kind, "error": repr(error), "at": time.monotonic()})
            else:
                self.refused += 1
        self.over.wait(0.02)

    def asked(self, kind, connection):
        """One request; connects first, so that a refused connection is not taken for a lost request."""
        connected = connection.sock is not None
        try:
            if not connected:
                connection.connect()
                connected = True
            self.answered(kind, *mintmark.request_token(connection, "load", self.secret))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.failed(kind, error, connected)

    def keeps(self, rate):
        connection = self.server.connect(timeout=12)
        while not self.over.wait(random.expovariate(rate)):
            self.asked("kept", connection)
        connection.close()

    def comes_anew(self, rate):
        while not self.over.wait(random.expovariate(rate)):
            connection = self.server.connect(timeout=12)
            self.asked("new", connection)
            connection.close()

    def sends_slowly(self, seconds):
        """Head and body in pieces; what has begun must come to its end, whatever happens to the server meanwhile."""
        body = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": mintmark.SCOPE}).encode()
        head = (f"POST /oauth2/token HTTP/1.1\r\nHost: mintmark\r\nAuthorization: {mintmark.basic('load', self.secret)}\r\n"
                f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n").encode()
        pieces = [head[:40], head[40:], body[:10], body[10:]]
        while not self.over.wait(0.01):
            connection, connected = self.server.connect(timeout=12), False
            try:
                connection.connect()
                connected = True
                for piece in pieces:
                    connection.sock.sendall(piece)
                    time.sleep(seconds / len(pieces))
                answer = http.client.HTTPResponse(connection.sock)
                answer.begin()
                self.answered("slow", answer.status, json.loads(answer.read() or b"{}"))
            except (OSError, http.client.HTTPException) as error:
                self.failed("slow", error, connected)
            connection.close()

    def watches(self):
        """When readiness went, and when the door was shut."""
        while not self.over.wait(0.005):
            try:
                if self.server.get("/readyz", timeout=5)[0] == 503 and self.unready_at is None:
                    self.unready_at = time.monotonic()
            except ConnectionRefusedError:
                self.shut_at = self.shut_at or time.monotonic()
            except (OSError, http.client.HTTPException) as error:
                self.failed("readiness", error, True)


def one(server, secret, received, args):
    """One life and its end: what was seen of it."""
    server.start().wait_ready(timeout=30)
    seen = Round(server, secret, received)
    seen.start(*[lambda: seen.keeps(25)] * args.kept, *[lambda: seen.comes_anew(25)] * args.new,
               *[lambda: seen.sends_slowly(1.2)] * args.slow, seen.watches)
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    time.sleep(random.uniform(1.0, 2.0))
    told = time.monotonic()
    code = server.stop()
    took = time.monotonic() - told
    seen.join()
    for connection in idle:
        connection.close()
    since = {name: round(at - told, 3) if at else None for name, at in (("unready", seen.unready_at), ("shut", seen.shut_at))}
    for lost in seen.lost:
        lost["at"] = round(lost["at"] - told, 4)
    return {"exit_code": code, "seconds": round(took, 3), "seconds_to": since, "statuses": seen.statuses,
            "refused": seen.refused, "lost": seen.lost}


def summary(lives):
    """The rounds in a few figures."""
    statuses = {}
    for life in lives:
        for status, count in life["statuses"].items():
            statuses[status] = statuses.get(status, 0) + count
    seconds = sorted(life["seconds"] for life in lives)

    def until(what):
        return [life["seconds_to"][what] for life in lives if life["seconds_to"][what] is not None]

    return {
        "stops": len(lives), "statuses": dict(sorted(statuses.items())), "refused_at_the_shut_door": sum(life["refused"] for life in lives),
        "lost": [lost for life in lives for lost in life["lost"]],
        "seconds_to_the_end": {"median": seconds[len(seconds) // 2], "max": seconds[-1]},
        "seconds_to_unready": max(until("unready"), default=None),
        "seconds_to_shut": {"min": min(until("shut"), default=None), "max": max(until("shut"), default=None)},
        "exit_codes": sorted({life["exit_code"] for life in lives}),
    }


def verdicts(lives, figures):
    """What must hold of every stop."""
    before = [life["seconds_to"]["unready"] is not None and life["seconds_to"]["shut"] is not None
              and life["seconds_to"]["unready"] < life["seconds_to"]["shut"] for life in lives]
    return {
        "readiness went before the door was shut": all(before),
        "no accepted request was left without its answer": not figures["lost"],
        "every answer was 200": {status.rsplit(" ", 1)[1] for status in figures["statuses"]} == {"200"},
        "slow requests were under way": figures["statuses"].get("slow: 200", 0) >= len(lives),
        "every end was 0": figures["exit_codes"] == [0],
        "every end was in time": figures["seconds_to_the_end"]["max"] <= WITHIN,
    }


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--kept", type=int, default=8, help="clients that keep their connection")
    parser.add_argument("--new", type=int, default=4, help="clients with a connection for each request")
    parser.add_argument("--slow", type=int, default=6, help="clients that send slowly")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mintmark-stops-"))
    server = mintmark.Server(args.binary, home)
    try:
        server.init()
        server.start().wait_ready()
        secret = server.register()
        server.stop()
        received, lives = [], []
        for _ in range(args.stops):
            lives.append(one(server, secret, received, args))
        server.start().wait_ready(timeout=30)
        log = Logged(server, received)
        figures = summary(lives)
        report.end(figures | log.figures(), verdicts(lives, figures) | log.verdicts())
    except mintmark.Refused as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    finally:
        server.stop()
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
