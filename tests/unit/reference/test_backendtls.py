"""How a gateway opens a connection to a backend with a policy, as explain says; and that translation agrees."""

from __future__ import annotations

from typing import Any

import pytest

from builders import namespace, pod, service
from gatewayworlds import gateway, gateway_class, grant, route, tls_secret
from meshworlds import peerauth
from tandem.ir.traffic import ClientTls
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.backendtls import decide_backend_tls, policy_for
from tandem.reference.mtls import Outcome
from tandem.translate.balancers import Assignment
from tandem.translate.gateway import translate_gateways
from tandem.translate.gateway.secured import secure_backends
from tandem.translate.options import Options
from tlsworlds import backend_tls, bundle, ca, target

WEB = service("web", ports=[{"name": "https", "port": 80}, {"name": "u", "port": 53, "protocol": "UDP"}])
POD = pod("web", ip="10.244.0.5", node="n1", labels={"app": "web", "tandem.io/mesh": "enabled"})
CLIENT = {"backend": {"clientCertificateRef": {"name": "cert", "namespace": "other"}}}
OTHERS = tls_secret(ns="other")


def decided(*objects: Object, **spec: Any) -> tuple[Outcome | None, str]:
    """The outcome, and the object that decides it."""
    edge = gateway("edge", **spec)
    world = World.of([namespace("default"), gateway_class(), edge, WEB, POD, route("hr"), *objects])
    found = decide_backend_tls(world, edge, ("default", "web"), 80, pod=POD, at=8443)
    made = secure_backends(world, Options(), translate_gateways(world, Options(), Assignment()))
    (*opened,) = made.gateways["default/edge"].backend_tls
    # What the pod's own proxy refuses no gateway knows.
    refused = found is not None and found.outcome is Outcome.REFUSED and found.mode != "STRICT"
    assert [one.tls for one in opened] == ([] if found is None else [ClientTls.REFUSE if refused else ClientTls.SIMPLE])
    return (found.outcome, found.rule.name if found.rule else "") if found is not None else (None, "")


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ((), (None, "")),
        ((backend_tls("p"), bundle()), (Outcome.TLS, "p")),
        ((backend_tls("p"),), (Outcome.REFUSED, "p")),
        ((backend_tls("p"), bundle(text="Hello world")), (Outcome.REFUSED, "p")),
        ((backend_tls("p", refs=(ca("gone"), ca())), bundle()), (Outcome.TLS, "p")),
        ((backend_tls("p", refs=(ca(kind="Secret"),)), bundle()), (Outcome.REFUSED, "p")),
        ((backend_tls("p", options={"a.test/b": "c"}), bundle()), (Outcome.REFUSED, "p")),
        ((backend_tls("p", refs=(), wellKnownCACertificates="System"),), (Outcome.TLS, "p")),
        ((backend_tls("p", refs=(), wellKnownCACertificates="a.test/b"),), (Outcome.REFUSED, "p")),
        ((backend_tls("p", target("other")), bundle()), (None, "")),
        ((backend_tls("p"), backend_tls("q", target(section="https")), bundle()), (Outcome.TLS, "q")),
        ((backend_tls("p"), bundle(), peerauth("strict", mtls={"mode": "STRICT"})), (Outcome.REFUSED, "strict")),
    ],
)
def test_policy_and_pod_decide(objects: tuple[Object, ...], expected: tuple[Outcome | None, str]) -> None:
    assert decided(*objects) == expected


@pytest.mark.parametrize(
    ("objects", "outcome"),
    [
        ((), Outcome.REFUSED),
        ((OTHERS,), Outcome.REFUSED),
        ((OTHERS, grant("Gateway", "ConfigMap")), Outcome.REFUSED),
        ((OTHERS, grant("Gateway", "Secret")), Outcome.TLS),
    ],
)
def test_the_certificate_of_a_gateway_must_be_there_and_granted(objects: tuple[Object, ...], outcome: Outcome) -> None:
    assert decided(backend_tls("p"), bundle(), *objects, tls=CLIENT) == (outcome, "p")


def test_no_policy_is_about_ports_that_are_not_tcp_or_not_there() -> None:
    world = World.of([WEB, backend_tls("p")])
    assert [policy_for(world, ("default", "web"), port) is None for port in (80, 53, 81)] == [False, True, True]
