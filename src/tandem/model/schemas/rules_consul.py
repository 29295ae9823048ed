"""Kinds of consul.hashicorp.com beyond the form of single fields, as Consul's own admission judges them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.model.consul import ANY
from tandem.model.schemas.complaint import duplicate, invalid, required
from tandem.model.schemas.rules_kubernetes import Rule, repeated
from tandem.model.schemas.syntax import LABEL

PATHS: Final = ("pathExact", "pathPrefix", "pathRegex")
VALUES: Final = ("present", "exact", "prefix", "suffix", "contains", "regex")
_ELSEWHERE: Final = ("partition", "peer", "samenessGroup")
WHOLE: Final = 100
"""Percent."""
_LONGEST: Final = 512
"""Characters of a description."""
_LONGEST_LABEL: Final = 63
_TO: Final = ("service", "serviceSubset", "namespace", "partition")
"""What a split is to."""


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
    # One that is about nothing would be about everything, and Consul takes none.
    if not any((raw.get("http") or {}).values()):
        yield required(f"{at}.http", "a path, methods or headers")


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
    yield from _one_value(raw, at, VALUES)
    for name in ("present", "regex"):
        if raw.get("ignoreCase") and raw.get(name):
            yield f"{at}.ignoreCase: does not belong to {name}"


def _router_header(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _one_value(raw, at, ("present", "exact", "prefix", "suffix", "regex"))
    if raw["name"].lower() == "host":
        yield invalid(f"{at}.name", raw["name"], "the host of a request is in the header :authority")


def _parameter(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _one_value(raw, at, ("present", "exact", "regex"))


def _one_value(raw: dict[str, Any], at: str, names: tuple[str, ...]) -> Iterator[str]:
    given = [name for name in names if raw.get(name)]
    for name in given[1:]:
        yield f"{at}.{name}: may not be given together with {given[0]}"
    if not given:
        yield f"{at}: needs one of {', '.join(names)}"


def _route(raw: dict[str, Any], at: str) -> Iterator[str]:
    http = (raw.get("match") or {}).get("http") or {}
    if (raw.get("destination") or {}).get("prefixRewrite") and not (http.get("pathPrefix") or http.get("pathExact")):
        yield f"{at}.destination.prefixRewrite: needs match.http.pathPrefix or match.http.pathExact"


def _splitter(raw: dict[str, Any], at: str) -> Iterator[str]:
    weights = [split.get("weight") or 0 for split in raw["splits"]]
    for i, weight in enumerate(weights):
        if weight and not 0.01 <= weight <= WHOLE:
            yield invalid(f"{at}.splits[{i}].weight", weight, "a weight is 0, or between 0.01 and 100")
    if round(sum(weights), 2) != WHOLE:
        yield invalid(f"{at}.splits", sum(weights), "the weights must be 100 together")
    places = [tuple(split.get(name) or "" for name in _TO) for split in raw["splits"]]
    yield from (f"{at}.splits[{i}]: is there twice" for i, place in enumerate(places) if place in places[:i])


def _resolver(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("failover") and raw.get("redirect"):
        yield f"{at}.failover: may not be given together with redirect"
    for name in raw.get("subsets") or {}:
        if LABEL.fullmatch(name) is None or len(name) > _LONGEST_LABEL:
            why = f"a subset's name is a DNS label (a-z, 0-9, '-', at most {_LONGEST_LABEL})"
            yield invalid(f"{at}.subsets[{name}]", name, why)
    if str(raw.get("connectTimeout") or "").startswith("-"):
        yield invalid(f"{at}.connectTimeout", raw["connectTimeout"], "must not be negative")


def _redirect(raw: dict[str, Any], at: str) -> Iterator[str]:
    given = [name for name, value in raw.items() if value]
    if not given:
        yield f"{at}: must not be empty"
    for name in ("serviceSubset", "namespace", "partition", "peer"):
        if raw.get(name) and not raw.get("service"):
            yield f"{at}.{name}: needs service beside it"


def _failover(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not any(raw.values()):
        yield f"{at}: must not be empty"
    for name in ("service", "serviceSubset", "datacenters", "samenessGroup"):
        if raw.get(name) and raw.get("targets"):
            yield f"{at}.targets: may not be given together with {name}"


def _hash(raw: dict[str, Any], at: str) -> Iterator[str]:
    if bool(raw.get("field")) is bool(raw.get("sourceIP")):
        yield f"{at}: needs field or sourceIP, and not both"
    elif raw.get("field") and not raw.get("fieldValue"):
        yield f"{at}.fieldValue: is required with field"
    if raw.get("sourceIP") and raw.get("fieldValue"):
        yield f"{at}.fieldValue: does not belong to sourceIP"
    if raw.get("cookieConfig") is not None and raw.get("field") != "cookie":
        yield f"{at}.cookieConfig: does not belong to the field {raw.get('field') or 'sourceIP'}"


def _cookie(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("session") and raw.get("ttl"):
        yield f"{at}.ttl: may not be given together with session"


def _balancer(raw: dict[str, Any], at: str) -> Iterator[str]:
    policy = raw.get("policy") or ""
    for name, of in (("leastRequestConfig", {"least_request"}), ("ringHashConfig", {"ring_hash"})):
        if raw.get(name) is not None and policy not in of:
            yield f"{at}.{name}: does not belong to the policy {policy!r}"
    if raw.get("hashPolicies") and policy not in {"ring_hash", "maglev"}:
        yield f"{at}.hashPolicies: do not belong to the policy {policy!r}"


def _instance(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _burst(raw, at)
    if not raw.get("requestsPerSecond") and not raw.get("routes"):
        yield f"{at}: needs requestsPerSecond or routes"


def _rate_route(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from paths(raw, at)
    if not any(raw.get(name) for name in PATHS):
        yield f"{at}: needs one of {', '.join(PATHS)}"
    if not raw.get("requestsPerSecond"):
        yield f"{at}.requestsPerSecond: is required, and above 0"
    yield from _burst(raw, at)


def _burst(raw: dict[str, Any], at: str) -> Iterator[str]:
    burst, requests = raw.get("requestsMaxBurst") or 0, raw.get("requestsPerSecond") or 0
    if burst and not requests:
        yield f"{at}.requestsMaxBurst: needs requestsPerSecond beside it"
    elif burst and burst < requests:
        yield f"{at}.requestsMaxBurst: must not be less than requestsPerSecond"


def _defaults(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("mode"):
        yield f"{at}.mode: cannot be set here, and in Consul by the annotation transparent-proxy alone"


def _upstreams(raw: dict[str, Any], at: str) -> Iterator[str]:
    for name in ("name", "namespace", "partition", "peer"):
        if (raw.get("defaults") or {}).get(name):
            yield f"{at}.defaults.{name}: defaults are of every upstream: it must be empty"


RULES: Final[dict[str, Rule]] = {
    "CrHttp": _http,
    "CrHeader": _router_header,
    "CrParameter": _parameter,
    "CrRoute": _route,
    "CsSpec": _splitter,
    "CvSpec": _resolver,
    "CvRedirect": _redirect,
    "CvFailover": _failover,
    "CvHash": _hash,
    "CvCookie": _cookie,
    "CvBalancer": _balancer,
    "CdSpec": _defaults,
    "CdInstance": _instance,
    "CdUpstreams": _upstreams,
    "CdRateRoute": _rate_route,
    "CiSpec": _intentions,
    "CiDestination": _named,
    "CiSource": _source,
    "CiPermission": _permission,
    "CiHttp": _http,
    "CiHeader": _header,
}
