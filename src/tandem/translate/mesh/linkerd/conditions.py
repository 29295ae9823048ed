"""Conditions of ServiceProfiles: requests -> matches of which one must hold; answers -> codes of failures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Final

import msgspec

from tandem.ir.match import Exact, HeaderMatch, Regex, RouteMatch
from tandem.model.linkerdprofile import RequestMatch, ResponseClass, ResponseMatch

MOST: Final = 64
"""Matches that one condition may become."""
CODES: Final = range(100, 600)
Literal = tuple[str, str, bool]
"""`path` and a pattern, or `method` and a name; and whether it must hold, or must not."""
Ways = tuple[frozenset[Literal], ...]
"""One of them must hold: all of what is in it."""


def matches_of(condition: RequestMatch) -> tuple[RouteMatch, ...]:
    """Matches of which one holds where the condition does; none where they would be too many."""
    try:
        return tuple(_match(way) for way in _ways(condition, holds=True))
    except _TooManyError:
        return ()


class _TooManyError(Exception):
    """A condition has more alternatives than MOST."""


def patterns_of(condition: RequestMatch) -> list[str]:
    """Every regular expression in it."""
    inner = (*condition.every, *condition.some, *((condition.negated,) if condition.negated is not None else ()))
    own = [condition.path_regex] if condition.path_regex else []
    return own + [pattern for one in inner for pattern in patterns_of(one)]


def failures_of(classes: Sequence[ResponseClass]) -> tuple[int, ...]:
    """The codes that are failures: by the first class that is about one, else those of servers."""

    def fails(code: int) -> bool:
        return next((one.is_failure for one in classes if _holds(one.condition, code)), code >= 500)

    return tuple(code for code in CODES if fails(code))


def _ways(condition: RequestMatch, *, holds: bool) -> Ways:
    """Of the condition, or of its negation, with its alternatives outside."""
    own = [("path", condition.path_regex), ("method", condition.method)]
    parts: list[Ways] = [(frozenset({(what, text, holds)}),) for what, text in own if text]
    parts += [_ways(one, holds=holds) for one in condition.every]
    if condition.some:
        parts.append(_either(condition.some, holds=holds))
    if condition.negated is not None:
        parts.append(_ways(condition.negated, holds=not holds))
    return _both(parts) if holds else _few(way for part in parts for way in part)


def _either(some: Sequence[RequestMatch], *, holds: bool) -> Ways:
    parts = [_ways(one, holds=holds) for one in some]
    return _few(way for part in parts for way in part) if holds else _both(parts)


def _both(parts: Sequence[Ways]) -> Ways:
    return _few(frozenset().union(*ways) for ways in product(*parts))


def _few(ways: Iterable[frozenset[Literal]]) -> Ways:
    """Each once."""
    found: dict[frozenset[Literal], None] = {}
    for way in ways:
        found[way] = None
        if len(found) > MOST:
            raise _TooManyError
    return tuple(found)


def _match(way: frozenset[Literal]) -> RouteMatch:
    """The first path and method are those of a match; others, and what must not hold, are asked as headers are."""
    found = RouteMatch()
    for what, text, holds in sorted(way, key=lambda one: (not one[2], one)):
        if what == "path" and holds and found.path is None:
            found = msgspec.structs.replace(found, path=Regex(text))
        elif what == "method" and holds and found.method is None:
            found = msgspec.structs.replace(found, method=Exact(text))
        else:
            asked = Regex(rf"(?:{text})(?:\?.*)?") if what == "path" else Exact(text)
            header = HeaderMatch(name=f":{what}", match=asked, invert=not holds)
            found = msgspec.structs.replace(found, headers=(*found.headers, header))
    return found


def _holds(condition: ResponseMatch, code: int) -> bool:
    bounds = condition.status
    if bounds is not None:
        low = bounds.least if bounds.least is not None else bounds.most
        high = bounds.most if bounds.most is not None else bounds.least
        if low is None or high is None or not low <= code <= high:
            return False
    return (
        all(_holds(one, code) for one in condition.every)
        and (not condition.some or any(_holds(one, code) for one in condition.some))
        and (condition.negated is None or not _holds(condition.negated, code))
    )
