"""Policies of the tiers as their CRDs judge them."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate

Raw = dict[str, Any]
ALL: list[Raw] = [{"namespaces": {}}]
PODS: Raw = {"podSelector": {}}


def _complaints(kind: str, version: str, spec: Raw, name: str = "default") -> list[str]:
    raw = {"apiVersion": f"policy.networking.k8s.io/{version}", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return validate(raw)


def cluster(version: str = "v1beta1", **spec: Any) -> list[str]:
    return _complaints(
        "ClusterNetworkPolicy", version, {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, **spec}
    )


def admin(**spec: Any) -> list[str]:
    return _complaints("AdminNetworkPolicy", "v1alpha1", {"priority": 1, "subject": {"namespaces": {}}, **spec})


def baseline(name: str = "default", **spec: Any) -> list[str]:
    return _complaints("BaselineAdminNetworkPolicy", "v1alpha1", {"subject": {"namespaces": {}}, **spec}, name)


def ingress(**rule: Any) -> list[Raw]:
    return [{"action": "Deny", "from": ALL, **rule}]


def egress(**rule: Any) -> list[Raw]:
    return [{"action": "Accept", "to": ALL, **rule}]


def tcp(**port: Any) -> list[Raw]:
    return [{"tcp": {"destinationPort": port}}]


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({"tier": None}, "spec.tier: Required value"),
        ({"tier": "Developer"}, 'spec.tier: Unsupported value: "Developer": supported values: "Admin", "Baseline"'),
        ({"priority": None}, "spec.priority: Required value"),
        ({"priority": -1}, "spec.priority: Invalid value: -1: must be from 0 to 1000"),
        ({"priority": 1001}, "spec.priority: Invalid value: 1001"),
        ({"priority": "1"}, "spec.priority: must be an integer"),
        ({"subject": None}, "spec.subject: Required value"),
        ({"subject": {}}, "spec.subject: Required value: must have one of namespaces, pods"),
        ({"subject": {"namespaces": {}, "pods": PODS}}, "spec.subject: Too many: 2: must have at most 1 item"),
        ({"subject": {"pods": {}}}, "spec.subject.pods.podSelector: Required value"),
        ({"subject": {"nodes": {}}}, "spec.subject.nodes: unknown field"),
        ({"ingress": ingress() * 26}, "spec.ingress: Too many: 26: must have at most 25 items"),
        ({"egress": egress() * 26}, "spec.egress: Too many: 26"),
        ({"ingress": [{"from": ALL}]}, "spec.ingress[0].action: Required value"),
        ({"ingress": ingress(action="Allow")}, 'spec.ingress[0].action: Unsupported value: "Allow"'),
        ({"ingress": ingress(name="x" * 101)}, "spec.ingress[0].name: Too long"),
        ({"ingress": [{"action": "Deny"}]}, "spec.ingress[0].from: Required value"),
        ({"ingress": ingress(**{"from": []})}, "spec.ingress[0].from: Invalid value: 0"),
        ({"ingress": ingress(**{"from": ALL * 26})}, "spec.ingress[0].from: Too many: 26"),
        ({"ingress": ingress(protocols=[])}, "spec.ingress[0].protocols: Invalid value: 0"),
        ({"ingress": ingress(protocols=tcp(number=1) * 26)}, "spec.ingress[0].protocols: Too many: 26"),
        ({"ingress": ingress(**{"from": [{}]})}, "spec.ingress[0].from[0]: Required value"),
        ({"ingress": ingress(**{"from": [{"namespaces": {}, "pods": PODS}]})}, "spec.ingress[0].from[0]: Too many: 2"),
        ({"ingress": ingress(**{"from": [{"networks": ["10.0.0.0/8"]}]})}, "spec.ingress[0].from[0].networks: unknown"),
        ({"ingress": ingress(protocols=[{}])}, "spec.ingress[0].protocols[0]: Required value"),
        ({"ingress": ingress(protocols=[{"tcp": {}}])}, "spec.ingress[0].protocols[0].tcp: Required value"),
        ({"ingress": ingress(protocols=[{"icmp": {}}])}, "spec.ingress[0].protocols[0].icmp: unknown field"),
        ({"ingress": ingress(protocols=tcp())}, "spec.ingress[0].protocols[0].tcp.destinationPort: Required value"),
        (
            {"ingress": ingress(protocols=tcp(number=1, range={"start": 1, "end": 2}))},
            "spec.ingress[0].protocols[0].tcp.destinationPort: Too many: 2",
        ),
        (
            {"ingress": ingress(protocols=tcp(number=65536))},
            "spec.ingress[0].protocols[0].tcp.destinationPort.number: Invalid value: 65536",
        ),
        (
            {"ingress": ingress(protocols=tcp(range={"start": 2, "end": 2}))},
            "spec.ingress[0].protocols[0].tcp.destinationPort.range.start: Invalid value: 2: must be less than `end`",
        ),
        (
            {"ingress": ingress(protocols=tcp(range={"start": 0, "end": 2}))},
            "spec.ingress[0].protocols[0].tcp.destinationPort.range.start: Invalid value: 0",
        ),
        ({"egress": egress(to=[{"networks": []}])}, "spec.egress[0].to[0].networks: Invalid value: 0"),
        (
            {"egress": egress(to=[{"networks": [f"10.0.{i}.0/24" for i in range(26)]}])},
            "spec.egress[0].to[0].networks: Too many: 26",
        ),
        (
            {"egress": egress(to=[{"networks": ["10.0.0.0/8", "10.0.0.0/8"]}])},
            'spec.egress[0].to[0].networks[1]: Duplicate value: "10.0.0.0/8"',
        ),
        ({"egress": egress(to=[{"networks": ["10.0.0.0"]}])}, "spec.egress[0].to[0].networks[0]: Invalid value"),
        ({"egress": egress(to=[{"networks": ["010.0.0.0/8"]}])}, "spec.egress[0].to[0].networks[0]: Invalid value"),
        (
            {"egress": egress(to=[{"networks": ["::ffff:10.0.0.0/104"]}])},
            "spec.egress[0].to[0].networks[0]: Invalid value",
        ),
        ({"egress": egress(to=[{"networks": ["10.1.0.0/8"]}])}, "spec.egress[0].to[0].networks[0]: Invalid value"),
        (
            {"egress": egress(to=[{"domainNames": ["com"]}])},
            'spec.egress[0].to[0].domainNames[0]: Invalid value: "com"',
        ),
        ({"egress": egress(to=[{"domainNames": ["a.*.b"]}])}, "spec.egress[0].to[0].domainNames[0]: Invalid value"),
        (
            {"egress": egress(to=[{"domainNames": ["_a.b"]}])},
            'spec.egress[0].to[0].domainNames[0]: Invalid value: "_a.b"',
        ),
        ({"egress": egress(to=[{"domainNames": ["a.-b"]}])}, "spec.egress[0].to[0].domainNames[0]: Invalid value"),
        ({"egress": egress(to=[{"networks": ["10.0.0.0/08"]}])}, "spec.egress[0].to[0].networks[0]: Invalid value"),
        ({"egress": egress(to=[{"domainNames": []}])}, "spec.egress[0].to[0].domainNames: Invalid value: 0"),
        (
            {"egress": egress(to=[*ALL, {"nodes": {}}], protocols=[{"destinationNamedPort": "x"}])},
            "spec.egress[0].protocols: Forbidden",
        ),
    ],
)
def test_what_is_refused_of_a_cluster_policy(spec: Raw, line: str) -> None:
    (found,) = cluster(**spec)
    assert found.startswith(line)


@pytest.mark.parametrize(
    "spec",
    [
        {"priority": 0, "tier": "Baseline"},
        {"priority": 1000, "subject": {"pods": PODS}},
        {"ingress": ingress() * 25, "egress": egress() * 25},
        {"ingress": ingress(**{"from": ALL * 25}, protocols=tcp(number=1) * 25, name="x" * 100)},
        {"ingress": ingress(protocols=[{"destinationNamedPort": "web"}, *tcp(range={"start": 1, "end": 2})])},
        {"egress": egress(to=[{"networks": ["0.0.0.0/0", "::/0"]}, {"nodes": {}}, {"domainNames": ["*.a.b", "a.b."]}])},
        {"egress": egress(action="Deny", to=[{"domainNames": ["a.b"]}])},
    ],
)
def test_what_is_taken_of_a_cluster_policy(spec: Raw) -> None:
    assert cluster(**spec) == []


def test_the_older_version_takes_bits_beyond_the_length_of_a_prefix_and_labels_with_an_underscore() -> None:
    assert cluster("v1alpha2", egress=egress(to=[{"networks": ["10.1.0.0/8"]}])) == []
    assert cluster("v1alpha2", egress=egress(to=[{"domainNames": ["_a.b"]}])) == []


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({"priority": 1001}, "spec.priority: Invalid value: 1001"),
        ({"tier": "Admin"}, "spec.tier: unknown field"),
        ({"ingress": ingress() * 101}, "spec.ingress: Too many: 101: must have at most 100 items"),
        ({"ingress": ingress(action="Accept")}, 'spec.ingress[0].action: Unsupported value: "Accept"'),
        ({"ingress": ingress(ports=[{}])}, "spec.ingress[0].ports[0]: Required value"),
        ({"ingress": ingress(ports=[{"portNumber": {"port": 0}}])}, "spec.ingress[0].ports[0].portNumber.port: Inv"),
        (
            {"ingress": ingress(ports=[{"portNumber": {"protocol": "ICMP", "port": 1}}])},
            "spec.ingress[0].ports[0].portNumber.protocol: Unsupported value",
        ),
        (
            {"ingress": ingress(ports=[{"portRange": {"start": 3, "end": 2}}])},
            "spec.ingress[0].ports[0].portRange.start: Invalid value: 3",
        ),
        (
            {"egress": [{"action": "Allow", "to": [{"nodes": {}}], "ports": [{"namedPort": "x"}]}]},
            "spec.egress[0].ports: Forbidden",
        ),
        ({"subject": {"pods": PODS}}, "spec.subject.pods.namespaceSelector: Required value"),
    ],
)
def test_what_is_refused_of_an_admin_policy(spec: Raw, line: str) -> None:
    (found,) = admin(**spec)
    assert found.startswith(line)


def test_what_is_taken_of_an_admin_policy() -> None:
    ports = [{"portNumber": {"port": 1}}, {"portRange": {"start": 1, "end": 2}}, {"namedPort": "x"}]
    assert admin(ingress=[{"action": a, "from": ALL, "ports": ports} for a in ("Allow", "Deny", "Pass")]) == []


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({"name": "other"}, 'metadata.name: Invalid value: "other"'),
        ({"priority": 1}, "spec.priority: unknown field"),
        ({"ingress": ingress(action="Pass")}, 'spec.ingress[0].action: Unsupported value: "Pass"'),
        (
            {"egress": [{"action": "Allow", "to": [{"domainNames": ["a.b"]}]}]},
            "spec.egress[0].to[0].domainNames: unknown field",
        ),
    ],
)
def test_what_is_refused_of_a_baseline(spec: Raw, line: str) -> None:
    found = baseline(**spec)
    assert found
    assert found[0].startswith(line)
