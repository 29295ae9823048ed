"""Who comes first, read from the objects; tests/property/test_locality.py holds it against what Envoy is given."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from builders import node, pod, service
from meshworlds import dr, limit_at, trafficpolicy
from tandem.model import core
from tandem.model.trafficpolicy import TrafficPolicy
from tandem.model.world import World
from tandem.reference.locality import node_text, standings, where_is
from tandem.reference.request import Share

NODES = [
    node("n1", **{core.REGION: "eu", core.ZONE: "west"}),
    node("n2", **{core.REGION: "eu", core.ZONE: "east"}),
    node("n3", **{core.REGION: "us"}),
]
PODS = [pod(f"p{i}", node=f"n{i}", app="web") for i in (1, 2, 3)]
WEB = service("web")


def read(subset: str = "", **policy: Any) -> dict[str, tuple[int, Fraction | None]] | None:
    world = World.of([*NODES, *PODS, WEB, dr(host="web", **policy)])
    share = Share(namespace="default", service="web", port=80, subset=subset)
    found = standings(world, "n1", share, PODS)
    return None if found is None else {name: (s.turn, s.part) for (_, name), s in found.items()}


def test_places_play_no_part_without_outlier_detection() -> None:
    assert read() is None
    assert read(trafficPolicy={"loadBalancer": {"localityLbSetting": {"failover": [{"from": "a", "to": "b"}]}}}) is None


def test_the_nearest_come_first() -> None:
    near = {"p1": (0, None), "p2": (1, None), "p3": (2, None)}
    assert read(trafficPolicy={"outlierDetection": {}}) == near
    own = {"name": "v1", "labels": {}, "trafficPolicy": {"outlierDetection": {}}}
    assert read("v1", subsets=[own]) == near
    off = {"loadBalancer": {"localityLbSetting": {"enabled": False}}, "outlierDetection": {}}
    assert read(trafficPolicy=off) is None


def test_parts_are_those_of_the_first_entry_for_the_client() -> None:
    entries = [{"from": "us/*", "to": {"us": 100}}, {"from": "eu/*", "to": {"eu/*": 60, "us": 40}}]
    found = read(trafficPolicy={"loadBalancer": {"localityLbSetting": {"distribute": entries}}})
    assert found == {"p1": (0, Fraction(3, 10)), "p2": (0, Fraction(3, 10)), "p3": (0, Fraction(2, 5))}


def test_a_label_of_the_pod_comes_before_its_node() -> None:
    world = World.of(NODES)
    assert where_is(world, PODS[1]) == ("eu", "east", "")
    assert where_is(world, pod("x", node="n1", labels={"istio-locality": "us.a"})) == ("us", "a", "")
    assert (node_text(world, "n1"), node_text(world, "gone")) == ("eu/west", "no known locality")


def test_a_traffic_policy_lets_endpoints_rest_and_so_places_count() -> None:
    http = service("web", ports=[{"name": "http", "port": 80}])
    share = Share(namespace="default", service="web", port=80)
    old = {"created": "2026-01-01T00:00:00Z"}

    def ruled(*policies: TrafficPolicy) -> list[str]:
        found = standings(World.of([*NODES, *PODS, http, *policies]), "n1", share, PODS)
        return sorted({one.rule.name for one in found.values()}) if found is not None else []

    assert ruled(trafficpolicy(limit_at("Service", "web"), outlierDetection={})) == ["spread"]
    assert ruled(trafficpolicy(limit_at("Service", "web", "http"), outlierDetection={})) == ["spread"]
    assert ruled(trafficpolicy(limit_at("Service", "web", "other"), outlierDetection={})) == []
    assert ruled(trafficpolicy(limit_at("Service", "web"), loadBalancer={})) == []
    older = trafficpolicy(limit_at("Service", "web"), name="old", loadBalancer={}, **old)
    assert ruled(older, trafficpolicy(limit_at("Service", "web"), outlierDetection={}, created="2026-02-01")) == []
