#!/usr/bin/env python3
"""Forges a real log in thousands of ways and asks two verifiers, which share no code, about each.

A server issues the log; `mintmark audit verify` and verify_export.py beside this file must both see
every forgery, and must say the same: whether it holds, and which index is the first bad one. Where
a file has what it takes, that index must be the first that differs from the true log. Each forgery
follows from the seed and its number. Needs the package `cryptography`. Prints one JSON object.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import forge
import logs
import make_log
import verifiers
from mintmark_audit.note import read_vkey
from mintmark_audit.served import verify_served

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "faults"))
import report  # noqa: E402

SHOWN = 10


def scenes_of(made, foreign):
    """What forgers start from: most of the time the whole log, else an export of its middle."""
    other = logs.Log(foreign.export)
    return [forge.Scene(logs.Log(export), made.vkey, made.kept, other, foreign.vkey, foreign.kept)
            for export in (made.export, made.middle)]


class Campaign:
    """Everything that a worker needs; workers get it by being forked."""

    def __init__(self, args, made, foreign, folder):
        self.seed, self.binary = args.seed, str(Path(args.binary).resolve())
        self.made, self.scenes, self.folder = made, scenes_of(made, foreign), folder
        self.product = None

    def forgery(self, number):
        """The forgery with this number, its kind and its scene; None where a chance gave the true log again."""
        chance = random.Random(f"{self.seed}/{number}")
        kind = chance.choices(list(forge.KINDS), list(forge.KINDS.values()))[0]
        scene = self.scenes[chance.random() < 0.15]
        made = kind(chance, scene)
        if made is None or (made.export == scene.log.export and made.vkey is None and made.anchor is None):
            return kind.__name__, None
        if made.anchor is None and chance.random() < 0.5:
            made.anchor = chance.choice(scene.kept)
        return kind.__name__, made

    def judge(self, number):
        """One forgery: what both say of it, and what of that is wrong."""
        kind, forgery = self.forgery(number)
        if forgery is None:
            return {"kind": kind, "skipped": True}
        if self.product is None:
            own = self.folder / f"worker-{os.getpid()}"
            own.mkdir(exist_ok=True)
            self.product = verifiers.Product(self.binary, own)
        asked = (forgery.export, forgery.vkey or self.made.vkey, forgery.anchor)
        product, python = self.product(*asked), verifiers.python(*asked)
        exact = [said.index == forgery.index for said in (product, python)]
        result = {
            "number": number, "kind": kind, "soft": forgery.soft, "index": forgery.index,
            "product": not product.ok and not product.broken, "python": not python.ok,
            "agree": (product.ok, product.index) == (python.ok, python.index) and not product.broken,
            "exact": all(exact), "said": [[said.index, said.reason] for said in (product, python)],
        }
        result["good"] = (result["product"] and result["python"] and result["agree"]
                          and (forgery.soft or result["exact"]))
        return result

    def controls(self, folder):
        """What must hold is found sound by both, with each checkpoint; also a rollback that nobody's checkpoint shows."""
        product = verifiers.Product(self.binary, folder)
        whole = self.scenes[0].log
        size = make_log.size_of(self.made.kept[0])
        header = whole.header | {"end": size, "checkpoint": self.made.kept[0].decode()}
        older = logs.line_of(header) + b"".join(whole.lines[1:1 + size])
        files = [(whole.export, None), (older, None), (self.made.middle, None)]
        files += [(export, note) for export in (whole.export, self.made.middle) for note in self.made.kept]
        return [say(export, self.made.vkey, anchor).ok for export, anchor in files for say in (product, verifiers.python)]


def work(number):
    return campaign.judge(number)


