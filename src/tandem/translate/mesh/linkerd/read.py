"""Servers with what is attached to them: who may use them, their routes and their limits, with Problems. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.authz import Requirements
from tandem.ir.limits import RateLimit
from tandem.model.core import Namespace, Pod
from tandem.model.gateway import HTTPRoute
from tandem.model.gateways import GROUP as GATEWAY_API
from tandem.model.grpcroute import GRPCRoute
from tandem.model.linkerd import GROUP, LinkerdAuthorizationPolicy, LinkerdHTTPRoute, Server, ServerAuthorization
from tandem.model.meta import Object
from tandem.model.selectors import LabelSelector, matches, unknown_operator
from tandem.model.world import World
from tandem.translate.mesh.linkerd.clients import Authentications, Clients
from tandem.translate.mesh.linkerd.defaults import ANNOTATION, AUDIT, SOURCES, Default
from tandem.translate.mesh.linkerd.limits import read_server_limits
from tandem.translate.mesh.linkerd.required import REQUIRING, Required, required_of
from tandem.translate.mesh.linkerd.routes import RequestsOf, read_routes

T = TypeVar("T")

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
    limit: RateLimit | None = None

    def ports(self, pod: Pod) -> tuple[int, ...]:
        """Its ports of a pod that it selects."""
        return ports_of(pod, self.port)


def default_of(at: Object, value: str) -> tuple[Default, tuple[Problem, ...]]:
    """What an annotation says. A policy that nobody knows denies."""
    origin = at.origin(f"metadata.annotations[{ANNOTATION}]")
    if value in SOURCES:
        return (value, origin), ()
    text = f"{value!r} is none of {', '.join(SOURCES)}: it counts as deny"
    return ("deny", origin), (Problem(at=origin, code="InvalidValue", text=text, severity=Severity.WARNING),)


class ServerReader:
    """Reads Servers with what is attached to them."""

    def __init__(self, world: World, authentications: Authentications, trust_domain: str) -> None:
        self._world = world
        self._routes = read_routes(world)
        self._limits, wrong = read_server_limits(world, trust_domain)
        self.problems: list[Problem] = [*self._routes.problems, *wrong]
        self._of: dict[_Target, list[Clients]] = {}
        for policy in world.sorted(LinkerdAuthorizationPolicy):
            target = self._target(policy)
            if target is not None:
                self._of.setdefault(target, []).append(authentications.of_policy(policy))
        self._older = [(one, authentications.of_older(one)) for one in world.sorted(ServerAuthorization)]

    def defaults(self) -> Iterator[tuple[str, Default]]:
        """Of namespaces that have one."""
        return self._said(ANNOTATION, default_of)

    def required(self) -> Iterator[tuple[str, Required]]:
        """Of namespaces of which ports ask for an identity."""
        return self._said(REQUIRING, required_of)

    def _said(
        self, annotation: str, read: Callable[[Object, str], tuple[T, tuple[Problem, ...]]]
    ) -> Iterator[tuple[str, T]]:
        """What an annotation of namespaces says, of those that have it."""
        for namespace in self._world.sorted(Namespace):
            value = namespace.metadata.annotations.get(annotation)
            if value is not None:
                found, mistakes = read(namespace, value)
                self.problems += mistakes
                yield namespace.metadata.name, found

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
        if spec.proxy_protocol in BYTES and key in self._limits:
            text = f"{self._limits[key].origin} is for it, and no requests are seen here: nothing is counted"
            self._wrong(server.origin("spec.proxyProtocol"), "LimitIgnored", text, Severity.WARNING)
        yield ReadServer(
            origin=origin,
            selector=selector,
            port=spec.port,
            protocol=spec.proxy_protocol,
            staged=spec.access_policy == AUDIT and not closed,
            closed=closed or key in self._routes.unclear,
            clients=_joined(self._everywhere(server), SOURCES.get(spec.access_policy, ())),
            limit=self._limits.get(key),
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


def ports_of(pod: Pod, name: int | str | None) -> tuple[int, ...]:
    """The port itself, or those of TCP with this name; containers that start first may go on (sidecars)."""
    if isinstance(name, int):
        return (name,)
    every = (*pod.spec.containers, *pod.spec.init_containers)
    offered = (port for container in every for port in container.ports)
    return tuple(sorted({port.container_port for port in offered if port.protocol == "TCP" and port.name == name}))
