"""Patience and limits, by the objects alone; how they read: tests/unit/views/test_beside.py."""

from __future__ import annotations

from typing import Any

from builders import service
from meshworlds import dr, limit_at, trafficpolicy
from tandem.base.problems import Origin
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.patience import limits, patience
from tandem.reference.request import RouteDecision, Share

WEB = service("web", ports=[{"name": "http", "port": 80}, {"name": "admin", "port": 81}])
SHARE = Share(namespace="default", service="web", port=80)


def who(*objects: Object, share: Share = SHARE) -> list[str]:
    return [str(step.origin) for step in limits(World.of([WEB, *objects]), share)]


def test_a_policy_of_the_port_comes_before_that_of_the_service_and_the_older_before_the_younger() -> None:
    few: dict[str, Any] = {"circuitBreaker": {"requests": 1}}
    whole = trafficpolicy(limit_at("Service", "web"), name="whole", created="2026-01-01T00:00:00Z", **few)
    young = trafficpolicy(limit_at("Service", "web"), name="a", created="2026-01-02T00:00:00Z", **few)
    own = trafficpolicy(limit_at("Service", "web", "admin"), name="own", **few)
    assert who(young, whole, own) == ["TrafficPolicy default/whole spec.circuitBreaker"]
    admin = Share(namespace="default", service="web", port=81)
    assert who(young, whole, own, share=admin) == ["TrafficPolicy default/own spec.circuitBreaker"]


def test_what_a_port_leaves_out_is_not_inherited() -> None:
    whole = {"connectionPool": {"tcp": {"maxConnections": 1}}}
    rule = dr("web", host="web", trafficPolicy={**whole, "portLevelSettings": [{"port": {"number": 81}}]})
    assert who(rule) == ["DestinationRule default/web spec.trafficPolicy.connectionPool"]
    assert who(rule, share=Share(namespace="default", service="web", port=81)) == []


def test_outlier_detection_that_counts_nothing_lets_nobody_rest() -> None:
    assert who(dr("web", host="web", trafficPolicy={"outlierDetection": {"consecutive5xxErrors": 0}})) == []
    assert who(dr("web", host="web", trafficPolicy={"outlierDetection": {}})) != []


def test_where_no_rule_decided_nobody_is_patient() -> None:
    assert list(patience(World.of([WEB]), RouteDecision())) == []
    gone = Origin(kind="VirtualService", namespace="default", name="gone", path="spec.http[0]")
    assert list(patience(World.of([WEB]), RouteDecision(rule=gone))) == []
