#!/usr/bin/env python3
"""Naughty strings in every text field of the admin API: stored as they are, or refused by 400; never anything else.

What was stored is read back byte by byte, from the object and from the list, and again after a restart.
The strings are of the kinds that break programs: SQL, shells, templates, markup, paths, format strings,
control characters, every width of UTF-8, look-alikes, directions, numbers, names of nothing. Prints `ok`
or `FAIL` for each field with its counts.
"""

import argparse
import json
import sys
import tempfile
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "assertions"), str(HERE.parent)]
import server as mintmark  # noqa: E402
from wire import AdminSocket  # noqa: E402

NAUGHTY = (
    # nothing, and the names of nothing
    "", " ", "\u00a0", "\u3000", "undefined", "null", "NULL", "None", "nil", "true", "False", "NaN", "Infinity", "-0", "0", "1E+02", "0x10", "1e309",
    "9223372036854775808", "-9223372036854775809", "00", "1/0", "१२३", "__proto__", "constructor", "toString", "hasOwnProperty", "CON", "AUX", "nul.txt",
    # SQL and its neighbours
    "'", '"', "''", "`", ";", "--", "' OR '1'='1", "1;DROP TABLE clients", "'; DROP TABLE clients;--", "x' UNION SELECT phc FROM secrets--", "%", "_", "%27",
    "' AND 1=CAST((SELECT name FROM sqlite_master) AS INTEGER)--", "\\'; DELETE FROM log;--", "1' WAITFOR DELAY '0:0:5'--", "' || (SELECT randomblob(1000000000)) || '",
    "?1", ":id", "@p", "$1", "*)(uid=*))(|(uid=*", '{"$gt": ""}', "ATTACH DATABASE '/tmp/x' AS x",
    # shells, templates, markup, headers, paths
    "$(touch /tmp/x)", "`id`", "; id", "| id", "&& id", "$HOME", "%n%n%n%s%s", "%x%d", "{{7*7}}", "${7*7}", "#{7*7}", "<%= 7 %>", "${jndi:ldap://127.0.0.1/a}",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "<!--", "]]>", "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>", "javascript:alert(1)",
    "a\r\nSet-Cookie: a=b", "a\nb", "a\rb", "=1+1", "@SUM(1+1)", "../../../../etc/passwd", "..\\..\\x", "/dev/null", "C:\\x", "file:///etc/passwd", "~", ".", "..", "a/b", "a?b#c",
    "a%2fb", "%2e%2e%2f", "http://a.example/%00", "//evil.example", "a b", "a  b", " a", "a ", "a,b", "a;b", "a=b", "a&b", "a+b", "[]", "{}", "[a]", "\\", "\\\\", "\\u0000", "\\x41", "\\n",
    # control characters, byte order marks, every width of UTF-8, what is no character
    "\0", "a\0b", "\x01", "\x07", "\x08", "\t", "\x0b", "\x0c", "\x1b[31m", "\x1b]0;x\x07", "\x7f", "\x80", "\x85", "\x9b31m", "\ufeff", "\ufffe", "\uffff", "\ufffd", "\u2028", "\u2029",
    "\u200b", "\u200d", "\u2060", "\u00ad", "é", "e\u0301", "ﬁ", "ſ", "K", "İ", "ı", "ß", "ẞ", "ΣΑΣς", "ａｄｍｉｎ", "аdmin", "раураl", "\u202eabc", "\u2066a\u2069", "日本語", "한글", "العربية", "עברית",
    "ไทย", "हिन्दी", "\U0001f511", "\U0001f469\u200d\U0001f4bb", "\U0001f1e9\U0001f1ea", "\U0010ffff", "\U0001d49c", "Z\u0351\u036b\u0343" + "\u0301" * 60, "\u0301", "﷽" * 20, "½", "²",
    # length
    "a" * 63, "a" * 64, "a" * 65, "a" * 200, "a" * 201, "é" * 200, "\U0001f511" * 200, "a" * 255, "a" * 256, "a" * 257, "a" * 1024, "a" * 2048, "a" * 4096, "a" * 30000, "é" * 15000,
    # what the API itself means something by
    "orders:read", "admin:clients", "https://api.example/orders", "*", "openid", "mms_" + "A" * 49, "me", "self", "disable", "secrets", "rotate", "plan", "\"v1\"",
)
TYPED = {"If-Match": "*"}
PATCH = TYPED | {"Content-Type": "application/merge-patch+json"}


