"""What is attached to Services; tests/golden/mesh/traffic-policies has every field."""

from __future__ import annotations

from builders import service
from meshworlds import dr, limit_at, trafficpolicy
from tandem.ir.traffic import LoadBalancer
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

WEB = service("web", ip="10.96.0.9", ports=[{"name": "http", "port": 80}, {"name": "http-b", "port": 81}])
OLD, YOUNG = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def balancers(*objects: Object) -> dict[int, LoadBalancer]:
    mesh, _ = translate_mesh(World.of([WEB, *objects]), Options())
    return {port: mesh.policies["default/web"].of(port).lb for port in (80, 81)}


def told(*objects: Object) -> list[tuple[str, str, str]]:
    _, problems = translate_mesh(World.of([WEB, *objects]), Options())
    return [(p.at.name, p.at.path, p.code) for p in problems if p.at.kind == "TrafficPolicy"]


def test_a_port_has_its_own_in_place_of_that_of_the_service_and_of_rules() -> None:
    rule = dr(host="web", trafficPolicy={"loadBalancer": {"simple": "ROUND_ROBIN"}})
    whole = trafficpolicy(limit_at("Service", "web"), name="whole", loadBalancer={"type": "Random"})
    port = trafficpolicy(limit_at("Service", "web", "http-b"), name="port", loadBalancer={})
    random, least, turns = LoadBalancer.RANDOM, LoadBalancer.LEAST_REQUEST, LoadBalancer.ROUND_ROBIN
    assert balancers(rule) == {80: turns, 81: turns}
    assert balancers(rule, whole) == {80: random, 81: random}
    assert balancers(rule, port) == {80: turns, 81: least}
    assert balancers(rule, whole, port) == balancers(whole, port) == {80: random, 81: least}


def test_of_two_at_one_target_the_older_holds() -> None:
    old = trafficpolicy(limit_at("Service", "web"), name="z", created=OLD, loadBalancer={"type": "Random"})
    young = trafficpolicy(limit_at("Service", "web"), name="a", created=YOUNG, loadBalancer={"type": "RoundRobin"})
    assert balancers(old, young) == {80: LoadBalancer.RANDOM, 81: LoadBalancer.RANDOM}
    assert told(old, young) == [("a", "spec.targetRefs[0]", "Conflicted")]


def test_what_is_not_given_stays() -> None:
    rule = dr(host="web", trafficPolicy={"connectionPool": {"http": {"maxRetries": 7}}})
    mesh, _ = translate_mesh(
        World.of([WEB, rule, trafficpolicy(limit_at("Service", "web"), retryBudget={"percent": 10})]), Options()
    )
    found = mesh.policies["default/web"]
    assert (found.traffic.limits.retries, found.traffic.limits.budget_percent) == (7, 10)
    assert [origin.name for origin in found.attached] == ["spread"]


def test_targets_that_are_not_there_are_told() -> None:
    gone = trafficpolicy(limit_at("Service", "gone"), limit_at("Service", "web", "gone"), loadBalancer={})
    assert told(gone) == [
        ("spread", "spec.targetRefs[0].name", "TargetNotFound"),
        ("spread", "spec.targetRefs[1].sectionName", "TargetNotFound"),
    ]
