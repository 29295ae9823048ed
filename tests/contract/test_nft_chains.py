"""Chains and rules written by our own hand are what libnftables would have made of them, by the kernel's own word."""

from __future__ import annotations

import itertools
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from builders import namespace, pod, policy
from nodeviews import view_of
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.commands import commands
from tandem.drivers.nft.elements import batch
from tandem.drivers.nft.plan import AddChain, AddCounters, AddRules, Delta, plan
from tandem.drivers.nft.real import Libnftables, listing
from tandem.model.world import World
from tandem.state import nft
from tandem.state.nft import Field

pytestmark = pytest.mark.root

SETS = (
    nft.Set(name="four", type=("ipv4_addr",)),
    nft.Set(name="six", type=("ipv6_addr",)),
    nft.Set(name="self4", type=("ipv4_addr", "ipv4_addr")),
    nft.Set(name="self6", type=("ipv6_addr", "ipv6_addr")),
    nft.Set(name="fronts", type=("ipv4_addr", "inet_proto", "inet_service")),
)
MAPS = (
    nft.Map(name="judged", type=("ipv4_addr",)),
    nft.Map(name="by4", type=("ipv4_addr",), data=("counter",)),
    nft.Map(name="by6", type=("ipv6_addr", "inet_proto", "inet_service"), data=("counter",)),
)
FOUR, SIX = nft.InSet((Field.SADDR4,), "four"), nft.InSet((Field.DADDR6,), "six")
TCP, PORT = nft.Is(Field.L4PROTO, "tcp"), nft.OneOf(Field.DPORT, (8080,))
RULES = (
    nft.Rule(match=(FOUR, TCP, PORT), then=(nft.Counter("ok"), nft.Accept()), comment='a "quoted" comment'),
    nft.Rule(match=(SIX, nft.Is(Field.L4PROTO, "udp")), then=(nft.Counter("ok"), nft.Return())),
    nft.Rule(match=(nft.InSet((Field.SADDR4, Field.DADDR4), "self4"),), then=(nft.Accept(),), comment="itself"),
    nft.Rule(match=(nft.InSet((Field.SADDR6, Field.DADDR6), "self6"),), then=(nft.Accept(),)),
    nft.Rule(match=(nft.InSet((Field.DADDR4, Field.L4PROTO, Field.DPORT), "fronts"),), then=(nft.Drop(),)),
    nft.Rule(match=(nft.InSet((Field.SADDR4,), "four", negate=True),), then=(nft.Goto("other"),)),
    nft.Rule(then=(nft.Dispatch((Field.DADDR4,), "judged"),)),
    nft.Rule(then=(nft.CountBy((Field.SADDR4,), "by4"), nft.Return()), comment="17 groups"),
    nft.Rule(then=(nft.CountBy((Field.DADDR6, Field.L4PROTO, Field.DPORT), "by6"), nft.Accept())),
    nft.Rule(match=(TCP, nft.Is(Field.DPORT, 80, negate=True)), then=(nft.Jump("other"),)),
    nft.Rule(then=(nft.Limit(per_second=50, burst=100), nft.Log("ps-1/ingress"))),
    nft.Rule(then=(nft.Counter(), nft.Drop())),
)


@pytest.fixture
def netns() -> Iterator[str]:
    name = f"td-nft-{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield f"/run/netns/{name}"
    subprocess.run(["ip", "netns", "del", name], check=True)


def told(netns: str, table: str) -> list[Any]:
    """The table in the kernel's words, without its numbers; a set of one value is that value."""
    found = []
    for entry in listing(f"list table inet {table}", netns):
        if {"metainfo", "table"} & entry.keys():
            continue
        for body in entry.values():
            body.pop("handle", None)
            body.pop("table", None)
            if isinstance(body.get("elem"), list):
                body["elem"].sort(key=repr)
            for expression in body.get("expr", ()):
                right = expression.get("match", {}).get("right")
                if isinstance(right, dict) and len(right.get("set", ())) == 1:
                    expression["match"]["right"] = right["set"][0]
        found.append(entry)
    return sorted(found, key=repr)


def drivers(netns: str, begun: nft.Ruleset) -> tuple[Libnftables, Libnftables]:
    both = Libnftables(netns), Libnftables(netns, table="other")
    for driver in both:
        driver.apply(plan(None, begun))
    return both


def test_every_expression_is_what_libnftables_makes_of_it(netns: str) -> None:
    begun = nft.ruleset(chains=(nft.Chain(name="other"),), sets=SETS, maps=MAPS)
    ours, theirs = drivers(netns, begun)
    made = Delta(operations=(AddCounters(frozenset({"ok"})), AddChain("ps-1", None), AddRules("ps-1", RULES)))
    assert batch(made, "tandem", "inet") is not None
    ours.apply(made)
    theirs._run(commands(made, "other"))
    rules = [entry for entry in told(netns, "tandem") if "rule" in entry]
    assert len(rules) == len(RULES)
    assert told(netns, "tandem") == told(netns, "other")


def world(*ports: int) -> World:
    pods = [pod(f"p{i}", ip=f"10.244.0.{i + 2}", labels={"app": f"a{i}"}) for i in range(3)]
    peers: Any = [{"podSelector": {"matchLabels": {"app": "a1"}}}]
    ingress = [{"from": peers, "ports": [{"port": p} for p in ports]}]
    one = policy("x", podSelector={"matchLabels": {"app": "a0"}}, ingress=ingress)
    return World.of([namespace("default"), *pods, *([one] if ports else [])])


def test_a_policy_that_comes_changes_and_goes_is_written_by_hand_and_the_same(netns: str) -> None:
    steps = [compile_nft(view_of(world(*ports))) for ports in ((80,), (81,), (82,), (80,))]
    ours, theirs = drivers(netns, steps[0])
    for before, wanted in itertools.pairwise(steps):
        delta = plan(before, wanted)
        assert batch(delta, "tandem", "inet") is not None
        ours.apply(delta)
        theirs._run(commands(delta, "other"))
        assert told(netns, "tandem") == told(netns, "other")


def test_a_policy_with_a_selector_that_is_new_is_written_by_hand_and_the_same(netns: str) -> None:
    def seen(*apps: str) -> nft.Ruleset:
        pods = [pod(f"p{i}", ip=f"10.244.0.{i + 2}", labels={"app": f"a{i}"}) for i in range(3)]
        peers: Any = [{"podSelector": {"matchLabels": {"app": app}}} for app in apps]
        one = policy("x", podSelector={"matchLabels": {"app": "a0"}}, ingress=[{"from": peers}])
        return compile_nft(view_of(World.of([namespace("default"), *pods, one])))

    steps = [seen("a1"), seen("a1", "a2"), seen("a2"), seen(*(f"a{n}" for n in range(1, 18))), seen("a1")]
    ours, theirs = drivers(netns, steps[0])
    for before, wanted in itertools.pairwise(steps):
        delta = plan(before, wanted)
        assert batch(delta, "tandem", "inet") is not None
        ours.apply(delta)
        theirs._run(commands(delta, "other"))
        assert told(netns, "tandem") == told(netns, "other")


def test_what_is_not_written_by_hand_is_left_whole_to_libnftables(netns: str) -> None:
    before, wanted = compile_nft(view_of(world(80))), compile_nft(view_of(world(80, 81)))
    ours, theirs = drivers(netns, before)
    delta = plan(before, wanted)
    assert batch(delta, "tandem", "inet") is None
    ours.apply(delta)
    theirs._run(commands(delta, "other"))
    assert told(netns, "tandem") == told(netns, "other")
