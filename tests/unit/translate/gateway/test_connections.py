"""TCPRoutes and TLSRoutes at listeners of gateways, and what is told of them."""

from __future__ import annotations

import pytest

from builders import service
from gatewayworlds import (
    Raw,
    at,
    codes,
    edge,
    gateway,
    grant,
    https,
    listener,
    passthrough,
    route,
    tcproute,
    terminate,
    tls_secret,
    tlsroute,
    world,
)
from tandem.ir.gateway import Sessions, connections_of
from tandem.model.meta import Object
from tandem.translate.gateway.edge import Edge
from tandem.translate.options import Options
from tandem.translate.world import translate_world

BYTES = listener("bytes", 9000, "TCP")
OTHER = service("web", ns="other", ports=[{"name": "http", "port": 80}])


def shares(found: Edge) -> list[tuple[str, int]]:
    return [(b.service, b.weight) for r in connections_of(found.gateways["default/edge"]) for b in r.backends]


def test_connections_go_to_backends_by_weight_and_none_where_it_is_zero() -> None:
    refs = [{"name": "web", "port": 80, "weight": weight} for weight in (7, 0, 3)]
    found = edge(gateway("edge", BYTES), tcproute(rules=[{"backendRefs": refs}]))
    assert shares(found) == [("web", 7), ("web", 3)]
    (port,) = found.gateways["default/edge"].ports
    assert (port.bytes, port.tls, port.listeners[0].hosts) == (True, False, ())
    assert not codes(found, "TCPRoute")


def test_a_listener_without_a_route_serves_and_leads_nowhere() -> None:
    found = edge(gateway("edge", BYTES))
    assert not shares(found)
    assert [one.serves for one in found.facts["default", "edge"].listeners] == [True]


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ({"name": "gone", "port": 80}, "BackendNotFound"),
        ({"name": "web", "port": 81}, "BackendNotFound"),
        ({"name": "web", "port": 80, "kind": "Other", "group": "x"}, "InvalidKind"),
        ({"name": "web", "port": 80, "namespace": "other"}, "RefNotPermitted"),
    ],
)
def test_a_backend_that_may_not_be_used_keeps_its_share_which_leads_nowhere(ref: Raw, code: str) -> None:
    found = edge(gateway("edge", BYTES), tcproute(rules=[{"backendRefs": [ref]}]), OTHER)
    assert codes(found, "TCPRoute") == [("spec.rules[0].backendRefs[0]", code)]
    assert [name.partition("!")[2] for name, _ in shares(found)] == [code]
    assert [one.attached for one in found.facts["default", "edge"].listeners] == [1]


def test_a_grant_of_tcproutes_permits_a_backend_and_one_of_httproutes_does_not() -> None:
    def told(kind: str) -> list[tuple[str, str]]:
        ref = {"name": "web", "port": 80, "namespace": "other"}
        made = tcproute(rules=[{"backendRefs": [ref]}])
        return codes(edge(gateway("edge", BYTES), made, OTHER, grant(kind, "Service")), "TCPRoute")

    assert (told("TCPRoute"), len(told("HTTPRoute"))) == ([], 1)


@pytest.mark.parametrize(
    ("where", "code"),
    [
        (at(sectionName="web"), "NotAllowedByListeners"),
        (at(sectionName="gone"), "NoMatchingParent"),
        (at(sectionName="bytes", port=80), "NoMatchingParent"),
    ],
)
def test_a_parent_that_takes_none_says_why(where: Raw, code: str) -> None:
    found = edge(gateway("edge", BYTES, listener("web")), tcproute("tr", where))
    assert codes(found, "TCPRoute") == [("spec.parentRefs[0]", code)]
    assert [one.attached for one in found.facts["default", "edge"].listeners] == [0, 0]


def test_every_listener_of_tcp_is_meant_without_a_section_and_no_other() -> None:
    made = gateway("edge", BYTES, listener("more", 9001, "TCP"), listener("web"))
    found = edge(made, tcproute(), route("hr"))
    assert {one.name: one.attached for one in found.facts["default", "edge"].listeners} == {
        "bytes": 1,
        "more": 1,
        "web": 1,
    }


