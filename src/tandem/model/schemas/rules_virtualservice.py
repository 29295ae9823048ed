"""Istio's VirtualService beyond the form of single fields, as istiod's admission judges it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from tandem.base.addresses import is_address
from tandem.base.grpc import STATUSES
from tandem.model.schemas.istioforms import (
    block_fault,
    each,
    exports,
    gateway_fault,
    header_fault,
    header_value_fault,
    host_fault,
    is_label,
    matched_header_fault,
    sni_fault,
)
from tandem.model.schemas.rules_kubernetes import Rule, repeated
from tandem.model.schemas.syntax import SCALARS

ACTIONS: Final = ("route", "redirect", "directResponse", "delegate")
MESH: Final = "mesh"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*")
RETRIES: Final = frozenset(
    {
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx", "refused-stream",
        "retriable-status-codes", "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure", "cancelled",
        "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    }
)  # fmt: skip
LARGEST_BODY: Final = 1 << 20
_STATUSES: Final = frozenset(str(status.value) for status in HTTPStatus)


def _whole(raw: dict[str, Any], _: str) -> Iterator[str]:
    yield from exports(raw)


def _virtual_service(raw: dict[str, Any], at: str) -> Iterator[str]:
    hosts, gateways = raw.get("hosts") or [], raw.get("gateways") or []
    if not hosts:
        yield from _delegate(raw, at)
    outside = bool(gateways) and MESH not in gateways
    yield from each(gateways, f"{at}.gateways", gateway_fault)
    yield from _hosts(raw, f"{at}.hosts", outside=outside)
    if not any(raw.get(k) for k in ("http", "tls", "tcp")):
        yield f"{at}: needs http, tls or tcp"
    for i, route in enumerate(raw.get("tls") or []):
        for j, match in enumerate(route["match"]):
            for k, name in enumerate(match["sniHosts"]):
                if not is_address(name) and not any(_within(name, host) for host in hosts):
                    yield f"{at}.tls[{i}].match[{j}].sniHosts[{k}]: {name!r} lies within none of {at}.hosts"
    if hosts and not outside:
        yield from _claims(raw, at)


def _delegate(raw: dict[str, Any], at: str) -> Iterator[str]:
    """Without hosts it is one that others leave routes to."""
    if raw.get("tls") or raw.get("tcp") or not raw.get("http"):
        yield f"{at}.hosts: at least one host is required"
    if raw.get("gateways"):
        yield f"{at}.gateways: belong to the VirtualService that leaves routes to this one, which has no hosts"
    for i, route in enumerate(raw.get("http") or []):
        if "delegate" in route:
            yield f"{at}.http[{i}].delegate: without hosts it is a delegate itself, and those are of one level"


def _hosts(raw: dict[str, Any], at: str, *, outside: bool) -> Iterator[str]:
    hosts = raw.get("hosts") or []
    fault = sni_fault if outside and raw.get("tls") else host_fault
    wrong = list(each(hosts, at, lambda host: None if is_address(host) else fault(host)))
    if not outside:
        wrong += [f"{at}[{i}]: '*' is for gateways alone" for i, host in enumerate(hosts) if host == "*"]
    yield from wrong
    for i, host in enumerate(hosts if not wrong else ()):
        if other := next((h for h in hosts[:i] if _within(host, h) or _within(h, host)), None):
            yield f"{at}[{i}]: {host!r} occurs twice" if other == host else f"{at}[{i}]: {host!r} overlaps {other!r}"


def _within(name: str, host: str) -> bool:
    """Whether a host or pattern lies within another one."""
    return name == host or (host.startswith("*") and name.removeprefix("*").endswith(host[1:]))


def _claims(raw: dict[str, Any], at: str) -> Iterator[str]:
    for i, route in enumerate(raw.get("http") or []):
        for j, match in enumerate(route.get("match") or []):
            for field in ("headers", "withoutHeaders"):
                for name in match.get(field) or {}:
                    if name.startswith("@") and matched_header_fault(name) is None:
                        where = f"{at}.http[{i}].match[{j}].{field}[{name}]"
                        yield f"{where}: claims are looked at by gateways alone: name some, and not {MESH!r}"


def _http(raw: dict[str, Any], at: str) -> Iterator[str]:
    given = [a for a in ACTIONS if a in raw and (raw[a] or a != "route")]
    if not given:
        yield f"{at}: needs one of {', '.join(ACTIONS)}"
    elif len(given) > 1:
        yield f"{at}.{given[1]}: may not be given together with {given[0]}"
    for action in {"redirect", "directResponse"} & set(given):
        for name in ("rewrite", "fault"):
            if name in raw:
                yield f"{at}.{name}: may not be given together with {action}"
    if "mirror" in raw and raw.get("mirrors"):
        yield f"{at}.mirrors: may not be given together with mirror"
    if (raw.get("mirrorPercent") or raw.get("mirror_percent") or 0) > 100:
        yield f"{at}.mirrorPercent: is not between 0 and 100"
    yield from _weights(raw, at)
    yield from _prefixed(raw, at)
    yield from _authorities(raw, at)
    yield from repeated((f"{at}.match[{i}].name", m.get("name")) for i, m in enumerate(raw.get("match") or []))


def _prefixed(raw: dict[str, Any], at: str) -> Iterator[str]:
    if (raw.get("redirect") or {}).get("prefixRewrite"):
        for match in raw.get("match") or []:
            if match.get("uri") and "prefix" not in match["uri"]:
                yield f"{at}.redirect.prefixRewrite: each match of a uri must be one of a prefix"
                return


def _authorities(raw: dict[str, Any], at: str) -> Iterator[str]:
    request = (raw.get("headers") or {}).get("request") or {}
    places = [f"{at}.rewrite.authority"] if (raw.get("rewrite") or {}).get("authority") else []
    for field in ("set", "add"):
        places += [f"{at}.headers.request.{field}[{n}]" for n in request.get(field) or {} if _is_authority(n)]
    yield from (f"{place}: the authority is set before, by {places[0]}" for place in places[1:])


def _is_authority(name: str) -> bool:
    return name.lower() in {"host", ":authority"}


def _weights(raw: dict[str, Any], at: str) -> Iterator[str]:
    weights = [d.get("weight") or 0 for d in raw.get("route") or []]
    for i, weight in enumerate(weights):
        if weight < 0:
            yield f"{at}.route[{i}].weight: must not be negative"
    # Weights are relative ("weight/(sum of all weights)"), so any positive sum will do.
    if len(weights) > 1 and sum(weights) == 0:
        yield f"{at}.route: the weights of several destinations must not all be 0"


def _destination(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw["host"] == "*" or host_fault(raw["host"]):
        yield f"{at}.host: {raw['host']!r} is not a host name"
    if raw.get("subset") and not is_label(raw["subset"]):
        yield f"{at}.subset: {raw['subset']!r} is not a DNS label"
    if "port" in raw and not raw["port"].get("number"):
        yield f"{at}.port.number: is required"


def _headers(raw: dict[str, Any], at: str) -> Iterator[str]:
    for side, changes in ((side, raw.get(side) or {}) for side in ("request", "response")):
        for field in ("set", "add"):
            for name, value in (changes.get(field) or {}).items():
                named = None if side == "request" and _is_authority(name) else _changed_fault(name)
                if wrong := named or header_value_fault(value):
                    yield f"{at}.{side}.{field}[{name}]: {wrong}"
        yield from each(changes.get("remove"), f"{at}.{side}.remove", _changed_fault)


def _changed_fault(name: str) -> str | None:
    if name.startswith(":") or name.lower() == "host":
        return f"{name!r} cannot be changed: it says where a request goes, or what a response is"
    return header_fault(name)


def _layer4(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw.get("route"):
        yield f"{at}.route: is required"
    if raw.get("match") == []:
        yield f"{at}.match: at least one is required"
    yield from _weights(raw, at)


def _layer4_match(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("sniHosts") == []:
        yield f"{at}.sniHosts: at least one is required"
    yield from each(raw.get("sniHosts"), f"{at}.sniHosts", lambda name: None if is_address(name) else sni_fault(name))
    yield from each(raw.get("destinationSubnets"), f"{at}.destinationSubnets", block_fault)
    yield from _place(raw, at)


def _place(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("port", 0) > 65535:
        yield f"{at}.port: {raw['port']} is not between 1 and 65535"
    if raw.get("sourceNamespace") and not is_label(raw["sourceNamespace"]):
        yield f"{at}.sourceNamespace: {raw['sourceNamespace']!r} is not a namespace"
    yield from each(raw.get("gateways"), f"{at}.gateways", gateway_fault)


def _string_match(raw: dict[str, Any], at: str) -> Iterator[str]:
    if len(raw) > 1:
        yield f"{at}: has more than one of {', '.join(raw)}"
    if raw.get("regex") == "":
        yield f"{at}.regex: must not be empty"


def _absent(raw: dict[str, Any], at: str) -> Iterator[str]:
    """`*` is no regular expression here: the header may not be there at all."""
    yield from _string_match(raw, at)
    if raw.get("regex", "*") != "*" and (wrong := SCALARS["regex"](raw["regex"])):
        yield f"{at}.regex: {wrong}"


def _match(raw: dict[str, Any], at: str) -> Iterator[str]:
    for field in ("uri", "scheme", "method", "authority"):
        if raw.get(field) == {}:
            yield f"{at}.{field}: needs one of exact, prefix, regex"
        elif field != "uri" and (raw.get(field) or {}).get("prefix") == "":
            yield f"{at}.{field}.prefix: must not be empty"
    for field in ("headers", "withoutHeaders", "queryParams"):
        for name, value in (raw.get(field) or {}).items():
            wrong = matched_header_fault(name) if field != "queryParams" else None if name else "must not be empty"
            if wrong:
                yield f"{at}.{field}: {wrong}"
            elif value.get("prefix") == "":
                yield f"{at}.{field}[{name}].prefix: must not be empty; {{}} asks for any value"
    if raw.get("port", 1) == 0:
        yield f"{at}.port: 0 is not between 1 and 65535"
    yield from _place(raw, at)


def _direct_response(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not 200 <= raw["status"] <= 599:
        yield f"{at}.status: {raw['status']} is not between 200 and 599"
    body = raw.get("body") or {}
    if len(body) > 1:
        yield f"{at}.body: has more than one of string, bytes"
    for name in ("string", "bytes"):
        if len(body.get(name, "").encode()) > LARGEST_BODY:
            yield f"{at}.body.{name}: is longer than {LARGEST_BODY} bytes"


def _redirect(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not any(raw.get(k) for k in ("uri", "prefixRewrite", "authority", "scheme", "port", "derivePort")):
        yield f"{at}: needs one of uri, prefixRewrite, authority, scheme, port, derivePort"
    if raw.get("redirectCode", 301) not in {0, 301, 302, 303, 307, 308}:
        yield f"{at}.redirectCode: {raw['redirectCode']} is not one of 301, 302, 303, 307, 308"
    if raw.get("port", 0) > 65535:
        yield f"{at}.port: {raw['port']} is not between 1 and 65535"
    if "port" in raw and "derivePort" in raw:
        yield f"{at}.derivePort: may not be given together with port"
    if raw.get("uri") and raw.get("prefixRewrite"):
        yield f"{at}.prefixRewrite: may not be given together with uri"
    if raw.get("scheme", "") not in {"", "http", "https"}:
        yield f"{at}.scheme: {raw['scheme']!r} is neither http nor https"


def _rewrite(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw.get("uri") and not raw.get("authority") and "uriRegexRewrite" not in raw:
        yield f"{at}: needs uri, uriRegexRewrite or authority"
    if raw.get("uri") and "uriRegexRewrite" in raw:
        yield f"{at}.uriRegexRewrite: may not be given together with uri"


def _regex_rewrite(raw: dict[str, Any], at: str) -> Iterator[str]:
    for name in ("match", "rewrite"):
        if not raw.get(name):
            yield f"{at}.{name}: is required"


def _retry(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw.get("attempts"):
        for name in ("perTryTimeout", "retryOn", "retryRemoteLocalities"):
            if name in raw:
                yield f"{at}.{name}: has no meaning without attempts"
    for word in raw["retryOn"].split(",") if raw.get("retryOn") else ():
        if word not in RETRIES and word not in _STATUSES:
            yield f"{at}.retryOn: {word!r} is neither a reason that Envoy knows nor a status of HTTP"


def _cors(raw: dict[str, Any], at: str) -> Iterator[str]:
    for i, origin in enumerate(raw.get("allowOrigins") or []):
        if not any(origin.values()):
            yield f"{at}.allowOrigins[{i}]: needs one of exact, prefix, regex, and not empty"
    for i, method in enumerate(raw.get("allowMethods") or []):
        if method not in METHODS:
            yield f"{at}.allowMethods[{i}]: {method!r} is none of {', '.join(METHODS)}"
    for field in ("allowHeaders", "exposeHeaders"):
        yield from each(raw.get(field), f"{at}.{field}", header_fault)


def _fault(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw:
        yield f"{at}: needs abort or delay"
    for name in ("delay", "abort"):
        if 0 < ((raw.get(name) or {}).get("percentage") or {}).get("value", 0) < 0.0001:
            yield f"{at}.{name}.percentage.value: is neither 0 nor at least 0.0001"


def _abort(raw: dict[str, Any], at: str) -> Iterator[str]:
    kinds = [k for k in ("httpStatus", "grpcStatus", "http2Error") if k in raw]
    if len(kinds) != 1:
        yield f"{at}: needs exactly one of httpStatus, grpcStatus"
    if "http2Error" in raw:
        yield f"{at}.http2Error: is not supported; use httpStatus or grpcStatus"
    if not 200 <= raw.get("httpStatus", 200) <= 599:
        yield f"{at}.httpStatus: {raw['httpStatus']} is not between 200 and 599"
    if raw.get("grpcStatus", STATUSES[0]) not in STATUSES:
        yield f"{at}.grpcStatus: {raw['grpcStatus']!r} is none of {', '.join(STATUSES)}"


def _delay(raw: dict[str, Any], at: str) -> Iterator[str]:
    if "exponentialDelay" in raw:
        yield f"{at}.exponentialDelay: is not supported; use fixedDelay"
    elif "fixedDelay" not in raw:
        yield f"{at}.fixedDelay: is required"


def _percent(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not 0 <= raw.get("value", 0) <= 100:
        yield f"{at}.value: {raw['value']} is not between 0 and 100"


RULES: Final[dict[str, Rule]] = {
    "VirtualService": _whole,
    "VsSpec": _virtual_service,
    "VsHttp": _http,
    "VsTls": _layer4,
    "VsTcp": _layer4,
    "VsTlsMatch": _layer4_match,
    "VsTcpMatch": _layer4_match,
    "VsHttpMatch": _match,
    "VsDestination": _destination,
    "VsHeaders": _headers,
    "IstioStringMatch": _string_match,
    "IstioAbsentMatch": _absent,
    "VsDirectResponse": _direct_response,
    "VsRedirect": _redirect,
    "VsRewrite": _rewrite,
    "VsRegexRewrite": _regex_rewrite,
    "VsRetry": _retry,
    "VsCors": _cors,
    "VsFault": _fault,
    "VsAbort": _abort,
    "VsDelay": _delay,
    "IstioPercent": _percent,
}