class Field:
    """One field: counts what became of each string."""

    def __init__(self, name):
        self.name, self.stored, self.refused, self.wrong = name, {}, 0, 0

    def wrongly(self, text, seen):
        self.wrong += 1
        print(f"FAIL naughty {self.name}: {text[:60]!r}: {seen!r}"[:500], flush=True)

    def take(self, text, answer, read=None):
        """An answer to a write; `read` gives the text back from the answer."""
        if answer.status in (200, 201):
            if read is None or read(answer.body) == text:
                return True
            self.wrongly(text, answer)
        elif answer.status == 400:
            typed = dict(answer.headers).get("content-type", "").startswith("application/problem+json")
            self.refused += 1
            if not typed:
                self.wrongly(text, answer)
        else:
            self.wrongly(text, answer)
        return False

    def end(self, some=True):
        """The verdict; `some`: at least one of the strings is right for this field."""
        if some and not self.stored:
            self.wrongly("any of them", "none was stored")
        if not self.wrong:
            print(f"ok   naughty {self.name}: {len(self.stored)} stored as they are, {self.refused} refused", flush=True)
        return self.wrong


class World:
    """A server, and what was stored in it."""

    def __init__(self, server):
        self.server, self.socket, self.number, self.wrong, self.count = server, AdminSocket(server.socket), 0, 0, 0
        server.admin("resource", "set", mintmark.RESOURCE, "--alg", "ES256")
        server.admin("scope", "set", mintmark.SCOPE, "--resource", mintmark.RESOURCE, "--limit", "10/1s")

    def ask(self, method, path, body=None, headers=None):
        self.count += 1
        # In UTF-8 as it is: an escape is another way to write a text, and longer.
        raw = json.dumps(body, ensure_ascii=False).encode() if isinstance(body, dict) else body
        return self.socket.ask(method, path, raw, headers)

    def next_id(self):
        self.number += 1
        return f"naughty-{self.number}"


def segment(text):
    """One part of a path."""
    return urllib.parse.quote(text, safe="")


def client_fields():
    """(name, changes of a registration by a text, how to read it back) of the client's fields."""
    yield "client_name", lambda text: {"client_name": text}, lambda client: client["client_name"]
    yield "a claim's value", lambda text: {"claims": {"tenant": text}}, lambda client: client["claims"]["tenant"]
    yield "a claim's name", lambda text: {"claims": {text: 1}}, lambda client: next(iter(client["claims"]), "")
    yield "a nested claim", lambda text: {"claims": {"a": [{text: text}]}}, lambda client: next(iter(client["claims"]["a"][0].items()))[1]
    yield "introspects", lambda text: {"introspects": [text]}, lambda client: (client["introspects"] or [""])[0]


def check_registrations(world):
    """The one free text of a registration; each string in a client of its own."""
    name, change, read = next(client_fields())
    field = Field(f"client {name}")
    for text in NAUGHTY:
        client = world.next_id()
        answer = world.ask("POST", "/admin/v1/clients", {"client_id": client, "scope": mintmark.SCOPE} | change(text))
        if field.take(text, answer, read):
            field.stored[client] = text
    listed = {item["client_id"]: item for item in world.server.admin("client", "list")["items"]}
    for client, text in field.stored.items():
        if read(listed[client]) != text:
            field.wrongly(text, listed[client])
    world.wrong += field.end()
    return field, read


