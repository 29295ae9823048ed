"""ListenerSets: which are merged into their Gateway, whose listeners win, and which routes they have."""

from __future__ import annotations

import pytest

from builders import service
from gatewayworlds import (
    Raw,
    allowing,
    at,
    codes,
    edge,
    gateway,
    gateway_class,
    grant,
    https,
    in_set,
    listener,
    listenerset,
    pool,
    route,
    tcproute,
    tls_secret,
)
from tandem.model.gateways import Gateway
from tandem.model.listenersets import ListenerSet
from tandem.translate.gateway.edge import Edge

POOL = pool("192.0.2.10-192.0.2.12")
OTHER = service("x", ns="other")
"""There is a namespace of that name."""
OWN = listener("own", hostname="own.test")


def open_gateway(*listeners: Raw) -> Gateway:
    return gateway("edge", *(listeners or (OWN,)), **allowing("All"))


def served(found: Edge) -> dict[int, list[tuple[str, str]]]:
    """By port, the listeners that nodes are sent, with their host."""
    ports = found.gateways["default/edge"].ports
    return {port.port: [(one.name, one.hostname) for one in port.listeners] for port in ports}


def attached(found: Edge, name: str, ns: str = "default") -> dict[str, int]:
    return {one.name: one.attached for one in found.sets[ns, name].listeners}


def hosts(found: Edge) -> dict[str, list[str]]:
    """By listener, the hosts that have a route."""
    ports = found.gateways["default/edge"].ports
    return {one.name: [h.host for h in one.hosts if h.routes] for port in ports for one in port.listeners}


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ({}, set()),
        (allowing("None"), set()),
        (allowing("Same"), {"default"}),
        (allowing("All"), {"default", "other"}),
        (allowing("Selector", selector={"matchLabels": {"kubernetes.io/metadata.name": "other"}}), {"other"}),
        (allowing("Selector"), set()),
        ({"allowedListeners": {}}, set()),
    ],
)
def test_a_gateway_takes_sets_of_the_namespaces_that_it_allows_and_of_none_by_default(
    spec: Raw, taken: set[str]
) -> None:
    here = listenerset("ls", listener("a", 81))
    there = listenerset("ls", listener("a", 82), ns="other", to={"name": "edge", "namespace": "default"})
    found = edge(gateway("edge", OWN, **spec), here, there, OTHER, POOL)
    assert {key[0] for key, facts in found.sets.items() if facts.listeners} == taken
    assert found.facts["default", "edge"].sets == len(taken)
    refused = [p.at.namespace for p in found.problems if p.code == "NotAllowed"]
    assert refused == sorted({"default", "other"} - taken)
    assert set(served(found)) == {80} | {{"default": 81, "other": 82}[ns] for ns in taken}


def test_a_set_whose_parent_is_no_gateway_of_ours_is_left_alone() -> None:
    foreign = gateway("theirs", OWN, gatewayClassName="foreign", **allowing("All"))
    odd = [
        listenerset("a", to={"name": "gone"}),
        listenerset("b", to={"name": "edge", "kind": "Service", "group": ""}),
        listenerset("c", to={"name": "theirs"}),
    ]
    found = edge(open_gateway(), foreign, gateway_class("foreign", "example.com/x"), *odd)
    assert not found.sets
    assert [(p.at.name, p.code) for p in found.problems if p.at.kind == "ListenerSet"] == [
        (name, "NotOurs") for name in "abc"
    ]


def test_a_set_of_a_gateway_that_is_refused_is_not_accepted() -> None:
    found = edge(gateway("edge", defaultScope="All", **allowing("All")), listenerset("ls"))
    assert codes(found, "ListenerSet") == [("spec.parentRef", "ParentNotAccepted")]


def test_listeners_are_merged_at_their_ports_and_may_have_the_same_name() -> None:
    one, two = listenerset("one", {**OWN, "hostname": "1.test"}), listenerset("two", {**OWN, "hostname": "2.test"})
    found = edge(open_gateway(), one, two, listenerset("three", listener("own", 81)), POOL)
    assert served(found) == {
        80: [("own", "own.test"), ("default/one/own", "1.test"), ("default/two/own", "2.test")],
        81: [("default/three/own", "*")],
    }
    origins = {one.origin for port in found.gateways["default/edge"].ports for one in port.listeners}
    assert {(o.kind, o.name, o.path) for o in origins} >= {("ListenerSet", "one", "spec.listeners[0]")}


def old(name: str, *listeners: Raw, age: int) -> ListenerSet:
    return listenerset(name, *listeners, created=f"2026-01-0{age}T00:00:00Z")


@pytest.mark.parametrize(
    ("same", "code"),
    [
        ({"hostname": "same.test"}, "HostnameConflict"),
        ({"protocol": "TCP"}, "ProtocolConflict"),
    ],
)
def test_the_gateway_wins_then_the_oldest_set_then_the_first_by_name(same: Raw, code: str) -> None:
    def lost(*sets: ListenerSet, own: Raw = OWN) -> list[tuple[str, str]]:
        problems = edge(open_gateway(own), *sets).problems
        return [(p.at.name, p.code) for p in problems if p.code.endswith("Conflict")]

    first = listener("first", 81, hostname="same.test")
    second = {**listener("second", 81), **same}
    assert lost(old("z", first, age=1), old("a", second, age=2)) == [("a", code)]
    assert lost(old("z", first, age=1), old("a", second, age=1)) == [("z", code)]
    assert lost(old("a", second, age=1), own=first) == [("a", code)]


