"""Capabilities as the verbs carry them out: addresses, ports, limits, names."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.base.ids import ContainerId
from tandem.podnet.request import VerbError
from unit.podnet.playground import CONFIG, KEY, NETNS, STEPS, Playground, fail, request, run

WEB = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}


def config(**runtime: Any) -> dict[str, Any]:
    return CONFIG | {"runtimeConfig": runtime}


def test_a_pod_gets_the_address_and_the_mac_address_it_asks_for() -> None:
    async def play(ground: Playground) -> None:
        result = await ground.add(config=config(ips=["10.244.0.4"], mac="02:00:00:00:00:09"))
        assert result["ips"][0]["address"] == "10.244.0.4/32"
        assert result["interfaces"][1]["mac"] == "02:00:00:00:00:09"
        assert ground.links.namespaces[NETNS].ends["eth0"].mac == "02:00:00:00:00:09"
        await ground.check(result)
        await ground.delete()

    assert run(play).is_clean()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.244.0.2", "taken"),
        ("10.244.1.2", "outside"),
        ("10.244.0.0", "reserved"),
        ("10.244.0.1", "reserved"),
        ("10.244.0.7", "reserved"),
    ],
)
def test_an_address_that_cannot_be_given_is_refused_with_the_reason(address: str, reason: str) -> None:
    async def play(ground: Playground) -> None:
        ground.links.add_netns("/run/netns/other")
        await ground.add()
        with pytest.raises(VerbError, match=reason) as raised:
            await ground.add("c2", netns="/run/netns/other", config=config(ips=[address]))
        assert raised.value.code == 104
        assert len(ground.journal.all()) == 1

    run(play)


def test_addresses_stay_in_the_ranges_asked_for_and_come_to_an_end() -> None:
    async def play(ground: Playground) -> None:
        ranges = [[{"subnet": "10.244.0.0/29", "rangeStart": "10.244.0.4", "rangeEnd": "10.244.0.5"}]]
        for number in (1, 2, 3):
            ground.links.add_netns(f"/run/netns/{number}")
        found = [
            (await ground.add(f"r{n}", netns=f"/run/netns/{n}", config=config(ipRanges=ranges)))["ips"][0]["address"]
            for n in (1, 2)
        ]
        assert found == ["10.244.0.4/32", "10.244.0.5/32"]
        assert await ground.code("ADD", "r3", netns="/run/netns/3", config=config(ipRanges=ranges)) == 101

    run(play)


def test_a_host_port_belongs_to_one_pod() -> None:
    async def play(ground: Playground) -> None:
        ground.links.add_netns("/run/netns/other")
        other = {"netns": "/run/netns/other", "config": config(portMappings=[WEB | {"hostIP": "192.0.2.1"}])}
        await ground.add(config=config(portMappings=[WEB]))
        with pytest.raises(VerbError, match="host port 8080/tcp is taken by shop/web") as raised:
            await ground.add("c2", **other)
        assert raised.value.code == 105
        await ground.delete()
        await ground.add("c2", **other)

    run(play)


def test_what_was_asked_for_is_on_record_and_survives_a_restart() -> None:
    async def play(ground: Playground) -> None:
        asked = config(
            portMappings=[WEB], bandwidth={"ingressRate": 8000, "ingressBurst": 8000}, mac="02:00:00:00:00:09"
        )
        result = await ground.add(config=asked)
        ground.restart()
        await ground.check(result)
        found = ground.journal.get(KEY)
        assert found is not None
        assert [m.host_port for m in found.port_mappings] == [8080]
        assert found.shaping.ingress_rate == 8000

    run(play)


def test_dns_of_the_runtime_replaces_ours_part_by_part() -> None:
    async def play(ground: Playground) -> None:
        result = await ground.add(config=config(dns={"searches": ["a.example"], "options": ["ndots:1"]}))
        assert result["dns"] == {"nameservers": ["10.96.0.10"], "search": ["a.example"], "options": ["ndots:1"]}

    run(play)


@pytest.mark.parametrize("step", STEPS)
def test_a_failure_at_any_step_frees_port_and_address(step: str) -> None:
    async def play(ground: Playground) -> None:
        asked = config(portMappings=[WEB], ips=["10.244.0.4"])
        fail(ground, step)
        assert await ground.code("ADD", config=asked) == 11
        assert ground.is_clean()
        await ground.add(config=asked)

    run(play)


def test_what_makes_no_sense_leaves_nothing_behind() -> None:
    async def play(ground: Playground) -> None:
        with pytest.raises(VerbError):
            await ground.verbs.run(request("ADD", config=config(mac="nonsense")))
        assert ground.journal.get((ContainerId("c1"), "eth0")) is None

    assert run(play).is_clean()


def test_status_tells_of_a_node_that_is_degraded() -> None:
    async def play(ground: Playground) -> None:
        ground.node.troubles = ["Envoy is not running or not ready"]
        assert await ground.code("STATUS") == 51
        ground.node.troubles = []
        assert await ground.verbs.run(request("STATUS")) is None

    run(play)


def test_check_names_what_the_node_lacks_beside_the_link() -> None:
    async def play(ground: Playground) -> None:
        result = await ground.add()
        ground.node.in_force.clear()
        ground.node.damage = ["map ingress4 lacks 10.244.0.2"]
        assert await ground.code("CHECK", config=CONFIG | {"prevResult": result}) == 103

    run(play)
