"""Conditions of policies that are attached: of the whole and at each target; rules of routes as targets."""

from __future__ import annotations

from typing import Any

import msgspec

from meshworlds import faults, httproute, limit_at, ratelimit
from tandem.base.problems import Problem, Severity
from tandem.ir.mesh import Respond, Route
from tandem.model.gateways import CONTROLLER
from tandem.model.parse import parse
from tandem.model.ratelimit import RateLimit
from tandem.model.world import World
from tandem.translate.attachment import attached_patch, find_rule, rule_of
from tandem.translate.status import patches_of

POLICY = ratelimit(limit_at("Service", "web", "http"), limit_at("HTTPRoute", "hr"))


def problem(path: str, code: str = "TargetNotFound", severity: Severity = Severity.ERROR) -> Problem:
    return Problem(at=POLICY.origin(path), code=code, text="no", severity=severity)


def status(*problems: Problem, state: tuple[bool, str] | None = (True, ""), of: RateLimit = POLICY) -> dict[str, Any]:
    patch = attached_patch(of, problems, state, 0.0)
    assert patch is not None
    assert (patch.kind, patch.namespace, patch.name) == ("RateLimit", "default", "few")
    return patch.body["status"]  # type: ignore[no-any-return]


def brief(conditions: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in conditions}


def test_each_target_is_an_ancestor_with_conditions_of_its_own() -> None:
    found = status(problem("spec.targetRefs[0].name"))
    refs = [a["ancestorRef"] for a in found["ancestors"]]
    assert refs == [
        {"group": "", "kind": "Service", "name": "web", "sectionName": "http"},
        {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "hr"},
    ]
    assert {a["controllerName"] for a in found["ancestors"]} == {CONTROLLER}
    missing, sound = (brief(a["conditions"]) for a in found["ancestors"])
    assert missing == {"Accepted": ("False", "TargetNotFound"), "Programmed": ("False", "Invalid")}
    assert sound == {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}
    assert brief(found["conditions"])["Accepted"] == ("False", "TargetNotFound")


def test_what_is_wrong_with_the_limits_is_wrong_at_every_target() -> None:
    found = status(problem("spec.limits[0].unit", "UnsupportedValue"))
    assert {brief(a["conditions"])["Accepted"] for a in found["ancestors"]} == {("False", "UnsupportedValue")}


def test_the_tenth_target_is_not_the_first() -> None:
    many = ratelimit(*(limit_at("Service", f"s{i}") for i in range(11)))
    found = status(problem("spec.targetRefs[10]", "Conflicted"), of=many)
    reasons = [brief(a["conditions"])["Accepted"][1] for a in found["ancestors"]]
    assert reasons == ["Accepted"] * 10 + ["Conflicted"]


def test_nothing_is_written_twice_and_what_others_wrote_stays() -> None:
    theirs = {"ancestorRef": {"kind": "Service", "name": "web"}, "controllerName": "x.test/y", "conditions": []}
    raw = msgspec.to_builtins(POLICY) | {"status": {"ancestors": [theirs]}}
    found = status(of=parse(raw))  # type: ignore[arg-type]
    assert [a["controllerName"] for a in found["ancestors"]] == ["x.test/y", CONTROLLER, CONTROLLER]
    again = parse(msgspec.to_builtins(POLICY) | {"status": found})
    assert isinstance(again, RateLimit)
    assert attached_patch(again, (), (True, ""), 9.0) is None


def test_at_another_controllers_gateway_nothing_is_said() -> None:
    found = status(problem("spec.targetRefs[1].name", "NotOurs", Severity.WARNING))
    assert [a["ancestorRef"]["kind"] for a in found["ancestors"]] == ["Service"]


def test_a_limit_that_not_all_nodes_have_waits() -> None:
    found = status(state=(False, "node n1"))
    assert {brief(a["conditions"])["Programmed"] for a in found["ancestors"]} == {("False", "Pending")}


def test_a_rule_is_found_by_its_name_and_what_is_missing_is_said() -> None:
    found = World.of([httproute("hr", rules=[{"name": "one"}, {"name": "two"}])])
    assert find_rule(found, "HTTPRoute", ("default", "hr"), "two") == (1, "")
    assert find_rule(found, "HTTPRoute", ("default", "hr"), "") == (None, "")
    assert find_rule(found, "HTTPRoute", ("default", "hr"), "six")[1] == "HTTPRoute default/hr has no rule named 'six'"
    assert find_rule(found, "GRPCRoute", ("default", "hr"), "two")[1] == "no GRPCRoute default/hr"


def test_a_route_that_came_from_no_rule_is_none_of_its_object() -> None:
    made = Route(name="r", matches=(), action=Respond(status=404), origin=POLICY.origin("spec.rules[3]"))
    assert rule_of(made) == 3
    assert rule_of(msgspec.structs.replace(made, origin=POLICY.origin())) is None


def test_every_kind_that_is_attached_has_conditions_by_target() -> None:
    """Through the door by which control asks for all patches."""
    broken = faults(limit_at("HTTPRoute", "hr"), abort={"httpStatus": 503})
    for policy in (POLICY, broken):
        (patch,) = patches_of(World.of([policy]), [(policy.kind, *policy.key)], {}, {}, 0.0)
        assert patch.body["status"]["ancestors"], policy.kind