def check_changes(world):
    """Every text of a registration, by PATCH on one client: no Argon2 for each string."""
    path = "/admin/v1/clients/patched"
    world.ask("POST", "/admin/v1/clients", {"client_id": "patched", "scope": mintmark.SCOPE})
    for name, change, read in client_fields():
        field = Field(f"PATCH client {name}")
        for text in NAUGHTY:
            if name == "a claim's name":
                # A merge patch adds to the names that are there.
                world.ask("PATCH", path, {"claims": None}, PATCH)
            answer = world.ask("PATCH", path, change(text), PATCH)
            if field.take(text, answer, read):
                field.stored[text] = text
                shown = world.ask("GET", path)
                if shown.status != 200 or read(shown.body) != text:
                    field.wrongly(text, shown)
        world.wrong += field.end()


def refused_or_kept(world, name, write, read, some=True):
    """A field whose text names something: `write` gives the answer, `read` the text that is there then."""
    field = Field(name)
    for text in NAUGHTY:
        if field.take(text, write(text)):
            field.stored[text] = text
            if read(text) != text:
                field.wrongly(text, f"reads back as {read(text)!r}")
    world.wrong += field.end(some)


def check_names(world):
    """Names: of clients, scopes, resources, algorithms, methods; few of these strings are any."""
    def member(path, name):
        answer = world.ask("GET", path)
        return answer.body[name] if answer.status == 200 else answer

    refused_or_kept(world, "client_id", lambda text: world.ask("POST", "/admin/v1/clients", {"client_id": text, "scope": mintmark.SCOPE}),
                    lambda text: member(f"/admin/v1/clients/{segment(text)}", "client_id"))
    refused_or_kept(world, "resource", lambda text: world.ask("PUT", f"/admin/v1/resources/{segment(text)}", {"resource": text, "signing_alg": "ES256"})
                    if in_a_path(text, mintmark.RESOURCE) else Refusal(), lambda text: member(f"/admin/v1/resources/{segment(text)}", "resource"))
    refused_or_kept(world, "scope", lambda text: world.ask("PUT", f"/admin/v1/scopes/{segment(text)}", {
        "scope": text, "resource": mintmark.RESOURCE, "limit": {"count": 1, "period": 1}, "enforce": "refuse"})
                    if in_a_path(text, mintmark.SCOPE) else Refusal(), lambda text: member(f"/admin/v1/scopes/{segment(text)}", "scope"))
    for name in ("scope", "default_scope", "token_endpoint_auth_method"):
        def write(text, name=name):
            client = {"client_id": world.next_id(), "scope": mintmark.SCOPE, name: text}
            answer = world.ask("POST", "/admin/v1/clients", client)
            # It may take what is a scope: then it is that scope.
            return answer if answer.status != 201 or answer.body[name] == text else Wrong(answer)
        refused_or_kept(world, f"client {name}", write, lambda text: text, name != "token_endpoint_auth_method")
    for name in ("signing_alg", "resource"):
        refused_or_kept(world, f"resource's {name}", lambda text, name=name: world.ask("PUT", "/admin/v1/resources/https%3A%2F%2Fapi.example%2Fx", {
            "resource": "https://api.example/x", "signing_alg": "ES256", name: text}, TYPED), lambda text: text, False)
    world.server.admin("scope", "set", "x", "--resource", mintmark.RESOURCE, "--limit", "1/1s")
    refused_or_kept(world, "scope's resource", lambda text: world.ask("PUT", "/admin/v1/scopes/x", {
        "scope": "x", "resource": text, "limit": {"count": 1, "period": 1}, "enforce": "refuse"}, TYPED), lambda text: text)
    refused_or_kept(world, "a key's alg", lambda text: world.ask("POST", "/admin/v1/keys/rotate", {"alg": text}) if text else Refusal(), lambda text: text, False)


def in_a_path(text, taken):
    """Whether it can be asked for in a path at all, and is not there yet."""
    return text not in ("", ".", "..", taken) and len(segment(text)) < 7000


class Refusal:
    """A text that cannot be asked for in a path, or that is taken: as good as refused."""
    status, headers, body = 400, [("content-type", "application/problem+json")], {}


