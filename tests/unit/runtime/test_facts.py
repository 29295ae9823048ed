"""What a node reports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from meshbuild import attached, view
from tandem.base.clock import FixedClock
from tandem.base.ids import PolicySetId
from tandem.base.problems import DriverError, Origin
from tandem.ir.logged import Logged, Logging
from tandem.ir.mesh import Backend, Forward, Route, RouteTable, Split
from tandem.ir.node import NodeView
from tandem.ir.policy import PolicySet, Side
from tandem.observe.conntrack import Connection
from tandem.observe.flow import Flow, Party, Verdict
from tandem.runtime import facts
from tandem.runtime.established import Ended
from tandem.runtime.facts import Facts
from tandem.runtime.reports import Report
from unit.runtime.test_established import connection

A = attached("a", "10.244.0.2")


class Lab:
    """Facts of a node whose view can be changed, and the reports that it sent."""

    def __init__(self, first: NodeView | None = None) -> None:
        self.view = first
        self.reports: list[Report] = []
        self.facts = Facts("n1", lambda: self.view, self._take, FixedClock())

    def _take(self, data: bytes) -> None:
        self.reports.append(msgspec.json.decode(data, type=Report))

    def flows(self) -> list[Flow]:
        return [f for r in self.reports for f in r.flows]

    async def run_until(self, coroutine: Any, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(coroutine)
            while not holds():  # noqa: ASYNC110 - the loop has no end to wait for
                await asyncio.sleep(0.001)
            task.cancel()

    async def run_until_told(self, coroutine: Any, reports: int) -> None:
        await self.run_until(coroutine, lambda: len(self.reports) >= reports)

    async def run_for_a_while(self, coroutine: Any) -> None:
        """For what does not happen."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(coroutine)
            await asyncio.sleep(0.05)
            task.cancel()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "FLUSH_SECONDS", 0.005)
    monkeypatch.setattr(facts, "STATUS_SECONDS", 0.005)
    monkeypatch.setattr(facts, "PAUSE_SECONDS", 0.005)


def message(count: int = 1) -> Any:
    from envoy.service.accesslog.v3 import als_pb2

    made = als_pb2.StreamAccessLogsMessage()
    for _ in range(count):
        entry = made.http_logs.log_entry.add()
        entry.request.path = "/v1"
        entry.response.response_code.value = 200
    return made


def test_an_access_log_becomes_flows_with_names() -> None:
    lab = Lab(view(A))
    lab.facts.on_access_log("source|uid-a", message())
    asyncio.run(lab.run_until_told(lab.facts._flush(), reports=1))
    (flow,) = lab.flows()
    assert (flow.source.pod, flow.source.namespace, flow.node) == ("a", "shop", "n1")
    assert flow.verdict is Verdict.ALLOWED


def test_what_is_left_out_of_flows_counts_for_a_canary_all_the_same() -> None:
    """Without its requests a Canary would never be judged, or by nothing."""
    origin = Origin(kind="Canary", namespace="shop", name="web")
    split = Split(origin=origin, stable="shop/web/v1", canary="shop/web-v2")
    action = Forward(backends=(Backend(namespace="shop", service="web"),), splits=(split,))
    route = Route(name="divided", matches=(), action=action, origin=origin)
    table = RouteTable(namespace="shop", service="web", routes=(route,))
    quiet = attached("a", "10.244.0.2", logging=Logging(client=Logged(nothing=True)))
    lab, said = Lab(view(quiet, table)), message()
    said.http_logs.log_entry[0].common_properties.route_name = "divided"
    said.http_logs.log_entry[0].common_properties.upstream_cluster = "svc/shop/web-v2/80"
    lab.facts.on_access_log("source|uid-a", said)
    tallies = lab.facts._judged.tallies()
    assert tallies is not None
    assert tallies.of("shop/web", "shop/web-v2").requests == 1
    assert not lab.facts._flows


def test_only_what_a_filter_lets_through_becomes_a_flow() -> None:
    lab, said = Lab(view(A)), message(3)
    for entry, tag in zip(said.http_logs.log_entry, ("true", "false", "-"), strict=True):
        entry.common_properties.custom_tags["logged"] = f"if {tag}"
        entry.request.path = f"/{tag}"
    lab.facts.on_access_log("source|uid-a", said)
    asyncio.run(lab.run_until_told(lab.facts._flush(), reports=1))
    assert [flow.http.path for flow in lab.flows() if flow.http is not None] == ["/true"]


