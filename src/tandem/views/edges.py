"""`tandem explain` to a gateway: the client's way to it, listener, policies there, route, and each way on to a pod.

In: the World, a Question, the client and the gateway, of the Gateway API or of Istio. Out: an Explanation. Every node
that may serve the gateway is asked about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from tandem.base.problems import Origin
from tandem.model.gateways import Gateway
from tandem.model.world import World
from tandem.reference import limits
from tandem.reference.consulchains import stood_in
from tandem.reference.destinationrules import caller_of
from tandem.reference.edgeroutes import decide_connection, decide_request
from tandem.reference.ingress import routed, take_ingress
from tandem.reference.ingressbytes import decide_ingress_bytes
from tandem.reference.ingressgateway import IngressGateway
from tandem.reference.ingressservers import Served
from tandem.reference.listeners import REQUESTS, Found, take
from tandem.reference.request import Request, RouteDecision, Step
from tandem.views.arriving import Arriving, Came, judge, leave
from tandem.views.beside import answered, beside
from tandem.views.datagrams import explain_datagrams
from tandem.views.onward import ways_onward
from tandem.views.parties import Party
from tandem.views.ways import Explanation, Line, Question, Way, counted, summary


class _Met(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes it: a listener, or servers of Istio's Gateways; nobody: `status` is the answer (0: the end)."""

    listener: Found | None = None
    servers: tuple[Served, ...] = ()
    status: int = 0
    steps: tuple[Step, ...] = ()
    protocols: Collection[str] = ()
    """As the Gateway API names them; of the port where nobody takes it."""

    @property
    def handed_on(self) -> bool:
        """In TLS of the client's own."""
        if self.listener is not None:
            return self.listener.listener.tls is not None and self.listener.listener.tls.mode == "Passthrough"
        return any(server.handed_on for server in self.servers)


def explain_gateway(world: World, question: Question, source: Party, target: Party) -> Explanation:
    """Answer a Question about a gateway."""
    gateway = target.gateway
    assert gateway is not None  # noqa: S101 - the caller looked
    host = (question.host or dict(question.headers).get("host", "") or target.address).lower()
    bare = _without_port(host)
    sni = question.sni or bare
    met = _meet(world, gateway, target, sni=sni, host=bare)
    lines = [Line(layer="listener", effect="listener", text=s.text, rule=s.origin) for s in met.steps]
    if isinstance(gateway, Gateway) and met.listener is not None and met.listener.listener.protocol == "UDP":
        return explain_datagrams(world, question, (source, target), gateway, (met.listener, lines))
    left = leave(world, question, source, target)
    lines = [*left.lines, *lines]
    came = Came(lines=())
    if not left.denied and (met.listener or met.servers or met.status):
        arriving = Arriving(source=source, target=target, gateway=gateway, host=host, sni=sni, protocols=met.protocols)
        came = judge(world, question, arriving)
        lines += came.lines
    route = RouteDecision(status=met.status)
    ways: tuple[Way, ...] = ()
    denied = tuple(line.rule for line in (*left.denied, *came.denied) if line.rule is not None)
    if not denied and (met.listener or met.servers):
        headers = tuple((came.headers | {"host": host}).items())
        onward = msgspec.structs.replace(question, headers=headers, protocol="TCP")  # also what came by HTTP/3
        met_by = target.port, gateway
        route = _routed(world, onward, met, met_by, host=bare, sni=sni)
        lines += [Line(layer="route", effect="route", text=s.text, rule=s.origin) for s in route.steps]
        if route.rule is not None:
            lines += _beside(world, onward, gateway, met, route)
        requests = bool(set(met.protocols) & set(REQUESTS))
        backends = () if answered(lines) else route.backends
        found = ways_onward(world, onward, gateway, backends, requests=requests, handed_on=met.handed_on)
        ways = tuple(found)
    instead = answered(lines)
    last = (instead or lines)[-1] if lines and not ways else None
    told = summary(source, target, ways, status=route.status, denied=tuple(instead), last=last, lines=tuple(lines))
    if denied:
        where = "" if left.denied else " at the gateway"
        told = f"{source.label} to {target.label}: denied{where} by {'; '.join(map(str, denied))}"
    return Explanation(
        allowed=not denied and bool(ways) and all(way.allowed for way in ways),
        summary=told,
        source=source.label,
        destination=target.label,
        protocol=target.protocol,
        route=tuple(lines),
        ways=ways,
        decided_by=denied or tuple(dict.fromkeys(_deciding(ways, last))),
    )


