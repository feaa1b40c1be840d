"""One line for each check, and an exit code: `ok` or `FAIL`, then what was checked."""

import sys
import traceback


class Checks:
    """Counts what passed and what failed under one heading, such as the library's name."""

    def __init__(self, heading):
        self.heading = heading
        self.failed = 0

    def check(self, what, true, seen=""):
        """`true` must hold; `seen` is shown when it does not."""
        if true:
            print(f"ok   {self.heading}: {what}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL {self.heading}: {what}: {seen!r}", flush=True)
        return bool(true)

    def passes(self, what, act):
        """`act` must not raise; gives what it returned."""
        try:
            result = act()
        except Exception as error:  # a foreign library may raise anything
            traceback.print_exc()
            self.check(what, False, f"{type(error).__name__}: {error}")
            return None
        self.check(what, True)
        return result

    def refuses(self, what, act, kinds):
        """`act` must raise one of `kinds`: another error is a broken test, not a refusal."""
        try:
            seen = act()
        except kinds:
            self.check(what, True)
        except Exception as error:
            self.check(what, False, f"{type(error).__name__}: {error}")
        else:
            self.check(what, False, f"accepted, gave {seen}")

    def end(self):
        """Ends the program: 0 when everything passed."""
        sys.exit(1 if self.failed else 0)
