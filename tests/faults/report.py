"""How the fault programs begin and end: the path of the shared client, one JSON object, an exit code."""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))


def parser(text):
    """The arguments that all of them take."""
    made = argparse.ArgumentParser(description=text)
    made.add_argument("binary", nargs="?", default=str(ROOT / "target/release/mintmark"))
    made.add_argument("--keep", action="store_true", help="leave the server's directory for a look")
    return made


def end(result, verdicts):
    """Prints the result with its verdicts and exits: 0 only when each verdict is true."""
    result["verdicts"] = {name: bool(value) for name, value in verdicts.items()}
    result["ok"] = all(result["verdicts"].values())
    print(json.dumps(result, indent=2))
    sys.exit(0 if result["ok"] else 1)
