"""Network default -> ir.Network."""

from __future__ import annotations

from tandem.base.ids import NodeName
from tandem.base.problems import Origin
from tandem.ir import network as ir
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.network import passwords_for, translate_network


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


def test_the_fast_path_is_on_unless_the_object_says_no() -> None:
    for spec, on in (({}, True), ({"fastPath": None}, True), ({"fastPath": True}, True), ({"fastPath": False}, False)):
        raw = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}, "spec": spec}
        assert translate_network(World.of([parse(raw)])).fast_path == on


def test_chains_of_others_are_opened_unless_the_object_says_no() -> None:
    for spec, opens in (({}, True), ({"hostFirewall": "Open"}, True), ({"hostFirewall": "Leave"}, False)):
        raw = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}, "spec": spec}
        assert translate_network(World.of([parse(raw)])).opens_firewalls == opens


def test_a_peer_is_for_the_nodes_whose_labels_it_selects() -> None:
    def node(name: str, **labels: str) -> dict[str, object]:
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}

    peers = [
        {"address": "192.0.2.1", "asNumber": 65000},
        {"address": "192.0.2.2", "asNumber": 65000, "port": 1179, "nodeSelector": {"rack": "a"}},
        {"address": "192.0.2.3", "asNumber": 65000, "nodeSelector": {"rack": "c"}},
    ]
    spec = {"bgp": {"asNumber": 64512, "nodeMesh": False, "peers": peers}}
    raw = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}, "spec": spec}
    world = World.of([parse(o) for o in (raw, node("n1", rack="a", zone="z"), node("n2", rack="b"))])
    assert translate_network(world).bgp == ir.Bgp(
        as_number=64512,
        node_mesh=False,
        peers=(
            ir.BgpPeer(address="192.0.2.1", as_number=65000),
            ir.BgpPeer(address="192.0.2.2", as_number=65000, port=1179, nodes=(NodeName("n1"),)),
            ir.BgpPeer(address="192.0.2.3", as_number=65000, nodes=()),
        ),
    )


def test_encryption_is_off_unless_asked_for() -> None:
    spec = {"encryption": {"type": "wireguard", "port": 7}}
    raw = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}, "spec": spec}
    assert translate_network(World.of([parse(raw)])).encryption == ir.Encryption(port=7)
    assert translate_network(World.of([])).encryption is None


def test_a_password_is_named_for_all_and_told_to_the_nodes_of_its_session_alone() -> None:
    def locked(address: str, key: str, **selector: str) -> dict[str, object]:
        ref = {"namespace": "net", "name": "bgp", "key": key}
        return {"address": address, "asNumber": 65000, "passwordSecretRef": ref, "nodeSelector": selector}

    peers = [locked("192.0.2.1", "one"), locked("192.0.2.2", "two", rack="a"), locked("192.0.2.3", "none")]
    world = World.of(
        [
            parse(
                {
                    "apiVersion": "tandem.io/v1",
                    "kind": "Network",
                    "metadata": {"name": "default"},
                    "spec": {"bgp": {"asNumber": 64512, "peers": peers}},
                }
            ),
            parse(
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": "bgp", "namespace": "net", "resourceVersion": "7"},
                    "data": {"one": "d29yZA==", "two": "b3RoZXI="},
                }
            ),
            *(
                parse({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"rack": rack}}})
                for name, rack in (("n1", "a"), ("n2", "b"))
            ),
        ]
    )
    found = translate_network(world)
    assert found.bgp is not None
    assert [p.password for p in found.bgp.peers] == [
        ir.Password(source="net/bgp", key=key, version=version)
        for key, version in (("one", "7"), ("two", "7"), ("none", ""))
    ]
    assert "d29yZA" not in repr(found)
    assert passwords_for(world, "n1") == {"192.0.2.1": "d29yZA==", "192.0.2.2": "b3RoZXI="}
    assert passwords_for(world, "n2") == {"192.0.2.1": "d29yZA=="}
    assert passwords_for(World.of([]), "n1") == {}
