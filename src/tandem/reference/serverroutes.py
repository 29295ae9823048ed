"""Routes at Linkerd's Servers: which of them a request is about, and in which order they decide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote, unquote_plus

from tandem.model.gateway import HttpFilter, HTTPRoute, HttpRouteMatch, HttpRouteRule, QueryMatch
from tandem.model.grpcroute import GRPCRoute, GrpcRouteMatch, GrpcRouteRule, MethodMatch
from tandem.model.linkerd import GROUP, LinkerdHTTPRoute, Server
from tandem.model.world import World
from tandem.reference.attached import AnyRoute, age, headers_hold
from tandem.reference.authorization import Asked
from tandem.reference.request import Request

KINDS: tuple[type[AnyRoute], ...] = (HTTPRoute, LinkerdHTTPRoute, GRPCRoute)
CHANGES = {"RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect"}
AnyMatch = HttpRouteMatch | GrpcRouteMatch
Placed = tuple[AnyRoute, str, AnyMatch, str]
"""A route, one of its names of hosts (or none), one of its matches, and where that is."""


def attached_to(world: World, server: Server) -> Iterator[AnyRoute]:
    """Every route that names it."""
    for kind in KINDS:
        for route in world.sorted(kind):
            if route.metadata.namespace == server.metadata.namespace and list(_references(route, server)):
                yield route


def _references(route: AnyRoute, server: Server) -> Iterator[tuple[int | None, str]]:
    """Ports and sections of the references to a Server."""
    for parent in route.spec.parent_refs:
        named = (parent.group, parent.kind, parent.name) == (GROUP, "Server", server.metadata.name)
        if named and parent.namespace in {"", server.metadata.namespace}:
            yield parent.port, parent.section_name


def faulty(route: AnyRoute, server: Server) -> bool:
    """Something of it cannot be judged as it is written."""
    rules: Sequence[HttpRouteRule | GrpcRouteRule] = route.spec.rules
    for rule in rules:
        if any(one.type not in CHANGES or _unchangeable(one) for one in rule.filters):
            return True
        for match in rule.matches:
            if isinstance(match, HttpRouteMatch) and not _sound(match):
                return True
    return any(port is not None or section for port, section in _references(route, server))


def _unchangeable(change: HttpFilter) -> bool:
    """It changes a header that only the proxy may."""
    found = change.request_header_modifier or change.response_header_modifier
    if found is None:
        return False
    names = (*(h.name for h in (*found.set, *found.add)), *found.remove)
    return any(name.startswith(":") or name.lower() == "host" for name in names)


def changes_of(placed: Placed) -> Iterator[tuple[str, str]]:
    """What the filters of its rule do, and where each stands."""
    route, _, _, where = placed
    number = int(where.removeprefix("rules[").partition("]")[0])
    rules: Sequence[HttpRouteRule | GrpcRouteRule] = route.spec.rules
    for i, one in enumerate(rules[number].filters):
        if one.request_redirect is not None:
            to = one.request_redirect.hostname or "another place of the same host"
            text = f"sends the client to {to} with {one.request_redirect.status_code}"
        else:
            text = f"changes headers of {'requests' if one.request_header_modifier is not None else 'answers'}"
        yield text, f"spec.rules[{number}].filters[{i}]"


def _sound(match: HttpRouteMatch) -> bool:
    """Its path is one; its expressions of parameters have nothing in them that could match what parts them."""
    known = all(
        query.type == "Exact" or re.fullmatch(r"\^?(\[[\w-]+\]|\\[dws.]|[\w.|(){}+*?,/-])*\$?", query.value) is not None
        for query in match.query_params
    )
    return known and (match.path.type == "RegularExpression" or match.path.value.startswith("/"))


def routes_at(world: World, server: Server) -> list[Placed]:
    """What counts of the routes: those of gRPC at a Server of gRPC, none where only bytes are seen, else HTTP's."""
    protocol = server.spec.proxy_protocol
    if protocol in {"opaque", "TLS"}:
        return []
    found: list[Placed] = []
    for route in attached_to(world, server):
        if isinstance(route, GRPCRoute) != (protocol == "gRPC"):
            continue
        default: AnyMatch = GrpcRouteMatch() if isinstance(route, GRPCRoute) else HttpRouteMatch()
        rules: Sequence[HttpRouteRule | GrpcRouteRule] = route.spec.rules
        for i, rule in enumerate(rules):
            for j, match in enumerate(rule.matches or (default,)):
                for h, host in enumerate(route.spec.hostnames):
                    found.append((route, host, match, f"rules[{i}].matches[{j}].hostnames[{h}]"))
                if not route.spec.hostnames:
                    found.append((route, "", match, f"rules[{i}].matches[{j}]"))
    return found


def precedence(placed: Placed) -> tuple[object, ...]:
    """Names of hosts, then what the Gateway API says of matches, then age, then the order in the object."""
    route, host, match, where = placed
    numbers = [int(n) for n in re.findall(r"\d+", where)]
    named = (0, -len(host)) if host and not host.startswith("*") else (1, -len(host))
    headers = -len({h.name.lower() for h in match.headers})
    if isinstance(match, GrpcRouteMatch):
        method = match.method or MethodMatch()
        kind = 1 if method.type == "RegularExpression" else 0
        return named, (kind if method.service else 2, kind if method.method else 2, headers), age(route), numbers
    value = match.path.value
    length = len(value.rstrip("/") or "/") if match.path.type == "PathPrefix" else len(value)
    kind = {"Exact": 0, "RegularExpression": 1, "PathPrefix": 2}[match.path.type]
    queries = -len({one.name for one in match.query_params})
    return named, (kind, -length, 0 if match.method else 1, headers, queries), age(route), numbers


