#!/usr/bin/env python3
"""What a service manager hears of a running server: sd_notify(3), and how it stops. Usage: service.py BINARY.

Standard library only. It stands in the place of systemd: a datagram socket whose name is in `NOTIFY_SOCKET`.
"""

import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import server as mintmark  # noqa: E402
from checks import Checks  # noqa: E402

PATIENCE = 20.0


class Manager:
    """Hears everything, in its order."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.heard = []

    def hears(self, word, timeout=PATIENCE):
        """The next message that begins with `word`; those before it are passed over, signs of life too."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                message = self.socket.recv(4096).decode()
            except TimeoutError:
                return None
            self.heard.append((time.monotonic(), message))
            if message.startswith(word):
                return message
        return None


def main():
    checks = Checks("service manager")
    with tempfile.TemporaryDirectory(prefix="mintmark-service-") as home:
        home = Path(home)
        manager = Manager(home / "notify")
        server = mintmark.Server(sys.argv[1], home / "node")
        try:
            server.init()
            server.start(env={"NOTIFY_SOCKET": str(home / "notify"), "WATCHDOG_USEC": "1000000"})
            checks.check("it hears READY=1", manager.hears("READY=1"), manager.heard)
            checks.check("and then the server is ready", server.status("/readyz") == 200)
            begin = time.monotonic()
            beats = [manager.hears("WATCHDOG=1") for _ in range(4)]
            checks.check("it hears WATCHDOG=1 at half of the limit", all(beats) and time.monotonic() - begin < 4, manager.heard)
            os.kill(server.pid(), signal.SIGHUP)
            told = manager.hears("RELOADING=1")
            checks.check("at SIGHUP it hears RELOADING=1 with the time", told and "MONOTONIC_USEC=" in told, told)
            checks.check("and READY=1 again", manager.hears("READY=1"), manager.heard)
            checks.check("the server still serves", server.status("/livez") == 200)
            begin = time.monotonic()
            os.kill(server.pid(), signal.SIGTERM)
            checks.check("at SIGTERM it hears STOPPING=1", manager.hears("STOPPING=1"), manager.heard)
            status, headers, _ = server.get("/readyz")
            checks.check("readiness goes while the door is open", status == 503, status)
            checks.check("and every answer is the last on its connection", headers["Connection"] == "close", headers.items())
            checks.check("the end is 0", server.process.wait(timeout=PATIENCE) == 0, server.log_tail())
            took = time.monotonic() - begin
            checks.check("after the farewell of a second", 0.9 < took < 10, took)
            server.start().wait_ready()
            begin = time.monotonic()
            os.kill(server.pid(), signal.SIGINT)
            checks.check("SIGINT ends with 0", server.process.wait(timeout=PATIENCE) == 0)
            checks.check("without waiting", time.monotonic() - begin < 0.9, time.monotonic() - begin)
        finally:
            server.stop()
    checks.end()


if __name__ == "__main__":
    main()
