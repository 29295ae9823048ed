"""DestinationRules as istiod's admission judges them."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate
from tandem.model.schemas.walk import walk

CASES: list[tuple[str, dict[str, Any], str]] = [
    ("DrSpec", {}, "s.host"),
    ("DrSpec", {"host": ""}, "s.host"),
    ("DrSpec", {"host": "a.*"}, "s.host"),
    ("DrSpec", {"host": "a", "subsets": [{"name": "v1"}, {"name": "v1"}]}, "s.subsets[1].name"),
    ("DrSpec", {"host": "a", "subsets": [{"name": "v.1"}]}, "s.subsets[0].name"),
    ("DrTrafficPolicy", {}, "s"),
    (
        "DrTrafficPolicy",
        {"tunnel": {"targetHost": "a.test", "targetPort": 443}, "proxyProtocol": {"version": "V2"}},
        "s.proxyProtocol",
    ),
    ("DrPortPolicy", {"tls": {"mode": "DISABLE"}}, "s.port.number"),
    ("DrPortPolicy", {"port": {"number": 80}}, "s"),
    ("DrConnectionPool", {}, "s"),
    ("DrTcpPool", {"connectTimeout": "2.0000005s"}, "s.connectTimeout"),
    ("DrTcpPool", {"tcpKeepalive": {"time": "0s"}}, "s.tcpKeepalive.time"),
    ("DrHttpPool", {"h2UpgradePolicy": "UPGRADE", "useClientProtocol": True}, "s.useClientProtocol"),
    ("DrHttpPool", {"http2KeepAlive": {"interval": "10s"}}, "s.http2KeepAlive.timeout"),
    ("DrLoadBalancer", {"simple": "RANDOM", "consistentHash": {"useSourceIp": True}}, "s.consistentHash"),
    ("DrLoadBalancer", {"localityLbSetting": {}, "zoneAwareLbSetting": {}}, "s.zoneAwareLbSetting"),
    ("DrConsistentHash", {}, "s"),
    ("DrConsistentHash", {"useSourceIp": True, "ringHash": {}, "minimumRingSize": 5}, "s.minimumRingSize"),
    ("DrCookie", {"name": "a", "attributes": [{"name": "b"}, {"name": "b"}]}, "s.attributes[1].name"),
    ("DrMaglev", {"tableSize": 65536}, "s.tableSize"),
    ("DrLocality", {"distribute": [{"from": "a", "to": {"b": 99}}]}, "s.distribute[0].to"),
    ("DrLocality", {"failover": [{"from": "a", "to": "a"}]}, "s.failover[0].to"),
    ("DrLocality", {"failover": [{"from": "a", "to": "b/c"}]}, "s.failover[0].to"),
    (
        "DrLocality",
        {"failover": [{"from": "a", "to": "b"}], "failoverPriority": ["topology.kubernetes.io/region"]},
        "s.failoverPriority[0]",
    ),
    ("DrZoneAware", {"failoverPriority": ["topology.kubernetes.io/zone"]}, "s.failoverPriority[0]"),
    ("DrWarmup", {"duration": "10s", "minimumPercent": 101}, "s.minimumPercent"),
    ("DrWarmup", {"duration": "10s", "aggression": 0}, "s.aggression"),
    ("DrOutlierDetection", {"maxEjectionPercent": 101}, "s.maxEjectionPercent"),
    ("DrOutlierDetection", {"consecutiveLocalOriginFailures": 3}, "s.consecutiveLocalOriginFailures"),
    ("DrOutlierDetection", {"outlierDetectionHttpErrorCodes": [99]}, "s.outlierDetectionHttpErrorCodes[0]"),
    ("DrTls", {"mode": "ISTIO_MUTUAL", "privateKey": "x"}, "s.privateKey"),
    ("DrTls", {"mode": "MUTUAL", "privateKey": "x"}, "s.clientCertificate"),
    ("DrTls", {"mode": "SIMPLE", "credentialName": "a", "caCertificates": "b"}, "s.caCertificates"),
    ("DrTls", {"mode": "SIMPLE", "insecureSkipVerify": True, "subjectAltNames": ["a"]}, "s.subjectAltNames"),
    ("DrTunnel", {"targetHost": "a b", "targetPort": 443}, "s.targetHost"),
    ("DrTunnel", {"targetHost": "a.test", "targetPort": 443, "protocol": "GET"}, "s.protocol"),
    ("DrRetryBudget", {"percent": 101}, "s.percent"),
]


@pytest.mark.parametrize(("table", "raw", "path"), CASES)
def test_what_istio_refuses_is_refused(table: str, raw: dict[str, Any], path: str) -> None:
    assert [line.partition(": ")[0] for line in walk(raw, table, "s")] == [path]


@pytest.mark.parametrize(
    ("table", "raw"),
    [
        ("DrSpec", {"host": "*.test", "subsets": [{"name": "V1"}]}),
        ("DrTcpPool", {"idleTimeout": "0s"}),
        ("DrMaglev", {"tableSize": 65537}),
        ("DrTls", {"mode": "MUTUAL", "credentialName": "a", "insecureSkipVerify": True}),
    ],
)
def test_what_istio_takes_is_taken(table: str, raw: dict[str, Any]) -> None:
    assert list(walk(raw, table, "s")) == []


def test_a_rule_of_some_workloads_is_not_for_other_namespaces() -> None:
    def told(*names: str) -> list[str]:
        spec = {"host": "a", "workloadSelector": {"matchLabels": {"a": "b"}}, "exportTo": list(names)}
        kind = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule"}
        return validate({**kind, "metadata": {"name": "a", "namespace": "shop"}, "spec": spec})

    assert told() == told(".") == told("shop") == []
    assert told("bar") == ["spec.exportTo: with a workloadSelector a rule is for its own namespace alone"]
