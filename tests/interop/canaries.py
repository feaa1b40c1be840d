#!/usr/bin/env python3
"""Strings that must stay where they were put: none is in any log, file, answer or output of a server that logs everything.

The server runs with its log at TRACE. Every endpoint of both listeners gets texts that nobody else
knows (canaries) in the places where secrets stand or end up by mistake: secrets, assertions, tokens,
header fields, queries, bodies that cannot be read. Then the server's own words, everything under its
directory (database, write-ahead log, backup, exported log), every answer and every command's output are searched,
also for the canaries' base64 and hexadecimal. The secrets and tokens that the server makes are canaries too;
each has the one answer that shows it. Prints `ok` or `FAIL` lines; exit 0 when all hold.

A binary with failpoints (`--failpoints`) also panics in the middle of requests that carry canaries.
"""

import argparse
import base64
import http.client
import json
import secrets
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "assertions"), str(HERE.parent)]
import server as mintmark  # noqa: E402
from checks import Checks  # noqa: E402
from wire import ASSERTION_TYPE, FORM, AdminSocket, Answer, UnixConnection  # noqa: E402

PANICS = ("auth.before_hash", "issue.before_respond", "issue.after_record", "admin.after_audit_before_apply")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")


# What each canary begins with: who looks for it finds them all.
BEGIN = "canaryOfMintmark"


def spellings(text):
    """The bytes by which a text may lie somewhere: as it is, in base64 at each offset, in hexadecimal."""
    raw = text.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    for offset in range(3):
        # Whole groups of four only: what stands beside it changes the others.
        coded = base64.b64encode(b"\0" * offset + raw)
        inner = coded[4 if offset else 0:(offset + len(raw)) // 3 * 4]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return found


class Canaries:
    """Every text that must stay unseen, where it was put, and everything that the server said aloud."""

    def __init__(self):
        self.put, self.learned, self.seen = {}, [], []

    def new(self, where):
        """A text for one place."""
        text = f"{BEGIN}{secrets.token_hex(12)}"
        self.put[text] = where
        return text

    def learn(self, text, where):
        """A secret that the server made: from now on it is one."""
        self.learned.append(text)
        self.put[text] = where
        return text

    def heard(self, where, raw):
        """Something that the server said to the outside."""
        self.seen.append((where, raw if isinstance(raw, bytes) else str(raw).encode()))

    def hits(self, raw):
        """Where the canaries were put that are in there; of one in another spelling what stands around it."""
        found = [self.put[text] for text in self.learned if any(form in raw for form in spellings(text))]
        for form in spellings(BEGIN):
            for piece in raw.split(form)[1:]:
                text = BEGIN + piece[:24].decode("latin-1")
                found.append(self.put.get(text, f"{form + piece[:40]!r}"))
        return found


class World:
    """The server, and callers that leave canaries with it."""

    def __init__(self, server, admin_port):
        self.server, self.admin_port, self.canaries = server, admin_port, Canaries()
        self.admin_socket = AdminSocket(server.socket)
        self.count = 0

    def send(self, connection, request, where):
        """One request and its answer, or none: the server may well close on some of these."""
        self.count += 1
        try:
            connection.request(*request)
            answer = Answer(connection.getresponse())
        except (OSError, http.client.HTTPException, UnicodeEncodeError) as gone:
            self.canaries.heard(where, type(gone).__name__)
            return None
        finally:
            connection.close()
        self.canaries.heard(where, repr(answer.headers).encode() + answer.raw)
        return answer

    def public(self, method, path, body=None, headers=None, where="public"):
        return self.send(self.server.connect(), (method, path, body, headers or {}), f"{where}: {method} {path.split('?')[0]}")

    def admin(self, method, path, body=None, headers=None, where="admin"):
        return self.send(UnixConnection(self.server.socket), (method, path, body, headers or {}),
                         f"{where}: {method} {path.split('?')[0]}")

    def raw(self, data, where):
        """Bytes that no client would send, and whatever comes back."""
        self.count += 1
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=5) as connection:
            connection.settimeout(2)
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(65536):
                    self.canaries.heard(where, chunk)
            except OSError:
                pass

    def command(self, *words, legal=()):
        """A command; what it prints is searched, but for the texts that it is there to show."""
        code, out, err = self.server.run(*words, "--admin", f"unix:{self.server.socket}")
        for text in legal:
            out = out.replace(text, "")
        self.canaries.heard(f"mintmark {' '.join(words[:2])}", out + err)
        return code, out, err

    def made(self, *words):
        """A command that shows a secret, once."""
        code, out, err = self.server.run(*words, "--admin", f"unix:{self.server.socket}", "-o", "json")
        if code:
            raise mintmark.Refused(err)
        shown = json.loads(out)
        secret = self.canaries.learn(shown["client_secret"], f"the secret of `{' '.join(words[:2])}`")
        self.canaries.heard(f"mintmark {' '.join(words[:2])}", out.replace(secret, "") + err)
        return shown


