from __future__ import annotations

from tandem.base.ids import NodeName
from tandem.compile.reach import Served, local, near, serving
from tandem.ir.fabric import Endpoint, Endpoints, Node

HERE = Node(name=NodeName("node-1"), addresses=("192.168.0.1",), pod_cidrs=("10.244.0.0/24",), zone="a")
HTTP = (("http", 80),)


def at(
    address: str, *, node: str = "node-1", zones: tuple[str, ...] = (), nodes: tuple[str, ...] = (), ready: bool = True
) -> Endpoint:
    return Endpoint(address=address, ports=HTTP, node=NodeName(node), for_zones=zones, for_nodes=nodes, ready=ready)


def chosen(*endpoints: Endpoint, node: Node = HERE) -> list[str]:
    return [e.address for e, _ in near(node, [(e, 80) for e in endpoints])]


def addresses(found: list[Served]) -> list[str]:
    return [e.address for e, _ in found]


def test_hints_for_the_zone_are_followed() -> None:
    assert chosen(at("1", zones=("a",)), at("2", zones=("b",)), at("3", zones=("a", "b"))) == ["1", "3"]


def test_one_endpoint_without_hints_means_that_none_counts() -> None:
    assert chosen(at("1", zones=("a",)), at("2")) == ["1", "2"]


def test_hints_for_other_zones_alone_are_ignored() -> None:
    assert chosen(at("1", zones=("b",)), at("2", zones=("c",))) == ["1", "2"]


def test_a_node_without_a_zone_ignores_zones() -> None:
    node = Node(name=NodeName("node-1"), addresses=(), pod_cidrs=())
    assert chosen(at("1", zones=("a",)), at("2", zones=("",)), node=node) == ["1", "2"]


def test_hints_for_nodes_come_before_hints_for_zones() -> None:
    both = [at("1", zones=("a",), nodes=("node-1",)), at("2", zones=("a",), nodes=("node-2",))]
    assert chosen(*both) == ["1"]
    assert chosen(both[1], at("3", zones=("a",), nodes=("node-3",))) == ["2", "3"]


def test_local_takes_those_that_serve_last_where_none_is_ready() -> None:
    ready, ending, far = at("10.0.0.1"), at("10.0.0.2", ready=False), at("10.0.0.3", node="node-2")
    every = Endpoints(namespace="n", service="s", endpoints=(ready, far), last=(ending,))
    assert addresses(local(HERE, every, "http", 4)) == ["10.0.0.1"]
    without = Endpoints(namespace="n", service="s", endpoints=(far,), last=(ending,))
    assert addresses(local(HERE, without, "http", 4)) == ["10.0.0.2"]


def test_ports_and_address_families_are_apart() -> None:
    six = Endpoint(address="fd00::1", ports=(("http", 81), ("dns", 53)))
    every = Endpoints(namespace="n", service="s", endpoints=(at("10.0.0.1"), six))
    assert serving(every, "http", 6) == [(six, 81)]
    assert addresses(serving(every, "http", 4)) == ["10.0.0.1"]
    assert serving(every, "dns", 4) == []
    assert serving(None, "http", 4) == []