def test_a_silent_log_still_tells_of_a_key_that_is_unknown() -> None:
    quiet = attached("a", "10.244.0.2", logging=Logging(server=Logged(nothing=True)))
    lab, said, asked = Lab(view(quiet)), message(), list[str]()
    lab.facts.on_unknown_key = asked.append
    said.http_logs.log_entry[
        0
    ].response.response_code_details = "jwt_authn_access_denied{Jwks_doesn't_have_key_to_match_kid_or_alg_from_Jwt}"
    lab.facts.on_access_log("destination|uid-a", said)
    assert asked == ["uid-a"]
    assert not lab.facts._flows


def test_a_log_before_the_first_view_is_dropped() -> None:
    """Nobody could be named in it."""
    lab = Lab()
    lab.facts.on_access_log("source|uid-a", message())
    asyncio.run(lab.run_for_a_while(lab.facts._flush()))
    assert lab.reports == []


def test_names_are_those_of_the_newest_view() -> None:
    lab = Lab(view())
    assert lab.facts._party("10.244.0.2") == Party(address="10.244.0.2")
    lab.view = view(A)
    assert lab.facts._party("10.244.0.2").pod == "a"


def test_a_flood_travels_in_bounded_batches_and_loses_the_oldest() -> None:
    lab = Lab(view(A))
    lab.facts.on_access_log("source|uid-a", message(10_500))
    asyncio.run(lab.run_until(lab.facts._flush(), lambda: len(lab.flows()) >= 10_000))
    assert max(len(r.flows) for r in lab.reports) == facts.LARGEST_BATCH
    assert len(lab.flows()) == 10_000


def test_status_travels_only_when_it_changed() -> None:
    lab = Lab()
    told: list[dict[str, Any]] = [{"pid": 1}, {"pid": 1}, {"pid": 2, "envoy": {"ready": True}}]
    statuses, last = iter(told), dict[str, Any]()

    async def status() -> Mapping[str, Any]:
        last.update(next(statuses, {}))
        return dict(last)

    asyncio.run(lab.run_until_told(lab.facts._tell_status(status), reports=2))
    assert [r.status for r in lab.reports] == [{"pid": 1}, {"pid": 2, "envoy": {"ready": True}}]


def test_changes_are_compared_from_the_first_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[NodeView, NodeView]] = []

    def ended(before: NodeView, now: NodeView, _: frozenset[str]) -> tuple[Ended, ...]:
        seen.append((before, now))
        return ()

    monkeypatch.setattr(facts, "end_denied", ended)
    lab, b = Lab(), attached("b", "10.244.0.3")
    lab.facts.on_policy_change(view(A, b), view(A))
    lab.facts.on_policy_change(view(A), view())
    asyncio.run(lab.run_until(lab.facts._end_denied(), lambda: seen))
    assert seen == [(view(A, b), view())]


def looks(
    monkeypatch: pytest.MonkeyPatch, *, refused: int = 0
) -> list[tuple[NodeView | None, NodeView, frozenset[str]]]:
    """What connections are looked at for; the kernel refuses the first of them."""
    seen: list[tuple[NodeView | None, NodeView, frozenset[str]]] = []

    def look(before: NodeView | None, now: NodeView, gone: frozenset[str]) -> tuple[Ended, ...]:
        seen.append((before, now, gone))
        if len(seen) <= refused:
            raise DriverError("no conntrack")
        return ()

    monkeypatch.setattr(facts, "end_denied", look)
    monkeypatch.setattr(facts, "AGAIN_SECONDS", 0.01)
    return seen


