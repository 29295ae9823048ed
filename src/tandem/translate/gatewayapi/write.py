"""Routing of other APIs -> objects of the Gateway API, and what they need beside them. Pure.

In: the World and its routing. Out: raw objects, in the order of applying, and remarks. A subset of a DestinationRule
becomes a Service of its own, a reference to another namespace a ReferenceGrant, a traffic policy a TrafficPolicy, a
fault a FaultInjection, and what Istio's Gateways share a Gateway.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.base.problems import Origin, Problem
from tandem.ir.gateway import Gateway, connections_of, routes_of
from tandem.ir.mesh import Backend, BytesRoute, MeshIR, Route, RouteTable
from tandem.ir.traffic import TrafficPolicy
from tandem.model import core
from tandem.model.consulroutes import ServiceResolver
from tandem.model.istio import VirtualService
from tandem.model.meta import RawObject
from tandem.model.schemas.syntax import label_value
from tandem.model.world import World
from tandem.translate.gateway.edge import Edge
from tandem.translate.gatewayapi.actions import Writer, name_of
from tandem.translate.gatewayapi.connections import Connections
from tandem.translate.gatewayapi.gateways import GatewayWriter
from tandem.translate.gatewayapi.requests import backends_of, head_of, http_route, of_port, ports_of
from tandem.translate.gatewayapi.services import Leave, grants, subset_service
from tandem.translate.gatewayapi.shapes import OF_MESHES, Remarks
from tandem.translate.gatewayapi.traffic import write_traffic
from tandem.translate.ingress.workload import key_of
from tandem.translate.mesh.consul.resolvers import read_resolvers, under
from tandem.translate.mesh.istio.delegates import for_mesh
from tandem.translate.mesh.istio.destinationrule import translate_destination_rules
from tandem.translate.mesh.istio.serviceentry import read_entries
from tandem.translate.mesh.linkerd.profiles import with_budgets
from tandem.translate.options import Options

NO_EDGE: Final = Edge()


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """Objects, and what could not be carried over (errors) or is in another form (warnings)."""

    objects: tuple[RawObject, ...]
    remarks: tuple[Problem, ...]


def write_gateway_api(world: World, mesh: MeshIR, options: Options, edge: Edge = NO_EDGE) -> Written:
    """All routes of other APIs, of the mesh and of gateways, and what DestinationRules and ServiceResolvers say."""
    sheet = _Sheet(world, mesh)
    for name in sorted(mesh.tables):
        sheet.add(mesh.tables[name])
    gateway = edge.gateways.get("/".join(key_of(options)))
    if gateway is not None:
        sheet.add_gateway(gateway)
    rules = translate_destination_rules(world, options, read_entries(world, options)).policies
    resolvers = read_resolvers(world)
    policies, _ = under(resolvers.found, rules)
    for policy in with_budgets(policies, world, options).values():
        sheet.add_traffic(policy)
    for resolver in resolvers.found.values():
        _unsaid(resolver.source, sheet.remarks)
    _unserved(world, gateway, sheet.remarks)
    return sheet.written()


class _Sheet:
    """What is written, table by table."""

    def __init__(self, world: World, mesh: MeshIR) -> None:
        self._world = world
        self._mesh = mesh
        self.remarks = Remarks()
        self._gateways: list[RawObject] = []
        self._routes: list[RawObject] = []
        self._policies: list[RawObject] = []
        self._subsets: dict[tuple[str, str], RawObject] = {}
        self._standing: set[tuple[str, str]] = set()
        """Services that stand for subsets, written or there before."""
        self._leaves: set[Leave] = set()

    def add(self, table: RouteTable) -> None:
        """The routes to one Service."""
        ours = [route for route in table.routes if route.origin.kind in OF_MESHES]
        connections = [route for route in table.bytes if route.origin.kind in OF_MESHES]
        at = next((route.origin for routes in (ours, connections) for route in routes), None)
        if at is None:
            return
        for judged in [r.origin for r in ours if r.authorization] + [r.origin for r in connections if r.authorization]:
            text = "the policies of the egress gateway that judge there stay behind: who may go there is not asked"
            self.remarks.lost(judged, "", text)
        if table.consumer == table.namespace:
            text = "for clients in the namespace of the Service alone: a route there is for all clients"
            self.remarks.lost(at, "", text)
            if f"{table.namespace}/{table.service}" in self._mesh.tables:
                return
        for port in ports_of(self._world, table, ours) if ours else ():
            self._add_route(table, ours, port)
        self._add_connections(table, connections)
        everywhere = (*backends_of(ours), *(backend for route in connections for backend in route.backends))
        for backend in everywhere:
            self._add_backend(backend, at)

    def _add_connections(self, table: RouteTable, routes: list[BytesRoute]) -> None:
        service = self._world.get(core.Service, table.namespace, table.service)
        if service is None or not routes:
            return
        writer = Connections(table, service, self.remarks)
        self._routes += writer.write()
        self._leaves |= writer.leaves

    def add_gateway(self, gateway: Gateway) -> None:
        """The gateway of Istio's Gateways."""
        writer = GatewayWriter(self._world, gateway, self.remarks)
        self._gateways += writer.write()
        self._leaves |= writer.leaves
        sent = [(route.origin, backend) for route in routes_of(gateway) for backend in backends_of([route])]
        sent += [(route.origin, backend) for route in connections_of(gateway) for backend in route.backends]
        for at, backend in sent:
            self._add_backend(backend, at)

    def _add_backend(self, backend: Backend, at: Origin) -> None:
        made = subset_service(self._world, self._mesh, backend) if backend.subset else None
        if made is not None:
            self._add_subset(made, (backend.namespace, name_of(backend)), at)

    def _add_subset(self, made: RawObject, key: tuple[str, str], at: Origin) -> None:
        """A Service of that name that selects the same is as good."""
        for name, value in made["spec"]["selector"].items():
            if label_value(value) is not None:
                text = f"Service {'/'.join(key)} would select by {name}: {value!r} is no value of a label"
                self.remarks.lost(at, "route", text)
                return
        held = self._world.get(core.Service, *key)
        if held is not None and held.spec.selector != made["spec"]["selector"]:
            text = f"Service {'/'.join(key)} would stand for a subset, and is there for something else"
            self.remarks.lost(at, "route", text)
            return
        self._standing.add(key)
        if held is None:
            self._subsets[key] = made

    def _add_route(self, table: RouteTable, ours: list[Route], port: int) -> None:
        home = table.consumer or table.namespace
        writer = Writer(home, port, self.remarks)
        self._add_http(http_route(head_of(table, port), of_port(ours, port), writer, self.remarks), writer, home)

    def _add_http(self, made: tuple[RawObject | None, list[RawObject]], writer: Writer, home: str) -> None:
        route, troubles = made
        if route is None:
            return
        self._routes.append(route)
        self._policies += troubles
        for namespace, name in writer.backends:
            self._leaves.add(Leave(kind="HTTPRoute", home=home, to="Service", namespace=namespace, name=name))

    def add_traffic(self, policy: TrafficPolicy) -> None:
        """What holds for one Service and its subsets."""
        service = self._world.get(core.Service, policy.namespace, policy.service)
        if service is None:
            if policy.origin is not None:
                text = f"{policy.service} is no Service: how hosts outside are reached is said by a DestinationRule"
                self.remarks.lost(policy.origin, "spec.trafficPolicy", text)
            return
        for callers in policy.callers:
            if callers.policy.origin is not None:
                text = f"for callers in namespace {callers.namespace} alone: a TrafficPolicy is for all callers"
                self.remarks.lost(callers.policy.origin, "", text)
        named = {s.name: f"{policy.service}-{s.name}" for s in policy.subsets}
        there = {s: name for s, name in named.items() if (policy.namespace, name) in self._standing}
        self._policies += write_traffic(policy, service, there, self.remarks)

    def written(self) -> Written:
        """All of it, in the order of applying."""
        services = (self._subsets[key] for key in sorted(self._subsets))
        before = (*services, *grants(self._leaves))
        return Written(objects=(*before, *self._gateways, *self._routes, *self._policies), remarks=self.remarks.all)


def _unsaid(source: ServiceResolver, remarks: Remarks) -> None:
    """What of a resolver has no form."""
    if source.spec.failover:
        remarks.lost(source.origin("spec.failover"), "", "no other Service stands in for one without endpoints")
    for name, subset in source.spec.subsets.items():
        if subset.filter:
            text = "a Service selects by labels, and annotations are none: give the pods the labels that it selects by"
            remarks.lost(source.origin(f"spec.subsets[{name}].filter"), "", text)


def _unserved(world: World, gateway: Gateway | None, remarks: Remarks) -> None:
    """VirtualServices at gateways of which nothing is in force there."""
    origins: list[Origin] = []
    if gateway is not None:
        origins = [r.origin for r in routes_of(gateway)] + [r.origin for r in connections_of(gateway)]
    there = {(origin.namespace, origin.name) for origin in origins}
    for source in world.sorted(VirtualService):
        if source.spec.hosts and not for_mesh(source) and source.key not in there:
            remarks.lost(source.origin("spec.gateways"), "", "no Gateway that is served here has routes of it")
