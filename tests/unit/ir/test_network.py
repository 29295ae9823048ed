"""What the nodes are told of their network travels as it is."""

from __future__ import annotations

from tandem.base.problems import Origin
from tandem.ir import wire
from tandem.ir.network import Network, Vxlan
from unit.compile.fabric.fabricviews import view


def test_the_network_travels_with_the_mesh_and_keeps_its_origin() -> None:
    origin = Origin(kind="Network", name="default")
    network = Network(fabric="vxlan", mtu=1400, vxlan=Vxlan(vni=7, port=8472), origin=origin)
    config = view(network=network).config
    assert wire.decode(wire.URLS[type(config)], wire.encode(config)) == config
    assert wire.origins(config) == {origin}
