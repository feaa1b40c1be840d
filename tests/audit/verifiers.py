"""The two verifiers, asked the same: the real program as its users run it, and the one beside this file."""

import functools
import json
import os
import subprocess
from dataclasses import dataclass

from mintmark_audit.export import read_rest
from mintmark_audit.faults import Wrong
from mintmark_audit.note import read_vkey
from mintmark_audit.verify import verify_export


# Seconds that a verdict may take on a busy machine; it takes a fraction of one.
PATIENCE = 120


@dataclass(frozen=True)
class Said:
    """What a verifier said of a file; `broken` when it gave no verdict at all."""

    ok: bool
    index: int | None
    reason: str
    broken: bool = False


# What a line says by itself is the same in each of the many copies of a log.
remembered = functools.lru_cache(maxsize=100_000)(read_rest)


def python(export, vkey, anchor=None):
    """What the verifier beside this file says."""
    try:
        verdict = verify_export(export, read_vkey(vkey), anchor and anchor.decode(), remembered)
    except (Wrong, UnicodeDecodeError) as error:
        return Said(False, None, str(error))
    return Said(verdict.ok, verdict.first_bad_index, verdict.reason or "")


class Product:
    """`mintmark audit verify`, over files in a folder of its own."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("MINTMARK_")}

    def __call__(self, export, vkey, anchor=None):
        command = [self.binary, "audit", "verify", self.write("export", export), "--vkey", self.write("vkey", vkey),
                   "-o", "json"]
        if anchor is not None:
            command += ["--checkpoint", self.write("checkpoint", anchor)]
        try:
            done = subprocess.run(command, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return Said(False, None, f"no verdict within {PATIENCE} s", broken=True)
        if done.returncode in (0, 1) and done.stdout:
            verdict = json.loads(done.stdout)
            agrees = verdict["ok"] == (done.returncode == 0)
            return Said(verdict["ok"], verdict["first_bad_index"], verdict["reason"] or "", broken=not agrees)
        # A key or a checkpoint that is none is refused before the file is looked at.
        refused = done.returncode in (1, 2) and done.stderr.startswith(b"error:")
        return Said(False, None, done.stderr.decode(errors="replace").strip(), broken=not refused)

    def write(self, name, raw):
        file = self.folder / name
        file.write_bytes(raw)
        return str(file)
