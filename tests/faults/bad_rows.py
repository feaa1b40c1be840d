#!/usr/bin/env python3
"""Puts rows by hand into the store of a running and of a stopped server that no server would write.

For each case a copy of one prepared store is opened by a server and damaged by SQLite beside it:
NULL where the schema forbids it, blank, over-long, garbage. The running server is made to read it
again by an act of an admin, then it is restarted. Where the row is of the policy, of a key or of a
body, the process must live and start, good clients get tokens, and the log must name the row where it
was left out. Where the log itself is damaged, or what everything hangs on, a start may be refused: with one
line that names what, exit code not 0, and nothing of the log cut off. After each case `audit verify` of an
export tells of damage to entries and bodies. Prints one JSON object.
"""

import http.client
import shutil
import sqlite3
import subprocess
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import report
import server as mintmark
import times

ALGORITHMS = ["ES256", "EdDSA"]
LONG = "hex(zeroblob(2000000))"


@dataclass
class Case:
    """What is put in, and what may come of it."""

    name: str
    sql: str
    # What the log must name, as a server says it that reads the policy or the keys again; "" when it need not.
    told: str = ""
    # A word of the line by which the start is refused; "" when it must not be.
    refused: str = ""
    # Whether an export must not verify, or must not come about, if the server starts.
    found: bool = False
    # Whether the store is damaged only while the server is stopped: running, it knows better.
    stopped: bool = False
    # Table whose NOT NULL, STRICT and CHECK are lifted for the statement.
    lifted: str = ""
    # A file that is made in the data directory.
    file: str = ""


def each(table, column, where, values, told, of=""):
    """A case for each value of one column; NULL lifts the schema's own guard."""
    names = {"NULL": "null", "''": "blank", "x'FF'": "a blob", "CAST(x'C3' AS TEXT)": "no UTF-8", LONG: "over-long"}
    return [Case(f"{table}.{column}{of}: {names.get(value, value)}", f"UPDATE {table} SET {column} = {value} WHERE {where}",
                 told=told, lifted=table) for value in values]


TEXTS = ["NULL", "''", "x'FF'", "CAST(x'C3' AS TEXT)", LONG]