def test_the_oldest_route_of_a_listener_and_its_first_rule_have_all_connections() -> None:
    newer = tcproute("a", created="2026-01-02T00:00:00Z", rules=[{"backendRefs": [{"name": "gone", "port": 1}]}])
    rules = [{"backendRefs": [{"name": "web", "port": 80, "weight": weight}]} for weight in (1, 2)]
    older = tcproute("z", created="2026-01-01T00:00:00Z", rules=rules)
    found = edge(gateway("edge", BYTES), newer, older)
    assert shares(found) == [("web", 1)]
    told = {(p.at.name, p.at.path) for p in found.problems if p.code == "Shadowed"}
    assert told == {("a", "spec.rules"), ("z", "spec.rules[1]")}
    assert [one.attached for one in found.facts["default", "edge"].listeners] == [2]


def test_a_port_that_a_tcproute_names_is_not_taken_for_http() -> None:
    def parsed(*more: Object) -> bool:
        plain = service("web", ports=[{"name": "", "port": 80}])
        found = translate_world(world(plain, gateway("edge", BYTES, listener()), *more), Options())
        return found.services["default/web"].ports[0].app.is_http

    assert (parsed(tcproute()), parsed(tcproute(), route("hr"))) == (False, True)


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (listener("b", 9000, "TCP"), ("spec.listeners[1].hostname", "HostnameConflict")),
        (listener("b", 9000), ("spec.listeners[1].protocol", "ProtocolConflict")),
        (listener("b", 9001, "TCP", hostname="a.test"), ("spec.listeners[1].hostname", "UnsupportedValue")),
        (listener("b", 9001, "TCP", tls={"mode": "Passthrough"}), ("spec.listeners[1].tls", "UnsupportedValue")),
    ],
)
def test_a_port_of_bytes_has_one_listener_without_a_host_and_without_tls(second: Raw, told: tuple[str, str]) -> None:
    found = edge(gateway("edge", BYTES, second))
    assert told in codes(found)
    assert not found.facts["default", "edge"].listeners[1].serves


NAMED = passthrough(hostname="*.shop.test")


def names(found: Edge) -> dict[str, list[tuple[str, ...]]]:
    """By listener the names of each of its routes, with the Service that they lead to."""
    return {
        one.name: [
            (route.backends[0].service, *(n for match in route.matches for n in match.server_names))
            for route in one.named
        ]
        for port in found.gateways["default/edge"].ports
        for one in port.listeners
    }


def shadowed(found: Edge) -> set[tuple[str, str]]:
    return {(p.at.name, p.at.path) for p in found.problems if p.code == "Shadowed"}


def leading(to: str) -> list[Raw]:
    return [{"backendRefs": [{"name": to, "port": 80}]}]


@pytest.mark.parametrize(
    ("hostname", "hosts", "meant"),
    [
        ("a.shop.test", ("*.shop.test",), ("a.shop.test",)),
        ("*.shop.test", ("a.shop.test", "b.else.test"), ("a.shop.test",)),
        ("*.test", ("*.shop.test", "a.shop.test"), ("a.shop.test", "*.shop.test")),
        ("", ("*.test",), ("*.test",)),
        ("*.shop.test", (), ("*.shop.test",)),
        ("", (), ()),
    ],
)
def test_names_are_those_that_listener_and_route_have_in_common(
    hostname: str, hosts: tuple[str, ...], meant: tuple[str, ...]
) -> None:
    made = passthrough(hostname=hostname) if hostname else passthrough()
    found = edge(gateway("edge", made), tlsroute(*hosts))
    assert names(found) == {"pass": [("web", *meant)]}
    (port,) = found.gateways["default/edge"].ports
    assert (port.tls, port.bytes, port.listeners[0].sessions) == (True, False, Sessions.PASSTHROUGH)


