"""Fabric `routed`."""

from __future__ import annotations

import msgspec

from tandem.compile.fabric.routed import ROUTED
from tandem.ir.network import Bgp, Network
from tandem.state.links import LAST_METRIC, NodeNet, Route
from unit.compile.fabric.fabricviews import node, view


def test_each_prefix_of_another_node_has_that_node_as_next_hop() -> None:
    seen = view(node(2), node(3, "192.0.2.3", "10.244.3.0/24", "10.244.9.0/26"))
    assert ROUTED.between(seen, 1500) == NodeNet(
        routes=(
            Route(prefix="10.244.2.0/24", via="192.0.2.2"),
            Route(prefix="10.244.3.0/24", via="192.0.2.3"),
            Route(prefix="10.244.9.0/26", via="192.0.2.3"),
        )
    )


def test_a_borrowed_address_leads_to_its_borrower_whosever_block_it_is_of() -> None:
    borrower = msgspec.structs.replace(node(2), borrowed=("10.244.1.7", "10.244.3.9"))
    assert ROUTED.between(view(borrower, node(3)), 1500) == NodeNet(
        routes=(
            Route(prefix="10.244.2.0/24", via="192.0.2.2"),
            Route(prefix="10.244.1.7/32", via="192.0.2.2"),
            Route(prefix="10.244.3.9/32", via="192.0.2.2"),
            Route(prefix="10.244.3.0/24", via="192.0.2.3"),
        )
    )


def test_a_prefix_of_the_other_family_has_no_next_hop() -> None:
    assert ROUTED.between(view(node(2, "192.0.2.2", "fd00:2::/64")), 1500) == NodeNet()


def test_nothing_is_added_to_a_packet() -> None:
    assert ROUTED.overhead == (0, 0)


def test_with_bgp_the_routes_are_the_speakers_and_nothing_is_sent_elsewhere_before_there_is_one() -> None:
    seen = view(node(2), node(3), network=Network(bgp=Bgp(as_number=64512)))
    last = tuple(Route(prefix=f"10.244.{n}.0/24", metric=LAST_METRIC) for n in (2, 3))
    assert ROUTED.between(seen, 1500) == NodeNet(routes=last, learns=True)
