#!/usr/bin/env python3
"""Many slow peers of one server, in one process: holds idle connections and heads that never end.

Usage: slow_peers.py PORT IDLE HEADS SECONDS. Whoever is sent away comes back, at most RETURNS a second.
A head gets one more line each second. Prints one JSON object: how many came, and how many were sent away.
"""

import errno
import json
import resource
import selectors
import socket
import sys
import time

RETURNS = 500
FIRST = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: mintmark\r\n"


class Peers:
    """All of them, each a socket that is waited for."""

    def __init__(self, port, idle, heads):
        self.port, self.wanted = port, {"idle": idle, "head": heads}
        self.held = {"idle": set(), "head": set()}
        self.selector = selectors.DefaultSelector()
        self.opened, self.sent_away, self.most = 0, 0, 0

    def open(self, kind):
        peer = socket.socket()
        peer.setblocking(False)
        if peer.connect_ex(("127.0.0.1", self.port)) not in (0, errno.EINPROGRESS):
            peer.close()
            return
        self.selector.register(peer, selectors.EVENT_READ, kind)
        self.held[kind].add(peer)
        self.opened += 1

    def drop(self, peer, kind):
        self.selector.unregister(peer)
        self.held[kind].discard(peer)
        peer.close()
        self.sent_away += 1

    def fill(self, budget):
        for kind, wanted in self.wanted.items():
            for _ in range(min(budget, wanted - len(self.held[kind]))):
                self.open(kind)
        self.most = max(self.most, sum(map(len, self.held.values())))

    def trickle(self, line):
        for peer in list(self.held["head"]):
            try:
                peer.send(line)
            except BlockingIOError:
                pass
            except OSError:
                self.drop(peer, "head")

    def listen(self, seconds):
        """Until something has come, but no longer than this."""
        for key, _ in self.selector.select(seconds):
            try:
                if key.fileobj.recv(4096):
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            self.drop(key.fileobj, key.data)


def main():
    port, idle, heads, seconds = (int(word) for word in sys.argv[1:])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    peers = Peers(port, idle, heads)
    begin = time.monotonic()
    turn = 0
    while time.monotonic() - begin < seconds:
        # The first come all at once, those that were sent away at a bounded pace.
        peers.fill(2000 if turn < 10 else RETURNS // 10)
        if turn % 10 == 0:
            peers.trickle(FIRST if turn == 0 else b"X-Slow: 1\r\n")
        until = begin + (turn + 1) * 0.1
        while time.monotonic() < until:
            peers.listen(max(0.0, until - time.monotonic()))
        turn += 1
    print(json.dumps({"opened": peers.opened, "sent_away": peers.sent_away, "held_at_once": peers.most}))


if __name__ == "__main__":
    main()
