"""Where the gateway of Istio's Gateways hands a connection on that is no request: `tls` and `tcp` of VirtualServices.

In: the World, the server that took it, the name asked for in TLS. Out: a RouteDecision with its steps.
"""

from __future__ import annotations

from collections.abc import Iterator

from tandem.model.istio import L4Match, L4Route, VirtualService
from tandem.model.world import World
from tandem.reference.destinationrules import caller_of
from tandem.reference.ingressgateway import IngressGateway, has_labels
from tandem.reference.ingressservers import Served, bound, shared
from tandem.reference.listeners import is_for, precision
from tandem.reference.request import RouteDecision, Step
from tandem.reference.support import ROOT
from tandem.reference.virtualservices import carried


def decide_ingress_bytes(world: World, one: Served, sni: str) -> RouteDecision:
    """TLS that is handed on goes by its name, of which the most specific counts; else the oldest route has all."""
    found = list(_by_name(world, one, sni) if one.handed_on else _every(world, one))
    if not found:
        wanted = f" the name {sni!r}" if one.handed_on else " it"
        text = f"no VirtualService at the gateway has a route for{wanted}: the connection is closed"
        return RouteDecision(steps=(Step(text=text),))
    _, source, index = max(found, key=lambda each: each[0])
    kind, routes = ("tls", source.spec.tls) if one.handed_on else ("tcp", source.spec.tcp)
    at = one.server.port.number, source.origin(f"spec.{kind}[{index}]")
    return carried(world, source, routes[index], at, caller=caller_of(IngressGateway()))


Ranked = tuple[tuple[int, int], VirtualService, int]


def _every(world: World, one: Served) -> Iterator[Ranked]:
    for source in bound(world, one):
        for i, route in enumerate(source.spec.tcp):
            if shared(one, source) and (not route.match or any(True for _ in _about(route, one, source))):
                yield (0, 0), source, i
                return


def names_asked(world: World, one: Served) -> list[str]:
    """The names in TLS by which a server is chosen: what is for every name is for no other one beside it.

    Where TLS is handed on, the names of routes are told apart, whatever else the server is for.
    """
    routed = {name for name, _, _ in _claims(world, one)} if one.handed_on else set[str]()
    left = [name for _, name in one.hosts if name not in routed]
    return [*sorted(routed), *(["*"] if "*" in left else left)]


def _by_name(world: World, one: Served, sni: str) -> Iterator[Ranked]:
    for name, source, i in _claims(world, one):
        if is_for(name, sni):
            yield precision(name), source, i


def _claims(world: World, one: Served) -> Iterator[tuple[str, VirtualService, int]]:
    """The names of routes of TLS at the server. Of equal names the first route has it."""
    taken: set[str] = set()
    for source in bound(world, one):
        for i, route in enumerate(source.spec.tls):
            asked = [name.lower() for match in _about(route, one, source) for name in match.sni_hosts]
            both = [(host, name) for host in shared(one, source) for name in asked]
            names = [b if is_for(a, b) else a for a, b in both if is_for(a, b) or is_for(b, a)]
            yield from ((name, source, i) for name in dict.fromkeys(names) if name not in taken)
            taken.update(names)


def _about(route: L4Route, one: Served, source: VirtualService) -> Iterator[L4Match]:
    """The matches that are about this port of this Gateway; an address that is dialled is the gateway's."""
    home = source.metadata.namespace
    for match in route.match:
        named = {g if "/" in g else f"{home}/{g}" for g in match.gateways}
        if match.port not in {0, one.server.port.number} or match.destination_subnets:
            continue
        if named and "/".join(one.gateway.key) not in named:
            continue
        if has_labels(match.source_labels) and match.source_namespace in {"", ROOT}:
            yield match
