"""Routes with a Server as a parent -> which requests they are about, the most specific first, with Problems. Pure.

Here a route says of which requests something is asked and what is changed of them, not where they go: backends,
timeouts and the like count at Services alone. Of a route that cannot be read as it is written nothing is known:
`unclear` has its Servers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.authz import Attribute, Requirement, Requirements, Text
from tandem.ir.match import Exact, HeaderMatch, PathPrefix, Prefix, Present, QueryMatch, Regex, RouteMatch, StringMatch
from tandem.ir.served import Change
from tandem.model.gateway import HttpFilter, HTTPRoute, HttpRouteMatch, HttpRouteRule, Timeouts
from tandem.model.grpcroute import GRPCRoute, GrpcRouteMatch, GrpcRouteRule
from tandem.model.linkerd import LinkerdHTTPRoute, Server, is_server_parent
from tandem.model.unreadable import Unreadable
from tandem.model.world import Key, World
from tandem.translate.hostnames import specificity
from tandem.translate.mesh.filters import read_edit, read_redirect
from tandem.translate.mesh.grpcroute import rank_called
from tandem.translate.mesh.httproute import rank
from tandem.translate.mesh.layers import Rank, age
from tandem.translate.mesh.linkerd.queries import within_value
from tandem.translate.mesh.matching import MatchReader

ServerRoute = HTTPRoute | GRPCRoute
KINDS: Final[tuple[type[ServerRoute], ...]] = (LinkerdHTTPRoute, HTTPRoute, GRPCRoute)


class RequestsOf(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that one match of a route, under one of its names of hosts, is about."""

    route: Origin
    path: str
    """Of the match in the route."""
    rank: tuple[object, ...]
    """Of two that hold the lower one decides."""
    asked: Requirements
    match: RouteMatch
    """The same as routes have it."""
    change: Change = Change()


class ServerRoutes(msgspec.Struct, frozen=True, kw_only=True):
    """What is attached to Servers, by their keys: of HTTP, of gRPC, and that something is not understood."""

    http: dict[Key, tuple[RequestsOf, ...]]
    grpc: dict[Key, tuple[RequestsOf, ...]]
    unclear: frozenset[Key]
    problems: tuple[Problem, ...]


def read_routes(world: World) -> ServerRoutes:
    """Every route at each Server that it is attached to."""
    found: dict[bool, dict[Key, list[RequestsOf]]] = {False: {}, True: {}}
    unclear: set[Key] = set()
    problems: list[Problem] = []
    for kind in KINDS:
        for route in world.sorted(kind):
            reader = _Reader(route)
            servers = tuple(reader.servers(world))
            if servers:
                requests = reader.requests()
                unclear.update(servers if reader.faulty else ())
                for server in servers:
                    found[isinstance(route, GRPCRoute)].setdefault(server, []).extend(requests)
            problems += reader.problems
    lost = {one.metadata.namespace for one in world.sorted(Unreadable) if one.kind in {k.__name__ for k in KINDS}}
    if lost:
        unclear.update(server.key for server in world.sorted(Server) if server.metadata.namespace in lost)
    http, grpc = ({k: tuple(sorted(v, key=lambda r: r.rank)) for k, v in found[g].items()} for g in (False, True))
    return ServerRoutes(http=http, grpc=grpc, unclear=frozenset(unclear), problems=tuple(problems))


