"""Trouble on purpose at routes of the mesh and of gateways, and what is wrong with who asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from gatewayworlds import at, gateway, gateway_class, world
from meshworlds import faults, grpcroute, httproute, limit_at, parent
from tandem.ir.gateway import routes_of
from tandem.ir.mesh import Fault, Route
from tandem.model.meta import Object
from tandem.translate.faults import read_faults
from tandem.translate.options import Options
from tandem.translate.world import Translation, translate_world

WEB = service("web", ip="10.96.0.9", ports=[{"name": "http", "port": 80}])
TO = [{"name": "web", "port": 80}]
RULES = [
    {"name": "one", "matches": [{"path": {"value": "/one"}}], "backendRefs": TO},
    {"matches": [{"path": {"value": "/two"}}], "backendRefs": TO},
]
ROUTE = httproute("hr", parentRefs=[parent("web"), at("edge")], rules=RULES)
SLOW: dict[str, Any] = {"delay": {"duration": "1s500ms", "percent": 12.5}}
SAD: dict[str, Any] = {"abort": {"grpcStatus": "UNAVAILABLE"}}
HR = limit_at("HTTPRoute", "hr")


def translated(*objects: Object) -> Translation:
    return translate_world(world(WEB, gateway_class(), gateway("edge"), ROUTE, *objects), Options())


def named(routes: Any) -> dict[str, str]:
    """Route -> the policy that makes trouble for it."""
    made: list[Route] = list(routes)
    return {r.name: r.fault.origin.name for r in made if r.fault is not None and r.fault.origin is not None}


def told(*objects: Object) -> list[tuple[str, str, str]]:
    return [(p.at.name, p.at.path, p.code) for p in translated(*objects).problems if p.at.kind == "FaultInjection"]


def test_a_rule_has_its_own_trouble_in_place_of_that_of_the_route() -> None:
    found = translated(faults(HR, name="whole", **SLOW), faults(limit_at("HTTPRoute", "hr", "one"), name="own", **SAD))
    wanted = {"HTTPRoute/default/hr/0/0": "own", "HTTPRoute/default/hr/1/0": "whole"}
    assert named(found.mesh.tables["default/web"].routes) == wanted
    assert named(routes_of(found.edge.gateways["default/edge"])) == wanted


def test_percentages_and_statuses_are_envoys() -> None:
    policy = faults(HR, **SLOW, **SAD)
    (made,) = read_faults(world(ROUTE, policy)).places.values()
    origin = policy.origin()
    assert made == Fault(delay_ms=1500, delay_per_million=125_000, abort_grpc=14, origin=origin)


def test_of_two_at_one_target_the_older_holds() -> None:
    old, young = (
        faults(HR, name=name, created=f"2026-01-0{i}T00:00:00Z", **SAD) for i, name in enumerate(("z", "a"), 1)
    )
    assert told(young, old) == [("a", "spec.targetRefs[0]", "Conflicted")]
    assert set(named(translated(young, old).mesh.tables["default/web"].routes).values()) == {"z"}


@pytest.mark.parametrize(
    ("kind", "name", "section", "path"),
    [
        ("HTTPRoute", "none", "", "name"),
        ("HTTPRoute", "hr", "two", "sectionName"),
        ("GRPCRoute", "hr", "", "name"),
        ("HTTPRoute", "none", "two", "name"),
    ],
)
def test_a_target_that_is_not_there_is_told(kind: str, name: str, section: str, path: str) -> None:
    policy = faults(limit_at(kind, name, section), **SAD)
    assert told(policy) == [("trouble", f"spec.targetRefs[0].{path}", "TargetNotFound")]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"delay": {"duration": "never"}}, "spec.delay.duration"),
        ({"abort": {"grpcStatus": "SAD"}}, "spec.abort.grpcStatus"),
        ({"abort": {"httpStatus": 99}}, "spec.abort.httpStatus"),
    ],
)
def test_what_has_no_meaning_is_told_and_nothing_is_made(spec: dict[str, Any], path: str) -> None:
    """The API refuses these; what came by another way is not taken for something else."""
    assert told(faults(HR, **spec)) == [("trouble", path, "InvalidValue")]
    assert named(translated(faults(HR, **spec)).mesh.tables["default/web"].routes) == {}


def test_a_grpcroute_is_a_target_too() -> None:
    calls = grpcroute("gr", parentRefs=[at("edge")], hostnames=["grpc.test"], rules=[{"backendRefs": TO}])
    found = translated(calls, faults(limit_at("GRPCRoute", "gr"), **SAD))
    assert named(routes_of(found.edge.gateways["default/edge"])) == {"GRPCRoute/default/gr/0/0": "trouble"}