POLICY = [
    *each("resources", "document", "uri = 'https://bad.example'", TEXTS, "resource https://bad.example"),
    *each("scopes", "document", "name = 'bad:read'", TEXTS, "scope bad:read"),
    # SQLite's driver reads NULL as 0 and as an empty text: a version that is followed, a secret that nothing opens.
    *each("scopes", "version", "name = 'bad:read'", ["NULL"], ""),
    *each("scopes", "version", "name = 'bad:read'", ["'x'"], "scope bad:read"),
    *each("clients", "document", "id = 'bad'", TEXTS, "client bad"),
    *each("clients", "id", "id = 'bad'", ["NULL", "''", "x'FF'"], "client"),
    *each("client_secrets", "phc", "client = 'bad'", ["x'FF'"], "secret"),
    *each("client_secrets", "phc", "client = 'bad'", ["NULL", "''", LONG, "replace(phc, 'm=19456', 'm=4294967295')"], ""),
    *each("client_secrets", "selector", "client = 'bad'", ["'x'", "-1"], "secret"),
    *each("client_secrets", "selector", "client = 'bad'", ["NULL"], ""),
    *each("client_secrets", "client", "client = 'bad'", ["NULL", "'nobody'"], ""),
    *each("client_secrets", "expires_at", "client = 'bad'", ["-5", "'x'"], ""),
]
PASSIVE = "kid = (SELECT kid FROM signing_keys WHERE state = 'passive' LIMIT 1)"
ACTIVE = "kid = (SELECT kid FROM signing_keys WHERE state = 'active' AND alg = 'EdDSA')"
STANDBY = "kid = (SELECT kid FROM signing_keys WHERE state = 'published' AND alg = 'EdDSA')"
KEYS = [
    *each("signing_keys", "public", PASSIVE, TEXTS, "signing key", " (passive)"),
    *each("signing_keys", "state", PASSIVE, ["NULL", "'gone'"], "signing key", " (passive)"),
    *each("signing_keys", "public", ACTIVE, ["NULL", "'null'", LONG], "signing key", " (active)"),
    *each("signing_keys", "sealed", ACTIVE, ["NULL", "x'00'", "zeroblob(2000000)"], "", " (active)"),
    *each("signing_keys", "activated_at", ACTIVE, ["NULL", "-1", "9223372036854775807"], "", " (active)"),
    *each("signing_keys", "alg", STANDBY, ["NULL", "'none'"], "signing key", " (standby)"),
    *each("signing_keys", "created_at", STANDBY, ["NULL", "'x'"], "signing key", " (standby)"),
    *each("signing_keys", "kid", STANDBY, ["''", "x'FF'"], "signing key", " (standby)"),
]
FACTS = [
    Case("facts.probe: null", "UPDATE facts SET value = NULL WHERE name = 'probe'", lifted="facts"),
    Case("facts.probe: gone", "DELETE FROM facts WHERE name = 'probe'"),
    Case("facts.policy_version: blank", "UPDATE facts SET value = '' WHERE name = 'policy_version'"),
    Case("facts.policy_version: garbage", "UPDATE facts SET value = 'many' WHERE name = 'policy_version'"),
    Case("facts.policy_version: over-long", f"UPDATE facts SET value = {LONG} WHERE name = 'policy_version'"),
    Case("facts.policy_version: null", "UPDATE facts SET value = NULL WHERE name = 'policy_version'",
         lifted="facts", refused="store.url"),
    Case("facts.policy_version: gone", "DELETE FROM facts WHERE name = 'policy_version'", refused="store.url"),
    Case("facts.ring_version: garbage", "UPDATE facts SET value = 'many' WHERE name = 'ring_version'", refused="keys"),
    Case("facts.ring_version: gone", "DELETE FROM facts WHERE name = 'ring_version'", refused="keys"),
    Case("facts.made_by: gone", "DELETE FROM facts WHERE name = 'made_by'", refused="store.url"),
    Case("facts.made_by: garbage", "UPDATE facts SET value = 'x' WHERE name = 'made_by'", refused="store.url"),
    Case("every signing key: garbage", "UPDATE signing_keys SET public = '{}'", refused="no signing key", stopped=True),
]
LOG = [
    Case("a body: a short salt", "UPDATE {bodies} SET salt = x'00' WHERE idx = 20", found=True),
    Case("a body: blank", "UPDATE {bodies} SET body = x'' WHERE idx = 20", found=True),
    Case("a body: null", "UPDATE {bodies} SET body = NULL WHERE idx = 20", lifted="{bodies}", found=True),
    Case("a body: garbage", "UPDATE {bodies} SET body = x'FFFE' WHERE idx = 20", found=True),
    Case("a body: over-long", "UPDATE {bodies} SET body = zeroblob(2000000) WHERE idx = 20", found=True),
    Case("a body of no entry", "INSERT INTO {bodies} VALUES (99999999, zeroblob(32), x'7B7D')"),
    Case("a receipt of no entry", "UPDATE {jtis} SET idx = 99999999 WHERE idx = 20"),
    Case("a receipt of a negative entry", "UPDATE {jtis} SET idx = -4 WHERE idx = 20"),
    Case("a month of no number", "CREATE TABLE log_bodies_often (idx INTEGER PRIMARY KEY)"),
    Case("an early entry: flipped", "UPDATE log_entries SET leaf = CAST(replace(CAST(leaf AS TEXT), 'v', 'w') AS BLOB) WHERE idx = 20",
         found=True),
    Case("an early entry: blank", "UPDATE log_entries SET leaf = x'' WHERE idx = 20", found=True),
    Case("an early entry: null", "UPDATE log_entries SET leaf = NULL WHERE idx = 20", lifted="log_entries", found=True),
    Case("an early entry: gone", "DELETE FROM log_entries WHERE idx = 20", found=True),
    Case("an early entry: over-long", "UPDATE log_entries SET leaf = zeroblob(70000) WHERE idx = 20", found=True),
    Case("an early entry, after a failed flush", "UPDATE log_entries SET leaf = x'7B7D' WHERE idx = 20",
         refused="entry 20", stopped=True, file="verify-needed"),
    Case("an early entry gone, after a failed flush", "DELETE FROM log_entries WHERE idx = 20",
         refused="the log is damaged", stopped=True, file="verify-needed"),
    Case("the last entry: flipped", "UPDATE log_entries SET leaf = CAST(replace(CAST(leaf AS TEXT), 'v', 'w') AS BLOB) "
         "WHERE idx = (SELECT max(idx) FROM log_entries)", refused="the log is damaged", stopped=True),
    Case("the last entry: null", "UPDATE log_entries SET leaf = NULL WHERE idx = (SELECT max(idx) FROM log_entries)",
         refused="store.url", stopped=True, lifted="log_entries"),
    Case("the last entry: gone", "DELETE FROM log_entries WHERE idx = (SELECT max(idx) FROM log_entries)",
         refused="the log is damaged", stopped=True),
    Case("an entry too many", "INSERT INTO log_entries SELECT max(idx) + 1, leaf FROM log_entries", refused="log_entries"),
    Case("a tile: flipped", "UPDATE log_tiles SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND n = 0",
         refused="store.url", stopped=True),
    Case("a tile: short", "UPDATE log_tiles SET hashes = x'00' WHERE level = 1 AND n = 0", refused="a tile", stopped=True),
    Case("a tile: null", "UPDATE log_tiles SET hashes = NULL WHERE level = 1 AND n = 0",
         refused="a tile", stopped=True, lifted="log_tiles"),
    Case("the head: another root", "UPDATE log SET root = zeroblob(32)", refused="the log is damaged", stopped=True),
    Case("the head: a short root", "UPDATE log SET root = x'00'", refused="a hash", stopped=True),
    Case("the head: smaller", "UPDATE log SET size = size - 7", refused="store.url", stopped=True),
    Case("the head: negative", "UPDATE log SET size = -1", refused="store.url", stopped=True),
    Case("the head: null", "UPDATE log SET size = NULL", refused="store.url", stopped=True, lifted="log"),
    Case("the log's row: gone", "DELETE FROM log", refused="store.url", stopped=True),
    Case("the log's key: garbage", "UPDATE log SET sealed_key = x'00'", refused="key", stopped=True),
    Case("the log's key, public: garbage", "UPDATE log SET vkey = 'x'", refused="key", stopped=True),
    Case("the checkpoint: garbage", "UPDATE log SET checkpoint = 'x'", stopped=True),
    Case("the checkpoint: null", "UPDATE log SET checkpoint = NULL", stopped=True),
]


