"""What policies of every kind mention of ports and prefixes."""

from __future__ import annotations

from builders import cluster_policy, policy, world
from tandem.reference.mentioned import policies_of, ports, prefixes

FOUND = world(
    policy(
        ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}], "ports": [{"port": 80}]}],
        egress=[{"ports": [{"protocol": "UDP", "port": 8000, "endPort": 8010}, {"port": "http"}, {}]}],
    ),
    cluster_policy(
        egress=[
            {
                "action": "Deny",
                "to": [{"networks": ["203.0.113.0/24"]}],
                "protocols": [
                    {"sctp": {"destinationPort": {"number": 99}}},
                    {"tcp": {"destinationPort": {"range": {"start": 1, "end": 9}}}},
                ],
            }
        ]
    ),
    cluster_policy(
        "old",
        kind="AdminNetworkPolicy",
        egress=[
            {
                "action": "Deny",
                "to": [{"networks": ["fd00::/8"]}],
                "ports": [{"portNumber": {"port": 7}}, {"portRange": {"protocol": "UDP", "start": 5, "end": 6}}],
            }
        ],
    ),
    cluster_policy(
        "default", kind="BaselineAdminNetworkPolicy", egress=[{"action": "Deny", "to": [{"namespaces": {}}]}]
    ),
)


def test_ranges_of_numbers() -> None:
    assert ports(policies_of(FOUND)) == {
        ("TCP", 80, 80),
        ("UDP", 8000, 8010),
        ("SCTP", 99, 99),
        ("TCP", 1, 9),
        ("TCP", 7, 7),
        ("UDP", 5, 6),
    }


def test_prefixes_with_their_exceptions() -> None:
    assert prefixes(policies_of(FOUND)) == {"10.0.0.0/8", "10.1.0.0/16", "203.0.113.0/24", "fd00::/8"}
