"""What must come before what: the life of a key, and tokens of keys that may sign.

A token names a key that was active; until a minute after the key came to rest such a token may
still have been under way, and its `iat` tells. After a revocation it is an intent that was never
signed, which is in order.
"""

from .wrong import Wrong

UNDER_WAY = 60
# What a key must have been for an event; None is a key that the log has not named.
BEFORE = {
    "key.staged": (None,), "key.imported": (None,), "key.published": ("staged",), "key.activated": ("published",),
    "key.passive": ("active",), "key.removed": ("staged", "published", "passive"),
    "key.revoked": ("staged", "published", "active", "passive", "removed"),
}
AFTER = {
    "key.staged": "staged", "key.imported": "staged", "key.published": "published", "key.activated": "active",
    "key.passive": "passive", "key.removed": "removed", "key.revoked": "revoked",
}


class Order:
    """The keys as the log has told of them so far; `whole` says whether it was read from its beginning."""

    def __init__(self, whole):
        self.whole = whole
        self.states, self.rested = {}, {}
        # Keys of tokens whose life began before the range, and tokens recorded for revoked keys.
        self.unknown, self.intents = set(), []

    def see(self, index, leaf):
        """The next record; raises Wrong when it may not stand here."""
        if (index == 0) != (leaf.event == "log.opened"):
            raise Wrong("log.opened is the first record and no other", index)
        if leaf.event in BEFORE:
            self.turn(index, leaf)
        elif leaf.event == "token.issued":
            self.issue(index, leaf)

    def turn(self, index, leaf):
        """A key enters a state."""
        state = self.states.get(leaf.kid)
        # In a part of the log a key may have begun before it.
        if (state is not None or self.whole) and state not in BEFORE[leaf.event]:
            raise Wrong(f"{leaf.event} of a key that is {state or 'not known'}", index)
        self.states[leaf.kid] = AFTER[leaf.event]
        if leaf.event == "key.passive":
            self.rested[leaf.kid] = leaf.at

    def issue(self, index, leaf):
        """A token says which key is to sign it."""
        state = self.states.get(leaf.kid)
        if state is None and not self.whole:
            self.unknown.add(leaf.kid)
        elif state == "revoked":
            self.intents.append(index)
        elif state in (None, "staged", "published"):
            raise Wrong("the token names a key that was not active", index)
        elif state != "active" and leaf.kid in self.rested and leaf.issued > self.rested[leaf.kid] + UNDER_WAY:
            raise Wrong("the token names a key that had come to rest", index)
