"""A client under steady load, in a process of its own: asks for tokens and says what came.

Usage: asker.py PORT CLIENT SECRET_FILE CONNECTIONS SCOPE,SCOPE,...
Reads rates from stdin, one number of tokens per second a line, and ends with its end.
Prints one JSON array a request: [begin, end, status, token]; begin and end by the machine's
monotonic clock, status 0 when there was no answer, token null when none came.
"""

import http.client
import json
import sys
import threading
import time
from pathlib import Path

import report  # noqa: F401  (names the folder of the shared client)
import server as mintmark


class Asker:
    """Several connections that share one rate; each goes on through refused connections."""

    def __init__(self, port, client, secret, connections):
        self.port, self.client, self.secret, self.connections = port, client, secret, connections
        self.rate = 0.0
        self.ended = threading.Event()
        self.lock = threading.Lock()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def say(self, *what):
        with self.lock:
            print(json.dumps(what), flush=True)

    def run(self, scope):
        """One connection: a request whenever its share of the rate says so, a new one after each failure."""
        connection = self.connect()
        due = time.monotonic()
        while not self.ended.is_set():
            if self.rate <= 0:
                self.ended.wait(0.05)
                due = time.monotonic()
                continue
            # What a slow answer or a dead server took away is not made up for by a burst.
            due = max(due + self.connections / self.rate, time.monotonic() - 0.1)
            self.ended.wait(max(0.0, due - time.monotonic()))
            begin = time.monotonic()
            try:
                status, body = mintmark.request_token(connection, self.client, self.secret, scope)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = self.connect()
                status, body = 0, {}
            self.say(begin, time.monotonic(), status, body.get("access_token"))
        connection.close()


def main():
    port, client, secret_file, connections, scopes = sys.argv[1:]
    scopes = scopes.split(",")
    asker = Asker(int(port), client, Path(secret_file).read_text(encoding="ascii"), int(connections))
    threads = [threading.Thread(target=asker.run, args=(scopes[number % len(scopes)],))
               for number in range(int(connections))]
    for thread in threads:
        thread.start()
    for line in sys.stdin:
        asker.rate = float(line)
    asker.ended.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