def twins(cases):
    """The same damage to a store whose server is stopped."""
    return [replace(case, name=f"stopped, {case.name}", stopped=True) for case in cases]


@dataclass
class Seen:
    """What one case showed: names of what did not hold."""

    broken: list = field(default_factory=list)
    refusal: str = ""

    def hold(self, name, held):
        if not held:
            self.broken.append(name)
        return held


def names_of(database):
    """The month's tables."""
    with sqlite3.connect(database) as other:
        found = [name for name, in other.execute("SELECT name FROM sqlite_schema WHERE name GLOB 'log_*_[0-9]*'")]
    return {kind: next(name for name in found if name.startswith(f"log_{kind}_")) for kind in ("bodies", "jtis")}


def damage(database, case):
    """What the case puts into the store; the schema is afterwards what it was."""
    names = names_of(database)
    sql, lifted = case.sql, case.lifted
    for kind, name in names.items():
        sql, lifted = sql.replace(f"{{{kind}}}", name), lifted.replace(f"{{{kind}}}", name)
    other = sqlite3.connect(database, isolation_level=None, timeout=10)
    other.execute("PRAGMA foreign_keys = OFF")
    if lifted:
        strict, = other.execute("SELECT sql FROM sqlite_schema WHERE name = ?", [lifted]).fetchone()
        loose = strict.replace(" NOT NULL", "").replace(") STRICT", ")").replace(", WITHOUT ROWID", " WITHOUT ROWID")
        rewrite(other, lifted, loose)
        # Only a connection that comes later reads the schema as it is now.
        other.close()
        other = sqlite3.connect(database, isolation_level=None, timeout=10)
    changed = other.execute(sql).rowcount
    if lifted:
        rewrite(other, lifted, strict)
    other.close()
    if changed == 0:
        raise mintmark.Refused(f"{case.name}: changed no row")


