"""Gateways and the routes that attach to them -> the IR of gateways, and what is told of each. Pure.

Front end of its own beside the mesh: what a rule of a route does is read by the same code as for Services.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from tandem.base.problems import Problem, Severity
from tandem.ir import gateway as ir
from tandem.ir.gateway import Sessions
from tandem.ir.tlsterms import TlsTerms
from tandem.model.annotations import asks_http3
from tandem.model.gateway import HTTPRoute
from tandem.model.gateways import Gateway
from tandem.model.gatewayservices import is_ours, someone_elses, standing_for
from tandem.model.grpcroute import GRPCRoute
from tandem.model.kept import KeptEach
from tandem.model.listenersets import ListenerSet
from tandem.model.udproute import UDPRoute
from tandem.model.world import Key, World
from tandem.translate.balancers import Assignment, addresses_of_ingress
from tandem.translate.gateway.addresses import place
from tandem.translate.gateway.attach import Attached, EdgeRoute, Parents, attach
from tandem.translate.gateway.clashes import BY_NAME, UDP
from tandem.translate.gateway.clients import falls_back
from tandem.translate.gateway.connections import Given, in_order, named_of, shared_out
from tandem.translate.gateway.datagrams import parents_refused, port_of
from tandem.translate.gateway.edge import Edge, GatewayFacts, ListenerFacts, SetFacts
from tandem.translate.gateway.guards import labels_of
from tandem.translate.gateway.http3 import annotation_mistakes, offer
from tandem.translate.gateway.listeners import (
    ByHolder,
    Place,
    Read,
    gateway_mistakes,
    passes_through,
    read_listeners,
)
from tandem.translate.gateway.overlaps import overlaps_of
from tandem.translate.gateway.routes import ReadRoute, hosts_of, read_route, services_of
from tandem.translate.gateway.sets import sets_of
from tandem.translate.gateway.targets import targets_of
from tandem.translate.options import Options
from tandem.translate.pods import spiffe_id

_Routes = dict[Place, list[tuple[Attached, ReadRoute]]]


REFUSING: Final = frozenset({"InvalidParameters", "UnsupportedValue"})
"""Codes of mistakes of a Gateway after which nothing of it is served."""


class Reading:
    """What is read of each Gateway's listeners and of each route, kept from one translation to the next."""

    def __init__(
        self,
        listeners: Callable[..., tuple[ByHolder, tuple[Problem, ...]]] = read_listeners,
        route: Callable[..., ReadRoute] = read_route,
    ) -> None:
        self.listeners: Final = KeptEach(listeners)
        self.route: Final = KeptEach(route)

    def begin(self) -> Reading:
        """For another translation."""
        self.listeners.begin()
        self.route.begin()
        return self


def translate_gateways(world: World, options: Options, balancers: Assignment, reading: Reading | None = None) -> Edge:
    """The whole of gateways; equal Worlds give equal results."""
    reading = (reading or Reading()).begin()
    gateways = [g for g in world.sorted(Gateway) if is_ours(world, g) and not g.metadata.deletion_timestamp]
    mistakes_of = {gateway.key: tuple(gateway_mistakes(gateway)) for gateway in gateways}
    refused = {key for key, found in mistakes_of.items() if any(p.code in REFUSING for p in found)}
    sets = sets_of(world, {gateway.key: gateway for gateway in gateways}, refused)
    listeners: dict[Key, ByHolder] = {}
    problems: list[Problem] = [*sets.problems]
    for gateway in gateways:
        merged = sets.merged.get(gateway.key, ())
        listeners[gateway.key], wrong = reading.listeners(gateway.key, world, gateway, *merged)
        problems += (*mistakes_of[gateway.key], *annotation_mistakes(gateway), *_name_taken(world, gateway), *wrong)
    balanced = [address for addresses in balancers.given.values() for address in addresses]
    balanced += addresses_of_ingress(world)
    placed = place(world, options, [g for g in gateways if g.key not in refused], balanced)
    every: ByHolder = {(ListenerSet.__name__, *key): () for key in sets.refused}
    for of_gateway in listeners.values():
        every |= of_gateway
    routes, mistakes = _routes(world, options, every, reading)
    targets = targets_of((g, _answered(_merged(listeners[g.key]))) for g in gateways)
    sent: dict[str, ir.Gateway] = {}
    facts: dict[Key, GatewayFacts] = {}
    facts_of_sets: dict[Key, SetFacts] = {key: SetFacts(gateway=gateway) for key, gateway in sets.refused.items()}
    for gateway in gateways:
        addresses, reads = placed.given.get(gateway.key, ()), listeners[gateway.key]
        made = _gateway(gateway, _merged(reads), routes, targets, options) if addresses else None
        if made is not None and asks_http3(gateway):
            made, not_offered = offer(made, {one.name: gateway for one in _merged(reads)})
            problems += not_offered
        if made is not None:
            service = standing_for(world, gateway)
            name = service.metadata.name if service is not None else ""
            sent[f"{gateway.key[0]}/{gateway.key[1]}"] = replace(made, addresses=addresses, service=name)
        told = overlaps_of(_merged(reads))
        own, *others = (
            tuple(_facts(read, routes, told.get(read.place, ""), sent=made is not None) for read in of)
            for of in reads.values()
        )
        attached = sets.merged.get(gateway.key, ())
        found = {one.key: SetFacts(gateway=gateway.key, listeners=of) for one, of in zip(attached, others, strict=True)}
        facts_of_sets |= found
        facts[gateway.key] = GatewayFacts(
            addresses=addresses,
            listeners=own,
            sets=sum(any(one.valid for one in of.listeners) for of in found.values()),
            named=frozenset(_named(_merged(reads), routes)),
            falls_back=falls_back(gateway),
        )
    return Edge(
        gateways=MappingProxyType(sent),
        facts=MappingProxyType(facts),
        sets=MappingProxyType(facts_of_sets),
        problems=(*problems, *placed.problems, *mistakes),
    )


