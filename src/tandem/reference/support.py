"""What of the Istio and Gateway APIs is not supported: such an object is refused as a whole and routes nothing.

A list of its own, so that the oracle does not repeat a mistake of translation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from tandem.base.re2 import re2_fault
from tandem.model import core
from tandem.model.gateway import HTTPRoute
from tandem.model.grpcroute import GRPCRoute
from tandem.model.istio import DestinationRule, VirtualService
from tandem.model.meta import Model, Object
from tandem.model.tcproute import TCPRoute
from tandem.model.tlsroute import TLSRoute
from tandem.model.udproute import UDPRoute
from tandem.model.world import World

ROOT: Final = "istio-system"
"""The namespace whose objects of Istio are about all namespaces."""

_ROUTE = {
    *("name", "match", "route", "timeout", "retries", "headers", "directResponse", "redirect", "rewrite", "fault"),
    *("mirror", "mirrors", "mirrorPercent", "mirror_percent", "mirrorPercentage", "corsPolicy", "delegate"),
}
_GRPC = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
_POLICY = {"loadBalancer", "tls", "connectionPool", "outlierDetection", "portLevelSettings", "retryBudget"}
_KEYS = {"httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"}
_SIMPLE = {"", "UNSPECIFIED", "ROUND_ROBIN", "LEAST_REQUEST", "LEAST_CONN", "RANDOM"}
_PATHS = {"Exact", "PathPrefix", "RegularExpression"}
_VALUES = {"Exact", "RegularExpression"}
_FILTERS = {"RequestRedirect", "URLRewrite", "RequestMirror", "CORS"}
_MODIFIERS = {"RequestHeaderModifier": "requestHeaderModifier", "ResponseHeaderModifier": "responseHeaderModifier"}


def refused(
    world: World,
    obj: VirtualService | DestinationRule | HTTPRoute | GRPCRoute | TCPRoute | TLSRoute | UDPRoute,
    *,
    edge: bool = False,
) -> str:
    """Why nothing of the object is applied, at gateways (`edge`) or in the mesh; empty if it is."""
    raw = _raw(obj)
    spec = raw.get("spec", {})
    match obj:
        case VirtualService():
            reasons = _virtualservice(spec)
        case DestinationRule():
            reasons = _destinationrule(world, obj, spec)
        case HTTPRoute():
            reasons = _httproute(spec, edge=edge)
        case GRPCRoute():
            reasons = _grpcroute(spec)
        case TCPRoute() | TLSRoute() | UDPRoute():
            reasons = []
    return reasons[0] if reasons else ""


def seconds_ms(text: str) -> int:
    """A duration of the APIs (`1m30s`, `500ms`) in milliseconds; -1 if it is none."""
    units = {"h": 3600_000, "m": 60_000, "s": 1000, "ms": 1, "us": 0.001, "ns": 0.000001}
    if text in {"", "0"}:
        return 0
    if not re.fullmatch(r"(\d+(\.\d+)?(ms|us|ns|[hms]))+", text):
        return -1
    total = sum(float(n) * units[u] for n, _, u in re.findall(r"(\d+(\.\d+)?)(ms|us|ns|[hms])", text))
    return int(total) if total == int(total) else int(total) + 1


def age(obj: Object) -> tuple[str, str, str]:
    """Orders the older first."""
    return obj.metadata.creation_timestamp or "", obj.metadata.namespace, obj.metadata.name


def host(text: str, namespace: str, cluster_domain: str) -> tuple[str, str]:
    """(namespace, service) of a host; an empty namespace for what is no Service's name."""
    if "." not in text:
        return namespace, text
    parts = text.split(".")
    if len(parts) > 3 and parts[2:] == ["svc", *cluster_domain.split(".")] and parts[0] and parts[1]:
        return parts[1], parts[0]
    return "", text


def _raw(obj: Model) -> dict[str, Any]:
    raw: dict[str, Any] = msgspec.to_builtins(obj)
    return raw


