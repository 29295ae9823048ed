"""Which announcements are part of the World, for how long, and who is told of them first."""

from __future__ import annotations

import asyncio

import pytest

from builders import pod, world
from controlling import ControlLab, with_control
from tandem.base.clock import FixedClock
from tandem.base.ids import GroupId
from tandem.drivers.xds.board import Wanted
from tandem.ir.announcement import Announcement, encode
from tandem.ir.policy import AddressGroup
from tandem.model import core
from tandem.model.world import World
from tandem.runtime.announced import LIFE_SECONDS, Announced
from unit.runtime.test_control import CLUSTER, late
from unit.runtime.test_control import policy as selecting

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


def test_a_pod_of_which_nothing_is_new_is_the_same_object_in_each_world() -> None:
    announced, seen = Announced(FixedClock()), world(WAITS)
    announced.take(seen, "n1", ASKED)
    first = announced.over(seen).get(core.Pod, "default", "web")
    assert announced.over(seen).get(core.Pod, "default", "web") is first
    announced.take(seen, "n1", Announcement(uid="u-web", addresses=("10.244.0.3",)))
    assert addresses(announced.over(seen)) == ("10.244.0.3",)
    other = pod("web", ip=(), node="n1", uid="u-web", labels={"app": "other"})
    changed = announced.over(world(other)).get(core.Pod, "default", "web")
    assert changed is not None
    assert (changed.metadata.labels["app"], changed.addresses) == ("other", ("10.244.0.3",))


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


def test_the_node_on_which_an_add_waits_is_told_before_the_others_are_thought_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = {**late("u-late"), "spec": {**late("u-late")["spec"], "nodeName": "n2"}}

    async def scene(lab: ControlLab) -> None:
        lab.agent("n1")
        lab.agent("n2")
        order, publish, turns = list[tuple[str | None, int]](), lab.server.publish, 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        def notes(client: str | None, wanted: Wanted) -> None:
            order.append((client, turns))
            publish(client, wanted)

        monkeypatch.setattr(lab.server, "publish", notes)
        request = encode(Announcement(uid="u-late", addresses=("10.244.0.77",)))
        async with asyncio.TaskGroup() as tasks:
            turning = tasks.create_task(turn())
            asked = tasks.create_task(lab.control._announce("n2", request))

            async def answered() -> bool:
                return asked.done()

            await lab.until(answered)
            turning.cancel()
        (first, at), (second, later), *_ = order
        assert (first, second) == ("n2", "n1")
        assert at < later  # its message has left
        assert not lab.control._asking

    with_control((*CLUSTER, there, selecting("p", ingress=[{"from": [{"podSelector": {}}]}])), scene)
