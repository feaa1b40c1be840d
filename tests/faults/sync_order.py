#!/usr/bin/env python3
"""Shows by system calls that no token leaves before its record is synced to the disk.

Runs `mintmark serve` under strace, asks for tokens from several clients, each over requests of
its own, and lets syscalls.py judge every socket write that carries an access token: after its
request was read, the write-ahead log was written and then synced, all before the write began.
Then the counter-check: the same trace with its syncs struck out must not pass.
Needs strace. Prints one JSON object.
"""

import shutil
import tempfile
import threading
from pathlib import Path

import report
import server as mintmark
import syscalls

CALLS = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,pwritev,pwritev2,fsync,fdatasync"


def strace(out):
    """Names descriptors (-y), follows threads (-f), keeps enough of each buffer to see the token's name."""
    return ["strace", "-f", "-y", "-s", "2048", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(out)]


def ask(server, secret, count, clients):
    """`count` tokens over `clients` connections; gives how many arrived."""
    received = []

    def one(share):
        connection = server.connect(timeout=30)
        for _ in range(share):
            status, body = mintmark.request_token(connection, "load", secret)
            if status == 200:
                received.append(body["access_token"])
        connection.close()

    shares = [count // clients + (number < count % clients) for number in range(clients)]
    threads = [threading.Thread(target=one, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(set(received))


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--tokens", type=int, default=300)
    parser.add_argument("--clients", type=int, default=4)
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mintmark-sync-"))
    server = mintmark.Server(args.binary, home)
    out = home / "strace.txt"
    try:
        server.init()
        server.start(wrap=strace(out)).wait_ready(timeout=60)
        received = ask(server, server.register(), args.tokens, args.clients)
        stopped = server.stop(timeout=60)
        calls = syscalls.parse(out.read_text(errors="replace").splitlines())
    except mintmark.Refused as error:
        report.end({"error": str(error)}, {"the run came to its end": False})
    finally:
        server.stop()
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)
    good, complaints = syscalls.judge(calls)
    blind, _ = syscalls.judge([call for call in calls if call.name not in syscalls.SYNCS])
    syncs = sum(call.name in syscalls.SYNCS and syscalls.is_wal(call) for call in calls)
    report.end({
        "tokens_received": received, "tokens_in_order": good, "complaints": len(complaints),
        "examples": complaints[:5], "syncs_of_the_log": syncs, "calls_seen": len(calls),
        "in_order_without_syncs": blind, "exit_code_of_sigterm": stopped,
    }, {
        "every request got its token": received == args.tokens,
        "every token was seen leaving": good + len(complaints) == received,
        "every token left after its sync": not complaints,
        "the oracle refuses a trace without syncs": blind == 0,
    })


if __name__ == "__main__":
    main()
