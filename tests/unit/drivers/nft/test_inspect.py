"""What is said of a kernel's table that differs from the compiled one; the kernel's own words in tests/netns."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.nft import inspect
from tandem.drivers.nft.inspect import missing
from tandem.state import nft

RULES = (nft.Rule(then=(nft.Accept(),), comment="a"), nft.Rule(then=(nft.Drop(),)))
EXPECTED = nft.ruleset(
    chains=(nft.Chain(name="c", rules=RULES),),
    sets=(nft.Set(name="links4", type=("ifname", "ipv4_addr"), elements=frozenset({("td1", "10.0.0.1")})),),
    maps=(
        nft.Map(name="ingress4", type=("ipv4_addr",), elements=frozenset({(("10.0.0.1",), nft.Goto("c"))})),
        nft.Map(name="other", type=("ipv4_addr",), elements=frozenset({(("10.0.0.9",), nft.Goto("c"))})),
    ),
)
KERNEL: dict[str, list[dict[str, Any]]] = {
    "list chain inet tandem c": [{"chain": {}}, {"rule": {"comment": "a"}}, {"rule": {}}],
    "list set inet tandem links4": [{"set": {"elem": [{"concat": ["td1", "10.0.0.1"]}]}}],
    "list map inet tandem ingress4": [{"map": {"elem": [["10.0.0.1", {"goto": {"target": "c"}}]]}}],
}


def found(monkeypatch: pytest.MonkeyPatch, change: dict[str, list[dict[str, Any]] | None], netns: str = "") -> str:
    kernel = {**KERNEL, **change}

    def listing(command: str, _: str) -> list[dict[str, Any]]:
        objects = kernel.get(command)
        if objects is None:
            raise DriverError("no such thing")
        return objects

    monkeypatch.setattr(inspect, "listing", listing)
    return "; ".join(missing(EXPECTED, chains=["c"], atoms=frozenset({"10.0.0.1", "td1"}), netns=netns))


def test_what_is_as_compiled_is_not_named_and_other_pods_elements_are_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert found(monkeypatch, {}) == ""


@pytest.mark.parametrize(
    ("command", "answer", "words"),
    [
        ("list chain inet tandem c", None, "the node's table inet tandem lacks the chain c"),
        ("list chain inet tandem c", [{"rule": {}}], "chain c of the node's table inet tandem is not as compiled: 1"),
        ("list set inet tandem links4", None, "lacks the set links4"),
        ("list set inet tandem links4", [{"set": {}}], "set links4 of the node's table inet tandem lacks td1 ."),
        ("list map inet tandem ingress4", [{"map": {"elem": []}}], "map ingress4"),
    ],
)
def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, command: str, answer: list[dict[str, Any]] | None, words: str
) -> None:
    assert words in found(monkeypatch, {command: answer})


def test_the_pods_table_is_called_the_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the pod's table" in found(monkeypatch, {"list chain inet tandem c": None}, "/run/netns/x")


def test_elements_with_counters_and_the_like_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    element = {"elem": {"val": {"concat": ["td1", "10.0.0.1"]}, "counter": {}}}
    assert found(monkeypatch, {"list set inet tandem links4": [{"set": {"elem": [element]}}]}) == ""
