"""The chains of the nodes: each record of a run names the one before, so that none can be missing.

A broken link has two ends. Which of the two was changed is told by the link behind: a record that
its successor confirms is as it was, so the one before it is not.
"""

from .wrong import Wrong

START = bytes(32)


def check_chains(first, leaves):
    """Every link between the records of one run; raises Wrong with the first bad index.

    Gives the runs whose beginning is not in the range, as (node, epoch) in their order.
    """
    last, open_ended = {}, []
    for at, leaf in enumerate(leaves):
        before = last.get(leaf.epoch)
        if before is not None:
            if not follows(leaves[before], leaf):
                raise Wrong("the node's chain is broken", first + blame(leaves, before, at))
        elif leaf.sequence == 0 or first == 0:
            check_start(first + at, leaf)
        else:
            open_ended.append((leaf.node, leaf.epoch))
        last[leaf.epoch] = at
    return open_ended


def follows(before, leaf):
    """Whether a record is the next of its run."""
    return (leaf.sequence == before.sequence + 1 and leaf.previous == before.chain and leaf.node == before.node)


def check_start(index, leaf):
    """The first record of a run: number 0, nothing before it, and it says that the node has started."""
    if leaf.sequence != 0:
        raise Wrong("the first records of the node's run are missing", index)
    if leaf.previous != START:
        raise Wrong("the first record of the node's run names one before it", index)
    if leaf.event != ("log.opened" if index == 0 else "node.started"):
        raise Wrong("the node's run does not begin with its start", index)


def blame(leaves, before, at):
    """The position of the bad one, when the record `at` does not follow `before`."""
    one, other = leaves[before], leaves[at]
    if other.sequence not in (one.sequence, one.sequence + 1) or other.hash == one.hash:
        # Records are missing in front of it, or it was there already: something else stood here.
        return at
    # Without a successor nobody knows. All that stands before the earlier one is proven, so that is named.
    return at if confirmed(leaves, at) is False else before


def confirmed(leaves, at):
    """Whether the next record of the run says that this one is as it was; None when there is no next."""
    leaf = leaves[at]
    for later in leaves[at + 1:]:
        if later.epoch == leaf.epoch:
            return follows(leaf, later)
    return None
