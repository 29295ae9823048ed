"""Whom a Service leads to, by its EndpointSlices."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import endpoint_slice, pod, service, sliced
from tandem.model import core
from tandem.model.core import Pod
from tandem.model.meta import Condition
from tandem.model.world import World
from tandem.reference.request import Share
from tandem.views.endpoints import endpoints, headless
from tandem.views.parties import Party

SHARE = Share(namespace="default", service="web", port=80)


def ready(name: str, ip: str, *, yes: bool = True, **labels: str) -> Pod:
    made = pod(name, ip=ip, labels={"app": "web", **labels}, ports={"web": 8080})
    condition = Condition(type="Ready", status="True" if yes else "False")
    return msgspec.structs.replace(made, status=msgspec.structs.replace(made.status, conditions=(condition,)))


def named(port: str | int = "web", *, ip: str = "", protocol: str = "TCP") -> core.Service:
    ports = [{"name": "http", "port": 80, "targetPort": port, "protocol": protocol}]
    return service("web", ip=ip, ports=ports, selector={"app": "web"})


def found(world: World, version: int = 4, *, protocol: str = "TCP", **of: Any) -> list[tuple[str, int]]:
    share = msgspec.structs.replace(SHARE, **of)
    return [(end.address, end.port) for end in endpoints(world, share, version, protocol=protocol)]


def test_endpoints_are_the_ready_pods_at_the_port_that_is_meant() -> None:
    world = sliced(named(), ready("a", "10.244.0.5"), ready("b", "10.244.0.6", yes=False), pod("c", ip="10.244.0.7"))
    assert found(world) == [("10.244.0.5", 8080)]
    assert found(world, 6) == []
    for other in ({"port": 81}, {"service": "none"}, {"labels": {"version": "v2"}}):
        assert found(world, **other) == []


def test_a_subset_is_what_has_its_labels() -> None:
    world = sliced(named(), ready("a", "10.244.0.5"), ready("b", "10.244.0.6", version="v2"))
    assert found(world, labels={"version": "v2"}) == [("10.244.0.6", 8080)]


@pytest.mark.parametrize(("asked", "ends"), [("UDP", [("10.244.0.5", 9)]), ("TCP", [])])
def test_a_port_of_another_protocol_is_another_port(asked: str, ends: list[tuple[str, int]]) -> None:
    assert found(sliced(named(9, protocol="UDP"), ready("a", "10.244.0.5")), protocol=asked) == ends


def test_a_service_without_selector_has_the_endpoints_of_its_slices_also_beyond_the_cluster() -> None:
    bare = service("web", ports=[{"name": "http", "port": 80}], selector={})
    beyond = pod("beyond", ip="203.0.113.5")
    world = World.of([bare, endpoint_slice(bare, [beyond], ports={"http": 8443})])
    [end] = endpoints(world, SHARE, 4)
    assert (end.label, end.address, end.port, end.pod) == ("203.0.113.5:8443", "203.0.113.5", 8443, None)


def test_where_nobody_is_ready_those_that_terminate_still_serve() -> None:
    web = named(8080)
    piece = endpoint_slice(web, [pod("a", ip="10.244.0.5"), pod("b", ip="10.244.0.6")], ports={"http": 8080})
    serving = core.EndpointConditions(ready=False, serving=True, terminating=True)
    silent = core.EndpointConditions(ready=False, serving=False, terminating=True)
    ends = [msgspec.structs.replace(e, conditions=c) for e, c in zip(piece.endpoints, (serving, silent), strict=True)]
    assert found(World.of([web, msgspec.structs.replace(piece, endpoints=tuple(ends))])) == [("10.244.0.5", 8080)]


def test_a_pod_on_its_nodes_network_is_met_at_the_nodes_address() -> None:
    web, host = named(8080), pod("a", ip="192.168.0.1", node="n1")
    host = msgspec.structs.replace(host, spec=msgspec.structs.replace(host.spec, host_network=True))
    world = World.of([web, host, endpoint_slice(web, [pod("a", ip="192.168.0.1")], ports={"http": 8080})])
    [end] = endpoints(world, SHARE, 4)
    assert (end.label, end.address, end.pod) == ("default/a:8080", "192.168.0.1", host)


def test_a_pods_own_address_may_be_that_of_a_headless_service() -> None:
    world = sliced(named(8080, ip="None"), ready("a", "10.244.0.5"))
    share = headless(world, Party(label="a", address="10.244.0.5", port=8080))
    assert (share.service if share is not None else "") == "web"
    assert headless(world, Party(label="a", address="10.244.0.5", port=81)) is None
