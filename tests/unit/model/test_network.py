"""tandem.io Network as it is read."""

from __future__ import annotations

from tandem.model.network import Network
from tandem.model.parse import parse


def test_an_empty_spec_is_the_default_network() -> None:
    parsed = parse({"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}})
    assert isinstance(parsed, Network)
    assert parsed.spec.bgp is None
    assert parsed.spec.encryption is None
    assert (parsed.spec.fabric, parsed.spec.mtu, parsed.spec.vxlan.port) == ("routed", 0, 4789)


def test_bgp_is_a_mesh_at_the_port_of_bgp_unless_told_otherwise() -> None:
    raw = {"asNumber": 64512, "peers": [{"address": "192.0.2.1", "asNumber": 65000, "nodeSelector": {"rack": "a"}}]}
    parsed = parse(
        {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}, "spec": {"bgp": raw}}
    )
    assert isinstance(parsed, Network)
    assert parsed.spec.bgp is not None
    [peer] = parsed.spec.bgp.peers
    assert (parsed.spec.bgp.as_number, parsed.spec.bgp.node_mesh, parsed.spec.bgp.port) == (64512, True, 179)
    assert (peer.address, peer.as_number, peer.port, peer.node_selector) == ("192.0.2.1", 65000, 179, {"rack": "a"})
