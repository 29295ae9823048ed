"""BackendTLSPolicies and spec.tls of Gateways as their CRDs judge them."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schemas.walk import walk
from tlsworlds import ca, target

WHOM: dict[str, Any] = {"hostname": "a.test", "wellKnownCACertificates": "System"}
SPEC: dict[str, Any] = {"targetRefs": [target()], "validation": WHOM}
CLIENTS: dict[str, Any] = {"caCertificateRefs": [ca()]}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("GwBackendTlsSpec", {**SPEC, "targetRefs": []}, "s.targetRefs"),
    ("GwBackendTlsSpec", {**SPEC, "targetRefs": [target(f"a{i}") for i in range(17)]}, "s.targetRefs"),
    ("GwBackendTlsSpec", {**SPEC, "targetRefs": [target(), target()]}, "s.targetRefs[1]"),
    ("GwBackendTlsSpec", {**SPEC, "targetRefs": [target(), target(section="a")]}, "s.targetRefs[1]"),
    ("GwBackendTlsSpec", {**SPEC, "targetRefs": [target(section="a"), target(section="a")]}, "s.targetRefs[1]"),
    ("GwBackendTlsSpec", {**SPEC, "targetRefs": [{"name": "web", "kind": "Service"}]}, "s.targetRefs[0].group"),
    ("GwBackendTlsSpec", {**SPEC, "options": {f"a/{i}": "" for i in range(17)}}, "s.options"),
    ("GwBackendTlsSpec", {"targetRefs": [target()]}, "s.validation"),
    ("GwBackendValidation", {"hostname": "a.test"}, "s.caCertificateRefs"),
    ("GwBackendValidation", {**WHOM, "caCertificateRefs": [ca()]}, "s.wellKnownCACertificates"),
    ("GwBackendValidation", {**WHOM, "wellKnownCACertificates": "Mine"}, "s.wellKnownCACertificates"),
    ("GwBackendValidation", {"wellKnownCACertificates": "System"}, "s.hostname"),
    ("GwBackendValidation", {**WHOM, "hostname": "*.a.test"}, "s.hostname"),
    ("GwBackendValidation", {**WHOM, "hostname": ""}, "s.hostname"),
    ("GwBackendValidation", {**WHOM, "hostname": "192.0.2.1"}, "s.hostname"),
    (
        "GwBackendValidation",
        {"hostname": "a", "caCertificateRefs": [ca(f"a{i}") for i in range(9)]},
        "s.caCertificateRefs",
    ),
    ("GwSubjectAltName", {"type": "Hostname"}, "s.hostname"),
    ("GwSubjectAltName", {"type": "URI", "hostname": "a", "uri": "a://b"}, "s.hostname"),
    ("GwSubjectAltName", {"type": "URI", "uri": "urn:a"}, "s.uri"),
    ("GwSubjectAltName", {"type": "Email"}, "s.type"),
    (
        "GwFrontendTls",
        {"default": {}, "perPort": [{"port": 1, "tls": {}}, {"port": 1, "tls": {}}]},
        "s.perPort[1].port",
    ),
    ("GwFrontendTls", {"perPort": []}, "s.default"),
    ("GwClientValidation", {"caCertificateRefs": []}, "s.caCertificateRefs"),
    ("GwClientValidation", {"caCertificateRefs": [{"name": "a", "kind": "ConfigMap"}]}, "s.caCertificateRefs[0].group"),
    ("GwClientValidation", {**CLIENTS, "mode": "Sometimes"}, "s.mode"),
]


@pytest.mark.parametrize(("table", "raw", "path"), CASES, ids=[f"{t}-{p}-{i}" for i, (t, _, p) in enumerate(CASES)])
def test_what_the_crd_forbids_is_told_with_its_path(table: str, raw: dict[str, Any], path: str) -> None:
    assert [line.partition(": ")[0] for line in walk(raw, table, "s")] == [path]


@pytest.mark.parametrize(
    ("table", "raw"),
    [
        ("GwBackendTlsSpec", {**SPEC, "targetRefs": [target(section="a"), target(section="b"), target("other")]}),
        ("GwBackendValidation", {"hostname": "a.test", "caCertificateRefs": [ca()]}),
        ("GwBackendValidation", {**WHOM, "wellKnownCACertificates": "example.com/ours"}),
        ("GwSubjectAltName", {"type": "Hostname", "hostname": "*.a.test"}),
        ("GwSubjectAltName", {"type": "URI", "uri": "spiffe://a.test/ns/b"}),
        ("GwFrontendTls", {"default": {"validation": CLIENTS}, "perPort": [{"port": 8443, "tls": {}}]}),
        ("GwClientValidation", {**CLIENTS, "mode": "AllowInsecureFallback"}),
    ],
)
def test_what_it_allows_is_accepted(table: str, raw: dict[str, Any]) -> None:
    assert list(walk(raw, table, "s")) == []
