"""NetworkPolicy as the API server judges it."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schemas.walk import walk

Raw = dict[str, Any]


@pytest.mark.parametrize(
    ("peer", "line"),
    [
        ({}, "p: Required value"),
        ({"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}, "p: Forbidden"),
        ({"ipBlock": {}}, "p.ipBlock.cidr: Required value"),
        ({"ipBlock": {"cidr": ""}}, "p.ipBlock.cidr: Required value"),
        ({"ipBlock": {"cidr": "10.0.0.0"}}, 'p.ipBlock.cidr: Invalid value: "10.0.0.0"'),
        ({"ipBlock": {"cidr": "10.0.0.0/33"}}, 'p.ipBlock.cidr: Invalid value: "10.0.0.0/33"'),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["x"]}}, 'p.ipBlock.except[0]: Invalid value: "x"'),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "11.0.0.0/16"]}}, "p.ipBlock.except[1]: Inv"),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}, "p.ipBlock.except[0]: Invalid value"),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["0.0.0.0/0"]}}, "p.ipBlock.except[0]: Invalid value"),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["fd00::/8"]}}, "p.ipBlock.except[0]: Invalid value"),
        ({"podSelector": {"matchLabels": {"a b": "x"}}}, 'p.podSelector.matchLabels: Invalid value: "a b"'),
        ({"podSelector": {"matchLabels": {"a": "x y"}}}, 'p.podSelector.matchLabels[a]: Invalid value: "x y"'),
        (
            {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}},
            'p.namespaceSelector.matchExpressions[0].operator: Unsupported value: "Gt"',
        ),
        (
            {"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
            "p.podSelector.matchExpressions[0].values: Required value",
        ),
        (
            {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}},
            "p.podSelector.matchExpressions[0].values: Forbidden",
        ),
        (
            {"podSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c d"]}]}},
            'p.podSelector.matchExpressions[0].values[1]: Invalid value: "c d"',
        ),
        (
            {"podSelector": {"matchExpressions": [{"key": "-", "operator": "Exists"}]}},
            'p.podSelector.matchExpressions[0].key: Invalid value: "-"',
        ),
        ({"podSelector": {"matchExpressions": [{"operator": "Exists"}]}}, "p.podSelector.matchExpressions[0].key: Req"),
    ],
)
def test_peers_that_the_api_refuses(peer: Raw, line: str) -> None:
    (found,) = walk(peer, "NetworkPolicyPeer", "p")
    assert found.startswith(line)


@pytest.mark.parametrize(
    "peer",
    [
        {"podSelector": {}, "namespaceSelector": {}},
        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
        {"ipBlock": {"cidr": "10.1.2.3/8"}},
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/32"]}},
        {"ipBlock": {"cidr": "fd00::/8", "except": ["fd00:1::/32"]}},
        {"podSelector": {"matchExpressions": [{"key": "a/b", "operator": "NotIn", "values": [""]}]}},
    ],
)
def test_peers_that_it_takes(peer: Raw) -> None:
    assert list(walk(peer, "NetworkPolicyPeer", "p")) == []


@pytest.mark.parametrize(
    ("port", "line"),
    [
        ({"endPort": 90}, "p.endPort: Invalid value: 90: may not be specified when `port` is not specified"),
        ({"port": "http", "endPort": 90}, "p.endPort: Invalid value: 90: may not be specified when `port` is non"),
        ({"port": 91, "endPort": 90}, "p.endPort: Invalid value: 90: must be greater than or equal to `port`"),
        ({"port": 91, "endPort": 70000}, "p.endPort: Invalid value: 70000: must be between 1 and 65535, inclusive"),
        ({"port": 70000}, "p.port: Invalid value: 70000: must be between 1 and 65535, inclusive"),
        ({"port": 0}, "p.port: Invalid value: 0"),
        ({"port": ""}, 'p.port: Invalid value: ""'),
        ({"port": "80"}, 'p.port: Invalid value: "80"'),
        ({"port": "Web"}, 'p.port: Invalid value: "Web"'),
        ({"port": "a--b"}, 'p.port: Invalid value: "a--b"'),
        ({"port": "-a"}, 'p.port: Invalid value: "-a"'),
        ({"port": "a234567890123456"}, 'p.port: Invalid value: "a234567890123456"'),
        ({"protocol": "ICMP"}, 'p.protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"'),
        ({"protocol": ""}, 'p.protocol: Unsupported value: ""'),
        ({"port": True}, "p.port: must be an integer or a string, not a boolean"),
    ],
)
def test_ports_that_the_api_refuses(port: Raw, line: str) -> None:
    (found,) = walk(port, "NetworkPolicyPort", "p")
    assert found.startswith(line)


@pytest.mark.parametrize("port", [{"port": 90, "endPort": 90, "protocol": "SCTP"}, {"port": "a23456789012345"}, {}])
def test_ports_that_it_takes(port: Raw) -> None:
    assert list(walk(port, "NetworkPolicyPort", "p")) == []


@pytest.mark.parametrize(
    ("types", "line"),
    [
        (["Ingress", "Both"], 's.policyTypes[1]: Unsupported value: "Both": supported values: "Ingress", "Egress"'),
        (["Ingress", "Egress", "Ingress"], "s.policyTypes: Invalid value"),
    ],
)
def test_policy_types_that_the_api_refuses(types: list[str], line: str) -> None:
    (found,) = walk({"policyTypes": types}, "NetworkPolicySpec", "s")
    assert found.startswith(line)


def test_a_type_may_stand_twice() -> None:
    assert list(walk({"policyTypes": ["Ingress", "Ingress"]}, "NetworkPolicySpec", "s")) == []
