"""Settings of the node, over a fake kernel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from looping import Step, play
from tandem.base.clock import SystemClock
from tandem.base.paths import NodeDir
from tandem.base.problems import DriverError
from tandem.drivers.link.fake import FakeLinks
from tandem.runtime import settings, sysctls
from tandem.runtime.settings import NodeSettings
from tandem.runtime.sysctls import remembered

UPLINK = "net.ipv4.conf.eth0.forwarding"
DOTTED = "net.ipv4.conf.eth0/7.forwarding"


class Node:
    """A node that forwards, with an uplink that does not."""

    def __init__(self, directory: Path) -> None:
        self.links, self.dir = FakeLinks(), NodeDir(directory)
        self.links.outer = ("eth0", "eth0.7")
        self.links.sysctls |= {"net.ipv4.ip_forward": "1", UPLINK: "0", DOTTED: "1"}
        self.again = 0
        self.settings = NodeSettings(self.links, self.dir, SystemClock(), self._more)

    def _more(self) -> None:
        self.again += 1

    def play(self, *steps: Step) -> None:
        play(self.settings.run, *steps)

    def set(self, name: str, value: str) -> None:
        self.links.sysctls[name] = value


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(settings, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(settings, "LINKS_SECONDS", 0.0)
    return Node(tmp_path)


def forwards(node: Node, *names: str) -> Callable[[], bool]:
    return lambda: all(node.links.sysctls[name] == "1" for name in names)


def test_a_link_that_leads_to_others_forwards_and_its_value_of_before_is_kept(node: Node) -> None:
    node.play((lambda: None, forwards(node, UPLINK)))
    assert remembered(node.dir) == {UPLINK: "0"}
    assert node.settings.status() == {"found": 0, "repaired": 0, "newest": []}, "nobody changed anything"


def test_what_others_switch_off_is_switched_on_and_told(node: Node) -> None:
    node.play(
        (lambda: None, forwards(node, UPLINK)),
        (lambda: node.set("net.ipv4.ip_forward", "0"), forwards(node, "net.ipv4.ip_forward")),
        (lambda: node.set(DOTTED, "0"), forwards(node, DOTTED)),
    )
    told = node.settings.status()
    assert told["found"] == told["repaired"] == 2
    assert [change["what"] for change in told["newest"]] == [
        ["setting net.ipv4.ip_forward changed"],
        [f"setting {DOTTED} changed"],
    ]


def test_ipv6_counts_once_the_node_has_it(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysctls, "_ROUTES", Path("/nowhere"))
    node.play((lambda: None, forwards(node, UPLINK)))
    assert node.links.sysctls[sysctls.FORWARD_IPV6] == "0"
    asyncio.run(node.settings.meet(ipv6=True, segment=False))
    node.play((lambda: node.set(sysctls.FORWARD_IPV6, "0"), forwards(node, sysctls.FORWARD_IPV6)))


def test_a_refusal_is_told_until_it_is_over(node: Node) -> None:
    node.links.fail_next(DriverError("read-only"), "set_sysctls")
    node.play((lambda: None, node.settings.problems))
    assert node.settings.problems() == ("what comes from outside may not be forwarded to pods: read-only",)
    node.play((lambda: None, lambda: not node.settings.problems()))


def test_a_link_that_has_gone_is_nothing_to_tell(node: Node) -> None:
    node.play((lambda: None, forwards(node, UPLINK)))
    before = len(node.links.calls)
    del node.links.sysctls[UPLINK]
    node.play((lambda: None, lambda: len(node.links.calls) > before + 9))
    assert node.settings.problems() == ()


def test_what_is_refused_is_tried_again_and_told_meanwhile(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(sysctls, "_ROUTES", Path("/nowhere"))

    async def scene() -> None:
        node.links.fail_next(DriverError("no"), "set_sysctls")
        await node.settings.meet(ipv6=True, segment=False)
        assert node.settings.problems() == ("no",)
        await asyncio.sleep(0.01)
        assert node.again == 1
        await node.settings.meet(ipv6=True, segment=False)

    asyncio.run(scene())
    assert node.settings.problems() == ()
    assert node.links.sysctls[sysctls.FORWARD_IPV6] == "1"
