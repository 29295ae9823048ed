"""`tandem explain FROM TO`: may one workload talk to another, which rules decide, and on the way of which request.

In: the World and a Question. Out: an Explanation, JSON-ready: the verdict and every rule from egress policy to L7. It
is made by the reference evaluators from the objects themselves, before any packet is sent.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final

import msgspec

from tandem.model import core
from tandem.model.world import World
from tandem.reference import hosts, limits, locality, routes
from tandem.reference.authorization import speaks_grpc
from tandem.reference.mtls import in_mesh
from tandem.reference.request import Request, RouteDecision, Share
from tandem.reference.services import is_own, ranges_for
from tandem.views.edges import explain_gateway
from tandem.views.parties import ExplainError, Party, destination_of, source_of
from tandem.views.ways import (
    Explanation,
    Line,
    Question,
    Way,
    counted,
    endpoints,
    headless,
    known_names,
    summary,
    troubled,
    version,
    way_to,
)

SOMEWHERE: Final = "0.0.0.0"  # noqa: S104 - bound to nothing: an address of outside that no policy names
"""Stands for the address of a name that nobody has asked for yet."""


def question(
    asked: Mapping[str, str],
    dns_addresses: tuple[str, ...] = ("10.96.0.10",),
    names: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None,
    service_cidrs: tuple[str, ...] = ("10.96.0.0/16",),
) -> Question:
    """A Question from its form as a query (`headers` is a JSON list of pairs); raises ExplainError."""
    try:
        headers = msgspec.json.decode(asked.get("headers") or "[]", type=tuple[tuple[str, str], ...])
    except msgspec.DecodeError as err:
        raise ExplainError(f"headers: {err}") from err
    return Question(
        source=asked.get("from", ""),
        destination=asked.get("to", ""),
        namespace=asked.get("namespace") or "default",
        method=asked.get("method", ""),
        path=asked.get("path", ""),
        host=asked.get("host", ""),
        sni=asked.get("sni", ""),
        headers=tuple((name.lower(), value) for name, value in headers),
        dns_addresses=dns_addresses,
        names=names or {},
        service_cidrs=service_cidrs,
    )


def explain(world: World, question: Question) -> Explanation:
    """Answer a Question; raises ExplainError if FROM or TO names nothing."""
    source = source_of(world, question.source, question.namespace)
    target = destination_of(world, question.destination, question.namespace)
    if target.gateway is not None:
        return explain_gateway(world, question, source, target)
    route: tuple[Line, ...] = ()
    shares: tuple[Share, ...] = ()
    status = 0
    if target.service is not None:
        decision = _route(world, question, source, target)
        route = tuple(Line(layer="L7 route", effect="route", text=s.text, rule=s.origin) for s in decision.steps)
        if decision.rule is not None:
            asked = question.method or "GET", question.path or "/", dict(question.headers)
            route += tuple(map(counted, limits.counted_at_route(world, decision.rule, *asked)))
            route += troubled(world, decision.rule)
        shares, status = decision.backends, decision.status
    ways = _ways(world, question, source, target, shares)
    allowed = bool(ways) and all(w.allowed for w in ways)
    return Explanation(
        allowed=allowed,
        summary=summary(source, target, ways, status=status),
        source=source.label,
        destination=target.label,
        route=route,
        ways=ways,
        decided_by=tuple(dict.fromkeys(o for w in ways if not w.allowed for o in w.decided_by)),
    )


def _route(world: World, question: Question, source: Party, target: Party) -> RouteDecision:
    """Pods outside the mesh reach the Service itself: routes are the work of the proxy."""
    assert target.service is not None  # noqa: S101 - the caller looked
    namespace, name = target.service.key
    own = Share(namespace=namespace, service=name, port=target.port)
    if source.pod is None or not in_mesh(source.pod, world)[0] or not is_own(target.service, target.address):
        return RouteDecision(backends=(own,), steps=())
    return routes.decide(
        world,
        Request(
            source_namespace=source.pod.metadata.namespace,
            source_labels=dict(source.pod.metadata.labels),
            namespace=namespace,
            service=name,
            port=target.port,
            method=question.method or "GET",
            path=question.path or "/",
            headers={**_presumed(target), **dict(question.headers)},
            server_name=question.sni.lower(),
        ),
    )


def _presumed(target: Party) -> dict[str, str]:
    """At a port of gRPC a request is one of gRPC, unless its headers say otherwise."""
    ports = target.service.spec.ports if target.service is not None else ()
    grpc = any(speaks_grpc(port) for port in ports if port.port == target.port)
    return {"content-type": "application/grpc"} if grpc else {}


def _ways(world: World, question: Question, source: Party, target: Party, shares: tuple[Share, ...]) -> tuple[Way, ...]:
    if target.domain:

        def ways(end: Party) -> list[Way]:
            return [way_to(world, question, source, one, share=None) for one in _addresses(question, source, end)]

        return _outside(world, source, target, ways)
    if target.service is None:
        way = way_to(world, question, source, target, share=headless(world, target))
        return (way if target.pod is not None else _beyond(world, source, way),)
    found: dict[tuple[str, int], Way] = {}
    through = is_own(target.service, target.address)
    for meant in shares:
        share = next((s for s in (meant, *meant.instead) if endpoints(world, s, version(world, s, target))), meant)
        ends = endpoints(world, share, version(world, share, target))
        for end, line in _near(world, source, share, ends) if through else ((end, None) for end in ends):
            way = way_to(world, question, source, end, share=share if through else None)
            if line is not None:
                way = msgspec.structs.replace(way, steps=(line, *way.steps))
            found.setdefault((end.address, end.port), _limited(source, target, way))
    return tuple(found.values())


def _near(world: World, source: Party, share: Share, ends: list[Party]) -> Iterator[tuple[Party, Line | None]]:
    """The endpoints that get requests of a client in the mesh, each with its turn or its part by locality."""
    pod, service = source.pod, world.get(core.Service, share.namespace, share.service)
    pods = [end.pod for end in ends if end.pod is not None]
    node = pod.spec.node_name if pod is not None and in_mesh(pod, world)[0] else ""
    chosen = bool(node) and service is not None and service.spec.cluster_ip != "None"
    known = locality.standings(world, node, share, pods) if chosen else None
    if known is None:
        yield from ((end, None) for end in ends)
        return
    for end in ends:
        stands = known.get(end.pod.key) if end.pod is not None else None
        if stands is None:
            continue
        effect = "comes first" if stands.turn == 0 else f"stands by, turn {stands.turn + 1}"
        if stands.part is not None:
            effect = f"gets {float(stands.part * 100):.0f} of 100"
        text = f"in {stands.where}; the client's node {node} is in {locality.node_text(world, node)}"
        yield end, Line(layer="locality", effect=effect, text=text, rule=stands.rule)


def _limited(source: Party, target: Party, way: Way) -> Way:
    """A load balancer's address is for some sources alone, pods and nodes no exception."""
    assert target.service is not None  # noqa: S101 - the caller looked
    ranges = ranges_for(target.service, target.address)
    if not ranges:
        return way
    origin = target.service.origin("spec.loadBalancerSourceRanges")
    here = next((prefix for prefix in ranges if _lies_in(source.address, prefix)), "")
    text = f"{source.address} is in {here}" if here else f"{source.address} is in none of {', '.join(ranges)}"
    line = Line(layer="Service", effect="allows" if here else "denies", text=text, rule=origin)
    steps = (line, *way.steps)
    return msgspec.structs.replace(
        way,
        allowed=way.allowed and bool(here),
        decided_by=way.decided_by if here else (origin, *way.decided_by),
        steps=steps,
    )


