"""What no object of Consul may say, each with its path."""

from __future__ import annotations

from typing import Any

import pytest

from consulworlds import permission, source
from tandem.model.schema import validate

DESTINATION = {"name": "web"}


def mistakes(kind: str, spec: dict[str, Any]) -> list[str]:
    meta = {"name": "web", "namespace": "shop"}
    return validate({"apiVersion": "consul.hashicorp.com/v1alpha1", "kind": kind, "metadata": meta, "spec": spec})


def of_intentions(*sources: Any, **spec: Any) -> list[str]:
    return mistakes("ServiceIntentions", {"destination": DESTINATION, "sources": list(sources), **spec})


@pytest.mark.parametrize(
    "one",
    [
        source("a", "deny", description="says who"),
        source("*", namespace="*"),
        source(
            "a", permissions=[permission("deny", pathPrefix="/a", methods=["GET", "PUT"]), permission(pathPrefix="/")]
        ),
        source(
            "a", permissions=[permission(header=[{"name": "x", "prefix": "a", "ignoreCase": True, "invert": True}])]
        ),
        source("a", peer="p"),
    ],
)
def test_sound_intentions_are_taken(one: Any) -> None:
    assert of_intentions(one) == []


@pytest.mark.parametrize(
    ("sources", "path"),
    [
        ([], "spec.sources: at least one"),
        ([source("a"), source("a", "deny")], "spec.sources[1]: Duplicate value"),
        ([{"name": "a"}], "spec.sources[0]: needs action"),
        ([{"action": "allow"}], "spec.sources[0].name: Required"),
        ([{**source("a"), "permissions": [permission(methods=["GET"])]}], "spec.sources[0].permissions: may not"),
        ([source("a", permissions=[permission()])], "spec.sources[0].permissions[0].http: Required"),
        ([source("a", permissions=[permission(methods=[])])], "spec.sources[0].permissions[0].http: Required"),
        ([source("a", "maybe")], "spec.sources[0].action: Unsupported"),
        ([source("a*")], "spec.sources[0].name: Invalid"),
        ([source("a", namespace="*")], "spec.sources[0].name: Invalid"),
        ([source("*", namespace="s*")], "spec.sources[0].namespace: Invalid"),
        ([source("a", peer="p", partition="x")], "spec.sources[0].peer: may not"),
        ([source("a", description="x" * 513)], "spec.sources[0].description: at most"),
        ([source("a", until="noon")], "spec.sources[0].until: unknown field"),
        (
            [source("a", permissions=[permission("", pathExact="/")])],
            "spec.sources[0].permissions[0].action: is required",
        ),
    ],
)
def test_intentions_that_are_not(sources: list[Any], path: str) -> None:
    (found,) = of_intentions(*sources)
    assert found.startswith(path)


@pytest.mark.parametrize(
    ("http", "path"),
    [
        ({"pathExact": "/a", "pathRegex": "/b"}, "pathRegex: may not"),
        ({"pathPrefix": "a"}, "pathPrefix: Invalid"),
        ({"pathRegex": "("}, "pathRegex: "),
        ({"methods": ["GET", "GET"]}, "methods[1]: 'GET' occurs twice"),
        ({"methods": ["BREW"]}, "methods[0]: Unsupported"),
        ({"methods": [""]}, "methods[0]: must not be empty"),
        ({"header": [{"name": "x"}]}, "header[0]: needs one of"),
        ({"header": [{"name": "x", "exact": "1", "regex": "2"}]}, "header[0].regex: may not"),
        ({"header": [{"name": "x", "present": True, "ignoreCase": True}]}, "header[0].ignoreCase: does not"),
    ],
)
def test_permissions_that_are_not(http: Any, path: str) -> None:
    (found,) = of_intentions(source("a", permissions=[{"action": "allow", "http": http}]))
    assert found.startswith(f"spec.sources[0].permissions[0].http.{path}")


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        (
            "ServiceRouter",
            {"routes": [{"match": {"http": {"pathPrefix": "/a"}}, "destination": {"prefixRewrite": "/"}}]},
        ),
        ("ServiceRouter", {"routes": [{}]}),
        ("ServiceRouter", {"routes": [{"destination": {"retryOn": ["5xx"], "requestTimeout": "-1s"}}]}),
        (
            "ServiceSplitter",
            {"splits": [{"weight": 33.33}, {"weight": 66.67, "service": "b"}, {"weight": 0, "service": "c"}]},
        ),
        ("ServiceResolver", {"subsets": {"v1": {"filter": "", "onlyPassing": True}}, "defaultSubset": "v1"}),
        ("ServiceResolver", {"redirect": {"service": "b", "serviceSubset": "v1"}}),
        ("ServiceResolver", {"failover": {"*": {"targets": [{"service": "b"}]}}}),
        (
            "ServiceResolver",
            {"loadBalancer": {"policy": "maglev", "hashPolicies": [{"field": "header", "fieldValue": "a"}]}},
        ),
    ],
)
def test_sound_routing_is_taken(kind: str, spec: Any) -> None:
    assert mistakes(kind, spec) == []