def holds(placed: Placed, asked: Asked) -> bool:
    """It is about the request, whoever reads it."""
    pattern, everything = _pattern(placed[2])
    path = asked.path.partition("?")[0]
    exact = isinstance(placed[2], HttpRouteMatch) and placed[2].path.type == "Exact"
    if _is_unclear(path) and not everything and not exact and not _called_exactly(placed[2]):
        return False
    sure = _rest_holds(placed, asked) and _query(placed[2], asked, sure=True)
    return sure and (everything or re.fullmatch(pattern, path) is not None)


def may_hold(placed: Placed, asked: Asked) -> bool:
    """Somebody may read it as one of these."""
    pattern, everything = _pattern(placed[2])
    path = asked.path.partition("?")[0]
    plain = re.sub("/+", "/", unquote(path).replace("\\", "/"))
    odd = _is_regex(placed[2]) and re.search(r"//|\\|%2f|%5c", path, re.IGNORECASE) is not None
    seen = everything or odd or _is_unclear(path) or any(re.fullmatch(pattern, p) is not None for p in (path, plain))
    return seen and _rest_holds(placed, asked) and _query(placed[2], asked, sure=False)


def _query(match: AnyMatch, asked: Asked, *, sure: bool) -> bool:
    """Every parameter has its value: in each reading of the query, or in some."""
    if not isinstance(match, HttpRouteMatch):
        return True
    query = asked.path.partition("?")[2]
    first = {one.name: one for one in reversed(match.query_params)}
    return all(_surely(one, query) if sure else _perhaps(one, query) for one in first.values())


def _surely(wanted: QueryMatch, query: str) -> bool:
    """Once, as it is written, and nothing else could be taken for it."""
    pairs = [part.partition("=") for part in query.split("&")]
    if ";" in query or any(mark in name for name, _, _ in pairs for mark in "%+"):
        return False
    values = [value for name, equals, value in pairs if name == wanted.name and equals]
    alone = sum(name == wanted.name for name, _, _ in pairs) == 1
    return alone and values != [] and _equals(wanted, values[0])


def _perhaps(wanted: QueryMatch, query: str) -> bool:
    for part in re.split("[&;]", query):
        name, equals, value = part.partition("=")
        if equals and unquote_plus(name) == wanted.name:
            escaped = wanted.type != "Exact" and re.search("[%+]", value) is not None
            if escaped or _equals(wanted, value) or (wanted.type == "Exact" and unquote_plus(value) == wanted.value):
                return True
    return False


def _equals(wanted: QueryMatch, value: str) -> bool:
    return value == wanted.value if wanted.type == "Exact" else re.fullmatch(wanted.value, value) is not None


def _pattern(match: AnyMatch) -> tuple[str, bool]:
    """Of paths, and whether it is every one."""
    if isinstance(match, GrpcRouteMatch):
        method = match.method or MethodMatch()
        if not method.service and not method.method:
            return ".*", True
        texts = (method.service, method.method)
        if method.type != "RegularExpression":
            texts = re.escape(texts[0]), re.escape(texts[1])
        if texts[0] and not texts[1] and method.type != "RegularExpression":
            return f"/{texts[0]}/.*", False
        return "/" + "/".join(f"(?:{text})" if text else "[^/]+" for text in texts), False
    value = match.path.value
    match match.path.type:
        case "Exact":
            return re.escape(value), False
        case "RegularExpression":
            return value, False
        case _:
            prefix = value.rstrip("/")
            return f"{re.escape(prefix)}(/.*)?", not prefix


def _is_regex(match: AnyMatch) -> bool:
    if isinstance(match, HttpRouteMatch):
        return match.path.type == "RegularExpression"
    method = match.method or MethodMatch()
    return method.type == "RegularExpression" or (bool(method.method) and not method.service)


def _called_exactly(match: AnyMatch) -> bool:
    method = match.method if isinstance(match, GrpcRouteMatch) else None
    return method is not None and method.type == "Exact" and bool(method.service and method.method)


def _is_unclear(path: str) -> bool:
    """An escaped slash beside dots: where they lead is the server's opinion."""
    parts = re.split(r"/|\\|%2f|%5c", path, flags=re.IGNORECASE)
    return any(part.lower().replace("%2e", ".") in {".", ".."} for part in parts)


def _rest_holds(placed: Placed, asked: Asked) -> bool:
    _, host, match, _ = placed
    bare = re.sub(r":[0-9]*$", "", asked.host.lower())
    below = host.startswith("*.") and bare.endswith(host[1:]) and bare != host[1:]
    if host and bare != host.lower() and not below:
        return False
    if isinstance(match, HttpRouteMatch) and match.method and match.method != asked.method:
        return False
    request = Request(source_namespace="", namespace="", service="", port=0, headers=asked.headers)
    return headers_hold(match.headers, request)