def test_an_address_that_another_pod_has_by_now_was_given_up_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The changes are seen as one; the next pod must not have the connections of the one before."""
    seen, lab, other, b = looks(monkeypatch), Lab(), attached("other", "10.244.0.2"), attached("b", "10.244.0.3")
    lab.facts.on_policy_change(view(A, b), view(b))
    lab.facts.on_policy_change(view(b, other), view(other))
    asyncio.run(lab.run_until(lab.facts._end_denied(), lambda: seen))
    assert seen == [(view(A, b), view(other), frozenset({"10.244.0.2", "10.244.0.3"}))]


def test_what_the_kernel_refused_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, lab = looks(monkeypatch, refused=2), Lab()
    lab.facts.on_policy_change(view(A), view())
    asyncio.run(lab.run_until(lab.facts._end_denied(), lambda: len(seen) > 2))
    assert seen == [(view(A), view(), frozenset({"10.244.0.2"}))] * 3


def test_a_look_at_everything_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, lab = looks(monkeypatch), Lab()
    lab.facts.on_policy_change(view(A), view())
    lab.facts.on_policy_change(None, view())
    asyncio.run(lab.run_until(lab.facts._end_denied(), lambda: seen))
    assert [(before, now) for before, now, _ in seen] == [(None, view())]


def test_a_connection_that_policy_ends_is_told_as_a_denial_by_its_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    deny = Origin(kind="NetworkPolicy", namespace="shop", name="deny", path="spec.ingress")
    policy = PolicySet(id=PolicySetId("p1"), side=Side.INGRESS, rules=(), isolated_by=(deny,))
    b = attached("b", "10.244.0.3")
    isolated = msgspec.structs.replace(b, pod=msgspec.structs.replace(b.pod, ingress=policy.id))
    now = msgspec.structs.replace(view(A, isolated), sets={policy.id: policy})
    connection = Connection(
        source="10.244.0.2",
        destination="10.244.0.3",
        protocol="TCP",
        port=80,
        dialled="10.244.0.3",
        original=b"",
        family=2,
    )
    ended = (Ended(connection=connection, side=Side.INGRESS, rules=(deny,)),)
    monkeypatch.setattr(facts, "end_denied", lambda *_: ended)
    lab = Lab(now)
    lab.facts.on_policy_change(view(A, b), now)
    asyncio.run(lab.run_until(lab.facts._end_denied(), lambda: lab.facts._flows))
    asyncio.run(lab.run_until_told(lab.facts._flush(), reports=1))
    (told,) = lab.flows()
    assert (told.verdict, told.rules, told.direction) == (Verdict.DENIED, (deny,), "ingress")
    assert (told.source.pod, told.destination.pod, told.destination.port) == ("a", "b", 80)


def test_a_view_that_changes_no_verdict_ends_nothing() -> None:
    lab = Lab()
    lab.facts.on_policy_change(view(A), view(A))
    assert lab.facts._changes.empty()


def test_an_agent_that_has_just_started_looks_at_every_connection() -> None:
    """Policy may have changed while no agent was there."""
    lab = Lab()
    lab.facts.on_policy_change(None, view(A))
    assert lab.facts._changes.get_nowait() == (None, view(A))


def test_a_kernel_that_refuses_to_end_connections_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def refuse(_before: NodeView, _now: NodeView, _gone: frozenset[str]) -> int:
        calls.append(1)
        raise DriverError("no conntrack")

    monkeypatch.setattr(facts, "end_denied", refuse)
    lab = Lab()

    async def scene() -> None:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(lab.facts._end_denied())
            for number in (1, 2):
                lab.facts.on_policy_change(view(A), view())
                async with asyncio.timeout(10):
                    while len(calls) < number:  # noqa: ASYNC110 - a thread tells nobody
                        await asyncio.sleep(0.001)
            task.cancel()

    asyncio.run(scene())
    assert len(calls) == 2


def test_a_new_control_is_told_the_status_again() -> None:
    lab = Lab()

    async def status() -> Mapping[str, Any]:
        if len(lab.reports) == 1:
            lab.facts.again()
        return {"pid": 1}

    asyncio.run(lab.run_until_told(lab.facts._tell_status(status), reports=2))
    assert [r.status for r in lab.reports] == [{"pid": 1}, {"pid": 1}]


def test_a_connection_ended_inside_a_pod_is_told_as_one_that_was_ended_on_the_node() -> None:
    lab = Lab(view(A))
    lab.facts.on_ended([Ended(connection=connection("10.244.0.2", "10.88.0.3"), side=Side.INGRESS, rules=())])
    asyncio.run(lab.run_until_told(lab.facts._flush(), reports=1))
    (flow,) = lab.flows()
    assert (flow.verdict, flow.source.pod, flow.direction) == (Verdict.DENIED, "a", "ingress")


def test_a_namespace_that_is_gone_is_not_watched_and_ends_nothing() -> None:
    asyncio.run(Lab(view(A)).facts.watch("/nowhere"))
