"""What the agent knows of its network, over a fake kernel and paths of given sizes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from tandem.base.cell import Cell
from tandem.drivers.link.fake import FakeLinks
from tandem.drivers.probe.fake import FakeProber
from tandem.ir.network import Network
from tandem.ir.node import NodeView
from tandem.runtime import network
from tandem.runtime.network import NetworkWatch
from tandem.runtime.views import Numbered, Views
from tandem.state.links import HostSide
from unit.compile.fabric.fabricviews import node, view

VXLAN = Network(fabric="vxlan")
HOST = HostSide(node="node-1", sources=("10.244.1.1",), mtu=1500)


class Watched:
    """A watch over one view; `met` is what it said of the underlay."""

    def __init__(self, prober: FakeProber, first: NodeView | None, *, mtu: int = 1500) -> None:
        self.met: list[int] = []
        self.links = FakeLinks(mtu=mtu)
        self.views: Views = Cell(None if first is None else Numbered(number=1, view=first))
        self.watch = NetworkWatch(self.links, prober, self.views, self.met.append)

    async def until(self, holds: Callable[[], object]) -> None:
        """Run until something holds."""
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.watch.run())
            while not holds():  # noqa: ASYNC110 - what holds is told by no event
                await asyncio.sleep(0.005)
            running.cancel()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SETTLE_SECONDS", "AGAIN_SECONDS", "EVERY_SECONDS"):
        monkeypatch.setattr(network, name, 0.01)


def test_before_the_first_view_nothing_is_known_and_nothing_changed() -> None:
    watch = Watched(FakeProber(), None).watch
    assert (watch.fit(HOST), watch.narrow(), watch.status(())) == (HOST, (), {})


def test_new_links_have_the_mtu_that_the_underlay_leaves() -> None:
    watch = Watched(FakeProber(), view(network=VXLAN, underlay_mtu=9000)).watch
    assert watch.fit(HOST).mtu == 8950


def test_sound_paths_are_no_trouble() -> None:
    watched = Watched(FakeProber(**{"10.244.2.1": 1450}), view(node(2), network=VXLAN))
    asyncio.run(watched.until(lambda: watched.watch.status(())["paths"]))
    assert watched.watch.status(()) == {
        "fabric": "vxlan",
        "mtu": 1450,
        "underlayMTU": 1500,
        "overhead": 50,
        "paths": [{"node": "node-2", "carries": 1450}],
        "problems": [],
    }


def test_a_narrow_path_says_what_to_do_and_a_silent_node_is_no_narrow_path() -> None:
    watched = Watched(FakeProber(**{"10.244.2.1": 1250}), view(node(2), node(3), network=VXLAN))
    asyncio.run(watched.until(lambda: watched.watch.status(())["paths"]))
    narrow = (
        "the path to node node-2 carries packets of 1250 bytes, and pods send 1450: set spec.mtu of Network default to "
        "1250, or find the link that is narrower than the nodes' own"
    )
    assert watched.watch.narrow() == (narrow,)
    assert watched.watch.status(("no route",))["problems"] == ["no route", narrow, "node node-3 does not answer"]


def test_an_mtu_that_the_underlay_does_not_leave_is_told_without_any_other_node() -> None:
    watch = Watched(FakeProber(), view(network=msgspec.structs.replace(VXLAN, mtu=1500))).watch
    assert watch.narrow() == (
        "pods have the MTU 1500, and the underlay leaves 1450: lower spec.mtu of Network default",
    )


def test_an_underlay_that_changes_is_told() -> None:
    watched = Watched(FakeProber(), view(), mtu=9000)
    asyncio.run(watched.until(lambda: watched.met))
    assert watched.met[0] == 9000


def test_a_node_is_probed_among_the_addresses_of_its_pods() -> None:
    prober = FakeProber()
    peers = (node(2, "192.0.2.2", "fd00:2::/64", "10.244.2.0/24"), node(3, "192.0.2.3", "fd00:3::/64"))
    watched = Watched(prober, view(*peers))
    asyncio.run(watched.until(lambda: prober.calls))
    assert prober.calls[0] == {"10.244.2.1": 1500}
