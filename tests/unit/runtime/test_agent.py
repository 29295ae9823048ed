"""The wiring of a node's agent, without a kernel and without Envoy: what it waits for, and what it tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from attaching import attachment
from fulldisk import no_room
from meshbuild import CONFIG, identity
from tandem.base.ids import NodeName, PodUid
from tandem.base.paths import NodeDir
from tandem.base.problems import DriverError, Origin
from tandem.drivers.xds.client_session import Update
from tandem.ipam.journal import Phase
from tandem.ir import wire
from tandem.ir.fabric import LocalPod, MeshConfig, Node
from tandem.runtime import progress, settings
from tandem.runtime.agent import Agent, new_agent
from tandem.runtime.views import SILENT, Outcome

NODE = Node(name=NodeName("n1"), addresses=("192.0.2.1",), pod_cidrs=("10.244.0.0/24",))
POD = LocalPod(uid=PodUid("u-a"), namespace="shop", name="a", service_account="a", identity=identity("a"), meshed=False)


class Lab:
    """An agent without a control plane."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.agent: Agent = new_agent("n1", NodeDir(root), root / "control.sock")
        monkeypatch.setattr(self.agent._network, "underlay", self._underlay)

    async def _underlay(self, addresses: tuple[str, ...]) -> int:
        del addresses
        return 1500

    def tell(self, cls: type, nonce: str = "1", **values: wire.Value | bytes) -> None:
        found = {n: ("v", v if isinstance(v, bytes) else wire.encode(v)) for n, v in values.items()}
        self.agent._on_update(Update(type_url=wire.URLS[cls], resources=found, removed=(), nonce=nonce))

    def tell_all(self) -> None:
        self.tell(MeshConfig, "m", mesh=CONFIG)
        self.tell(Node, "n", n1=NODE)
        update = {str(POD.uid): ("v", wire.encode(POD))}
        self.agent._on_update(Update(type_url=wire.URLS[LocalPod], resources=update, removed=(), nonce="p"))

    def kernel(self, number: int, **failed: str) -> None:
        self.agent._kernel.outcome.put(Outcome(number=number, failed=failed))
        self.agent._guards.outcome.put(Outcome(number=number))

    def proxy(
        self, number: int, failed: Mapping[str, str] | None = None, origins: Mapping[Origin, str] | None = None
    ) -> None:
        self.agent._proxy.outcome.put(Outcome(number=number, failed=failed or {}, origins=origins or {}))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(progress, "READY_TIMEOUT", 0.05)
    return Lab(tmp_path, monkeypatch)


def playing(scene: Callable[[], Awaitable[None]], *tasks: Callable[[], Awaitable[None]]) -> None:
    async def play() -> None:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            running = [group.create_task(_run(task)) for task in tasks]
            await scene()
            for task in running:
                task.cancel()

    asyncio.run(play())


async def _run(task: Callable[[], Awaitable[None]]) -> None:
    await task()


ATTACHED = attachment("c-a", "10.244.0.2", pod_uid=PodUid("u-a"), pin="/pins/c-a", phase=Phase.READY)


# What is enforced.


def test_nothing_is_enforced_before_control_has_told_everything_once(lab: Lab) -> None:
    async def scene() -> None:
        lab.tell_all()
        await asyncio.sleep(0.01)
        assert lab.agent._view() is None
        lab.agent._control.synced.put(True)
        await lab.agent._newest.awaited.after(0)
        view = lab.agent._view()
        assert view is not None
        assert view.pods == ()

    playing(scene, lab.agent._make_views)


