"""spec.limits of a RateLimit -> limits in our vocabulary, with Problems at the exact field. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tandem.base.problems import Problem
from tandem.ir.limits import CountedBy, Key, Limit
from tandem.ir.match import Exact, HeaderMatch, PathPrefix, Regex, RouteMatch, StringMatch
from tandem.model import gateway
from tandem.model.ratelimit import LimitKey, LimitMatch, LimitRule, RateLimit
from tandem.translate.mesh.values import read_regex

UNITS: Final = {"Second": 1, "Minute": 60, "Hour": 3600}
KEYS: Final = {
    "Namespace": Key.NAMESPACE,
    "ServiceAccount": Key.SERVICE_ACCOUNT,
    "Address": Key.ADDRESS,
    "Header": Key.HEADER,
    "Path": Key.PATH,
    "Method": Key.METHOD,
    "Claim": Key.CLAIM,
}


class LimitReader:
    """Reads the limits of one object and gathers what is wrong with them."""

    def __init__(self, owner: RateLimit) -> None:
        self._owner = owner
        self.problems: list[Problem] = []

    def read(self) -> tuple[Limit, ...]:
        """In their order. Nothing of them holds where there are problems."""
        return tuple(self._limit(rule, i) for i, rule in enumerate(self._owner.spec.limits))

    def _limit(self, rule: LimitRule, index: int) -> Limit:
        at = f"spec.limits[{index}]"
        if rule.unit not in UNITS:
            self._wrong(f"{at}.unit", "UnsupportedValue", f"{rule.unit!r} is none of {', '.join(UNITS)}")
        return Limit(
            requests=rule.requests,
            seconds=UNITS.get(rule.unit, 1),
            burst=rule.requests if rule.burst is None else rule.burst,
            by=tuple(self._by(key, f"{at}.by[{j}]") for j, key in enumerate(rule.by)),
            matches=tuple(self._match(match, f"{at}.matches[{j}]") for j, match in enumerate(rule.matches)),
            origin=self._owner.origin(at),
        )

    def _by(self, key: LimitKey, at: str) -> CountedBy:
        found = KEYS.get(key.type)
        if found is None:
            self._wrong(f"{at}.type", "UnsupportedValue", f"{key.type!r} is none of {', '.join(KEYS)}")
            return CountedBy(key=Key.METHOD)
        if found is Key.CLAIM:
            return CountedBy(key=found, claim=tuple(key.name.split(".")))
        return CountedBy(key=found, name=key.name.lower())

    def _match(self, match: LimitMatch, at: str) -> RouteMatch:
        return RouteMatch(
            path=self._path(match.path, f"{at}.path") if match.path is not None else None,
            method=Exact(match.method) if match.method else None,
            headers=self._headers(match.headers, f"{at}.headers"),
        )

    def _headers(self, headers: Sequence[gateway.HeaderMatch], at: str) -> tuple[HeaderMatch, ...]:
        return tuple(
            HeaderMatch(name=one.name.lower(), match=self._value(one.type, one.value, f"{at}[{i}]"))
            for i, one in enumerate(headers)
        )

    def _path(self, path: gateway.PathMatch, at: str) -> StringMatch:
        if path.type == "PathPrefix":  # element-wise; a trailing slash is ignored
            return PathPrefix(path.value.rstrip("/"))
        return self._value(path.type, path.value, at)

    def _value(self, kind: str, value: str, at: str) -> StringMatch:
        if kind == "RegularExpression":
            return self._regex(value, f"{at}.value")
        if kind != "Exact":
            self._wrong(f"{at}.type", "UnsupportedValue", f"type {kind!r} is not supported")
        return Exact(value)

    def _regex(self, pattern: str, at: str) -> Regex:
        return read_regex(pattern, at, self._wrong)

    def _wrong(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(at=self._owner.origin(path), code=code, text=text))
