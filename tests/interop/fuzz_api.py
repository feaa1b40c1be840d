#!/usr/bin/env python3
"""Schemathesis over both OpenAPI documents, all of its checks, against a real server.

Starts `mintmark serve` in a temporary directory and asks it for as long as `--minutes` says, in three parts:
the admin API on its Unix socket (through a forwarder on loopback, since Schemathesis knows no
such sockets), the admin API over TCP with a bearer token, and the public API as a client. What
counts as a refusal of a good request is told in `fuzz_api.toml` beside this file. Prints `ok` or `FAIL`
lines; the findings themselves go to `--out`. It needs `schemathesis` 4 beside this Python.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import server as mintmark  # noqa: E402

ADMIN_SCOPES = "admin:audit admin:clients admin:keys admin:limits admin:read"


def forward(path):
    """A loopback port whose connections end at the Unix socket `path`."""
    door = socket.create_server(("127.0.0.1", 0))

    def copy(source, sink):
        try:
            while chunk := source.recv(65536):
                sink.sendall(chunk)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept():
        while True:
            try:
                near, _ = door.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(str(path))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=copy, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return door


def schemathesis(what, document, url, args, out, *more):
    """One run; True when it found nothing."""
    tool = Path(sys.executable).with_name("schemathesis")
    tool = str(tool) if tool.exists() else shutil.which("schemathesis")
    if not tool:
        print("FAIL schemathesis is missing: pip install 'schemathesis>=4,<5'")
        return False
    seconds = max(20, int(args.minutes * 60 / 3))
    command = [
        tool, "--config-file", str(HERE / "fuzz_api.toml"), "run", str(document), "--url", url,
        "--checks", "all", "--max-time", str(seconds), "--continue-on-failure", "--workers", "2",
        *([] if args.seed is None else ["--seed", str(args.seed)]), *more,
    ]
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "160"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 2 + 120, env=environment,
                          cwd=out)
    (out / f"{what}.txt").write_text(done.stdout + done.stderr)
    cases = [line.strip() for line in done.stdout.splitlines() if "generated" in line]
    told = cases[-1] if cases else done.stderr.strip()[-200:]
    good = done.returncode == 0 and bool(cases)
    print(f"{'ok' if good else 'FAIL'} schemathesis {what}: {told}" + ("" if good else f"; see {out / what}.txt"))
    sys.stdout.flush()
    return good


def document(url, file):
    """The document as it is served."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        file.write_bytes(answer.read())
    return file


def bearer(server, secret):
    """An access token for the admin API; it is good for five minutes."""
    connection = server.connect()
    status, body = mintmark.request_token(connection, "ops", secret, ADMIN_SCOPES)
    connection.close()
    if status != 200:
        raise mintmark.Refused(f"no token for the admin API: {body}")
    return body["access_token"]


def fuzz(server, tcp, args, out):
    """All three parts; True when none found anything."""
    secret = server.register("fuzzed")
    ops = server.admin("client", "create", "ops", "--scope", ADMIN_SCOPES)["client_secret"]
    door = forward(server.socket)
    by_socket = f"http://127.0.0.1:{door.getsockname()[1]}"
    public = document(f"{server.url}/openapi.json", out / "openapi.json")
    admin = document(f"{by_socket}/admin/openapi.json", out / "openapi-admin.json")
    client = mintmark.basic("fuzzed", secret)
    good = schemathesis("public", public, server.url, args, out, "-H", f"Authorization: {client}",
                        "--exclude-checks", "ignored_auth")
    # First while its client and scopes are as they were made, and for no longer than a token lives.
    short = argparse.Namespace(minutes=min(args.minutes, 12), seed=args.seed)
    good &= schemathesis("tcp", admin, tcp, short, out, "-H", f"Authorization: Bearer {bearer(server, ops)}",
                         "--include-method", "GET")
    good &= schemathesis("admin", admin, by_socket, args, out, "--exclude-checks", "ignored_auth")
    door.close()
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", nargs="?", default="target/debug/mintmark")
    parser.add_argument("--minutes", type=float, default=1, help="how long, all three parts together")
    parser.add_argument("--seed", type=int, help="the same requests again")
    parser.add_argument("--out", type=Path, help="where the findings go; a temporary directory unless given")
    args = parser.parse_args()
    out = (args.out or Path(tempfile.mkdtemp(prefix="mintmark-fuzz-"))).resolve()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mintmark-fuzzed-") as home:
        port = mintmark.free_port()
        server = mintmark.Server(args.binary, home, env={"MINTMARK_ADMIN__LISTEN": f"127.0.0.1:{port}"})
        server.init()
        server.start()
        try:
            server.wait_ready()
            good = fuzz(server, f"http://127.0.0.1:{port}", args, out)
            left = json.loads(urllib.request.urlopen(f"{server.url}/readyz", timeout=5).read())
            print(f"{'ok' if left['ready'] else 'FAIL'} the server is ready afterwards")
            good &= left["ready"]
        except (mintmark.Refused, OSError, subprocess.TimeoutExpired) as error:
            print(f"FAIL schemathesis: {error}")
            good = False
        code = server.stop()
        if code != 0:
            print(f"FAIL SIGTERM ended the server with {code}\n{server.log_tail()}")
            good = False
        shutil.copy(Path(home) / "server.log", out / "server.log")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
