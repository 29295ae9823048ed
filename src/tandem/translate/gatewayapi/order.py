"""Rules of which the first that holds decides -> rules of which the most specific match decides. Pure.

Gateway API judges matches by precedence (exact path, longest prefix, method, number of headers, number of query
parameters), and by order only between equals. Where a later rule would win that way, what both ask for together is
added to the earlier one: it is at least as specific, and stands before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain

import msgspec

from tandem.ir.mesh import Exact, HeaderMatch, PathPrefix, QueryMatch, Regex, RouteMatch, StringMatch
from tandem.translate.mesh.httproute import rank


class Unordered(Exception):  # noqa: N818 - a fact about two matches
    """Both may hold of one request, and what they ask for together cannot be written."""


def arranged(rules: Sequence[tuple[RouteMatch, ...]]) -> tuple[list[tuple[RouteMatch, ...]], list[int]]:
    """The matches of each rule with what must be added, and the rules whose place could not be kept in full."""
    made: list[tuple[RouteMatch, ...]] = []
    unkept = []
    later: list[RouteMatch] = []
    for index in range(len(rules) - 1, -1, -1):
        found, whole = _with_both(rules[index], later)
        if not whole:
            unkept.append(index)
        made.insert(0, found)
        later = [*found, *later]
    return made, sorted(unkept)


def _with_both(own: tuple[RouteMatch, ...], later: Iterable[RouteMatch]) -> tuple[tuple[RouteMatch, ...], bool]:
    added: list[RouteMatch] = []
    whole = True
    for other in later:
        for match in own:
            if rank(other) >= rank(match):
                continue
            try:
                both = _both(match, other)
            except Unordered:
                whole = False
                continue
            if both is not None and both not in own and both not in added:
                added.append(both)
    return (*own, *added), whole


def _both(one: RouteMatch, other: RouteMatch) -> RouteMatch | None:
    """What holds where both do; None: nothing. Raises Unordered."""
    paths = _path(one.path, other.path)
    if paths is None:
        return None
    if one.method is not None and other.method is not None and one.method != other.method:
        return None
    headers = _named(chain(one.headers, other.headers))
    query = _named(chain(one.query, other.query))
    if headers is None or query is None:
        return None
    return msgspec.structs.replace(
        one,
        path=paths[0],
        method=one.method or other.method,
        headers=tuple(HeaderMatch(name=n, match=m) for n, m in headers.items()),
        query=tuple(QueryMatch(name=n, match=m) for n, m in query.items()),
    )


def _path(one: StringMatch | None, other: StringMatch | None) -> tuple[StringMatch | None] | None:
    if one is None or other is None or one == other:
        return (one or other,)
    for narrow, wide in ((one, other), (other, one)):
        if isinstance(narrow, Exact):
            return (narrow,) if _holds(wide, narrow.value) else None
    if isinstance(one, PathPrefix) and isinstance(other, PathPrefix):
        for narrow, wide in ((one, other), (other, one)):
            if _holds(wide, narrow.value):
                return (narrow,)
        return None
    raise Unordered


def _named(asked: Iterable[HeaderMatch | QueryMatch]) -> dict[str, StringMatch] | None:
    """One match for each name; None: they contradict each other."""
    found: dict[str, StringMatch] = {}
    for item in asked:
        before = found.setdefault(item.name, item.match)
        if before == item.match:
            continue
        exact, wide = (before, item.match) if isinstance(before, Exact) else (item.match, before)
        if not isinstance(exact, Exact):
            raise Unordered
        if not _holds(wide, exact.value):
            return None
        found[item.name] = exact
    return found


def _holds(match: StringMatch, value: str) -> bool:
    match match:
        case Exact():
            return value == match.value
        case PathPrefix():
            return value == match.value or value.startswith(match.value + "/")
        case Regex():
            try:
                return re.fullmatch(match.value, value) is not None
            except re.error:
                raise Unordered from None
        case _:
            raise Unordered
