"""What every Prober does: the fake, and the real one over a veth pair that carries 1300 bytes in one place."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from netns.podlab import ip, lab
from tandem.base.netns import in_netns
from tandem.drivers.probe.fake import FakeProber
from tandem.drivers.probe.real import RawProber

Ask = Callable[[Mapping[str, int]], frozenset[str]]
NEAR, NEAR6, NOBODY = "192.0.2.2", "2001:db8::2", "192.0.2.9"


@pytest.fixture(params=["fake", pytest.param("kernel", marks=pytest.mark.root)])
def ask(request: pytest.FixtureRequest) -> Iterator[Ask]:
    """A question from a node whose own link has MTU 1500, to one whose link takes 1300."""
    if request.param == "fake":
        fake = FakeProber(**{NEAR: 1300, NEAR6: 1300})
        yield lambda sizes: fake.echo(sizes, 2.0)
        return
    with lab() as spaces:
        one, two = spaces.add("one"), spaces.add("two")
        peer = ["peer", "name", "under", "netns", Path(two).name]
        subprocess.run(["ip", "-n", Path(one).name, "link", "add", "under", "type", "veth", *peer], check=True)
        for number, space in enumerate((one, two), 1):
            ip(space, "addr", "add", f"192.0.2.{number}/24", "dev", "under")
            ip(space, "addr", "add", f"2001:db8::{number}/64", "dev", "under", "nodad")
            ip(space, "link", "set", "under", "up")
        ip(two, "link", "set", "under", "mtu", "1300")
        ip(one, "neighbour", "replace", NOBODY, "lladdr", "02:00:00:00:00:09", "dev", "under")
        yield lambda sizes: in_netns(one, lambda: RawProber().echo(sizes, 2.0))


def test_who_answers_with_all_of_it_is_named(ask: Ask) -> None:
    assert ask({NEAR: 1300, NEAR6: 1300, NOBODY: 100}) == {NEAR, NEAR6}


def test_what_is_too_long_gets_no_answer_since_nobody_may_fragment(ask: Ask) -> None:
    too_long = 1300 + 4 + 1  # a veth has room for a VLAN tag beside its MTU
    assert ask({NEAR: too_long, NEAR6: too_long}) == frozenset()


def test_what_cannot_even_be_sent_is_not_answered(ask: Ask) -> None:
    assert ask({NEAR: 1501, "203.0.113.1": 100}) == frozenset()


def test_to_ask_nobody_is_fine(ask: Ask) -> None:
    assert ask({}) == frozenset()
