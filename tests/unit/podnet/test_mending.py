"""What others changed of a pod's network is found and put back, unless somebody is busy with the container."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.ipam.journal import Phase
from tandem.podnet.undoing import link_of
from unit.podnet.playground import CONFIG, KEY, NETNS, SETTINGS, Playground, behind_another_plugin, fail, run
from unit.podnet.test_chained import CHAINED

C1 = ContainerId("c1")


def lose_the_address(ground: Playground) -> None:
    pod = ground.links.namespaces[NETNS]
    pod.ends["eth0"] = replace(pod.ends["eth0"], prefixes=frozenset({"192.0.2.1/24"}))


def test_a_link_that_is_whole_is_left_alone() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        assert await ground.verbs.mending.look(C1) == ()
        assert await ground.verbs.mending.look(ContainerId("unknown")) == ()
        assert "repair" not in ground.links.calls

    run(play)


def test_what_is_missing_is_told_as_check_tells_it_and_put_back() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        await ground.verbs.mending.look(C1)
        lose_the_address(ground)
        assert await ground.verbs.mending.look(C1) == ("eth0 lacks the address 10.244.0.2/32",)
        assert await ground.verbs.mending.mend(C1) == ()
        assert await ground.verbs.mending.look(C1) == ()
        assert "192.0.2.1/24" in ground.links.namespaces[NETNS].ends["eth0"].prefixes

    run(play)


def test_a_host_end_that_was_made_anew_is_named() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        (name,) = ground.links.hosts
        await ground.links.remove_all((name,))
        assert await ground.verbs.mending.mend(C1) == (name,)
        assert await ground.verbs.mending.look(C1) == ()

    run(play)


def test_a_container_with_which_somebody_is_busy_is_not_looked_at() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        await ground.verbs.mending.look(C1)
        lose_the_address(ground)
        async with ground.verbs._turns.of(C1):
            assert await ground.verbs.mending.look(C1) is None
        assert await ground.verbs.mending.look(C1)

    run(play)


def test_what_its_del_has_given_up_is_not_mended() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        (attachment,) = ground.journal.all()
        ground.journal.update(msgspec.structs.replace(attachment, phase=Phase.DELETING))
        lose_the_address(ground)
        assert await ground.verbs.mending.look(C1) == ()
        assert await ground.verbs.mending.mend(C1) == ()

    run(play)


def test_a_refusal_is_raised() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        fail(ground, "repair")
        with pytest.raises(DriverError, match="repair refused"):
            await ground.verbs.mending.mend(C1)

    run(play)


def test_behind_another_plugin_only_what_is_ours_is_put_back() -> None:
    async def play(ground: Playground) -> None:
        behind_another_plugin(ground)
        await ground.add(config=CHAINED)
        assert await ground.verbs.mending.look(C1) == ()
        ground.foreign.spaces[NETNS].prepared.clear()
        ground.foreign.spaces[NETNS].interfaces["eth0"] = frozenset()
        found = await ground.verbs.mending.look(C1)
        assert found
        assert all(" table 116" in sentence for sentence in found)
        assert await ground.verbs.mending.mend(C1) == ()
        assert await ground.verbs.mending.look(C1) == ()
        assert ground.foreign.spaces[NETNS].interfaces["eth0"] == frozenset()
        assert ground.journal.get(KEY) is not None

    run(play)


def changed(ground: Playground, *, mac: str, mtu: int) -> None:
    """As the plugin `tuning` does it, which takes the link down for that."""
    pod = ground.links.namespaces[NETNS]
    pod.ends["eth0"] = replace(pod.ends["eth0"], mac=mac, mtu=mtu, routes=frozenset(), neighbours=frozenset())


def with_mac(result: dict[str, Any], mac: str) -> dict[str, Any]:
    return {**result, "interfaces": [result["interfaces"][0], {**result["interfaces"][1], "mac": mac}]}


TUNED = "c2:00:00:00:00:01"


@pytest.mark.parametrize("first", ["CHECK", "look"])
def test_what_a_later_plugin_of_the_chain_changed_is_no_difference_and_stays(first: str) -> None:
    async def play(ground: Playground) -> None:
        result = with_mac(await ground.add(), TUNED)
        changed(ground, mac=TUNED, mtu=1300)
        if first == "look":
            assert await ground.verbs.mending.look(C1) == ()
        await ground.check(result)
        assert await ground.links.hardware(link_of(ground.node.in_force[C1], SETTINGS.host), NETNS) == (TUNED, 1300)
        changed(ground, mac="c2:00:00:00:00:02", mtu=1200)
        assert await ground.code("CHECK", config=CONFIG | {"prevResult": result}) == 103
        await ground.verbs.mending.mend(C1)
        await ground.check(result)
        await ground.delete()

    assert run(play).is_clean()


def test_an_mtu_that_the_way_does_not_carry_is_put_back_at_once() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        changed(ground, mac=TUNED, mtu=9000)
        assert await ground.verbs.mending.look(C1) == ()
        assert await ground.links.hardware(link_of(ground.node.in_force[C1], SETTINGS.host), NETNS) == (TUNED, 1400)

    run(play)


def test_after_a_restart_a_change_is_one_by_others() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        ground.restart()
        changed(ground, mac=TUNED, mtu=1400)
        assert "eth0 has MAC address" in (await ground.verbs.mending.look(C1) or ("",))[0]

    run(play)


def test_in_the_mesh_what_capture_needs_is_looked_at_and_put_back() -> None:
    async def play(ground: Playground) -> None:
        result = await ground.add()
        await ground.check(result)
        ground.node.turned.add(C1)
        assert await ground.code("CHECK", config=CONFIG | {"prevResult": result}) == 103
        found = await ground.verbs.mending.look(C1)
        assert found
        assert all(" table 116" in sentence for sentence in found)
        await ground.verbs.mending.mend(C1)
        assert await ground.verbs.mending.look(C1) == ()
        await ground.check(result)
        await ground.delete()
        assert ground.is_clean()

    run(play)
