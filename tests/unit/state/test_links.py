"""The values of links are frozen and in a fixed order."""

from __future__ import annotations

import dataclasses

import pytest

from tandem.base.ids import ContainerId
from tandem.compile.links import compile_pod_link
from tandem.state.links import Hop, HostSide, NodeNet, PodLink, Route


def test_routes_sort_by_prefix_then_next_hop() -> None:
    routes = [Route(prefix="10.2.0.0/24"), Route(prefix="10.1.0.0/24", via="b"), Route(prefix="10.1.0.0/24", via="a")]
    assert [(r.prefix, r.via) for r in sorted(routes)] == [
        ("10.1.0.0/24", "a"),
        ("10.1.0.0/24", "b"),
        ("10.2.0.0/24", ""),
    ]


def test_equal_node_nets_are_one_key() -> None:
    assert len({NodeNet(addresses=("10.244.0.1",), routes=()), NodeNet(addresses=("10.244.0.1",), routes=())}) == 1


def test_what_a_node_contributes_cannot_be_changed() -> None:
    host = HostSide(node="n", sources=("10.244.0.1",), mtu=1500)
    with pytest.raises(dataclasses.FrozenInstanceError):
        host.mtu = 9000  # type: ignore[misc]


def test_the_hop_of_an_address_is_that_of_its_family() -> None:
    hops = (Hop(version=4, gateway="a", source=""), Hop(version=6, gateway="b", source=""))
    link = PodLink(
        container_id=ContainerId("c"),
        ifname="eth0",
        host_ifname="td0",
        alias="",
        addresses=("10.244.0.5", "fd00::5"),
        mac="",
        host_mac="",
        mtu=1500,
        hops=hops,
    )
    assert [link.hop_of(address).gateway for address in link.addresses] == ["a", "b"]
    assert link.versions == (4, 6)


def test_an_address_is_alone_or_in_the_segment_that_it_lies_in() -> None:
    link = compile_pod_link(
        ContainerId("c1"),
        "eth0",
        addresses=("10.244.0.5",),
        host=HostSide(node="n", sources=(), mtu=1500, segment=("10.244.0.0/24", "fd00:1::/64")),
    )
    found = [link.prefix_of(address) for address in ("10.244.0.5", "10.244.9.5", "fd00:1::5")]
    assert found == ["10.244.0.5/24", "10.244.9.5/32", "fd00:1::5/64"]
