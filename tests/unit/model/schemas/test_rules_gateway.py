"""HTTPRoute as its CRD judges it."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schemas.rules_gateway import milliseconds
from tandem.model.schemas.walk import walk

B = {"name": "a", "port": 80}
REDIRECT = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}
REWRITE = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("GwHttpRouteSpec", {"rules": [{}] * 17}, "s.rules"),
    ("GwHttpRouteSpec", {"hostnames": ["10.0.0.1"]}, "s.hostnames[0]"),
    ("GwHttpRouteSpec", {"hostnames": ["A.b"]}, "s.hostnames[0]"),
    ("GwHttpRouteSpec", {"parentRefs": [{"name": "a"}, {"name": "a"}]}, "s.parentRefs[1]"),
    ("GwHttpRouteSpec", {"rules": [{"name": "a"}, {"name": "a"}]}, "s.rules[1].name"),
    ("GwHttpRule", {"filters": [REDIRECT], "backendRefs": [B]}, "s.backendRefs"),
    ("GwHttpRule", {"filters": [REDIRECT, REDIRECT]}, "s.filters"),
    ("GwHttpRule", {"filters": [REWRITE], "matches": [{"path": {"type": "Exact"}}]}, "s.filters[0].urlRewrite.path"),
    (
        "GwHttpRule",
        {"backendRefs": [{**B, "filters": [REWRITE]}], "matches": [{"path": {"type": "Exact"}}]},
        "s.backendRefs[0].filters[0].urlRewrite.path",
    ),
    ("GwHttpFilter", {"type": "CORS"}, "s.cors"),
    ("GwHttpFilter", {**REDIRECT, "cors": {}}, "s.cors"),
    ("GwHttpFilter", {"type": "Magic"}, "s.type"),
    ("GwHttpFilter", {"type": "ExternalAuth"}, "s.externalAuth"),
    ("GwExternalAuth", {"protocol": "GRPC", "backendRef": B}, "s.grpc"),
    ("GwExternalAuth", {"protocol": "HTTP", "backendRef": B, "http": {}, "grpc": {}}, "s.grpc"),
    ("GwExternalAuth", {"protocol": "HTTP", "backendRef": {"name": "a"}, "http": {}}, "s.backendRef.port"),
    ("GwExternalAuth", {"protocol": "TCP", "backendRef": B}, "s.protocol"),
    ("GwGrpcAuth", {"allowedHeaders": ["a", "a"]}, "s.allowedHeaders[1]"),
    ("GwHttpAuth", {"allowedResponseHeaders": ["a"] * 65}, "s.allowedResponseHeaders"),
    ("GwHttpAuth", {"path": "/a b"}, "s.path"),
    ("GwHttpAuth", {"path": "/" * 1025}, "s.path"),
    ("GwHttpMatch", {"method": "get"}, "s.method"),
    ("GwHttpMatch", {"headers": [{"name": "a", "value": "b"}, {"name": "a", "value": "c"}]}, "s.headers[1].name"),
    ("GwPathMatch", {"value": "a"}, "s.value"),
    ("GwPathMatch", {"value": "/a//b"}, "s.value"),
    ("GwPathMatch", {"value": "/a/.."}, "s.value"),
    ("GwHttpBackendRef", {"name": "a"}, "s.port"),
    ("GwHttpBackendRef", {**B, "weight": 1_000_001}, "s.weight"),
    ("GwHeaderFilter", {"set": [{"name": "A", "value": "b"}, {"name": "a", "value": "b"}]}, "s.set[1].name"),
    ("GwMirror", {"backendRef": B, "percent": 1, "fraction": {"numerator": 1}}, "s.fraction"),
    ("GwFraction", {"numerator": 101}, "s.numerator"),
    ("GwPathModifier", {"type": "ReplaceFullPath", "replacePrefixMatch": "/"}, "s.replacePrefixMatch"),
    ("GwTimeouts", {"request": "1s", "backendRequest": "2s"}, "s.backendRequest"),
    ("GwTimeouts", {"request": "soon"}, "s.request"),
    ("GwRetry", {"codes": [200]}, "s.codes[0]"),
    ("GwMeshSpec", {"controllerName": "no-domain"}, "s.controllerName"),
    ("GwMeshSpec", {"controllerName": "a.b/c", "description": "x" * 65}, "s.description"),
    ("GwGrpcMethod", {"type": "Exact"}, "s"),
    ("GwGrpcMethod", {"service": "a/b"}, "s.service"),
    ("GwGrpcMethod", {"method": "1x"}, "s.method"),
    ("GwGrpcFilter", {"type": "RequestMirror"}, "s.requestMirror"),
    ("GwGrpcFilter", {"type": "CORS", "cors": {}}, "s.type"),
    ("GwGrpcRule", {"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {}}] * 2}, "s.filters"),
    ("GwGrpcRule", {"timeouts": {}}, "s.timeouts"),
    ("GwGrpcBackendRef", {"name": "a"}, "s.port"),
    ("GwSessionPersistence", {"cookie": {"lifetimeType": "Permanent"}}, "s.absoluteTimeout"),
]


@pytest.mark.parametrize(("table", "raw", "path"), CASES)
def test_what_the_crd_refuses_is_refused(table: str, raw: dict[str, Any], path: str) -> None:
    assert path in [line.partition(": ")[0] for line in walk(raw, table, "s")]


def test_a_regular_expression_may_be_any_path() -> None:
    assert list(walk({"type": "RegularExpression", "value": "a//b"}, "GwPathMatch", "s")) == []


def test_a_service_of_grpc_may_be_any_expression_if_it_says_so() -> None:
    assert list(walk({"type": "RegularExpression", "service": "a/b"}, "GwGrpcMethod", "s")) == []
    assert list(walk({"service": ".x.A_1", "method": "_get"}, "GwGrpcMethod", "s")) == []


def test_a_backend_of_another_kind_needs_no_port() -> None:
    assert list(walk({"name": "a", "group": "x.io", "kind": "Thing"}, "GwHttpBackendRef", "s")) == []


def test_a_timeout_of_nought_is_no_timeout() -> None:
    assert list(walk({"request": "0s", "backendRequest": "2s"}, "GwTimeouts", "s")) == []


def test_durations_add_up() -> None:
    assert [milliseconds(t) for t in ("", "1m30s", "500ms", "1h")] == [0, 90_000, 500, 3_600_000]


def test_nothing_may_be_retried() -> None:
    assert list(walk({"attempts": 0, "codes": [500]}, "GwRetry", "s")) == []