def test_a_name_belongs_to_the_most_specific_listener_of_its_port_of_whatever_protocol() -> None:
    made = gateway("edge", NAMED, terminate(hostname="a.shop.test"), https("web", hostname="b.shop.test"))
    through = tlsroute("a.shop.test", "b.shop.test", "c.shop.test", parents=(at(sectionName="pass"),))
    found = edge(made, tls_secret(), through, route("hr"))
    assert names(found) == {"pass": [("web", "c.shop.test")], "end": [], "web": []}
    served = {one.name: one.sessions for one in found.gateways["default/edge"].ports[0].listeners}
    assert served == {"pass": Sessions.PASSTHROUGH, "end": Sessions.TERMINATE, "web": Sessions.REQUESTS}
    assert [(one.serves, one.attached) for one in found.facts["default", "edge"].listeners] == [
        (True, 1),
        (True, 0),
        (True, 1),
    ]


def test_of_two_routes_for_a_name_the_older_has_it_and_the_other_is_told() -> None:
    older = tlsroute("a.shop.test", name="z", created="2026-01-01T00:00:00Z", rules=leading("old"))
    newer = tlsroute("a.shop.test", "b.shop.test", name="a", created="2026-01-02T00:00:00Z", rules=leading("new"))
    found = edge(gateway("edge", NAMED), newer, older)
    assert names(found) == {"pass": [("old!BackendNotFound", "a.shop.test"), ("new!BackendNotFound", "b.shop.test")]}
    assert shadowed(found) == {("a", "spec.hostnames")}
    assert [one.attached for one in found.facts["default", "edge"].listeners] == [2]


def test_a_tcproute_has_what_no_tlsroute_is_for_where_sessions_end() -> None:
    older = tcproute("tr", created="2026-01-01T00:00:00Z")
    more = tlsroute("a.shop.test", name="some", created="2026-01-02T00:00:00Z", rules=leading("some"))
    whole = tlsroute("*.shop.test", name="all", created="2026-01-03T00:00:00Z", rules=leading("all"))
    made = gateway("edge", terminate(hostname="*.shop.test")), tls_secret(), older, more
    some = ("some!BackendNotFound", "a.shop.test")
    assert names(edge(*made)) == {"end": [some, ("web", "*.shop.test")]}
    found = edge(*made, whole)
    assert names(found) == {"end": [some, ("all!BackendNotFound", "*.shop.test")]}
    assert shadowed(found) == {("tr", "spec.rules")}


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (tcproute("r", at(sectionName="pass")), "NotAllowedByListeners"),
        (route("r", at(sectionName="pass")), "NotAllowedByListeners"),
        (tlsroute("a.shop.test", name="r", parents=(at(sectionName="web"),)), "NotAllowedByListeners"),
        (tlsroute("a.shop.test", name="r", parents=(at(sectionName="bytes"),)), "NotAllowedByListeners"),
        (tlsroute("a.shop.test", name="r", parents=(at(sectionName="gone"),)), "NoMatchingParent"),
        (tlsroute("shop.test", name="r", parents=(at(sectionName="pass"),)), "NoMatchingListenerHostname"),
    ],
)
def test_a_listener_of_another_kind_or_name_says_why_it_takes_none(made: Object, code: str) -> None:
    found = edge(gateway("edge", BYTES, listener("web"), NAMED), made)
    assert codes(found, made.kind) == [("spec.parentRefs[0]", code)]
    assert {one.attached for one in found.facts["default", "edge"].listeners} == {0}


def test_a_backend_of_a_tlsroute_is_permitted_by_a_grant_of_tlsroutes_alone() -> None:
    def told(kind: str) -> list[tuple[str, str]]:
        ref = {"name": "web", "port": 80, "namespace": "other"}
        made = tlsroute("a.shop.test", rules=[{"backendRefs": [ref]}])
        return codes(edge(gateway("edge", NAMED), made, OTHER, grant(kind, "Service")), "TLSRoute")

    assert told("TLSRoute") == []
    assert told("TCPRoute") == [("spec.rules[0].backendRefs[0]", "RefNotPermitted")]
