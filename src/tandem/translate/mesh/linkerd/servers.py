"""Servers with what is attached to them -> what judges a pod at its ports (docs/design/0049). Pure.

A Server denies whoever is not authorized: at all of its port, or, where routes are attached, by the one route that a
request is of, and then also what no route is about. So it holds beside Istio's policies: both must let a request pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.authz import Action, Attribute, AuthzPolicy, AuthzRule, Requirement, Requirements
from tandem.ir.match import Exact
from tandem.model.core import Namespace, Pod
from tandem.model.gateway import HTTPRoute
from tandem.model.gateways import GROUP as GATEWAY_API
from tandem.model.grpcroute import GRPCRoute
from tandem.model.linkerd import (
    GROUP,
    LinkerdAuthorizationPolicy,
    LinkerdHTTPRoute,
    Server,
    ServerAuthorization,
)
from tandem.model.meta import Object
from tandem.model.selectors import LabelSelector, matches, unknown_operator
from tandem.model.world import World
from tandem.translate.mesh.linkerd.clients import Authentications, Clients
from tandem.translate.mesh.linkerd.defaults import ANNOTATION, AUDIT, EVERYTHING, SOURCES
from tandem.translate.mesh.linkerd.probes import probed_paths
from tandem.translate.mesh.linkerd.routes import RequestsOf, read_routes

HTTP: Final = frozenset({"HTTP/1", "HTTP/2", "gRPC"})
BYTES: Final = frozenset({"opaque", "TLS"})
_TARGETS: Final[dict[tuple[str, str], type[Object]]] = {
    (GROUP, "Server"): Server,
    (GROUP, "HTTPRoute"): LinkerdHTTPRoute,
    (GATEWAY_API, "HTTPRoute"): HTTPRoute,
    (GATEWAY_API, "GRPCRoute"): GRPCRoute,
    ("", "Namespace"): Namespace,
    ("core", "Namespace"): Namespace,
}
_Target = tuple[str, str, str]
"""Kind (our name of it), namespace and name."""


class ReadServer(msgspec.Struct, frozen=True, kw_only=True):
    """A Server and all that is said of it."""

    origin: Origin
    selector: LabelSelector
    port: int | str | None
    """None, of one that is not understood: every port."""
    protocol: str
    staged: bool
    closed: bool
    """Nobody is let in: something of it is not understood."""
    clients: Clients
    """Who may use all of it."""
    routes: tuple[tuple[RequestsOf, Clients], ...] = ()
    """The most specific first, each with those who may use it too."""

    def ports(self, pod: Pod) -> tuple[int, ...]:
        """Its ports of a pod that it selects."""
        return (self.port,) if isinstance(self.port, int) else _ports(pod, self.port)


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What Servers say of a pod."""

    policies: tuple[AuthzPolicy, ...] = ()
    http: frozenset[int] = frozenset()
    """Ports at which requests are seen, whatever Services say."""
    opaque: frozenset[int] = frozenset()
    """Ports at which they are not."""
    problems: tuple[Problem, ...] = ()