def own_secrets(world):
    """Secrets and tokens that the server makes, and their use."""
    world.server.admin("resource", "set", mintmark.RESOURCE)
    world.server.admin("scope", "set", mintmark.SCOPE, "--resource", mintmark.RESOURCE, "--limit", "3/1h")
    # Without a limit, for a token in a panic.
    world.server.admin("scope", "set", "panic", "--resource", mintmark.RESOURCE, "--limit", "1000/1s")
    tokens = []
    for method in ("client_secret_basic", "client_secret_post"):
        world.post_secret = first = world.made(
            "client", "create", f"holder-{method}", "--scope", f"{mintmark.SCOPE} panic", "--auth", method)["client_secret"]
        second = world.made("client", "rotate-secret", f"holder-{method}", "--overlap", "1h")["client_secret"]
        for secret in (first, second, first, second, first):  # the last ones are beyond the limit
            form = f"grant_type=client_credentials&scope={mintmark.SCOPE.replace(':', '%3A')}"
            headers = {"Content-Type": FORM}
            if method.endswith("post"):
                form += f"&client_id=holder-{method}&client_secret={secret}"
            else:
                headers["Authorization"] = mintmark.basic(f"holder-{method}", secret)
            connection = world.server.connect()
            connection.request("POST", "/oauth2/token", form, headers)
            answer = Answer(connection.getresponse())
            connection.close()
            if answer.status == 200:
                tokens.append(world.canaries.learn(answer.body["access_token"], "an access token"))
                # A token is as good as its signature: no piece of it may stay either.
                world.canaries.learn(tokens[-1].rpartition(".")[2], "an access token's signature")
            else:
                world.canaries.heard("public: refused", answer.raw)
    return tokens


