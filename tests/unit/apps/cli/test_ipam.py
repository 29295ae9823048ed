"""`tandem ipam`: what it paints, and what it refuses before it asks anybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tandem.apps.cli.ipam import explain_address, paint
from tandem.views.addresses import Addresses, BlockShare, Found, Lent, NodeUse, PoolUse, Reserved

EVERY = Addresses(
    pools=(PoolUse(name="default", cidr="10.0.0.0/24", block=29, disabled=False, blocks=2, used=3, cooling=1, free=4),),
    nodes=(
        NodeUse(name="a", reported=True, blocks=("10.0.0.0/29",), borrowed=("10.0.0.13",), used=3, cooling=1, free=0),
        NodeUse(name="b", reported=False, blocks=("10.0.0.8/29",), borrowed=(), used=0, cooling=0, free=0),
    ),
    blocks=(
        BlockShare(
            cidr="10.0.0.8/29",
            pool="default",
            node="b",
            returning=False,
            used=1,
            cooling=0,
            free=3,
            lent=(
                Lent(address="10.0.0.13", node="a", state="Lent"),
                Lent(address="10.0.0.14", node="a", state="Asked"),
            ),
        ),
    ),
    reservations=(Reserved(name="routers", cidrs=("10.0.0.4/31", "10.0.0.16/28")),),
)


def test_pools_nodes_and_reservations_are_tables_and_an_unheard_node_has_no_numbers() -> None:
    assert list(paint(EVERY, width=0)) == [
        "POOL     CIDR         BLOCK  BLOCKS  USED  COOLING  FREE  STATE",
        "default  10.0.0.0/24  /29    2       3     1        4     open",
        "",
        "NODE  USED  COOLING  FREE  BLOCKS       BORROWED",
        "a     3     1        0     10.0.0.0/29  10.0.0.13",
        "b     ?     ?        ?     10.0.0.8/29  -",
        "",
        "reserved by routers: 10.0.0.4/31, 10.0.0.16/28",
    ]


def test_blocks_are_shown_where_they_are_asked_for() -> None:
    assert list(paint(EVERY, width=0, blocks=True))[7:9] == [
        "BLOCK        POOL     NODE  USED  COOLING  FREE  LENT",
        "10.0.0.8/29  default  b     1     0        3     10.0.0.13 to a,10.0.0.14 to a (asked)",
    ]


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (Found(address="192.0.2.1"), ["pool: none: it is no address of pods"]),
        (Found(address="10.0.0.1", pool="p"), ["pool: p", "block: none: no node has it yet", "pod: none"]),
        (
            Found(
                address="10.0.0.13", pool="p", block="10.0.0.8/29", node="a", borrowed=True, pod="n/web", container="c"
            ),
            ["pool: p", "block: 10.0.0.8/29", "node: a (borrowed)", "pod: n/web", "container: c"],
        ),
        (
            Found(address="10.0.0.9", pool="p", block="10.0.0.8/29", node="b", own=True),
            ["pool: p", "block: 10.0.0.8/29", "node: b", "use: the node's own, or given to nobody"],
        ),
        (
            Found(address="10.0.0.4", pool="p", block="10.0.0.0/29", node="b", reserved="r"),
            ["pool: p", "block: 10.0.0.0/29", "node: b", "reserved by: r", "pod: none"],
        ),
    ],
)
def test_what_is_known_of_an_address_is_a_line_for_each_fact(found: Found, lines: list[str]) -> None:
    assert list(explain_address(found)) == [f"address: {found.address}", *lines]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("show", "10.0.0.300"), 2, "ADDRESS '10.0.0.300': an IP address"),
        (("show", "10.0.0.0/24"), 2, "without a prefix length"),
        (("check", "10.0.0.2"), 2, "give none"),
        (("release",), 2, "which ADDRESS"),
        (("release", "10.0.0.2"), 1, "not in use on a node of this machine"),
        (("show", "-o", "yaml"), 2, "choose one of text, json"),
        (("pools",), 2, "show"),
        (("import",), 2, "--from-host-local DIR"),
        (("import", "--from-host-local", "/nowhere/at/all"), 1, "no such directory"),
        (("import", "--from-host-local", "/proc/self", "--network", "x"), 2, "choose one of"),
    ],
)
def test_wrong_use_is_refused_with_the_reason(
    tandem: Callable[..., Any], arguments: tuple[str, ...], status: int, words: str
) -> None:
    done = tandem("ipam", *arguments)
    assert (done.status, words in done.err) == (status, True), done.err
