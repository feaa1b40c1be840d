"""The command line of aics-tlog on a running server: `verify-checkpoint`, `-inclusion`, `-consistency`.

Each prints one JSON object and exits 0 or 1.
"""

import base64
import json
import subprocess
import sys

import aics_tlog

from checks import Checks
from copies import serve
from judges import another_vkey


def ran(server, *arguments):
    """(accepted, what it printed); an exit code that does not fit the verdict is a broken program."""
    env = server.env | {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run([sys.executable, "-m", "aics_tlog", *map(str, arguments)], cwd=server.home, env=env,
                          capture_output=True, text=True, timeout=120)
    if done.returncode not in (0, 1) or not done.stdout.strip():
        raise ValueError(f"{arguments}: exit {done.returncode}: {done.stderr}")
    report = json.loads(done.stdout)
    if report["ok"] != (done.returncode == 0):
        raise ValueError(f"{arguments}: exit {done.returncode} and {report}")
    return report["ok"], report


def check_commands(server, vkey, kept, whole, fork, home):
    """Each command once right and once wrong; gives the number of failures."""
    checks = Checks("aics-tlog's command line")
    url, fork_url = f"{server.url}/log/", f"{serve(fork.folder.parent)}log/"
    stranger = another_vkey(vkey, home / "stranger.vkey")

    def accepts(what, *arguments):
        accepted, report = ran(server, *arguments)
        checks.check(f"accepts {what}", accepted, report)

    def refuses(what, *arguments):
        accepted, report = ran(server, *arguments)
        checks.check(f"refuses {what}", not accepted, report)

    trust, origin = ("--vkey-file", vkey), ("--origin", "mintmark.test/log")
    accepts("the checkpoint of the server", "verify-checkpoint", "--tiles", url, *trust, *origin)
    accepts("a checkpoint that was kept", "verify-checkpoint", "--note", kept, *trust, *origin)
    refuses("a checkpoint by another key", "verify-checkpoint", "--note", kept, "--vkey-file", stranger)
    refuses("a checkpoint of another origin", "verify-checkpoint", "--note", kept, *trust, "--origin", "a.test/log")

    index = whole.head.size // 2
    leaf, other = home / "leaf", home / "other-leaf"
    leaf.write_bytes(whole.entries[index])
    other.write_bytes(whole.entries[index + 1])
    at = ("--index", index, "--tiles", url, *trust)
    accepts(f"entry {index}", "verify-inclusion", "--leaf", leaf, *at)
    refuses("another entry at that place", "verify-inclusion", "--leaf", other, *at)
    check_proof_file(checks, server, whole, leaf, other, home)

    grown = ("verify-consistency", "--old-checkpoint", kept, *trust, "--tiles")
    accepts("that the log has grown since", *grown, url)
    refuses("a fork of what was kept", "verify-consistency", "--old-checkpoint", whole.checkpoint, *trust,
            "--tiles", fork_url)
    return checks.failed


def check_proof_file(checks, server, whole, leaf, other, home):
    """The mode without a log: everything by file and number."""
    index, head = whole.head.size // 2, whole.head
    tiles = aics_tlog.FileSystemTileReader(whole.folder)
    proof = home / "proof"
    hashes = aics_tlog.inclusion_proof_from_tiles(tiles, index, head.size)
    proof.write_text("".join(f"{base64.b64encode(digest).decode()}\n" for digest in hashes))
    root = base64.b64encode(head.root).decode()
    numbers = ("--index", index, "--size", head.size, "--root", root, "--proof", proof)
    accepted, report = ran(server, "verify-inclusion", "--leaf", leaf, *numbers)
    checks.check("accepts a proof in a file", accepted, report)
    accepted, report = ran(server, "verify-inclusion", "--leaf", other, *numbers)
    checks.check("refuses that proof for another entry", not accepted, report)
