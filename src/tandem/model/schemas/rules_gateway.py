"""Routes and ReferenceGrants beyond the form of single fields: the rules of the CRDs (v1, experimental). Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tandem.base.addresses import is_address
from tandem.model.schemas.rules_kubernetes import Rule, repeated

FILTER_FIELDS: Final = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestMirror": "requestMirror",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "ExtensionRef": "extensionRef",
    "CORS": "cors",
    "ExternalAuth": "externalAuth",
}
ONCE: Final = ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite", "CORS")
FORBIDDEN_IN_PATH: Final = ("//", "/./", "/../", "%2f", "%2F", "#")
_SERVICE: Final = re.compile(r"\.?[A-Za-z_][A-Za-z_0-9]*(\.[A-Za-z_][A-Za-z_0-9]*)*")
_CONTROLLER: Final = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
)
_METHOD: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_PREFIX: Final = re.compile(r"(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+")
_UNITS: Final = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


def longest(raw: dict[str, Any], at: str, limits: dict[str, int]) -> Iterator[str]:
    """Lists that are longer than the CRDs allow."""
    for name, limit in limits.items():
        if len(raw.get(name) or []) > limit:
            yield f"{at}.{name}: at most {limit} entries, not {len(raw[name])}"


def _spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from longest(raw, at, {"hostnames": 16})
    yield from spec_of_route(raw, at)


def spec_of_route(raw: dict[str, Any], at: str) -> Iterator[str]:
    """What is the same for routes of every kind."""
    yield from longest(raw, at, {"rules": 16, "parentRefs": 32})
    rules = raw.get("rules") or []
    if sum(len(r.get("matches") or [None]) for r in rules) > 128:
        yield f"{at}.rules: at most 128 matches in all rules together"
    yield from repeated((f"{at}.rules[{i}].name", r.get("name")) for i, r in enumerate(rules))
    for i, host in enumerate(raw.get("hostnames") or []):
        if not host:
            yield f"{at}.hostnames[{i}]: must not be empty"
        elif is_address(host):
            yield f"{at}.hostnames[{i}]: {ipaddress.ip_address(host)} is an address, not a host name"
    keys = ("group", "kind", "namespace", "name", "sectionName", "port")
    refs = ((f"{at}.parentRefs[{i}]", tuple(r.get(k) for k in keys)) for i, r in enumerate(raw.get("parentRefs") or []))
    seen: set[tuple[object, ...]] = set()
    for where, ref in refs:
        if ref in seen:
            yield f"{where}: the same parent occurs twice"
        seen.add(ref)


def _rule(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from longest(raw, at, {"matches": 64, "filters": 16, "backendRefs": 16})
    kinds = [f["type"] for f in raw.get("filters") or []]
    if "RequestRedirect" in kinds and raw.get("backendRefs"):
        yield f"{at}.backendRefs: may not be given together with a RequestRedirect filter"
    yield from _filters(raw, at)
    backends = enumerate(raw.get("backendRefs") or [])
    for where, holder in ((at, raw), *((f"{at}.backendRefs[{j}]", ref) for j, ref in backends)):
        for i, item in enumerate(holder.get("filters") or []):
            field = FILTER_FIELDS[item["type"]]
            path = (item.get(field) or {}).get("path") or {}
            if path.get("type") == "ReplacePrefixMatch" and not _one_prefix(raw.get("matches")):
                text = "ReplacePrefixMatch needs exactly one match, of type PathPrefix"
                yield f"{where}.filters[{i}].{field}.path: {text}"


def _grpc_rule(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from longest(raw, at, {"matches": 64, "filters": 16, "backendRefs": 16})
    yield from _filters(raw, at)


def _tcp_spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["rules"]:
        yield f"{at}.rules: at least one entry is required"
    yield from _spec(raw, at)


def _tcp_rule(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["backendRefs"]:
        yield f"{at}.backendRefs: at least one entry is required"
    yield from longest(raw, at, {"backendRefs": 16})


def _one_prefix(matches: list[dict[str, Any]] | None) -> bool:
    if not matches:
        return True
    return len(matches) == 1 and (matches[0].get("path") or {}).get("type", "PathPrefix") == "PathPrefix"


def _filters(raw: dict[str, Any], at: str) -> Iterator[str]:
    kinds = [f["type"] for f in raw.get("filters") or []]
    for kind in ONCE:
        if kinds.count(kind) > 1:
            yield f"{at}.filters: {kind} may occur once only"
    if "RequestRedirect" in kinds and "URLRewrite" in kinds:
        yield f"{at}.filters: RequestRedirect and URLRewrite exclude each other"


def _filter(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _of_type(raw, at, FILTER_FIELDS.get(raw["type"]), FILTER_FIELDS.values())


def _of_type(raw: dict[str, Any], at: str, wanted: str | None, fields: Iterable[str]) -> Iterator[str]:
    """The one of these fields that belongs to the object's type must be there, and no other."""
    for field in fields:
        if field == wanted and field not in raw:
            yield f"{at}.{field}: is required for the type {raw['type']}"
        if field != wanted and field in raw:
            yield f"{at}.{field}: does not belong to the type {raw['type']}"


