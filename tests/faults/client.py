"""A client under steady load, seen from the program that starts it; asker.py is its process."""

import contextlib
import json
import subprocess
import sys
import threading
from dataclasses import dataclass

import report
import server as mintmark
import times


@dataclass
class Token:
    """A token as its client got it; `begin` and `end` of the request by the monotonic clock."""

    begin: float
    end: float
    text: str

    def __post_init__(self):
        header, claims = mintmark.jwt_part(self.text, 0), mintmark.jwt_part(self.text, 1)
        self.alg, self.kid = header["alg"], header["kid"]
        self.jti, self.aud, self.iat, self.exp = claims["jti"], claims["aud"], claims["iat"], claims["exp"]


class Client:
    """Asks as soon as it has a rate; hands each answer to `take(begin, end, status, token)` as it comes."""

    def __init__(self, server, algorithms, connections, take):
        file = server.home / "client.secret"
        file.touch(mode=0o600)
        file.write_text(times.register(server, algorithms), encoding="ascii")
        scopes = ",".join(times.scope(algorithm) for algorithm in algorithms)
        self.process = subprocess.Popen(
            [sys.executable, str(report.HERE / "asker.py"), str(server.port), times.CLIENT, str(file),
             str(connections), scopes], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.take = take
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            begin, end, status, text = json.loads(line)
            self.take(begin, end, status, Token(begin, end, text) if text else None)

    def rate(self, rate):
        """Tokens per second from now on."""
        with contextlib.suppress(BrokenPipeError):  # it has ended by itself, which `ended` tells
            self.process.stdin.write(f"{rate}\n")
            self.process.stdin.flush()

    def ended(self):
        """Whether it has ended by itself."""
        return self.process.poll() is not None or not self.reader.is_alive()

    def stop(self):
        """Waits until each request that is under way has its answer."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(timeout=30)
        self.reader.join(timeout=30)
