"""Trouble on purpose, by the objects alone."""

from __future__ import annotations

from typing import Any

from meshworlds import faults, httproute, limit_at
from tandem.base.problems import Origin
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.faults import trouble_at

ROUTE = httproute("hr", rules=[{"name": "one"}, {}])
SLOW: dict[str, Any] = {"delay": {"duration": "1s", "percent": 50}}
SAD: dict[str, Any] = {"abort": {"httpStatus": 503}}


def at(rule: int, *objects: Object) -> tuple[str, str] | None:
    origin = Origin(kind="HTTPRoute", namespace="default", name="hr", path=f"spec.rules[{rule}]")
    found = trouble_at(World.of([ROUTE, *objects]), origin)
    return (found.rule.name, found.text) if found is not None else None


def test_the_rules_own_comes_before_that_of_the_route() -> None:
    policies = (
        faults(limit_at("HTTPRoute", "hr"), name="whole", **SLOW),
        faults(limit_at("HTTPRoute", "hr", "one"), name="own", **SAD),
    )
    assert at(0, *policies) == ("own", "100 of 100 are answered with 503")
    assert at(1, *policies) == ("whole", "50 of 100 wait for 1s")


def test_the_older_has_the_target() -> None:
    ref = limit_at("HTTPRoute", "hr")
    policies = (faults(ref, name=n, created=f"2026-01-0{i}T00:00:00Z", **SLOW, **SAD) for i, n in enumerate("za", 1))
    assert at(0, *policies) == ("z", "50 of 100 wait for 1s, 100 of 100 are answered with 503")


def test_other_routes_have_none() -> None:
    other = faults(limit_at("HTTPRoute", "other"), limit_at("GRPCRoute", "hr"), **SAD)
    assert at(0, other) is at(0, faults(limit_at("HTTPRoute", "hr"), ns="shop", **SAD)) is None
