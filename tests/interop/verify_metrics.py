#!/usr/bin/env python3
"""Lets the OpenMetrics parser of `prometheus_client`, the strict one, read /metrics of a running server."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families

sys.path.insert(0, str(Path(__file__).resolve().parent))
from checks import Checks  # noqa: E402


def read(socket):
    """(content type, text), as docs/metrics.md says that one gets them."""
    told = ["curl", "-s", "--unix-socket", socket, "-w", "\n%{content_type}", "http://localhost/metrics"]
    text, _, kind = subprocess.run(told, capture_output=True, text=True, check=True, timeout=30).stdout.rpartition("\n")
    return kind, text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", required=True, help="the admin socket")
    parser.add_argument("--issued", required=True, help="JSON: tokens that were surely issued, by algorithm")
    args = parser.parse_args()
    checks = Checks("metrics")
    kind, text = read(args.socket)
    checks.check("its media type", kind == "application/openmetrics-text; version=1.0.0; charset=utf-8", kind)
    try:
        families = {family.name: family for family in text_string_to_metric_families(text)}
    except ValueError as error:
        families = {}
        checks.check("the strict parser reads it", False, error)
    checks.check("there is much to read", len(families) > 40, len(families))
    checks.check("each family has a type and help", all(
        family.type != "unknown" and family.documentation for family in families.values()))
    checks.check("each name is ours", all(name.startswith("mintmark_") for name in families), list(families))
    samples = [sample for family in families.values() for sample in family.samples]
    checks.check("no value is negative but for a rotation that is late", all(
        sample.value >= 0 or sample.name == "mintmark_key_rotation_due_seconds" for sample in samples))
    issued = {sample.labels["alg"]: sample.value for sample in samples if sample.name == "mintmark_tokens_issued_total"}
    for alg, least in json.loads(args.issued).items():
        checks.check(f"tokens of {alg} are counted", issued.get(alg, 0) >= least, issued)
    ready = [sample.value for sample in samples if sample.name == "mintmark_ready"]
    checks.check("it is ready", ready == [1.0], ready)
    checks.check("every background task has a sign of life", all(
        sample.value == 0 for sample in samples if sample.name in ("mintmark_task_late", "mintmark_task_failing")))
    checks.end()


if __name__ == "__main__":
    main()