class _Reader:
    """Reads one route."""

    def __init__(self, route: ServerRoute) -> None:
        self._route = route
        self._matches = MatchReader(self._unknown)
        self.faulty = False
        self.problems: list[Problem] = []

    def servers(self, world: World) -> Iterator[Key]:
        """Those that it names and that are there."""
        home = self._route.metadata.namespace
        for i, parent in enumerate(self._route.spec.parent_refs):
            at = f"spec.parentRefs[{i}]"
            if not is_server_parent(parent):
                continue
            if parent.namespace not in {"", home}:
                self._wrong(
                    f"{at}.namespace", "RefNotPermitted", f"a Server of {home} is all that a route here can name"
                )
                continue
            if world.get(Server, home, parent.name) is None:
                self._wrong(at, "NoMatchingParent", f"no Server {home}/{parent.name}")
                continue
            if parent.port is not None or parent.section_name:
                self._unknown(at, "UnsupportedValue", "Servers have no sections: port and sectionName mean nothing")
            yield home, parent.name

    def requests(self) -> list[RequestsOf]:
        """All that it matches."""
        found: list[RequestsOf] = []
        others = any(not is_server_parent(parent) for parent in self._route.spec.parent_refs)
        rules: Sequence[HttpRouteRule | GrpcRouteRule] = self._route.spec.rules
        for i, rule in enumerate(rules):
            at = f"spec.rules[{i}]"
            change = self._change(rule.filters, at)
            for name in _of_services(rule) if not others else ():
                text = "counts at Services alone, and at a Server for nothing"
                self._wrong(f"{at}.{name}", "FieldIgnored", text, Severity.WARNING)
            for j, (ranked, asked) in enumerate(self._rule(rule.matches, at)):
                hosted = self._hosted((i, j), ranked, asked)
                found += (msgspec.structs.replace(one, change=change) for one in hosted)
        return found

    def _change(self, filters: Sequence[HttpFilter], at: str) -> Change:
        """What Linkerd has at Servers, and changes of answers."""
        change = Change()
        for i, one in enumerate(filters):
            where = f"{at}.filters[{i}]"
            if one.request_header_modifier is not None:
                edit = read_edit(one.request_header_modifier, f"{where}.requestHeaderModifier", self._unknown)
                change = msgspec.structs.replace(change, request=edit)
            elif one.response_header_modifier is not None:
                edit = read_edit(one.response_header_modifier, f"{where}.responseHeaderModifier", self._unknown)
                change = msgspec.structs.replace(change, response=edit)
            elif one.request_redirect is not None:
                change = msgspec.structs.replace(change, redirect=read_redirect(one.request_redirect))
            else:
                self._unknown(f"{where}.type", "UnsupportedValue", f"filter {one.type} has no counterpart at a Server")
        return change

    def _rule(
        self, matches: Sequence[HttpRouteMatch] | Sequence[GrpcRouteMatch], at: str
    ) -> Iterator[tuple[Rank, RouteMatch]]:
        default = GrpcRouteMatch() if isinstance(self._route, GRPCRoute) else HttpRouteMatch()
        for j, match in enumerate(matches or (default,)):
            where = f"{at}.matches[{j}]"
            if isinstance(match, GrpcRouteMatch):
                asked = self._matches.grpc(match, where)
                yield rank_called(match, asked), asked
                continue
            asked = self._matches.http(match, where)
            yield rank(asked), msgspec.structs.replace(asked, query=tuple(self._queries(match, asked, where)))

    def _queries(self, match: HttpRouteMatch, asked: RouteMatch, at: str) -> Iterator[QueryMatch]:
        for query in asked.query:
            if isinstance(query.match, Regex) and (within := within_value(query.match.value)) is not None:
                yield QueryMatch(name=query.name, match=Regex(within))
                continue
            if isinstance(query.match, Regex):
                i = next(i for i, one in enumerate(match.query_params) if one.name == query.name)
                text = "of this expression it is not known that it stays within the value of one parameter"
                self._unknown(f"{at}.queryParams[{i}].value", "UnsupportedValue", text)
            yield query

    def _hosted(self, place: tuple[int, int], ranked: Rank, asked: RouteMatch) -> Iterator[RequestsOf]:
        path = f"rules[{place[0]}].matches[{place[1]}]"
        requirements = tuple(_requirements(asked))
        for h, host in enumerate(self._route.spec.hostnames or ("",)):
            named = (Requirement(attribute=Attribute.HOST, values=(_host(host),)),) if host else ()
            match = asked
            if host:
                authority = HeaderMatch(name=":authority", match=_host(host))
                match = msgspec.structs.replace(asked, headers=(authority, *asked.headers))
            yield RequestsOf(
                route=self._route.origin(),
                path=f"{path}.hostnames[{h}]" if host else path,
                rank=(specificity(host), ranked, age(self._route), (*place, h)),
                asked=(*named, *requirements),
                match=match,
            )

    def _unknown(self, path: str, code: str, text: str) -> None:
        """Something of it is not judged as it is written."""
        self.faulty = True
        self._wrong(path, code, f"{text}: at the Servers of the route every request is denied")

    def _wrong(self, path: str, code: str, text: str, severity: Severity = Severity.ERROR) -> None:
        self.problems.append(Problem(at=self._route.origin(path), code=code, text=text, severity=severity))


def _of_services(rule: HttpRouteRule | GrpcRouteRule) -> Iterator[str]:
    """What a rule says of where requests go."""
    if rule.backend_refs:
        yield "backendRefs"
    if rule.session_persistence is not None:
        yield "sessionPersistence"
    if isinstance(rule, HttpRouteRule) and rule.timeouts != Timeouts():
        yield "timeouts"
    if isinstance(rule, HttpRouteRule) and rule.retry is not None:
        yield "retry"


def _requirements(asked: RouteMatch) -> Iterator[Requirement]:
    yield Requirement(attribute=Attribute.PATH, values=_texts(asked.path if asked.path is not None else Present()))
    if asked.method is not None:
        yield Requirement(attribute=Attribute.METHOD, values=_texts(asked.method))
    for header in asked.headers:
        yield Requirement(attribute=Attribute.HEADER, name=header.name, values=_texts(header.match))
    for query in asked.query:
        yield Requirement(attribute=Attribute.QUERY, name=query.name, values=_texts(query.match))


def _texts(match: StringMatch) -> tuple[Text, ...]:
    """A prefix by whole elements is two texts."""
    return (Exact(match.value), Prefix(f"{match.value}/")) if isinstance(match, PathPrefix) else (match,)


def _host(name: str) -> Regex:
    """A name of hosts, or all below one (`*.`), with or without a port."""
    below = name.startswith("*.")
    text = re.escape(name.removeprefix("*"))
    return Regex(rf"(?i){'.+' if below else ''}{text}(:[0-9]+)?")
