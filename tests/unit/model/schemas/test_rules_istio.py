"""Istio kinds as istiod's admission judges them."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schemas.walk import walk

D = {"destination": {"host": "a"}}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("VsSpec", {"http": [{"route": [D]}], "tcp": [{"route": [D]}]}, "s.hosts"),
    ("VsSpec", {"hosts": ["a"]}, "s"),
    ("VsSpec", {"hosts": ["a*"], "http": [{"route": [D]}]}, "s.hosts[0]"),
    ("VsSpec", {"hosts": ["a", "a"], "http": [{"route": [D]}]}, "s.hosts[1]"),
    ("VsHttp", {}, "s"),
    ("VsHttp", {"route": [D], "redirect": {"uri": "/"}}, "s.redirect"),
    ("VsHttp", {"redirect": {"uri": "/"}, "rewrite": {"uri": "/"}}, "s.rewrite"),
    ("VsHttp", {"route": [{**D, "weight": 0}, {**D, "weight": 0}]}, "s.route"),
    ("VsHttp", {"route": [{**D, "weight": -1}]}, "s.route[0].weight"),
    ("VsHttp", {"route": [{"weight": 1}]}, "s.route[0].destination"),
    ("VsHttp", {"route": [D], "timeout": "5"}, "s.timeout"),
    ("VsHttp", {"route": [D], "mirror": {"host": "b"}, "mirrors": [D]}, "s.mirrors"),
    ("VsTcp", {}, "s.route"),
    ("VsHttpMatch", {"uri": {"prefix": "/", "exact": "/"}}, "s.uri"),
    ("VsHttpMatch", {"uri": {"regex": "("}}, "s.uri.regex"),
    ("VsHttpMatch", {"uri": {}}, "s.uri"),
    ("VsHttpMatch", {"port": 70000}, "s.port"),
    ("VsDirectResponse", {"status": 99}, "s.status"),
    ("VsRedirect", {"redirectCode": 200}, "s.redirectCode"),
    ("VsRedirect", {"port": 1, "derivePort": "FROM_REQUEST_PORT"}, "s.derivePort"),
    ("VsAbort", {}, "s"),
    ("VsAbort", {"httpStatus": 42}, "s.httpStatus"),
    ("VsDelay", {"percentage": {"value": 1}}, "s.fixedDelay"),
    ("IstioPercent", {"value": 101}, "s.value"),
    ("DrSpec", {}, "s.host"),
    ("DrSpec", {"host": "a", "subsets": [{"name": "v1"}, {"name": "v1"}]}, "s.subsets[1].name"),
    ("DrSpec", {"host": "a", "subsets": [{"name": "V1"}]}, "s.subsets[0].name"),
    ("DrLoadBalancer", {"simple": "RANDOM", "consistentHash": {"useSourceIp": True}}, "s.consistentHash"),
    ("DrConsistentHash", {}, "s"),
    ("DrOutlierDetection", {"maxEjectionPercent": 101}, "s.maxEjectionPercent"),
    ("DrTls", {"mode": "ISTIO_MUTUAL", "privateKey": "x"}, "s.privateKey"),
    ("DrTls", {"mode": "MUTUAL", "privateKey": "x"}, "s.clientCertificate"),
    ("DrPortPolicy", {}, "s.port.number"),
    ("PaSpec", {"portLevelMtls": {"80": {"mode": "STRICT"}}}, "s.portLevelMtls"),
    ("RaSpec", {"selector": {"matchLabels": {"a": "b"}}, "targetRefs": [{"kind": "K", "name": "n"}]}, "s.targetRefs"),
    ("RaJwtRule", {"issuer": ""}, "s.issuer"),
    ("RaJwtRule", {"issuer": "i", "jwksUri": "ftp://x/"}, "s.jwksUri"),
    ("RaJwtRule", {"issuer": "i", "jwksUri": "http://x/", "jwks": '{"keys":[]}'}, "s.jwksUri"),
    ("RaJwtRule", {"issuer": "i", "jwks": "no"}, "s.jwks"),
    ("RaJwtRule", {"issuer": "i", "audiences": [""]}, "s.audiences[0]"),
    ("RaJwtRule", {"issuer": "i", "fromHeaders": [{"name": ""}]}, "s.fromHeaders[0].name"),
    ("RaJwtRule", {"issuer": "i", "outputPayloadToHeader": "x y"}, "s.outputPayloadToHeader"),
    (
        "RaJwtRule",
        {"issuer": "i", "outputClaimToHeaders": [{"header": "x", "claim": "a"}, {"header": "X", "claim": "b"}]},
        "s.outputClaimToHeaders[1].header",
    ),
    ("AzSpec", {"action": "CUSTOM", "rules": [{}]}, "s.provider.name"),
    ("AzSpec", {"action": "DENY"}, "s.rules"),
    ("AzSpec", {"provider": {"name": "x"}}, "s.provider"),
    ("AzSpec", {"selector": {"matchLabels": {"a": "b"}}, "targetRefs": [{"kind": "K", "name": "n"}]}, "s.targetRefs"),
    ("AzFrom", {}, "s.source"),
    ("AzTo", {"operation": {}}, "s.operation"),
    ("AzWhen", {"key": "moon.phase", "values": ["full"]}, "s.key"),
    ("AzWhen", {"key": "source.ip"}, "s"),
    ("AzSource", {"ipBlocks": ["10.0.0.0/33"]}, "s.ipBlocks[0]"),
    ("AzOperation", {"ports": ["http"]}, "s.ports[0]"),
    ("AzOperation", {"paths": [""]}, "s.paths[0]"),
    ("PaSpec", {"mtls": {"mode": "strict"}}, "s.mtls.mode"),
    ("PaSpec", {"selector": {"matchLabels": {"a": "b"}}, "portLevelMtls": {"x": {}}}, "s.portLevelMtls[x]"),
]


@pytest.mark.parametrize(("table", "raw", "path"), CASES)
def test_what_istio_refuses_is_refused(table: str, raw: dict[str, Any], path: str) -> None:
    assert [line.partition(": ")[0] for line in walk(raw, table, "s")] == [path]


def test_weights_are_relative() -> None:
    assert list(walk({"route": [{**D, "weight": 1}, {**D, "weight": 2}]}, "VsHttp", "s")) == []


def test_an_empty_header_match_means_present() -> None:
    assert list(walk({"headers": {"x": {}}}, "VsHttpMatch", "s")) == []
