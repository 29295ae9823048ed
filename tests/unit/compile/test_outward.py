"""Which node answers for an address of the pool, and what it tells of its health."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from meshbuild import CONFIG
from tandem.base.ids import NodeName
from tandem.base.problems import Origin
from tandem.compile.outward import announced_for, compile_outward, routed_to
from tandem.ir.fabric import Endpoint, Endpoints, Node, Service
from tandem.ir.node import NodeView
from tandem.state.outward import HealthCheck

VIPS = tuple(f"198.51.100.{i}" for i in range(1, 31))
WEB = Service(namespace="shop", name="web", cluster_ips=("10.96.0.20",), ports=(), balancer_ips=VIPS)


def nodes(count: int = 3, *, lost: Iterable[int] = ()) -> list[Node]:
    return [
        Node(name=NodeName(f"node-{i}"), addresses=(f"192.0.2.{i}",), pod_cidrs=(), ready=i not in lost)
        for i in range(1, count + 1)
    ]


def at(node: int, *, ready: bool = True) -> Endpoint:
    return Endpoint(address=f"10.244.{node}.9", ports=(("", 80),), node=NodeName(f"node-{node}"), ready=ready)


def views(
    made: list[Node], service: Service = WEB, *endpoints: Endpoint, last: tuple[Endpoint, ...] = ()
) -> list[NodeView]:
    known = Endpoints(namespace="shop", service="web", endpoints=endpoints, last=last)
    return [
        NodeView(
            node=own,
            config=CONFIG,
            nodes={n.name: n for n in made},
            services={"shop/web": service},
            endpoints={"shop/web": known},
        )
        for own in made
    ]


def holders(*args: Any, **fields: Any) -> dict[str, list[str]]:
    """Address -> the nodes that answer for it."""
    found: dict[str, list[str]] = {address: [] for address in VIPS}
    for view in views(*args, **fields):
        for address in compile_outward(view).addresses:
            found[address].append(view.node.name)
    return found


LOCAL = msgspec.structs.replace(WEB, external_local=True)


def test_one_node_answers_for_each_address_and_none_for_all() -> None:
    found = holders(nodes())
    assert all(len(names) == 1 for names in found.values())
    assert {names[0] for names in found.values()} == {"node-1", "node-2", "node-3"}


def test_addresses_of_a_lost_node_move_and_no_others() -> None:
    before, after = holders(nodes()), holders(nodes(lost=[2]))
    assert all(len(names) == 1 for names in after.values())
    moved = {address for address in VIPS if before[address] != after[address]}
    assert moved == {address for address in VIPS if before[address] == ["node-2"]}
    assert ["node-2"] not in after.values()


def test_a_node_that_a_label_excludes_answers_for_nothing() -> None:
    excluded = [msgspec.structs.replace(n, announces=n.name != "node-1") for n in nodes()]
    found = holders(excluded)
    assert {tuple(names) for names in found.values()} == {("node-2",), ("node-3",)}
    assert not any(holders([msgspec.structs.replace(n, announces=False) for n in nodes()]).values())


def test_where_no_node_is_ready_addresses_stay_where_they_are() -> None:
    assert holders(nodes(lost=[1, 2, 3])) == holders(nodes())


def test_with_policy_local_a_node_with_a_ready_endpoint_answers() -> None:
    assert set(map(tuple, holders(nodes(), LOCAL, at(2)).values())) == {("node-2",)}
    assert set(map(tuple, holders(nodes(lost=[2]), LOCAL, at(2), at(3)).values())) == {("node-3",)}


def test_with_policy_local_one_that_still_serves_answers_until_another_is_ready() -> None:
    ending = at(1, ready=False)
    assert set(map(tuple, holders(nodes(), LOCAL, last=(ending,)).values())) == {("node-1",)}
    assert set(map(tuple, holders(nodes(), LOCAL, at(3), last=(ending,)).values())) == {("node-3",)}


def test_with_policy_local_routers_may_send_to_every_node_with_an_endpoint_and_else_to_one() -> None:
    made = nodes(lost=[3])
    for service, ends in ((LOCAL, (at(1), at(2), at(3))), (WEB, (at(1), at(2))), (LOCAL, ())):
        seen = views(made, service, *ends)
        ways = {vip: [str(v.node.name) for v in seen if vip in routed_to(v)] for vip in VIPS}
        if service is LOCAL and ends:
            assert set(map(tuple, ways.values())) == {("node-1", "node-2")}
        else:
            assert ways == holders(made, service, *ends)


def test_an_address_is_traced_to_its_service() -> None:
    origin = Origin(kind="Service", namespace="shop", name="web", source="web.yaml:3")
    (view,) = views(nodes(1), msgspec.structs.replace(WEB, balancer_ips=VIPS[:1], origin=origin))
    assert announced_for(view) == {VIPS[0]: origin}


def test_health_counts_the_ready_endpoints_of_this_node() -> None:
    checked = msgspec.structs.replace(WEB, health_port=31000)
    endpoints = (at(1), at(1, ready=False), at(2), at(2))
    found = [compile_outward(view).checks for view in views(nodes(), checked, *endpoints)]
    assert found == [
        (HealthCheck(port=31000, namespace="shop", service="web", endpoints=count),) for count in (1, 1, 0)
    ]
