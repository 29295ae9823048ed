"""Conditions of ListenerSets and their listeners, and what a Gateway says of its sets."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayworlds import allowing, at, gateway, in_set, listener, listenerset, pool, route, written
from tandem.model.listenersets import ListenerSet

KEYS = {("Gateway", "default", "edge"): (True, ""), ("ListenerSet", "default", "ls"): (True, "")}
POOL = pool("192.0.2.10-192.0.2.12")
OWN = listener("own", hostname="own.test")
Status = dict[str, Any]


def conditions(status: Status) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def told(*sets: ListenerSet, frm: str = "All", pools: bool = True, **spec: Any) -> tuple[Status, dict[str, Status]]:
    """The statuses of the Gateway and of the sets."""
    made = gateway("edge", OWN, **{**allowing(frm), **spec})
    found = written(made, *sets, route("hr", in_set("ls")), *([POOL] if pools else []), programmed=KEYS)
    return found["Gateway", "edge"], {name: status for (kind, name), status in found.items() if kind == "ListenerSet"}


def test_a_set_in_force_says_so_of_itself_and_of_each_listener_and_is_counted() -> None:
    gate, sets = told(listenerset("ls", listener("a", hostname="a.test")))
    assert conditions(sets["ls"]) == {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}
    assert {c["observedGeneration"] for c in sets["ls"]["conditions"]} == {1}
    (one,) = sets["ls"]["listeners"]
    assert (one["name"], one["attachedRoutes"]) == ("a", 1)
    assert [kind["kind"] for kind in one["supportedKinds"]] == ["HTTPRoute", "GRPCRoute"]
    assert {kind: said[0] for kind, said in conditions(one).items()} == {
        "Accepted": "True",
        "Programmed": "True",
        "ResolvedRefs": "True",
        "Conflicted": "False",
    }
    assert gate["attachedListenerSets"] == 1
    assert [one["name"] for one in gate["listeners"]] == ["own"]


def test_a_set_that_may_not_attach_says_so_in_both_and_is_not_counted() -> None:
    gate, sets = told(listenerset("ls"), frm="None")
    assert conditions(sets["ls"]) == {"Accepted": ("False", "NotAllowed"), "Programmed": ("False", "NotAllowed")}
    assert sets["ls"]["listeners"] == []
    assert gate["attachedListenerSets"] == 0


def test_a_set_without_a_listener_that_can_be_served_is_refused_with_the_reason_at_the_listener() -> None:
    gate, sets = told(listenerset("ls", OWN), listenerset("some", OWN, listener("b", 81)))
    assert conditions(sets["ls"]) == {
        "Accepted": ("False", "ListenersNotValid"),
        "Programmed": ("False", "ListenersNotValid"),
    }
    lost = conditions(sets["ls"]["listeners"][0])
    assert [lost[kind] for kind in ("Accepted", "Programmed", "Conflicted")] == [
        ("False", "HostnameConflict"),
        ("False", "HostnameConflict"),
        ("True", "HostnameConflict"),
    ]
    assert conditions(sets["some"])["Accepted"] == ("True", "ListenersNotValid")
    assert gate["attachedListenerSets"] == 1
    assert conditions(gate)["Accepted"] == ("True", "Accepted")


def test_a_gateway_whose_own_listeners_are_refused_goes_on_with_those_of_its_sets() -> None:
    gate, sets = told(listenerset("ls", listener("a", 81)), listeners=[listener("odd", 82, "example.com/odd")])
    assert conditions(gate) == {
        "Accepted": ("True", "ListenersNotValid"),
        "Programmed": ("True", "Programmed"),
        "ResolvedRefs": ("True", "ResolvedRefs"),
    }
    assert conditions(sets["ls"])["Programmed"] == ("True", "Programmed")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"addresses": [{"value": "203.0.113.1"}]}, [("True", "Accepted"), ("False", "ParentNotProgrammed")]),
        ({"defaultScope": "All"}, [("False", "ParentNotAccepted")] * 2),
    ],
)
def test_a_set_shares_the_fate_of_its_gateway(spec: Status, said: list[tuple[str, str]]) -> None:
    _, sets = told(listenerset("ls"), **spec)
    assert list(conditions(sets["ls"]).values()) == said


def test_parents_of_a_route_are_judged_one_by_one() -> None:
    parents = (at(sectionName="a"), in_set("ls", sectionName="a"))
    found = written(
        gateway("edge", OWN, **allowing("All")), listenerset("ls", listener("a", 81)), route("hr", *parents)
    )
    assert [(p["parentRef"]["kind"], conditions(p)["Accepted"]) for p in found["HTTPRoute", "hr"]["parents"]] == [
        ("Gateway", ("False", "NoMatchingParent")),
        ("ListenerSet", ("True", "Accepted")),
    ]


def test_nothing_is_written_where_nothing_changed() -> None:
    _, sets = told(listenerset("ls"))
    _, again = told(listenerset("ls", status=sets["ls"]))
    assert "ls" not in again


def test_a_set_of_another_controllers_gateway_is_left_alone() -> None:
    _, sets = told(listenerset("ls"), listenerset("foreign", to={"name": "gone"}))
    assert set(sets) == {"ls"}