class ServerIndex:
    """Servers by namespace, the oldest first; `problems` is what is wrong with them and what they are made of."""

    def __init__(self, world: World, trust_domain: str) -> None:
        authentications = Authentications(world, trust_domain)
        reader = _Reader(world, authentications)
        self._servers: dict[str, tuple[ReadServer, ...]] = {}
        for server in world.oldest_first(Server):
            namespace = server.metadata.namespace
            self._servers[namespace] = (*self._servers.get(namespace, ()), *reader.read(server))
        self._defaults = dict(reader.defaults())
        self.problems = (*authentications.problems, *reader.problems)

    def differing(self, other: ServerIndex) -> set[str]:
        """The namespaces of which the two say something else."""
        pairs = ((self._servers, other._servers), (self._defaults, other._defaults))
        return {n for mine, others in pairs for n in mine.keys() | others.keys() if mine.get(n) != others.get(n)}

    def judged(self, pod: Pod) -> Judged:
        """What judges a pod. Of two Servers at one port the older one counts."""
        taken: dict[int, ReadServer] = {}
        problems: list[Problem] = []
        probed = probed_paths(pod)
        policies: list[AuthzPolicy] = []
        for server in self._servers.get(pod.metadata.namespace, ()):
            if not matches(server.selector, pod.metadata.labels):
                continue
            if server.port is None:
                policies.append(_closed(server))
                continue
            every = server.ports(pod)
            lost = [port for port in every if port in taken]
            if lost:
                text = f"{taken[lost[0]].origin} is older and selects port {lost[0]} of {'/'.join(pod.key)} too"
                at = msgspec.structs.replace(server.origin, path="spec.podSelector")
                problems.append(Problem(at=at, code="Conflicted", text=f"{text}: this one does not count there"))
            ports = tuple(port for port in every if port not in taken)
            taken |= dict.fromkeys(ports, server)
            policies += _policies(server, ports, probed) if ports else ()
        default, mistake = self._default(pod)
        if default is not None:
            policies.append(_default_policy(default, tuple(sorted(taken)), probed))
        return Judged(
            policies=tuple(policies),
            http=frozenset(port for port, server in taken.items() if _is_http(server, port, probed)),
            opaque=frozenset(port for port, server in taken.items() if server.protocol in BYTES),
            problems=(*problems, *mistake),
        )

    def _default(self, pod: Pod) -> tuple[_Default | None, tuple[Problem, ...]]:
        """Its own before its namespace's. One that nobody knows denies."""
        own = pod.metadata.annotations.get(ANNOTATION)
        if own is None:
            return self._defaults.get(pod.metadata.namespace), ()
        return _default_of(pod, own)


_Default = tuple[str, Origin]
"""A default policy, and where it is said."""


def _default_of(at: Object, value: str) -> tuple[_Default, tuple[Problem, ...]]:
    origin = at.origin(f"metadata.annotations[{ANNOTATION}]")
    if value in SOURCES:
        return (value, origin), ()
    text = f"{value!r} is none of {', '.join(SOURCES)}: it counts as deny"
    return ("deny", origin), (Problem(at=origin, code="InvalidValue", text=text, severity=Severity.WARNING),)