def test_settings_that_cannot_be_remembered_degrade_the_node_until_they_can_and_views_go_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block of IPv6 comes while the disk is full."""
    refused = [DriverError("sysctls.json: No space left on device")]

    async def change(_: Mapping[str, str]) -> None:
        if refused:
            raise refused.pop()

    monkeypatch.setattr(lab.agent._settings, "set", change)
    monkeypatch.setattr(settings, "RETRY_SECONDS", 0.01)

    async def scene() -> None:
        lab.tell_all()
        lab.tell(Node, "n", n1=msgspec.structs.replace(NODE, pod_cidrs=(*NODE.pod_cidrs, "fd00:1::/64")))
        lab.agent._control.synced.put(True)
        await lab.agent._newest.awaited.after(0)
        assert any("sysctls.json" in text for text in await lab.agent.degraded())
        while not lab.agent._settings._forwards_ipv6:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)
        assert not any("sysctls.json" in text for text in await lab.agent.degraded())

    playing(scene, lab.agent._make_views)


# What podnet waits for.


def test_a_pod_is_waited_for_until_control_speaks_of_it(lab: Lab) -> None:
    async def scene() -> None:
        asyncio.get_running_loop().call_later(0.02, lab.tell_all)
        assert await lab.agent.pod(PodUid("u-a"), "", "", 10.0) == POD
        assert await lab.agent.pod(PodUid(""), "shop", "a", 0.0) == POD
        assert await lab.agent.pod(PodUid("u-never"), "", "", 0.01) is None

    playing(scene)


def test_an_attachment_whose_policy_is_refused_inside_is_not_ready(lab: Lab) -> None:
    async def scene() -> None:
        lab.tell_all()
        lab.kernel(4)
        lab.agent._guards.outcome.put(Outcome(number=4, failed={"policy/c-a": "no room", "policy/c-b": "not ours"}))
        with pytest.raises(DriverError, match="policy/c-a: no room"):
            await lab.agent.attached(ATTACHED)

    playing(scene)


def test_an_attachment_is_ready_when_the_kernel_has_its_view(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "READY_TIMEOUT", 20.0)

    async def scene() -> None:
        lab.tell_all()
        asyncio.get_running_loop().call_later(0.01, lab.kernel, 4)
        await lab.agent.attached(ATTACHED)
        assert len(lab.agent._attached) == 1

    playing(scene)


def test_a_kernel_that_refuses_fails_the_attachment_with_its_words(lab: Lab) -> None:
    async def scene() -> None:
        lab.tell_all()
        lab.kernel(0, kernel="no memory")
        with pytest.raises(DriverError, match=r"not in force after 0\.05 s: no memory"):
            await lab.agent.attached(ATTACHED)

    playing(scene)


def test_a_proxy_that_is_away_does_not_hold_up_a_detachment(lab: Lab) -> None:
    async def scene() -> None:
        lab.agent._attached.take([ATTACHED])
        lab.kernel(1)
        lab.proxy(1, {SILENT: "away"})
        await lab.agent.detached(ATTACHED)
        assert len(lab.agent._attached) == 0
        await lab.agent.detached(ATTACHED)

    playing(scene)


# What `tandem status` shows.


def test_the_status_tells_what_could_not_be_put_in_force(lab: Lab) -> None:
    async def scene() -> None:
        lab.kernel(0, kernel="no memory")
        lab.proxy(0, {"rt/web": "bad regex"})
        found: Mapping[str, Any] = await lab.agent._status()
        assert found["problems"] == ["no memory", "bad regex"]
        assert (found["certificates"], found["attachments"]) == ([], 0)
        assert found["envoy"]["ready"] is False

    playing(scene)


def test_the_agents_directory_is_its_own(tmp_path: Path) -> None:
    new_agent("n1", NodeDir(tmp_path / "nodes" / "n1"), tmp_path / "control.sock")
    assert (tmp_path / "nodes" / "n1").stat().st_mode & 0o077 == 0


def test_a_journal_that_cannot_be_written_degrades_the_node_until_it_can(lab: Lab, tmp_path: Path) -> None:
    def troubles() -> list[str]:
        return [text for text in asyncio.run(lab.agent.degraded()) if "ipam.db" in text]

    assert troubles() == []
    with no_room(tmp_path):
        with pytest.raises(DriverError):
            lab.agent._journal.add(ATTACHED)
        assert len(troubles()) == 1
    assert troubles() == []


def test_what_cuts_the_node_off_degrades_it_and_what_another_node_lacks_does_not(lab: Lab) -> None:
    lab.agent._encryption.failed = {"node-2": "node node-2 has told no key", "": "the tunnel is not in force"}
    lab.agent._bgp.failed = {"peer": "no BGP session", "bgp": "the BGP speaker is not up"}
    found = asyncio.run(lab.agent.degraded())
    assert found == ("the tunnel is not in force", "the BGP speaker is not up", "Envoy is not running or not ready")
