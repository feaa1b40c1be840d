"""What must be true of the log when the noise is over: each received token is in it, and it verifies."""

import time

import report  # noqa: F401  (names the folder of the shared client)
import server as mintmark


class Logged:
    """The exported log of a running server beside the tokens that clients hold.

    `held` are the received `jti` in their order, `kept` checkpoints from before the noise.
    """

    def __init__(self, server, held, kept=()):
        self.held = held
        # Requests of several connections were under way at the end, so that the last may not be the last one recorded.
        self.covered = bool(held) and all(wait_for_checkpoint(server, jti) for jti in held[-20:])
        export = server.home / "export.ndjson"
        vkey = server.export(export)
        self.tokens = mintmark.exported_tokens(export)
        self.missing = set(held) - set(self.tokens)
        self.runs = verify(server, export, vkey, kept)

    def verified(self):
        """Whether every run of `audit verify` ended with 0."""
        return all(run[0] == 0 for run in self.runs)

    def figures(self):
        """For the result."""
        return {
            "tokens_received": len(self.held), "tokens_logged": len(self.tokens),
            "received_but_not_logged": len(self.missing), "examples": sorted(self.missing)[:5],
            "logged_but_not_received": len(set(self.tokens) - set(self.held)),
            "verify_exit_codes": [run[0] for run in self.runs],
            "verify": [(run[1] or run[2]).strip()[-400:] for run in self.runs if run[0] != 0],
        }

    def verdicts(self):
        """What must hold."""
        return {
            "the last token is under a checkpoint": self.covered,
            "every received token is logged": not self.missing,
            "no jti is logged twice": len(set(self.tokens)) == len(self.tokens),
            "no jti was received twice": len(set(self.held)) == len(self.held),
            "the log verifies": self.verified(),
        }


def wait_for_checkpoint(server, jti):
    """Until a token is under a checkpoint, so that the export can hold it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if server.status(f"/log/proof?jti={jti}", timeout=10) == 200:
            return True
        time.sleep(0.2)
    return False


def verify(server, export, vkey, kept):
    """`audit verify` of the export, alone and against each checkpoint that was kept: exit code, output, errors."""
    runs = [server.run("audit", "verify", str(export), "--vkey", str(vkey), "-o", "json", timeout=300)]
    for number, note in enumerate(kept):
        file = server.home / f"checkpoint-{number}"
        file.write_bytes(note)
        runs.append(server.run("audit", "verify", str(export), "--vkey", str(vkey),
                               "--checkpoint", str(file), "-o", "json", timeout=300))
    return runs
