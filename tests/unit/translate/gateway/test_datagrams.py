"""UDPRoutes at listeners of gateways, and what is told of them."""

from __future__ import annotations

import pytest

from gatewayworlds import (
    Raw,
    allowing,
    at,
    codes,
    edge,
    gateway,
    grant,
    in_set,
    listener,
    listenerset,
    names,
    pool,
    udproute,
    world,
)
from meshworlds import authz, parent, reqauth
from tandem.model.meta import Object
from tandem.translate.gateway.edge import Edge
from tandem.translate.options import Options
from tandem.translate.world import Translation, translate_world

NAMES = listener("names", 53, "UDP")


def shares(found: Edge) -> dict[int, list[tuple[str, int]]]:
    """By port, the backends and their weights."""
    return {
        port.port: [(b.service, b.weight) for b in port.route.backends] if port.route is not None else []
        for port in found.gateways["default/edge"].datagrams
    }


def test_datagrams_go_to_backends_by_weight_and_none_where_it_is_zero() -> None:
    refs = [{"name": "dns", "port": 53, "weight": weight} for weight in (7, 0, 3)]
    found = edge(gateway("edge", NAMES), udproute(rules=[{"backendRefs": refs}]), names())
    assert shares(found) == {53: [("dns", 7), ("dns", 3)]}
    assert not found.gateways["default/edge"].ports
    assert not codes(found, "UDPRoute")
    assert [(one.kinds[0].kind, one.attached, one.serves) for one in found.facts["default", "edge"].listeners] == [
        ("UDPRoute", 1, True)
    ]


def test_a_listener_without_a_route_serves_and_leads_nowhere() -> None:
    found = edge(gateway("edge", NAMES))
    assert shares(found) == {53: []}
    assert [one.serves for one in found.facts["default", "edge"].listeners] == [True]


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ({"name": "gone", "port": 53}, "BackendNotFound"),
        ({"name": "dns", "port": 54}, "BackendNotFound"),
        ({"name": "dns", "port": 80}, "BackendNotFound"),
        ({"name": "dns", "port": 53, "kind": "Other", "group": "x"}, "InvalidKind"),
        ({"name": "dns", "port": 53, "namespace": "other"}, "RefNotPermitted"),
    ],
)
def test_a_backend_that_may_not_be_used_keeps_its_share_which_leads_nowhere(ref: Raw, code: str) -> None:
    found = edge(gateway("edge", NAMES), udproute(rules=[{"backendRefs": [ref]}]), names(), names("other"))
    assert codes(found, "UDPRoute") == [("spec.rules[0].backendRefs[0]", code)]
    assert [name.partition("!")[2] for name, _ in shares(found)[53]] == [code]
    (text,) = [p.text for p in found.problems if p.code == code]
    assert text.endswith("its share of datagrams is dropped")


def test_a_grant_of_udproutes_permits_a_backend_and_one_of_tcproutes_does_not() -> None:
    def told(kind: str) -> list[tuple[str, str]]:
        made = udproute(rules=[{"backendRefs": [{"name": "dns", "port": 53, "namespace": "other"}]}])
        return codes(edge(gateway("edge", NAMES), made, names("other"), grant(kind, "Service")), "UDPRoute")

    assert (told("UDPRoute"), len(told("TCPRoute"))) == ([], 1)


@pytest.mark.parametrize(
    ("where", "code"),
    [
        (at(sectionName="web"), "NotAllowedByListeners"),
        (at(sectionName="bytes"), "NotAllowedByListeners"),
        (at(sectionName="gone"), "NoMatchingParent"),
        (parent("web"), "InvalidKind"),
    ],
)
def test_a_parent_that_takes_none_says_why(where: Raw, code: str) -> None:
    made = gateway("edge", NAMES, listener("bytes", 9000, "TCP"), listener("web"))
    found = edge(made, udproute("ur", where), names())
    assert codes(found, "UDPRoute") == [("spec.parentRefs[0]", code)]
    assert [one.attached for one in found.facts["default", "edge"].listeners] == [0, 0, 0]


