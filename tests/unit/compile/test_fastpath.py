"""Which pods are ends of the fast path."""

from __future__ import annotations

import msgspec

from builders import pod, world
from nodeviews import view_of
from tandem.compile.fastpath import compile_fast_path
from tandem.ir.network import Network
from tandem.ir.node import AttachedPod, ForeignLink, NodeView
from tandem.state.fastpath import FastEnd

WEB = pod("web", ip=("10.244.0.2", "fd00:10:244::2"))
MAC = "02:00:00:00:00:01"


def view(**changes: object) -> NodeView:
    found = view_of(world(WEB))
    (attached,) = found.pods
    return msgspec.structs.replace(found, pods=(changed(attached, mac=MAC, **changes),))


def changed(attached: AttachedPod, **changes: object) -> AttachedPod:
    return msgspec.structs.replace(attached, **changes)


def test_each_address_of_a_pod_is_an_end() -> None:
    link = view().pods[0].host_ifname
    assert compile_fast_path(view()) == {
        FastEnd(address="10.244.0.2", host_ifname=link, mac=MAC),
        FastEnd(address="fd00:10:244::2", host_ifname=link, mac=MAC),
    }


def test_pods_on_the_bridge_behind_other_plugins_and_limited_ones_are_none() -> None:
    assert compile_fast_path(view(segment=True)) == frozenset()
    assert compile_fast_path(view(foreign=ForeignLink(ifname="eth0"))) == frozenset()
    assert compile_fast_path(view(limited=True)) == frozenset()


def test_the_network_can_switch_it_off() -> None:
    on = view()
    off = msgspec.structs.replace(on, config=msgspec.structs.replace(on.config, network=Network(fast_path=False)))
    assert compile_fast_path(off) == frozenset()


def test_the_same_pods_give_the_same_object() -> None:
    seen = view()
    assert compile_fast_path(seen) is compile_fast_path(msgspec.structs.replace(seen, underlay_mtu=9000))
