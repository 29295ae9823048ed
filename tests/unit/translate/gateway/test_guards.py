"""Policies of the security API at gateways."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import namespace, pod, service
from gatewayworlds import gateway, gateway_class, route, world
from meshworlds import authz, reqauth
from tandem.ir.authz import Action
from tandem.ir.gateway import Gateway
from tandem.ir.paths import Paths
from tandem.model.core import ConfigMap
from tandem.model.meta import Meta, Object
from tandem.model.parse import parse
from tandem.translate.gateway.guards import labels_of
from tandem.translate.options import Options
from tandem.translate.world import Translation, translate_world

GROUP = "gateway.networking.k8s.io"
EDGE = {"group": GROUP, "kind": "Gateway", "name": "edge"}
CLASS = {"group": GROUP, "kind": "GatewayClass", "name": "tandem"}
SERVICE = {"kind": "Service", "name": "web"}
JWT: dict[str, Any] = {"jwtRules": [{"issuer": "a", "jwksUri": "http://keys/"}]}


def translated(*objects: Object) -> Translation:
    return translate_world(world(gateway(), gateway("other"), route(), *objects), Options())


def at(found: Translation, name: str = "edge") -> Gateway:
    return found.edge.gateways[f"default/{name}"]


def mesh(text: str) -> ConfigMap:
    meta = Meta(name="istio", namespace="istio-system")
    return ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data={"mesh": text})


def judged(found: Translation, name: str = "edge") -> list[tuple[str, Action]]:
    return [(policy.origin.name, policy.action) for policy in at(found, name).authorization]


def told(found: Translation) -> list[tuple[str, str, str]]:
    return [(p.at.path, p.code, p.severity.value) for p in found.problems if p.at.name in {"ap", "ra", "bp"}]


@pytest.mark.parametrize("action", ["ALLOW", "DENY", "AUDIT"])
def test_one_that_names_a_gateway_judges_there_and_nowhere_else(action: str) -> None:
    meshed = namespace("default", **{"tandem.io/mesh": "enabled"})
    web = pod("web", namespace="default", ip="10.244.0.9", node="n1", app="web")
    found = translated(meshed, web, authz(action=action, rules=[{}], targetRefs=[EDGE]))
    assert (judged(found), judged(found, "other"), told(found)) == ([("ap", Action(action))], [], [])
    (one,) = found.pods.values()
    assert (one.meshed, one.authorization) == (True, ())


def test_one_of_a_service_is_for_pods() -> None:
    assert judged(translated(authz(targetRefs=[SERVICE]))) == []
    assert judged(translated(authz(targetRefs=[SERVICE, EDGE]))) == [("ap", Action.ALLOW)]


@pytest.mark.parametrize(
    ("policy", "judges"),
    [
        (authz(), (True, True)),
        (authz(ns="istio-system"), (True, True)),
        (authz(ns="shop"), (False, False)),
        (authz(ns="istio-system", targetRefs=[CLASS]), (True, True)),
        (authz(ns="istio-system", targetRefs=[{**CLASS, "name": "else"}]), (False, False)),
        (authz(selector={"matchLabels": {f"{GROUP}/gateway-name": "edge"}}), (True, False)),
        (authz(selector={"matchLabels": {f"{GROUP}/gateway-class-name": "tandem"}}), (True, True)),
        (authz(selector={"matchLabels": {"app": "web"}}), (False, False)),
    ],
)
def test_without_a_reference_it_is_for_gateways_as_for_pods(policy: Object, judges: tuple[bool, bool]) -> None:
    found = translated(policy)
    assert (bool(judged(found)), bool(judged(found, "other"))) == judges
    assert told(found) == []


def test_labels_are_those_of_the_infrastructure_else_of_the_gateway() -> None:
    own = {f"{GROUP}/gateway-name": "edge", f"{GROUP}/gateway-class-name": "tandem"}
    labelled = gateway("edge", infrastructure={"labels": {"tier": "edge", f"{GROUP}/gateway-name": "else"}})
    assert labels_of(labelled) == {"tier": "edge", **own}
    plain = gateway()
    meta = msgspec.structs.replace(plain.metadata, labels={"tier": "front"})
    assert labels_of(msgspec.structs.replace(plain, metadata=meta)) == {"tier": "front", **own}


@pytest.mark.parametrize(
    ("policy", "path", "code"),
    [
        (authz(targetRefs=[{**EDGE, "name": "none"}]), "spec.targetRefs[0].name", "TargetNotFound"),
        (authz(targetRefs=[{**EDGE, "namespace": "shop"}]), "spec.targetRefs[0].namespace", "RefNotPermitted"),
        (authz(targetRefs=[CLASS]), "spec.targetRefs[0]", "RefNotPermitted"),
        (reqauth(targetRefs=[{**EDGE, "name": "none"}], **JWT), "spec.targetRefs[0].name", "TargetNotFound"),
    ],
)
def test_a_gateway_that_is_not_there_or_elsewhere_is_told(policy: Object, path: str, code: str) -> None:
    found = translated(policy)
    assert (judged(found), at(found).authentication, told(found)) == ([], (), [(path, code, "error")])


def test_attached_to_what_nobody_knows_it_closes_gateways_too() -> None:
    unknown = [{"group": GROUP, "kind": "HTTPRoute", "name": "hr"}]
    for policy in (authz(targetRefs=unknown), reqauth(targetRefs=unknown, **JWT)):
        found = translated(policy)
        assert [action for _, action in judged(found)] == [Action.DENY]
        assert told(found) == [("spec.targetRefs[0]", "UnsupportedField", "error")]


def test_tokens_are_taken_where_the_object_is_attached() -> None:
    found = translated(reqauth(targetRefs=[EDGE], **JWT))
    assert [rule.issuer for rule in at(found).authentication] == ["a"]
    assert at(found, "other").authentication == ()


def test_of_two_authorizers_the_second_denies_and_is_told() -> None:
    both = "extensionProviders:\n" + "".join(
        f"- name: {name}\n  envoyExtAuthzGrpc: {{service: auth.default.svc.cluster.local, port: 9000}}\n"
        for name in ("one", "two")
    )
    auth = service("auth", ports=[{"name": "grpc", "port": 9000}])
    asks: list[Any] = [
        authz(name, action="CUSTOM", provider={"name": provider}, rules=[{}], targetRefs=[EDGE])
        for name, provider in (("ap", "one"), ("bp", "two"))
    ]
    found = translated(mesh(both), auth, *asks)
    assert judged(found) == [("ap", Action.CUSTOM), ("bp", Action.DENY)]
    assert told(found) == [("spec.provider.name", "ProviderConflict", "error")]


def test_an_authorizer_inside_pods_is_none_for_a_gateway() -> None:
    ports = [{"number": 9000, "name": "grpc", "protocol": "GRPC"}]
    spec = {"hosts": ["auth.local"], "resolution": "STATIC", "ports": ports, "endpoints": [{"address": "127.0.0.1"}]}
    meta = {"name": "own", "namespace": "default"}
    entry = parse({"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": meta, "spec": spec})
    config = mesh("extensionProviders: [{name: one, envoyExtAuthzGrpc: {service: auth.local, port: 9000}}]")
    found = translated(
        config, entry, authz("ap", action="CUSTOM", provider={"name": "one"}, rules=[{}], targetRefs=[EDGE])
    )
    assert judged(found) == [("ap", Action.DENY)]
    assert ("spec.provider.name", "ProviderNotFound", "error") in told(found)


def test_what_is_not_understood_is_told_once_and_closes() -> None:
    found = translated(authz(rules=[{"when": [{"key": "x", "values": ["y"]}]}], targetRefs=[EDGE]))
    assert [p.rules for p in at(found).authorization] == [()]
    assert told(found) == [("spec.rules[0].when[0].key", "UnsupportedField", "error")]


def test_proxies_before_it_are_trusted_as_the_mesh_configuration_says() -> None:
    assert at(translated(mesh("defaultConfig: {gatewayTopology: {numTrustedProxies: 2}}"))).trusted_hops == 2
    assert at(translated()).trusted_hops == 0


def test_paths_are_made_plain_as_the_mesh_configuration_says() -> None:
    assert at(translated()).paths is Paths.EDGE
    assert at(translated(mesh("pathNormalization: {normalization: MERGE_SLASHES}"))).paths is Paths.MERGE


def test_the_gateway_of_another_controller_is_that_ones_affair() -> None:
    theirs = gateway("theirs", gatewayClassName="theirs")
    found = translated(gateway_class("theirs", "example.com/c"), theirs, authz(targetRefs=[{**EDGE, "name": "theirs"}]))
    assert (judged(found), told(found)) == ([], [])