def made_logs(args, folder):
    """The log and the stranger's, made by two servers, or taken from an earlier run; and what the walks of both gave."""
    if args.logs:
        return [make_log.Made.load(args.logs / name) for name in ("true", "foreign")], []
    made, walks = [], []
    for name, records in (("true", args.records), ("foreign", max(args.records // 8, 100))):
        made.append(make_log.make(args.binary, folder / name, records, lambda *seen: walks.extend(walk(*seen))))
        if args.save:
            made[-1].save(args.save / name)
    return made, walks


def walk(server, vkey):
    """Whether the public log of a running server, with every tile, is found sound: by the program, by the one here."""
    file = server.home / "public.vkey"
    file.write_bytes(vkey)
    code, _, _ = server.run("audit", "verify", "--url", server.url, "--vkey", str(file))
    return [code == 0, verify_served(f"{server.url}/log/", read_vkey(vkey)).ok]


def count(results):
    """The figures over all, and by kind."""
    by_kind = {}
    total = {"mutations": 0, "skipped_as_no_change": 0, "detected_by_product": 0, "detected_by_python": 0,
             "disagreements": 0, "placeable": 0, "first_bad_index_exact": 0, "not_placeable": 0,
             "not_placeable_but_exact": 0}
    for result in results:
        kind = by_kind.setdefault(result["kind"], dict.fromkeys(total, 0))
        for sums in (total, kind):
            add(sums, result)
    return total | {"by_kind": dict(sorted(by_kind.items()))}


def add(sums, result):
    """One result to the sums."""
    if result.get("skipped"):
        sums["skipped_as_no_change"] += 1
        return
    sums["mutations"] += 1
    sums["detected_by_product"] += result["product"]
    sums["detected_by_python"] += result["python"]
    sums["disagreements"] += not result["agree"]
    sums["not_placeable" if result["soft"] else "placeable"] += 1
    sums["not_placeable_but_exact" if result["soft"] else "first_bad_index_exact"] += result["exact"]


def keep(campaign, bad, folder):
    """Writes down the first forgeries that were not seen, or not by both alike, for a look."""
    kept = []
    for result in bad[:SHOWN]:
        _, forgery = campaign.forgery(result["number"])
        place = folder / f"{campaign.seed}-{result['number']}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "export.ndjson").write_bytes(forgery.export)
        (place / "vkey").write_bytes(forgery.vkey or campaign.made.vkey)
        if forgery.anchor:
            (place / "checkpoint").write_bytes(forgery.anchor)
        kept.append(str(place))
    return kept


def run(args, folder):
    """All forgeries by several workers; gives the figures and the verdicts."""
    global campaign
    (made, foreign), walks = made_logs(args, folder)
    campaign = Campaign(args, made, foreign, folder)
    # The workers inherit what is remembered here.
    controls = campaign.controls(folder)
    numbers = [args.only] if args.only is not None else range(args.mutations)
    begin = time.monotonic()
    with multiprocessing.get_context("fork").Pool(args.workers) as pool:
        results = list(pool.imap_unordered(work, numbers, chunksize=10))
    figures = count(results)
    bad = sorted((result for result in results if not result.get("good", True)), key=lambda result: result["number"])
    made_of = {"seed": args.seed, "log": make_log.tell(made), "seconds": round(time.monotonic() - begin, 1)}
    result = made_of | figures | {"controls": len(controls), "walks": len(walks), "bad": bad[:SHOWN]}
    if bad:
        result["kept"] = keep(campaign, bad, args.failures)
    if args.only is not None:
        result["results"] = results
    asked = figures["mutations"]
    walked = {"the public logs are found sound by both, tile by tile": all(walks)} if walks else {}
    return result, walked | {
        "what is sound is found sound by both": all(controls),
        "forgeries were made": asked > 0.9 * len(numbers),
        "the program sees every forgery": figures["detected_by_product"] == asked,
        "the second verifier sees every forgery": figures["detected_by_python"] == asked,
        "both say the same of each": figures["disagreements"] == 0,
        "the first bad index is exact wherever it can be": figures["first_bad_index_exact"] == figures["placeable"],
    }


def main():
    parser = report.parser(__doc__)
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="the forgeries of the same log repeat with the seed")
    parser.add_argument("--workers", type=int, default=(os.cpu_count() or 1) + 1)
    parser.add_argument("--logs", type=Path, help="take the logs that an earlier run has saved here")
    parser.add_argument("--save", type=Path, help="save the logs here")
    parser.add_argument("--failures", type=Path, default=report.ROOT / "target/failed-mutations", 
                        help="where forgeries go that fail")
    parser.add_argument("--only", type=int, help="the forgery with this number alone")
    args = parser.parse_args()
    # Memory, where there is such a folder: each forgery is written once and read once.
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="mintmark-mutations-", dir=memory if memory.is_dir() else None))
    try:
        result, verdicts = run(args, folder)
    except make_log.mintmark.Refused as error:
        result, verdicts = {"error": str(error)}, {"the run came to its end": False}
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    report.end(result, verdicts)


if __name__ == "__main__":
    main()