def _deciding(ways: tuple[Way, ...], last: Line | None) -> Iterator[Origin]:
    """What denies a way, or what comes last where there is none."""
    yield from (origin for way in ways if not way.allowed for origin in way.decided_by)
    if last is not None and last.rule is not None:
        yield last.rule


def _meet(world: World, gateway: Gateway | IngressGateway, target: Party, *, sni: str, host: str) -> _Met:
    port, protocol = target.port, target.protocol
    if isinstance(gateway, IngressGateway):
        servers = take_ingress(world, port, sni=sni, host=host)
        if protocol != "TCP" and not any(one.by_datagrams for one in servers.servers if protocol == "UDP"):
            return _Met(steps=(Step(text=f"no server takes {protocol} at port {port}"),))
        protocols = {one.spoken for one in servers.servers} or ({"HTTPS"} if servers.status else set())
        return _Met(servers=servers.servers, status=servers.status, steps=servers.steps, protocols=protocols)
    taken = take(world, gateway, port, sni=sni, host=host, protocol=protocol)
    if taken.listener is not None:
        protocols = {taken.listener.listener.protocol}
    else:
        protocols = {listener.protocol for listener in gateway.spec.listeners if listener.port == port}
    return _Met(listener=taken.listener, status=taken.status, steps=taken.steps, protocols=protocols)


def _beside(
    world: World, question: Question, gateway: Gateway | IngressGateway, met: _Met, route: RouteDecision
) -> list[Line]:
    """What a route has beside its way: limits and trouble on purpose."""
    assert route.rule is not None  # noqa: S101 - the caller looked
    asked = question.method or "GET", question.path or "/", dict(question.headers)
    lines: list[Line] = []
    if isinstance(gateway, Gateway) and met.listener is not None:
        own = met.listener.listener.name if met.listener.holder is gateway else ""
        lines += map(counted, limits.counted_at_gateway(world, gateway, own, *asked))
        lines += map(counted, limits.counted_at_route(world, route.rule, *asked))
    return [*lines, *beside(world, route, gateway)]


def _without_port(host: str) -> str:
    """An address of IPv6 has colons of its own, and stands in brackets where a port follows."""
    name, _, port = host.rpartition(":")
    return name if port.isdigit() and (":" not in name or name.endswith("]")) else host


def _routed(
    world: World,
    question: Question,
    met: _Met,
    at: tuple[int, Gateway | IngressGateway],
    *,
    host: str,
    sni: str,
) -> RouteDecision:
    """`at`: the port that is dialled, and whose it is."""
    request = Request(
        source_namespace="",
        namespace="",
        service="",
        port=at[0],
        gateway=caller_of(at[1]),
        method=question.method or "GET",
        path=question.path or "/",
        headers=dict(question.headers),
        authority=host,
        scheme="https" if "HTTPS" in met.protocols else "http",
    )
    return stood_in(world, request, _decided(world, met, request, sni))


def _decided(world: World, met: _Met, request: Request, sni: str) -> RouteDecision:
    if met.listener is not None:
        read = met.listener.listener.protocol in REQUESTS
        return decide_request(world, met.listener, request) if read else decide_connection(world, met.listener, sni)
    first = met.servers[0]
    return routed(world, met.servers, request) if first.requests else decide_ingress_bytes(world, first, sni)
