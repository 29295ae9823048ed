"""What is in a gateway."""

from __future__ import annotations

from gatewaybuild import backend, gateway, hosts, listener, port, route
from tandem.ir import wire
from tandem.ir.gateway import Gateway, backends_of
from tandem.ir.mesh import Mirror


def test_backends_are_those_of_requests_and_of_copies() -> None:
    made = gateway(port(listener("a", "*", hosts("*", route("r", mirrors=(Mirror(backend=backend("copy")),))))))
    assert [b.service for b in backends_of(made)] == ["web", "copy"]


def test_it_travels_whole() -> None:
    made = gateway(port(listener("a", "*", hosts("*", route("r")))))
    url = wire.URLS[Gateway]
    assert wire.decode(url, wire.encode(made)) == made
    assert {o.kind for o in wire.origins(made)} == {"Gateway", "HTTPRoute"}
