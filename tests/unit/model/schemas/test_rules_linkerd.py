"""What is refused of Linkerd's objects before anybody acts on them."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate

Raw = dict[str, Any]
GROUP = "policy.linkerd.io"
SERVER = {"podSelector": {"matchLabels": {"app": "web"}}, "port": 8080}
TARGET = {"group": GROUP, "kind": "Server", "name": "web"}
TLS = {"group": GROUP, "kind": "MeshTLSAuthentication", "name": "a"}
NETS = {"group": GROUP, "kind": "NetworkAuthentication", "name": "a"}


def wrong(kind: str, spec: Raw, version: str = "", ns: str = "") -> list[str]:
    known = {"Server": "v1beta3", "HTTPRoute": "v1beta3", "ServerAuthorization": "v1beta1"}
    api = f"{GROUP}/{version or known.get(kind, 'v1alpha1')}"
    return validate({"apiVersion": api, "kind": kind, "metadata": {"name": "x", "namespace": ns}, "spec": spec})


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Server", SERVER),
        ("Server", {"podSelector": {}, "port": "http", "proxyProtocol": "HTTP/2", "accessPolicy": "audit"}),
        ("Server", {"externalWorkloadSelector": {}, "port": 80}),
        ("AuthorizationPolicy", {"targetRef": TARGET, "requiredAuthenticationRefs": [TLS, NETS]}),
        (
            "AuthorizationPolicy",
            {
                "targetRef": {"kind": "Namespace", "name": "shop"},
                "requiredAuthenticationRefs": [{"kind": "ServiceAccount", "name": "a", "namespace": "other"}],
            },
        ),
        ("MeshTLSAuthentication", {"identities": ["*", "*.cluster.local", "a.b.serviceaccount.identity.linkerd.c"]}),
        ("MeshTLSAuthentication", {"identityRefs": [{"kind": "ServiceAccount", "name": "a"}]}),
        ("MeshTLSAuthentication", {"identities": ["spiffe://partner.example/a/b", "spiffe://partner.example"]}),
        (
            "AuthorizationPolicy",
            {
                "targetRef": TARGET | {"kind": "HttpRoute"},
                "requiredAuthenticationRefs": [TLS | {"kind": "meshtlsauthentication"}],
            },
        ),
        ("NetworkAuthentication", {"networks": [{"cidr": "10.0.0.0/8", "except": ["10.0.0.1"]}, {"cidr": "::1"}]}),
        ("ServerAuthorization", {"server": {"name": "web"}, "client": {"unauthenticated": True}}),
        (
            "ServerAuthorization",
            {"server": {"selector": {}}, "client": {"meshTLS": {"serviceAccounts": [{"name": "a"}]}}},
        ),
        ("HTTPRoute", {"parentRefs": [{"kind": "Server", "name": "web"}], "rules": [{"timeouts": {"request": "1s"}}]}),
    ],
)
def test_what_is_sound_passes(kind: str, spec: Raw) -> None:
    assert wrong(kind, spec) == []


@pytest.mark.parametrize(
    ("kind", "spec", "line"),
    [
        ("Server", {"port": 80}, "spec.podSelector: Required value: or externalWorkloadSelector"),
        ("Server", {"podSelector": {}}, "spec.port: Required value"),
        ("Server", SERVER | {"externalWorkloadSelector": {}}, "spec.externalWorkloadSelector: Forbidden: may not be"),
        ("Server", SERVER | {"port": 0}, "spec.port: Invalid value: 0: must be between 1 and 65535"),
        ("Server", SERVER | {"port": "-"}, 'spec.port: Invalid value: "-"'),
        ("Server", SERVER | {"proxyProtocol": "http"}, 'spec.proxyProtocol: Unsupported value: "http"'),
        ("Server", SERVER | {"accessPolicy": "allow"}, 'spec.accessPolicy: Unsupported value: "allow"'),
        ("Server", SERVER | {"acessPolicy": "deny"}, 'spec.acessPolicy: unknown field (did you mean "accessPolicy"?)'),
        (
            "AuthorizationPolicy",
            {"targetRef": {"kind": "Service", "name": "web"}, "requiredAuthenticationRefs": []},
            'spec.targetRef: Invalid value: "Service": must be one of Namespace',
        ),
        (
            "AuthorizationPolicy",
            {"targetRef": TARGET, "requiredAuthenticationRefs": [TLS, {"kind": "ServiceAccount", "name": "a"}]},
            "spec.requiredAuthenticationRefs[1]: Forbidden: requiredAuthenticationRefs[0] asks for an identity",
        ),
        (
            "AuthorizationPolicy",
            {"targetRef": TARGET, "requiredAuthenticationRefs": [{"kind": "Secret", "name": "a"}]},
            'spec.requiredAuthenticationRefs[0]: Invalid value: "Secret"',
        ),
        ("MeshTLSAuthentication", {}, "spec.identities: Required value: or identityRefs"),
        ("MeshTLSAuthentication", {"identities": []}, "spec.identities: Required value: at least one identity"),
        ("MeshTLSAuthentication", {"identities": ["a.*"]}, 'spec.identities[0]: Invalid value: "a.*"'),
        (
            "MeshTLSAuthentication",
            {"identityRefs": [{"kind": "ServiceAccount"}]},
            "spec.identityRefs[0].name: Required value",
        ),
        ("NetworkAuthentication", {"networks": []}, "spec.networks: Required value"),
        ("NetworkAuthentication", {"networks": [{"cidr": "x"}]}, 'spec.networks[0].cidr: Invalid value: "x"'),
        (
            "NetworkAuthentication",
            {"networks": [{"cidr": "10.0.0.0/8", "except": ["192.0.2.1"]}]},
            'spec.networks[0].except[0]: Invalid value: "192.0.2.1": must be within `cidr`',
        ),
        ("ServerAuthorization", {"server": {}, "client": {"unauthenticated": True}}, "spec.server.name: Required"),
        ("ServerAuthorization", {"server": {"name": "a"}, "client": {}}, "spec.client.meshTLS: Required value"),
        (
            "ServerAuthorization",
            {"server": {"name": "a"}, "client": {"meshTLS": {}}},
            "spec.client.meshTLS.identities: Required value",
        ),
        (
            "HTTPRoute",
            {"parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}]},
            'spec.parentRefs[0]: Invalid value: "gateway.networking.k8s.io/Gateway": must be a Server',
        ),
        ("HTTPLocalRateLimitPolicy", {"targetRef": TARGET}, "spec.total: Required value: or identity, or overrides"),
        (
            "HTTPLocalRateLimitPolicy",
            {"targetRef": TARGET, "total": {"requestsPerSecond": 0}},
            "spec.total.requestsPerSecond: Invalid value: 0: must be between 1 and",
        ),
        (
            "HTTPLocalRateLimitPolicy",
            {"targetRef": TARGET, "total": {"requestsPerSecond": 5}, "identity": {"requestsPerSecond": 6}},
            "spec.identity.requestsPerSecond: Invalid value: 6: must not be more than the total, 5",
        ),
        (
            "HTTPLocalRateLimitPolicy",
            {"targetRef": TARGET, "overrides": [{"requestsPerSecond": 5, "clientRefs": []}]},
            "spec.overrides[0].clientRefs: Required value: at least one client",
        ),
        (
            "HTTPLocalRateLimitPolicy",
            {"targetRef": {"kind": "Service", "name": "a"}, "total": {"requestsPerSecond": 5}},
            'spec.targetRef: Invalid value: "Service": must be one of policy.linkerd.io/Server',
        ),
        ("HTTPRoute", {"rules": [{"retry": {"attempts": 2}}]}, "spec.rules[0].retry: unknown field"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(kind: str, spec: Raw, line: str) -> None:
    assert wrong(kind, spec)[0].startswith(line), wrong(kind, spec)


@pytest.mark.parametrize(("version", "lines"), [("v1beta3", 0), ("v1beta2", 1), ("v1beta1", 1)])
def test_older_versions_know_no_access_policy(version: str, lines: int) -> None:
    assert len(wrong("Server", SERVER | {"accessPolicy": "audit"}, version)) == lines


@pytest.mark.parametrize(
    "name",
    [
        *("spiffe:///a", "spiffe://d/", "spiffe://d//a", "spiffe://d/a/", "spiffe://d/./a", "spiffe://d/a/.."),
        *("spiffe://d:80/a", "spiffe://u@d/a", "spiffe://D/a", "spiffe://d/a?q", "spiffe://d/a#f", "spiffe:/d/a"),
        *("http://d/a", "a.*", "a.", ".a", "a..b"),
    ],
)
def test_what_is_no_name_of_an_identity_is_refused(name: str) -> None:
    (line,) = wrong("MeshTLSAuthentication", {"identities": [name]})
    assert line.startswith("spec.identities[0]: Invalid value")


def test_a_policy_for_a_namespace_is_for_its_own() -> None:
    spec = {"targetRef": {"kind": "namespace", "name": "shop"}, "requiredAuthenticationRefs": [TLS]}
    assert wrong("AuthorizationPolicy", spec, ns="shop") == []
    (line,) = wrong("AuthorizationPolicy", spec, ns="other")
    assert line.startswith('spec.targetRef.name: Invalid value: "shop": must be other')


def test_what_leaves_nothing_or_is_in_no_namespace_is_refused() -> None:
    nothing = {"networks": [{"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}]}
    (line,) = wrong("NetworkAuthentication", nothing)
    assert line.startswith("spec.networks[0].except[0]: Invalid value")
    within = {"identityRefs": [{"kind": "Namespace", "name": "a", "namespace": "b"}]}
    (line,) = wrong("MeshTLSAuthentication", within)
    assert line.startswith("spec.identityRefs[0].namespace: Forbidden")
