"""The whole verdict over an export, from the first line to the root."""

from dataclasses import dataclass, field

from . import export, tree
from .chains import check_chains
from .encoding import encode_url
from .note import open_checkpoint
from .order import Order
from .wrong import Wrong


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
    verdict = Verdict()
    try:
        lines = export.take_lines(raw)
        header = export.read_header(lines[0])
        checkpoint = open_checkpoint(header.checkpoint, vkey)
        verdict.size, verdict.root_hash = checkpoint.size, encode_url(checkpoint.root)
        if header.origin != checkpoint.origin:
            raise Wrong("the header names another log than the checkpoint")
        kept = open_checkpoint(older, vkey) if older is not None else None
        subtrees = export.completing(header, checkpoint.size)
        leaves = check_entries(verdict, header, lines[1:], read)
        known = tree.Known(header.first, [leaf.hash for leaf in leaves], subtrees)
        if known.root(checkpoint.size) != checkpoint.root:
            raise Wrong("the entries do not give the checkpoint's root")
        if kept:
            check_growth(verdict, known, kept, checkpoint)
        verdict.ok = True
    except Wrong as wrong:
        verdict.reason, verdict.first_bad_index = wrong.reason, wrong.index
    return verdict


def check_entries(verdict, header, lines, read):
    """The leaves of all entries, each in order by itself and behind the others; raises Wrong at the first bad one."""
    leaves, wrong = read_entries(header, lines, read)
    verdict.entries = len(leaves)
    # What stands before an entry that cannot be read may be bad as well, and is then the first.
    earlier = check_leaves(verdict, header.first, leaves)
    if earlier or wrong:
        raise earlier or wrong
    return leaves


def read_entries(header, lines, read):
    """The leaves up to the first entry that cannot be read, and what is wrong with that one."""
    leaves = []
    for index, line in enumerate(lines, header.first):
        if index == header.end:
            return leaves, Wrong("there are more entries than the header says", index)
        try:
            leaves.append(export.read_entry(index, line, read))
        except Wrong as wrong:
            return leaves, wrong
    if header.first + len(leaves) < header.end:
        return leaves, Wrong("entries are missing at the end", header.first + len(leaves))
    return leaves, None


def check_leaves(verdict, first, leaves):
    """What is wrong with the chains and with the order of events, the earlier of both; None if nothing."""
    found = []
    try:
        for node, epoch in check_chains(first, leaves):
            verdict.not_checked.append(f"the beginning of the run {encode_url(epoch)} of {node}")
    except Wrong as wrong:
        found.append(wrong)
    order = Order(whole=first == 0)
    try:
        for index, leaf in enumerate(leaves, first):
            order.see(index, leaf)
    except Wrong as wrong:
        found.append(wrong)
    verdict.not_checked += [f"whether the key {kid} was active" for kid in sorted(order.unknown)]
    return min(found, key=lambda wrong: wrong.index, default=None)


def check_growth(verdict, known, kept, checkpoint):
    """The log still contains what a kept checkpoint has covered; raises Wrong."""
    if kept.size > checkpoint.size:
        raise Wrong("the log is shorter than the older checkpoint says: it was rolled back")
    try:
        root = known.root(kept.size)
    except tree.Unknown:
        verdict.not_checked.append(f"whether the log contains the older checkpoint of {kept.size} entries")
        return
    if root != kept.root:
        raise Wrong("the log does not contain the older checkpoint")
