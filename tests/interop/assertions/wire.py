"""What the hostile programs send and how they compare answers. Standard library only.

`Endpoint` posts forms over one kept-alive connection; `AdminSocket` speaks to the admin API;
`Listener` is an address that nobody may ever call.
"""

import http.client
import json
import socket
import threading
import urllib.parse

FORM = "application/x-www-form-urlencoded"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Answer:
    """One answer. `alike` is all of it but for the moment and the name of the request, which is of any length."""

    def __init__(self, answer):
        self.status = answer.status
        self.raw = answer.read()
        self.headers = sorted((name.lower(), value) for name, value in answer.getheaders())
        try:
            self.body = json.loads(self.raw)
        except ValueError:
            self.body = None

    def error(self):
        return self.body.get("error") if isinstance(self.body, dict) else None

    def alike(self):
        fields = [(name, value) for name, value in self.headers if name not in ("date", "x-request-id", "content-length")]
        named = self.body.get("request_id", "") if isinstance(self.body, dict) else ""
        return self.status, fields, self.raw.replace(str(named).encode(), b"*") if named else self.raw

    def __repr__(self):
        return f"{self.status} {self.raw[:200]!r}"


class Endpoint:
    """The public listener."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def post(self, form, path="/oauth2/token", headers=None):
        """`form`: pairs, or bytes that stand as they are. Connects anew after the other side has closed."""
        body = form if isinstance(form, bytes) else urllib.parse.urlencode(form).encode()
        for attempt in (0, 1):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            try:
                self.connection.request("POST", path, body, {"Content-Type": FORM} | (headers or {}))
                return Answer(self.connection.getresponse())
            except (http.client.RemoteDisconnected, ConnectionError):
                self.connection = None
                if attempt:
                    raise
        raise AssertionError("not reached")


def asks(assertion, scope, kind=ASSERTION_TYPE, more=()):
    """The form of a token request by an assertion; what is None is left out."""
    pairs = [("grant_type", "client_credentials"), ("scope", scope), ("client_assertion_type", kind),
             ("client_assertion", assertion), *more]
    return [(name, value) for name, value in pairs if value is not None]


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket file."""

    def __init__(self, path):
        super().__init__("mintmark", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class AdminSocket:
    """The admin API over one kept-alive connection; for one thread."""

    def __init__(self, path):
        self.connection = UnixConnection(path)

    def ask(self, method, route, body=None, headers=None):
        """`body`: an object, or bytes that stand as they are. Connects anew after the other side has closed."""
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        typed = {"Content-Type": "application/json"} if raw is not None else {}
        for attempt in (0, 1):
            try:
                self.connection.request(method, route, raw, typed | (headers or {}))
                return Answer(self.connection.getresponse())
            except (http.client.RemoteDisconnected, ConnectionError):
                self.connection.close()
                if attempt:
                    raise
        raise AssertionError("not reached")


class Listener:
    """Counts whoever connects; they get nothing."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        while True:
            try:
                taken, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            taken.close()

    def hears(self):
        """Whether it would have noticed: one connection of ours, which is not counted."""
        before = self.connections
        socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        for _ in range(1000):
            if self.connections > before:
                self.connections -= 1
                return True
            threading.Event().wait(0.005)
        return False
