"""Istio's Gateways and the VirtualServices at them -> one more gateway in the IR, and what is told of each. Pure.

A front end of its own onto the gateways of the Gateway API: addresses, ports of the node, keys and conditions are made
as theirs are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from tandem.base.problems import Problem
from tandem.ir import gateway as ir
from tandem.ir.paths import Paths
from tandem.ir.traffic import TrafficPolicy
from tandem.model.annotations import asks_http3
from tandem.model.istio import VirtualService
from tandem.model.istiogateway import IstioGateway
from tandem.model.world import World
from tandem.translate.balancers import Assignment
from tandem.translate.gateway.addresses import Placed, place
from tandem.translate.gateway.edge import WITHIN, Edge, IngressFacts
from tandem.translate.gateway.http3 import annotation_mistakes, in_vain, offer
from tandem.translate.gateway.targets import target_of
from tandem.translate.ingress.bindings import Said, names_gateways, read_bound
from tandem.translate.ingress.ports import PortReader, by_port
from tandem.translate.ingress.servers import Servers
from tandem.translate.ingress.unmet import unmet, unreached
from tandem.translate.ingress.workload import LABELS, has_labels, identity_of, key_of, not_selected, selected, stand_in
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.istio.delegates import seen
from tandem.translate.mesh.istio.egressgateways import is_egress, server_mistakes
from tandem.translate.mesh.istio.meshconfig import read_trusted_hops
from tandem.translate.mesh.istio.serviceentry import read_entries
from tandem.translate.mesh.memo import Memo
from tandem.translate.options import Options

Bindings = Memo[VirtualService, Said]


def add_ingress(
    world: World,
    options: Options,
    edge: Edge,
    taken: Assignment,
    policies: Mapping[str, TrafficPolicy],
    memo: Bindings | None = None,
) -> Edge:
    """`edge` with the gateway of Istio's Gateways, if there is one; `policies` are those of the mesh.

    `taken`: what Services were given; `memo`: of `read_bound`, and with it the World must be a Noted one.
    """
    every = world.sorted(IstioGateway)
    sources = [source for source in world.oldest_first(VirtualService) if names_gateways(source)]
    if not every and not sources:
        return edge
    by_key = {(policy.namespace, policy.service): policy for policy in policies.values()}
    context = Context(world=world, options=options, entries=read_entries(world, options), policies=by_key)
    context = memo.begin(context) if memo is not None else context
    said = [memo.read(s, context) if memo is not None else read_bound(s, context) for s in sources]
    bound = [one for one, _ in said if one is not None]
    exported = [one for one in bound if seen(one.source, options.root_namespace)]
    servers, gateways = Servers(world, options), selected(world)
    egress = [gateway for gateway in every if is_egress(gateway)]
    for gateway in gateways:
        servers.read(gateway)
    trusting = read_trusted_hops(world, options) > 0
    reader = PortReader(exported, context.service, options.root_namespace, trusting=trusting)
    placed = _placed(world, options, edge, taken) if gateways else Placed()
    addresses = placed.given.get(key_of(options), ())
    not_offered: tuple[Problem, ...] = ()
    made = _gateway(options, gateways, _ports(edge, options, servers, reader))
    if made is not None:
        made, not_offered = offer(made, {one.name: one.gateway for one in servers.found if asks_http3(one.gateway)})
    sent = {"/".join(key_of(options)): msgspec.structs.replace(made, addresses=addresses)} if made and addresses else {}
    facts = IngressFacts(addresses=addresses, serves=bool(sent))
    told = (
        *(not_selected(g) for g in every if not has_labels(g.spec.selector) and not is_egress(g)),
        *(problem for g in (*gateways, *egress) for problem in annotation_mistakes(g)),
        *(problem for g in egress for problem in (*server_mistakes(g), *in_vain(g))),
        *servers.problems,
        *not_offered,
        *(_of(gateway, problem) for gateway in gateways for problem in placed.problems),
        *(problem for _, problems in said for problem in problems),
        *reader.problems,
        *(problem for one in bound for problem in unmet(one, context, reader.met)),
        *(unreached(made, context) if made is not None else ()),
    )
    return msgspec.structs.replace(
        edge,
        gateways=MappingProxyType({**edge.gateways, **sent}),
        ingress=MappingProxyType({g.key: facts for g in gateways} | {g.key: WITHIN for g in egress}),
        problems=(*edge.problems, *told),
    )


def _placed(world: World, options: Options, edge: Edge, taken: Assignment) -> Placed:
    """Its addresses, beside those of Services and of other gateways."""
    balanced = [address for addresses in taken.given.values() for address in addresses]
    balanced += [address for facts in edge.facts.values() for address in facts.addresses]
    return place(world, options, [stand_in(world, options)], balanced)


def _of(gateway: IstioGateway, problem: Problem) -> Problem:
    """What is wrong with the gateway as a whole is told to each that shares it."""
    return msgspec.structs.replace(problem, at=gateway.origin())


def _ports(edge: Edge, options: Options, servers: Servers, reader: PortReader) -> tuple[ir.GatewayPort, ...]:
    """Those at which anything is served; where nothing is, what is meant for one server must not reach another."""
    targets = {port.target for gateway in edge.gateways.values() for port in gateway.ports}
    found: list[ir.GatewayPort] = []
    for port, own in sorted(by_port(servers.found).items()):
        target = target_of(key_of(options), port, targets)
        targets.add(target)
        made = reader.read(port, target, own)
        if any(server.serves for server in own):
            found.append(made)
    return tuple(found)


def _gateway(
    options: Options, gateways: Sequence[IstioGateway], ports: tuple[ir.GatewayPort, ...]
) -> ir.Gateway | None:
    """None where nothing can be served."""
    if not ports:
        return None
    namespace, name = key_of(options)
    return ir.Gateway(
        namespace=namespace,
        name=name,
        identity=identity_of(options),
        addresses=(),
        ports=ports,
        labels=tuple((name, value) for name, values in sorted(LABELS.items()) for value in values),
        paths=Paths.BASE,
        origin=gateways[0].origin(),
    )