def _virtualservice(spec: dict[str, Any]) -> list[str]:
    bytes_too = [f for f in ("tls", "tcp") if spec.get(f)]
    # With gateways beside the mesh, hosts may be for those alone.
    alone = set(spec.get("gateways", ())) <= {"mesh"}
    found = [f"host {h}" for h in spec.get("hosts", ()) if "*" in h and alone]
    found += [] if spec.get("http") or bytes_too else ["needs http, tls or tcp"]
    found += [f"spec.{f} of a delegate" for f in bytes_too if not spec.get("hosts")]
    found += [
        f"name {name} is none of the hosts" for name in _asked(spec) if not _is_among(name, spec.get("hosts", ()))
    ]
    for i, route in enumerate(spec.get("http", ())):
        at = f"spec.http[{i}]"
        found += [f"{at}.{f}" for f in sorted(set(route) - _ROUTE)]
        destinations = route.get("route", ())
        if "delegate" in route and not spec.get("hosts"):
            found.append(f"{at}.delegate of a delegate")
        acts = [bool(destinations), "directResponse" in route, "redirect" in route, "delegate" in route]
        if acts.count(True) != 1:
            found.append(f"{at} must either route, redirect or respond")
        weights = [d.get("weight", 0) for d in destinations]
        if any(w < 0 for w in weights) or (len(weights) > 1 and sum(weights) == 0):
            found.append(f"{at}: weights")
        if seconds_ms(route.get("timeout", "")) < 0:
            found.append(f"{at}.timeout")
        response = route.get("directResponse", {"status": 200})
        if not 200 <= response["status"] <= 599 or set(response.get("body", {})) - {"string"}:
            found.append(f"{at}.directResponse")
        found += _retries(route.get("retries", {}), at) + _edits(route, at) + _extras(route, at)
        for match in route.get("match", ()):
            found += _match(match, at)
    return found


def _asked(spec: dict[str, Any]) -> list[str]:
    """Every name by which a route of TLS takes sessions."""
    return [n.lower() for route in spec.get("tls", ()) for m in route.get("match", ()) for n in m.get("sniHosts", ())]


def _is_among(name: str, hosts: Iterable[str]) -> bool:
    """A short name of a Service may be asked for by any."""
    for host in (host.lower() for host in hosts):
        if "." not in host or name == host or (host.startswith("*") and name.endswith(host[1:])):
            return True
    return False


def _retries(retries: dict[str, Any], at: str) -> list[str]:
    bad = retries.get("attempts", 2) < 0 or seconds_ms(retries.get("perTryTimeout", "")) < 0
    bad = bad or seconds_ms(retries.get("backoff", "")) < 0
    return [f"{at}.retries"] if bad else []


def _extras(route: dict[str, Any], at: str) -> list[str]:
    """Redirect, rewrite, faults, mirrors and CORS."""
    redirect, rewrite = route.get("redirect", {}), route.get("rewrite", {})
    delay, abort = (route.get("fault", {}).get(f) for f in ("delay", "abort"))
    cors = route.get("corsPolicy", {})
    regex = rewrite.get("uriRegexRewrite", {})
    patterns = [regex.get("match", ""), *(o.get("regex", "") for o in cors.get("allowOrigins", ()))]
    bad = redirect.get("redirectCode", 301) not in {301, 302, 303, 307, 308}
    bad = bad or ("uri" in redirect and "prefixRewrite" in redirect) or bool(rewrite.get("uri") and regex)
    bad = bad or not all(map(re2, patterns)) or seconds_ms(cors.get("maxAge", "")) < 0
    bad = bad or ("mirror" in route and bool(route.get("mirrors")))
    if delay is not None:
        bad = bad or "exponentialDelay" in delay or seconds_ms(delay.get("fixedDelay", "")) <= 0
    if abort is not None:
        grpc = abort.get("grpcStatus", "")
        bad = bad or "http2Error" in abort or (bool(grpc) and grpc not in _GRPC)
        bad = bad or (not grpc and not 200 <= abort.get("httpStatus", 0) <= 599)
    return [f"{at}: redirect, rewrite, fault, mirrors or CORS"] if bad else []


def _edits(route: dict[str, Any], at: str) -> list[str]:
    every = [route.get("headers", {}), *(d.get("headers", {}) for d in route.get("route", ()))]
    named = [(f"{side}.{verb}", n) for h in every for side in h for verb in h[side] for n in h[side][verb]]
    kept = {("request.set", "host"), ("request.set", ":authority")}
    return [
        f"{at}.headers.{where}: {n}"
        for where, n in named
        if (where, n.lower()) not in kept and (n.lower() == "host" or not is_token(n))
    ]


def is_token(name: str) -> bool:
    """Whether a header can be called so."""
    return bool(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name))


