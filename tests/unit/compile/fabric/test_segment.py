"""The bridge of a node."""

from __future__ import annotations

import msgspec

from tandem.compile.fabric.segment import segment_device, segment_mac
from unit.compile.fabric.fabricviews import node, view


def test_a_node_has_one_bridge_whose_mac_address_is_known_before_it_exists() -> None:
    bridge = segment_device(view(), 1400)
    assert (bridge.name, bridge.kind, bridge.mtu, bridge.mac) == ("td-br", "bridge", 1400, segment_mac("node-1"))
    assert segment_mac("node-1") != segment_mac("node-2")


def test_ipv6_is_on_where_pods_have_it() -> None:
    dual = msgspec.structs.replace(view(), node=node(1, "192.0.2.1", "10.244.1.0/24", "fd00:1::/64"))
    told = [{s[1]: s[2] for s in segment_device(v, 1500).settings} for v in (view(), dual)]
    assert [t["disable_ipv6"] for t in told] == ["1", "0"]
