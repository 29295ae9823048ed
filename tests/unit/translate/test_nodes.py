"""What nodes are told of each other's addresses."""

from __future__ import annotations

from typing import Any, Final, cast

import pytest

from addressing import block, loan, pool, reservation
from tandem.ir.fabric import Mark
from tandem.ir.locality import NOWHERE, locality_of
from tandem.model.core import GATEWAYS, NO_BALANCER, SERVES, Node
from tandem.model.ipam import LoanState
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.nodes import translate_nodes, translate_pools, translate_reservations

KEY: Final = "ZdSKg4sRkL0xXPYFR6cNC2V1sSAvZ5XLcYNHG9xkhlI="


def node(name: str, *addresses: tuple[str, str], **spec: Any) -> Node:
    listed = [{"type": t, "address": a} for t, a in addresses]
    raw = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": spec,
        "status": {"addresses": listed},
    }
    return cast("Node", parse(raw))


def test_the_internal_address_of_a_node_is_preferred() -> None:
    world = World.of([node("n", ("ExternalIP", "192.0.2.1"), ("InternalIP", "10.0.0.1"), podCIDR="10.244.0.0/24")])
    found = translate_nodes(world)["n"]
    assert (found.addresses, found.pod_cidrs) == (("10.0.0.1",), ("10.244.0.0/24",))


def test_a_node_has_the_first_address_of_each_family() -> None:
    world = World.of([node("n", *(("InternalIP", a) for a in ("fd00::1", "fd00::2", "10.0.0.1", "10.0.0.2")))])
    assert translate_nodes(world)["n"].addresses == ("fd00::1", "10.0.0.1")


@pytest.mark.parametrize(
    ("told", "key"),
    [(KEY, KEY), ("", ""), ("abc", ""), (KEY[:-1], ""), (f"{KEY}\n", ""), (KEY[:-2] + "B=", "")],
)
def test_a_node_has_the_key_that_it_has_told_if_it_is_one(told: str, key: str) -> None:
    raw = {"metadata": {"name": "n1", "annotations": {"tandem.io/wireguard-public-key": told}}}
    world = World.of([parse({"apiVersion": "v1", "kind": "Node", **raw})])
    assert translate_nodes(world)["n1"].encryption_key == key


def test_a_node_is_where_its_labels_say() -> None:
    labels = {
        "topology.kubernetes.io/region": "eu",
        "topology.kubernetes.io/zone": "w",
        "topology.istio.io/subzone": "1",
    }
    raw = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": labels}}
    assert translate_nodes(World.of([parse(raw)]))["n"].locality == locality_of("eu/w/1")
    assert translate_nodes(World.of([node("n")]))["n"].locality == NOWHERE


def test_a_host_name_is_no_address() -> None:
    assert translate_nodes(World.of([node("n", ("Hostname", "n"))]))["n"].addresses == ()


def test_the_blocks_of_a_node_follow_the_first_of_its_spec() -> None:
    blocks = [block("10.244.0.0/29", "n"), block("10.244.0.8/29", "n"), block("10.244.0.16/29", "other")]
    world = World.of([node("n", podCIDR="10.244.0.8/29"), pool("10.244.0.0/24"), *blocks])
    found = translate_nodes(world)["n"]
    assert found.pod_cidrs == ("10.244.0.8/29", "10.244.0.0/29")
    assert found.families == (4,)
    assert found.closed == ()


def test_loans_show_at_owner_and_borrower_by_their_state() -> None:
    loans = [
        loan("10.244.0.2", "b", LoanState.ASKED, "x"),
        loan("10.244.0.3", "b", LoanState.LENT, "y"),
        loan("10.244.0.4", "b", LoanState.RETURNING, "z"),
    ]
    world = World.of([node("a"), node("b"), pool("10.244.0.0/24"), block("10.244.0.0/29", "a", *loans)])
    found = translate_nodes(world)
    assert [(m.prefix, m.id) for m in found["a"].lent] == [
        ("10.244.0.2", "x"),
        ("10.244.0.3", "y"),
        ("10.244.0.4", "z"),
    ]
    assert found["b"].borrowed == ("10.244.0.3", "10.244.0.4")
    assert found["b"].closed == (Mark(prefix="10.244.0.4/32", id="z"),)
    assert found["b"].prefixes == ("10.244.0.3/32", "10.244.0.4/32")


def test_blocks_on_their_way_back_and_of_disabled_pools_are_closed() -> None:
    blocks = [block("10.244.0.0/29", "n", returning="r"), block("10.9.0.0/29", "n", pool="off")]
    world = World.of([node("n"), pool("10.244.0.0/24"), pool("10.9.0.0/24", "off", disabled=True), *blocks])
    assert translate_nodes(world)["n"].closed == (
        Mark(prefix="10.9.0.0/29"),
        Mark(prefix="10.244.0.0/29", id="r"),
    )


def test_reservations_are_one_sorted_list() -> None:
    world = World.of([reservation("b", "10.244.0.9/32", "10.244.0.0/30"), reservation("a", "10.244.0.9/32")])
    assert translate_reservations(world) == ("10.244.0.0/30", "10.244.0.9/32")


def test_every_pool_is_named_also_one_that_gives_nothing_new() -> None:
    world = World.of([pool("10.9.0.0/24", "off", disabled=True), pool("10.244.0.0/24")])
    assert translate_pools(world) == ("10.244.0.0/24", "10.9.0.0/24")


@pytest.mark.parametrize(
    ("excluded", "told", "announces", "leaving"),
    [(False, False, True, False), (False, True, True, False), (True, True, True, True), (True, False, False, False)],
)
def test_a_node_that_served_gateways_is_leaving_before_it_is_gone(
    *, excluded: bool, told: bool, announces: bool, leaving: bool
) -> None:
    labels = {NO_BALANCER: ""} if excluded else {}
    meta = {"name": "n", "labels": labels, "annotations": {SERVES: GATEWAYS} if told else {}}
    found = translate_nodes(World.of([parse({"apiVersion": "v1", "kind": "Node", "metadata": meta})]))["n"]
    assert (found.announces, found.leaving) == (announces, leaving)
