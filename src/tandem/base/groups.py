"""What ended several tasks at once, as the one exception that it was before it was put into groups."""

from __future__ import annotations


def first_of(err: BaseException) -> BaseException:
    """The exception itself, or the first that is in a group, however deep."""
    while isinstance(err, BaseExceptionGroup):
        err = err.exceptions[0]
    return err
