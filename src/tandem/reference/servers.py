"""Linkerd's Servers as its documents say -> may this request or connection pass at a pod, and by which object.

In: the World, the pod and what is asked. Out: a frozen value with every step. Shares no code with translation.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.linkerd import Server
from tandem.model.selectors import OPERATORS, LabelSelector, matches
from tandem.model.unreadable import Unreadable
from tandem.model.world import World
from tandem.reference.authorization import Asked, AuthzDecision
from tandem.reference.request import Step
from tandem.reference.serverclients import POLICIES, admits, clients_of_route, clients_of_server
from tandem.reference.serverroutes import (
    KINDS,
    Placed,
    attached_to,
    changes_of,
    faulty,
    holds,
    may_hold,
    precedence,
    routes_at,
)

DEFAULT = "config.linkerd.io/default-inbound-policy"
REQUIRING = "config.linkerd.io/proxy-require-identity-inbound-ports"
_LONG = 64
"""More ports than these are all ports."""


def decide_servers(world: World, pod: core.Pod, asked: Asked, *, trust_domain: str = "cluster.local") -> AuthzDecision:
    """By the Server of the port, else by the default of the pod or of its namespace, else everyone may."""
    closed = next((s for s in _selecting(world, pod) if s.spec.port is None), None)
    if closed is not None:
        return _denied(closed.origin(), "is not understood, and lets nobody in")
    server = server_at(world, pod, asked.port)
    if server is None:
        return _by_default(world, pod, asked)
    if _unclear(world, server):
        audit = server.spec.access_policy == "audit" and not _mistaken(server)
        return _passed(server.origin()) if audit else _denied(server.origin(), "lets nobody in: it is not understood")
    routes = routes_at(world, server)
    inherited = [o for o, lets in clients_of_server(world, server, asked, trust_domain) if lets]
    lenient = admits(server.spec.access_policy, asked)
    if not routes:
        probed = asked.parsed and asked.method == "GET" and _is_probe(pod, asked)
        return _verdict(server, inherited, lenient=lenient or probed)
    if not asked.parsed:
        audit = server.spec.access_policy == "audit"
        return _passed(server.origin()) if audit else _denied(server.origin(), "has routes, and these are only bytes")
    return _by_routes(world, server, (routes, inherited, lenient), asked, trust_domain)


def reads_requests(world: World, pod: core.Pod, port: int) -> bool | None:
    """Whether plain bytes at a port are read as requests, as the Server there says; None: it says nothing of that."""
    server = server_at(world, pod, port)
    if server is None:
        return None
    protocol = server.spec.proxy_protocol
    if protocol in {"opaque", "TLS"}:
        return False
    if protocol in {"HTTP/1", "HTTP/2", "gRPC"} or routes_at(world, server) or port in _probes(pod):
        return True
    return None


def _by_routes(
    world: World, server: Server, found: tuple[list[Placed], list[Origin], bool], asked: Asked, trust_domain: str
) -> AuthzDecision:
    """The most specific route decides. Of a path with more than one reading, each route that it may be about does."""
    routes, inherited, lenient = found
    order = sorted(routes, key=precedence)
    sure = [placed for placed in order if holds(placed, asked)]
    if not sure:
        return _denied(server.origin(), "has routes, and none of them is about this request")
    steps: list[Step] = []
    for i, placed in enumerate(order):
        route, _, _, where = placed
        covered = any(one[0] is not route and holds(one, asked) for one in order[:i])
        if covered or not may_hold(placed, asked):
            continue
        clients = [*inherited, *(o for o, lets in clients_of_route(world, route, asked, trust_domain) if lets)]
        at = server.origin(f"{route.kind}/{route.metadata.name}/{where}")
        if not clients and not lenient and server.spec.access_policy != "audit":
            return _denied(at, "nobody of the kind is authorized")
        steps += [Step(text="authorizes the client", origin=origin) for origin in clients[:1]]
    changed = [Step(text=text, origin=sure[0][0].origin(at)) for text, at in changes_of(sure[0])]
    passed = Step(text="lets it pass", origin=server.origin())
    return AuthzDecision(allowed=True, steps=(*steps, passed, *changed))


def _by_default(world: World, pod: core.Pod, asked: Asked) -> AuthzDecision:
    """Two annotations, the pod's own before its namespace's; a policy that nobody knows is a denial."""
    value, at = _noted(world, pod, DEFAULT)
    ports, asking = _noted(world, pod, REQUIRING)
    probed = asked.parsed and asked.method == "GET" and _is_probe(pod, asked)
    closing = value != "audit" and not probed
    if closing and at is not None and not admits(value, asked):
        return _denied(at, f"no Server selects the port, and the default is {value}")
    if closing and asking is not None and not asked.principal and _is_listed(ports, asked.port):
        return _denied(asking, "no Server selects the port, and it asks for an identity")
    return _passed(at) if at is not None else AuthzDecision(allowed=True)


def _noted(world: World, pod: core.Pod, name: str) -> tuple[str, Origin | None]:
    """An annotation of a pod, or else of its namespace, and where it is."""
    for place in (pod, world.get(core.Namespace, "", pod.metadata.namespace)):
        if place is not None and name in place.metadata.annotations:
            return place.metadata.annotations[name], place.origin(f"metadata.annotations[{name}]")
    return "", None


def _is_listed(text: str, port: int) -> bool:
    """Whether a list of ports names one; of a list that cannot be read, or a long one, every port."""
    pairs = [part.split("-") for part in text.replace(" ", "").split(",") if part]
    if not all(len(ends) <= 2 and all(end.isdecimal() for end in ends) for ends in pairs):
        return True
    spans = [(int(ends[0]), int(ends[-1])) for ends in pairs]
    odd = any(not 0 < first <= last <= 65535 for first, last in spans)
    return odd or sum(last - first + 1 for first, last in spans) > _LONG or any(a <= port <= b for a, b in spans)


def _verdict(server: Server, clients: list[Origin], *, lenient: bool) -> AuthzDecision:
    if clients or lenient or server.spec.access_policy == "audit":
        steps = tuple(Step(text="authorizes the client", origin=origin) for origin in clients[:1])
        return AuthzDecision(allowed=True, steps=(*steps, Step(text="lets it pass", origin=server.origin())))
    return _denied(server.origin(), "nobody of the kind is authorized")


def _passed(origin: Origin) -> AuthzDecision:
    return AuthzDecision(allowed=True, steps=(Step(text="lets it pass", origin=origin),))


def _denied(origin: Origin, why: str) -> AuthzDecision:
    return AuthzDecision(allowed=False, by=(origin,), steps=(Step(text=f"denies: {why}", origin=origin),))


def _selecting(world: World, pod: core.Pod) -> Iterator[Server]:
    """The oldest first."""
    for server in world.oldest_first(Server):
        if server.metadata.namespace == pod.metadata.namespace and _selects(server, pod):
            yield server


def _selects(server: Server, pod: core.Pod) -> bool:
    selector = server.spec.pod_selector
    return selector is not None and (_odd(selector) or matches(selector, pod.metadata.labels))


def _odd(selector: LabelSelector) -> bool:
    return any(one.operator not in OPERATORS for one in selector.match_expressions)


def server_at(world: World, pod: core.Pod, port: int) -> Server | None:
    """The Server that counts at a port of a pod."""
    for server in _selecting(world, pod):
        wanted = server.spec.port
        every = [p for c in _containers(pod) for p in c.ports if p.name == wanted and p.protocol == "TCP"]
        if wanted == port or port in {p.container_port for p in every}:
            return server
    return None


def _containers(pod: core.Pod) -> tuple[core.Container, ...]:
    """Those that start first may be sidecars, which go on beside the others."""
    return (*pod.spec.containers, *pod.spec.init_containers)


def _mistaken(server: Server) -> bool:
    known = server.spec.proxy_protocol in {"unknown", "HTTP/1", "HTTP/2", "gRPC", "opaque", "TLS"}
    selector = server.spec.pod_selector
    odd = selector is not None and _odd(selector)
    return bool(server.metadata.unreadable) or odd or not known or server.spec.access_policy not in POLICIES


def _unclear(world: World, server: Server) -> bool:
    """Something of it, or of a route that is attached, cannot be judged as it is written."""
    home = server.metadata.namespace
    lost = any(u.metadata.namespace == home and u.kind in {k.__name__ for k in KINDS} for u in world.sorted(Unreadable))
    return _mistaken(server) or lost or any(faulty(route, server) for route in attached_to(world, server))


def _is_probe(pod: core.Pod, asked: Asked) -> bool:
    return asked.path.partition("?")[0] in _probes(pod).get(asked.port, set())


def _probes(pod: core.Pod) -> dict[int, set[str]]:
    """The paths of HTTP probes by port; names of ports are those of the container that is probed."""
    found: dict[int, set[str]] = {}
    for container in _containers(pod):
        named = {p.name: p.container_port for p in container.ports if p.protocol == "TCP" and p.name}
        for probe in (container.liveness_probe, container.readiness_probe, container.startup_probe):
            get = probe.http_get if probe is not None else None
            port = named.get(get.port, 0) if get is not None and isinstance(get.port, str) else get and get.port
            if get is not None and port:
                found.setdefault(int(port), set()).add(urlsplit(get.path).path or "/")
    return found
