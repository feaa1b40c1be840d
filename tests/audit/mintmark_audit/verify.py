"""The whole verdict over an export, from the first line to the root.

It goes on after a fault, since a later entry may tell that an earlier one was changed.
"""

from dataclasses import dataclass, field

from . import export, tree
from .chains import Chains
from .encoding import encode_url
from .faults import Faults, Wrong
from .note import open_checkpoint
from .order import Order


@dataclass
class Verdict:
    """What is told of a log; the members are those of `mintmark audit verify -o json`."""

    ok: bool = False
    size: int | None = None
    root_hash: str | None = None
    entries: int = 0
    first_bad_index: int | None = None
    reason: str | None = None
    not_checked: list = field(default_factory=list)


def verify_export(raw, vkey, older=None, read=export.read_rest):
    """The verdict over an export's bytes, with the log's key and maybe the text of a checkpoint that was kept."""
    verdict, faults = Verdict(), Faults()
    try:
        lines = export.take_lines(raw)
        header = export.read_header(lines[0])
        checkpoint = open_checkpoint(header.checkpoint, vkey)
        verdict.size, verdict.root_hash = checkpoint.size, encode_url(checkpoint.root)
        if header.origin != checkpoint.origin:
            raise Wrong("the header names another log than the checkpoint")
        subtrees = export.completing(header, checkpoint.size)
        kept = open_checkpoint(older, vkey) if older is not None else None
    except Wrong as wrong:
        verdict.reason = wrong.reason
        return verdict
    entries = export.read_entries(header, lines[1:], faults, read)
    verdict.entries = len(entries)
    if header.first + len(entries) < header.end:
        faults.at(header.first + len(entries), "the export ends before its last entry")
    erased = sum(entry.erased for entry in entries)
    leaves = [entry.leaf for entry in entries]
    judge(verdict, faults, Log(header.first, header.end, leaves, subtrees), checkpoint, kept)
    if erased:
        verdict.not_checked.append(f"erased bodies: {erased}")
    return verdict


@dataclass
class Log:
    """A range of a log as it was read: its leaves, None where one is no leaf, and the subtrees outside."""

    first: int
    end: int
    leaves: list
    subtrees: dict


def judge(verdict, faults, log, checkpoint, kept):
    """Everything that the leaves tell together: chains, order of events, root, growth."""
    chains = Chains(log.first, log.leaves, faults).check()
    order = Order(log.first == 0, faults)
    for index, leaf in enumerate(log.leaves, log.first):
        if leaf is not None:
            order.see(index, leaf)
    # Without each leaf there is no root, and what is missing is named already.
    if None not in log.leaves and log.first + len(log.leaves) == log.end:
        known = tree.Known(log.first, [leaf.hash for leaf in log.leaves], log.subtrees)
        agrees = check_growth(faults, known, checkpoint, kept)
        check_root(faults, chains, known, checkpoint, kept.size if agrees else 0)
        if kept and kept.size < checkpoint.size and agrees is None:
            verdict.not_checked.append(f"consistency with the older checkpoint of size {kept.size}")
    tell(verdict, chains, order)
    verdict.first_bad_index, verdict.reason = faults.index, faults.reason()
    verdict.ok = verdict.reason is None


def check_growth(faults, known, checkpoint, kept):
    """Whether the log still contains what the kept checkpoint has covered; None when that does not follow."""
    if not kept:
        return None
    if kept.size > checkpoint.size:
        faults.whole("the log is shorter than the older checkpoint says: it was rolled back")
        return False
    try:
        agrees = known.root(kept.size) == kept.root
    except tree.Unknown:
        return None
    if not agrees:
        faults.whole("the log does not contain the older checkpoint")
    return agrees


def check_root(faults, chains, known, checkpoint, sound):
    """The entries give the signed root. All before `sound` is known to be as it was.

    A changed leaf breaks the link of the record behind it. So when the root alone is wrong, it is a
    leaf that none follows; if there is only one such, it is named.
    """
    if known.root(checkpoint.size) == checkpoint.root:
        return
    reason = "the entries do not give the checkpoint's root"
    last = chains.last_records(sound)
    if faults.index is None and not known.subtrees and len(last) == 1:
        faults.at(last[0], reason)
    faults.whole(reason)


def tell(verdict, chains, order):
    """What the range does not show."""
    if chains.begun_before:
        verdict.not_checked.append(f"node chains that begin before the range: {chains.begun_before}")
    if chains.gaps:
        verdict.not_checked.append(f"confirmed gaps in node chains: {chains.gaps}")
    if order.unknown:
        verdict.not_checked.append(f"tokens whose key was activated before the range: {order.unknown}")
    if order.intents:
        verdict.not_checked.append(f"tokens recorded after key.revoked, unsigned intents: {len(order.intents)}, "
                                   f"the first at index {order.intents[0]}")
