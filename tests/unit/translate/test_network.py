"""Network default -> ir.Network."""

from __future__ import annotations

from tandem.base.problems import Origin
from tandem.ir import network as ir
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.network import translate_network


def test_without_the_object_the_defaults_hold() -> None:
    assert translate_network(World.of([])) == ir.Network()


def test_what_the_object_says_is_kept_with_its_origin() -> None:
    spec = {"fabric": "vxlan", "mtu": 1400, "vxlan": {"vni": 7, "port": 8472}}
    raw = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}, "spec": spec}
    assert translate_network(World.of([parse(raw)])) == ir.Network(
        fabric="vxlan",
        mtu=1400,
        vxlan=ir.Vxlan(vni=7, port=8472),
        origin=Origin(kind="Network", name="default"),
    )