def rewrite(other, table, sql):
    """Another text of a table's schema, as nobody should; no other process takes note of it."""
    other.execute("PRAGMA writable_schema = ON")
    other.execute("UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?", [sql, table])
    other.execute("PRAGMA writable_schema = OFF")


def entries(database):
    """How many entries the log has, and how many the head says."""
    with sqlite3.connect(database) as other:
        return other.execute("SELECT (SELECT count(*) FROM log_entries), (SELECT size FROM log)").fetchone()


def not_less(after, before):
    """Whether neither the entries nor the head's size went down; a size may be NULL or nonsense, and is then the same."""
    return after[0] >= before[0] and (after == before or after[1] is not None and after[1] >= before[1])


def said(server):
    """Everything that the server's processes have said so far."""
    return (server.home / "server.log").read_text(errors="replace")


def token(server, secret):
    """The status of a request of the good client."""
    connection = server.connect(timeout=10)
    try:
        return mintmark.request_token(connection, times.CLIENT, secret, times.scope("EdDSA"))[0]
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def look_alive(seen, server, secret, when):
    """A server that must serve."""
    seen.hold(f"{when}: the process lives", server.process.poll() is None)
    statuses = [token(server, secret) for _ in range(5)]
    seen.hold(f"{when}: a good client gets tokens, not {statuses}", statuses == [200] * 5)
    seen.hold(f"{when}: the JWKS answers", server.status("/.well-known/jwks.json") == 200)
    seen.hold(f"{when}: /livez answers", server.status("/livez") == 200)


def poke(server, number):
    """Acts that make a running server read its policy, and its keys and log."""
    acts = [("scope", "set", f"poke{number}:read", "--resource", "https://api.example/eddsa", "--limit", "9/1s"), ("key", "list"),
            ("client", "list"), ("audit", "search", "--client", "bad"), ("key", "rotate", "--alg", "EdDSA", "--now")]
    return [server.run(*act, "--admin", f"unix:{server.socket}", "-o", "json")[0] for act in acts]


def exported(server):
    """Whether an export of the whole log comes about and verifies."""
    try:
        vkey = server.export(server.home / "export.ndjson")
    except mintmark.Refused as error:
        return f"no export: {str(error)[-200:]}"
    code, out, err = server.run("audit", "verify", "export.ndjson", "--vkey", str(vkey), "-o", "json")
    return "" if code == 0 else (out or err).strip()[-300:]


def start(server, seen, case, before):
    """Starts on the damaged store; whether it serves. A refusal must be one line that says what."""
    began = (server.home / "server.log").stat().st_size
    server.start()
    try:
        server.wait_ready(timeout=15)
        return True
    except mintmark.Refused:
        pass
    if server.process.poll() is None:
        # It lives, and says what is in the way.
        return True
    with open(server.home / "server.log", encoding="utf-8", errors="replace") as log:
        log.seek(began)
        lines = [line.strip() for line in log if line.strip()]
    errors = [line for line in lines if not line.startswith("{")]
    seen.refusal = " | ".join(errors)[:300]
    seen.hold(f"the start is not refused: {seen.refusal}", case.refused)
    seen.hold("a refusal is one line", len(errors) == 1)
    seen.hold("a refusal is no panic", "panicked" not in seen.refusal)
    seen.hold(f"a refusal names what: {case.refused}", case.refused in seen.refusal)
    seen.hold("a refusal has an exit code", server.process.returncode not in (0, 101) and server.process.returncode > 0)
    seen.hold("a refusal cuts nothing off the log", not_less(entries(server.home / "data" / "mintmark.db"), before))
    return False