class Wrong:
    """An answer that took something else than what was sent."""

    def __init__(self, answer):
        self.status, self.headers, self.body = 0, answer.headers, answer.body

    def __repr__(self):
        return f"took {self.body!r}"


def check_paths_and_queries(world):
    """Texts in paths, queries and header fields: nothing is found, or malformed; what is wanted is there afterwards."""
    field = Field("paths, queries, header fields")
    fine = {200, 400, 404, 405, 412, 428, 431, 409}
    for text in NAUGHTY:
        piece = segment(text)[:2000]
        for method, path in (("GET", f"/admin/v1/clients/{piece}"), ("POST", f"/admin/v1/clients/{piece}/disable"), ("GET", f"/admin/v1/scopes/{piece}"),
                             ("GET", f"/admin/v1/resources/{piece}"), ("GET", f"/admin/v1/keys?cursor={piece}"), ("GET", f"/admin/v1/clients?limit={piece}"),
                             ("GET", f"/admin/v1/audit/entries?client_id={piece}"), ("GET", f"/admin/v1/audit/entries?jti={piece}&scope={piece}&kid={piece}"),
                             ("GET", f"/admin/v1/audit/entries?event={piece}&from={piece}"), ("GET", f"/admin/v1/audit/entries/{piece}"), ("DELETE", f"/admin/v1/clients/{piece}x")):
            answer = world.ask(method, path)
            field.refused += answer.status != 200
            if answer.status not in fine:
                field.wrongly(text, (method, path[:80], answer))
        if all(" " <= character <= "~" for character in text) and text.strip() == text and text and len(text) < 9000:
            for name in ("If-Match", "If-None-Match", "Idempotency-Key", "Accept", "X-Request-Id"):
                answer = world.ask("PATCH", "/admin/v1/clients/patched", b"{}", {"Content-Type": "application/merge-patch+json", name: text})
                if answer.status not in fine:
                    field.wrongly(text, (name, answer))
    world.wrong += field.end(False)


def check_texts_of_keys(world):
    """The reason of a revocation is kept in the log and shown with the key."""
    field = Field("a key's reason")
    for text in NAUGHTY:
        kid = [key["kid"] for key in world.server.admin("key", "list")["items"] if key["state"] == "active"][0]
        answer = world.ask("POST", f"/admin/v1/keys/{kid}/revoke", {"reason": text, "dry_run": True})
        if field.take(text, answer):
            field.stored[text] = text
    world.wrong += field.end()


def restarted(world, field, read):
    """Everything is still there when it comes from the disk."""
    world.server.stop()
    world.server.start().wait_ready()
    group = Field("after a restart")
    for client, text in field.stored.items():
        shown = world.ask("GET", f"/admin/v1/clients/{client}")
        if shown.status == 200 and read(shown.body) == text:
            group.stored[client] = text
        else:
            group.wrongly(text, shown)
    world.wrong += group.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", nargs="?", default="target/debug/mintmark")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mintmark-naughty-") as home:
        server = mintmark.Server(args.binary, home)
        server.init()
        try:
            server.start().wait_ready()
            world = World(server)
            field, read = check_registrations(world)
            check_changes(world)
            check_names(world)
            check_texts_of_keys(world)
            check_paths_and_queries(world)
            restarted(world, field, read)
            export = server.home / "log.ndjson"
            vkey = server.export(export)
            code, _, err = server.run("audit", "verify", str(export), "--vkey", str(vkey))
            words = (server.home / "server.log").read_text(errors="replace")
            for what, holds, seen in (("the log verifies", code == 0, err), ("no panic", "panicked" not in words, words[-500:]),
                                      ("no error of ours", '"ERROR"' not in words, [line for line in words.splitlines() if '"ERROR"' in line][:3])):
                world.wrong += not holds
                print(f"ok   naughty: {what}" if holds else f"FAIL naughty: {what}: {seen!r}")
        finally:
            server.stop()
    print(f"     {len(NAUGHTY)} strings, {world.count} requests")
    sys.exit(1 if world.wrong else 0)


if __name__ == "__main__":
    main()