def _match(match: dict[str, Any], at: str) -> list[str]:
    found = []
    headers = {**match.get("headers", {}), **match.get("withoutHeaders", {})}
    parts = {":method", ":path", ":authority", ":scheme"}
    words = {"uri", "scheme", "method", "authority"}
    if any(n.lower() in words or (n.startswith(":") and n not in parts) for n in headers):
        found.append(f"{at}: pseudo headers")
    values = [match.get(f, {}) for f in ("uri", "scheme", "method", "authority")]
    values += [v for f in ("headers", "queryParams") for v in match.get(f, {}).values()]
    values += [v for v in match.get("withoutHeaders", {}).values() if v != {"regex": "*"}]
    found += [f"{at}: {v}" for v in values if len(v) > 1 or not re2(v.get("regex", ""))]
    return found


def re2(pattern: str) -> bool:
    """Whether RE2 takes a pattern."""
    if re.search(r"\(\?(=|!|<=|<!|>|P=)|\\[1-9]", pattern) or re2_fault(pattern):
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _destinationrule(world: World, rule: DestinationRule, spec: dict[str, Any]) -> list[str]:
    text, home = rule.spec.host, rule.metadata.namespace
    found = [] if _homes(world, text, home) else [f"no Service for host {text}"]
    subsets = spec.get("subsets", ())
    found += ["a subset is defined twice"] if len({s["name"] for s in subsets}) < len(subsets) else []
    for policy in [spec.get("trafficPolicy", {}), *(s.get("trafficPolicy", {}) for s in subsets)]:
        found += sorted(set(policy) - _POLICY)
        ports = policy.get("portLevelSettings", [])
        numbers = [p.get("port", {}).get("number", 0) for p in ports]
        found += ["portLevelSettings"] if not all(numbers) or len(set(numbers)) < len(numbers) else []
        for part in [policy, *ports]:
            found += _traffic(part)
    return found


def _homes(world: World, text: str, home: str) -> set[str]:
    """Namespaces of the Services that a host is about."""
    if text.startswith("*"):
        places = [s.metadata for s in world.all(core.Service).values()]
        return {p.namespace for p in places if fnmatchcase(f"{p.name}.{p.namespace}.svc.cluster.local", text)}
    parts = text.split(".")
    name, namespace = (text, home) if len(parts) == 1 else (parts[0], parts[1])
    return {namespace} if world.get(core.Service, namespace, name) else set()


def _traffic(part: dict[str, Any]) -> list[str]:
    """loadBalancer, tls, connectionPool and outlierDetection of a policy or one of its ports."""
    lb = part.get("loadBalancer", {})
    found = [] if lb.get("simple", "") in _SIMPLE else ["loadBalancer.simple"]
    found += ["zoneAwareLbSetting"] if lb.get("zoneAwareLbSetting", {"enabled": False}).get("enabled", True) else []
    found += locality_mistakes(lb.get("localityLbSetting", {}))
    keys = lb.get("consistentHash")
    if keys is not None:
        cookie = keys.get("httpCookie", {})
        bad = len(_KEYS & {k for k in keys if keys[k]}) != 1 or bool(lb.get("simple")) or "attributes" in cookie
        found += ["consistentHash"] if bad or {"ringHash", "maglev"} <= keys.keys() else []
    found += [] if part.get("tls", {}).get("mode", "") in {"", "DISABLE", "ISTIO_MUTUAL"} else ["tls.mode"]
    outlier = part.get("outlierDetection", {})
    found += ["outlierDetectionHttpErrorCodes"] if outlier.get("outlierDetectionHttpErrorCodes") else []
    times = [outlier.get("interval", ""), outlier.get("baseEjectionTime", ""), lb.get("warmupDurationSecs", "")]
    times += [lb.get("warmup", {}).get("duration", ""), (keys or {}).get("httpCookie", {}).get("ttl", "")]
    tcp, http = (part.get("connectionPool", {}).get(f, {}) for f in ("tcp", "http"))
    times += [
        v for f in ("connectTimeout", "maxConnectionDuration", "idleTimeout") for v in (tcp.get(f, ""), http.get(f, ""))
    ]
    times += [tcp.get("tcpKeepalive", {}).get(f, "") for f in ("time", "interval")]
    times += [http.get("http2KeepAlive", {}).get(f, "") for f in ("interval", "timeout")]
    return [*found, *(["a duration"] if any(seconds_ms(t) < 0 for t in times) else [])]


