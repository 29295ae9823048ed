"""What ServiceDefaults say of Services and of the pods behind them."""

from __future__ import annotations

from typing import Any

import pytest

from builders import pod, service
from consulworlds import defaults, resolver
from meshworlds import peerauth
from tandem.base.problems import Severity
from tandem.ir.fabric import AppProtocol, Inbound, LocalPod, MtlsMode
from tandem.model.consuldefaults import ServiceDefaults
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.mtls import mode_at
from tandem.translate.mesh.consul.defaults import REFUSED, Defaults
from tandem.translate.options import Options
from tandem.translate.world import Translation, translate_world

PORTS = [{"name": "a", "port": 80}, {"name": "b", "port": 81}, {"name": "tcp-c", "port": 82}]
WEB = service("web", selector={"app": "web"}, ports=PORTS)
POD = pod("web", labels={"app": "web", "tandem.io/mesh": "enabled"})


def said(*objects: ServiceDefaults) -> Defaults:
    return Defaults(World.of([WEB, *objects]))


def told(**spec: Any) -> list[tuple[str, str, Severity]]:
    return [(p.at.path, p.code, p.severity) for p in said(defaults("web", **spec)).problems]


def translated(*objects: Object) -> Translation:
    return translate_world(World.of([WEB, POD, *objects]), Options())


def local(*objects: Object) -> LocalPod:
    (found,) = translated(*objects).pods.values()
    return found


def test_ports_that_say_nothing_speak_what_is_said_of_all() -> None:
    found = translated(defaults("web", protocol="http"))
    assert [p.app for p in found.services["default/web"].ports] == [AppProtocol.HTTP, AppProtocol.HTTP, AppProtocol.TCP]
    assert local(defaults("web", protocol="http")).plain_http_ports == (80, 81)
    assert "default/web" not in found.mesh.policies
    plain = translated(defaults("web", protocol="tcp"))
    assert {p.app for p in plain.services["default/web"].ports} == {AppProtocol.TCP}


@pytest.mark.parametrize("protocol", ["http2", "grpc"])
def test_http2_is_spoken_to_them(protocol: str) -> None:
    found = translated(defaults("web", protocol=protocol), resolver("web", connectTimeout="1s"))
    policy = found.mesh.policies["default/web"]
    assert [(p.port, p.traffic.pool.http2, p.traffic.connect_timeout_ms) for p in policy.ports] == [
        (80, True, 1000),
        (81, True, 1000),
    ]


def test_what_a_port_says_comes_first() -> None:
    assert told(protocol="http") == [("spec.protocol", "Shadowed", Severity.WARNING)]
    assert told(protocol="tcp") == []


def test_of_several_services_a_pod_takes_the_least() -> None:
    other = service("front", selector={"app": "web"})
    found = local(
        other,
        defaults("web", maxInboundConnections=7, localRequestTimeoutMs=100),
        defaults("front", maxInboundConnections=5, localConnectTimeoutMs=50),
    ).inbound
    assert (found.connections, found.connect_ms, found.request_ms) == (5, 50, 100)
    assert [o.name for o in found.origins] == ["front", "web"]
    assert local(defaults("db", maxInboundConnections=7)).inbound == Inbound()


def test_mtls_is_asked_for_where_nothing_selects_the_pod() -> None:
    asks = defaults("web", mutualTLSMode="strict")
    for others, mode, kind in (
        ((), MtlsMode.STRICT, "ServiceDefaults"),
        ((peerauth(mtls={"mode": "DISABLE"}),), MtlsMode.STRICT, "ServiceDefaults"),
        (
            (peerauth(selector={"matchLabels": {"app": "web"}}, mtls={"mode": "PERMISSIVE"}),),
            MtlsMode.PERMISSIVE,
            "PeerAuthentication",
        ),
    ):
        (general,) = local(asks, *others).mtls
        assert general.origin is not None
        assert (general.mode, general.origin.kind) == (mode, kind)
        assert mode_at(World.of([WEB, POD, asks, *others]), POD, 80) == (mode.value, general.origin)
    assert local(defaults("web", mutualTLSMode="permissive")).mtls[0].origin is None


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_has_its_counterpart_elsewhere_is_refused_by_name(name: str) -> None:
    value: Any = {"envoyExtensions": [{"name": "x"}], "externalSNI": "a.test"}.get(name, {"a": "b"})
    found = said(defaults("web", maxInboundConnections=3, **{name: value}))
    assert [(p.at.path, p.code) for p in found.problems] == [(f"spec.{name}", "UnsupportedField")]
    assert found.inbound([WEB]).connections == 3


def test_the_rest_is_told() -> None:
    assert told(meshGateway={"mode": "local"}) == [("spec.meshGateway.mode", "UnsupportedField", Severity.ERROR)]
    assert told(meshGateway={"mode": "none"}) == []
    assert told(balanceInboundConnections="exact_balance") == [
        ("spec.balanceInboundConnections", "NoEffect", Severity.WARNING)
    ]
    (problem,) = said(defaults("gone")).problems
    assert (problem.code, problem.at.name) == ("HostNotFound", "gone")


def test_where_two_say_something_else() -> None:
    one = said(defaults("web", protocol="http"))
    assert one.differing(said()) == {"default"}
    assert one.differing(said(defaults("web", protocol="http"))) == set()
