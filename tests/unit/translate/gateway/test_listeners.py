"""What listeners are good for, and what is told of those that are not."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from gatewayworlds import Raw, codes, edge, gateway, https, listener, passthrough, terminate, tls_secret, world
from tandem.model.gateways import GROUP, RouteKind
from tandem.translate.gateway.listeners import GRPC_ROUTE, HTTP_ROUTE, TCP_ROUTE, TLS_ROUTE, admits, read_listeners


@pytest.mark.parametrize("protocol", ["SCTP", "example.com/x"])
def test_a_protocol_that_is_not_served_has_no_kinds_and_the_others_go_on(protocol: str) -> None:
    found = edge(gateway("edge", listener("a", 80), listener("b", 81, protocol)))
    assert codes(found) == [("spec.listeners[1].protocol", "UnsupportedProtocol")]
    assert [(one.name, one.kinds, one.serves) for one in found.facts["default", "edge"].listeners] == [
        ("a", (HTTP_ROUTE, GRPC_ROUTE), True),
        ("b", (), False),
    ]


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ({}, {}, "HostnameConflict"),
        ({"hostname": "a.test"}, {"hostname": "a.test"}, "HostnameConflict"),
        ({}, {"protocol": "HTTPS"}, "ProtocolConflict"),
        ({}, passthrough(port=80), "ProtocolConflict"),
        ({"protocol": "TCP"}, passthrough(port=80), "ProtocolConflict"),
        ({"protocol": "HTTPS", "hostname": "a.test"}, passthrough(port=80, hostname="a.test"), "HostnameConflict"),
        (terminate(port=80), passthrough(port=80), "HostnameConflict"),
    ],
)
def test_two_that_cannot_be_told_apart_are_both_in_conflict(first: Raw, second: Raw, code: str) -> None:
    made = gateway(
        "edge", {**listener(), **first, "name": "a"}, {**listener(), **second, "name": "b"}, listener("c", 81)
    )
    found = edge(made, tls_secret())
    assert [(path[:17], c) for path, c in codes(found) if c == code] == [
        ("spec.listeners[0]", code),
        ("spec.listeners[1]", code),
    ]
    assert [one.serves for one in found.facts["default", "edge"].listeners] == [False, False, True]


def test_several_hosts_of_one_port_are_no_conflict() -> None:
    assert not codes(edge(gateway("edge", listener("a", hostname="a.test"), listener("b", hostname="b.test"))))


@pytest.mark.parametrize(
    ("kinds", "left"),
    [
        ([{"kind": "HTTPRoute"}], (HTTP_ROUTE,)),
        ([{"kind": "HTTPRoute"}, {"kind": "Bucket"}], (HTTP_ROUTE,)),
        ([{"kind": "Bucket"}], ()),
        ([{"kind": "HTTPRoute", "group": "example.com"}], ()),
    ],
)
def test_kinds_that_cannot_attach_are_told_and_the_others_left(kinds: list[Raw], left: tuple[RouteKind, ...]) -> None:
    found = edge(gateway("edge", listener(allowedRoutes={"kinds": kinds})))
    assert found.facts["default", "edge"].listeners[0].kinds == left
    assert {c for _, c in codes(found)} == ({"InvalidRouteKinds"} if len(left) < len(kinds) else set())


@pytest.mark.parametrize(
    ("made", "kinds"),
    [
        (passthrough(), (TLS_ROUTE,)),
        (terminate(), (TLS_ROUTE, TCP_ROUTE)),
        (passthrough(allowedRoutes={"kinds": [{"kind": "TCPRoute"}]}), ()),
    ],
)
def test_a_listener_of_tls_takes_what_its_mode_allows(made: Raw, kinds: tuple[RouteKind, ...]) -> None:
    (one,) = edge(gateway("edge", made), tls_secret()).facts["default", "edge"].listeners
    assert (one.kinds, one.serves) == (kinds, bool(kinds))


def test_sessions_end_with_a_certificate_only_and_pass_through_without_one() -> None:
    found = edge(
        gateway("edge", terminate(hostname="a.test"), {**terminate(hostname="b.test", of="gone"), "name": "b"})
    )
    assert codes(found) == [(f"spec.listeners[{i}].tls.certificateRefs[0]", "InvalidCertificateRef") for i in (0, 1)]
    assert not found.gateways
    tls = {"mode": "Passthrough", "certificateRefs": [{"name": "gone"}]}
    found = edge(gateway("edge", listener("pass", 443, "TLS", tls=tls)))
    assert [(p.at.path, p.code, p.severity.value) for p in found.problems if p.code != "PoolNotFound"] == [
        ("spec.listeners[0].tls.certificateRefs", "NoEffect", "warning")
    ]
    assert [one.serves for one in found.facts["default", "edge"].listeners] == [True]


def test_passthrough_of_https_and_options_are_refused() -> None:
    tls = {"mode": "Passthrough", "certificateRefs": [{"name": "cert"}], "options": {"a.test/b": "c"}}
    found = edge(gateway("edge", listener("https", 443, "HTTPS", tls=tls)), tls_secret())
    assert codes(found) == [
        ("spec.listeners[0].tls.mode", "UnsupportedValue"),
        ("spec.listeners[0].tls.options[a.test/b]", "UnsupportedValue"),
    ]
    assert not found.gateways


@pytest.mark.parametrize(
    ("namespaces", "admitted"),
    [
        ({}, {"default"}),
        ({"from": "Same"}, {"default"}),
        ({"from": "All"}, {"default", "a", "b"}),
        ({"from": "None"}, set()),
        ({"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": "a"}}}, {"a"}),
        ({"from": "Selector"}, set()),
        ({"from": "Selector", "selector": {"matchExpressions": [{"key": "x", "operator": "Odd"}]}}, set()),
    ],
)
def test_namespaces_are_admitted_as_the_listener_says(namespaces: Raw, admitted: set[str]) -> None:
    made = gateway("edge", listener(allowedRoutes={"namespaces": namespaces}))

    found = world(made, service("x", ns="a"), service("x", ns="b"))
    ((read,),) = read_listeners(found, made)[0].values()
    assert {ns for ns in ("default", "a", "b") if admits(read, HTTP_ROUTE, ns, found)} == admitted


def test_a_kind_that_is_not_the_listeners_is_not_admitted() -> None:
    made = gateway("edge")
    ((read,),) = read_listeners(world(made), made)[0].values()
    assert not admits(read, RouteKind(group=GROUP, kind="TLSRoute"), "default", world(made))


@pytest.mark.parametrize(
    ("spec", "path", "code"),
    [
        (
            {"infrastructure": {"parametersRef": {"group": "g", "kind": "K", "name": "n"}}},
            "spec.infrastructure.parametersRef",
            "InvalidParameters",
        ),
        ({"defaultScope": "All"}, "spec.defaultScope", "UnsupportedValue"),
    ],
)
def test_what_is_not_enforced_refuses_the_whole_gateway(spec: dict[str, Any], path: str, code: str) -> None:
    found = edge(gateway("edge", **spec))
    assert codes(found) == [(path, code)]
    assert not found.gateways


def test_https_without_a_certificate_serves_nobody_and_keeps_its_host_from_others() -> None:
    found = edge(gateway("edge", https("a", of="gone", hostname="a.test"), https("b")), tls_secret())
    ((port,), facts) = found.gateways["default/edge"].ports, found.facts["default", "edge"].listeners
    assert [(one.hostname, bool(one.certificates)) for one in port.listeners] == [("a.test", False), ("*", True)]
    assert [one.serves for one in facts] == [False, True]
