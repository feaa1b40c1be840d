"""The order of events: a token names a key that was active at that place of the log.

Until a minute after the key came to rest such a token may still have been under way, and its `iat`
tells. After a revocation it is an intent that was never signed, which is in order; the key itself
never comes back.
"""

UNDER_WAY = 60
WAITING, ACTIVE, RESTING, REVOKED = "waiting", "active", "resting", "revoked"
# What a key is after an event; those that are not here change nothing.
ENTERS = {"key.staged": WAITING, "key.imported": WAITING, "key.published": WAITING, "key.activated": ACTIVE,
          "key.passive": RESTING, "key.removed": RESTING, "key.revoked": REVOKED}


class Order:
    """The keys as the log has told of them so far; `whole` says whether it is read from its beginning."""

    def __init__(self, whole, faults):
        self.whole, self.faults = whole, faults
        self.states, self.rested = {}, {}
        self.unknown, self.intents = 0, []
        self.before = None

    def see(self, index, leaf):
        """The next record."""
        self.opens_in_order(index, leaf.event)
        if leaf.event in ENTERS:
            self.turn(index, leaf)
        elif leaf.event == "token.issued":
            self.issue(index, leaf)

    def opens_in_order(self, index, event):
        """A log begins with log.opened; one that goes on after a rollback does so after log.closed."""
        before, self.before = self.before, event
        if before is None and index > 0:
            return
        if (event == "log.opened") != (index == 0 or before == "log.closed"):
            self.faults.at(index, "log.opened comes at index 0 or after log.closed, and nothing else does")

    def turn(self, index, leaf):
        """A key enters a state, if it can from the one that it is in."""
        state, to = self.states.get(leaf.kid), ENTERS[leaf.event]
        if state == REVOKED:
            if leaf.event not in ("key.removed", "key.revoked"):
                self.faults.at(index, "a revoked key came back")
            return
        if to == WAITING and state is not None:
            return
        if to == RESTING:
            # A key that never signed does not come to rest: none of its tokens can be under way.
            if state not in (ACTIVE, None) or state is None and self.whole:
                return
            self.rested[leaf.kid] = leaf.at
        self.states[leaf.kid] = to

    def issue(self, index, leaf):
        """A token says which key is to sign it."""
        state = self.states.get(leaf.kid)
        if state is None and not self.whole:
            self.unknown += 1
        elif state is None or state == WAITING:
            self.faults.at(index, "the token's key was not active")
        elif state == RESTING and leaf.issued > self.rested[leaf.kid] + UNDER_WAY:
            self.faults.at(index, "the token's key was at rest")
        elif state == REVOKED:
            self.intents.append(index)
