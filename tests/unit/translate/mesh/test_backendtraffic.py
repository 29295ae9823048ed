"""What the Gateway API's own policy changes; tests/golden/mesh/backend-traffic has every field."""

from __future__ import annotations

from typing import Any

from builders import service
from meshworlds import backendtraffic, dr, limit_at, trafficpolicy
from tandem.ir.mesh import Session
from tandem.ir.traffic import Limits
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

WEB = service("web", ip="10.96.0.9", ports=[{"name": "http", "port": 80}])
OLD, YOUNG = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
CART: dict[str, Any] = {"sessionPersistence": {"cookie": {"name": "cart"}}}


def budget(*objects: Object) -> tuple[float | None, int, int]:
    mesh, _ = translate_mesh(World.of([WEB, *objects]), Options())
    found = mesh.policies["default/web"].traffic.limits if "default/web" in mesh.policies else Limits()
    return found.budget_percent, found.budget_least, found.budget_interval_ms


def told(*objects: Object) -> list[tuple[str, str, str]]:
    _, problems = translate_mesh(World.of([WEB, *objects]), Options())
    return [(p.at.name, p.at.path, p.code) for p in problems if p.at.kind == "XBackendTrafficPolicy"]


def test_a_constraint_bounds_retries_within_a_time() -> None:
    assert budget(backendtraffic("web", retryConstraint={})) == (20.0, 10, 10_000)
    asked = {"budget": {"percent": 5, "interval": "1m"}, "minRetryRate": {"count": 25, "interval": "10s"}}
    assert budget(backendtraffic("web", retryConstraint=asked)) == (5.0, 3, 60_000)


def test_it_lies_over_rules_and_under_policies_of_our_own() -> None:
    rule = dr(host="web", trafficPolicy={"retryBudget": {"percent": 50, "budgetInterval": "1s"}})
    own = trafficpolicy(limit_at("Service", "web"), retryBudget={"percent": 70})
    mine = backendtraffic("web", retryConstraint={}, **CART)
    assert budget(rule) == (50.0, 3, 1000)
    assert budget(rule, mine) == (20.0, 10, 10_000)
    assert budget(rule, mine, own) == (70.0, 3, 0)
    assert told(rule, mine, own) == [("standard", "spec.retryConstraint", "Shadowed")]


def test_of_two_at_one_target_the_older_holds() -> None:
    old = backendtraffic("web", name="z", created=OLD, retryConstraint={"budget": {"percent": 1}})
    young = backendtraffic("web", name="a", created=YOUNG, retryConstraint={"budget": {"percent": 2}})
    assert budget(old, young)[0] == 1.0
    assert told(old, young) == [("a", "spec.targetRefs[0]", "Conflicted")]


def test_what_is_no_service_of_the_namespace_is_told() -> None:
    other = {"group": "multicluster.x-k8s.io", "kind": "ServiceImport", "name": "web"}
    found = told(backendtraffic("gone", "web"), backendtraffic(name="import", targetRefs=[other]))
    assert found == [
        ("import", "spec.targetRefs[0]", "TargetNotFound"),
        ("standard", "spec.targetRefs[0]", "TargetNotFound"),
    ]


def test_sessions_are_kept_unless_a_policy_of_our_own_has_others() -> None:
    def session(*objects: Object) -> set[Session | None]:
        mesh, _ = translate_mesh(World.of([WEB, *objects]), Options())
        return {route.session for route in mesh.tables["default/web"].routes}

    own = trafficpolicy(limit_at("Service", "web"), sessionPersistence={"cookie": {"name": "mine"}})
    assert session(backendtraffic("web", **CART)) == {Session(cookie="cart")}
    assert session(backendtraffic("web", **CART), own) == {Session(cookie="mine")}
