"""Istio's Gateway, read from its manifest."""

from __future__ import annotations

from ingressworlds import gateway, https
from tandem.model.gateways import Gateway
from tandem.model.istiogateway import IstioGateway
from tandem.model.world import World


def test_it_is_another_kind_than_the_gateway_apis() -> None:
    one = gateway()
    world = World.of([one])
    assert one.kind == "IstioGateway"
    assert one.origin("spec").kind == "IstioGateway"
    assert (world.sorted(IstioGateway), world.sorted(Gateway)) == ((one,), ())


def test_tls_without_a_mode_is_handed_on() -> None:
    one = https()
    del one["tls"]["mode"]
    (server,) = gateway("shop", one).spec.servers
    assert server.tls is not None
    assert server.tls.mode == "PASSTHROUGH"
