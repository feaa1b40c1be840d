#!/usr/bin/env python3
"""HTTP/2 by somebody who means harm: floods of frames that cost their sender nothing.

Each attack has a connection of its own (some have many) and sends up to `--frames` frames as fast as they
are taken, while JWKS is asked over HTTP/1.1 at a steady rate. Told are how many frames the server took,
how it ended the connection, its processor time and its memory. Verdicts: processor time below one second for
each 10^5 frames (and three where each of them is a whole request), memory flat, JWKS never fails,
and an honest HTTP/2 client is served afterwards. Frames are made by hand: RFC 9113 section 6, RFC 7541.
"""

import contextlib
import os
import socket
import struct
import tempfile
import threading
import time

import report
import server as mintmark

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
JWKS = "/.well-known/jwks.json"
TICKS = os.sysconf("SC_CLK_TCK")


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def text(value):
    value = value.encode()
    length = len(value)
    if length < 127:
        return bytes([length]) + value
    head, length = bytes([127]), length - 127
    while length >= 128:
        head, length = head + bytes([length % 128 + 128]), length // 128
    return head + bytes([length]) + value


def field(name, value):
    """A field that no table keeps."""
    return b"\x00" + text(name) + text(value)


def request(method="GET", path=JWKS, more=()):
    fields = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path), *more]
    return b"".join(field(name, value) for name, value in fields)


class Peer:
    """One connection: writes what it is told, reads and forgets, remembers how it ended."""

    def __init__(self, port, settings=b""):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent, self.ended, self.kinds, self.goaway = 0, None, {}, None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))
        self.reader.start()

    def read(self):
        buffer = b""
        try:
            while True:
                try:
                    more = self.socket.recv(65536)
                except TimeoutError:
                    continue
                if not more:
                    self.ended = self.ended or "closed"
                    return
                buffer += more
                while len(buffer) >= 9:
                    length = int.from_bytes(buffer[:3], "big")
                    if len(buffer) < 9 + length:
                        break
                    kind = buffer[3]
                    self.kinds[kind] = self.kinds.get(kind, 0) + 1
                    if kind == GOAWAY:
                        self.goaway = int.from_bytes(buffer[13:17], "big")
                    buffer = buffer[9 + length:]
        except OSError as error:
            self.ended = self.ended or type(error).__name__

    def send(self, data, frames):
        """False once the server does not take any more."""
        if self.ended or self.goaway is not None:
            return False
        try:
            self.socket.sendall(data)
        except TimeoutError:
            self.ended = "takes nothing"
            return False
        except OSError as error:
            self.ended = self.ended or type(error).__name__
            return False
        self.sent += frames
        return True

    def close(self):
        """How the server has ended it, or does within half a second."""
        self.reader.join(timeout=0.5)
        how = self.how()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        return how

    def how(self):
        if self.goaway is not None:
            return f"GOAWAY {self.goaway}"
        return self.ended or "open"


def streams():
    """The identifiers of a client's streams."""
    yield from range(1, 2**31 - 1, 2)


# Each attack makes batches for a connection: bytes, and how many frames they are.

def rapid_reset():
    for stream in streams():
        yield frame(HEADERS, END_STREAM | END_HEADERS, stream, request()) + frame(RST_STREAM, 0, stream, b"\0\0\0\x08"), 2


def made_you_reset():
    ways = (lambda s: frame(WINDOW_UPDATE, 0, s, b"\0\0\0\0"),
            lambda s: frame(WINDOW_UPDATE, 0, s, b"\x7f\xff\xff\xff"),
            lambda s: frame(PRIORITY, 0, s, struct.pack(">IB", s, 1)),
            lambda s: frame(RST_STREAM, 0, s, b"\0\0\0\x08"))
    for stream in streams():
        yield frame(HEADERS, END_HEADERS, stream, request("POST", "/oauth2/token")) + ways[stream // 2 % 3](stream), 2


def continuation():
    yield frame(HEADERS, END_STREAM, 1, request()), 1
    while True:
        yield frame(CONTINUATION, 0, 1, field("x", "y" * 100)) * 16, 16


def empty_continuation():
    yield frame(HEADERS, END_STREAM, 1, request()), 1
    while True:
        yield frame(CONTINUATION, 0, 1) * 64, 64


def settings():
    while True:
        yield frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)) * 32, 32


def pings():
    while True:
        yield frame(PING, 0, 0, b"12345678") * 32, 32


def empty_data():
    yield frame(HEADERS, END_HEADERS, 1, request("POST", "/oauth2/token")), 1
    while True:
        yield frame(DATA, 0, 1) * 64, 64


def priorities():
    while True:
        yield b"".join(frame(PRIORITY, 0, stream, struct.pack(">IB", 0, 16)) for stream in range(1, 65, 2)), 32


def unknown_kinds():
    while True:
        yield frame(0xee, 0, 0, b"x" * 32) * 64, 64


def window_updates():
    while True:
        yield frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 64, 64


def too_many_streams():
    for stream in streams():
        yield frame(HEADERS, END_HEADERS, stream, request("POST", "/oauth2/token")), 1


def great_heads():
    for stream in streams():
        yield frame(HEADERS, END_STREAM | END_HEADERS, stream, request(more=[("x", "y" * 12_000)])), 1


def tables():
    """One field in the dynamic table, named again and again: few bytes become many."""
    kept = b"\x40" + text("x") + text("y" * 4000)
    for stream in streams():
        block = request() + (kept if stream == 1 else b"") + b"\xbe" * 4000
        yield frame(HEADERS, END_STREAM | END_HEADERS, stream, block), 1


