"""Conditions: what they say, and that nothing is written without need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from builders import policy, service
from meshworlds import httproute, parent, vs
from tandem.base.problems import Problem, Severity, by_object
from tandem.model import core
from tandem.model.egress import HostAddress
from tandem.model.gateways import CONTROLLER
from tandem.model.meta import Condition, Object, Status
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.conditions import Patch, Programmed
from tandem.translate.status import PATHS_BROKEN, WRITTEN, Given, patches_of

KEY = ("VirtualService", "default", "vs")


def patches(
    world: World,
    problems: Sequence[Problem],
    programmed: Programmed,
    now: float,
    *,
    given: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType({}),
    hosts: Mapping[tuple[str, str], tuple[HostAddress, ...]] = MappingProxyType({}),
) -> tuple[Patch, ...]:
    """What is written of all objects."""
    keys = [(o.kind, *o.key) for cls in WRITTEN.values() for o in world.sorted(cls)]
    return patches_of(world, keys, by_object(problems), programmed, now, given=Given(balancers=given, hosts=hosts))


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


def balanced(*held: str, kind: str = "LoadBalancer", conditions: tuple[Condition, ...] = ()) -> core.Service:
    made = service("web", ip="10.96.0.9", type=kind)
    ingress = tuple(core.IngressAddress(ip=address) for address in held)
    status = core.ServiceStatus(load_balancer=core.LoadBalancerStatus(ingress=ingress), conditions=conditions)
    return msgspec.structs.replace(made, status=status)


def of_service(made: core.Service, *given: str, programmed: Programmed | None = None, **problems: str) -> Any:
    """The status that is written; `problems` are errors by code."""
    found = [Problem(at=made.origin("spec.type"), code=code, text=text) for code, text in problems.items()]
    key = {("default", "web"): given} if given or problems else {}
    written = patches(World.of([made]), found, programmed or {}, 0.0, given=key)
    return written[0].body["status"] if written else None


def test_an_address_of_the_pool_is_written_with_conditions() -> None:
    body = of_service(balanced(), "192.0.2.1", programmed={("Service", "default", "web"): (True, "")})
    assert body["loadBalancer"] == {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}]}
    assert [(c["type"], c["status"]) for c in body["conditions"]] == [("Accepted", "True"), ("Programmed", "True")]


def test_a_service_without_an_address_says_why() -> None:
    body = of_service(balanced(), PoolExhausted="no address is left")
    assert "loadBalancer" not in body
    (accepted, _) = body["conditions"]
    assert (accepted["status"], accepted["reason"]) == ("False", "PoolExhausted")


def test_an_address_that_nobody_is_told_of_is_not_programmed() -> None:
    state = {("Service", "default", "web"): (False, "node node-1: it lies in no subnet")}
    found = {c["type"]: c for c in of_service(balanced(), "192.0.2.1", programmed=state)["conditions"]}
    assert (found["Programmed"]["status"], found["Programmed"]["message"]) == (
        "False",
        state["Service", "default", "web"][1],
    )


def test_a_service_that_is_no_load_balancer_any_more_gives_back_what_was_written() -> None:
    mine = tuple(Condition(type=t, status="True") for t in ("Accepted", "Programmed", "example.com/x"))
    body = of_service(balanced("192.0.2.1", kind="ClusterIP", conditions=mine))
    assert body["loadBalancer"] == {"ingress": []}
    assert [c["type"] for c in body["conditions"]] == ["example.com/x"]


def test_services_of_others_are_left_alone() -> None:
    assert of_service(balanced("203.0.113.1")) is None
    assert of_service(balanced(kind="ClusterIP")) is None


def test_the_network_says_whether_every_node_reaches_every_other() -> None:
    raw = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}}
    network = parse(raw)
    cut = Problem(at=network.origin(), code=PATHS_BROKEN, text="node n1: cut off", severity=Severity.WARNING)
    for said, holds, reason in (((), "True", "Connected"), ((cut,), "False", "PathsBroken")):
        (patch,) = patches(World.of([network]), said, {}, 0.0)
        accepted, _, connected = patch.body["status"]["conditions"]
        assert (connected["type"], connected["status"], connected["reason"]) == ("Connected", holds, reason)
        assert connected["message"] == "".join(p.text for p in said)
        assert (accepted["status"], accepted["message"]) == ("True", "")