@pytest.mark.parametrize(
    ("kind", "spec", "path"),
    [
        ("ServiceRouter", {"routes": [{"destination": {"prefixRewrite": "/"}}]}, "routes[0].destination.prefixRewrite"),
        ("ServiceRouter", {"routes": [{"destination": {"retryOn": ["moon"]}}]}, "routes[0].destination.retryOn[0]"),
        (
            "ServiceRouter",
            {"routes": [{"match": {"http": {"header": [{"name": "x"}]}}}]},
            "routes[0].match.http.header",
        ),
        (
            "ServiceRouter",
            {"routes": [{"match": {"http": {"header": [{"name": "Host", "exact": "a"}]}}}]},
            "routes[0].match.http.header[0].name",
        ),
        (
            "ServiceRouter",
            {"routes": [{"match": {"http": {"queryParam": [{"name": "x", "exact": "a", "present": True}]}}}]},
            "routes[0].match.http.queryParam[0].exact",
        ),
        ("ServiceRouter", {"routes": [{"destination": {"requestTimeout": "soon"}}]}, "routes[0].destination"),
        ("ServiceSplitter", {"splits": [{"weight": 99}]}, "splits: Invalid"),
        ("ServiceSplitter", {"splits": [{"weight": 100}, {"weight": 0.001, "service": "b"}]}, "splits[1].weight"),
        (
            "ServiceSplitter",
            {"splits": [{"weight": 50, "service": "b"}, {"weight": 50, "service": "b"}]},
            "splits[1]: is there twice",
        ),
        ("ServiceResolver", {"connectTimeout": "-1s"}, "connectTimeout: Invalid"),
        ("ServiceResolver", {"subsets": {"a" * 64: {}}}, "subsets[aaa"),
        ("ServiceResolver", {"redirect": {}}, "redirect: must not be empty"),
        ("ServiceResolver", {"redirect": {"serviceSubset": "v1"}}, "redirect.serviceSubset: needs service"),
        ("ServiceResolver", {"redirect": {"service": "b"}, "failover": {"*": {"service": "c"}}}, "failover: may not"),
        ("ServiceResolver", {"failover": {"*": {}}}, "failover[*]: must not be empty"),
        ("ServiceResolver", {"failover": {"*": {"service": "b", "targets": [{}]}}}, "failover[*].targets: may not"),
        ("ServiceResolver", {"subsets": {"V1": {}}}, "subsets[V1]"),
        ("ServiceResolver", {"loadBalancer": {"policy": "fair"}}, "loadBalancer.policy"),
        (
            "ServiceResolver",
            {"loadBalancer": {"ringHashConfig": {}}},
            "loadBalancer.ringHashConfig",
        ),
        ("ServiceResolver", {"loadBalancer": {"hashPolicies": [{"sourceIP": True}]}}, "loadBalancer.hashPolicies"),
        (
            "ServiceResolver",
            {"loadBalancer": {"policy": "maglev", "hashPolicies": [{"field": "cookie"}]}},
            "loadBalancer.hashPolicies[0].fieldValue",
        ),
        (
            "ServiceResolver",
            {"loadBalancer": {"policy": "maglev", "hashPolicies": [{"sourceIP": True, "fieldValue": "x"}]}},
            "loadBalancer.hashPolicies[0].fieldValue",
        ),
        (
            "ServiceResolver",
            {"loadBalancer": {"policy": "maglev", "hashPolicies": [{"sourceIP": True, "cookieConfig": {}}]}},
            "loadBalancer.hashPolicies[0].cookieConfig",
        ),
        (
            "ServiceResolver",
            {
                "loadBalancer": {
                    "policy": "maglev",
                    "hashPolicies": [
                        {"field": "cookie", "fieldValue": "c", "cookieConfig": {"session": True, "ttl": "1s"}}
                    ],
                }
            },
            "loadBalancer.hashPolicies[0].cookieConfig.ttl",
        ),
    ],
)
def test_routing_that_is_not(kind: str, spec: Any, path: str) -> None:
    (found,) = mistakes(kind, spec)
    assert found.startswith(f"spec.{path}")


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"mode": "transparent"}, "mode: cannot be set"),
        ({"protocol": "smtp"}, "protocol: Unsupported"),
        ({"mutualTLSMode": "loose"}, "mutualTLSMode: Unsupported"),
        ({"maxInboundConnections": -1}, "maxInboundConnections"),
        ({"rateLimits": {"instanceLevel": {}}}, "rateLimits.instanceLevel: needs requestsPerSecond or routes"),
        (
            {"rateLimits": {"instanceLevel": {"requestsPerSecond": 5, "requestsMaxBurst": 4}}},
            "rateLimits.instanceLevel.requestsMaxBurst: must not be less",
        ),
        (
            {"rateLimits": {"instanceLevel": {"routes": [{"pathExact": "/a"}]}}},
            "rateLimits.instanceLevel.routes[0].requestsPerSecond: is required",
        ),
        (
            {"rateLimits": {"instanceLevel": {"routes": [{"requestsPerSecond": 1}]}}},
            "rateLimits.instanceLevel.routes[0]: needs one of",
        ),
        ({"upstreamConfig": {"defaults": {"name": "web"}}}, "upstreamConfig.defaults.name: "),
        ({"upstreamConfig": {"defaults": {"limits": {"maxFriends": 1}}}}, "upstreamConfig.defaults.limits.maxFriends"),
    ],
)
def test_defaults_that_are_not(spec: Any, path: str) -> None:
    (found,) = mistakes("ServiceDefaults", spec)
    assert found.startswith(f"spec.{path}")
