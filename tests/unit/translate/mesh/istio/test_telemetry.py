"""Telemetry: scopes, sides, providers and filters, and what of it has no effect."""

from __future__ import annotations

from typing import Any

import pytest

from builders import pod, service
from tandem.base.problems import Problem, Severity
from tandem.ir.logged import EVERYTHING, Logged, Logging
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.mesh.istio.telemetry import TelemetryIndex

ROOT = "istio-system"
POD = pod("a", namespace="shop", app="web")
OFF: dict[str, Any] = {"disabled": True}
ON: dict[str, Any] = {"disabled": False}
ERRORS: dict[str, Any] = {"filter": {"expression": "response.code >= 400"}}
ERRORS_READ = "response . code >= 400"
SLOW: dict[str, Any] = {"filter": {"expression": "request.duration > duration('1s')"}}
SLOW_READ = "request . duration > duration ( '1s' )"


def telemetry(name: str = "own", *logging: Any, ns: str = "shop", created: str = "", **spec: Any) -> Object:
    meta = {"name": name, "namespace": ns, **({"creationTimestamp": created} if created else {})}
    body = {**({"accessLogging": list(logging)} if logging else {}), **spec}
    return parse({"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": meta, "spec": body})


def selecting(name: str, *logging: Any, **labels: str) -> Object:
    return telemetry(name, *logging, selector={"matchLabels": labels})


def of(entry: dict[str, Any], mode: str = "", *providers: str) -> dict[str, Any]:
    match = {"match": {"mode": mode}} if mode else {}
    return entry | match | ({"providers": [{"name": name} for name in providers]} if providers else {})


def logging(*objects: Object) -> Logging:
    return TelemetryIndex(World.of(objects), ROOT).logging(POD)


def said(logged: Logged) -> str:
    """`all`, `none`, or the expression."""
    return "none" if logged.nothing else logged.when or "all"


def sides(*objects: Object) -> tuple[str, str]:
    found = logging(*objects)
    return said(found.client), said(found.server)


def problems(*objects: Object) -> list[Problem]:
    return list(TelemetryIndex(World.of(objects), ROOT).problems)


def test_without_any_everything_is_logged() -> None:
    assert logging() == EVERYTHING
    assert logging(telemetry("a", of(OFF), ns="other"), selecting("b", OFF, app="db")) == EVERYTHING
    assert sides(telemetry("a", of({}, "", "envoy"))) == ("all", "all")


@pytest.mark.parametrize(
    ("objects", "client", "server"),
    [
        ([telemetry("r", OFF, ns=ROOT)], "none", "none"),
        ([telemetry("r", OFF, ns=ROOT), telemetry("n", ON)], "all", "all"),
        ([telemetry("r", OFF, ns=ROOT), telemetry("n", of(ON, "SERVER"))], "none", "all"),
        ([telemetry("n", OFF), selecting("w", ERRORS, app="web")], ERRORS_READ, ERRORS_READ),
        ([telemetry("n", ERRORS), selecting("w", of(OFF, "CLIENT"), app="web")], "none", ERRORS_READ),
        ([telemetry("n", of(OFF, "CLIENT")), telemetry("r", of(ERRORS, "SERVER"), ns=ROOT)], "none", ERRORS_READ),
        ([telemetry("n", of(OFF, "CLIENT_AND_SERVER"), of(ON, "CLIENT"))], "all", "none"),
        ([telemetry("r", OFF, ns=ROOT, selector={"matchLabels": {"app": "web"}})], "all", "all"),
    ],
)
def test_the_narrower_scope_and_the_later_entry_decide_for_each_side(
    objects: list[Object], client: str, server: str
) -> None:
    assert sides(*objects) == (client, server)


def test_of_one_scope_the_oldest_is_used_and_the_other_is_told() -> None:
    old = telemetry("z", OFF, created="2026-01-01T00:00:00Z")
    new = telemetry("a", ON, created="2026-02-01T00:00:00Z")
    assert sides(old, new) == ("none", "none")
    assert [(p.at.name, p.code) for p in problems(old, new) if p.code == "Shadowed"] == [("a", "Shadowed")]
    first, second = selecting("a", OFF, app="web"), selecting("b", ON, app="web")
    assert sides(first, second) == ("none", "none")


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        # What is said of any of them is said of the one log.
        ([of(ERRORS, "", "a"), of(SLOW, "", "b")], f"( {SLOW_READ} ) || ( {ERRORS_READ} )"),
        ([of(ERRORS, "", "a"), of({}, "", "b")], "all"),
        ([of(ERRORS, "", "a"), of(OFF, "", "b")], ERRORS_READ),
        ([of(OFF, "", "a"), of(OFF, "", "b")], "none"),
        # One without providers is for those of the one before.
        ([of({}, "", "a"), OFF], "none"),
    ],
)
def test_providers_share_the_log(entries: list[dict[str, Any]], found: str) -> None:
    assert sides(telemetry("n", *entries))[1] == found


