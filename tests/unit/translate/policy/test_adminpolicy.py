"""The older kinds, in the form of ClusterNetworkPolicy."""

from __future__ import annotations

from typing import Any, cast

import pytest

from builders import cluster_policy
from tandem.model.adminpolicy import AdminNetworkPolicy
from tandem.model.clusterpolicy import ClusterProtocol, DestinationPort, OfProtocol, PortRange
from tandem.translate.policy.adminpolicy import LAST, as_cluster


def _admin(**spec: Any) -> AdminNetworkPolicy:
    return cast("AdminNetworkPolicy", cluster_policy(kind="AdminNetworkPolicy", **spec))


def test_an_admin_policy_is_of_tier_admin() -> None:
    spec = as_cluster(_admin(priority=7))
    assert (spec.tier, spec.priority) == ("Admin", 7)


def test_the_baseline_comes_last_in_its_tier() -> None:
    spec = as_cluster(cast("AdminNetworkPolicy", cluster_policy(kind="BaselineAdminNetworkPolicy")))
    assert (spec.tier, spec.priority) == ("Baseline", LAST)


def test_allow_is_accept_and_accept_is_no_action() -> None:
    rules: list[dict[str, Any]] = [
        {"name": a, "action": a, "from": [{"namespaces": {}}]} for a in ("Allow", "Deny", "Pass", "Accept")
    ]
    spec = as_cluster(_admin(ingress=rules, egress=[{"action": "Allow", "to": [{"nodes": {}}]}]))
    assert [r.action for r in spec.ingress] == ["Accept", "Deny", "Pass", "(Accept)"]
    assert [r.name for r in spec.ingress] == ["Allow", "Deny", "Pass", "Accept"]
    assert [r.action for r in spec.egress] == ["Accept"]
    assert spec.egress[0].peers[0].nodes is not None


@pytest.mark.parametrize(
    ("port", "protocol"),
    [
        ({"portNumber": {"port": 80}}, ClusterProtocol(tcp=OfProtocol(destination_port=DestinationPort(number=80)))),
        (
            {"portRange": {"protocol": "UDP", "start": 1, "end": 9}},
            ClusterProtocol(udp=OfProtocol(destination_port=DestinationPort(range=PortRange(start=1, end=9)))),
        ),
        (
            {"portNumber": {"protocol": "SCTP", "port": 9}},
            ClusterProtocol(sctp=OfProtocol(destination_port=DestinationPort(number=9))),
        ),
        ({"namedPort": "web"}, ClusterProtocol(destination_named_port="web")),
        ({"portNumber": {"protocol": "ICMP", "port": 9}}, ClusterProtocol()),
        ({"portNumber": {"port": 9}, "namedPort": "web"}, ClusterProtocol()),
        ({}, ClusterProtocol()),
    ],
)
def test_ports_become_protocols(port: dict[str, Any], protocol: ClusterProtocol) -> None:
    spec = as_cluster(_admin(ingress=[{"action": "Deny", "from": [{"namespaces": {}}], "ports": [port]}]))
    assert spec.ingress[0].protocols == (protocol,)
