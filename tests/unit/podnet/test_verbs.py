"""The verbs as playbooks: what a runtime may do to a node, and what is there afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.drivers.link.port import LinkExistsError
from tandem.ipam.journal import Attachment
from tandem.ipam.pool import Pool
from tandem.podnet.request import Code, VerbError
from tandem.state.links import PodLink
from unit.podnet.playground import CONFIG, KEY, NETNS, STEPS, Playground, fail, request, run


def test_add_opens_the_link_last() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()

    assert run(play).links.calls == STEPS


def test_the_link_is_made_while_policy_comes_into_force() -> None:
    async def play(ground: Playground) -> None:
        create, attached = ground.links.create, ground.node.attached
        begun = {"create": asyncio.Event(), "attached": asyncio.Event()}

        async def creates(link: PodLink, netns: str) -> None:
            begun["create"].set()
            await begun["attached"].wait()
            await create(link, netns)

        async def serves(attachment: Attachment) -> None:
            begun["attached"].set()
            await begun["create"].wait()
            await attached(attachment)

        ground.links.create = creates  # type: ignore[method-assign]
        ground.node.attached = serves  # type: ignore[method-assign]
        async with asyncio.timeout(20):
            await ground.add()

    assert sorted(run(play).links.calls) == sorted(STEPS)


def test_the_link_opens_while_peers_come_to_know_the_pod_and_the_answer_waits_for_them() -> None:
    async def play(ground: Playground) -> None:
        opened, opening = asyncio.Event(), ground.links.open

        async def opens(link: PodLink, netns: str) -> None:
            await opening(link, netns)
            opened.set()

        ground.links.open = opens  # type: ignore[method-assign]
        ground.node.peers.clear()
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            adding = tasks.create_task(ground.add())
            await opened.wait()
            await asyncio.sleep(0.01)
            assert not adding.done()
            assert not ground.node.known
            ground.node.peers.set()
        assert ground.node.known

    assert run(play).links.calls == STEPS


def test_a_link_that_cannot_be_made_ends_the_wait_for_policy() -> None:
    async def play(ground: Playground) -> None:
        async def never(attachment: Attachment) -> None:
            del attachment
            await asyncio.Event().wait()

        ground.node.attached = never  # type: ignore[method-assign]
        ground.node.peers.clear()
        fail(ground, "create", DriverError("no room"))
        async with asyncio.timeout(20):
            assert await ground.code("ADD") == Code.TRY_AGAIN
        assert ground.is_clean()

    run(play)


def test_add_returns_interfaces_addresses_routes_and_dns() -> None:
    async def play(ground: Playground) -> None:
        result = await ground.add()
        assert result["cniVersion"] == "1.1.0"
        assert [i.get("sandbox") for i in result["interfaces"]] == [None, NETNS]
        assert result["ips"] == [{"address": "10.244.0.2/32", "gateway": "169.254.1.1", "interface": 1}]
        assert result["dns"]["nameservers"] == ["10.96.0.10"]

    run(play)


def test_add_then_del_leaves_nothing() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        assert not ground.is_clean()
        await ground.delete()

    ground = run(play)
    assert ground.is_clean()
    assert ground.links.calls[len(STEPS) :] == ["detached", "remove", "unpin"]


def test_add_twice_is_refused_and_the_first_stays() -> None:
    async def play(ground: Playground) -> None:
        result = await ground.add()
        assert await ground.code("ADD") == 100
        await ground.check(result)

    run(play)


def test_a_second_interface_of_one_container_is_refused() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        assert await ground.code("ADD", ifname="net1") == 100

    run(play)


def test_del_twice_is_fine() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        await ground.delete()
        await ground.delete()

    assert run(play).is_clean()


def test_del_of_an_unknown_container_is_fine() -> None:
    async def play(ground: Playground) -> None:
        await ground.delete("never-seen")
        await ground.delete("never-seen", netns="")

    assert run(play).is_clean()


def test_del_with_an_empty_or_vanished_netns_is_fine() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        ground.links.remove_netns(NETNS)
        await ground.delete(netns="")

    assert run(play).is_clean()


def test_del_of_another_interface_leaves_the_pod_alone() -> None:
    async def play(ground: Playground) -> None:
        result = await ground.add()
        await ground.delete(ifname="net1")
        await ground.check(result)

    run(play)


def test_del_with_the_journal_lost_still_removes_link_and_pin() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        ground.journal.remove(KEY)
        ground.restart()
        await ground.delete()

    assert run(play).is_clean()


def test_an_address_is_not_reused_at_once() -> None:
    async def play(ground: Playground) -> None:
        first = await ground.add()
        await ground.delete()
        second = await ground.add()
        assert first["ips"][0]["address"] != second["ips"][0]["address"]

    run(play)


def test_a_full_pool_is_named_and_a_del_makes_room() -> None:
    async def play(ground: Playground) -> None:
        for n in range(5):
            ground.links.add_netns(f"/ns/{n}")
            await ground.add(f"c{n}", netns=f"/ns/{n}")
        with pytest.raises(VerbError, match=r"10\.244\.0\.0/29 is full: all 5") as caught:
            await ground.verbs.run(request("ADD", "c9"))
        assert caught.value.code == 101
        assert await ground.code("STATUS") == 50
        await ground.delete("c3")
        await ground.add("c9")

    run(play)


def test_what_cannot_be_taken_away_of_another_pod_does_not_fail_an_add() -> None:
    async def play(ground: Playground) -> None:
        for n in range(5):
            ground.links.add_netns(f"/ns/{n}")
            await ground.add(f"c{n}", netns=f"/ns/{n}")
        fail(ground, "remove")
        assert await ground.code("DEL", "c0") == 11
        fail(ground, "remove")
        assert await ground.code("ADD", "c9") == 101
        await ground.add("c9")

    run(play)


def test_a_second_container_in_one_namespace_is_refused_and_the_first_stays_whole() -> None:
    async def play(ground: Playground) -> None:
        result = await ground.add()
        assert await ground.code("ADD", "c2") == 100
        assert await ground.code("ADD", "c2", ifname="net1") == 100
        await ground.delete("c2")
        await ground.delete("c2", ifname="net1")
        await ground.check(result)

    run(play)


@pytest.mark.parametrize("wrong", [{"policy": True}, {"chained": "yes"}, {"ipam": {}}])
def test_what_add_refuses_to_read_del_does_not(wrong: dict[str, Any]) -> None:
    """A runtime executes DEL after an ADD that failed, with the same configuration."""

    async def play(ground: Playground) -> None:
        assert await ground.code("ADD", config=CONFIG | wrong) in {2, 7}
        await ground.delete(config=CONFIG | wrong)

    run(play)


def test_a_pod_that_control_does_not_know_is_try_again() -> None:
    async def play(ground: Playground) -> None:
        ground.node.pods.clear()
        assert await ground.code("ADD") == 11

    assert run(play).is_clean()


def test_a_runtime_that_sends_no_uid_names_the_pod() -> None:
    async def play(ground: Playground) -> None:
        await ground.add(args="K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web")

    run(play)


@pytest.mark.parametrize("args", ["K8S_POD_NAMESPACE=shop", "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME="])
def test_arguments_that_name_no_pod_are_code_4(args: str) -> None:
    async def play(ground: Playground) -> None:
        assert await ground.code("ADD", args=args) == 4

    assert run(play).is_clean()


def test_a_missing_namespace_is_code_8_and_leaves_nothing() -> None:
    async def play(ground: Playground) -> None:
        assert await ground.code("ADD", netns="/run/netns/none") == 8

    assert run(play).is_clean()


def test_a_chained_position_is_refused() -> None:
    async def play(ground: Playground) -> None:
        assert await ground.code("ADD", config=CONFIG | {"prevResult": {}}) == 7

    run(play)


def test_an_interface_that_others_made_is_refused_and_stays() -> None:
    async def play(ground: Playground) -> None:
        fail(ground, "create", LinkExistsError("eth0 exists already"))
        assert await ground.code("ADD") == 100

    assert run(play).is_clean()


def test_check_of_what_add_made_is_fine_in_each_version() -> None:
    async def play(ground: Playground) -> None:
        for version in ("0.4.0", "1.0.0", "1.1.0"):
            config = CONFIG | {"cniVersion": version}
            result = await ground.add(config=config)
            await ground.check(result)
            await ground.delete()

    run(play)


def test_check_names_what_is_damaged() -> None:
    async def play(ground: Playground) -> None:
        result = await ground.add()
        ground.node.turned.add(ContainerId("c1"))  # and nothing in there delivers what Envoy marks
        ground.links.hosts.clear()
        with pytest.raises(VerbError) as caught:
            await ground.check(result)
        assert caught.value.code == 103
        assert "host interface" in caught.value.details
        assert "rule for mark" in caught.value.details

    run(play)


def test_check_compares_the_previous_result() -> None:
    async def play(ground: Playground) -> None:
        result = await ground.add()
        with pytest.raises(VerbError, match=r"prevResult\.ips: no 10\.244\.0\.2/32"):
            await ground.check(result | {"ips": [{"address": "10.244.0.9/32"}]})

    run(play)


def test_check_without_a_previous_result_is_code_7() -> None:
    async def play(ground: Playground) -> None:
        await ground.add()
        assert await ground.code("CHECK") == 7

    run(play)


def test_check_of_an_unknown_container_says_so() -> None:
    async def play(ground: Playground) -> None:
        assert await ground.code("CHECK", config=CONFIG | {"prevResult": {}}) == 3

    run(play)


def test_status_of_a_node_with_room_is_fine() -> None:
    async def play(ground: Playground) -> None:
        assert await ground.verbs.run(request("STATUS")) is None

    run(play)


def test_an_unknown_verb_is_code_4() -> None:
    async def play(ground: Playground) -> None:
        assert await ground.code("EXPLODE") == 4

    run(play)


def test_del_waits_for_the_add_of_the_same_container() -> None:
    async def play(ground: Playground) -> None:
        gate = asyncio.Event()
        attached = ground.node.attached

        async def slow(attachment: Any) -> None:
            await gate.wait()
            await attached(attachment)

        ground.node.attached = slow  # type: ignore[method-assign]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ground.add())
            await asyncio.sleep(0)
            tasks.create_task(ground.delete())
            await asyncio.sleep(0)
            assert "remove" not in ground.links.calls
            gate.set()

    assert run(play).is_clean()


def test_adds_of_different_containers_run_side_by_side() -> None:
    async def play(ground: Playground) -> None:
        both = asyncio.Barrier(2)
        attached = ground.node.attached

        async def meets(attachment: Any) -> None:
            await both.wait()
            await attached(attachment)

        ground.node.attached = meets  # type: ignore[method-assign]
        ground.links.add_netns("/ns/2")
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            tasks.create_task(ground.add("c1"))
            tasks.create_task(ground.add("c2", netns="/ns/2"))
        assert len(set(ground.journal.taken())) == 2

    run(play)


def test_of_two_pods_that_wait_for_addresses_one_gets_the_port() -> None:
    """The port is looked at in the same moment in which it is taken, however long an ADD waited before."""
    asked = CONFIG | {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80}]}}

    async def play(ground: Playground) -> None:
        ground.links.add_netns("/ns/2")
        whole, ground.node.addresses = ground.node.addresses, Pool(blocks=(), families=(4,))
        both, waiting = asyncio.Event(), []

        async def more(seconds: float) -> bool:
            waiting.append(seconds)
            if len(waiting) == 2:
                both.set()
            await both.wait()
            ground.node.addresses = whole
            return True

        ground.node.more = more  # type: ignore[method-assign]
        adds = (ground.add("c1", config=asked), ground.add("c2", netns="/ns/2", config=asked))
        done = await asyncio.gather(*adds, return_exceptions=True)
        assert [d.code for d in done if isinstance(d, VerbError)] == [105]
        assert len(ground.journal.all()) == 1

    run(play)