def test_what_lost_takes_nothing_from_those_after_it() -> None:
    bytes_of = {**listener("bytes"), "protocol": "TCP"}
    loses = old("loses", listener("kept", hostname="kept.test"), bytes_of, age=1)
    after = old("after", listener("fine", hostname="fine.test"), age=2)
    found = edge(open_gateway(), loses, after, POOL)
    assert [one.valid for one in found.sets["default", "loses"].listeners] == [True, False]
    assert [name for name, _ in served(found)[80]] == ["own", "default/loses/kept", "default/after/fine"]


def test_within_a_set_nobody_wins_and_others_do_not_get_what_they_fought_for() -> None:
    same = listener("a", 81), listener("b", 81)
    found = edge(open_gateway(), old("one", *same, age=1), old("two", listener("c", 81), age=2), POOL)
    assert not [one for key in ("one", "two") for one in found.sets["default", key].listeners if one.valid]
    assert set(served(found)) == {80}


def test_nobody_is_told_whose_the_other_listener_is() -> None:
    found = edge(open_gateway(), old("secret", listener("x", 81), age=1), old("b", listener("c", 81), age=2))
    (text,) = [p.text for p in found.problems if p.code == "HostnameConflict"]
    assert "secret" not in text


@pytest.mark.parametrize(
    ("parent", "counts"),
    [
        (in_set("ls"), {"a": 1, "b": 1}),
        (in_set("ls", sectionName="a"), {"a": 1, "b": 0}),
        (in_set("ls", port=82), {"a": 0, "b": 1}),
        (at("edge"), {"a": 0, "b": 0}),
    ],
)
def test_a_route_attaches_to_the_listeners_of_the_parent_that_it_names(parent: Raw, counts: dict[str, int]) -> None:
    found = edge(open_gateway(), listenerset("ls", listener("a", 81), listener("b", 82)), route("hr", parent), POOL)
    assert attached(found, "ls") == counts
    own = found.facts["default", "edge"].listeners[0].attached
    assert own == (1 if parent == at("edge") else 0)
    assert {name for name, found_hosts in hosts(found).items() if found_hosts} == (
        {f"default/ls/{name}" for name, count in counts.items() if count} or {"own"}
    )


@pytest.mark.parametrize(
    ("parent", "code"),
    [
        (in_set("ls", sectionName="own"), "NoMatchingParent"),
        (in_set("ls", port=80), "NoMatchingParent"),
        (at("edge", sectionName="a"), "NoMatchingParent"),
        (in_set("shut"), "NoMatchingParent"),
    ],
)
def test_sections_of_the_other_parent_are_not_found(parent: Raw, code: str) -> None:
    shut = gateway("shut", OWN)
    sets = listenerset("ls", listener("a", 81)), listenerset("shut", to={"name": "shut"})
    found = edge(open_gateway(), shut, *sets, route("hr", parent))
    assert codes(found, "HTTPRoute") == [("spec.parentRefs[0]", code)]


def test_a_set_that_nobody_knows_is_none_of_ours() -> None:
    found = edge(open_gateway(), route("hr", in_set("gone")))
    assert [(p.at.path, p.code) for p in found.problems if p.at.kind == "HTTPRoute"] == [
        ("spec.parentRefs[0]", "NotOurs")
    ]


def test_namespaces_of_routes_and_of_secrets_are_counted_from_the_sets_own() -> None:
    ls = listenerset("ls", https("a", hostname="a.test"), ns="other", to={"name": "edge", "namespace": "default"})
    secret = tls_secret(ns="other")
    here, there = route("here", in_set("ls", namespace="other")), route("there", in_set("ls"), ns="other")
    found = edge(open_gateway(), ls, secret, here, there, POOL)
    assert attached(found, "ls", "other") == {"a": 1}
    assert [(p.at.name, p.code) for p in found.problems if p.at.kind == "HTTPRoute"] == [
        ("here", "NotAllowedByListeners"),
        ("there", "BackendNotFound"),
    ]
    assert found.sets["other", "ls"].listeners[0].serves


@pytest.mark.parametrize(("kind", "allowed"), [("ListenerSet", True), ("Gateway", False)])
def test_a_secret_of_another_namespace_needs_a_grant_for_listenersets(kind: str, *, allowed: bool) -> None:
    ls = listenerset("ls", https("a", ns="other"))
    found = edge(open_gateway(), ls, tls_secret(ns="other"), grant(kind, "Secret"), POOL)
    assert found.sets["default", "ls"].listeners[0].valid == allowed
    assert codes(found, "ListenerSet") == (
        [] if allowed else [("spec.listeners[0].tls.certificateRefs[0]", "RefNotPermitted")]
    )


def test_connections_of_a_sets_listener_follow_its_tcproute() -> None:
    found = edge(open_gateway(), listenerset("ls", listener("b", 9000, "TCP")), tcproute("tr", in_set("ls")), POOL)
    (port,) = [p for p in found.gateways["default/edge"].ports if p.port == 9000]
    assert port.listeners[0].connections
    assert attached(found, "ls") == {"b": 1}