def locality_mistakes(setting: dict[str, Any]) -> list[str]:
    """Why a localityLbSetting is refused; empty if it is not."""
    distribute, failover = setting.get("distribute", ()), setting.get("failover", ())
    bad = bool(distribute and failover)
    for i, entry in enumerate(distribute):
        source, to = entry.get("from", ""), entry.get("to", {})
        bad = bad or sum(to.values()) != 100 or min(to.values()) < 1 or not all(map(_place, (source, *to)))
        pairs = [(a, b) for a in to for b in to if a != b]
        bad = bad or any(_includes(a, b) or _includes(b, a) for a, b in pairs)
        bad = bad or any(_includes(other.get("from", ""), source) for other in distribute[:i])
    regions = [f.get("from", "") for f in failover]
    for entry in failover:
        ends = entry.get("from", ""), entry.get("to", "")
        bad = bad or ends[0] == ends[1] or any(not end or set(end) & {"/", "*"} for end in ends)
    bad = bad or len(set(regions)) < len(regions)
    places = {"topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"}
    known = {*places, "kubernetes.io/hostname", "topology.istio.io/network", "topology.istio.io/cluster"}
    for text in setting.get("failoverPriority", ()):
        label = text.split("=")[0]
        bad = bad or not label or text.count("=") > 1 or (label in places and bool(failover))
        bad = bad or ("=" not in text and label not in known)
    return ["localityLbSetting"] if bad else []


def _place(pattern: str) -> bool:
    """REGION/ZONE/SUBZONE, or the beginning of it, perhaps with a star at the end."""
    return bool(re.fullmatch(r"(\*|[^/*]+(/\*|/[^/*]+(/\*|/[^*]+)?)?)", pattern))


def _includes(wide: str, narrow: str) -> bool:
    """Whether every place of one pattern is of the other too."""
    known = [part for part in wide.split("/", 2) if part != "*"]
    return narrow.split("/", 2)[: len(known)] == known


def _grpcroute(spec: dict[str, Any]) -> list[str]:
    found = []
    for i, rule in enumerate(spec.get("rules", ())):
        at = f"spec.rules[{i}]"
        found += _rule_filters(rule, at, {"RequestMirror"}, set())
        for match in rule.get("matches", ()):
            method = {"type": "Exact", **match.get("method", {})}
            patterns = [h["value"] for h in match.get("headers", ()) if h.get("type") == "RegularExpression"]
            if method["type"] == "RegularExpression":
                patterns += [method.get("service", ""), method.get("method", "")]
            bad = any(v.get("type", "Exact") not in _VALUES for v in (method, *match.get("headers", ())))
            found += [f"{at}: match"] if bad or not all(re2(p) for p in patterns) else []
    return found


def _rule_filters(rule: dict[str, Any], at: str, known: set[str], own: set[str]) -> list[str]:
    """Those of a rule and of its backends; `own`: what a backend may have beside header changes."""
    backends = [f for b in rule.get("backendRefs", ()) for f in b.get("filters", ())]
    found = [f"{at}: filter {f['type']} of a backend" for f in backends if f["type"] not in {*_MODIFIERS, *own}]
    for item in [*rule.get("filters", ()), *backends]:
        if item["type"] not in _MODIFIERS:
            found += [f"{at}: filter {item['type']}"] if item["type"] not in known else []
            continue
        modifier = item.get(_MODIFIERS[item["type"]], {})
        names = [h["name"] for f in ("set", "add") for h in modifier.get(f, ())] + list(modifier.get("remove", ()))
        found += [f"{at}: header {n}" for n in names if n.lower() == "host" or not is_token(n)]
    return found


def _httproute(spec: dict[str, Any], *, edge: bool) -> list[str]:
    found = []
    for i, rule in enumerate(spec.get("rules", ())):
        at = f"spec.rules[{i}]"
        found += [f"{at}.timeouts" for t in rule.get("timeouts", {}).values() if seconds_ms(t) < 0]
        found += _rule_filters(
            rule, at, _FILTERS | ({"ExternalAuth"} if edge else set()), {"RequestRedirect", "URLRewrite"}
        )
        asked = [f for f in rule.get("filters", ()) if f["type"] == "ExternalAuth"]
        found += [f"{at}: a second filter ExternalAuth"] if len(asked) > 1 else []
        for match in rule.get("matches", ()):
            found += _gateway_match(match, at)
    return found


def _gateway_match(match: dict[str, Any], at: str) -> list[str]:
    path = {"type": "PathPrefix", "value": "/", **match.get("path", {})}
    named = [*match.get("headers", ()), *match.get("queryParams", ())]
    patterns = [v["value"] for v in [path, *named] if v.get("type") == "RegularExpression"]
    bad = path["type"] not in _PATHS or any(v.get("type", "Exact") not in _VALUES for v in named)
    bad = bad or not all(re2(p) for p in patterns)
    bad = bad or (path["type"] != "RegularExpression" and not path["value"].startswith("/"))
    return [f"{at}: match"] if bad else []
