"""What `tandem ipam show` knows."""

from __future__ import annotations

from addressing import block, loan, pool, raw_node, raw_pod, reservation
from tandem.ir.holdings import BlockUse, Holdings
from tandem.model.ipam import LoanState
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.views.addresses import BlockShare, Found, Lent, NodeUse, PoolUse, addresses, lookup

WORLD = World.of(
    [
        pool("10.0.0.0/24", blockSize=29),
        reservation("routers", "10.0.0.4/31"),
        parse(raw_node("a")),
        parse(raw_node("b")),
        block("10.0.0.0/29", "a"),
        block("10.0.0.8/29", "b", loan("10.0.0.13", "a", LoanState.LENT), loan("10.0.0.14", "a")),
        parse(raw_pod("web", "a", podIP="10.0.0.13", podIPs=[{"ip": "10.0.0.13"}], phase="Running")),
    ]
)
HELD = {
    "a": Holdings(
        blocks=(
            BlockUse(prefix="10.0.0.0/29", size=5, used=2, cooling=1, free=0),
            BlockUse(prefix="10.0.0.13/32", size=1, used=1, cooling=0, free=0),
        )
    )
}


def test_numbers_are_those_of_connected_nodes_and_a_borrowed_address_counts_in_its_block() -> None:
    found = addresses(WORLD, HELD)
    assert found.pools == (
        PoolUse(name="default", cidr="10.0.0.0/24", block=29, disabled=False, blocks=2, used=3, cooling=1, free=0),
    )
    assert found.nodes[0] == NodeUse(
        name="a", reported=True, blocks=("10.0.0.0/29",), borrowed=("10.0.0.13",), used=3, cooling=1, free=0
    )
    assert (found.nodes[1].name, found.nodes[1].reported) == ("b", False)
    lent = (Lent(address="10.0.0.13", node="a", state="Lent"), Lent(address="10.0.0.14", node="a", state="Asked"))
    assert found.blocks[1] == BlockShare(
        cidr="10.0.0.8/29", pool="default", node="b", returning=False, used=1, cooling=0, free=0, lent=lent
    )
    assert [(r.name, r.cidrs) for r in found.reservations] == [("routers", ("10.0.0.4/31",))]


def test_a_borrowed_address_is_its_borrowers() -> None:
    assert lookup(WORLD, "10.0.0.13") == Found(
        address="10.0.0.13", pool="default", block="10.0.0.8/29", node="a", borrowed=True, pod="n/web"
    )


def test_an_address_that_is_only_asked_for_is_its_owners() -> None:
    assert lookup(WORLD, "10.0.0.14") == Found(address="10.0.0.14", pool="default", block="10.0.0.8/29", node="b")


def test_reservations_and_the_nodes_own_addresses_are_told() -> None:
    assert lookup(WORLD, "10.0.0.5").reserved == "routers"
    assert [lookup(WORLD, f"10.0.0.{n}").own for n in (0, 1, 2, 7)] == [True, True, False, True]


def test_an_address_of_no_block_or_pool_has_neither() -> None:
    assert lookup(WORLD, "10.0.0.77") == Found(address="10.0.0.77", pool="default")
    assert lookup(WORLD, "fd00::1") == Found(address="fd00::1")