def test_every_listener_of_udp_is_meant_without_a_section_and_no_other() -> None:
    made = gateway("edge", NAMES, listener("more", 54, "UDP"), listener("bytes", 53, "TCP"))
    found = edge(made, udproute(), names())
    assert {one.name: one.attached for one in found.facts["default", "edge"].listeners} == {
        "names": 1,
        "more": 1,
        "bytes": 0,
    }
    assert not codes(found)
    assert [port.port for port in found.gateways["default/edge"].ports] == [53]


def test_the_oldest_route_of_a_listener_and_its_first_rule_have_all_datagrams() -> None:
    newer = udproute("a", created="2026-01-02T00:00:00Z", rules=[{"backendRefs": [{"name": "gone", "port": 1}]}])
    rules = [{"backendRefs": [{"name": "dns", "port": 53, "weight": weight}]} for weight in (1, 2)]
    older = udproute("z", created="2026-01-01T00:00:00Z", rules=rules)
    found = edge(gateway("edge", NAMES), newer, older, names())
    assert shares(found) == {53: [("dns", 1)]}
    told = {(p.at.name, p.at.path) for p in found.problems if p.code == "Shadowed"}
    assert told == {("a", "spec.rules"), ("z", "spec.rules[1]")}
    assert [one.attached for one in found.facts["default", "edge"].listeners] == [2]


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (listener("b", 53, "UDP"), ("spec.listeners[1].hostname", "HostnameConflict")),
        (listener("b", 54, "UDP", hostname="a.test"), ("spec.listeners[1].hostname", "UnsupportedValue")),
        (listener("b", 54, "UDP", tls={"mode": "Terminate"}), ("spec.listeners[1].tls", "UnsupportedValue")),
    ],
)
def test_a_port_of_udp_has_one_listener_without_a_host_and_without_tls(second: Raw, told: tuple[str, str]) -> None:
    found = edge(gateway("edge", NAMES, second))
    assert told in codes(found)
    assert not found.facts["default", "edge"].listeners[1].serves


def test_a_listener_of_a_set_has_datagrams_too() -> None:
    made = gateway("edge", listener(), **allowing("Same"))
    found = edge(made, listenerset("ls", NAMES), udproute("ur", in_set("ls")), names())
    assert shares(found) == {53: [("dns", 1)]}
    (port,) = found.gateways["default/edge"].datagrams
    assert (port.origin.kind, port.origin.name) == ("ListenerSet", "ls")


POOL = pool("192.0.2.10-192.0.2.12")
GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}


def translated(*objects: Object) -> Translation:
    made = gateway("edge", listener(), listener("names", 53, "UDP"))
    return translate_world(world(made, names(), udproute(), POOL, *objects), Options())


@pytest.mark.parametrize(
    ("policies", "goes_on"),
    [
        ((), True),
        ((authz(targetRefs=[GATEWAY], rules=[{}]),), False),
        ((authz(targetRefs=[GATEWAY], action="DENY", rules=[{}]),), False),
        ((authz(targetRefs=[GATEWAY], action="AUDIT", rules=[{}]),), True),
        ((authz(targetRefs=[GATEWAY], rules=[{}], notes={"istio.io/dry-run": "true"}),), True),
        ((authz(ns="shop", rules=[{}]),), True),
        ((reqauth(targetRefs=[GATEWAY], jwtRules=[{"issuer": "a", "jwksUri": "http://keys/"}]),), True),
    ],
)
def test_datagrams_are_dropped_where_a_policy_might_refuse_something(
    policies: tuple[Object, ...], *, goes_on: bool
) -> None:
    found = translated(*policies)
    (port,) = found.edge.gateways["default/edge"].datagrams
    assert (port.route is not None) == goes_on
    told = {p.at.kind for p in found.problems if p.code == "DatagramsDropped"}
    assert told == (set() if goes_on else {"UDPRoute", "AuthorizationPolicy"})
