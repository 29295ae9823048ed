"""Shares of splitters, and of splitters within splitters."""

from __future__ import annotations

from typing import Any

import pytest

from consulworlds import split, splitter
from tandem.base.problems import Origin
from tandem.ir.mesh import HeaderEdit
from tandem.model.consulroutes import ServiceSplitter
from tandem.model.world import World
from tandem.translate.mesh.consul.splitters import read_splitters

AT = Origin(kind="ServiceRouter", namespace="default", name="x")


def shares(*said: ServiceSplitter, of: str = "web") -> list[tuple[str, str, int]]:
    found = read_splitters(World.of(said))
    assert found.problems == ()
    return [(s.target.service, s.target.subset, s.weight) for s in found.shares(("default", of), AT)]


def test_without_a_splitter_all_goes_to_the_service() -> None:
    assert shares() == [("web", "", 10_000)]


def test_weights_are_hundredths_of_a_percent_and_none_is_nothing() -> None:
    assert shares(splitter("web", split(0.01), split(99.99, "b", "v1"), split(0, "c"))) == [
        ("web", "", 1),
        ("b", "v1", 9999),
    ]


def test_a_splitter_within_another_divides_its_share() -> None:
    outer = splitter("web", split(90), split(10, "b"))
    inner = splitter("b", split(50, subset="v1"), split(50, "c"))
    assert shares(outer, inner) == [("web", "", 9000), ("b", "v1", 500), ("c", "", 500)]


def test_a_subset_is_not_divided() -> None:
    assert shares(splitter("web", split(100, "b", "v1")), splitter("b", split(100, "c"))) == [("b", "v1", 10_000)]


def test_changes_of_headers_are_of_both_splitters() -> None:
    outer = splitter("web", split(100, "b", requestHeaders={"set": {"X-A": "1"}}))
    inner = splitter("b", split(100, "c", requestHeaders={"set": {"x-b": "2"}}, responseHeaders={"remove": ["y"]}))
    (found,) = read_splitters(World.of([outer, inner])).shares(("default", "web"), AT)
    assert found.request == HeaderEdit(set=(("x-a", "1"), ("x-b", "2")))
    assert found.response == HeaderEdit(remove=("y",))


def test_of_one_header_the_inner_splitter_has_the_last_word_for_requests_and_the_outer_one_for_answers() -> None:
    def says(text: str) -> dict[str, Any]:
        both = {"set": {"x-set": text}, "add": {"x-add": text}}
        return {"requestHeaders": both, "responseHeaders": both}

    nested = splitter("web", split(100, "b", **says("outer"))), splitter("b", split(100, "c", **says("inner")))
    (found,) = read_splitters(World.of(nested)).shares(("default", "web"), AT)
    assert found.request == HeaderEdit(set=(("x-set", "inner"),), add=(("x-add", "inner"),))
    assert found.response == HeaderEdit(set=(("x-set", "outer"),), add=(("x-add", "outer"),))


def test_splitters_that_lead_back_are_not_applied() -> None:
    found = read_splitters(World.of([splitter("a", split(100, "b")), splitter("b", split(50, "c"), split(50, "a"))]))
    assert found.found == {}
    assert [(p.at.name, p.code) for p in found.problems] == [("a", "Circular"), ("b", "Circular")]


@pytest.mark.parametrize(
    ("fields", "path"),
    [({"partition": "x"}, "partition"), ({"requestHeaders": {"set": {"Host": "x"}}}, "requestHeaders.set[Host]")],
)
def test_what_is_not_enforced_refuses_the_whole(fields: Any, path: str) -> None:
    found = read_splitters(World.of([splitter("web", split(100, "b", **fields))]))
    assert found.found == {}
    assert [p.at.path for p in found.problems] == [f"spec.splits[0].{path}"]
