"""The form of the policies before ClusterNetworkPolicy."""

from __future__ import annotations

from typing import cast

from builders import cluster_policy
from tandem.model.adminpolicy import (
    AdminNetworkPolicy,
    AdminPortNumber,
    AdminPortRange,
    BaselineAdminNetworkPolicy,
)

RULE = {
    "action": "Allow",
    "from": [{"namespaces": {}}],
    "ports": [
        {"portNumber": {"port": 80}},
        {"portRange": {"protocol": "UDP", "start": 1, "end": 9}},
        {"namedPort": "web"},
    ],
}


def test_every_field_of_an_admin_policy_is_read() -> None:
    policy = cast("AdminNetworkPolicy", cluster_policy(kind="AdminNetworkPolicy", priority=7, ingress=[RULE]))
    number, span, name = policy.spec.ingress[0].ports
    assert policy.spec.priority == 7
    assert number.port_number == AdminPortNumber(port=80, protocol="TCP")
    assert span.port_range == AdminPortRange(start=1, end=9, protocol="UDP")
    assert name.named_port == "web"


def test_a_baseline_has_no_priority() -> None:
    policy = cast("BaselineAdminNetworkPolicy", cluster_policy("default", kind="BaselineAdminNetworkPolicy", egress=[]))
    assert policy.key == ("", "default")
    assert policy.spec.egress == ()
