"""The loop that lets pods through chains of others, over a fake of iptables."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import pytest

from looping import Step, play
from tandem.base.cell import Cell
from tandem.base.clock import SystemClock
from tandem.base.problems import DriverError
from tandem.drivers.firewall.fake import FakeFirewall
from tandem.ir.network import Network
from tandem.ir.node import NodeView
from tandem.runtime import firewall
from tandem.runtime.firewall import FirewallLoop
from tandem.runtime.views import Numbered, Views
from unit.compile.fabric.fabricviews import node, view

DOCKER = ["-P INPUT ACCEPT", "-P FORWARD DROP", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER"]
LEAVE = Network(opens_firewalls=False)


class Watched:
    """A loop over one view and one table."""

    def __init__(self, first: NodeView, *lines: str, kind: str = "nft") -> None:
        self.fake = FakeFirewall()
        self.key = (kind, 4)
        if lines:
            self.fake.lines[self.key] = list(lines)
        self.views: Views = Cell(Numbered(number=1, view=first))
        self.loop = FirewallLoop(self.fake, SystemClock())

    @property
    def ours(self) -> int:
        return sum("tandem:" in line for line in self.fake.lines.get(self.key, ()))

    def play(self, *steps: Step) -> None:
        play(lambda: self.loop.run(self.views), *steps)


def nothing() -> None:
    pass


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firewall, "barriers", lambda _prefixes, *, besides: tuple(map(str, besides)))
    monkeypatch.setattr(firewall, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(firewall, "SPARED", 0.0)


def test_rules_come_with_docker_are_put_back_after_it_started_again_and_go_with_it() -> None:
    watched = Watched(view(), *DOCKER)

    def restarts() -> None:
        watched.fake.lines[watched.key] = [*DOCKER, "-A FORWARD -i docker0 -j ACCEPT"]

    def ends() -> None:
        watched.fake.lines[watched.key][1] = "-P FORWARD ACCEPT"

    watched.play((nothing, lambda: watched.ours == 4), (restarts, lambda: watched.ours == 4 and watched.loop.opened))
    assert watched.loop.opened == ("chain FORWARD of iptables-nft",)
    assert watched.loop.problems() == ("('ip', 'filter')",), "nftables' own reader is told which table is read"
    (newest,) = watched.loop.status()["newest"]
    assert newest["what"] == ["rules of chain FORWARD of iptables-nft removed"]
    watched.play((ends, lambda: not watched.ours and not watched.loop.opened))
    assert watched.loop.status()["found"] == 1, "that they went with what they were for is nobody's fault"


def test_where_the_cluster_leaves_them_alone_what_drops_is_told_and_rules_of_before_go() -> None:
    watched = Watched(view(), *DOCKER, kind="legacy")
    left: NodeView = view(network=LEAVE)
    watched.play(
        (nothing, lambda: watched.ours),
        (
            lambda: watched.views.put(Numbered(number=2, view=left)),
            lambda: not watched.ours and watched.loop.problems(),
        ),
    )
    (told,) = watched.loop.problems()
    assert told == (
        "the chain FORWARD of iptables-legacy drops what is forwarded unless a rule there accepts it: "
        "iptables-legacy -I FORWARD -i td+ -j ACCEPT; iptables-legacy -I FORWARD -o td+ -j ACCEPT"
    )


def test_what_comes_to_the_node_is_told_and_never_let_through() -> None:
    watched = Watched(view(), "-P INPUT DROP", "-P FORWARD ACCEPT")
    before = [*watched.fake.lines[watched.key]]
    watched.play((nothing, watched.loop.problems))
    assert watched.loop.problems()[0].endswith("iptables-nft -I INPUT -i td+ -j ACCEPT")
    assert watched.fake.lines[watched.key] == before


def test_a_refusal_is_told_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firewall, "LOOK_SECONDS", 0.0)
    watched = Watched(view(), *DOCKER)
    told: list[Collection[str]] = []

    def heard() -> bool:
        told.append(watched.loop.problems())
        return bool(watched.loop.problems())

    watched.fake.fail_next(DriverError("iptables-nft: busy"))
    watched.play((nothing, heard), (nothing, lambda: watched.ours == 4))
    assert told[-1] == ("chains of other programs are not as pods need them: iptables-nft: busy",)


def test_a_node_that_joins_is_let_through_too() -> None:
    watched = Watched(view(), *DOCKER)
    more = Numbered(number=2, view=view(node(7)))
    watched.play((nothing, lambda: watched.ours == 4), (lambda: watched.views.put(more), lambda: watched.ours == 6))
    six = msgspec.structs.replace(view(), pods=())
    watched.play((lambda: watched.views.put(Numbered(number=3, view=six)), lambda: watched.ours == 4))
