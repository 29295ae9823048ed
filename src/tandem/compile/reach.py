"""Which endpoints of a Service port a node uses: those that serve, as near as hints say; or, with Local, its own. Pure.

The rules are those of kube-proxy, each for one port and one address family: hints of topology count only where every
endpoint has one and one of them is meant for this node (hints for nodes before hints for zones); a policy Local knows
no hints, and takes endpoints that terminate and still serve where none is ready.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tandem.ir.fabric import Endpoint, Endpoints, Node

Served = tuple[Endpoint, int]
"""An endpoint and the number that the port has there."""


def serving(endpoints: Endpoints | None, port: str, version: int) -> list[Served]:
    """The endpoints of a port with an address of this IP version."""
    return _with_port(endpoints.endpoints, port, version) if endpoints is not None else []


def near(node: Node, endpoints: Sequence[Served]) -> Sequence[Served]:
    """Those that are meant for this node; all where hints are missing or none is for it."""
    if all(e.for_nodes for e, _ in endpoints):
        mine = [(e, number) for e, number in endpoints if node.name in e.for_nodes]
        if mine:
            return mine
    if node.zone and all(e.for_zones for e, _ in endpoints):
        mine = [(e, number) for e, number in endpoints if node.zone in e.for_zones]
        if mine:
            return mine
    return endpoints


def local(node: Node, endpoints: Endpoints | None, port: str, version: int) -> list[Served]:
    """Those of this node: the ready ones, else those that serve last."""
    if endpoints is None:
        return []
    here = [e for e in endpoints.endpoints if e.node == node.name]
    last = [e for e in endpoints.last if e.node == node.name]
    return _with_port(here, port, version) or _with_port(last, port, version)


def _with_port(endpoints: Iterable[Endpoint], port: str, version: int) -> list[Served]:
    return [
        (e, number)
        for e in endpoints
        if (":" in e.address) == (version == 6)
        for name, number in e.ports
        if name == port
    ]