class _Reader:
    """Reads Servers with what is attached to them."""

    def __init__(self, world: World, authentications: Authentications) -> None:
        self._world = world
        self._routes = read_routes(world)
        self.problems: list[Problem] = list(self._routes.problems)
        self._of: dict[_Target, list[Clients]] = {}
        for policy in world.sorted(LinkerdAuthorizationPolicy):
            target = self._target(policy)
            if target is not None:
                self._of.setdefault(target, []).append(authentications.of_policy(policy))
        self._older = [(one, authentications.of_older(one)) for one in world.sorted(ServerAuthorization)]

    def defaults(self) -> Iterator[tuple[str, _Default]]:
        """Of namespaces that have one."""
        for namespace in self._world.sorted(Namespace):
            value = namespace.metadata.annotations.get(ANNOTATION)
            if value is not None:
                default, mistake = _default_of(namespace, value)
                self.problems += mistake
                yield namespace.metadata.name, default

    def read(self, server: Server) -> Iterator[ReadServer]:
        """The Server; nothing of one that is not for pods."""
        spec, origin = server.spec, server.origin()
        selector, closed = spec.pod_selector, bool(server.metadata.unreadable)
        if selector is None:
            text = "only pods are selected here: the Server is for nobody"
            self._wrong(server.origin("spec.externalWorkloadSelector"), "UnsupportedField", text)
            return
        if wrong := unknown_operator(selector):
            text = "the operator is unknown: every pod of the namespace is selected, and nobody let in"
            self._wrong(server.origin(f"spec.podSelector.{wrong}"), "UnsupportedValue", text)
            selector, closed = LabelSelector(), True
        for field, value, known in (
            ("accessPolicy", spec.access_policy, SOURCES),
            ("proxyProtocol", spec.proxy_protocol, (*HTTP, *BYTES, "unknown")),
        ):
            if value not in known:
                text = f"{value!r} is none of {', '.join(sorted(known))}: nobody is let in"
                self._wrong(server.origin(f"spec.{field}"), "UnsupportedValue", text)
                closed = True
        key = server.key
        http, grpc = self._routes.http.get(key, ()), self._routes.grpc.get(key, ())
        routes = {"gRPC": grpc, "opaque": (), "TLS": ()}.get(spec.proxy_protocol, http)
        for one in {r.route: r for r in (*http, *grpc) if r not in routes}.values():
            text = f"{one.route} is attached, and at a Server of {spec.proxy_protocol} nothing is asked of it"
            self._wrong(server.origin("spec.proxyProtocol"), "RouteIgnored", text, Severity.WARNING)
        yield ReadServer(
            origin=origin,
            selector=selector,
            port=spec.port,
            protocol=spec.proxy_protocol,
            staged=spec.access_policy == AUDIT and not closed,
            closed=closed or key in self._routes.unclear,
            clients=_joined(self._everywhere(server), SOURCES.get(spec.access_policy, ())),
            routes=tuple((one, _joined(self._of.get(_named(one.route), ()))) for one in routes),
        )

    def _everywhere(self, server: Server) -> Iterator[Clients]:
        """The authorizations of a Server as a whole."""
        namespace = server.metadata.namespace
        yield from self._of.get((Server.__name__, *server.key), ())
        yield from self._of.get((Namespace.__name__, namespace, namespace), ())
        for policy, clients in self._older:
            ref = policy.spec.server
            chosen = ref.selector is not None and matches(ref.selector, server.metadata.labels)
            if policy.metadata.namespace == namespace and (chosen or ref.name == server.metadata.name):
                yield clients

    def _target(self, policy: LinkerdAuthorizationPolicy) -> _Target | None:
        ref, home = policy.spec.target_ref, policy.metadata.namespace
        cls = _TARGETS.get((ref.group, ref.kind))
        if cls is Namespace:
            if ref.name == home:
                return cls.__name__, home, home
            text = f"it must be {home}, as the policy's own: nothing is authorized"
            self._wrong(policy.origin("spec.targetRef.name"), "RefNotPermitted", text)
        elif cls is None or self._world.get(cls, home, ref.name) is None:
            text = f"no {ref.kind} {home}/{ref.name}: nothing is authorized"
            self._wrong(policy.origin("spec.targetRef.name"), "TargetNotFound", text)
        else:
            return cls.__name__, home, ref.name
        return None

    def _wrong(self, at: Origin, code: str, text: str, severity: Severity = Severity.ERROR) -> None:
        self.problems.append(Problem(at=at, code=code, text=text, severity=severity))


def _named(origin: Origin) -> _Target:
    return origin.kind, origin.namespace, origin.name


def _joined(clients: Iterable[Clients], more: tuple[Requirements, ...] = ()) -> Clients:
    every = tuple(clients)
    sources = dict.fromkeys((*(source for one in every for source in one.sources), *more))
    return Clients(sources=tuple(sources), made_of=tuple(dict.fromkeys(o for one in every for o in one.made_of)))


def _ports(pod: Pod, name: str | None) -> tuple[int, ...]:
    """Those of TCP with this name."""
    offered = (port for container in pod.spec.containers for port in container.ports)
    return tuple(sorted({port.container_port for port in offered if port.protocol == "TCP" and port.name == name}))


def _is_http(server: ReadServer, port: int, probed: Mapping[int, tuple[str, ...]]) -> bool:
    """What says nothing of its protocol is HTTP where routes are attached, or where it is probed so."""
    undeclared = server.protocol not in BYTES and (bool(server.routes) or port in probed)
    return server.protocol in HTTP or undeclared


