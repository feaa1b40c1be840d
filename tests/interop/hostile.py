#!/usr/bin/env python3
"""Hostile client assertions against a real server: each row of assertions/ with the answer that it must get.

Starts the server in a temporary directory, registers a client for each algorithm, sends the good
assertions of three programs (PyJWT, joserfc, and the hand-made form that all the bad ones come from),
then every row, then the replays and the registrations. A refusal must be alike, but for the request id,
to that of an unknown client with a secret. Prints `ok` or `FAIL` for each group with its count.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import joserfc.jwk
import joserfc.jwt
import jwt

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "assertions"), str(HERE.parent)]
import keys  # noqa: E402
import registrations  # noqa: E402
import replays  # noqa: E402
import rows  # noqa: E402
import server as mintmark  # noqa: E402
from wire import AdminSocket, Endpoint, Listener, asks  # noqa: E402

GROUPS = ("c1_algorithms", "c1_signatures", "c2_client", "c3_audience", "c4_expiry", "c5_window", "c7_identifier",
          "c9_critical", "c10_supplied_keys", "c12_form", "c12_json", "c16_length", "c17_type")


class Group:
    """One line of verdict for many rows; each that is wrong has a line of its own."""

    def __init__(self, heading):
        self.heading, self.count, self.wrong = heading, 0, 0

    def row(self, what, holds, seen=""):
        self.count += 1
        if not holds:
            self.wrong += 1
            print(f"FAIL {self.heading}: {what}: {seen!r}", flush=True)

    def end(self):
        if not self.count:
            print(f"FAIL {self.heading}: no row was made", flush=True)
        elif not self.wrong:
            print(f"ok   {self.heading}: {self.count} of {self.count} as they must be", flush=True)
        return self.count, self.wrong + (not self.count)


class World:
    """A server with the clients that the rows are about."""

    def __init__(self, server):
        self.server = server
        self.admin, self.endpoint, self.listener = AdminSocket(server.socket), Endpoint(server.port), Listener()
        self.counts = {}
        server.admin("resource", "set", mintmark.RESOURCE, "--alg", "ES256")
        server.admin("scope", "set", mintmark.SCOPE, "--resource", mintmark.RESOURCE,
                     "--limit", "1000000/1s", "--burst", "1000000")
        self.secret = server.admin("client", "create", "with-secret", "--scope", mintmark.SCOPE)["client_secret"]
        # What each refusal is compared with.
        self.refusal = self.endpoint.post([("grant_type", "client_credentials"), ("client_id", "nobody"),
                                           ("client_secret", "mms_wrong")])
        self.makers = {alg: self.maker(alg) for alg in keys.ALGORITHMS}

    def client(self, name, *held):
        """Registers a client for assertions under these keys."""
        answer = self.admin.ask("POST", "/admin/v1/clients", {
            "client_id": name, "scope": mintmark.SCOPE, "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [key.jwk for key in held]}})
        if answer.status != 201:
            raise mintmark.Refused(f"{name} was not registered: {answer}")
        if answer.body.get("client_secret") is not None:
            raise mintmark.Refused(f"a client for assertions has a secret: {sorted(answer.body)}")
        return name

    def maker(self, alg):
        names = f"client-{alg.lower()}", f"other-{alg.lower()}"
        held = keys.Key(alg, f"Key.{alg}-a"), keys.Key(alg, f"Key.{alg}-b")
        for name, key in zip(names, held):
            self.client(name, key)
        return rows.Maker(self.server.url, mintmark.SCOPE, names[0], held[0], (names[1], held[1]), self.listener)

    def judge(self, group, what, answer, expected):
        """Status and code as they must be; a 401 alike to every other one."""
        holds = (answer.status, answer.error() if answer.status != 200 else None) == expected
        if holds and answer.status == 401:
            holds = answer.alike() == self.refusal.alike()
        group.row(what, holds, answer)

    def end(self, group):
        count, wrong = group.end()
        row = group.heading.split(" ")[1]
        before = self.counts.get(row, (0, 0))
        self.counts[row] = before[0] + count, before[1] + wrong

    def table(self, heading, rows_of):
        """A whole table of rows."""
        group = Group(heading)
        for what, form, expected in rows_of:
            self.judge(group, what, self.endpoint.post(form), expected)
        self.end(group)


def foreign_forms(maker):
    """The same good assertion by libraries that others wrote."""
    private = maker.key.private
    by_pyjwt = jwt.encode(maker.claims(), private, maker.key.alg, {"kid": maker.key.kid})
    yield "PyJWT", asks(by_pyjwt, maker.scope), rows.TOKEN
    kind = {"ES256": joserfc.jwk.ECKey, "PS256": joserfc.jwk.RSAKey, "EdDSA": joserfc.jwk.OKPKey}[maker.key.alg]
    pem = private.private_bytes(keys.serialization.Encoding.PEM, keys.serialization.PrivateFormat.PKCS8,
                                keys.serialization.NoEncryption())
    by_joserfc = joserfc.jwt.encode(maker.header(), maker.claims(), kind.import_key(pem), algorithms=[maker.key.alg])
    yield "joserfc", asks(by_joserfc, maker.scope), rows.TOKEN


def check_rows(world, maker):
    """Every row for one algorithm; good ones first and last."""
    alg = maker.key.alg
    world.table(f"assertions good {alg}", [*foreign_forms(maker), *rows.good(maker)])
    for name in GROUPS:
        row = name.split("_")[0].upper()
        world.table(f"assertions {row} {alg} {name.split('_', 1)[1]}", getattr(rows, name)(maker))
    token = world.endpoint.post(maker.form()).body["access_token"]
    server_key = mintmark.jwt_part(token, 0)["kid"]
    world.table(f"assertions C8 {alg} other tokens", rows.c8_other_tokens(maker, token, server_key))
    first, second = keys.Key(alg, "first"), keys.Key(alg, "second")
    two = world.client(f"two-{alg.lower()}", first, second)
    two_keys = rows.Maker(maker.issuer, maker.scope, two, first, (maker.client, maker.key), maker.listener)
    world.table(f"assertions C11 {alg} kid", rows.c11_kid(maker, two_keys))
    world.table(f"assertions after {alg} all of them", rows.good(maker))
    group = Group(f"assertions C10 {alg} connections")
    group.row("nobody was called", world.listener.connections == 0, world.listener.connections)
    world.end(group)


def check_methods(world):
    """Each client by its own method alone, and one method a request."""
    group = Group("assertions C17 methods")
    maker = world.makers["ES256"]
    plain = [("grant_type", "client_credentials"), ("scope", mintmark.SCOPE)]
    basic = {"Authorization": mintmark.basic("with-secret", world.secret)}
    ask = world.endpoint.post
    world.judge(group, "a true secret", ask(plain, headers=basic), rows.TOKEN)
    world.judge(group, "a true assertion beside a true secret", ask(maker.form(), headers=basic), rows.MALFORMED)
    own = {"Authorization": mintmark.basic(maker.client, "mms_" + "A" * 49)}
    world.judge(group, "a secret for a client of assertions", ask(plain, headers=own), rows.REFUSED)
    world.judge(group, "the same, disabled method beside it", ask(maker.form(), headers=own), rows.MALFORMED)
    world.judge(group, "an assertion for a client with a secret",
                ask(maker.claiming(iss="with-secret", sub="with-secret")), rows.REFUSED)
    world.judge(group, "an assertion as bearer token",
                ask(plain, headers={"Authorization": f"Bearer {maker.make()}"}), rows.REFUSED)
    world.judge(group, "an assertion in the URL", ask(plain, f"/oauth2/token?client_assertion={maker.make()}"), rows.MALFORMED)
    world.judge(group, "the type in the URL", ask(maker.form(), f"/oauth2/token?client_assertion_type={rows.ASSERTION_TYPE}"),
                rows.MALFORMED)
    world.judge(group, "an assertion in a JSON body", ask(json.dumps(dict(maker.form())).encode(),
                                                          headers={"Content-Type": "application/json"}), rows.MALFORMED)
    key = keys.Key("ES256", "k")
    gone = rows.Maker(maker.issuer, maker.scope, world.client("disabled", key), key, ("nobody", key), world.listener)
    world.judge(group, "before it is disabled", ask(gone.form()), rows.TOKEN)
    world.server.admin("client", "disable", "disabled")
    world.judge(group, "a disabled client", ask(gone.form()), rows.REFUSED)
    world.server.admin("client", "enable", "disabled")
    world.judge(group, "enabled again", ask(gone.form()), rows.TOKEN)
    world.end(group)


def check_replays(world):
    """C6, with crashes last, since they close connections."""
    group = Group("assertions C6 replays")

    def row(what, answers, expected):
        group.row(what, answers == expected, answers)

    for alg, maker in world.makers.items():
        for what, answers, expected in replays.at_once(maker, world.endpoint):
            row(f"{alg} {what}", answers, expected)
    makers = world.makers
    row("one jti of two clients", *replays.two_clients(makers["ES256"], makers["EdDSA"], world.endpoint))
    row("near its end", *replays.near_its_end(makers["ES256"], world.endpoint))
    paths = ["/oauth2/introspect", "/oauth2/revoke"]
    row("at other endpoints", *replays.other_endpoints(makers["EdDSA"], world.endpoint, paths))
    for number in range(3):
        row(f"fifty at a time, {number}", *replays.in_parallel(makers["ES256"], world.server))
    row("after a crash", *replays.after_a_crash(makers["ES256"], world.server))
    world.end(group)


def check_registrations(world):
    """C13: 400, a problem document that shows nothing of a private key, and no client."""
    group = Group("assertions C13 registrations")
    right = {"scope": mintmark.SCOPE, "token_endpoint_auth_method": "private_key_jwt"}
    tables = [(what, right | {"jwks": bad}) for what, bad in registrations.tables()]
    tables += registrations.bodies(right | {"client_id": "bad"})
    before = len(world.server.admin("client", "list")["items"])
    for number, (what, body) in enumerate(tables):
        # Each has an id of its own, so that one that is taken does not hide the next.
        name = f"bad-{number}"
        raw = body.replace(b'"bad"', f'"{name}"'.encode()) if isinstance(body, bytes) else json.dumps(body | {"client_id": name}).encode()
        began = time.monotonic()
        answer = world.admin.ask("POST", "/admin/v1/clients", raw)
        typed = dict(answer.headers).get("content-type", "").startswith("application/problem+json")
        group.row(what, answer.status == 400 and typed and time.monotonic() - began < 1, answer)
        group.row(f"{what}: nothing is there", world.admin.ask("GET", f"/admin/v1/clients/{name}").status == 404)
    group.row("no client more", len(world.server.admin("client", "list")["items"]) == before)
    answer = world.admin.ask("POST", "/admin/v1/clients", right | {
        "client_id": "bad-0", "jwks": {"keys": [keys.Key("ES256", f"k{index}").jwk for index in range(10)]}})
    group.row("the id is free, and ten keys are fine", answer.status == 201, answer)
    world.end(group)


def check_unwritten(world):
    """What was sent is nowhere in the server's own words."""
    words = (world.server.home / "server.log").read_text(errors="replace")
    group = Group("assertions log")
    group.row("no panic", "panicked" not in words, [line for line in words.splitlines() if "panicked" in line][:3])
    group.row("no assertion", "eyJ" not in words, [line for line in words.splitlines() if "eyJ" in line][:3])
    world.end(group)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", nargs="?", default="target/debug/mintmark")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mintmark-hostile-") as home:
        server = mintmark.Server(args.binary, home, env={"RUST_LOG": "info"} | mintmark.MANY_ATTEMPTS)
        server.init()
        try:
            server.start().wait_ready()
            world = World(server)
            for maker in world.makers.values():
                check_rows(world, maker)
            check_methods(world)
            check_registrations(world)
            check_replays(world)
            check_unwritten(world)
            if not world.listener.hears():
                world.counts["listener"] = (1, 1)
                print("FAIL assertions listener: it hears nobody")
        finally:
            server.stop()
    for row, (count, wrong) in world.counts.items():
        print(f"     {row}: {count} rows, {wrong} wrong")
    print(f"     in all: {sum(count for count, _ in world.counts.values())} rows")
    sys.exit(1 if any(wrong for _, wrong in world.counts.values()) else 0)


if __name__ == "__main__":
    main()
