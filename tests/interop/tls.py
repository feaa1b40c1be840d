#!/usr/bin/env python3
"""TLS of a running server by its effect, seen by OpenSSL: versions, protocols, reload, refusals, `healthcheck`.

Usage: tls.py BINARY. Makes its certificates by the openssl command. Standard library only.
"""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import server as mintmark  # noqa: E402
from checks import Checks  # noqa: E402

PATIENCE = 20.0


def make_pair(folder, name):
    """A certificate for localhost and its key."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    key.chmod(0o600)
    return cert, key


def put(pair, folder):
    """Into the place that is configured, each file in one step."""
    for source, name, mode in zip(pair, ("cert.pem", "key.pem"), (0o644, 0o600)):
        new = folder / f"{name}.new"
        new.write_bytes(source.read_bytes())
        new.chmod(mode)
        os.replace(new, folder / name)


def context(least=ssl.TLSVersion.TLSv1_2, most=ssl.TLSVersion.TLSv1_3, alpn=()):
    """A client that takes any certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    # Else it is OpenSSL that refuses the old ones, not the server.
    made.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made.minimum_version, made.maximum_version = least, most
    if alpn:
        made.set_alpn_protocols(list(alpn))
    return made


def connect(port, made):
    return made.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE), server_hostname="localhost")


def shown(port):
    """The certificate that a new connection sees."""
    with connect(port, context()) as connection:
        return connection.getpeercert(binary_form=True)


def der(pair):
    return ssl.PEM_cert_to_DER_cert(pair[0].read_text())


def get(port, path):
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE, context=context())
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def until(true):
    """Whether it becomes true in time."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if true():
                return True
        except OSError:
            pass
        time.sleep(0.05)
    return False


def check_versions(checks, port):
    old = [("TLS 1.0", ssl.TLSVersion.TLSv1), ("TLS 1.1", ssl.TLSVersion.TLSv1_1)]
    for name, version in old:
        checks.refuses(f"{name} is refused", lambda version=version: connect(port, context(version, version)).version(),
                       (ssl.SSLError, ConnectionError))
    for name, version in (("TLSv1.2", ssl.TLSVersion.TLSv1_2), ("TLSv1.3", ssl.TLSVersion.TLSv1_3)):
        with connect(port, context(version, version)) as connection:
            checks.check(f"{name} is spoken", connection.version() == name, connection.version())
            checks.check(f"{name} by an AEAD suite", any(word in connection.cipher()[0] for word in ("GCM", "CHACHA20")),
                         connection.cipher())
    for offered, chosen in ((("http/1.1",), "http/1.1"), (("h2", "http/1.1"), "h2"), ((), None)):
        with connect(port, context(alpn=offered)) as connection:
            checks.check(f"ALPN of {offered} is {chosen}", connection.selected_alpn_protocol() == chosen,
                         connection.selected_alpn_protocol())
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain:
        plain.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            said = plain.recv(4096)
        except ConnectionResetError:
            said = b""
        checks.check("plain HTTP gets no answer", not said.startswith(b"HTTP/"), said)


def check_reload(checks, server, folder, pairs):
    first, second, third = pairs
    port = server.port
    kept = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context())
    kept.request("GET", "/livez")
    kept.getresponse().read()
    checks.check("the configured certificate is shown", shown(port) == der(first))
    put(second, folder)
    checks.check("a new pair is taken up by itself", until(lambda: shown(port) == der(second)))
    kept.request("GET", "/livez")
    checks.check("an open connection goes on", kept.getresponse().read() == b"alive\n")
    # A certificate without its key.
    (folder / "cert.pem").write_bytes(third[0].read_bytes())
    os.kill(server.pid(), signal.SIGHUP)
    told = until(lambda: b"certificates: works, but" in get(port, "/readyz")[1])
    status, body = get(port, "/readyz")
    checks.check("a pair that is none is told, and the service stays ready", told and status == 200, body)
    checks.check("and the one before stays in force", shown(port) == der(second))
    put(third, folder)
    os.kill(server.pid(), signal.SIGHUP)
    checks.check("the whole pair is taken up", until(lambda: shown(port) == der(third)))
    checks.check("and nothing is left to complain about",
                 until(lambda: not json.loads(get(port, "/readyz")[1])["complaints"]), get(port, "/readyz"))
    log = (server.home / "server.log").read_text()
    checks.check("the log told the bad pair once for each change", 1 <= log.count("is not taken up") <= 2, log.count("is not taken up"))


def check_commands(checks, server, folder, pairs):
    code, out, err = server.run("healthcheck")
    checks.check("healthcheck works with TLS", code == 0, (code, out, err))
    put((pairs[0][0], pairs[1][1]), folder)
    code, out, err = server.run("check")
    checks.check("check refuses a pair that is none", code == 2 and err.startswith("public.tls_key_file: "), (code, err))
    put(pairs[0], folder)
    (folder / "key.pem").chmod(0o644)
    code, out, err = server.run("check")
    checks.check("check refuses a key that others can read", code == 2 and "chmod 600" in err, (code, err))
    (folder / "key.pem").chmod(0o600)
    code, out, err = server.run("check")
    checks.check("check takes what is right", code == 0, (code, err))


def main():
    checks = Checks("TLS")
    with tempfile.TemporaryDirectory(prefix="mintmark-tls-") as home:
        home = Path(home)
        folder = home / "tls"
        folder.mkdir(mode=0o700)
        pairs = [make_pair(home, name) for name in ("first", "second", "third")]
        put(pairs[0], folder)
        server = mintmark.Server(sys.argv[1], home / "node", env={
            "MINTMARK_PUBLIC__TLS_CERT_FILE": str(folder / "cert.pem"), "MINTMARK_PUBLIC__TLS_KEY_FILE": str(folder / "key.pem")})
        try:
            server.init()
            server.start()
            checks.check("the server is ready", until(lambda: get(server.port, "/readyz")[0] == 200), server.log_tail())
            check_versions(checks, server.port)
            check_reload(checks, server, folder, pairs)
            check_commands(checks, server, folder, pairs)
            checks.check("SIGTERM ends with 0", server.stop() == 0)
        finally:
            server.stop()
    checks.end()


if __name__ == "__main__":
    main()