def _name_taken(world: World, gateway: Gateway) -> Iterator[Problem]:
    """Told of a Gateway for which no Service can stand: it is served all the same."""
    service = someone_elses(world, gateway)
    if service is not None:
        text = f"Service {service.metadata.name}, which would lead to it too, is there and not of this Gateway"
        at = gateway.origin("metadata.name")
        yield Problem(at=at, code="NameTaken", text=text, severity=Severity.WARNING)


def _routes(
    world: World, options: Options, listeners: ByHolder, reading: Reading
) -> tuple[_Routes, tuple[Problem, ...]]:
    """The routes of each listener, and what is wrong with routes that name a Gateway or a set."""
    parents = Parents(world, listeners)
    sources: tuple[EdgeRoute, ...] = (*world.sorted(GRPCRoute), *world.sorted(HTTPRoute), *in_order(world))
    found: _Routes = {}
    problems: list[Problem] = []
    for route in sources:
        attachments, wrong = attach(route, parents)
        problems += wrong
        read: ReadRoute | None = None
        for attached in attachments:
            if read is None:
                read = reading.route((route.kind, route.key), world, route, options)
                problems += read.problems
            if read.accepted:
                found.setdefault(attached.listener, []).append((attached, read))
    problems += (problem for route in world.sorted(UDPRoute) for problem in parents_refused(route))
    problems += (problem for items in found.values() for problem in shared_out(_connections(items))[1])
    return found, tuple(problems)


def _connections(items: list[tuple[Attached, ReadRoute]]) -> tuple[Given, ...]:
    """The routes of connections among those of a listener."""
    return tuple((attached, read.connections) for attached, read in items if read.connections is not None)


def _answered(reads: Iterable[Read]) -> set[int]:
    """The ports at which Envoy listens."""
    return {read.listener.port for read in reads if read.listener.protocol != UDP}


def _merged(listeners: ByHolder) -> tuple[Read, ...]:
    """Those of all that are one Gateway's."""
    return tuple(read for reads in listeners.values() for read in reads)


def _named(reads: Iterable[Read], routes: _Routes) -> Iterator[Key]:
    """The Services that routes of these listeners name."""
    for read in reads:
        for attached, _ in routes.get(read.place, ()):
            yield from services_of(attached.route)


def _facts(read: Read, routes: _Routes, overlaps: str, *, sent: bool) -> ListenerFacts:
    return ListenerFacts(
        name=read.listener.name,
        kinds=read.kinds,
        attached=len(routes.get(read.place, ())),
        valid=read.serves,
        serves=sent and read.serves,
        governed=read.clients.at if isinstance(read.holder, Gateway) else "",
        overlaps=overlaps,
    )


def _gateway(
    gateway: Gateway, reads: tuple[Read, ...], routes: _Routes, targets: dict[tuple[Key, int], int], options: Options
) -> ir.Gateway | None:
    """None where no listener can serve."""
    by_port: dict[int, list[Read]] = {}
    for read in reads:
        if read.accepted and read.listener.protocol != UDP:
            by_port.setdefault(read.listener.port, []).append(read)
    # One that has no certificate stays: what is meant for it must not reach another listener of the port.
    by_port = {port: found for port, found in by_port.items() if any(read.serves for read in found)}
    datagrams = {read.listener.port: read for read in reads if read.serves and read.listener.protocol == UDP}
    if not by_port and not datagrams:
        return None
    namespace, name = gateway.key
    return ir.Gateway(
        namespace=namespace,
        name=name,
        identity=spiffe_id(options.trust_domain, namespace, name),
        addresses=(),
        ports=tuple(
            _port(port, served, routes, targets[gateway.key, port]) for port, served in sorted(by_port.items())
        ),
        datagrams=tuple(
            port_of(read, shared_out(_connections(routes.get(read.place, [])))[0])
            for _, read in sorted(datagrams.items())
        ),
        labels=tuple(sorted(labels_of(gateway).items())),
        origin=gateway.origin(),
    )


def _port(port: int, reads: list[Read], routes: _Routes, target: int) -> ir.GatewayPort:
    hostnames = frozenset(read.hostname for read in reads)
    protocol = reads[0].listener.protocol
    return ir.GatewayPort(
        port=port,
        target=target,
        tls=protocol in BY_NAME,
        bytes=protocol == "TCP",
        listeners=tuple(_listener(read, hostnames, routes.get(read.place, [])) for read in reads),
    )


def _listener(read: Read, hostnames: frozenset[str], attached: list[tuple[Attached, ReadRoute]]) -> ir.GatewayListener:
    """`hostnames`: those of all listeners of the port."""
    made = ir.GatewayListener(
        name=read.name,
        hostname=read.hostname,
        certificates=read.certificates,
        terms=TlsTerms(clients=read.clients.clients),
        origin=read.holder.origin(f"spec.listeners[{read.index}]"),
    )
    given, _ = shared_out(_connections(attached))
    match read.listener.protocol:
        case "TCP":
            return replace(made, connections=next((connections for _, connections in given), None))
        case "TLS":
            sessions = Sessions.PASSTHROUGH if passes_through(read.listener) else Sessions.TERMINATE
            return replace(made, sessions=sessions, named=named_of(read.hostname, hostnames, given))
        case _:
            return replace(made, hosts=hosts_of(read.hostname, hostnames, [(a, r.routes) for a, r in attached]))
