"""What judges at an egress gateway, and what nobody could judge there."""

from __future__ import annotations

from typing import Any

import pytest

import ingressworlds as istio
from meshworlds import authz, reqauth
from tandem.ir.authz import Action, Attribute
from tandem.ir.match import Exact
from tandem.model.gateways import GROUP
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh.istio.egressguards import LABELS, Guards, Use, guards_at, has_labels, use_of
from tandem.translate.options import Options

ROOT = "istio-system"
SELECTED = {"selector": {"matchLabels": {"istio": "egressgateway"}}}


def server(port: int = 80, protocol: str = "HTTP", mode: str = "") -> Any:
    tls: dict[str, Any] = {"tls": {"mode": mode}} if mode else {}
    return istio.gateway("x", istio.server(port=port, protocol=protocol, **tls)).spec.servers[0]


MUTUAL = server(443, "TLS", "ISTIO_MUTUAL")


def at(*objects: Object, to: Any = None, rewritten: bool = False) -> Guards:
    return guards_at(to or server(), World.of(objects), Options(), rewritten=rewritten)


def policy(name: str = "p", *rules: dict[str, Any], **more: Any) -> Any:
    return authz(name, ns=ROOT, rules=list(rules or ({},)), **{**SELECTED, **more})


def when(key: str, value: str) -> dict[str, Any]:
    return {"when": [{"key": key, "values": [value]}]}


def test_a_selector_is_about_the_gateway_or_about_others() -> None:
    for name, values in LABELS.items():
        assert all(has_labels({name: value}) for value in values)
    assert has_labels({})
    assert not has_labels({"app": "istio-egressgateway", "own": "label"})
    others = authz("ingress", ns=ROOT, selector={"matchLabels": {"istio": "ingressgateway"}}, rules=[{}])
    attached = authz("class", ns=ROOT, targetRefs=[{"group": GROUP, "kind": "GatewayClass", "name": "x"}], rules=[{}])
    named = at(policy("own"), authz("all", ns=ROOT, rules=[{}]), authz("elsewhere", rules=[{}]), others, attached)
    assert [p.origin.name for p in named.policies] == ["all", "own"]


def test_they_judge_by_action_and_a_broken_one_denies_everything() -> None:
    found = at(
        policy("allows"), policy("denies", action="DENY"), policy("watches", action="AUDIT"), policy("odd", action="X")
    )
    assert [(p.origin.name, p.action) for p in found.policies] == [
        ("watches", Action.AUDIT),
        ("denies", Action.DENY),
        ("odd", Action.DENY),
        ("allows", Action.ALLOW),
    ]


def test_who_asks_is_known_and_ports_are_the_servers() -> None:
    source = {"from": [{"source": {"namespaces": ["shop"], "ipBlocks": ["10.0.0.0/8"]}}]}
    ports = ({"to": [{"operation": {"ports": [port], "methods": ["GET"]}}]} for port in ("80", "443"))
    (found,) = at(policy("p", source, *ports)).policies
    first, second = found.rules
    assert [(r.attribute, r.own) for r in first.sources[0]] == [
        (Attribute.NAMESPACE, True),
        (Attribute.PEER_ADDRESS, True),
    ]
    assert [(r.attribute, r.values) for r in second.operations[0]] == [(Attribute.METHOD, (Exact("GET"),))]
    (found,) = at(policy("p", {"to": [{"operation": {"notPorts": ["80"]}}]})).policies
    assert found.rules == ()


@pytest.mark.parametrize(
    ("objects", "to", "rewritten", "why"),
    [
        ((reqauth(ns=ROOT, selector=SELECTED["selector"]),), server(), False, "would read tokens"),
        ((policy("p", action="CUSTOM", provider={"name": "x"}),), server(), False, "asked at the egress gateway"),
        ((policy("p", when("destination.ip", "10.0.0.1")),), server(), False, "by destination.ip"),
        ((policy("p", when("connection.sni", "a.test")),), server(), False, "by connection.sni"),
        ((policy("p", when("connection.sni", "a.test")),), MUTUAL, False, "by connection.sni"),
        ((policy("p", when("request.headers[x]", "y")),), server(), True, "rewrites"),
    ],
)  # fmt: skip
def test_what_nobody_can_judge_is_told(objects: tuple[Object, ...], to: Any, *, rewritten: bool, why: str) -> None:
    found = at(*objects, to=to, rewritten=rewritten)
    assert why in found.trouble
    assert found.policies == ()


def test_what_can_be_judged_is_no_trouble() -> None:
    staged = authz("asks", ns=ROOT, notes={"istio.io/dry-run": "true"}, action="CUSTOM", rules=[{}])
    assert at(staged) == Guards()
    assert not at(policy("p", when("connection.sni", "a.test")), to=server(443, "TLS", "PASSTHROUGH")).trouble
    other = {**when("connection.sni", "a.test"), "to": [{"operation": {"ports": ["443"]}}]}
    assert not at(policy("p", other)).trouble
    assert not at(policy("p", when("request.auth.principal", "i/s")), rewritten=True).trouble


def test_which_servers_take_what() -> None:
    def used(protocol: str, mode: str = "") -> Use:
        named = {"credentialName": "x"} if mode == "SIMPLE" else {}
        tls: dict[str, Any] = {"tls": {"mode": mode, **named}} if mode else {}
        return use_of(istio.gateway("x", istio.server(protocol=protocol, **tls)).spec.servers[0])

    assert [used("HTTP"), used("HTTPS", "ISTIO_MUTUAL")] == [Use.REQUESTS] * 2
    assert [used("TCP"), used("TLS", "ISTIO_MUTUAL")] == [Use.BYTES] * 2
    assert [used("TLS", "PASSTHROUGH"), used("HTTPS", "PASSTHROUGH")] == [Use.SESSIONS] * 2
    assert used("HTTPS", "SIMPLE") is Use.NOTHING
