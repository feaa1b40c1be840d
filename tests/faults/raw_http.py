#!/usr/bin/env python3
"""HTTP/1 by hand over plain sockets: what is not sound is refused, and nothing is smuggled behind it.

Each row is sent with a request for tokens behind it, on a connection of its own, once whole and once byte by
byte. Told are the status and whether the server closed the connection by itself. Then all rows are sent again
and again for some seconds, while JWKS is asked at a steady rate: processor time for each, memory flat.
"""

import os
import socket
import tempfile
import threading
import time

import report
import server as mintmark

JWKS = "/.well-known/jwks.json"
TICKS = os.sysconf("SC_CLK_TCK")
FORM = "grant_type=client_credentials"
# Would be answered with 401 if it were ever read.
SMUGGLED = (f"POST /oauth2/token HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\n"
            f"authorization: Basic YTpi\r\ncontent-length: {len(FORM)}\r\n\r\n{FORM}")


def post(headers, body="", version="HTTP/1.1", host="host: a\r\n"):
    return f"POST /oauth2/token {version}\r\n{host}{headers}\r\n{body}"


CHUNKED = "transfer-encoding: chunked\r\n"
# What it is, the bytes, the status that it must have.
ROWS = [
    ("length and coding", post(f"content-length: 5\r\n{CHUNKED}", "0\r\n\r\n"), 400),
    ("coding and length", post(f"{CHUNKED}content-length: 5\r\n", "0\r\n\r\n"), 400),
    ("two lengths that differ", post("content-length: 5\r\ncontent-length: 6\r\n", "hello"), 400),
    ("two lengths that agree", post("content-length: 5\r\ncontent-length: 5\r\n", "hello"), 400),
    ("a list of lengths", post("content-length: 5, 5\r\n", "hello"), 400),
    ("a length with a sign", post("content-length: +5\r\n", "hello"), 400),
    ("a length behind spaces", post("content-length:  5\r\n", "hello"), 400),
    ("a negative length", post("content-length: -1\r\n"), 400),
    ("a hexadecimal length", post("content-length: 0x5\r\n", "hello"), 400),
    ("a length beyond numbers", post("content-length: 99999999999999999999\r\n"), 400),
    ("a space before the colon", post("content-length : 5\r\n", "hello"), 400),
    ("two codings", post(f"{CHUNKED}transfer-encoding: identity\r\n", "0\r\n\r\n"), 400),
    ("a coding that is not chunked", post("transfer-encoding: gzip\r\n", "hello"), 400),
    ("a coding that looks chunked", post("transfer-encoding: xchunked\r\n", "0\r\n\r\n"), 400),
    ("a coding in HTTP/1.0", post(CHUNKED, "0\r\n\r\n", version="HTTP/1.0"), 400),
    ("lines that end with LF", post("x: y\r\n").replace("\r\n", "\n"), 400),
    ("one line that ends with LF", post("x: y\n"), 400),
    ("a lone CR", post("x: a\rb\r\n"), 400),
    ("a continued line", post("x: a\r\n b\r\n"), 400),
    ("NUL in a value", post("x: a\0b\r\n"), 400),
    ("NUL in the target", "GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("NUL in the method", "G\0T / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("a control character", post("x: a\x0bb\r\n"), 400),
    ("no Host", post("", host=""), 400),
    ("two Hosts", post("host: b\r\n"), 400),
    ("101 headers", post("".join(f"x-{n}: y\r\n" for n in range(100))), 431),
    ("65 headers", post("".join(f"x-{n}: y\r\n" for n in range(64))), 431),
    ("20 KiB of headers", post(f"x: {'y' * 20 * 1024}\r\n"), 431),
    ("9 KiB of target", f"GET /{'a' * 9 * 1024} HTTP/1.1\r\nhost: a\r\n\r\n", 414),
    ("65 KiB of body", post("content-length: 66560\r\n", "x" * 66560), 413),
    ("chunks without end", post(CHUNKED, "400\r\n" + "x" * 1024 + "\r\n" + ("400\r\n" + "x" * 1024 + "\r\n") * 199), 413),
    ("a chunk with an extension", post(CHUNKED, "5;x=y\r\nhello\r\n0\r\n\r\n"), 400),
    ("a chunk's size with a sign", post(CHUNKED, "+5\r\nhello\r\n0\r\n\r\n"), 400),
    ("a chunk's size behind a space", post(CHUNKED, " 5\r\nhello\r\n0\r\n\r\n"), 400),
    ("a chunk's size with LF", post(CHUNKED, "5\nhello\r\n0\r\n\r\n"), 400),
    ("a chunk that is too long", post(CHUNKED, "5\r\nhello!\r\n0\r\n\r\n"), 400),
    ("a chunk beyond numbers", post(CHUNKED, "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"), 400),
    ("trailers", post(CHUNKED, "0\r\ncontent-length: 5\r\n\r\n"), 400),
    ("an unknown version", "GET / HTTP/3.7\r\nhost: a\r\n\r\n", 400),
    ("no version", "GET /\r\n\r\n", 400),
    ("no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x55" * 64, 400),
]


def answer(port, request, apart=False):
    """(statuses of the answers, closed by the server) for bytes on a connection of their own."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        read = b""
        try:
            if apart:
                for byte in request[:400]:
                    peer.sendall(bytes([byte]))
                peer.sendall(request[400:])
            else:
                peer.sendall(request)
        except OSError:
            pass
        try:
            while more := peer.recv(65536):
                read += more
            closed = True
        except TimeoutError:
            closed = False
        except OSError:
            closed = True
    return [int(part[:3]) for part in read.split(b"HTTP/1.1 ")[1:]], closed


def figures(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(") ")[2].split()
    with open(f"/proc/{pid}/status") as status:
        rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    return (int(fields[11]) + int(fields[12])) / TICKS, rss / 1024


def flood(port, until, count):
    while time.monotonic() < until:
        for _, request, _ in ROWS:
            try:
                answer(port, request.encode("latin-1"))
            except OSError:
                pass
            count[0] += 1


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of the flood")
    arguments = parser.parse_args()
    rows, verdicts, wrong = [], {}, []
    with tempfile.TemporaryDirectory() as home:
        server = mintmark.Server(arguments.binary, home)
        server.init()
        server.start()
        server.wait_ready()
        try:
            for name, request, status in ROWS:
                for apart in (False, True):
                    begin = time.monotonic()
                    got, closed = answer(server.port, (request + SMUGGLED).encode("latin-1"), apart)
                    row = {"what": name, "apart": apart, "answers": got, "closed": closed,
                           "ms": round((time.monotonic() - begin) * 1e3)}
                    rows.append(row)
                    if got != [status] or not closed:
                        wrong.append(row)
            sound, _ = answer(server.port, SMUGGLED.replace("host: a", "host: a\r\nconnection: close").encode())
            pid, counts = server.pid(), [[0] for _ in range(8)]
            flood(server.port, time.monotonic() + 2, [0])
            cpu, rss = figures(pid)
            until = time.monotonic() + arguments.seconds
            threads = [threading.Thread(target=flood, args=(server.port, until, count)) for count in counts]
            for thread in threads:
                thread.start()
            jwks = {}
            while time.monotonic() < until:
                status = server.status(JWKS)
                jwks[status] = jwks.get(status, 0) + 1
                time.sleep(0.05)
            for thread in threads:
                thread.join()
            used, after = figures(pid)
            total = sum(count[0] for count in counts)
        finally:
            code = server.stop()
    result = {
        "rows": len(ROWS), "wrong": wrong,
        "flood": {"requests": total, "cpu_us_each": round((used - cpu) / max(total, 1) * 1e6),
                  "rss_mib": [round(rss, 1), round(after, 1)], "jwks": jwks},
    }
    verdicts["each is refused with its status, alone, and the connection closed"] = not wrong
    verdicts["a sound request is read"] = sound == [401]
    verdicts["memory is flat"] = after - rss < 16
    verdicts["less than half a millisecond of processor time each"] = used - cpu < total * 500e-6
    verdicts["JWKS never fails"] = set(jwks) == {200}
    verdicts["exit code 0"] = code == 0
    report.end(result, verdicts)


if __name__ == "__main__":
    main()
