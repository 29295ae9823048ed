"""MeshIR of other APIs -> routes of the Gateway API with Services as parents, and what they need beside them. Pure.

In: the World and its routing. Out: raw objects, in the order of applying, and remarks. A subset of a DestinationRule
becomes a Service of its own, a reference to another namespace a ReferenceGrant, a traffic policy a TrafficPolicy, a
fault a FaultInjection. Routes of gateways are not written, and told.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tandem.base.problems import Origin, Problem
from tandem.ir.mesh import BytesRoute, MeshIR, Route, RouteTable
from tandem.ir.traffic import TrafficPolicy
from tandem.model import core
from tandem.model.istio import VirtualService
from tandem.model.meta import RawObject
from tandem.model.world import World
from tandem.translate.gatewayapi.actions import Writer, name_of
from tandem.translate.gatewayapi.connections import Connections, Referred
from tandem.translate.gatewayapi.requests import backends_of, http_route, of_port, ports_of
from tandem.translate.gatewayapi.services import grant, subset_service
from tandem.translate.gatewayapi.shapes import Remarks
from tandem.translate.gatewayapi.traffic import write_traffic
from tandem.translate.mesh.istio.delegates import for_mesh
from tandem.translate.mesh.istio.destinationrule import translate_destination_rules
from tandem.translate.mesh.istio.serviceentry import read_entries
from tandem.translate.options import Options


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """Objects, and what could not be carried over (errors) or is in another form (warnings)."""

    objects: tuple[RawObject, ...]
    remarks: tuple[Problem, ...]


def write_gateway_api(world: World, mesh: MeshIR, options: Options) -> Written:
    """All routes of the mesh that VirtualServices have made, and what DestinationRules say of traffic."""
    sheet = _Sheet(world, mesh)
    for name in sorted(mesh.tables):
        sheet.add(mesh.tables[name])
    entries = read_entries(world, options)
    for policy in translate_destination_rules(world, options, entries).policies.values():
        sheet.add_traffic(policy)
    _beside(world, sheet.remarks)
    return sheet.written()


class _Sheet:
    """What is written, table by table."""

    def __init__(self, world: World, mesh: MeshIR) -> None:
        self._world = world
        self._mesh = mesh
        self.remarks = Remarks()
        self._routes: list[RawObject] = []
        self._policies: list[RawObject] = []
        self._subsets: dict[tuple[str, str], RawObject] = {}
        self._standing: set[tuple[str, str]] = set()
        """Services that stand for subsets, written or there before."""
        self._grants: dict[tuple[str, str, str], set[str]] = {}
        """Names of Services, by kind of the route, their namespace and that of the route."""

    def add(self, table: RouteTable) -> None:
        """The routes to one Service."""
        ours = [route for route in table.routes if route.origin.kind == "VirtualService"]
        connections = [route for route in table.bytes if route.origin.kind == "VirtualService"]
        at = next((route.origin for routes in (ours, connections) for route in routes), None)
        if at is None:
            return
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
            made = subset_service(self._world, self._mesh, backend) if backend.subset else None
            if made is not None:
                self._add_subset(made, (backend.namespace, name_of(backend)), at)

    def _add_connections(self, table: RouteTable, routes: list[BytesRoute]) -> None:
        service = self._world.get(core.Service, table.namespace, table.service)
        if service is None or not routes:
            return
        writer = Connections(table, service, self.remarks)
        self._routes += writer.write()
        self._refer(writer.referred, table.consumer or table.namespace)

    def _refer(self, referred: Iterable[Referred], home: str) -> None:
        for kind, namespace, name in referred:
            if namespace != home:
                self._grants.setdefault((kind, namespace, home), set()).add(name)

    def _add_subset(self, made: RawObject, key: tuple[str, str], at: Origin) -> None:
        """A Service of that name that selects the same is as good."""
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
        route, troubles = http_route(table, of_port(ours, port), writer, port, self.remarks)
        if route is None:
            return
        self._routes.append(route)
        self._policies += troubles
        self._refer((("HTTPRoute", *backend) for backend in writer.backends), home)

    def add_traffic(self, policy: TrafficPolicy) -> None:
        """What holds for one Service and its subsets."""
        service = self._world.get(core.Service, policy.namespace, policy.service)
        if service is None:
            if policy.origin is not None:
                text = f"{policy.service} is no Service: how hosts outside are reached is said by a DestinationRule"
                self.remarks.lost(policy.origin, "spec.trafficPolicy", text)
            return
        named = {s.name: f"{policy.service}-{s.name}" for s in policy.subsets}
        there = {s: name for s, name in named.items() if (policy.namespace, name) in self._standing}
        self._policies += write_traffic(policy, service, there, self.remarks)

    def written(self) -> Written:
        """All of it, in the order of applying."""
        services = (self._subsets[key] for key in sorted(self._subsets))
        grants = (grant(*key, names) for key, names in sorted(self._grants.items()))
        return Written(objects=(*services, *grants, *self._routes, *self._policies), remarks=self.remarks.all)


def _beside(world: World, remarks: Remarks) -> None:
    """What is not written at all."""
    for source in world.sorted(VirtualService):
        if source.spec.hosts and not for_mesh(source):
            remarks.lost(source.origin("spec.gateways"), "", "routes of Istio's Gateways are not written")
