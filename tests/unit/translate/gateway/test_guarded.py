"""Policies that are attached to gateways."""

from __future__ import annotations

from typing import Any

import pytest

from builders import namespace, pod
from gatewayworlds import gateway, gateway_class, https, listener, route, tcproute, tls_secret, world
from meshworlds import authz, canary, reqauth
from tandem.ir.gateway import connections_of, routes_of
from tandem.ir.mesh import Forward, Respond
from tandem.model.meta import Object
from tandem.translate.options import Options
from tandem.translate.world import Translation, translate_world

GROUP = "gateway.networking.k8s.io"
EDGE = {"group": GROUP, "kind": "Gateway", "name": "edge"}
CLASS = {"group": GROUP, "kind": "GatewayClass", "name": "tandem"}
OTHER = route("other", {"name": "other"})


def translated(*objects: Object) -> Translation:
    both = (gateway(), gateway("other"), route(), OTHER)
    return translate_world(world(*both, *objects), Options())


def answers(found: Translation, name: str = "edge") -> list[Any]:
    """Statuses that the routes of a gateway answer with; None for those that lead on."""
    routes = routes_of(found.edge.gateways[f"default/{name}"])
    return [r.action.status if isinstance(r.action, Respond) else None for r in routes]


def told(found: Translation) -> list[tuple[str, str, str]]:
    return [(p.at.path, p.code, p.severity.value) for p in found.problems if p.at.name in {"ap", "ra"}]


REFUSED = [("spec.targetRefs[0]", "UnsupportedField", "error")]


@pytest.mark.parametrize(
    "policy",
    [
        authz(action="DENY", rules=[{}], targetRefs=[EDGE]),
        authz(rules=[{}], targetRefs=[EDGE]),
        authz(targetRefs=[EDGE]),
        authz(action="CUSTOM", provider={"name": "x"}, rules=[{}], targetRefs=[EDGE]),
        reqauth(jwtRules=[{"issuer": "a"}], targetRefs=[EDGE]),
    ],
)
def test_it_closes_that_gateway_alone_and_says_so(policy: Object) -> None:
    found = translated(policy)
    assert answers(found) == [403]
    assert answers(found, "other") == [None]
    assert set(REFUSED) <= set(told(found))


def test_pods_are_none_of_its_affair() -> None:
    meshed = namespace("default", **{"tandem.io/mesh": "enabled"})
    web = pod("web", namespace="default", ip="10.244.0.9", node="n1", app="web")
    found = translated(meshed, web, authz(targetRefs=[EDGE]), reqauth(targetRefs=[EDGE]))
    (one,) = found.pods.values()
    assert (one.meshed, one.authorization) == (True, ())


def test_every_listener_is_closed_for_whatever_host_it_is() -> None:
    both = gateway("edge", listener(), https(hostname="*.shop.test"))
    found = translate_world(
        world(both, tls_secret(), route(host="a.shop.test"), authz(targetRefs=[EDGE]), canary()), Options()
    )
    ports = found.edge.gateways["default/edge"].ports
    assert [[(h.host, len(h.routes)) for one in p.listeners for h in one.hosts] for p in ports] == [
        [("*", 1)],
        [("*.shop.test", 1)],
    ]
    assert answers(found) == [403, 403]
    assert not any(isinstance(r.action, Forward) for r in routes_of(found.edge.gateways["default/edge"]))


def test_connections_of_bytes_lead_nowhere() -> None:
    made = gateway("bytes", listener("raw", 9000, "TCP"))
    by_port = tcproute("tr", {"name": "bytes"}, rules=[{"backendRefs": [{"name": "web", "port": 80}]}])
    open_, shut = (
        [c for c in connections_of(found.edge.gateways["default/bytes"]) if c.backends]
        for found in (
            translated(made, by_port),
            translated(made, by_port, authz(targetRefs=[{**EDGE, "name": "bytes"}])),
        )
    )
    assert (len(open_), shut) == (1, [])


def test_a_class_is_for_the_root_namespace_to_close() -> None:
    found = translated(authz(ns="istio-system", targetRefs=[CLASS]))
    assert answers(found) == answers(found, "other") == [403]
    found = translated(authz(targetRefs=[CLASS]))
    assert (answers(found), told(found)) == ([None], [("spec.targetRefs[0]", "RefNotPermitted", "error")])


@pytest.mark.parametrize(
    ("ref", "path", "code"),
    [
        ({**EDGE, "name": "none"}, "spec.targetRefs[0].name", "TargetNotFound"),
        ({**EDGE, "namespace": "shop"}, "spec.targetRefs[0].namespace", "RefNotPermitted"),
    ],
)
def test_a_gateway_that_is_not_there_or_elsewhere_is_told(ref: dict[str, str], path: str, code: str) -> None:
    found = translated(authz(targetRefs=[ref]))
    assert (answers(found), told(found)) == ([None], [(path, code, "error")])


@pytest.mark.parametrize(
    "policy",
    [
        authz(targetRefs=[EDGE], notes={"istio.io/dry-run": "true"}),
        authz(action="AUDIT", rules=[{}], targetRefs=[EDGE]),
    ],
)
def test_what_refuses_nothing_closes_nothing(policy: Object) -> None:
    found = translated(policy)
    assert (answers(found), told(found)) == ([None], [("spec.targetRefs[0]", "UnsupportedField", "warning")])


def test_the_gateway_of_another_controller_is_that_ones_affair() -> None:
    theirs = gateway("theirs", gatewayClassName="theirs")
    found = translated(gateway_class("theirs", "example.com/c"), theirs, authz(targetRefs=[{**EDGE, "name": "theirs"}]))
    assert (answers(found), told(found)) == ([None], [])
