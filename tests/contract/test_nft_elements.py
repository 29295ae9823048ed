"""Elements written by our own hand are what libnftables would have made of them, by the kernel's own word."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from netns.podlab import space
from tandem.base.problems import DriverError
from tandem.drivers.nft.commands import commands
from tandem.drivers.nft.elements import batch
from tandem.drivers.nft.plan import AddElements, DeleteElements, Delta, plan
from tandem.drivers.nft.real import Libnftables, listing
from tandem.state import nft

pytestmark = pytest.mark.root

JUDGE = nft.Chain(name="judge")
SETS: dict[nft.Set, tuple[nft.Key, ...]] = {
    nft.Set(name="four", type=("ipv4_addr",)): (("10.0.0.1",), ("10.0.255.2",), ("203.0.113.7",)),
    nft.Set(name="six", type=("ipv6_addr",)): (("fd00::1",), ("2001:db8::a:b",)),
    nft.Set(name="links", type=("ifname", "ipv4_addr")): (("td0a1b2c3d4e5f6", "10.0.0.1"), ("lo", "10.0.0.2")),
    nft.Set(name="pairs", type=("ipv6_addr", "ipv6_addr")): (("fd00::1", "fd00::1"), ("fd00::2", "fd00::3")),
    nft.Set(name="fronts", type=("ipv4_addr", "inet_proto", "inet_service")): (
        ("10.96.0.1", "tcp", 443),
        ("10.96.0.1", "udp", 53),
        ("10.96.0.2", "sctp", 65535),
    ),
}
MAPS: dict[nft.Map, tuple[Any, ...]] = {
    nft.Map(name="pods4", type=("ipv4_addr",)): (
        (("10.0.0.1",), nft.Jump("judge")),
        (("10.0.0.2",), nft.Goto("judge")),
        (("10.0.0.3",), nft.Drop()),
        (("10.0.0.4",), nft.Accept()),
        (("10.0.0.5",), nft.Return()),
    ),
    nft.Map(name="both", type=("ifname", "inet_service")): ((("eth0", 80), nft.Jump("judge")),),
    nft.Map(name="by", type=("ipv6_addr",), data=("counter",)): (
        (("fd00::1",), ("ok-1",)),
        (("fd00::2",), ("ok-2",)),
        (("fd00::3",), ("ok-1",)),
    ),
}
COUNTERS = frozenset({"ok-1", "ok-2"})
EMPTY = nft.ruleset(chains=(JUDGE,), sets=tuple(SETS), maps=tuple(MAPS), counters=COUNTERS)


@pytest.fixture
def netns() -> Iterator[str]:
    with space() as name:
        yield f"/run/netns/{name}"


def filled(first: int) -> nft.Ruleset:
    """With the elements of each from that one on."""
    return nft.ruleset(
        chains=(JUDGE,),
        sets=tuple(msgspec.structs.replace(s, elements=frozenset(e[first:])) for s, e in SETS.items()),
        maps=tuple(msgspec.structs.replace(m, elements=frozenset(e[first:])) for m, e in MAPS.items()),
        counters=COUNTERS,
    )


def told(netns: str, family: str, table: str) -> list[Any]:
    """The table in the kernel's words, without its numbers."""
    found = listing(f"list table {family} {table}", netns)
    for entry in found:
        for body in entry.values():
            body.pop("handle", None)
            body.pop("table", None)
            if isinstance(body.get("elem"), list):
                body["elem"].sort(key=repr)
    return [entry for entry in found if not {"metainfo", "table"} & entry.keys()]


def compared(netns: str, family: str, before: nft.Ruleset, *steps: nft.Ruleset) -> Libnftables:
    """After each step, by our own hand and by libnftables, the kernel has the same."""
    ours, theirs = Libnftables(netns, family=family), Libnftables(netns, table="other", family=family)
    for driver in (ours, theirs):
        driver.apply(plan(None, before))
    for wanted in steps:
        delta = plan(before, wanted)
        assert batch(delta, "tandem", family) is not None
        ours.apply(delta)
        theirs._run(commands(delta, "other", family))
        assert told(netns, family, "tandem") == told(netns, family, "other")
        before = wanted
    return ours


