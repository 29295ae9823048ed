"""Results kept for arguments that are the very objects of the time before: where a hash would cost as much as the work.

For pure functions of values that nobody changes (frozen structs, and dictionaries that are replaced, never edited).
An equal value that is another object only costs the work again. What was not asked for last time is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")


def same_as_before(function: Callable[P, R]) -> Callable[P, R]:
    """Keeps the newest result; arguments are positional. Safe between threads."""
    kept: tuple[tuple[Any, ...], R] | None = None

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal kept
        found = kept
        if found is None or len(found[0]) != len(args) or any(a is not b for a, b in zip(found[0], args, strict=True)):
            found = kept = args, function(*args, **kwargs)
        return found[1]

    return wrapper


def equal_to_before(function: Callable[[T], R]) -> Callable[[T], R]:
    """Keeps the newest result, for an argument that is equal: for small ones that are made anew each time."""
    kept: tuple[T, R] | None = None

    @wraps(function)
    def wrapper(argument: T) -> R:
        nonlocal kept
        found = kept
        if found is None or found[0] != argument:
            found = kept = argument, function(argument)
        return found[1]

    return wrapper


def each_as_before(function: Callable[[T], R]) -> Callable[[Iterable[T]], tuple[R, ...]]:
    """The function for many arguments: those of the call before keep their results. Safe between threads."""
    kept: dict[int, tuple[T, R]] = {}  # an entry holds its argument, so no other object can have that identity

    @wraps(function)
    def wrapper(arguments: Iterable[T]) -> tuple[R, ...]:
        nonlocal kept
        before, now = kept, dict[int, tuple[T, R]]()
        for argument in arguments:
            now[id(argument)] = before.get(id(argument)) or (argument, function(argument))
        kept = now
        return tuple(result for _, result in now.values())

    return wrapper


def pairs_as_before(function: Callable[[T, U], R]) -> Callable[[Iterable[tuple[T, U]]], tuple[R, ...]]:
    """The same for a function of two arguments."""
    kept: dict[tuple[int, int], tuple[T, U, R]] = {}

    @wraps(function)
    def wrapper(arguments: Iterable[tuple[T, U]]) -> tuple[R, ...]:
        nonlocal kept
        before, now = kept, dict[tuple[int, int], tuple[T, U, R]]()
        for one, other in arguments:
            key = id(one), id(other)
            now[key] = before.get(key) or (one, other, function(one, other))
        kept = now
        return tuple(result for _, _, result in now.values())

    return wrapper


class KeptParts(Generic[R]):
    """Results by name, each kept while the parts that it is made of are the very same; `begin` each round of them."""

    def __init__(self) -> None:
        self._before: dict[object, tuple[tuple[Any, ...], R]] = {}
        self._now: dict[object, tuple[tuple[Any, ...], R]] = {}

    def begin(self) -> None:
        """Another round: what was not asked for in the last one is forgotten."""
        self._before, self._now = self._now, {}

    def __call__(self, name: object, parts: tuple[Any, ...], make: Callable[[], R]) -> R:
        """What `make` gives, which depends on the name and these parts alone."""
        found = self._before.get(name)
        if (
            found is None
            or len(found[0]) != len(parts)
            or any(a is not b for a, b in zip(found[0], parts, strict=True))
        ):
            found = parts, make()
        self._now[name] = found
        return found[1]
