"""What the API refuses of kinds of tandem.io, each with its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tandem.model.schema import validate


def network(name: str = "default", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": name}, "spec": spec}


ROUTER = {"address": "192.0.2.1", "asNumber": 65000, "port": 1179, "nodeSelector": {"rack": "a"}}


@pytest.mark.parametrize(
    "spec",
    [
        {"encryption": {"type": "wireguard"}},
        {"fabric": "vxlan", "vxlan": {"vni": 7}, "encryption": {"type": "wireguard"}},
        {"bgp": {"asNumber": 64512, "nodeMesh": False, "peers": [ROUTER]}},
        {},
        {"fabric": "routed", "mtu": 0},
        {"mtu": 1280},
        {"mtu": 65535},
    ],
)
def test_a_sound_network_is_accepted(spec: dict[str, Any]) -> None:
    assert validate(network(**spec)) == []


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({"fabirc": "routed"}, 'spec.fabirc: unknown field (did you mean "fabric"?)'),
        ({"fabric": "ospf"}, 'spec.fabric: Unsupported value: "ospf"'),
        ({"fabric": 7}, "spec.fabric: must be a string, not a number"),
        ({"mtu": 1279}, "spec.mtu: 1279 is not between 1280 and 65535, nor 0 (worked out)"),
        ({"mtu": -1}, "spec.mtu: -1 is not between"),
        ({"mtu": "1500"}, "spec.mtu: must be an integer, not a string"),
        ({"vxlan": {"vni": 0}}, "spec.vxlan.vni: 0 is not between 1 and 16777215"),
        ({"vxlan": {"vni": 1 << 24}}, "spec.vxlan.vni: 16777216 is not between 1 and 16777215"),
        ({"vxlan": {"port": 0}}, "spec.vxlan.port: 0 is not between 1 and 65535"),
        ({"vxlan": {"vni": 7}}, "spec.vxlan: has a meaning with fabric: vxlan only"),
        ({"vxlan": {"id": 7}}, "spec.vxlan.id: unknown field"),
        ({"bgp": {}}, "spec.bgp.asNumber: Required value"),
        ({"bgp": {"asNumber": 0}}, "spec.bgp.asNumber: 0 is not between 1 and 4294967295"),
        ({"bgp": {"asNumber": 1, "peers": [{"asNumber": 2}]}}, "spec.bgp.peers[0].address: Required value"),
        (
            {"bgp": {"asNumber": 1, "peers": [{"address": "router", "asNumber": 2}]}},
            "spec.bgp.peers[0].address: 'router' is no IP address",
        ),
        (
            {"bgp": {"asNumber": 1, "peers": [ROUTER, {"address": "fe80::1", "asNumber": 2}]}},
            "spec.bgp.peers[1].address: fe80::1 is of fe80::/10 (link-local), where no peer can be",
        ),
        (
            {"bgp": {"asNumber": 1, "peers": [ROUTER, ROUTER]}},
            "spec.bgp.peers[1].address: 192.0.2.1 is peers[0] already",
        ),
        (
            {"bgp": {"asNumber": 1, "peers": [{**ROUTER, "passwordSecretRef": {"name": "s"}}]}},
            "spec.bgp.peers[0].passwordSecretRef.namespace: Required value",
        ),
        (
            {"bgp": {"asNumber": 1, "peers": [{**ROUTER, "password": "s"}]}},
            "spec.bgp.peers[0].password: unknown field",
        ),
        ({"encryption": {}}, "spec.encryption.type: Required value"),
        (
            {"encryption": {"type": "ipsec"}},
            'spec.encryption.type: Unsupported value: "ipsec": supported values: "wireguard"',
        ),
        ({"encryption": {"type": "wireguard", "port": 0}}, "spec.encryption.port: 0 is not between 1 and 65535"),
        ({"fabric": "vxlan", "bgp": {"asNumber": 1}}, "spec.bgp: has a meaning with fabric: routed only"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(spec: dict[str, Any], line: str) -> None:
    assert any(found.startswith(line) for found in validate(network(**spec))), validate(network(**spec))


def test_there_is_one_network_and_it_is_in_no_namespace() -> None:
    assert validate(network("other")) == ["metadata.name: 'other': the one Network of a cluster is named default"]
    placed = network()
    placed["metadata"]["namespace"] = "shop"
    assert validate(placed) == ["metadata.namespace: Network is not namespaced"]


def test_the_example_is_one_that_the_api_takes() -> None:
    path = Path(__file__).parents[4] / "examples" / "network" / "vxlan.yaml"
    assert validate(yaml.safe_load(path.read_text())) == []