def _closed(server: ReadServer) -> AuthzPolicy:
    """What stands for a Server of which not even the port is known."""
    return AuthzPolicy(action=Action.DENY, rules=(AuthzRule(origin=server.origin),), origin=server.origin)


def _policies(
    server: ReadServer, ports: tuple[int, ...], probed: Mapping[int, tuple[str, ...]]
) -> Iterator[AuthzPolicy]:
    """What a Server denies at its ports of a pod; of an audit what it would deny, and what no route is about."""
    at = (Requirement(attribute=Attribute.PORT, values=tuple(Exact(str(port)) for port in ports)),)
    unknown = tuple(_unknown(server, at))
    made_of = (*server.clients.made_of, *(o for one, more in server.routes for o in (one.route, *more.made_of)))
    whole = AuthzPolicy(
        action=Action.DENY,
        rules=(*_rules(server, at, {port: probed[port] for port in ports if port in probed}), *unknown),
        origin=server.origin,
        staged=server.staged,
        made_of=tuple(dict.fromkeys(made_of)),
    )
    yield whole
    if server.staged and unknown:
        rules = tuple(msgspec.structs.replace(rule, of_requests=True) for rule in unknown)
        yield msgspec.structs.replace(whole, rules=rules, staged=False)


def _rules(server: ReadServer, at: Requirements, probed: Mapping[int, tuple[str, ...]]) -> Iterator[AuthzRule]:
    """What is denied to those who are not authorized."""
    if server.closed:
        yield AuthzRule(operations=(at,), origin=server.origin)
        return
    if not server.routes:
        yield from _unless(server.clients.sources, at, tuple(_probes(probed)), server.origin)
    for i, (one, more) in enumerate(server.routes):
        before = tuple(other.asked for other, _ in server.routes[:i] if other.route != one.route)
        path = f"{one.route.kind}/{one.route.name}/{one.path}"
        origin = msgspec.structs.replace(server.origin, path=path)
        yield from _unless((*server.clients.sources, *more.sources), (*at, *one.asked), before, origin)


def _unknown(server: ReadServer, at: Requirements) -> Iterator[AuthzRule]:
    """Where routes are attached, requests that none of them is about."""
    asked = tuple(one.asked for one, _ in server.routes)
    if asked and not server.closed:
        yield AuthzRule(operations=(at,), unless=asked, origin=server.origin)


def _unless(
    allowed: tuple[Requirements, ...], asked: Requirements, spared: tuple[Requirements, ...], origin: Origin
) -> Iterator[AuthzRule]:
    """What denies all but these clients; nothing where everyone is one of them."""
    if EVERYTHING not in allowed:
        yield AuthzRule(operations=(asked,), spares=allowed, unless=spared, origin=origin)


def _probes(probed: Mapping[int, tuple[str, ...]]) -> Iterator[Requirements]:
    for port, paths in probed.items():
        yield (
            Requirement(attribute=Attribute.PORT, values=(Exact(str(port)),)),
            Requirement(attribute=Attribute.METHOD, values=(Exact("GET"),)),
            Requirement(attribute=Attribute.PATH, values=tuple(map(Exact, paths))),
        )


def _default_policy(default: _Default, taken: tuple[int, ...], probed: Mapping[int, tuple[str, ...]]) -> AuthzPolicy:
    """Of all ports that no Server selects."""
    policy, origin = default
    covered = tuple(Exact(str(port)) for port in taken)
    at = (Requirement(attribute=Attribute.PORT, refuses=covered),) if covered else ()
    rules = _unless(SOURCES[policy], at, tuple(_probes(probed)), origin)
    return AuthzPolicy(action=Action.DENY, rules=tuple(rules), origin=origin, staged=policy == AUDIT)
