"""Chained mode as playbooks: what a runtime may do behind another plugin, and what is there afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tandem.base.ids import ContainerId, PolicySetId
from tandem.base.problems import DriverError
from tandem.compile.foreign import compile_redirection
from tandem.drivers.foreign.fake import Space
from tandem.ipam.journal import Phase
from tandem.ipam.pool import Pool
from tandem.podnet.request import VerbError
from unit.podnet.playground import CONFIG, NETNS, Playground, behind_another_plugin, local_pod, request
from unit.podnet.test_previous import RESULT

KEY = (ContainerId("c1"), "eth0")
CHAINED: dict[str, Any] = CONFIG | {"name": "mynet", "chained": True, "prevResult": RESULT}
STEPS = ["prepare", "attached"]


def run(play: Callable[[Playground], Awaitable[None]]) -> Playground:
    ground = Playground()
    behind_another_plugin(ground)

    async def main() -> None:
        await play(ground)

    asyncio.run(main())
    return ground


def is_clean(ground: Playground) -> bool:
    return ground.is_clean() and not ground.foreign.spaces[NETNS].prepared


def test_add_hands_the_result_on_as_it_came_and_makes_no_link() -> None:
    async def play(ground: Playground) -> None:
        assert await ground.add(config=CHAINED) == RESULT
        assert ground.links.calls == ["pin", "attached"]
        assert ground.links.hosts == {}
        kept = ground.journal.get(KEY)
        assert kept is not None
        assert kept.foreign is not None
        assert (kept.phase, kept.network, kept.addresses) == (Phase.READY, "mynet", ())
        assert kept.pod_addresses == ("10.88.0.2",)
        assert (kept.foreign.link.node_addresses, kept.foreign.link.guarded) == (("10.88.0.1",), False)
        assert ground.foreign.spaces[NETNS].prepared == {compile_redirection("eth0", ("10.88.0.2",))}

    run(play)


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_the_result_of_any_version_is_read_and_handed_on(version: str) -> None:
    family = {} if version in {"1.0.0", "1.1.0"} else {"version": "4"}
    ips = [{"address": "10.88.0.2/24", "gateway": "10.88.0.1", "interface": 2} | family]
    result = RESULT | {"cniVersion": version, "ips": ips}

    async def play(ground: Playground) -> None:
        config = CHAINED | {"cniVersion": version, "prevResult": result}
        assert await ground.add(config=config) == result
        await ground.delete(config=config)
        assert is_clean(ground)

    run(play)


def test_names_within_the_network_are_kept_with_the_attachment() -> None:
    async def play(ground: Playground) -> None:
        await ground.add(config=CHAINED | {"runtimeConfig": {"aliases": {"mynet": ["db"]}}})
        kept = ground.journal.get(KEY)
        assert kept is not None
        assert kept.aliases == ("db",)

    run(play)


def test_a_gateway_that_is_not_the_nodes_is_no_exemption() -> None:
    async def play(ground: Playground) -> None:
        router = [{"address": "10.88.0.2/24", "gateway": "10.88.0.254"}]
        await ground.add(config=CHAINED | {"prevResult": RESULT | {"ips": router}, "policy": True})
        kept = ground.journal.get(KEY)
        assert kept is not None
        assert kept.foreign is not None
        assert (kept.foreign.link.node_addresses, kept.foreign.link.guarded) == ((), True)

    run(play)


@pytest.mark.parametrize("change", [{}, {"netns": ""}, {"config": CONFIG | {"name": "mynet", "chained": True}}])
def test_del_takes_everything_out_and_is_repeatable(change: dict[str, Any]) -> None:
    async def play(ground: Playground) -> None:
        await ground.add(config=CHAINED)
        for _ in range(2):
            await ground.delete(**({"config": CHAINED} | change))
        assert is_clean(ground)

    run(play)


def test_del_with_the_journal_lost_cleans_the_namespace() -> None:
    async def play(ground: Playground) -> None:
        await ground.foreign.prepare(NETNS, compile_redirection("eth0"))
        await ground.delete(config=CHAINED)
        assert is_clean(ground)

    run(play)


def test_del_of_nobody_leaves_the_namespace_of_another_container_alone(tmp_path: Path) -> None:
    """Names of one namespace: here, of one file."""
    pin, other = tmp_path / "pin", tmp_path / "other"
    pin.touch()
    other.hardlink_to(pin)

    async def play(ground: Playground) -> None:
        await ground.add(config=CHAINED)
        known = ground.journal.get(KEY)
        assert known is not None
        ground.journal.update(msgspec.structs.replace(known, pin=str(pin)))
        ground.foreign.spaces[str(other)] = ground.foreign.spaces[NETNS]
        await ground.delete("c2", config=CHAINED, netns=str(other))
        assert ground.foreign.spaces[NETNS].prepared

    run(play)


def test_a_lost_journal_sets_no_pod_free_before_its_del() -> None:
    async def play(ground: Playground) -> None:
        await ground.add(config=CHAINED)
        ground.journal.remove(KEY)
        ground.restart()
        await ground.verbs.recover()
        assert ground.links.pins == {}
        assert ground.foreign.spaces[NETNS].prepared
        await ground.delete(config=CHAINED)
        assert is_clean(ground)

    run(play)


@pytest.mark.parametrize("step", STEPS)
def test_an_add_that_fails_half_way_leaves_nothing(step: str) -> None:
    async def play(ground: Playground) -> None:
        if step == "attached":
            ground.node.failures[step] = DriverError("refused")
        else:
            ground.foreign.fail_next(DriverError("refused"), step)
        assert await ground.code("ADD", config=CHAINED) == 11
        assert is_clean(ground)
        await ground.add(config=CHAINED)

    run(play)


def test_an_agent_killed_half_way_leaves_nothing_once_it_is_back() -> None:
    async def play(ground: Playground) -> None:
        await ground.add(config=CHAINED)
        kept = ground.journal.get(KEY)
        assert kept is not None
        ground.journal.update(msgspec.structs.replace(kept, phase=Phase.ADDING))
        ground.restart()
        assert await ground.verbs.recover() == ()
        assert is_clean(ground)

    run(play)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"prevResult": RESULT | {"ips": [{"address": "10.88.0.3/24"}]}}, 7, "does not have 10.88.0.3"),
        ({"runtimeConfig": {"bandwidth": {"ingressRate": 8}}}, 2, "runtimeConfig.bandwidth"),
        ({"policy": 1}, 7, "policy: true or false"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(
    change: dict[str, Any], code: int, words: str
) -> None:
    async def play(ground: Playground) -> None:
        with pytest.raises(VerbError, match=words) as raised:
            await ground.verbs.run(request("ADD", config=CHAINED | change))
        assert raised.value.code == code
        assert is_clean(ground)

    run(play)


def test_an_interface_that_is_not_in_the_namespace_is_refused() -> None:
    async def play(ground: Playground) -> None:
        ground.foreign.spaces[NETNS].interfaces.clear()
        assert await ground.code("ADD", config=CHAINED) == 7

    run(play)


def test_an_address_of_our_own_prefix_is_refused() -> None:
    async def play(ground: Playground) -> None:
        ground.foreign.spaces[NETNS].interfaces["eth0"] = frozenset({"10.244.0.3"})
        result = RESULT | {"ips": [{"address": "10.244.0.3/24"}]}
        assert await ground.code("ADD", config=CHAINED | {"prevResult": result}) == 104

    run(play)


def test_an_address_that_a_living_container_has_is_refused_and_one_of_a_dead_one_is_taken_over() -> None:
    async def play(ground: Playground) -> None:
        await ground.add(config=CHAINED)
        other = Space({"eth0": frozenset({"10.88.0.2"})})
        ground.foreign.spaces |= {"/other": other, "/pins/c2": other}
        ground.links.add_netns("/other")
        assert await ground.code("ADD", "c2", netns="/other", config=CHAINED) == 104
        del ground.foreign.spaces["/pins/c1"]  # a reboot: no pin, no namespace, and no DEL
        await ground.add("c2", netns="/other", config=CHAINED)
        assert [a.container_id for a in ground.journal.all()] == ["c2"]

    run(play)


def test_a_container_closed_by_its_network_needs_policy_there() -> None:
    async def play(ground: Playground) -> None:
        closed = CHAINED | {"unmanaged": "closed"}
        assert await ground.code("ADD", args="", config=closed) == 7
        await ground.add(args="", config=closed | {"policy": True})

    run(play)


def test_a_policy_that_the_network_does_not_enforce_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def play(ground: Playground) -> None:
        judged = msgspec.structs.replace(local_pod(), ingress=PolicySetId("aaaaaaaaaaaa"))
        ground.node.pods["uid-1"] = judged
        await ground.add(config=CHAINED)

    run(play)
    assert "does not enforce" in caplog.text


async def differs(ground: Playground, previous: dict[str, Any]) -> str:
    with pytest.raises(VerbError) as raised:
        await ground.verbs.run(request("CHECK", config=CHAINED | {"prevResult": previous}))
    return f"{raised.value.code} {raised.value.details}"


def test_check_compares_interface_result_and_our_own_things() -> None:
    async def play(ground: Playground) -> None:
        await ground.add(config=CHAINED)
        await ground.verbs.run(request("CHECK", config=CHAINED))
        assert "had at ADD" in await differs(ground, RESULT | {"ips": [{"address": "10.88.0.7/24"}]})
        space = ground.foreign.spaces[NETNS]
        space.prepared.clear()
        assert "rule for mark" in await differs(ground, RESULT)
        space.interfaces["eth0"] = frozenset()
        assert "103 eth0 lacks the address 10.88.0.2" in await differs(ground, RESULT)
        space.interfaces.clear()
        assert "eth0 is missing" in await differs(ground, RESULT)

    run(play)


def test_gc_is_about_one_network() -> None:
    async def play(ground: Playground) -> None:
        await ground.add(config=CHAINED)
        none: dict[str, Any] = {"cni.dev/valid-attachments": []}
        await ground.verbs.run(request("GC", config=CONFIG | none))
        assert ground.journal.get(KEY) is not None
        await ground.verbs.run(request("GC", config=CHAINED | none))
        assert is_clean(ground)

    run(play)


def test_status_does_not_ask_for_addresses_that_others_give() -> None:
    async def play(ground: Playground) -> None:
        ground.node.addresses = Pool.of("10.244.0.5/32")
        await ground.add("c0")
        assert await ground.code("STATUS") == 50
        assert await ground.verbs.run(request("STATUS", config=CONFIG | {"chained": True})) is None

    run(play)


def test_the_address_of_a_container_whose_del_ends_meanwhile_is_free() -> None:
    async def play(ground: Playground) -> None:
        await ground.add(config=CHAINED)
        ground.foreign.spaces["/ns/2"] = Space(interfaces={"eth0": frozenset({"10.88.0.2"})})
        ground.links.add_netns("/ns/2")
        ground.foreign.spaces["/pins/c2"] = ground.foreign.spaces["/ns/2"]
        del ground.foreign.spaces["/pins/c1"].interfaces["eth0"]
        look = ground.foreign.look

        async def slowly(netns: str, ifname: str) -> Any:
            if netns == "/pins/c1":
                await ground.delete(config=CHAINED)
            return await look(netns, ifname)

        ground.foreign.look = slowly  # type: ignore[method-assign]
        previous = {**RESULT, "interfaces": [{**i, "sandbox": "/ns/2"} for i in RESULT["interfaces"]]}
        await ground.add("c2", netns="/ns/2", config=CHAINED | {"prevResult": previous})
        assert [a.container_id for a in ground.journal.all()] == ["c2"]

    run(play)
