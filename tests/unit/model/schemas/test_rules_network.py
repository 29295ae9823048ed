"""NetworkPolicy as the API server judges it."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schemas.walk import walk


@pytest.mark.parametrize(
    ("peer", "path"),
    [
        ({}, "p"),
        ({"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}, "p.ipBlock"),
        ({"ipBlock": {"cidr": "10.0.0.0"}}, "p.ipBlock.cidr"),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}, "p.ipBlock.except[0]"),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}, "p.ipBlock.except[0]"),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["fd00::/8"]}}, "p.ipBlock.except[0]"),
    ],
)
def test_peers_that_the_api_refuses(peer: dict[str, Any], path: str) -> None:
    assert [line.partition(": ")[0] for line in walk(peer, "NetworkPolicyPeer", "p")] == [path]


@pytest.mark.parametrize(
    "peer",
    [
        {"podSelector": {}, "namespaceSelector": {}},
        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
        {"ipBlock": {"cidr": "fd00::/8", "except": ["fd00:1::/32"]}},
    ],
)
def test_peers_that_it_takes(peer: dict[str, Any]) -> None:
    assert list(walk(peer, "NetworkPolicyPeer", "p")) == []


@pytest.mark.parametrize(
    ("port", "path"),
    [
        ({"endPort": 90}, "p.endPort"),
        ({"port": "http", "endPort": 90}, "p.endPort"),
        ({"port": 91, "endPort": 90}, "p.endPort"),
        ({"port": 70000}, "p.port"),
        ({"protocol": "ICMP"}, "p.protocol"),
    ],
)
def test_ports_that_the_api_refuses(port: dict[str, Any], path: str) -> None:
    assert [line.partition(": ")[0] for line in walk(port, "NetworkPolicyPort", "p")] == [path]


def test_a_port_range_may_be_one_port() -> None:
    assert list(walk({"port": 90, "endPort": 90, "protocol": "SCTP"}, "NetworkPolicyPort", "p")) == []


def test_policy_types_are_known_and_occur_once() -> None:
    assert [
        line.partition(": ")[0] for line in walk({"policyTypes": ["Ingress", "Both"]}, "NetworkPolicySpec", "s")
    ] == ["s.policyTypes[1]"]
    twice = {"policyTypes": ["Ingress", "Ingress"]}
    assert list(walk(twice, "NetworkPolicySpec", "s")) == ["s.policyTypes[1]: 'Ingress' occurs twice"]
