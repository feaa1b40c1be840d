"""The chains of the nodes: each record of a run names the one before, so that none can be missing.

A broken link has two ends. Which of the two was changed is told by the link behind: a record that
its successor confirms is as it was, so the one before it is not.
"""

START = bytes(32)
CHANGED = "the leaf is not the one that the node's next record follows"


class Chains:
    """The links between the records of each run. `leaves` has None where a record could not be read."""

    def __init__(self, first, leaves, faults):
        self.first, self.leaves, self.faults = first, leaves, faults
        self.last, self.later = {}, None
        # Gaps that an operator has confirmed by `audit.gap`, and those that made use of it.
        self.confirmed, self.gaps, self.begun_before = 0, 0, 0

    def check(self):
        """Walks over all records."""
        for at, leaf in enumerate(self.leaves):
            if leaf is None:
                continue
            before = self.last.get(leaf.epoch)
            if before is None:
                self.begin(at, leaf)
            elif not follows(self.leaves[before], leaf):
                self.broken(before, at)
            self.last[leaf.epoch] = at
            self.confirmed += leaf.event == "audit.gap"
        return self

    def begin(self, at, leaf):
        """The first record of a run in the range; the first of all has number 0 and nothing before it."""
        if leaf.sequence == 0:
            if leaf.previous != START:
                self.faults.at(self.first + at, "the first record of a run names one before it")
        elif self.first == 0:
            self.gap(at)
        else:
            self.begun_before += 1

    def broken(self, before, at):
        """The record `at` does not follow the one that stands `before` it in its run."""
        one, other = self.leaves[before], self.leaves[at]
        if other.sequence > one.sequence + 1:
            self.gap(at)
        elif other.previous == one.chain:
            # It names the earlier one rightly, so what differs is its own.
            self.faults.at(self.first + at, "the record names its run wrongly")
        elif other.sequence < one.sequence or other.hash == one.hash:
            self.faults.at(self.first + at, "the record's number was there before")
        else:
            # Where no record comes after, nobody knows: all before the earlier one is proven, so that is named.
            bad = at if self.successor(at) is False else before
            self.faults.at(self.first + bad, CHANGED)

    def gap(self, at):
        """Records are missing before this one; in order where an operator has confirmed it in the log."""
        if self.confirmed:
            self.confirmed -= 1
            self.gaps += 1
        else:
            self.faults.at(self.first + at, "records of the node before this one are missing")

    def successor(self, at):
        """Whether the next record of the run confirms this one; None when there is no next."""
        if self.later is None:
            self.later = next_of_run(self.leaves)
        position = self.later[at]
        return None if position is None else follows(self.leaves[at], self.leaves[position])

    def last_records(self, sound):
        """The indices from `sound` on of records that none follows in their run."""
        return [self.first + at for at in self.last.values() if self.first + at >= sound]


def follows(before, leaf):
    """Whether a record is the next of its run."""
    return leaf.previous == before.chain and leaf.sequence == before.sequence + 1 and leaf.node == before.node


def next_of_run(leaves):
    """For each position that of the run's next record, or None."""
    seen, later = {}, [None] * len(leaves)
    for at in range(len(leaves) - 1, -1, -1):
        if leaves[at] is not None:
            later[at] = seen.get(leaves[at].epoch)
            seen[leaves[at].epoch] = at
    return later
