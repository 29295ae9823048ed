"""ADD's steps under the runtime's trace."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tandem.base.problems import DriverError
from tandem.podnet.spans import Spans, step, tracing
from tandem.podnet.verbs import Aside, Verbs
from unit.podnet.playground import SETTINGS, Playground, run

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ASKED = {"TRACEPARENT": f"00-{TRACE}-{PARENT}-01", "TRACESTATE": "v=1", "BAGGAGE": "user=a"}


def spans_of(trace: Mapping[str, str], *, failing: str = "") -> list[Mapping[str, Any]]:
    """What one ADD writes."""
    written: list[Mapping[str, Any]] = []

    async def play(ground: Playground) -> None:
        aside = Aside(emit=written.append)
        ground.verbs = Verbs(
            ground.journal, ground.links, ground.foreign, node=ground.node, settings=SETTINGS, aside=aside
        )
        if failing:
            ground.links.fail_next(DriverError("no room"), failing)
            await ground.code("ADD", trace=trace)
        else:
            await ground.add(trace=trace)

    run(play)
    return written


def test_the_steps_of_add_are_children_of_add_in_the_runtimes_trace() -> None:
    found = spans_of(ASKED)
    assert [s["name"] for s in found] == ["journal", "pin", "link", "open", "ADD"]
    assert {s["trace_id"] for s in found} == {TRACE}
    root = found[-1]
    assert root["parent_id"] == PARENT
    assert {s["parent_id"] for s in found[:-1]} == {root["span_id"]}
    assert len({s["span_id"] for s in found}) == len(found)
    assert all(s["duration_ns"] >= 0 and s["container"] == "c1" for s in found)
    assert (root["tracestate"], root["baggage"]) == ("v=1", "user=a")


def test_a_step_that_fails_says_so() -> None:
    found = {s["name"]: s.get("error") for s in spans_of(ASKED, failing="create")}
    assert found["link"] == "no room"
    assert "no room" in str(found["ADD"])


@pytest.mark.parametrize(
    "parent",
    ["", "nonsense", f"00-{TRACE}-{PARENT}-00", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01"],
)
def test_without_a_valid_sampled_parent_nothing_is_written(parent: str) -> None:
    assert spans_of({"TRACEPARENT": parent}) == []


def test_steps_side_by_side_are_both_children_of_what_is_around_them() -> None:
    written: list[Mapping[str, Any]] = []

    async def beside(name: str) -> None:
        with step(name):
            await asyncio.sleep(0)

    async def main() -> None:
        with tracing(Spans(written.append, ASKED), "ADD"):
            await asyncio.gather(beside("a"), beside("b"))

    asyncio.run(main())
    assert [s["name"] for s in written] == ["a", "b", "ADD"]
    assert {s["parent_id"] for s in written[:2]} == {written[2]["span_id"]}


def test_a_step_outside_of_a_request_is_none() -> None:
    written: list[Mapping[str, Any]] = []
    Spans(written.append, ASKED)
    with step("alone"):
        pass
    assert written == []
