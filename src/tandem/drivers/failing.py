"""What fakes of drivers have in common: their next call can be made to fail."""

from __future__ import annotations


class Failing:
    """A fake calls `may_fail` where the real one would ask the world."""

    _failure: Exception | None = None

    def fail_next(self, error: Exception) -> None:
        """The next call changes nothing and raises this."""
        self._failure = error

    def may_fail(self) -> None:
        """Raise what is due, once."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