def run(args, prepared, secret, case, number):
    """One case, on a copy of the prepared store."""
    home = Path(tempfile.mkdtemp(prefix="mintmark-bad-rows-"))
    shutil.copytree(prepared, home, dirs_exist_ok=True)
    server = mintmark.Server(args.binary, home, env=prepared_env())
    database, seen = home / "data" / "mintmark.db", Seen()
    try:
        if not case.stopped:
            server.start().wait_ready()
            damage(database, case)
            poke(server, number)
            if case.told and not case.told.startswith("signing key"):
                # A key's row is written whole by the next step of its ring, as the running server knows it.
                seen.hold(f"running: the log names it: {case.told}", case.told in said(server))
            if not case.refused:
                look_alive(seen, server, secret, "running")
            seen.hold("running: the process lives", server.process.poll() is None)
            # Not SIGTERM: a good end is not what a damaged store is looked at after.
            server.kill()
        else:
            damage(database, case)
        if case.file:
            (database.parent / case.file).touch()
        before = entries(database)
        if start(server, seen, case, before):
            look_alive(seen, server, secret, "restarted")
            poke(server, number + 1000)
            if case.told and (case.stopped or not case.told.startswith("signing key")):
                seen.hold(f"the log names it: {case.told}", case.told in said(server))
            complaint = exported(server)
            seen.hold("the damage is found by an export and its verification", complaint or not case.found)
            seen.hold(f"the log verifies: {complaint}", case.found or not complaint)
            seen.hold("SIGTERM ends with 0", server.stop() == 0)
    finally:
        server.stop()
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)
    return seen


def prepared_env():
    """The settings of every server here."""
    return {"MINTMARK_KEYS__ALGORITHMS": ",".join(ALGORITHMS)}


def prepare(args, home):
    """A stopped server whose log has more than a tile, with a client that will be damaged; gives the good one's secret."""
    server = mintmark.Server(args.binary, home, env=prepared_env())
    server.init()
    server.start().wait_ready()
    secret = times.register(server, ALGORITHMS)
    server.admin("resource", "set", "https://bad.example")
    server.admin("scope", "set", "bad:read", "--resource", "https://bad.example", "--limit", "10/1s")
    server.admin("client", "create", "bad", "--scope", "bad:read")
    for _ in range(300):
        if token(server, secret) != 200:
            raise mintmark.Refused("no token before any damage")
    server.admin("key", "rotate", "--now")
    server.stop()
    shutil.rmtree(home / "run", ignore_errors=True)
    return secret


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--only", default="", help="only cases whose name begins so")
    args = parser.parse_args()
    prepared = Path(tempfile.mkdtemp(prefix="mintmark-prepared-"))
    cases = [case for case in POLICY + KEYS + FACTS + LOG + twins(POLICY + KEYS) if case.name.startswith(args.only)]
    broken, refusals, case = {}, {}, None
    begin = time.monotonic()
    try:
        secret = prepare(args, prepared)
        for number, case in enumerate(cases):
            seen = run(args, prepared, secret, case, number)
            if seen.broken:
                broken[case.name] = seen.broken
            if seen.refusal:
                refusals[case.name] = seen.refusal
    except (mintmark.Refused, sqlite3.Error, subprocess.TimeoutExpired) as error:
        report.end({"error": f"{case.name if case else 'before any case'}: {error}"}, {"the run came to its end": False})
    finally:
        shutil.rmtree(prepared, ignore_errors=True)
    report.end({"cases": len(cases), "seconds": round(time.monotonic() - begin), "refusals": refusals, "broken": broken},
               {"each case was seen": len(cases) > 0, "each case ends as it must": not broken})


if __name__ == "__main__":
    main()
