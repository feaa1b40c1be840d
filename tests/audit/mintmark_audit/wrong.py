"""What a verifier finds: the one error that all checks raise."""


class Wrong(Exception):
    """Something does not hold. `index` is the first entry that is bad, where one can be named."""

    def __init__(self, reason, index=None):
        super().__init__(reason)
        self.reason, self.index = reason, index