def _lies_in(address: str, prefix: str) -> bool:
    """What is no prefix holds nothing."""
    with suppress(ValueError):
        return ipaddress.ip_address(address) in ipaddress.ip_network(prefix.strip(), strict=False)
    return False


def _beyond(world: World, source: Party, way: Way) -> Way:
    """A bare address outside: refused where nothing but the registry may be reached, and no entry can be meant."""
    pod = source.pod
    if pod is None or not in_mesh(pod, world)[0]:
        return way
    by = hosts.refusal(world, pod, None, way.address)
    if by is None or hosts.known_at(world, way.address, way.port, pod.metadata.namespace):
        return way
    line = Line(layer="outbound", effect="denies", text="no ServiceEntry that the pod sees has the address", rule=by)
    return msgspec.structs.replace(way, allowed=False, decided_by=way.decided_by or (by,), steps=(line, *way.steps))


def _end(target: Party, address: str, port: int) -> Party:
    """An endpoint of a host: an address, or again a name."""
    label = f"{target.label} ({address}:{port})"
    if hosts.is_address(address):
        return Party(label=label, address=address, port=port)
    return Party(label=label, domain=address.lower(), port=port)


def _outside(world: World, source: Party, target: Party, ways: Callable[[Party], list[Way]]) -> tuple[Way, ...]:
    """A domain name, which a ServiceEntry may have: then what is behind it is dialled, where the pod may go there."""
    pod = source.pod
    if pod is None or not in_mesh(pod, world)[0]:
        return tuple(ways(target))
    host = hosts.host_of(world, target.domain, target.port, pod.metadata.namespace)
    by = hosts.refusal(world, pod, host, target.domain)
    ends = [target]
    text = "no ServiceEntry that the pod sees has the host"
    if host is not None and by is None:
        text = "the host is that of a ServiceEntry"
        ends = [_end(target, address, port) for address, port in host.ends]
    rule = by or (host.entry.origin() if host is not None else None)
    line = Line(layer="outbound", effect="denies" if by else "allows", text=text, rule=rule)
    found = [way for end in ends for way in ways(end)]
    return tuple(
        msgspec.structs.replace(
            way,
            allowed=way.allowed and by is None,
            decided_by=way.decided_by or ((by,) if by is not None else ()),
            steps=(line, *way.steps),
        )
        for way in found
    )


def _addresses(question: Question, source: Party, target: Party) -> list[Party]:
    """What a domain name is for a pod: each address that is known on its node."""
    if not target.domain:
        return [target]
    found = known_names(question, source).get(target.domain, ())
    if not found:
        label = f"{target.domain}:{target.port} (no address is known yet; any outside)"
        return [Party(label=label, address=SOMEWHERE, port=target.port, domain=target.domain)]
    return [Party(label=target.label, address=address, port=target.port) for address in found]


__all__ = ["ExplainError", "Explanation", "Line", "Question", "Way", "explain", "question"]
