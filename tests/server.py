"""A running Mintmark, seen from outside: what the interop, fault and load programs share.

Starts the real binary in a directory of its own on a free loopback port, talks to it by its
command line and by HTTP, and stops it by signals. Standard library only. It knows nothing
of the inside; what it relies on is what users rely on.
"""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import time
import urllib.parse
from pathlib import Path

RESOURCE = "https://api.example/orders"
SCOPE = "orders:read"
# For programs whose subject is what happens to an attempt that is looked at, however often it fails.
MANY_ATTEMPTS = {"MINTMARK_LIMITS__ATTEMPTS": "1000000000/1s", "MINTMARK_LIMITS__SOURCE_ATTEMPTS": "1000000000/1s"}


def free_port():
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def jwt_part(token, index):
    """Header (0) or claims (1) of a compact JWT, without any check."""
    part = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Refused(Exception):
    """A command ended with another exit code than 0."""


class Server:
    """One node in `home`, which outlives its processes: stop it, start it, it is the same node."""

    def __init__(self, binary, home, mode="serve", env=None, cli=None):
        self.binary = str(Path(binary).resolve())
        self.cli = str(Path(cli or binary).resolve())
        self.home = Path(home).resolve()
        self.home.mkdir(parents=True, exist_ok=True)
        self.mode = mode
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.socket = self.home / "run" / "admin.sock"
        self.socket.parent.mkdir(mode=0o700, exist_ok=True)
        # Only what is named here reaches the server: the caller's MINTMARK_* must not.
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("MINTMARK_")}
        self.env |= {
            "MINTMARK_ISSUER": self.url,
            "MINTMARK_PUBLIC__LISTEN": f"127.0.0.1:{self.port}",
            "MINTMARK_ADMIN__SOCKET": str(self.socket),
            "MINTMARK_AUDIT__ORIGIN": "mintmark.test/log",
        }
        self.env |= env or {}

    # -- life -------------------------------------------------------------------------------

    def init(self):
        """Configuration, KEK and an empty store, as an operator makes them."""
        done = subprocess.run(
            [self.cli, "init"], cwd=self.home, env=self.env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60,
        )
        if done.returncode != 0:
            raise Refused(f"mintmark init: exit {done.returncode}: {done.stderr.strip()}")

    def start(self, wrap=(), env=None):
        """Starts the process (behind `wrap`, such as strace; with more environment); returns at once."""
        self.wrapped = bool(wrap)
        self.log = open(self.home / "server.log", "ab")
        self.process = subprocess.Popen(
            [*wrap, self.binary, self.mode], cwd=self.home, env=self.env | (env or {}),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )
        return self

    def wait_ready(self, timeout=20.0):
        """Seconds until the first 200 of /readyz; raises with the log's tail when there is none."""
        begin = time.monotonic()
        while time.monotonic() - begin < timeout:
            if self.process.poll() is not None:
                raise Refused(f"the server ended with {self.process.returncode}:\n{self.log_tail()}")
            if self.status("/readyz", timeout=1.0) == 200:
                return time.monotonic() - begin
            time.sleep(0.005)
        raise Refused(f"not ready after {timeout} s:\n{self.log_tail()}")

    def pid(self):
        """The server's own process, also when it runs behind strace."""
        if not self.wrapped:
            return self.process.pid
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def kill(self):
        """SIGKILL, and wait for the end."""
        os.kill(self.pid(), signal.SIGKILL)
        self.process.wait(timeout=20)
        self.log.close()

    def stop(self, timeout=20):
        """SIGTERM, wait for the end; gives the exit code. Does nothing to a process that has ended."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            try:
                os.kill(self.pid(), signal.SIGTERM)
                self.process.wait(timeout=timeout)
            except (IndexError, FileNotFoundError, ProcessLookupError):
                self.process.wait(timeout=timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=timeout)
        if not self.log.closed:
            self.log.close()
        return self.process.returncode

    def log_tail(self):
        """The last words of the server, for a failure's message."""
        return "\n".join((self.home / "server.log").read_text(errors="replace").splitlines()[-15:])

    # -- the command line -------------------------------------------------------------------

    def run(self, *args, timeout=60):
        """A client command against this node's admin socket: (exit code, stdout, stderr)."""
        done = subprocess.run(
            [self.cli, *args], cwd=self.home, env=self.env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout,
        )
        return done.returncode, done.stdout, done.stderr

    def admin(self, *args, timeout=60):
        """The same with `-o json`; gives what it printed, raises when it refused."""
        code, out, err = self.run(*args, "--admin", f"unix:{self.socket}", "-o", "json", timeout=timeout)
        if code != 0:
            raise Refused(f"mintmark {' '.join(args)}: exit {code}: {err.strip()}")
        return json.loads(out) if out.strip() else None

    def register(self, client="load", alg=None, claims=()):
        """One resource, one scope that never runs dry, one client; gives the client's secret."""
        self.admin("resource", "set", RESOURCE, *(["--alg", alg] if alg else []))
        self.admin("scope", "set", SCOPE, "--resource", RESOURCE,
                   "--limit", "1000000/1s", "--burst", "1000000")
        extra = [part for claim in claims for part in ("--claim", claim)]
        return self.admin("client", "create", client, "--scope", SCOPE, *extra)["client_secret"]

    def export(self, out):
        """The whole log into a file, and the log's verification key beside it."""
        vkey = Path(f"{out}.vkey")
        vkey.write_bytes(self.get("/log/vkey")[2])
        code, _, err = self.run("audit", "export", "--out", str(out), "--admin", f"unix:{self.socket}")
        if code != 0:
            raise Refused(f"mintmark audit export: exit {code}: {err.strip()}")
        return vkey

    # -- HTTP -------------------------------------------------------------------------------

    def connect(self, timeout=10.0):
        """A connection that is kept alive between requests."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def get(self, path, timeout=10.0):
        """(status, headers, body) of one GET on a connection of its own."""
        connection = self.connect(timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def admin_get(self, path, timeout=10.0):
        """The text of one GET over the admin socket, "" when it is not answered with 200."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            wire.settimeout(timeout)
            wire.connect(str(self.socket))
            connection = http.client.HTTPConnection("localhost", timeout=timeout)
            connection.sock = wire
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read().decode()
            return body if answer.status == 200 else ""

    def status(self, path, timeout=2.0):
        """The status of one GET, 0 when there was no answer."""
        try:
            return self.get(path, timeout)[0]
        except (OSError, http.client.HTTPException):
            return 0


def basic(client, secret):
    """RFC 6749 2.3.1: both parts form-encoded, then Basic."""
    pair = f"{urllib.parse.quote(client, safe='')}:{urllib.parse.quote(secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def request_token(connection, client, secret, scope=SCOPE):
    """(status, JSON body) of one client_credentials request on an open connection."""
    body = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": scope})
    connection.request("POST", "/oauth2/token", body, {
        "Authorization": basic(client, secret),
        "Content-Type": "application/x-www-form-urlencoded",
    })
    answer = connection.getresponse()
    raw = answer.read()
    try:
        return answer.status, json.loads(raw)
    except ValueError:
        return answer.status, {"raw": raw.decode(errors="replace")}


def exported_tokens(file):
    """Every jti of the token.issued records of an export that still have their body, in order."""
    found = []
    with open(file, encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            record = json.loads(line)
            if json.loads(record["leaf"])["t"] == "token.issued" and record["body"] is not None:
                found.append(json.loads(record["body"])["jti"])
    return found
