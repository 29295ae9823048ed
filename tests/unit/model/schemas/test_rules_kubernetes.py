"""Rules of core, apps and discovery kinds."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schemas.rules_kubernetes import repeated
from tandem.model.schemas.walk import walk

C = {"name": "c"}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [C]}}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("PodSpec", {"containers": []}, "s.containers"),
    ("PodSpec", {"containers": [C, C]}, "s.containers[1].name"),
    ("PodSpec", {"containers": [C], "initContainers": [C]}, "s.initContainers[0].name"),
    ("PodSpec", {"containers": [{**C, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]},
     "s.containers[0].volumeMounts[0].name"),
    ("PodSpec", {"containers": [C], "terminationGracePeriodSeconds": -1}, "s.terminationGracePeriodSeconds"),
    ("Container", {**C, "ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]},
     "s.ports[1].name"),
    ("Container", {**C, "livenessProbe": {"exec": {}, "successThreshold": 2}}, "s.livenessProbe.successThreshold"),
    ("Probe", {}, "s"),
    ("Probe", {"exec": {}, "grpc": {"port": 1}}, "s"),
    ("Probe", {"exec": {}, "periodSeconds": -1}, "s.periodSeconds"),
    ("EnvVar", {"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}, "s.valueFrom"),
    ("Toleration", {"value": "x"}, "s.operator"),
    ("Toleration", {"operator": "Exists", "tolerationSeconds": 5}, "s.effect"),
    ("Toleration", {"key": "a", "operator": "Exists", "value": "x"}, "s.value"),
    ("Volume", {"name": "v", "emptyDir": {}, "configMap": {}}, "s"),
    ("VolumeMount", {"name": "v", "mountPath": "/v", "subPath": "a/../../b"}, "s.subPath"),
    ("VolumeMount", {"name": "v", "mountPath": "/v", "subPath": "/etc"}, "s.subPath"),
    ("KeyToPath", {"key": "a", "path": "a/../../b"}, "s.path"),
    ("KeyToPath", {"key": "a", "path": "..data"}, "s.path"),
    ("HostAlias", {"ip": "192.0.2.1\n192.0.2.2 other"}, "s.ip"),
    ("HostAlias", {"ip": "192.0.2.1", "hostnames": ["a\n192.0.2.2 b"]}, "s.hostnames[0]"),
    ("PodDNSConfig", {"searches": [".", "_tcp.a.", "a_b.c", "a\nnameserver 192.0.2.1"]}, "s.searches[3]"),
    ("PodDNSConfig", {"nameservers": ["192.0.2.1", "x"]}, "s.nameservers[1]"),
    ("LabelSelectorRequirement", {"key": "a", "operator": "In"}, "s.values"),
    ("LabelSelectorRequirement", {"key": "a", "operator": "Exists", "values": ["b"]}, "s.values"),
    ("DeploymentSpec", {"selector": {}, "template": TEMPLATE}, "s.selector"),
    ("DeploymentSpec", {"selector": {"matchLabels": {"a": "c"}}, "template": TEMPLATE}, "s.template.metadata.labels"),
    ("DeploymentSpec", {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE, "replicas": -1}, "s.replicas"),
    ("DeploymentSpec", {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": TEMPLATE["metadata"]}},
     "s.template.spec"),
    ("DeploymentStrategy", {"type": "Recreate", "rollingUpdate": {}}, "s.rollingUpdate"),
    ("RollingUpdateDeployment", {"maxSurge": 0, "maxUnavailable": "0%"}, "s.maxUnavailable"),
    ("RollingUpdateDeployment", {"maxSurge": "some"}, "s.maxSurge"),
    ("ServiceSpec", {}, "s.ports"),
    ("ServiceSpec", {"type": "ExternalName"}, "s.externalName"),
    ("ServiceSpec", {"type": "ExternalName", "externalName": "a.b\n5 A 192.0.2.1"}, "s.externalName"),
    ("Endpoint", {"addresses": [], "hostname": "a.shop.svc. 5 A 192.0.2.1 ;"}, "s.hostname"),
    ("ServiceSpec", {"ports": [{"port": 1}, {"port": 2, "name": "b"}]}, "s.ports[0].name"),
    ("ServiceSpec", {"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]}, "s.ports[1]"),
    ("ServiceSpec", {"ports": [{"port": 1}], "clusterIP": "x"}, "s.clusterIP"),
    ("ServiceSpec", {"ports": [{"port": 1}], "externalIPs": ["10.0.0.1", "x"]}, "s.externalIPs[1]"),
    ("ServiceSpec", {"ports": [{"port": 1}], "loadBalancerIP": "x"}, "s.loadBalancerIP"),
    ("ServiceSpec", {"ports": [{"port": 1}], "loadBalancerSourceRanges": ["10.0.0.0/8"]}, "s.loadBalancerSourceRanges"),
    (
        "ServiceSpec",
        {"ports": [{"port": 1}], "type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8", "10/40"]},
        "s.loadBalancerSourceRanges[1]",
    ),
    ("ServiceSpec", {"ports": [{"port": 1}], "trafficDistribution": "Nearby"}, "s.trafficDistribution"),
    ("ServiceSpec", {"ports": [{"port": 1}], "clusterIP": "None", "type": "NodePort"}, "s.clusterIP"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "raw", "path"), CASES)
def test_what_the_api_server_refuses_is_refused(table: str, raw: dict[str, Any], path: str) -> None:
    assert [line.partition(": ")[0] for line in walk(raw, table, "s")] == [path]


def test_a_headless_service_needs_no_ports() -> None:
    assert list(walk({"clusterIP": "None", "selector": {"a": "b"}}, "ServiceSpec", "s")) == []


def test_an_endpoint_slice_holds_addresses_of_its_family() -> None:
    raw = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["::1"]}]}
    assert list(walk(raw, "EndpointSlice")) == ["endpoints[1].addresses[0]: '::1' is not an IPv4 address"]


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.1.1", "0.0.0.0", "224.0.0.1"])
def test_no_endpoint_is_the_node_that_dials_it(address: str) -> None:
    raw = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1", address]}]}
    assert [line.partition(": ")[0] for line in walk(raw, "EndpointSlice")] == ["endpoints[0].addresses[1]"]


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "..", ".", "..data", "a b", "", "a\n"])
@pytest.mark.parametrize(("kind", "field"), [("ConfigMap", "data"), ("Secret", "stringData")])
def test_every_key_can_be_the_name_of_a_file(kind: str, field: str, key: str) -> None:
    raw = {"metadata": {"name": "a"}, field: {"key.name_1-A": "x", ".hidden": "x", key: "x"}}
    assert [line.partition(": ")[0] for line in walk(raw, kind)] == [field]


def test_empty_values_do_not_repeat() -> None:
    assert list(repeated([("a", ""), ("b", ""), ("c", "x"), ("d", "x")])) == ["d: 'x' occurs twice"]
