"""Kinds of consul.hashicorp.com beyond the form of single fields, as Consul's own admission judges them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.model.consul import ANY
from tandem.model.schemas.complaint import duplicate, invalid
from tandem.model.schemas.rules_kubernetes import Rule, repeated

PATHS: Final = ("pathExact", "pathPrefix", "pathRegex")
VALUES: Final = ("present", "exact", "prefix", "suffix", "contains", "regex")
_ELSEWHERE: Final = ("partition", "peer", "samenessGroup")
_LONGEST: Final = 512
"""Characters of a description."""


def _intentions(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["sources"]:
        yield f"{at}.sources: at least one is required"
    seen: set[tuple[str, ...]] = set()
    for i, source in enumerate(raw["sources"]):
        key = tuple(source.get(name) or "" for name in ("name", "namespace", *_ELSEWHERE))
        if key in seen:
            yield duplicate(f"{at}.sources[{i}]", source["name"])
        seen.add(key)


def _named(raw: dict[str, Any], at: str) -> Iterator[str]:
    """A destination or source: what is exact cannot follow what stands for all."""
    if ANY in raw["name"] and raw["name"] != ANY:
        yield invalid(f"{at}.name", raw["name"], "a star stands for every name, and not within one")
    namespace = raw.get("namespace") or ""
    if ANY in namespace and namespace != ANY:
        yield invalid(f"{at}.namespace", namespace, "a star stands for every namespace, and not within a name")
    if namespace == ANY and raw["name"] != ANY:
        yield invalid(f"{at}.name", raw["name"], "in every namespace only * can be named")


def _source(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _named(raw, at)
    if raw.get("action") and raw.get("permissions"):
        yield f"{at}.permissions: may not be given together with action"
    elif not raw.get("action") and not raw.get("permissions"):
        yield f"{at}: needs action (allow or deny) or permissions"
    given = [name for name in _ELSEWHERE if raw.get(name)]
    if len(given) > 1:
        yield f"{at}.{given[1]}: may not be given together with {given[0]}"
    if len(raw.get("description") or "") > _LONGEST:
        yield f"{at}.description: at most {_LONGEST} characters"


def _permission(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["action"]:
        yield f"{at}.action: is required, allow or deny"


def paths(raw: dict[str, Any], at: str) -> Iterator[str]:
    """At most one path, and those that are no pattern begin with a slash."""
    given = [name for name in PATHS if raw.get(name)]
    for name in given[1:]:
        yield f"{at}.{name}: may not be given together with {given[0]}"
    for name in ("pathExact", "pathPrefix"):
        if raw.get(name) and not raw[name].startswith("/"):
            yield invalid(f"{at}.{name}", raw[name], "must begin with /")


def methods(raw: dict[str, Any], at: str) -> Iterator[str]:
    """None of them is empty, or there twice."""
    given = raw.get("methods") or []
    yield from (f"{at}.methods[{i}]: must not be empty" for i, method in enumerate(given) if not method)
    yield from repeated((f"{at}.methods[{i}]", method) for i, method in enumerate(given))


def _http(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from paths(raw, at)
    yield from methods(raw, at)


def _header(raw: dict[str, Any], at: str) -> Iterator[str]:
    given = [name for name in VALUES if raw.get(name)]
    for name in given[1:]:
        yield f"{at}.{name}: may not be given together with {given[0]}"
    if not given:
        yield f"{at}: needs one of {', '.join(VALUES)}"
    if raw.get("ignoreCase") and given and given[0] in {"present", "regex"}:
        yield f"{at}.ignoreCase: does not belong to {given[0]}"


RULES: Final[dict[str, Rule]] = {
    "CiSpec": _intentions,
    "CiDestination": _named,
    "CiSource": _source,
    "CiPermission": _permission,
    "CiHttp": _http,
    "CiHeader": _header,
}