def token_endpoint(world, path):
    """Everything in a form, in header fields and in the URL of an endpoint that authenticates clients."""
    new = world.canaries.new
    grant = "grant_type=client_credentials"
    forms = {
        "client_secret": f"{grant}&client_id=holder-client_secret_post&client_secret={new('a wrong client_secret')}",
        "a secret as client_id": f"{grant}&client_id={new('a secret as client_id')}&client_secret=x",
        "an unknown client's secret": f"{grant}&client_id=nobody&client_secret={new('an unknown client_secret')}",
        "a secret of 300 bytes": f"{grant}&client_id=nobody&client_secret={new('a long secret') * 10}",
        "an assertion": f"{grant}&client_assertion={new('an assertion')}&client_assertion_type={ASSERTION_TYPE}",
        "an assertion without type": f"{grant}&client_assertion={new('an untyped assertion')}",
        "an assertion that is too long": f"{grant}&client_assertion={new('a long assertion') * 400}&client_assertion_type={ASSERTION_TYPE}",
        "an assertion of parts": f"{grant}&client_assertion={jws(new)}&client_assertion_type={ASSERTION_TYPE}",
        "its type": f"{grant}&client_assertion=x&client_assertion_type={new('an assertion type')}",
        "a repeated secret": f"{grant}&client_secret={new('a repeated secret')}&client_secret={new('a repeated secret')}",
        "a grant": f"grant_type={new('a grant_type')}&client_id=a&client_secret={new('a secret beside a grant')}",
        "an unknown parameter": f"{grant}&{new('a parameter name')}={new('an unknown parameter')}",
        "a password": f"grant_type=password&username={new('a username')}&password={new('a password')}",
        "a code": f"grant_type=authorization_code&code={new('a code')}&code_verifier={new('a verifier')}",
        "a refresh token": f"grant_type=refresh_token&refresh_token={new('a refresh token')}",
        "a token": f"token={new('a token')}&token_type_hint={new('a token type hint')}",
        "a scope of nobody": f"{grant}&scope={new('a scope of nobody')}&client_id=nobody&client_secret=x",
        "a broken form": f"{grant}&client_secret=%zz{new('a broken form')}",
        "no form": new("a body that is no form"), "65 parameters": "&".join(f"p{n}={new('many parameters')}" for n in range(65)),
        "64 KiB and more": new("a body that is too large") * 3000,
    }
    for body in forms.values():
        world.public("POST", path, body, {"Content-Type": FORM})
    for kind in ("application/json", "multipart/form-data; boundary=x", "text/plain", None, new("a content type")):
        headers = {} if kind is None else {"Content-Type": kind}
        world.public("POST", path, f'{{"client_secret": "{new("a body of another type")}"}}', headers)
    bad = new("an Authorization of no scheme")
    for value in (bad, f"Bearer {new('a Bearer')}", f"Basic {new('a Basic that is no base64')}", f"Negotiate {new('another scheme')}",
                  mintmark.basic("holder-client_secret_basic", new("a wrong Basic secret")), mintmark.basic(new("an unknown Basic id"), new("an unknown Basic secret")),
                  mintmark.basic("nobody", new("a long Basic secret") * 12), f"Basic {base64.b64encode(new('no colon').encode()).decode()}"):
        world.public("POST", path, grant, {"Content-Type": FORM, "Authorization": value})
    world.public("POST", path, grant, {"Content-Type": FORM, "Cookie": new("a cookie"), "X-Request-Id": new("a request id"),
                                       "Traceparent": new("a traceparent"), "X-Api-Key": new("a header field"), "User-Agent": new("a user agent")})
    for method in METHODS:
        world.public(method, f"{path}?client_secret={new('a query')}&access_token={new('a query')}&x={new('a query')}", grant, {"Content-Type": FORM})


def jws(new):
    """An assertion by form whose every part holds a canary."""
    def coded(text):
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    header = json.dumps({"alg": "ES256", "kid": new("an assertion's kid"), "x": new("an assertion's header")})
    claims = json.dumps({"iss": "nobody", "sub": new("an assertion's sub"), "aud": new("an assertion's aud"), "jti": new("an assertion's jti")})
    return f"{coded(header)}.{coded(claims)}.{coded(new('an assertion signature'))}"


def every_path(world):
    """Query, fields and bodies at everything that is served, and at what is not."""
    new = world.canaries.new
    for path in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/.well-known/jwks.json", "/livez",
                 "/readyz", "/log/checkpoint", "/log/proof", "/log/tile/0/000", "/log/vkey", "/openapi.json", "/metrics", "/nowhere", "*"):
        for method in METHODS:
            world.public(method, f"{path}?jti={new('a query')}&token={new('a query')}", new("a body where none is read"),
                         {"Authorization": f"Bearer {new('a Bearer anywhere')}", "If-None-Match": new("an If-None-Match"), "Cookie": new("a cookie")})
    world.public("GET", f"/{new('a path')}/{new('a path')}")
    world.public("GET", f"/log/tile/{new('a tile path')}/000")


