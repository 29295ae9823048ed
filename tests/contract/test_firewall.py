"""What every Firewall does: the fake, and iptables-nft and iptables-legacy in a namespace, of both families."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from netns.podlab import lab
from tandem.base.netns import in_netns
from tandem.base.problems import DriverError
from tandem.drivers.firewall.chains import Filter, changes, opened, place
from tandem.drivers.firewall.fake import FakeFirewall
from tandem.drivers.firewall.port import Firewall
from tandem.drivers.firewall.real import Iptables
from tandem.state.firewall import Accept

T = TypeVar("T")
WANTED = {
    4: (
        Accept(matches=("-i", "td+"), why="what pods send"),
        Accept(
            matches=("-d", "10.244.0.0/16", "-m", "conntrack", "--ctstate", "DNAT"), why="Services in 10.244.0.0/16"
        ),
        Accept(matches=("-s", "10.244.3.9/32", "-m", "conntrack", "--ctstate", "DNAT"), why="answers"),
    ),
    6: (
        Accept(matches=("-o", "td+"), why="what is for pods"),
        Accept(matches=("-d", "fd00:10:244::/64", "-m", "conntrack", "--ctstate", "DNAT"), why="Services"),
    ),
}
CHAINS = ("-P FORWARD DROP", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER", "-A FORWARD -i docker0 -j ACCEPT")


class Machine:
    """A namespace, or a fake, with iptables of one kind."""

    def __init__(self, kind: str, version: int, netns: Path | None) -> None:
        self.kind, self.version = kind, version
        self._netns = netns
        self._fake = FakeFirewall()
        self.firewall: Firewall = Iptables() if netns else self._fake

    def at(self, work: Callable[[], T]) -> T:
        return in_netns(str(self._netns), work) if self._netns else work()

    def others(self, *lines: str) -> None:
        """Another program's commands."""
        if self._netns is None:
            self._fake.lines.setdefault((self.kind, self.version), []).extend(lines)
            return
        program = f"{'iptables' if self.version == 4 else 'ip6tables'}-{self.kind}"
        for line in lines:
            subprocess.run(["nsenter", f"--net={self._netns}", program, *line.split()], check=True)

    def table(self) -> Filter:
        (found,) = self.at(self.firewall.read).tables
        return found

    def settle(self, *wanted: Accept) -> Filter:
        if text := changes(self.table(), wanted):
            self.at(lambda: self.firewall.change(self.table(), text))
        return self.table()


PARAMS = [
    pytest.param((kind, version, real), marks=[pytest.mark.root] if real else [], id=f"{kind}-{version}-{where}")
    for where, real in (("fake", False), ("kernel", True))
    for kind in ("nft", "legacy")
    for version in (4, 6)
]


@pytest.fixture(params=PARAMS)
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    kind, version, real = request.param
    if not real:
        yield Machine(kind, version, None)
        return
    with lab() as spaces:
        yield Machine(kind, version, Path(spaces.add("node")))


def test_what_is_not_there_is_not_made(machine: Machine) -> None:
    assert machine.at(machine.firewall.read).tables == ()
    before = machine.at(machine.firewall.state)
    assert machine.at(machine.firewall.read).tables == ()
    assert machine.at(machine.firewall.state) == before


def test_rules_are_read_as_they_were_written_and_go_without_a_trace(machine: Machine) -> None:
    before = machine.at(machine.firewall.state)
    machine.others(*CHAINS)
    assert machine.at(machine.firewall.state) != before
    found, wanted = machine.table(), WANTED[machine.version]
    assert (found.kind, found.version, place(found)) == (machine.kind, machine.version, 2)
    now = machine.settle(*wanted)
    assert [rule.words for rule in now.chains["FORWARD"] if rule.ours] == [accept.words for accept in wanted]
    assert changes(now, wanted) == ""
    machine.others("-A FORWARD -i br0 -j ACCEPT")
    later = machine.settle(*wanted)
    assert place(later) == 3
    assert [rule.ours for rule in later.chains["FORWARD"]] == [False] * 3 + [True] * len(wanted)
    gone = machine.settle()
    assert not opened(gone)
    assert [rule.line for rule in gone.chains["FORWARD"]] == [*CHAINS[2:], "-A FORWARD -i br0 -j ACCEPT"]


def test_a_change_made_of_what_is_no_longer_so_changes_nothing(machine: Machine) -> None:
    machine.others(*CHAINS)
    now = machine.settle(*WANTED[machine.version])
    away = changes(now, ())
    machine.at(lambda: machine.firewall.change(now, away))
    left = machine.table()
    with pytest.raises(DriverError):
        machine.at(lambda: machine.firewall.change(now, away))
    assert machine.table() == left
