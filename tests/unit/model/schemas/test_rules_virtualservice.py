"""VirtualServices as istiod's admission judges them."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate
from tandem.model.schemas.walk import walk

D = {"destination": {"host": "a"}}
R = {"route": [D]}
HTTP = {"http": [R]}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("VsSpec", {**HTTP, "tcp": [R]}, "s.hosts"),
    ("VsSpec", {**HTTP, "gateways": ["edge"]}, "s.gateways"),
    ("VsSpec", {"http": [{"delegate": {"name": "a"}}]}, "s.http[0].delegate"),
    ("VsSpec", {"hosts": ["a"]}, "s"),
    ("VsSpec", {"hosts": ["a*"], **HTTP}, "s.hosts[0]"),
    ("VsSpec", {"hosts": ["a!b"], **HTTP}, "s.hosts[0]"),
    ("VsSpec", {"hosts": ["a", "a"], **HTTP}, "s.hosts[1]"),
    ("VsSpec", {"hosts": ["*.a.test", "*.test"], **HTTP}, "s.hosts[1]"),
    ("VsSpec", {"hosts": ["*.test", "a.test"], **HTTP}, "s.hosts[1]"),
    ("VsSpec", {"hosts": ["*"], **HTTP}, "s.hosts[0]"),
    ("VsSpec", {"hosts": ["*"], "gateways": ["edge", "mesh"], **HTTP}, "s.hosts[0]"),
    ("VsSpec", {"hosts": ["a"], "gateways": ["b@c"], **HTTP}, "s.gateways[0]"),
    ("VsSpec", {"hosts": ["a"], "gateways": ["shop/*"], **HTTP}, "s.gateways[0]"),
    (
        "VsSpec",
        {"hosts": ["a"], "http": [{**R, "match": [{"headers": {"@request.auth.claims.sub": {"exact": "x"}}}]}]},
        "s.http[0].match[0].headers[@request.auth.claims.sub]",
    ),
    (
        "VsSpec",
        {"hosts": ["a.test"], "tls": [{**R, "match": [{"sniHosts": ["b.test"]}]}]},
        "s.tls[0].match[0].sniHosts[0]",
    ),
    ("VsHttp", {}, "s"),
    ("VsHttp", {**R, "redirect": {"uri": "/"}}, "s.redirect"),
    ("VsHttp", {"redirect": {}}, "s.redirect"),
    ("VsHttp", {"redirect": {"uri": "/"}, "rewrite": {"uri": "/"}}, "s.rewrite"),
    ("VsHttp", {"redirect": {"uri": "/"}, "fault": {"abort": {"httpStatus": 500}}}, "s.fault"),
    ("VsHttp", {"directResponse": {"status": 200}, "rewrite": {"uri": "/"}}, "s.rewrite"),
    ("VsHttp", {"redirect": {"prefixRewrite": "/b"}, "match": [{"uri": {"exact": "/a"}}]}, "s.redirect.prefixRewrite"),
    ("VsHttp", {"route": [{**D, "weight": 0}, {**D, "weight": 0}]}, "s.route"),
    ("VsHttp", {"route": [{**D, "weight": -1}]}, "s.route[0].weight"),
    ("VsHttp", {"route": [{"weight": 1}]}, "s.route[0].destination"),
    ("VsHttp", {**R, "timeout": "5"}, "s.timeout"),
    ("VsHttp", {**R, "timeout": "0s"}, "s.timeout"),
    ("VsHttp", {**R, "mirror": {"host": "b"}, "mirrors": [D]}, "s.mirrors"),
    ("VsHttp", {**R, "mirror": {"host": "b"}, "mirrorPercent": 101}, "s.mirrorPercent"),
    (
        "VsHttp",
        {**R, "rewrite": {"authority": "b"}, "headers": {"request": {"set": {":authority": "c"}}}},
        "s.headers.request.set[:authority]",
    ),
    ("VsDestination", {"host": "*"}, "s.host"),
    ("VsDestination", {"host": "shop/a"}, "s.host"),
    ("VsDestination", {"host": "a", "subset": "v.1"}, "s.subset"),
    ("VsDestination", {"host": "a", "port": {}}, "s.port.number"),
    ("VsHeaders", {"request": {"set": {"": "b"}}}, "s.request.set[]"),
    ("VsHeaders", {"request": {"remove": ["host"]}}, "s.request.remove[0]"),
    ("VsHeaders", {"response": {"add": {":status": "200"}}}, "s.response.add[:status]"),
    ("VsHeaders", {"response": {"set": {"x-a": "100% new"}}}, "s.response.set[x-a]"),
    ("VsTcp", {}, "s.route"),
    ("VsTls", {**R, "match": []}, "s.match"),
    ("VsTlsMatch", {"sniHosts": []}, "s.sniHosts"),
    ("VsTlsMatch", {"sniHosts": ["a.*.test"]}, "s.sniHosts[0]"),
    ("VsTcpMatch", {"destinationSubnets": ["10.0.0.0/33"]}, "s.destinationSubnets[0]"),
    ("VsTcpMatch", {"gateways": ["a b"]}, "s.gateways[0]"),
    ("VsHttpMatch", {"uri": {"prefix": "/", "exact": "/"}}, "s.uri"),
    ("VsHttpMatch", {"uri": {"regex": "("}}, "s.uri.regex"),
    ("VsHttpMatch", {"uri": {"regex": ""}}, "s.uri.regex"),
    ("VsHttpMatch", {"uri": {}}, "s.uri"),
    ("VsHttpMatch", {"method": {"prefix": ""}}, "s.method.prefix"),
    ("VsHttpMatch", {"headers": {"x": {"prefix": ""}}}, "s.headers[x].prefix"),
    ("VsHttpMatch", {"headers": {"x y": {"exact": ""}}}, "s.headers"),
    ("VsHttpMatch", {"headers": {"@request.auth.sub": {"exact": ""}}}, "s.headers"),
    ("VsHttpMatch", {"withoutHeaders": {"x": {"regex": "("}}}, "s.withoutHeaders[x].regex"),
    ("VsHttpMatch", {"port": 70000}, "s.port"),
    ("VsHttpMatch", {"sourceNamespace": "a/b"}, "s.sourceNamespace"),
    ("VsDirectResponse", {"status": 99}, "s.status"),
    ("VsDirectResponse", {"status": 200, "body": {"string": "x" * (1 << 20) + "x"}}, "s.body.string"),
    ("VsRedirect", {"uri": "/", "redirectCode": 200}, "s.redirectCode"),
    ("VsRedirect", {"port": 1, "derivePort": "FROM_REQUEST_PORT"}, "s.derivePort"),
    ("VsRedirect", {"scheme": "ftp"}, "s.scheme"),
    ("VsRewrite", {}, "s"),
    ("VsRewrite", {"uri": "/", "uriRegexRewrite": {"match": "a", "rewrite": "b"}}, "s.uriRegexRewrite"),
    ("VsRegexRewrite", {"match": "a"}, "s.rewrite"),
    ("VsRetry", {"perTryTimeout": "2s"}, "s.perTryTimeout"),
    ("VsRetry", {"attempts": 2, "retryOn": "5xx,sometimes"}, "s.retryOn"),
    ("VsRetry", {"attempts": 2, "retryOn": "600"}, "s.retryOn"),
    ("VsRetry", {"attempts": 2, "backoff": "1us"}, "s.backoff"),
    ("VsCors", {"allowMethods": ["PUTT"]}, "s.allowMethods[0]"),
    ("VsCors", {"exposeHeaders": [""]}, "s.exposeHeaders[0]"),
    ("VsCors", {"allowOrigins": [{"exact": ""}]}, "s.allowOrigins[0]"),
    ("VsCors", {"maxAge": "1500ms"}, "s.maxAge"),
    ("VsFault", {}, "s"),
    ("VsFault", {"delay": {"fixedDelay": "1s", "percentage": {"value": 0.00001}}}, "s.delay.percentage.value"),
    ("VsAbort", {}, "s"),
    ("VsAbort", {"httpStatus": 42}, "s.httpStatus"),
    ("VsAbort", {"grpcStatus": "BAD"}, "s.grpcStatus"),
    ("VsAbort", {"http2Error": "NO_ERROR"}, "s.http2Error"),
    ("VsDelay", {"percentage": {"value": 1}}, "s.fixedDelay"),
    ("VsDelay", {"exponentialDelay": "1s"}, "s.exponentialDelay"),
    ("IstioPercent", {"value": 101}, "s.value"),
]
TAKEN: list[tuple[str, dict[str, Any]]] = [
    ("VsSpec", {"hosts": ["*"], "gateways": ["shop/edge"], **HTTP}),
    ("VsSpec", {"hosts": ["10.1.2.3", "A.Test", "*-a.test"], **HTTP}),
    ("VsSpec", {"hosts": ["a.test"], "tls": [{**R, "match": [{"sniHosts": ["10.1.2.3"]}]}]}),
    (
        "VsSpec",
        {
            "hosts": ["*"],
            "gateways": ["edge"],
            "tls": [{**R, "match": [{"sniHosts": ["outbound_.80_._.a.shop.svc.cluster.local"]}]}],
        },
    ),
    (
        "VsSpec",
        {
            "hosts": ["a"],
            "gateways": ["g"],
            "http": [{**R, "match": [{"headers": {"@request.auth.claims[a][b]": {}}}]}],
        },
    ),
    ("VsHttp", {"route": [{**D, "weight": 1}, {**D, "weight": 2}]}),
    ("VsHttp", {"redirect": {"prefixRewrite": "/b"}, "match": [{"uri": {"prefix": "/a"}}, {"port": 80}]}),
    ("VsHttpMatch", {"headers": {"x": {}, ":path": {"exact": "/"}}, "uri": {"prefix": ""}}),
    ("VsHttpMatch", {"withoutHeaders": {"x": {"regex": "*"}}}),
    ("VsHeaders", {"request": {"set": {"Host": "b", "x-a": "%REQ(x-b)% 100%%", "x-c": "%START_TIME(%Y)%"}}}),
    ("VsRetry", {"attempts": 0}),
    ("VsRetry", {"attempts": 1, "retryOn": "503,reset"}),
    ("VsCors", {"allowMethods": ["*"], "allowHeaders": ["*"], "maxAge": "24h"}),
    ("VsRedirect", {"derivePort": "FROM_REQUEST_PORT"}),
]


@pytest.mark.parametrize(("table", "raw", "path"), CASES)
def test_what_istio_refuses_is_refused(table: str, raw: dict[str, Any], path: str) -> None:
    assert {line.partition(": ")[0] for line in walk(raw, table, "s")} == {path}


@pytest.mark.parametrize(("table", "raw"), TAKEN)
def test_what_istio_takes_is_taken(table: str, raw: dict[str, Any]) -> None:
    assert list(walk(raw, table, "s")) == []


def test_a_namespace_to_export_to_is_named_once() -> None:
    def told(*names: str) -> list[str]:
        spec = {"hosts": ["a"], **HTTP, "exportTo": list(names)}
        kind = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService"}
        return validate({**kind, "metadata": {"name": "a", "namespace": "shop"}, "spec": spec})

    assert told("*") == told(".", "bar") == []
    assert told(".", "shop") == ["spec.exportTo[1]: 'shop' occurs twice"]
    assert told("*", "bar") == ["spec.exportTo[0]: '*' may not be given together with others"]
    assert told("~") == ["spec.exportTo[0]: '~' is neither . nor * nor a namespace"]
