"""Bad logins, as fast as answers come: one process of a flood.

Usage: flood.py PORT COUNT CONNECTIONS SECONDS CLIENT,CLIENT,... [KIND,KIND,...]
Asks for tokens over that many kept-alive connections until COUNT answers came or SECONDS are
over: with wrong secrets of these registered clients, with ids that nobody registered, and with
requests that are malformed, by turns, or only of the named kinds; no two secrets alike. A `stranger`
has an id, a scope, a credential (a secret, or an assertion in turn) and an address, by
X-Forwarded-For, that nobody else has. Prints one line of JSON: answers by kind and status, `broken` connections, answers of 503 that do not say when to
come again.
"""

import asyncio
import base64
import json
import random
import string
import sys
import time

FORM = "application/x-www-form-urlencoded"
GOOD = "grant_type=client_credentials&scope=orders%3Aread"
# Each is refused before anybody is authenticated.
MALFORMED = (
    ("scope=orders%3Aread", FORM),
    ("grant_type=client_credentials&grant_type=client_credentials", FORM),
    ("grant_type=client_credentials&scope=%zz", FORM),
    ("{}", "application/json"),
)
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KINDS = ("wrong secret", "unknown id", "malformed")
LETTERS = string.ascii_letters + string.digits


class Flood:
    """Several connections that share one count."""

    def __init__(self, port, count, seconds, clients, kinds):
        self.port, self.left, self.clients, self.kinds = port, count, clients, kinds
        self.end = time.monotonic() + seconds
        self.number = 0
        self.answers, self.broken, self.unsaid = {}, 0, 0

    def request(self):
        """(kind, bytes) of the next bad login."""
        self.number += 1
        kind = self.kinds[self.number % len(self.kinds)]
        client = random.choice(self.clients) if kind != "unknown id" else "".join(random.choices(LETTERS, k=12))
        body, content = GOOD, FORM
        if kind == "stranger":
            return kind, self.stranger()
        if kind == "malformed":
            body, content = MALFORMED[self.number // 3 % len(MALFORMED)]
        pair = f"{client}:mms_{''.join(random.choices(LETTERS, k=49))}"
        head = (f"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content}\r\n"
                f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}")
        return kind, head.encode()

    def stranger(self):
        """A request like no other."""
        name = "".join(random.choices(LETTERS, k=16))
        body, credential = f"grant_type=client_credentials&scope=s-{name}", ""
        if self.number % 2:
            credential = f"Authorization: Basic {base64.b64encode(f'id-{name}:mms_{name}'.encode()).decode()}\r\n"
        else:
            now = int(time.time())
            claims = {"iss": name, "sub": name, "aud": f"http://127.0.0.1:{self.port}", "iat": now, "exp": now + 60, "jti": name}
            parts = [json.dumps(part).encode() for part in ({"alg": "EdDSA", "kid": name}, claims)] + [random.randbytes(64)]
            jwt = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
            body += f"&client_assertion_type={BEARER}&client_assertion={jwt}"
        # IPv4 addresses, and networks of IPv6.
        address = ".".join(str(byte) for byte in random.randbytes(4)) if self.number % 4 < 2 else \
            ":".join(f"{random.getrandbits(16):x}" for _ in range(8))
        return (f"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n{credential}"
                f"X-Forwarded-For: {address}\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()

    async def connection(self):
        """One connection, and another after each that breaks."""
        while self.left > 0 and time.monotonic() < self.end:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                await self.ask(reader, writer)
                writer.close()
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                self.broken += 1
                await asyncio.sleep(0.01)

    async def ask(self, reader, writer):
        while self.left > 0 and time.monotonic() < self.end:
            self.left -= 1
            kind, request = self.request()
            writer.write(request)
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
            except (OSError, asyncio.IncompleteReadError):
                self.left += 1
                raise
            key = (kind, int(head[9:12]))
            self.answers[key] = self.answers.get(key, 0) + 1
            self.unsaid += key[1] in (429, 503) and b"\r\nretry-after: " not in head
            if b"\r\nconnection: close" in head:
                return


async def main():
    port, count, connections, seconds, clients, *kinds = sys.argv[1:]
    kinds = kinds[0].split(",") if kinds else KINDS
    flood = Flood(int(port), int(count), float(seconds), clients.split(","), kinds)
    await asyncio.gather(*(flood.connection() for _ in range(int(connections))))
    answers = [{"kind": kind, "status": status, "count": count}
               for (kind, status), count in sorted(flood.answers.items())]
    print(json.dumps({"answers": answers, "broken": flood.broken, "without_retry_after": flood.unsaid}))


asyncio.run(main())
