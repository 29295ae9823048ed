"""MeshIR of other APIs -> HTTPRoutes with Services as parents, and what they need beside them. Pure.

In: the World and its routing. Out: raw objects, in the order of applying, and remarks. A subset of a DestinationRule
becomes a Service of its own, a reference to another namespace a ReferenceGrant, a traffic policy a TrafficPolicy, a
fault a FaultInjection. Routes of bytes and routes of gateways are not written, and told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from tandem.base.problems import Origin, Problem
from tandem.ir.mesh import Backend, Forward, MeshIR, Respond, Route, RouteMatch, RouteTable
from tandem.ir.traffic import TrafficPolicy
from tandem.model import core
from tandem.model.istio import VirtualService
from tandem.model.meta import RawObject
from tandem.model.world import World
from tandem.translate.gatewayapi.actions import Writer, name_of
from tandem.translate.gatewayapi.order import arranged
from tandem.translate.gatewayapi.shapes import Remarks, shaped, written
from tandem.translate.gatewayapi.traffic import write_traffic
from tandem.translate.gatewayapi.troubles import trouble
from tandem.translate.mesh.istio.delegates import for_mesh
from tandem.translate.mesh.istio.destinationrule import translate_destination_rules
from tandem.translate.mesh.istio.serviceentry import read_entries
from tandem.translate.options import Options

GROUP: Final = "gateway.networking.k8s.io"
RULES, MATCHES, IN_ALL = 16, 64, 128
"""What an HTTPRoute may have: rules, matches of one, matches of all."""
Kept = tuple[Route, tuple[RouteMatch, ...]]
"""A route, and its matches in forms of the Gateway API."""


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
    _beside(world, mesh, sheet.remarks)
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
        self._grants: dict[tuple[str, str], set[str]] = {}

    def add(self, table: RouteTable) -> None:
        """The routes to one Service."""
        ours = [route for route in table.routes if route.origin.kind == "VirtualService"]
        if not ours:
            return
        if table.consumer == table.namespace:
            text = "for clients in the namespace of the Service alone: a route there is for all clients"
            self.remarks.lost(ours[0].origin, "", text)
            if f"{table.namespace}/{table.service}" in self._mesh.tables:
                return
        for port in _ports(self._world, table, ours):
            self._add_route(table, ours, port)
        for backend in _backends(ours):
            made = _subset(self._world, self._mesh, backend) if backend.subset else None
            if made is not None:
                self._add_subset(made, (backend.namespace, name_of(backend)), ours[0].origin)

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
        route, troubles = _route(table, _of_port(ours, port), writer, port, self.remarks)
        if route is None:
            return
        self._routes.append(route)
        self._policies += troubles
        for namespace, service in writer.backends:
            if namespace != home:
                self._grants.setdefault((namespace, home), set()).add(service)

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
        grants = (_grant(to, home, names) for (to, home), names in sorted(self._grants.items()))
        return Written(objects=(*services, *grants, *self._routes, *self._policies), remarks=self.remarks.all)


def _ports(world: World, table: RouteTable, routes: list[Route]) -> tuple[int, ...]:
    """0: one route for every port; else one for each, where something depends on which was dialled."""
    service = world.get(core.Service, table.namespace, table.service)
    numbers = tuple(port.port for port in service.spec.ports) if service is not None else ()
    told = all(m.ports == () for route in routes for m in route.matches)
    named = all(backend.port for backend in _backends(routes))
    return (0,) if told and named else numbers


def _of_port(routes: Iterable[Route], port: int) -> list[Route]:
    """Those that hold for a port, up to where all others are answered with 404: Gateway API does that by itself."""
    found = []
    for route in routes:
        matches = tuple(
            msgspec.structs.replace(m, ports=()) for m in route.matches if not port or not m.ports or port in m.ports
        )
        if not matches and route.matches:
            continue
        if isinstance(route.action, Respond) and route.name.endswith("/unmatched"):
            if not matches or RouteMatch() in matches:
                break
            continue
        found.append(msgspec.structs.replace(route, matches=matches))
    return found


def _route(
    table: RouteTable, routes: list[Route], writer: Writer, port: int, remarks: Remarks
) -> tuple[RawObject | None, list[RawObject]]:
    """The route, and the trouble that is made at its rules."""
    kept: list[Kept] = []
    for route in routes:
        shapes = [shaped(m, route.origin, remarks) for m in route.matches or (RouteMatch(),)]
        found = tuple(dict.fromkeys(m for m in shapes if m is not None))
        if found:
            kept.append((route, found))
    if not kept or all(route.name.endswith("/plain") for route, _ in kept):
        return None, []
    matches, unkept = arranged([found for _, found in kept])
    for index in unkept:
        text = "a later rule is more specific, and Gateway API lets it decide where both hold"
        remarks.lost(kept[index][0].origin, "match", text)
    if len(kept) > RULES or max(map(len, matches)) > MATCHES or sum(map(len, matches)) > IN_ALL:
        text = f"more than an HTTPRoute may have: {RULES} rules, {MATCHES} matches of one, {IN_ALL} of all"
        remarks.lost(kept[0][0].origin, "", text)
    rules = [_rule(i, own, every, writer, remarks) for i, (own, every) in enumerate(zip(kept, matches, strict=True))]
    parent: dict[str, Any] = {"group": "", "kind": "Service", "name": table.service}
    if table.consumer and table.consumer != table.namespace:
        parent["namespace"] = table.namespace
    if port:
        parent["port"] = port
    name = f"{kept[0][0].origin.name}-{table.service}{f'-{port}' if port else ''}"
    meta = {"name": name, "namespace": table.consumer or table.namespace}
    spec = {"parentRefs": [parent], "rules": rules}
    made = {"apiVersion": f"{GROUP}/v1", "kind": "HTTPRoute", "metadata": meta, "spec": spec}
    faults = ((i, route.fault) for i, (route, _) in enumerate(kept))
    return made, [trouble(fault, GROUP, made, _rule_name(i)) for i, fault in faults if fault is not None]


def _rule(index: int, own: Kept, every: tuple[RouteMatch, ...], writer: Writer, remarks: Remarks) -> dict[str, Any]:
    """`every`: the matches of its own, and those that keep its place before later rules."""
    route, matches = own
    asked = [written(match) for match in every]
    head: dict[str, Any] = {"name": _rule_name(index)} if route.fault is not None else {}
    if asked != [{}]:
        head["matches"] = asked
    if _moves(route) and len(every) > len(matches):
        remarks.lost(route.origin, "match", "a later rule is more specific, and prefixes differ where both hold")
    return {**head, **writer.rule(route, matches if _moves(route) else every)}


def _rule_name(index: int) -> str:
    """By which objects are attached to it."""
    return f"rule-{index}"


def _moves(route: Route) -> bool:
    """Whether what the rule does depends on which prefix has matched."""
    action = route.action
    prefix = action.rewrite.prefix if isinstance(action, Forward) else getattr(action, "prefix", None)
    return prefix is not None


def _backends(routes: Iterable[Route]) -> Iterator[Backend]:
    for route in routes:
        if isinstance(route.action, Forward):
            yield from route.action.backends
        yield from (mirror.backend for mirror in route.mirrors)


def _subset(world: World, mesh: MeshIR, backend: Backend) -> RawObject | None:
    """A Service for the endpoints of a subset: what selects them is the labels of both."""
    whole = world.get(core.Service, backend.namespace, backend.service)
    policy = mesh.policies.get(f"{backend.namespace}/{backend.service}")
    found = next((s for s in policy.subsets if s.name == backend.subset), None) if policy is not None else None
    if whole is None or found is None:
        return None
    ports = [
        {
            key: value
            for key, value in (
                ("name", port.name),
                ("port", port.port),
                ("targetPort", port.target_port),
                ("protocol", port.protocol),
                ("appProtocol", port.app_protocol),
            )
            if value
        }
        for port in whole.spec.ports
    ]
    spec = {"selector": {**whole.spec.selector, **dict(found.labels)}, "ports": ports}
    meta = {"name": name_of(backend), "namespace": backend.namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def _grant(namespace: str, home: str, services: set[str]) -> RawObject:
    spec = {
        "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": home}],
        "to": [{"group": "", "kind": "Service", "name": service} for service in sorted(services)],
    }
    meta = {"name": f"httproutes-of-{home}", "namespace": namespace}
    return {"apiVersion": f"{GROUP}/v1", "kind": "ReferenceGrant", "metadata": meta, "spec": spec}


def _beside(world: World, mesh: MeshIR, remarks: Remarks) -> None:
    """What is not written at all."""
    for table in mesh.tables.values():
        for route in table.bytes:
            if route.origin.kind == "VirtualService":
                remarks.lost(route.origin, "", "routes of connections are not written: TCPRoute and TLSRoute have them")
    for source in world.sorted(VirtualService):
        if source.spec.hosts and not for_mesh(source):
            remarks.lost(source.origin("spec.gateways"), "", "routes of Istio's Gateways are not written")
