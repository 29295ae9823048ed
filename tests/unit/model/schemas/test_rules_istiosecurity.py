"""Istio's policies as istiod's admission judges them."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate
from tandem.model.schemas.walk import walk

TARGET = {"kind": "Service", "name": "n"}
SELECTOR = {"matchLabels": {"a": "b"}}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("PaSpec", {"portLevelMtls": {"80": {"mode": "STRICT"}}}, "s.portLevelMtls"),
    ("PaSpec", {"selector": SELECTOR, "portLevelMtls": {}}, "s.portLevelMtls"),
    ("PaSpec", {"selector": SELECTOR, "portLevelMtls": {"x": {}}}, "s.portLevelMtls[x]"),
    ("PaSpec", {"mtls": {"mode": "strict"}}, "s.mtls.mode"),
    ("IstioTargetRef", {"kind": "Service", "name": ""}, "s.name"),
    ("IstioTargetRef", {**TARGET, "namespace": "bar"}, "s.namespace"),
    ("IstioTargetRef", {"kind": "Deployment", "group": "apps", "name": "n"}, "s.kind"),
    ("RaSpec", {"selector": SELECTOR, "targetRefs": [TARGET]}, "s.targetRefs"),
    ("RaSpec", {"selector": {}, "targetRef": TARGET}, "s.targetRef"),
    ("RaJwtRule", {"issuer": ""}, "s.issuer"),
    ("RaJwtRule", {"jwks": '{"keys":[]}'}, "s.issuer"),
    ("RaJwtRule", {"issuer": "i", "jwksUri": "ftp://x/"}, "s.jwksUri"),
    ("RaJwtRule", {"issuer": "i", "jwksUri": "https://x:y/"}, "s.jwksUri"),
    ("RaJwtRule", {"issuer": "i", "jwksUri": "http://x/", "jwks": '{"keys":[]}'}, "s.jwksUri"),
    ("RaJwtRule", {"issuer": "i", "jwks": "no"}, "s.jwks"),
    ("RaJwtRule", {"issuer": "i", "audiences": [""]}, "s.audiences[0]"),
    ("RaJwtRule", {"issuer": "i", "timeout": "0s"}, "s.timeout"),
    ("RaJwtRule", {"issuer": "i", "fromHeaders": [{"name": ""}]}, "s.fromHeaders[0].name"),
    ("RaJwtRule", {"issuer": "i", "outputPayloadToHeader": "x y"}, "s.outputPayloadToHeader"),
    (
        "RaJwtRule",
        {"issuer": "i", "outputClaimToHeaders": [{"header": "x", "claim": "a"}, {"header": "X", "claim": "b"}]},
        "s.outputClaimToHeaders[1].header",
    ),
    (
        "RaJwtRule",
        {"issuer": "i", "outputClaimToHeaders": [{"header": "x.y", "claim": "a"}]},
        "s.outputClaimToHeaders[0].header",
    ),
    ("AzSpec", {"action": "CUSTOM", "rules": [{}]}, "s.provider.name"),
    ("AzSpec", {"action": "DENY"}, "s.rules"),
    ("AzSpec", {"provider": {"name": "x"}}, "s.provider"),
    ("AzSpec", {"selector": SELECTOR, "targetRefs": [TARGET]}, "s.targetRefs"),
    ("AzRule", {"from": []}, "s.from"),
    ("AzRule", {"to": []}, "s.to"),
    ("AzFrom", {}, "s.source"),
    ("AzFrom", {"source": {"principals": []}}, "s.source"),
    ("AzFrom", {"source": {"notServiceAccounts": ["a"], "principals": ["b"]}}, "s.source.principals"),
    ("AzTo", {"operation": {}}, "s.operation"),
    ("AzTo", {"operation": {"paths": []}}, "s.operation"),
    ("AzWhen", {"key": "moon.phase", "values": ["full"]}, "s.key"),
    ("AzWhen", {"key": "source.ip"}, "s"),
    ("AzWhen", {"key": "source.ip", "values": ["a.b.c.d"]}, "s.values[0]"),
    ("AzWhen", {"key": "destination.port", "notValues": ["http"]}, "s.notValues[0]"),
    ("AzWhen", {"key": "request.headers[x]", "values": ["a", ""]}, "s.values[1]"),
    ("AzWhen", {"key": "source.serviceAccount", "values": ["a/b/c"]}, "s.values[0]"),
    ("AzWhen", {"key": "source.trustDomain", "values": ["a*b"]}, "s.values[0]"),
    ("AzSource", {"ipBlocks": ["10.0.0.0/33"]}, "s.ipBlocks[0]"),
    ("AzSource", {"serviceAccounts": ["a*"]}, "s.serviceAccounts[0]"),
    ("AzSource", {"serviceAccounts": [f"a{i}" for i in range(17)]}, "s.serviceAccounts"),
    ("AzSource", {"trustDomains": ["a/ns"]}, "s.trustDomains[0]"),
    ("AzOperation", {"ports": ["http"]}, "s.ports[0]"),
    ("AzOperation", {"paths": [""]}, "s.paths[0]"),
    ("AzOperation", {"paths": ["/a/{**}/{*}"]}, "s.paths[0]"),
    ("AzOperation", {"paths": ["/a/{b}"]}, "s.paths[0]"),
    ("AzOperation", {"notPaths": ["/a*/{*}"]}, "s.notPaths[0]"),
]


@pytest.mark.parametrize(("table", "raw", "path"), CASES)
def test_what_istio_refuses_is_refused(table: str, raw: dict[str, Any], path: str) -> None:
    assert [line.partition(": ")[0] for line in walk(raw, table, "s")] == [path]


@pytest.mark.parametrize(
    ("table", "raw"),
    [
        ("AzSpec", {"action": "AUDIT"}),
        ("AzSpec", {"action": "CUSTOM", "provider": {"name": "x"}, "rules": [{}]}),
        ("AzOperation", {"paths": ["/a/{*}/b/{**}", "/c*", "*"], "ports": ["0"]}),
        ("AzSource", {"serviceAccounts": ["a", "shop/a"], "trustDomains": ["*.test"]}),
        ("AzWhen", {"key": "source.trustDomain", "values": ["a*"]}),
        ("AzWhen", {"key": "request.auth.claims[a][b]", "values": ["x"]}),
        ("RaJwtRule", {"jwksUri": "https://keys.test/"}),
        ("IstioTargetRef", {"kind": "ServiceEntry", "group": "networking.istio.io", "name": "n"}),
    ],
)
def test_what_istio_takes_is_taken(table: str, raw: dict[str, Any]) -> None:
    assert list(walk(raw, table, "s")) == []


@pytest.mark.parametrize(
    ("kind", "spec", "value", "told"),
    [
        ("AuthorizationPolicy", {}, "T", None),
        ("AuthorizationPolicy", {}, "maybe", "'maybe' is neither true nor false"),
        ("AuthorizationPolicy", {"action": "AUDIT"}, "true", "is for the actions ALLOW and DENY, not for AUDIT"),
        ("PeerAuthentication", {}, "true", "is for AuthorizationPolicies alone"),
    ],
)
def test_a_dry_run_is_asked_of_policies_that_allow_or_deny(
    kind: str, spec: dict[str, Any], value: str, told: str | None
) -> None:
    notes = {"istio.io/dry-run": value}
    raw = {"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": {"name": "a", "annotations": notes}}
    wrong = [f"metadata.annotations[istio.io/dry-run]: {told}"] if told else []
    assert validate({**raw, "spec": spec}) == wrong