@pytest.mark.parametrize("family", ["inet", "bridge"])
def test_the_kernel_has_what_libnftables_would_have_made(netns: str, family: str) -> None:
    ours = compared(netns, family, EMPTY, filled(0), filled(1), EMPTY, filled(1), filled(0))
    assert ours.read() == filled(0)


@pytest.mark.parametrize("family", ["inet", "bridge"])
def test_sets_and_maps_of_addresses_come_filled_and_go(netns: str, family: str) -> None:
    types, whole, none = {("ipv4_addr",), ("ipv6_addr",)}, filled(0), nft.ruleset(chains=(JUDGE,), counters=COUNTERS)
    some = nft.ruleset(
        chains=(JUDGE,),
        sets=tuple(one for one in whole.sets if one.type in types),
        maps=tuple(one for one in whole.maps if one.type in types),
        counters=COUNTERS,
    )
    assert len(some.sets) == len(some.maps) == 2
    compared(netns, family, none, some, none, some)


def test_an_address_gets_another_counter_in_one_transaction(netns: str) -> None:
    driver = Libnftables(netns)
    driver.apply(plan(None, filled(0)))
    (by,) = (m for m in filled(0).maps if m.name == "by")
    other = msgspec.structs.replace(by, elements=frozenset({(("fd00::1",), ("ok-2",))}))
    rest = tuple(m for m in filled(0).maps if m.name != "by")
    delta = plan(driver.read(), msgspec.structs.replace(filled(0), maps=(*rest, other)))
    assert batch(delta, "tandem", "inet") is not None
    driver.apply(delta)
    (found,) = [e["map"] for e in listing("list map inet tandem by", netns) if "map" in e]
    assert found["elem"] == [["fd00::1", "ok-2"]]


def test_a_thousand_at_once_are_all_there(netns: str) -> None:
    driver = Libnftables(netns)
    driver.apply(plan(None, EMPTY))
    many = frozenset((f"10.{n // 250}.0.{n % 250}",) for n in range(1500))
    driver.apply(Delta(operations=(AddElements(nft.Set(name="four", type=("ipv4_addr",)), many),)))
    (found,) = [e["set"] for e in listing("list set inet tandem four", netns) if "set" in e]
    assert len(found["elem"]) == len(many)


def test_what_the_kernel_refuses_is_refused_whole(netns: str) -> None:
    driver = Libnftables(netns)
    driver.apply(plan(None, EMPTY))
    four = nft.Set(name="four", type=("ipv4_addr",))
    wrong = DeleteElements(four, frozenset({("10.0.0.9",)}))
    with pytest.raises(DriverError, match="No such file"):
        driver.apply(Delta(operations=(AddElements(four, frozenset({("10.0.0.1",)})), wrong)))
    assert driver.read() == EMPTY
    (found,) = [e["set"] for e in listing("list set inet tandem four", netns) if "set" in e]
    assert "elem" not in found


def test_a_table_that_is_gone_is_told_as_such(netns: str) -> None:
    driver = Libnftables(netns)
    driver.apply(plan(None, EMPTY))
    subprocess.run(["ip", "netns", "exec", netns.rpartition("/")[2], "nft", "flush", "ruleset"], check=True)
    with pytest.raises(DriverError):
        driver.apply(plan(EMPTY, filled(0)))


def test_a_batch_may_have_more_answers_than_a_socket_holds_by_itself(netns: str) -> None:
    """One element in each of three thousand sets: each message of the batch has an answer of its own."""
    bare = nft.ruleset(sets=tuple(nft.Set(name=f"s{n}", type=("ipv4_addr",)) for n in range(3000)))
    full = nft.ruleset(
        sets=tuple(nft.Set(name=f"s{n}", type=("ipv4_addr",), elements=frozenset({("10.0.0.1",)})) for n in range(3000))
    )
    driver = Libnftables(netns)
    driver.apply(plan(None, bare))
    delta = plan(bare, full)
    assert batch(delta, "tandem", "inet") is not None
    driver.apply(delta)
    assert driver.read() == full
