"""Conditions: what they say, and that nothing is written without need."""

from __future__ import annotations

from typing import Any

import msgspec

from builders import policy
from meshworlds import httproute, parent, vs
from tandem.base.problems import Problem, Severity
from tandem.model.meta import Condition, Object, Status
from tandem.model.world import World
from tandem.translate.status import CONTROLLER, Programmed, patches

KEY = ("VirtualService", "default", "vs")


def route(**more: Any) -> Object:
    return vs(hosts=["a"], http=[{"directResponse": {"status": 200}}], **more)


def conditions(obj: Object, problems: list[Problem], programmed: Programmed) -> dict[str, dict[str, Any]]:
    (patch,) = patches(World.of([obj]), problems, programmed, 0.0)
    return {c["type"]: c for c in patch.body["status"]["conditions"]}


def error(obj: Object, path: str, code: str = "SubsetNotFound", severity: Severity = Severity.ERROR) -> Problem:
    return Problem(at=obj.origin(path), code=code, text="what is wrong", severity=severity)


def test_an_object_without_problems_is_accepted_and_programmed_once_all_nodes_agree() -> None:
    found = conditions(route(), [], {KEY: (True, "")})
    assert {t: c["status"] for t, c in found.items()} == {"Accepted": "True", "Programmed": "True"}
    assert found["Accepted"]["observedGeneration"] == 1


def test_the_message_is_written_even_if_it_is_empty() -> None:
    # metav1.Condition requires it, and the API server refuses a condition without.
    (patch,) = patches(World.of([policy("p")]), [], {("NetworkPolicy", "default", "p"): (True, "")}, 0.0)
    assert [c["message"] for c in patch.body["status"]["conditions"]] == ["", ""]


def test_an_object_that_a_node_has_not_acknowledged_is_pending() -> None:
    found = conditions(route(), [], {KEY: (False, "node-1: not acknowledged")})
    assert (found["Programmed"]["status"], found["Programmed"]["reason"]) == ("False", "Pending")
    assert found["Programmed"]["message"] == "node-1: not acknowledged"


def test_an_error_is_the_reason_and_names_the_field() -> None:
    obj = route()
    found = conditions(obj, [error(obj, "spec.http[0]")], {KEY: (True, "")})
    assert (found["Accepted"]["status"], found["Accepted"]["reason"]) == ("False", "SubsetNotFound")
    assert found["Accepted"]["message"] == "spec.http[0]: what is wrong"
    assert found["Programmed"]["status"] == "False"


def test_a_warning_is_said_and_does_not_refuse() -> None:
    obj = policy("p")
    found = conditions(obj, [error(obj, "spec.ingress[0]", severity=Severity.WARNING)], {})
    assert found["Accepted"]["status"] == "True"
    assert "what is wrong" in found["Accepted"]["message"]


def test_many_errors_are_counted_and_not_all_spelled_out() -> None:
    obj = route()
    found = conditions(obj, [error(obj, f"spec.http[{i}]") for i in range(8)], {})
    assert found["Accepted"]["message"].endswith("and 3 more")


def written(obj: Any, now: float, programmed: Programmed) -> Any:
    """The object as it is after its patch was applied."""
    found = patches(World.of([obj]), [], programmed, now)
    if not found:
        return obj
    status = msgspec.convert(found[0].body["status"], type=type(obj.status))
    return msgspec.structs.replace(obj, status=status)


def test_nothing_is_written_when_nothing_changed() -> None:
    once = written(route(), 0.0, {KEY: (True, "")})
    assert patches(World.of([once]), [], {KEY: (True, "")}, 60.0) == ()


def test_the_transition_time_moves_with_the_status_alone() -> None:
    pending = written(route(), 0.0, {KEY: (False, "waiting")})
    still = written(pending, 60.0, {KEY: (False, "waiting for another")})
    done = written(still, 120.0, {KEY: (True, "")})
    times = [{c.type: c.last_transition_time for c in o.status.conditions} for o in (pending, still, done)]
    assert times[0] == times[1]
    assert times[2] == {"Accepted": "1970-01-01T00:00:00Z", "Programmed": "1970-01-01T00:02:00Z"}


def test_conditions_of_others_are_kept() -> None:
    foreign = Condition(type="Reconciled", status="True")
    obj = msgspec.structs.replace(vs(hosts=["a"]), status=Status(conditions=(foreign,)))
    assert set(conditions(obj, [], {})) == {"Reconciled", "Accepted", "Programmed"}


def parents(obj: Object, problems: list[Problem]) -> list[dict[str, Any]]:
    (patch,) = patches(World.of([obj]), problems, {}, 0.0)
    found: list[dict[str, Any]] = patch.body["status"]["parents"]
    return found


def states(entry: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in entry["conditions"]}


def test_a_route_has_conditions_for_each_service_and_none_for_a_gateway() -> None:
    obj = httproute(parentRefs=[{"name": "edge"}, parent("a"), parent("gone")], rules=[])
    found = parents(obj, [error(obj, "spec.parentRefs[2]", "NoMatchingParent")])
    assert [e["parentRef"]["name"] for e in found] == ["a", "gone"]
    assert {e["controllerName"] for e in found} == {CONTROLLER}
    assert states(found[0])["Accepted"] == ("True", "Accepted")
    assert states(found[1])["Accepted"] == ("False", "NoMatchingParent")


def test_an_unresolved_backend_leaves_the_route_accepted() -> None:
    obj = httproute(parentRefs=[parent("a")], rules=[])
    (found,) = parents(obj, [error(obj, "spec.rules[0].backendRefs[0]", "BackendNotFound")])
    assert states(found)["Accepted"] == ("True", "Accepted")
    assert states(found)["ResolvedRefs"] == ("False", "BackendNotFound")


def test_a_wrong_value_is_reported_with_the_gateway_api_s_reason() -> None:
    obj = httproute(parentRefs=[parent("a")], rules=[])
    (found,) = parents(obj, [error(obj, "spec.rules[0].matches[0]", "InvalidValue")])
    assert states(found)["Accepted"] == ("False", "UnsupportedValue")


def test_a_parent_reference_is_written_with_group_and_kind() -> None:
    (found,) = parents(httproute(parentRefs=[parent("a", port=80)], rules=[]), [])
    assert found["parentRef"] == {"group": "", "kind": "Service", "name": "a", "port": 80}


def test_a_route_is_not_written_twice() -> None:
    once = written(httproute(parentRefs=[parent("a")], rules=[]), 0.0, {})
    assert patches(World.of([once]), [], {}, 60.0) == ()