ATTACKS = [rapid_reset, made_you_reset, continuation, empty_continuation, settings, pings, empty_data, priorities,
           unknown_kinds, window_updates, too_many_streams, great_heads, tables]


def cpu(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mib(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


class Watch:
    """JWKS over HTTP/1.1, twenty times a second."""

    def __init__(self, server):
        self.server, self.stopped, self.answers, self.times = server, threading.Event(), {}, []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopped.wait(0.05):
            begin = time.monotonic()
            status = self.server.status(JWKS)
            self.times.append(time.monotonic() - begin)
            self.answers[status] = self.answers.get(status, 0) + 1

    def stop(self):
        self.stopped.set()
        self.thread.join(timeout=5)


def attack(server, maker, frames, seconds):
    pid = server.pid()
    before, memory, begin = cpu(pid), rss_mib(pid), time.monotonic()
    sent, ends, connections = 0, {}, 0
    while sent < frames and time.monotonic() - begin < seconds and connections < 200:
        peer = Peer(server.port)
        connections += 1
        for batch, count in maker():
            if sent + peer.sent >= frames or time.monotonic() - begin > seconds or not peer.send(batch, count):
                break
        how = peer.close()
        sent += peer.sent
        ends[how] = ends.get(how, 0) + 1
    used = cpu(pid) - before
    return {
        "frames": sent, "connections": connections, "ends": ends, "seconds": round(time.monotonic() - begin, 2),
        "cpu_seconds": round(used, 2), "cpu_seconds_per_100k_frames": round(used * 1e5 / max(sent, 1), 2),
        "rss_mib": [round(memory, 1), round(rss_mib(pid), 1)],
    }


def no_window(server, connections, seconds):
    """Asks for documents and never lets them come."""
    pid = server.pid()
    memory, begin = rss_mib(pid), time.monotonic()
    block = request(path="/openapi.json")
    # Half of them open no window, half one of a single byte.
    peers = [Peer(server.port, struct.pack(">HI", 4, number % 2)) for number in range(connections)]
    for peer in peers:
        for stream in range(1, 129, 2):
            peer.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, block), 1)
    held = rss_mib(pid)
    while time.monotonic() - begin < seconds and any(peer.how() == "open" for peer in peers):
        time.sleep(0.25)
    ends = {}
    for peer in peers:
        ends[peer.how()] = ends.get(peer.how(), 0) + 1
    over = time.monotonic() - begin
    for peer in peers:
        peer.socket.close()
    time.sleep(1)
    return {"connections": connections, "streams": 64 * connections, "ends": ends, "seconds": round(over, 1),
            "rss_mib": [round(memory, 1), round(held, 1), round(rss_mib(pid), 1)]}


def honest(server):
    """Whether a client that keeps the rules gets its document."""
    peer = Peer(server.port)
    peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, request()), 1)
    until = time.monotonic() + 5
    while time.monotonic() < until and DATA not in peer.kinds:
        time.sleep(0.01)
    peer.close()
    return HEADERS in peer.kinds and DATA in peer.kinds


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--frames", type=int, default=100_000, help="of each attack")
    parser.add_argument("--seconds", type=float, default=20, help="for each attack at most")
    parser.add_argument("--only", default="", help="names of attacks, with commas")
    arguments = parser.parse_args()
    chosen = [a for a in ATTACKS if not arguments.only or a.__name__ in arguments.only.split(",")]
    result, verdicts = {}, {}
    with tempfile.TemporaryDirectory() as home:
        server = mintmark.Server(arguments.binary, home)
        server.init()
        server.start()
        server.wait_ready()
        try:
            pid = server.pid()
            for maker in chosen[:2]:
                attack(server, maker, 2_000, 5)
            first = rss_mib(pid)
            watch = Watch(server)
            for maker in chosen:
                told = attack(server, maker, arguments.frames, arguments.seconds)
                result[maker.__name__] = told
                dear = maker in (rapid_reset, made_you_reset, great_heads, tables, too_many_streams)
                cheap = told["cpu_seconds"] <= (3 if dear else 1) * max(told["frames"], 20_000) / 1e5
                verdicts[f"{maker.__name__}: little processor time"] = cheap
                verdicts[f"{maker.__name__}: memory is flat"] = told["rss_mib"][1] - told["rss_mib"][0] < 16
            if not arguments.only or "no_window" in arguments.only.split(","):
                result["no_window"] = no_window(server, 50, 90)
                verdicts["no_window: all are ended"] = "open" not in result["no_window"]["ends"]
                verdicts["no_window: memory is bounded"] = result["no_window"]["rss_mib"][1] - first < 64
            watch.stop()
            times = sorted(watch.times)
            result["jwks"] = {"answers": watch.answers, "p99_ms": round(times[len(times) * 99 // 100] * 1e3, 1)}
            result["rss_mib"] = [round(first, 1), round(rss_mib(pid), 1)]
            verdicts["JWKS never fails"] = set(watch.answers) == {200}
            verdicts["an honest client is served"] = honest(server)
            verdicts["memory is flat over all"] = result["rss_mib"][1] - first < 32
            verdicts["the server lives and ends well"] = server.process.poll() is None
        finally:
            code = server.stop()
        verdicts["exit code 0"] = code == 0
    report.end(result, verdicts)


if __name__ == "__main__":
    main()
