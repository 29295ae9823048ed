"""The ring of flows that readers follow."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tandem.ir.holdings import Holdings
from tandem.observe.flow import Flow, Layer, Party, Verdict
from tandem.runtime.reports import Report, Reports, encode


def flow(number: int) -> Flow:
    return Flow(
        time=float(number),
        node="n1",
        verdict=Verdict.ALLOWED,
        layer=Layer.L4,
        protocol="TCP",
        source=Party(address="10.244.0.2"),
        destination=Party(address="10.244.0.3"),
        reporter="kernel",
    )


def test_a_reader_gets_each_flow_once_and_in_order() -> None:
    reports = Reports()
    reports.add("n1", encode(Report(flows=(flow(1), flow(2)))))
    position, first = reports.since(0)
    reports.add("n1", encode(Report(flows=(flow(3),))))
    assert [f.time for f in first] == [1.0, 2.0]
    assert [f.time for f in reports.since(position)[1]] == [3.0]


def test_a_slow_reader_loses_the_oldest_and_never_the_order() -> None:
    reports = Reports(capacity=2)
    reports.add("n1", encode(Report(flows=(flow(1), flow(2), flow(3)))))
    assert [f.time for f in reports.since(0)[1]] == [2.0, 3.0]


def test_a_follower_wakes_when_a_flow_arrives() -> None:
    async def scenario() -> tuple[int, tuple[Flow, ...]]:
        reports = Reports()
        asyncio.get_running_loop().call_later(0.01, reports.add, "n1", encode(Report(flows=(flow(1),))))
        return await asyncio.wait_for(reports.after(0), 5)

    position, flows = asyncio.run(scenario())
    assert (position, len(flows)) == (1, 1)


def test_the_newest_status_of_a_node_replaces_the_older() -> None:
    reports = Reports()
    reports.add("n1", encode(Report(status={"pid": 1})))
    reports.add("n1", encode(Report(status={"pid": 2})))
    assert reports.statuses == {"n1": {"pid": 2}}


def test_a_report_that_is_not_of_our_form_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        Reports().add("n1", b'{"flows": [{"time": "late"}]}')


def test_what_nodes_say_of_their_paths_is_told_of_those_that_are_still_there() -> None:
    reports = Reports()
    for name in ("n2", "n1", "gone"):
        reports.add(name, encode(Report(status={"network": {"problems": [f"{name} is cut off"]}})))
    reports.add("n3", encode(Report(status={"network": {}})))
    assert reports.unconnected({"n1", "n2", "n3"}) == ("node n1: n1 is cut off", "node n2: n2 is cut off")


def test_what_several_nodes_say_alike_is_told_once() -> None:
    reports = Reports()
    for name in ("n2", "n1"):
        reports.add(name, encode(Report(status={"network": {"problems": ["n3 does not answer"]}})))
    assert reports.unconnected({"n1", "n2"}) == ("nodes n1, n2: n3 does not answer",)


def test_what_a_node_holds_is_kept_until_it_is_away() -> None:
    reports = Reports()
    held = Holdings(low={4: 1})
    reports.add("n", encode(Report(holdings=held)))
    reports.add("n", encode(Report(status={})))
    assert reports.holdings.value == {"n": held}
    reports.add("n", encode(Report(names=(("db.tandem", "10.244.0.4"),))))
    assert reports.names == {"n": (("db.tandem", "10.244.0.4"),)}
    reports.forget("n")
    assert (reports.holdings.value, reports.names) == ({}, {})


def test_the_keys_that_nodes_have_told_are_known_by_node() -> None:
    reports = Reports()
    for name, told in (
        ("n2", {"publicKey": "k2"}),
        ("n1", {"publicKey": "k1"}),
        ("n3", None),
        ("n4", {"publicKey": ""}),
    ):
        reports.add(name, encode(Report(status={"encryption": told})))
    reports.add("n5", encode(Report(status={"pid": 1})))
    assert reports.keys() == {"n1": "k1", "n2": "k2"}
