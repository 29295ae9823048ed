"""MeshIR of other APIs -> HTTPRoutes with Services as parents, and what they need beside them. Pure.

In: the World and its routing. Out: raw objects, in the order of applying, and remarks. A subset of a DestinationRule
becomes a Service of its own, a reference to another namespace a ReferenceGrant. Routes of bytes, traffic policies and
routes of gateways are not written, and told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from tandem.base.problems import Origin, Problem
from tandem.ir.mesh import Backend, Forward, MeshIR, Respond, Route, RouteMatch, RouteTable
from tandem.model import core
from tandem.model.istio import DestinationRule, VirtualService
from tandem.model.meta import RawObject
from tandem.model.world import World
from tandem.translate.gatewayapi.actions import Writer, name_of
from tandem.translate.gatewayapi.order import arranged
from tandem.translate.gatewayapi.shapes import Remarks, shaped, written
from tandem.translate.mesh.istio.delegates import for_mesh

GROUP: Final = "gateway.networking.k8s.io"
RULES, MATCHES, IN_ALL = 16, 64, 128
"""What an HTTPRoute may have: rules, matches of one, matches of all."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """Objects, and what could not be carried over (errors) or is in another form (warnings)."""

    objects: tuple[RawObject, ...]
    remarks: tuple[Problem, ...]


def write_gateway_api(world: World, mesh: MeshIR) -> Written:
    """All routes of the mesh that VirtualServices have made."""
    sheet = _Sheet(world, mesh)
    for name in sorted(mesh.tables):
        sheet.add(mesh.tables[name])
    _beside(world, mesh, sheet.remarks)
    return sheet.written()


class _Sheet:
    """What is written, table by table."""

    def __init__(self, world: World, mesh: MeshIR) -> None:
        self._world = world
        self._mesh = mesh
        self.remarks = Remarks()
        self._routes: list[RawObject] = []
        self._subsets: dict[tuple[str, str], RawObject] = {}
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
            if made is not None and _is_free(self._world, made, ours[0].origin, self.remarks):
                self._subsets[backend.namespace, name_of(backend)] = made

    def _add_route(self, table: RouteTable, ours: list[Route], port: int) -> None:
        home = table.consumer or table.namespace
        writer = Writer(home, port, self.remarks)
        route = _route(table, _of_port(ours, port), writer, port, self.remarks)
        if route is None:
            return
        self._routes.append(route)
        for namespace, service in writer.backends:
            if namespace != home:
                self._grants.setdefault((namespace, home), set()).add(service)

    def written(self) -> Written:
        """All of it, in the order of applying."""
        services = (self._subsets[key] for key in sorted(self._subsets))
        grants = (_grant(to, home, names) for (to, home), names in sorted(self._grants.items()))
        return Written(objects=(*services, *grants, *self._routes), remarks=self.remarks.all)


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


def _route(table: RouteTable, routes: list[Route], writer: Writer, port: int, remarks: Remarks) -> RawObject | None:
    kept: list[tuple[Route, tuple[RouteMatch, ...]]] = []
    for route in routes:
        shapes = [shaped(m, route.origin, remarks) for m in route.matches or (RouteMatch(),)]
        found = tuple(dict.fromkeys(m for m in shapes if m is not None))
        if found:
            kept.append((route, found))
    if not kept or all(route.name.endswith("/plain") for route, _ in kept):
        return None
    matches, unkept = arranged([found for _, found in kept])
    for index in unkept:
        text = "a later rule is more specific, and Gateway API lets it decide where both hold"
        remarks.lost(kept[index][0].origin, "match", text)
    if len(kept) > RULES or max(map(len, matches)) > MATCHES or sum(map(len, matches)) > IN_ALL:
        text = f"more than an HTTPRoute may have: {RULES} rules, {MATCHES} matches of one, {IN_ALL} of all"
        remarks.lost(kept[0][0].origin, "", text)
    rules = []
    for (route, own), every in zip(kept, matches, strict=True):
        asked = [written(match) for match in every]
        head = {"matches": asked} if asked != [{}] else {}
        rules.append({**head, **writer.rule(route, own if _moves(route) else every)})
        if _moves(route) and len(every) > len(own):
            remarks.lost(route.origin, "match", "a later rule is more specific, and prefixes differ where both hold")
    parent: dict[str, Any] = {"group": "", "kind": "Service", "name": table.service}
    if table.consumer and table.consumer != table.namespace:
        parent["namespace"] = table.namespace
    if port:
        parent["port"] = port
    name = f"{kept[0][0].origin.name}-{table.service}{f'-{port}' if port else ''}"
    meta = {"name": name, "namespace": table.consumer or table.namespace}
    spec = {"parentRefs": [parent], "rules": rules}
    return {"apiVersion": f"{GROUP}/v1", "kind": "HTTPRoute", "metadata": meta, "spec": spec}


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


def _is_free(world: World, made: RawObject, at: Origin, remarks: Remarks) -> bool:
    """Whether there is no Service of that name; one that selects the same is as good."""
    meta = made["metadata"]
    held = world.get(core.Service, meta["namespace"], meta["name"])
    if held is not None and held.spec.selector != made["spec"]["selector"]:
        text = f"Service {meta['namespace']}/{meta['name']} would stand for a subset, and is there for something else"
        remarks.lost(at, "route", text)
    return held is None


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
    for rule in world.sorted(DestinationRule):
        if rule.spec.traffic_policy is not None or any(s.traffic_policy is not None for s in rule.spec.subsets):
            text = "traffic policies have no form in Gateway API; Services of subsets are Services of their own"
            remarks.lost(rule.origin("spec.trafficPolicy"), "", text)
