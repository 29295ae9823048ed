"""What annotations of Linkerd say of a request, in words."""

from __future__ import annotations

from builders import service
from linkerdworlds import with_notes
from meshworlds import httproute, parent
from tandem.base.problems import Origin
from tandem.model.world import World
from tandem.reference.annotated import annotated
from tandem.reference.request import RouteDecision, Share

SHARE = Share(namespace="default", service="web", port=80)
NOTES = {"timeout.linkerd.io/request": "1s", "balancer.linkerd.io/failure-accrual": "consecutive", "x": "y"}


def said(world: World, rule: Origin | None) -> list[str]:
    found = annotated(world, RouteDecision(rule=rule, backends=(SHARE,)))
    return [f"{step.origin.kind if step.origin is not None else ''}: {step.text}" for step in found]


def test_of_the_plain_service_all_that_it_says() -> None:
    rests = "Service: balancer.linkerd.io/failure-accrual: consecutive"
    assert said(World.of([with_notes(service("web"), NOTES)]), None) == [
        rests,
        "Service: timeout.linkerd.io/request: 1s",
    ]
    assert said(World.of([service("web")]), None) == []
    assert said(World(), None) == []


def test_a_route_comes_before_its_service() -> None:
    route = with_notes(httproute("r", parentRefs=[parent("web")]), {"retry.linkerd.io/limit": "2"})
    at = Origin(kind="HTTPRoute", namespace="default", name="r", path="spec.rules[0]")
    assert said(World.of([with_notes(service("web"), NOTES), route]), at) == [
        "HTTPRoute: retry.linkerd.io/limit: 2",
        "Service: timeout.linkerd.io/request: 1s, where the route says nothing of it",
        "Service: balancer.linkerd.io/failure-accrual: consecutive",
    ]
