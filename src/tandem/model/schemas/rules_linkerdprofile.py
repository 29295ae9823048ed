"""ServiceProfiles beyond the form of single fields: what Linkerd's proxy and its tools refuse. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.model.schemas.complaint import invalid, required
from tandem.model.schemas.rules_kubernetes import Rule, repeated

Raw = dict[str, Any]
_CODES: Final = (100, 599)


def _spec(raw: Raw, at: str) -> Iterator[str]:
    yield from repeated((f"{at}.routes[{i}].name", r.get("name")) for i, r in enumerate(raw.get("routes") or ()))


def _match(raw: Raw, at: str) -> Iterator[str]:
    if not any(raw.get(name) for name in ("pathRegex", "method", "all", "any", "not")):
        yield required(at, "pathRegex, method, all, any or not")


def _response(raw: Raw, at: str) -> Iterator[str]:
    if not any(raw.get(name) for name in ("status", "all", "any", "not")):
        yield required(at, "status, all, any or not")


def _status(raw: Raw, at: str) -> Iterator[str]:
    low, high = _CODES
    given = [(name, raw[name]) for name in ("min", "max") if name in raw]
    if not given:
        yield required(f"{at}.min", "or max")
    for name, code in given:
        if not low <= code <= high:
            yield invalid(f"{at}.{name}", code, f"must be between {low} and {high}")
    if len(given) == 2 and raw["max"] < raw["min"]:
        yield invalid(f"{at}.max", raw["max"], "must not be less than min")


def _budget(raw: Raw, at: str) -> Iterator[str]:
    if not 0 <= raw["retryRatio"] <= 1:
        yield invalid(f"{at}.retryRatio", raw["retryRatio"], "must be between 0 and 1")


RULES: Final[dict[str, Rule]] = {
    "SpSpec": _spec,
    "SpMatch": _match,
    "SpResponse": _response,
    "SpStatus": _status,
    "SpBudget": _budget,
}
