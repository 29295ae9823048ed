"""Gateways and the routes that attach to them -> the IR of gateways, and what is told of each. Pure.

Front end of its own beside the mesh: what a rule of a route does is read by the same code as for Services.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

import msgspec

from tandem.base.problems import Problem
from tandem.ir import gateway as ir
from tandem.model.gateway import HTTPRoute
from tandem.model.gateways import Gateway
from tandem.model.grpcroute import GRPCRoute
from tandem.model.tcproute import TCPRoute
from tandem.model.world import Key, World
from tandem.translate.balancers import Assignment
from tandem.translate.gateway.addresses import place
from tandem.translate.gateway.attach import Attached, EdgeRoute, attach
from tandem.translate.gateway.edge import Edge, GatewayFacts, ListenerFacts, is_ours
from tandem.translate.gateway.listeners import Read, gateway_mistakes, read_listeners
from tandem.translate.gateway.routes import ReadRoute, hosts_of, read_route
from tandem.translate.gateway.targets import targets_of
from tandem.translate.gateway.tcproute import parents_refused, shadowed
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.layers import age
from tandem.translate.options import Options
from tandem.translate.pods import spiffe_id

_Routes = dict[tuple[Key, str], list[tuple[Attached, ReadRoute]]]


def translate_gateways(world: World, options: Options, balancers: Assignment) -> Edge:
    """The whole of gateways; equal Worlds give equal results."""
    gateways = [g for g in world.sorted(Gateway) if is_ours(world, g) and not g.metadata.deletion_timestamp]
    listeners: dict[Key, tuple[Read, ...]] = {}
    problems: list[Problem] = []
    refused: set[Key] = set()
    for gateway in gateways:
        listeners[gateway.key], wrong = read_listeners(world, gateway)
        whole = tuple(gateway_mistakes(gateway))
        if any(p.code in {"InvalidParameters", "UnsupportedValue"} for p in whole):
            refused.add(gateway.key)
        problems += (*whole, *wrong)
    balanced = [address for addresses in balancers.given.values() for address in addresses]
    placed = place(world, options, [g for g in gateways if g.key not in refused], balanced)
    routes, mistakes = _routes(world, options, listeners)
    targets = targets_of(gateways)
    sent: dict[str, ir.Gateway] = {}
    facts: dict[Key, GatewayFacts] = {}
    for gateway in gateways:
        addresses = placed.given.get(gateway.key, ())
        made = _gateway(gateway, listeners[gateway.key], routes, targets, options) if addresses else None
        if made is not None:
            sent[f"{gateway.key[0]}/{gateway.key[1]}"] = msgspec.structs.replace(made, addresses=addresses)
        facts[gateway.key] = GatewayFacts(
            addresses=addresses,
            listeners=tuple(
                _facts(r, routes.get((gateway.key, r.listener.name), ()), sent=made is not None)
                for r in listeners[gateway.key]
            ),
        )
    return Edge(
        gateways=MappingProxyType(sent),
        facts=MappingProxyType(facts),
        problems=(*problems, *placed.problems, *mistakes),
    )


def _routes(
    world: World, options: Options, listeners: dict[Key, tuple[Read, ...]]
) -> tuple[_Routes, tuple[Problem, ...]]:
    """The routes of each listener, and what is wrong with routes that name a Gateway."""
    context = Context(world=world, options=options, policies={})
    connections = sorted(world.sorted(TCPRoute), key=age)
    sources: tuple[EdgeRoute, ...] = (*world.sorted(GRPCRoute), *world.sorted(HTTPRoute), *connections)
    found: _Routes = {}
    problems: list[Problem] = [problem for route in connections for problem in parents_refused(route)]
    for route in sources:
        attachments, wrong = attach(route, world, listeners)
        problems += wrong
        read: ReadRoute | None = None
        for attached in attachments:
            if read is None:
                read = read_route(attached, context)
                problems += read.problems
            if read.accepted:
                before = found.setdefault((attached.gateway, attached.listener), [])
                if before and isinstance(route, TCPRoute):
                    problems.append(shadowed(before[0][0].route, route, attached.listener))
                before.append((attached, read))
    return found, tuple(problems)


def _facts(read: Read, routes: Iterable[object], *, sent: bool) -> ListenerFacts:
    return ListenerFacts(
        name=read.listener.name, kinds=read.kinds, attached=len(list(routes)), serves=sent and read.serves
    )


def _gateway(
    gateway: Gateway, reads: tuple[Read, ...], routes: _Routes, targets: dict[tuple[Key, int], int], options: Options
) -> ir.Gateway | None:
    """None where no listener can serve."""
    by_port: dict[int, list[Read]] = {}
    for read in reads:
        if read.accepted:
            by_port.setdefault(read.listener.port, []).append(read)
    # One that has no certificate stays: what is meant for it must not reach another listener of the port.
    by_port = {port: found for port, found in by_port.items() if any(read.serves for read in found)}
    if not by_port:
        return None
    namespace, name = gateway.key
    return ir.Gateway(
        namespace=namespace,
        name=name,
        identity=spiffe_id(options.trust_domain, namespace, name),
        addresses=(),
        ports=tuple(
            _port(gateway, port, served, routes, targets[gateway.key, port]) for port, served in sorted(by_port.items())
        ),
        origin=gateway.origin(),
    )


def _port(gateway: Gateway, port: int, reads: list[Read], routes: _Routes, target: int) -> ir.GatewayPort:
    hostnames = [read.hostname for read in reads]
    protocol = reads[0].listener.protocol
    attached = {read.index: routes.get((gateway.key, read.listener.name), []) for read in reads}
    return ir.GatewayPort(
        port=port,
        target=target,
        tls=protocol == "HTTPS",
        bytes=protocol == "TCP",
        listeners=tuple(
            ir.GatewayListener(
                name=read.listener.name,
                hostname=read.hostname,
                hosts=hosts_of(read.hostname, hostnames, [(a, r.routes) for a, r in attached[read.index]])
                if protocol != "TCP"
                else (),
                # The oldest comes first.
                connections=next((r.connections for _, r in attached[read.index]), None),
                certificates=read.certificates,
                origin=gateway.origin(f"spec.listeners[{read.index}]"),
            )
            for read in reads
        ),
    )
