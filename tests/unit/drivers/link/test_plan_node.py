"""What changes on a node."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tandem.drivers.link.plan_node import NodeDelta, plan_node
from tandem.state.devices import Device, DeviceAddress, Forward, Neighbour
from tandem.state.links import LAST_METRIC, NodeNet, Route

DEVICE = Device(name="tandem-vx", kind="vxlan", mtu=1450, mac="02:00:00:00:00:01", options=(("id", 116),))
ROUTE = Route(prefix="10.244.2.0/24", via="10.244.2.1", dev="tandem-vx", onlink=True)
TUNNEL = NodeNet(
    devices=(DEVICE,),
    on_devices=(DeviceAddress(dev="tandem-vx", prefix="10.244.1.1/32"),),
    routes=(ROUTE,),
    neighbours=(Neighbour(dev="tandem-vx", address="10.244.2.1", mac="02:00:00:00:00:02"),),
    forwards=(Forward(dev="tandem-vx", mac="02:00:00:00:00:02", to="192.0.2.2"),),
)


def test_equal_nets_need_no_change() -> None:
    net = NodeNet(addresses=("10.244.0.1",), routes=(Route(prefix="10.244.0.0/24"),))
    assert plan_node(net, net) == NodeDelta()


def test_a_moved_prefix_is_replaced_and_one_that_is_gone_removed() -> None:
    gone = Route(prefix="10.244.2.0/24", via="192.0.2.3")
    before = NodeNet(addresses=("10.0.0.1",), routes=(Route(prefix="10.244.1.0/24", via="192.0.2.1"), gone))
    after = NodeNet(addresses=("10.0.0.2",), routes=(Route(prefix="10.244.1.0/24", via="192.0.2.2"),))
    assert plan_node(before, after) == NodeDelta(
        del_addresses=("10.0.0.1",),
        add_addresses=("10.0.0.2",),
        del_routes=(gone,),
        add_routes=after.routes,
    )


NETS = st.builds(
    lambda addresses, routes: NodeNet(
        addresses=tuple(sorted(addresses)),
        routes=tuple(sorted(Route(prefix=prefix, via=via) for prefix, via in routes.items())),
    ),
    st.sets(st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"])),
    st.dictionaries(st.sampled_from(["10.1.0.0/24", "10.2.0.0/24", "10.3.0.0/24"]), st.sampled_from(["", "a", "b"])),
)


@given(NETS, NETS)
def test_a_plan_applied_gives_what_was_wanted(before: NodeNet, after: NodeNet) -> None:
    delta = plan_node(before, after)
    routes = {route.prefix: route for route in before.routes if route not in delta.del_routes}
    routes |= {route.prefix: route for route in delta.add_routes}
    addresses = set(before.addresses) - set(delta.del_addresses) | set(delta.add_addresses)
    assert NodeNet(addresses=tuple(sorted(addresses)), routes=tuple(sorted(routes.values()))) == after


def test_another_mtu_is_set_on_the_device_that_is_there() -> None:
    changed = replace(TUNNEL, devices=(replace(DEVICE, mtu=1400),))
    assert plan_node(TUNNEL, changed) == NodeDelta(set_devices=changed.devices)


def test_a_device_with_other_options_is_made_anew_with_all_that_is_on_it() -> None:
    changed = replace(TUNNEL, devices=(replace(DEVICE, options=(("id", 117),)),))
    assert plan_node(TUNNEL, changed) == NodeDelta(
        del_devices=("tandem-vx",),
        add_devices=changed.devices,
        add_on_devices=TUNNEL.on_devices,
        add_routes=TUNNEL.routes,
        add_neighbours=TUNNEL.neighbours,
        add_forwards=TUNNEL.forwards,
    )


def test_a_node_that_moves_changes_its_forwarding_entry_alone_and_leaves_no_gap() -> None:
    changed = replace(TUNNEL, forwards=(replace(TUNNEL.forwards[0], to="192.0.2.9"),))
    assert plan_node(TUNNEL, changed) == NodeDelta(add_forwards=changed.forwards)


def test_a_node_that_goes_takes_its_own_entries_with_it() -> None:
    changed = replace(TUNNEL, routes=(), neighbours=(), forwards=())
    assert plan_node(TUNNEL, changed) == NodeDelta(
        del_routes=TUNNEL.routes, del_neighbours=TUNNEL.neighbours, del_forwards=TUNNEL.forwards
    )


def test_a_fabric_that_is_left_takes_its_device_with_it() -> None:
    routed = NodeNet(routes=(Route(prefix="10.244.2.0/24", via="192.0.2.2"),))
    assert plan_node(TUNNEL, routed) == NodeDelta(del_devices=("tandem-vx",), add_routes=routed.routes)


def test_what_a_bgp_speaker_made_is_removed_only_where_there_is_none() -> None:
    learnt = Route(prefix="10.244.2.0/24", via="192.0.2.2", metric=116, learnt=True)
    last = Route(prefix="10.244.2.0/24", metric=LAST_METRIC)
    actual = NodeNet(routes=(learnt, last))
    assert plan_node(actual, NodeNet(routes=(last,), learns=True)) == NodeDelta()
    assert plan_node(actual, NodeNet(routes=(last,))) == NodeDelta(del_routes=(learnt,))
