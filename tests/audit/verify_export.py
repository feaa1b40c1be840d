#!/usr/bin/env python3
"""Verifies an export of Mintmark's log, or the public log of a running server, without Mintmark's code.

Prints one JSON object with the members of `mintmark audit verify -o json`; exit 0 when everything
that could be checked holds, 1 when not. Needs the package `cryptography`.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from mintmark_audit.faults import Wrong
from mintmark_audit.note import read_vkey
from mintmark_audit.served import as_text, verify_served
from mintmark_audit.verify import Verdict, verify_export


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="a file that `mintmark audit export` wrote")
    parser.add_argument("--url", help="the public listener of a server, such as http://127.0.0.1:8080")
    parser.add_argument("--vkey", required=True, type=Path, help="a file with the log's key, from a place you trust")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint that you kept")
    args = parser.parse_args()
    if (args.file is None) == (args.url is None):
        parser.error("either a file or --url")
    try:
        vkey = read_vkey(args.vkey.read_bytes())
        older = as_text(args.checkpoint.read_bytes()) if args.checkpoint else None
        if args.url:
            verdict = verify_served(args.url.rstrip("/") + "/log/", vkey, older)
        else:
            verdict = verify_export(args.file.read_bytes(), vkey, older)
    except Wrong as wrong:
        verdict = Verdict(reason=wrong.reason)
    except OSError as error:
        verdict = Verdict(reason=str(error))
    print(json.dumps(dataclasses.asdict(verdict), ensure_ascii=False))
    sys.exit(0 if verdict.ok else 1)


if __name__ == "__main__":
    main()