def _match(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from longest(raw, at, {"headers": 16, "queryParams": 16})
    headers, params = raw.get("headers") or [], raw.get("queryParams") or []
    yield from repeated((f"{at}.headers[{i}].name", h["name"]) for i, h in enumerate(headers))
    yield from repeated((f"{at}.queryParams[{i}].name", p["name"]) for i, p in enumerate(params))


def _mesh(raw: dict[str, Any], at: str) -> Iterator[str]:
    if _CONTROLLER.fullmatch(raw["controllerName"]) is None or len(raw["controllerName"]) > 253:
        yield f"{at}.controllerName: {raw['controllerName']!r} is not a path below a domain (example.com/mesh)"
    if len(raw.get("description") or "") > 64:
        yield f"{at}.description: at most 64 characters"


def _grpc_method(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw.get("service") and not raw.get("method"):
        yield f"{at}: service or method is required"
    for field, form in (("service", _SERVICE), ("method", _METHOD)):
        value = raw.get(field) or ""
        if len(value) > 1024:
            yield f"{at}.{field}: at most 1024 characters"
        if value and (raw.get("type") or "Exact") == "Exact" and form.fullmatch(value) is None:
            yield f"{at}.{field}: {value!r} is not the name of a gRPC {field}"


def _path(raw: dict[str, Any], at: str) -> Iterator[str]:
    value, kind = raw.get("value", "/"), raw.get("type") or "PathPrefix"
    if len(value) > 1024:
        yield f"{at}.value: at most 1024 characters"
    if kind == "RegularExpression":
        return
    if not value.startswith("/"):
        yield f"{at}.value: {value!r} must begin with /"
    for part in FORBIDDEN_IN_PATH:
        if part in value:
            yield f"{at}.value: {value!r} must not contain {part}"
    if value.endswith(("/..", "/.")):
        yield f"{at}.value: {value!r} must not end with /. or /.."


def _backend(raw: dict[str, Any], at: str) -> Iterator[str]:
    if (raw.get("group") or "") == "" and (raw.get("kind") or "Service") == "Service" and "port" not in raw:
        yield f"{at}.port: is required where the backend is a Service"
    if raw.get("filters"):
        yield from _filters(raw, at)


def _header_filter(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from longest(raw, at, {"set": 16, "add": 16, "remove": 16})
    for field in ("set", "add"):
        yield from repeated((f"{at}.{field}[{i}].name", h["name"].lower()) for i, h in enumerate(raw.get(field) or []))


def _mirror(raw: dict[str, Any], at: str) -> Iterator[str]:
    if "percent" in raw and "fraction" in raw:
        yield f"{at}.fraction: may not be given together with percent"


def _external(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _of_type({**raw, "type": raw["protocol"]}, at, raw["protocol"].lower(), ("grpc", "http"))


def _question(raw: dict[str, Any], at: str) -> Iterator[str]:
    for field in ("allowedHeaders", "allowedResponseHeaders"):
        yield from longest(raw, at, {field: 64})
        yield from repeated((f"{at}.{field}[{i}]", name) for i, name in enumerate(raw.get(field) or []))
    path = raw.get("path") or ""
    if len(path) > 1024:
        yield f"{at}.path: at most 1024 characters"
    if path and _PREFIX.fullmatch(path) is None:
        yield f"{at}.path: {path!r} has characters that a path must escape"


def _fraction(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("denominator", 100) < 1:
        yield f"{at}.denominator: must be at least 1"
    elif raw["numerator"] > raw.get("denominator", 100):
        yield f"{at}.numerator: must not be greater than denominator"


def _modifier(raw: dict[str, Any], at: str) -> Iterator[str]:
    wanted = "replaceFullPath" if raw["type"] == "ReplaceFullPath" else "replacePrefixMatch"
    yield from _of_type(raw, at, wanted, ("replaceFullPath", "replacePrefixMatch"))


def _timeouts(raw: dict[str, Any], at: str) -> Iterator[str]:
    request, backend = milliseconds(raw.get("request", "")), milliseconds(raw.get("backendRequest", ""))
    if request and backend > request:
        yield f"{at}.backendRequest: must not be longer than request"


def milliseconds(text: str) -> int:
    """A Gateway API duration (GEP-2257) in milliseconds; "" is 0."""
    return sum(int(n) * _UNITS[u] for n, u in re.findall(r"(\d+)(ms|h|m|s)", text))


def _retry(raw: dict[str, Any], at: str) -> Iterator[str]:
    for i, code in enumerate(raw.get("codes") or []):
        if not 400 <= code <= 599:
            yield f"{at}.codes[{i}]: {code} is not between 400 and 599"


def _grant(raw: dict[str, Any], at: str) -> Iterator[str]:
    for side in ("from", "to"):
        if not raw[side]:
            yield f"{at}.{side}: at least one entry is required"
    yield from longest(raw, at, {"from": 16, "to": 16})


def _session(raw: dict[str, Any], at: str) -> Iterator[str]:
    cookie = raw.get("cookie") or {}
    if cookie.get("lifetimeType") == "Permanent" and "absoluteTimeout" not in raw:
        yield f"{at}.absoluteTimeout: is required where the cookie's lifetimeType is Permanent"


RULES: Final[dict[str, Rule]] = {
    "GwHttpRouteSpec": _spec,
    "GwHttpRule": _rule,
    "GwHttpFilter": _filter,
    "GwHttpMatch": _match,
    "GwPathMatch": _path,
    "GwBackendRef": _backend,
    "GwHttpBackendRef": _backend,
    "GwHeaderFilter": _header_filter,
    "GwMirror": _mirror,
    "GwExternalAuth": _external,
    "GwGrpcAuth": _question,
    "GwHttpAuth": _question,
    "GwGrpcRouteSpec": _spec,
    "GwGrpcRule": _grpc_rule,
    "GwGrpcFilter": _filter,
    "GwGrpcMatch": _match,
    "GwGrpcMethod": _grpc_method,
    "GwGrpcBackendRef": _backend,
    "GwTcpRouteSpec": _tcp_spec,
    "GwTcpRule": _tcp_rule,
    "GwTcpBackendRef": _backend,
    "GwMeshSpec": _mesh,
    "GwFraction": _fraction,
    "GwPathModifier": _modifier,
    "GwTimeouts": _timeouts,
    "GwRetry": _retry,
    "GwSessionPersistence": _session,
    "GwGrantSpec": _grant,
}
