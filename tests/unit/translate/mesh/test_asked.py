"""What annotations of Services ask of those who call them."""

from __future__ import annotations

from builders import service
from linkerdworlds import with_notes
from meshworlds import dr, httproute, parent
from tandem.ir.mesh import Retry
from tandem.model.core import Service
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh import translate_mesh
from tandem.translate.mesh.asked import read_asked
from tandem.translate.options import Options

TIME, ACCRUAL = "timeout.linkerd.io/request", "balancer.linkerd.io/failure-accrual"


def noted(**notes: str) -> Service:
    return with_notes(service("web", ports=[{"name": "http", "port": 80}], ip="10.96.1.1"), notes)


def translated(*objects: Object, **notes: str) -> tuple[list[tuple[int, str]], list[str], int]:
    """Of each route of the Service its time and origin, what is told, and after how many failures endpoints rest."""
    mesh, problems = translate_mesh(World.of([noted(**notes), *objects]), Options())
    table, policy = mesh.tables.get("default/web"), mesh.policies.get("default/web")
    routes = [(r.timeout_ms, r.origin.kind) for r in table.routes] if table is not None else []
    outlier = policy.traffic.outlier if policy is not None else None
    return routes, [f"{p.code} {p.at.path}" for p in problems], outlier.errors if outlier is not None else 0


def test_a_service_without_routes_has_one_of_its_own() -> None:
    assert translated() == ([], [], 0)
    assert translated(**{TIME: "1s"}) == ([(1000, "Service")], [], 0)
    assert translated(**{TIME: "what"}) == ([], [f"InvalidValue metadata.annotations[{TIME}]"], 0)


def test_routes_have_what_the_service_says_and_nothing_is_shadowed() -> None:
    rules = [{"backendRefs": [{"name": "web", "port": 80}]}]
    routes, problems, _ = translated(httproute(parentRefs=[parent("web")], rules=rules), **{TIME: "1s"})
    assert (routes, problems) == ([(1000, "HTTPRoute")], [])
    theirs = httproute(ns="shop", parentRefs=[parent("web", namespace="default")], rules=rules)
    assert [code for code in translated(theirs, **{TIME: "1s"})[1] if code.startswith("Shadowed")] == []


def test_failures_of_a_rule_come_before_those_of_an_annotation() -> None:
    assert translated(**{ACCRUAL: "consecutive"}) == ([], [], 7)
    rule = dr("web", host="web", trafficPolicy={"outlierDetection": {"consecutive5xxErrors": 2}})
    assert translated(rule, **{ACCRUAL: "consecutive"})[2] == 2
    other = dr("web", host="web", trafficPolicy={"connectionPool": {"tcp": {"maxConnections": 1}}})
    assert translated(other, **{ACCRUAL: "consecutive"})[2] == 7


def test_it_is_the_same_while_no_service_asks_for_something_else() -> None:
    asked = read_asked(World.of([noted(**{TIME: "1s", "retry.linkerd.io/limit": "2"})]))
    other = service("other")
    assert read_asked(World.of([noted(**{TIME: "1s", "retry.linkerd.io/limit": "2", "x": "y"}), other])) == asked
    ((key, said),) = asked.services
    assert (key, said.patience.retry) == (
        ("default", "web"),
        Retry(attempts=2, retry_on=("connect-failure", "refused-stream")),
    )
