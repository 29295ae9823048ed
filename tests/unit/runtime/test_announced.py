"""Which announcements are part of the World, and for how long."""

from __future__ import annotations

import pytest

from builders import pod, world
from tandem.base.clock import FixedClock
from tandem.base.ids import GroupId
from tandem.ir.announcement import Announcement
from tandem.ir.policy import AddressGroup
from tandem.model import core
from tandem.model.world import World
from tandem.runtime.announced import LIFE_SECONDS, Announced

WAITS = pod("web", ip=(), node="n1", uid="u-web")
ASKED = Announcement(uid="u-web", addresses=("10.244.0.2", "fd00::2"))


def addresses(found: World, name: str = "web") -> tuple[str, ...]:
    got = found.get(core.Pod, "default", name)
    assert got is not None
    return got.addresses


def test_a_pod_without_addresses_has_those_that_its_node_has_announced() -> None:
    announced, seen = Announced(FixedClock()), world(WAITS)
    assert announced.over(seen) is seen
    assert announced.take(seen, "n1", ASKED)
    assert announced.known.version == 1
    assert addresses(announced.over(seen)) == ASKED.addresses
    assert addresses(seen) == ()


def test_only_the_node_of_a_pod_is_believed() -> None:
    announced = Announced(FixedClock())
    for node, uid in (("n2", "u-web"), ("n1", "u-other")):
        with pytest.raises(PermissionError, match=uid):
            announced.take(world(WAITS), node, Announcement(uid=uid, addresses=("10.244.0.2",)))


def test_a_status_is_believed_more() -> None:
    announced = Announced(FixedClock())
    announced.take(world(WAITS), "n1", ASKED)
    now = world(pod("web", ip="10.244.0.9", node="n1", uid="u-web"))
    assert addresses(announced.over(now)) == ("10.244.0.9",)
    assert not announced.take(now, "n1", Announcement(uid="u-web", addresses=("10.244.0.9",)))


def test_an_address_belongs_to_one_pod() -> None:
    announced, seen = Announced(FixedClock()), world(WAITS, pod("next", ip=(), node="n1", uid="u-next"))
    announced.take(seen, "n1", ASKED)
    announced.take(seen, "n1", Announcement(uid="u-next", addresses=("10.244.0.2",)))
    assert addresses(announced.over(seen)) == ()
    assert addresses(announced.over(seen), "next") == ("10.244.0.2",)
    taken = world(WAITS, pod("old", ip="fd00::2", node="n2"))
    assert addresses(announced.over(taken)) == ()
    again = world(WAITS, pod("old", ip="fd00::2", node="n2", phase="Failed"))
    assert addresses(announced.over(again)) == ()  # the newer announcement still stands


def test_a_pod_that_is_gone_or_an_add_that_has_failed_is_forgotten() -> None:
    clock = FixedClock()
    announced, seen = Announced(clock), world(WAITS)
    announced.take(seen, "n1", ASKED)
    assert announced.over(world()).all(core.Pod) == {}
    clock.advance(LIFE_SECONDS)
    assert addresses(announced.over(seen)) == ()


def test_the_groups_that_have_got_an_address_are_known_until_the_pod_is_forgotten() -> None:
    announced, seen = Announced(FixedClock()), world(WAITS)
    announced.take(seen, "n1", ASKED)
    group = AddressGroup(id=GroupId("g"), addresses=("10.244.0.2",))
    other = AddressGroup(id=GroupId("o"), addresses=("10.244.0.3",))
    announced.note({group.id: (None, group), other.id: (None, other), GroupId("gone"): (group, None)})
    assert announced.groups_of("u-web") == {"g"}
    assert announced.groups_of("u-other") == frozenset()
