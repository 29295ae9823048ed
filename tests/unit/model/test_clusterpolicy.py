"""The form of ClusterNetworkPolicy."""

from __future__ import annotations

from typing import cast

import pytest

from tandem.model.clusterpolicy import DOMAIN_NAME, ClusterNetworkPolicy, ClusterPeer, Subject
from tandem.model.parse import parse

RAW = {
    "apiVersion": "policy.networking.k8s.io/v1alpha2",
    "kind": "ClusterNetworkPolicy",
    "metadata": {"name": "c"},
    "spec": {
        "tier": "Baseline",
        "priority": 0,
        "subject": {"pods": {"podSelector": {"matchLabels": {"app": "web"}}}},
        "ingress": [{"action": "Deny", "from": [{"namespaces": {}}, {"identities": {}}], "protocols": None}],
        "egress": [
            {
                "name": "out",
                "action": "Accept",
                "to": [{"domainNames": ["*.example.com"]}, {"networks": ["10.0.0.0/8"]}, {"nodes": {}}],
                "protocols": [
                    {"tcp": {"destinationPort": {"range": {"start": 1, "end": 2}}}},
                    {"destinationNamedPort": "web"},
                ],
            }
        ],
    },
}


def test_every_field_is_read() -> None:
    policy = cast("ClusterNetworkPolicy", parse(RAW))
    (ingress,), (egress,) = policy.spec.ingress, policy.spec.egress
    assert policy.key == ("", "c")
    assert policy.spec.subject.pods is not None
    assert policy.spec.subject.pods.namespace_selector.match_labels == {}
    assert (ingress.action, ingress.protocols) == ("Deny", ())
    assert egress.name == "out"
    assert egress.peers[0].domain_names == ("*.example.com",)
    assert egress.peers[2].nodes is not None
    tcp = egress.protocols[0].tcp
    assert tcp is not None
    assert tcp.destination_port is not None
    assert tcp.destination_port.range is not None
    assert tcp.destination_port.range.end == 2
    assert egress.protocols[1].destination_named_port == "web"


def test_a_peer_of_a_newer_api_is_one_without_any_field() -> None:
    policy = cast("ClusterNetworkPolicy", parse(RAW))
    assert policy.spec.ingress[0].peers[1] == ClusterPeer()


def test_a_missing_subject_is_one_without_any_field() -> None:
    raw = {**RAW, "spec": {"tier": "Admin", "priority": 1}}
    assert cast("ClusterNetworkPolicy", parse(raw)).spec.subject == Subject()


@pytest.mark.parametrize(
    ("name", "sound"),
    [
        ("example.com", True),
        ("*.example.com", True),
        ("A-1.b_c.example.com.", True),
        ("_a.b", True),
        ("com", False),
        ("*", False),
        ("*.com", False),
        ("a.*.b", False),
        ("*a.b", False),
        ("a..b", False),
        ("-a.b", False),
        ("a.b-", False),
        ("é.b", False),
        ("", False),
    ],
)
def test_names_of_domains(name: str, *, sound: bool) -> None:
    assert (DOMAIN_NAME.fullmatch(name) is not None) == sound
