"""Routes of connections of VirtualServices -> TLSRoutes and TCPRoutes with Services as parents. Pure.

In: the routes of bytes of one Service. Each port that is not HTTP gets routes of its own: TLSRoutes for the names that
are asked for, of which the most specific decides as it did before, or a TCPRoute for all connections. A port has one
kind of them (GEP-1294).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tandem.base.problems import Origin
from tandem.ir.mesh import BytesMatch, BytesRoute, RouteTable
from tandem.model.core import Service
from tandem.model.meta import RawObject
from tandem.translate.gatewayapi.actions import GONE, GROUP, name_of
from tandem.translate.gatewayapi.requests import Head
from tandem.translate.gatewayapi.services import Leave
from tandem.translate.gatewayapi.shapes import OF_MESHES, Remarks
from tandem.translate.protocols import app_protocol


class Connections:
    """What is written for one table; `leaves` is what its routes refer to."""

    def __init__(self, table: RouteTable, service: Service, remarks: Remarks) -> None:
        self._table = table
        self._service = service
        self._remarks = remarks
        self.leaves: set[Leave] = set()

    def write(self) -> Iterator[RawObject]:
        """TLSRoutes and TCPRoutes, port by port."""
        ours = [route for route in self._table.bytes if route.origin.kind in OF_MESHES]
        for port in self._service.spec.ports:
            if ours and port.protocol == "TCP" and not app_protocol(port).is_http:
                yield from self._at_port(ours, port.port)

    def _at_port(self, routes: Sequence[BytesRoute], port: int) -> Iterator[RawObject]:
        named: list[tuple[BytesRoute, tuple[str, ...]]] = []
        for route in routes:
            matches = [m for m in route.matches or (BytesMatch(),) if not m.ports or port in m.ports]
            kept = [m for m in matches if self._has_form(m, route.origin)]
            names = tuple(dict.fromkeys(name for m in kept for name in m.server_names))
            if any(not m.server_names for m in kept):
                if named:
                    text = f"port {port} has routes by name, and what asks for none of them goes to the Service itself"
                    self._remarks.lost(route.origin, "", text)
                else:
                    yield self._route("TCPRoute", route, port, ())
                break
            if names:
                named.append((route, names))
        yield from self._named(named, port)

    def _has_form(self, match: BytesMatch, at: Origin) -> bool:
        wrong = []
        if match.source_labels or match.source_namespace is not None:
            wrong.append("who asks: Gateway API has routes for the clients of a namespace, and no other sources")
        if match.subnets:
            wrong.append("addresses that are dialled are not matched: a route is about a Service")
        if "*" in match.server_names:
            wrong.append("a TLSRoute has names, and none for every name")
        for text in wrong:
            self._remarks.lost(at, "match", text)
        return not wrong

    def _named(self, routes: Sequence[tuple[BytesRoute, tuple[str, ...]]], port: int) -> Iterator[RawObject]:
        before: list[str] = []
        for route, names in routes:
            left = tuple(name for name in names if name not in before)
            if left:
                yield self._route("TLSRoute", route, port, left)
            before += left

    def _route(self, kind: str, route: BytesRoute, port: int, names: tuple[str, ...]) -> RawObject:
        home = self._table.consumer or self._table.namespace
        parent: dict[str, Any] = {"group": "", "kind": "Service", "name": self._table.service, "port": port}
        if home != self._table.namespace:
            parent["namespace"] = self._table.namespace
        index = route.name.rpartition("/")[2]
        suffix = f"{self._table.service}-{port}{f'-tls-{index}' if names else ''}"
        head = Head(namespace=home, suffix=suffix, parents=(parent,), hostnames=names)
        made, leaves = connection_route(kind, head, route, port)
        self.leaves |= leaves
        return made


def connection_route(kind: str, head: Head, route: BytesRoute, port: int = 0) -> tuple[RawObject, set[Leave]]:
    """A TLSRoute or TCPRoute, and what it refers to; `port`: of backends that name none."""
    home, refs, leaves = head.namespace, list[dict[str, Any]](), set[Leave]()
    for backend in route.backends:
        name = name_of(backend).replace(GONE, "")  # one that is not there stays so: its share is closed
        leaves.add(Leave(kind=kind, home=home, to="Service", namespace=backend.namespace, name=name))
        elsewhere = {} if backend.namespace == home else {"namespace": backend.namespace}
        refs.append({"name": name, **elsewhere, "port": backend.port or port, "weight": backend.weight})
    hosts = {"hostnames": list(head.hostnames)} if head.hostnames else {}
    made = {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"name": f"{route.origin.name}-{head.suffix}", "namespace": home},
        "spec": {"parentRefs": list(head.parents), **hosts, "rules": [{"backendRefs": refs}]},
    }
    return made, leaves