def broken_http(world):
    """Requests that never reach an endpoint."""
    new, host = world.canaries.new, "Host: localhost\r\n"
    lines = {
        "a header without end": f"GET /livez HTTP/1.1\r\n{host}X: {new('a header without end')}",
        "a header that is too large": f"GET /livez HTTP/1.1\r\n{host}X: {new('a large header') * 1000}\r\n\r\n",
        "too many headers": f"GET /livez HTTP/1.1\r\n{host}" + "".join(f"X{n}: {new('many headers')}\r\n" for n in range(101)) + "\r\n",
        "a URI that is too long": f"GET /{new('a long URI') * 400} HTTP/1.1\r\n{host}\r\n",
        "a header that is none": f"GET /livez HTTP/1.1\r\n{host}{new('no header')}\r\n\r\n",
        "a folded header": f"GET /livez HTTP/1.1\r\n{host}X: a\r\n {new('a folded header')}\r\n\r\n",
        "two lengths": f"POST /oauth2/token HTTP/1.1\r\n{host}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{new('two lengths')}",
        "a chunk that is none": f"POST /oauth2/token HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n{new('no chunk')}\r\n",
        "another version": f"GET /livez HTTP/9.9\r\n{host}X: {new('another version')}\r\n\r\n",
        "a cut body": f"POST /oauth2/token HTTP/1.1\r\n{host}Content-Type: {FORM}\r\nContent-Length: 900\r\n\r\nclient_secret={new('a cut body')}",
        "no HTTP": f"{new('no HTTP')}\r\n\r\n", "TLS": f"\x16\x03\x01{new('TLS')}",
    }
    for what, text in lines.items():
        world.raw(text.encode("latin-1"), f"public: {what}")


def http2(world):
    """The same over HTTP/2, by curl."""
    new = world.canaries.new
    headers = [f"Authorization: Bearer {new('an HTTP/2 Authorization')}", f"Cookie: {new('an HTTP/2 cookie')}", f"X-Api-Key: {new('an HTTP/2 field')}"]
    done = subprocess.run(
        ["curl", "-sS", "--http2-prior-knowledge", "--noproxy", "*", "-w", "%{http_version}", "-d", f"client_secret={new('an HTTP/2 form')}",
         *[part for header in headers for part in ("-H", header)], f"{world.server.url}/oauth2/token?x={new('an HTTP/2 query')}"],
        capture_output=True, timeout=20)
    world.canaries.heard("public: HTTP/2", done.stdout)
    return done.stdout.endswith(b"2")


