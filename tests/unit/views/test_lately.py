"""What was seen, beside what the rules say."""

from __future__ import annotations

from typing import Any

import msgspec

from builders import namespace, sliced
from tandem.base.problems import Origin
from tandem.model.meta import Object
from tandem.observe.flow import Flow, Http, Layer, Party, Verdict
from tandem.views.explain import Explanation, Question, explain
from unit.views.test_explain import CLIENT, DENY, OUTSIDER, V1, V2, WEB

NOW = 1_700_000_000.0
SOURCE = Party(address="10.244.0.2", port=41000, namespace="shop", pod="client")
SERVICE = Party(address="10.96.0.20", port=80, namespace="shop", pod="web-1", service="shop/web")
POD = Party(address="10.244.0.5", port=8080, namespace="shop", pod="web-1")
ROUTE = Origin(kind="VirtualService", namespace="shop", name="v")


def flow(ago: float, code: int = 200, **fields: Any) -> Flow:
    base: dict[str, Any] = {
        "time": NOW - ago,
        "node": "n1",
        "verdict": Verdict.ALLOWED,
        "layer": Layer.L7,
        "protocol": "HTTP",
        "source": SOURCE,
        "destination": SERVICE,
        "reporter": "source",
        "http": Http(method="GET", path="/", code=code) if code else None,
    }
    return Flow(**(base | fields))


def ask(*flows: Flow, objects: tuple[Object, ...] = ()) -> Explanation:
    world = sliced(namespace("shop"), CLIENT, OUTSIDER, V1, V2, WEB, *objects)
    return explain(world, Question(source="shop/client", destination="shop/svc/web"), flows=flows, now=NOW)


def test_what_no_manifest_says_is_told_by_what_was_seen() -> None:
    itself = "the application itself answers so"
    found = ask(flow(9, 503, destination=POD, reason=itself), flow(8), flow(7, 503, destination=POD, reason=itself))
    assert found.allowed
    assert found.summary.endswith(f": allowed, mtls; but lately 2 of 3 failed: answered with 503: {itself}")
    assert [(one.verdict, one.count, one.newest[11:19]) for one in found.seen] == [
        ("allowed", 2, "22:13:13"),
        ("allowed", 1, "22:13:12"),
    ]


def test_what_was_mended_is_no_reproach_and_is_told_all_the_same() -> None:
    late = {"verdict": Verdict.ERROR, "reason": "the endpoint did not answer in time", "rules": (ROUTE,)}
    found = ask(flow(9, 504, **late), flow(8))
    assert found.summary.endswith(": allowed, mtls")
    assert [(one.verdict, one.rules) for one in found.seen] == [("allowed", ()), ("error", (ROUTE,))]
    assert f"lately 1 of 1 failed: answered with 504: {late['reason']} ({ROUTE})" in ask(flow(9, 504, **late)).summary


def test_the_newest_failure_is_told_and_none_before_it() -> None:
    late = {"verdict": Verdict.ERROR, "reason": "the endpoint did not answer in time", "rules": (ROUTE,)}
    found = ask(flow(9, 504, **late), flow(5, 503, destination=POD, reason="the application itself answers so"))
    assert found.summary.endswith("but lately 1 of 2 failed: answered with 503: the application itself answers so")


def test_only_what_was_asked_about_and_is_new_is_told() -> None:
    elsewhere = msgspec.structs.replace(SERVICE, service="shop/other")
    other_port = msgspec.structs.replace(SERVICE, port=81)
    other_pod = msgspec.structs.replace(SOURCE, pod="outsider")
    found = ask(flow(9, destination=elsewhere), flow(9, destination=other_port), flow(9, source=other_pod), flow(301))
    assert found.seen == ()


def test_what_is_denied_anyway_needs_no_more_words() -> None:
    dropped = flow(9, 0, verdict=Verdict.DENIED, reporter="kernel", destination=POD, rules=(DENY.origin(),))
    found = ask(dropped, objects=(DENY,))
    assert "lately" not in found.summary
    assert [(one.verdict, one.rules) for one in found.seen] == [("denied", (DENY.origin(),))]


def test_of_both_ends_of_a_request_the_one_that_knows_more_is_told() -> None:
    reset = {"verdict": Verdict.ERROR, "reason": "no connection to the endpoint", "destination": POD}
    found = ask(flow(9, 503, **reset), flow(9, 503))
    assert found.summary.endswith("but lately 1 of 2 failed: answered with 503: no connection to the endpoint")
