"""Which part of the pools is free."""

from __future__ import annotations

from typing import cast

import pytest

from addressing import block, pool, raw_node, reservation
from tandem.cluster.space import Space, reservations
from tandem.model.core import Node
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World

NODE = cast("Node", parse(raw_node("n")))


def takes(*objects: Object, version: int = 4, times: int = 9) -> list[str]:
    space = Space(World.of(objects))
    found = [space.take(NODE, version) for _ in range(times)]
    return [f[1] for f in found if f is not None]


def test_blocks_come_in_order_until_the_pool_is_used_up() -> None:
    assert takes(pool("10.0.0.0/27", blockSize=29)) == ["10.0.0.0/29", "10.0.0.8/29", "10.0.0.16/29", "10.0.0.24/29"]


@pytest.mark.parametrize(
    ("held", "free"),
    [
        ("10.0.0.0/29", ["10.0.0.8/29", "10.0.0.16/29", "10.0.0.24/29"]),
        ("10.0.0.12/30", ["10.0.0.0/29", "10.0.0.16/29", "10.0.0.24/29"]),
        ("10.0.0.0/28", ["10.0.0.16/29", "10.0.0.24/29"]),
        ("10.0.0.0/8", []),
        ("10.0.0.24/29", ["10.0.0.0/29", "10.0.0.8/29", "10.0.0.16/29"]),
        ("10.9.0.0/24", ["10.0.0.0/29", "10.0.0.8/29", "10.0.0.16/29", "10.0.0.24/29"]),
    ],
)
def test_a_block_never_overlaps_one_of_any_length_that_somebody_has(held: str, free: list[str]) -> None:
    assert takes(pool("10.0.0.0/27", blockSize=29), block(held, "other")) == free


def test_pools_that_overlap_give_nothing_twice() -> None:
    found = takes(pool("10.0.0.0/28", "a", blockSize=29), pool("10.0.0.0/27", "b", blockSize=28))
    assert found == ["10.0.0.0/29", "10.0.0.8/29", "10.0.0.16/28"]


def test_the_block_around_an_address_is_to_be_had_once() -> None:
    space = Space(World.of([pool("10.0.0.0/27", blockSize=29)]))
    assert space.take_around(NODE, "10.0.0.13") == ("default", "10.0.0.8/29")
    assert space.take_around(NODE, "10.0.0.14") is None
    assert space.take_around(NODE, "10.9.0.1") is None


def test_a_large_pool_is_not_walked_block_by_block() -> None:
    held = [block(f"fd00::{n:x}00/120", "other") for n in range(1, 200)]
    assert takes(pool("fd00::/48"), *held, version=6, times=2) == ["fd00::/122", "fd00::40/122"]


def test_reservations_are_one_sorted_list() -> None:
    world = World.of([reservation("b", "10.0.0.9/32"), reservation("a", "10.0.0.12/30")])
    assert reservations(world) == ("10.0.0.12/30", "10.0.0.9/32")