def admin_api(world):
    """What an operator may type into the wrong place, or send in the wrong shape."""
    new = world.canaries.new
    typed = {"Content-Type": "application/json"}
    text = json.dumps
    clients = "/admin/v1/clients"
    registration = {"client_id": "made", "scope": mintmark.SCOPE}
    for what, body in {
            "client_secret": text(registration | {"client_secret": new("a chosen client_secret")}), "cut": text({"client_secret": new("a cut body")})[:-1],
            "not JSON": new("a body that is no JSON"), "an array": text([new("an array")]), "text": text(new("a JSON text")),
            "a private key": text(registration | {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [
                {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": new("a private key")}]}}),
            "a symmetric key": text(registration | {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [
                {"kty": "oct", "k": new("a symmetric key")}]}}),
            "twice": f'{{"client_secret": "{new("a member twice")}", "client_secret": 1}}', "a secret for a number": text(registration | {
                "access_token_lifetime": new("a text for a number")}), "a secret for an object": text(registration | {"claims": new("a text for an object")}),
            "a secret for a method": text(registration | {"token_endpoint_auth_method": new("a text for a method")}),
            "a secret as scope": text(registration | {"scope": new("a text for a scope") + '"'}),
            "a secret as id": text(registration | {"client_id": new("a text for an id") + " "}), "too large": text({"client_secret": new("a large body") * 3000})}.items():
        for kind in (typed, {"Content-Type": FORM}, {"Content-Type": "text/plain"}, {}):
            world.admin("POST", clients, body, kind | {"Idempotency-Key": new("an idempotency key")}, f"admin: {what}")
    for path in (clients, f"{clients}/holder-client_secret_basic", f"{clients}/holder-client_secret_basic/secrets", "/admin/v1/resources/x", "/admin/v1/scopes/x",
                 "/admin/v1/keys", "/admin/v1/audit/entries", "/admin/v1/audit/proof", "/admin/v1/token/preview", "/admin/v1/policy/plan", "/metrics", "/nowhere"):
        for method in METHODS:
            body = text({"overlap": new("a text for a number"), "reason": new("a reason"), "x": new("a member")}) if method != "GET" else None
            world.admin(method, f"{path}?cursor={new('a cursor')}&x={new('an admin query')}", body, typed | {
                "Authorization": f"Bearer {new('an admin Bearer')}", "If-Match": new("an If-Match"), "Idempotency-Key": new("an idempotency key"),
                "Cookie": new("an admin cookie")})
    made = world.admin_socket.ask("POST", clients, registration, {"Idempotency-Key": new("an idempotency key that is used")})
    if made.status == 201:
        world.canaries.learn(made.body["client_secret"], "the secret of POST /admin/v1/clients")
    rotated = world.admin_socket.ask("POST", f"{clients}/made/secrets", {"overlap": 3600}, {"Idempotency-Key": new("an idempotency key that is used")})
    if rotated.status == 201:
        world.canaries.learn(rotated.body["client_secret"], "the secret of POST …/secrets")
    return made.status == rotated.status == 201


def admin_over_tcp(world):
    """The same API for whoever has a token for it; gives whether a good one is let in."""
    new, path = world.canaries.new, "/admin/v1/clients"
    secret = world.made("client", "create", "operator", "--scope", "admin:read admin:clients")["client_secret"]
    connection = world.server.connect()
    status, body = mintmark.request_token(connection, "operator", secret, "admin:read admin:clients")
    connection.close()
    if status != 200:
        return False
    token = world.canaries.learn(body["access_token"], "an admin token")
    world.canaries.learn(token.rpartition(".")[2], "an admin token's signature")

    def ask(method, target, headers, body=None):
        return world.send(http.client.HTTPConnection("127.0.0.1", world.admin_port, timeout=10), (method, target, body, headers),
                          f"admin over TCP: {method} {target.split('?')[0]}")

    held = {"Authorization": f"Bearer {token}"}
    good = ask("GET", path, held)
    for value in (new("an admin Authorization"), f"Bearer {new('an admin Bearer over TCP')}", f"Basic {new('an admin Basic')}",
                  f"Bearer {token[:-4]}AAAA", f"Bearer {token}{new('behind an admin token')}", mintmark.basic("operator", secret)):
        for method in METHODS:
            ask(method, f"{path}?access_token={new('an admin query over TCP')}", {"Authorization": value, "Idempotency-Key": new("an idempotency key over TCP")},
                json.dumps({"client_secret": new("an admin body over TCP")}))
    for method in METHODS:
        ask(method, f"{path}/operator/secrets?token={token}", held | {"Content-Type": "application/json"}, json.dumps({"overlap": new("a text for a number")}))
        ask(method, "/nowhere", held, new("an admin body nowhere"))
    return good is not None and good.status == 200


def introspection(world, tokens):
    """Tokens in the bodies of other endpoints, good and bad callers."""
    for path in ("/oauth2/introspect", "/oauth2/revoke"):
        for token in (tokens[-1], tokens[-1][:-6] + "AAAAAA", world.canaries.new("a token to look at")):
            world.public("POST", path, f"token={token}&client_id=holder-client_secret_post&client_secret={world.canaries.new('a wrong secret beside a token')}", {"Content-Type": FORM})
            world.public("POST", path, f"token={token}&client_id=holder-client_secret_post&client_secret={world.post_secret}", {"Content-Type": FORM})


def commands(world, tokens):
    """What commands print, with a token where they take one."""
    home = world.server.home
    file = home.parent / "token.jwt"
    file.write_text(tokens[0])
    for words in (("client", "list"), ("client", "get", "made"), ("scope", "list"), ("resource", "list"), ("key", "list"), ("db", "status"),
                  ("audit", "search"), ("audit", "show", "3"), ("audit", "find", "--token", str(file)), ("audit", "report"),
                  ("client", "get", world.canaries.new("a secret as a command's id")), ("policy", "export"), ("audit", "search", "--client", "made")):
        for form in ("table", "json"):
            world.command(*words, "-o", form, legal=[words[2]] if len(words) > 2 else [])
    world.command("db", "backup", str(home / "backup.db"))
    world.command("audit", "export", "--out", str(home / "log.ndjson"))
    world.command("token", "inspect", str(file), legal=[tokens[0]])


def panics(world):
    """Requests that carry canaries are taken away by a panic. Gives how many panics were heard."""
    for point in PANICS:
        world.server.stop()
        world.server.start(env={"FAILPOINTS": f"{point}=1*panic"}).wait_ready()
        for act in ("disable", "enable"):
            secret = world.canaries.new("a secret in a panic")
            for tried in (secret, world.post_secret):
                form = f"grant_type=client_credentials&scope=panic&client_id=holder-client_secret_post&client_secret={tried}"
                world.public("POST", "/oauth2/token", form, {"Content-Type": FORM}, f"panic at {point}")
            world.admin("POST", f"/admin/v1/clients/made/{act}?x={secret}", where=f"panic at {point}")
    return (world.server.home / "server.log").read_text(errors="replace").count("panicked at")


def search(world, checks):
    """Everything that was said or written."""
    files = [path for path in sorted(world.server.home.rglob("*")) if path.is_file()]
    for path in files:
        world.canaries.heard(str(path.relative_to(world.server.home)), path.read_bytes())
    names = {path.name for path in files}
    checks.check("log, database, write-ahead log, backup and export are there",
                 {"server.log", "mintmark.db", "mintmark.db-wal", "backup.db", "log.ndjson"} <= names, sorted(names))
    log = (world.server.home / "server.log").read_text(errors="replace")
    checks.check("the log is at TRACE", "TRACE" in log, log[:300])
    checks.check("a search would find them", all(
        world.canaries.hits(b"x" + form + b"y") for text in world.canaries.put for form in spellings(text)))
    hits = {}
    for where, raw in world.canaries.seen:
        for put in world.canaries.hits(raw):
            hits[put, where] = hits.get((put, where), 0) + 1
    places = len(set(world.canaries.put.values()))
    checks.check(f"none of {len(world.canaries.put)} canaries of {places} kinds is in {len(files)} files and "
                 f"{len(world.canaries.seen) - len(files)} answers and outputs", not hits, sorted(hits.items())[:60])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", nargs="?", default="target/debug/mintmark")
    parser.add_argument("--failpoints", action="store_true", help="the binary has failpoints: panic at some of them")
    args = parser.parse_args()
    checks = Checks("canaries")
    with tempfile.TemporaryDirectory(prefix="mintmark-canaries-") as folder:
        admin_port = mintmark.free_port()
        server = mintmark.Server(args.binary, Path(folder) / "node", env={
            "RUST_LOG": "trace", "MINTMARK_ADMIN__LISTEN": f"127.0.0.1:{admin_port}"} | mintmark.MANY_ATTEMPTS)
        server.init()
        try:
            server.start().wait_ready()
            world = World(server, admin_port)
            tokens = own_secrets(world)
            checks.check("tokens were issued, and refused beyond the limit", 0 < len(tokens) < 10, len(tokens))
            for path in ("/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"):
                token_endpoint(world, path)
            introspection(world, tokens)
            every_path(world)
            broken_http(world)
            checks.check("HTTP/2 is spoken", http2(world))
            checks.check("secrets were made through the admin API", admin_api(world))
            checks.check("the admin API is spoken over TCP", admin_over_tcp(world))
            commands(world, tokens)
            if args.failpoints:
                heard = panics(world)
                checks.check("it panicked", heard >= len(PANICS), heard)
            checks.check("the server lives", server.status("/livez") == 200)
            world.admin("GET", "/metrics", where="metrics, after everything")
            server.kill()
            search(world, checks)
        finally:
            server.stop()
    print(f"     {world.count} requests")
    checks.end()


if __name__ == "__main__":
    main()
