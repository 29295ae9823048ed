"""Hosts of ServiceEntries that are names: real answers of Unbound, a name server of the test's, the kernel's policy."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from netns.externallab import world_of
from netns.nameslab import CLIENT, CONFIGURATION, OTHER, Agent, NamesLab, policy, view_of
from tandem.ir.node import NodeView
from tandem.translate.options import Options
from tandem.translate.world import translate_world

pytestmark = pytest.mark.root

ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db}
spec:
  hosts: [db.example.test]
  resolution: DNS
  ports: [{number: 80, name: tcp, protocol: TCP}]
"""


def told(view: NodeView, manifests: str) -> NodeView:
    """The view with what control says of the manifests."""
    options = Options(service_cidrs=CONFIGURATION.service_cidrs)
    found = translate_world(world_of(manifests), options)
    return msgspec.structs.replace(view, services=dict(found.services), endpoints=dict(found.endpoints))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[NamesLab]:
    with contextlib.ExitStack() as stack:
        made = NamesLab(tmp_path)
        stack.callback(made.stop)
        made.start()
        yield made


async def resolved(agent: Agent, *addresses: str, host: str = "db.example.test") -> None:
    """Wait until these are what the host resolves to, and in force."""
    await agent.until(lambda: {e.address for e in agent.now.endpoints[f"shop/{host}"].endpoints} == set(addresses))
    await agent.settled()


def test_a_pod_is_told_an_address_that_leads_to_what_the_name_resolves_to(lab: NamesLab) -> None:
    lab.upstream.zone = {("db.example.test", "A"): ["192.0.2.7"], ("db.example.test", "AAAA"): ["2001:db8:f::7"]}

    async def work(agent: Agent) -> None:
        await agent.change(told(view_of((CLIENT, None), (OTHER, None)), ENTRY))
        await resolved(agent, "192.0.2.7", "2001:db8:f::7")
        for kind, begins in (("A", "240.240."), ("AAAA", "2001:2:")):
            (address,) = await asyncio.to_thread(lab.resolve, CLIENT, "db.example.test", kind)
            assert address.startswith(begins)
            assert await asyncio.to_thread(lab.reaches, CLIENT, address)
        assert await asyncio.to_thread(lab.resolve, CLIENT, "www.db.example.test") == []
        lab.upstream.zone["db.example.test", "A"] = ["192.0.2.8"]
        await resolved(agent, "192.0.2.8", "2001:db8:f::7")

    lab.play(work)


def test_a_policy_about_the_name_judges_what_it_resolves_to(lab: NamesLab) -> None:
    lab.upstream.zone = {("db.example.test", "A"): ["192.0.2.7"], ("shut.example.test", "A"): ["192.0.2.9"]}
    entries = ENTRY + "---" + ENTRY.replace("db", "shut")

    async def work(agent: Agent) -> None:
        judged = view_of((CLIENT, policy("db.example.test")), (OTHER, None))
        await agent.change(told(judged, entries))
        await resolved(agent, "192.0.2.7")
        await resolved(agent, "192.0.2.9", host="shut.example.test")
        await agent.knows(db_example_test=["192.0.2.7"])
        for host, reached in (("db.example.test", True), ("shut.example.test", False)):
            (address,) = await asyncio.to_thread(lab.resolve, CLIENT, host)
            assert await asyncio.to_thread(lab.reaches, CLIENT, address) is reached

    lab.play(work)


def test_a_name_that_no_entry_has_any_more_is_that_of_others_again(lab: NamesLab) -> None:
    lab.upstream.zone = {("db.example.test", "A"): ["192.0.2.7"]}

    async def work(agent: Agent) -> None:
        plain = view_of((CLIENT, None), (OTHER, None))
        await agent.change(told(plain, ENTRY))
        await resolved(agent, "192.0.2.7")
        await agent.change(plain)
        while await asyncio.to_thread(lab.resolve, CLIENT, "db.example.test") != ["192.0.2.7"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    lab.play(work)


WILD = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wild}
spec:
  hosts: ["*.example.test"]
  addresses: [198.51.100.9]
  resolution: STATIC
  ports: [{number: 80, name: tcp, protocol: TCP}]
  endpoints: [{address: 192.0.2.7}]
"""


def test_names_below_a_pattern_have_its_address_and_others_are_those_of_others(lab: NamesLab) -> None:
    lab.upstream.zone = {("example.test", "A"): ["192.0.2.8"], ("any.example.test", "A"): ["192.0.2.9"]}

    async def work(agent: Agent) -> None:
        def asked(name: str, kind: str = "A") -> list[str]:
            return lab.resolve(CLIENT, name, kind)

        plain = view_of((CLIENT, None), (OTHER, None))
        await agent.change(told(plain, WILD + "---" + ENTRY))
        await agent.settled()
        names = ("any.example.test", "below.any.example.test", "example.test")
        found = [await asyncio.to_thread(asked, name) for name in names]
        assert found == [["198.51.100.9"], ["198.51.100.9"], ["192.0.2.8"]]
        assert (await asyncio.to_thread(asked, "db.example.test"))[0].startswith("240.240.")
        assert await asyncio.to_thread(asked, "any.example.test", "AAAA") == []
        await agent.change(plain)
        while await asyncio.to_thread(asked, "any.example.test") != ["192.0.2.9"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    lab.play(work)