def test_the_providers_of_the_narrowest_scope_count() -> None:
    wide = telemetry("r", of({}, "", "a"), ns=ROOT)
    assert sides(wide, telemetry("n", of(ERRORS, "", "b"))) == (ERRORS_READ, ERRORS_READ)
    assert sides(wide, telemetry("n", of(OFF, "", "a"))) == ("none", "none")
    assert sides(wide, telemetry("n", OFF)) == ("none", "none")


def test_an_expression_that_is_not_taken_leaves_nothing_out() -> None:
    broken = telemetry("n", {"filter": {"expression": "response.codes > 1"}})
    assert sides(broken) == ("all", "all")
    (told,) = [p for p in problems(broken) if p.severity is Severity.ERROR]
    assert (told.code, told.at.path) == ("InvalidValue", "spec.accessLogging[0].filter.expression")
    assert told.text == "response.codes is no attribute: nothing is left out by it"


def test_origins_are_those_that_decide() -> None:
    found = logging(telemetry("n", of(ERRORS, "SERVER"), of(OFF, "CLIENT")))
    assert [str(o) for o in found.server.origins] == ["Telemetry shop/n spec.accessLogging[0]"]
    assert [str(o) for o in found.client.origins] == ["Telemetry shop/n spec.accessLogging[1]"]


def test_gateways_cannot_be_selected_and_are_always_told_of() -> None:
    ref = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}
    attached = telemetry("n", OFF, targetRefs=[ref])
    assert sides(attached) == ("all", "all")
    assert [(p.code, p.at.path, p.severity) for p in problems(attached)] == [
        ("UnsupportedField", "spec.targetRefs[0]", Severity.ERROR)
    ]
    assert [p.code for p in problems(telemetry("n", OFF))] == ["NotAtGateways"]
    assert problems(telemetry("n", of(OFF, "SERVER")), selecting("s", OFF, app="web")) == []


def to(name: str = "web", **more: str) -> dict[str, str]:
    return {"kind": "Service", "name": name, **more}


WEB = service("web", ns="shop", selector={"app": "web"})


def test_one_that_is_attached_to_a_service_is_for_the_pods_behind_it_and_what_they_are_sent() -> None:
    attached = telemetry("n", OFF, targetRefs=[to("other"), to()])
    other = service("other", ns="shop", selector={"app": "other"})
    assert sides(attached, WEB, other) == ("all", "none")
    assert sides(telemetry("n", OFF, targetRef=to()), WEB) == ("all", "none")
    assert sides(telemetry("n", OFF, targetRefs=[to("other")]), WEB, other) == ("all", "all")
    # Beside one that selects the pod, the older counts for what it is sent, and that one for what it sends.
    selects = telemetry("s", ERRORS, created="2026-02-01T00:00:00Z", selector={"matchLabels": {"app": "web"}})
    older = telemetry("n", OFF, created="2026-01-01T00:00:00Z", targetRefs=[to()])
    assert sides(selects, older, WEB) == (ERRORS_READ, "none")


@pytest.mark.parametrize(
    ("ref", "code", "path"),
    [
        (to("gone"), "TargetNotFound", "spec.targetRefs[0].name"),
        (to(namespace="legacy"), "RefNotPermitted", "spec.targetRefs[0].namespace"),
        (to(group="networking.istio.io"), "UnsupportedField", "spec.targetRefs[0]"),
    ],
)
def test_a_target_that_is_none_has_nobody(ref: dict[str, str], code: str, path: str) -> None:
    one = telemetry("n", OFF, targetRefs=[ref])
    assert sides(one, WEB) == ("all", "all")
    assert [(p.code, p.at.path) for p in problems(one, WEB)] == [(code, path)]


def test_of_what_is_sent_one_that_is_attached_says_nothing_and_that_is_told() -> None:
    one = telemetry("n", of(OFF, "CLIENT"), targetRefs=[to()])
    assert sides(one, WEB) == ("all", "all")
    assert [(p.code, p.at.path) for p in problems(one, WEB)] == [("NoEffect", "spec.accessLogging[0].match.mode")]


def test_what_has_no_effect_is_told_with_its_path() -> None:
    tracing = {
        "match": {"mode": "CLIENT"},
        "providers": [{"name": "zipkin"}],
        "randomSamplingPercentage": 10,
        "disableSpanReporting": True,
        "customTags": {"a": {"literal": {"value": "b"}}},
    }
    override = {"match": {"metric": "REQUEST_COUNT"}, "disabled": True}
    metrics = {"providers": [{"name": "prometheus"}], "overrides": [override], "reportingInterval": "5s"}
    found = problems(telemetry("n", of({}, "", "envoy"), tracing=[tracing], metrics=[metrics]))
    assert {p.severity for p in found} == {Severity.WARNING}
    assert {p.code for p in found} == {"NoEffect", "OtherProvider"}
    assert sorted(p.at.path for p in found) == [
        "spec.accessLogging[0].providers[0].name",
        "spec.metrics[0].overrides[0]",
        "spec.metrics[0].providers[0]",
        "spec.metrics[0].reportingInterval",
        "spec.tracing[0].customTags",
        "spec.tracing[0].providers[0]",
        "spec.tracing[0].randomSamplingPercentage",
    ]
