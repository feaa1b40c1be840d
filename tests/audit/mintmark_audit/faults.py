"""What a verifier finds: what ends the reading at once, and what is gathered along the way."""


class Wrong(Exception):
    """Something cannot be read or does not hold, so that nothing behind it can be looked at."""

    def __init__(self, reason, index=None):
        super().__init__(reason)
        self.reason, self.index = reason, index


class Faults:
    """The least index that is known to be bad, and what is wrong with the whole."""

    def __init__(self):
        self.index, self.there, self.whole_reason = None, None, None

    def at(self, index, reason):
        """The entry at `index` is bad; the least index stays."""
        if self.index is None or index < self.index:
            self.index, self.there = index, reason

    def whole(self, reason):
        """The log is bad and nobody can say where; the first reason stays."""
        self.whole_reason = self.whole_reason or reason

    def reason(self):
        """What is told, None when nothing is wrong."""
        return self.there if self.index is not None else self.whole_reason
