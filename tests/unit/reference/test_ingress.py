"""The gateway of Istio's Gateways by the reference."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from ingressworlds import gateway, https, mesh, secret, server, to, vs
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.ingress import decide_ingress, take_ingress
from tandem.reference.request import Request

WEB = service("web", ports=[{"name": "http", "port": 80}])


def decided(*objects: Object, host: str = "shop.test", port: int = 80, sni: str = "", **more: Any) -> Any:
    asked = Request(source_namespace="", namespace="", service="", port=port, authority=host, **more)
    return decide_ingress(World.of([WEB, *objects]), asked, sni=sni)


def test_the_most_specific_host_that_something_is_said_of_has_the_request() -> None:
    wide = vs("wide", {"directResponse": {"status": 418}}, hosts=("*",))
    assert decided(gateway(), wide).status == 418
    assert [b.service for b in decided(gateway(), wide, vs()).backends] == ["web"]
    assert decided(gateway(), vs(), host="other.test").status == 404


def test_a_port_without_a_server_has_no_answer() -> None:
    assert (decided(gateway(), port=81).status, decided(gateway(), port=81).backends) == (0, ())


def test_redirects_go_before_routes() -> None:
    found = decided(gateway("shop", server("shop.test", tls={"httpsRedirect": True})), vs())
    assert (found.status, found.rule.path) == (301, "spec.servers[0].tls.httpsRedirect")


def test_who_came_to_a_trusted_proxy_by_https_is_not_redirected() -> None:
    one = gateway("shop", server("shop.test", tls={"httpsRedirect": True}))
    trusting = mesh("defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}")
    told = {"x-forwarded-proto": "https"}
    assert decided(one, vs(), trusting, headers=told).backends
    assert decided(one, vs(), trusting).status == 301
    assert decided(one, vs(), headers=told).status == 301
    assert decided(one, trusting, headers=told).status == 404


def test_the_name_in_tls_chooses_the_server_and_hosts_of_others_are_misdirected() -> None:
    one = gateway("shop", https("shop.test"), https("other.test"))
    both = vs(hosts=("shop.test", "other.test"))
    assert decided(one, both, secret(), port=443, sni="shop.test").backends
    assert decided(one, both, secret(), port=443, sni="shop.test", host="other.test").status == 421
    assert decided(one, both, secret(), port=443, sni="third.test").status == 0
    unserved = decided(one, both, port=443, sni="shop.test")
    assert (unserved.backends, unserved.status) == ((), 0)
    assert "has no certificate" in unserved.steps[0].text


@pytest.mark.parametrize(
    ("notes", "terms", "told"),
    [
        ({}, {}, ""),
        ({"tandem.io/http3": "true"}, {}, ", by HTTP/3 too"),
        ({"tandem.io/http3": "true"}, {"maxProtocolVersion": "TLSV1_3"}, ", by HTTP/3 too"),
        ({"tandem.io/http3": "true"}, {"maxProtocolVersion": "TLSV1_2"}, ""),
        ({"tandem.io/http3": "true"}, {"mode": "ISTIO_MUTUAL", "credentialName": ""}, ""),
    ],
)
def test_a_server_that_takes_http3_says_so(notes: dict[str, str], terms: dict[str, Any], told: str) -> None:
    one = gateway("shop", https("shop.test", **terms), notes=notes)
    found = take_ingress(World.of([WEB, one, secret()]), 443, sni="shop.test", host="shop.test")
    assert found.steps[0].text == "takes the name 'shop.test' in TLS" + told


def test_what_takes_everything_comes_after_the_routes_of_others() -> None:
    first = vs("a", {"directResponse": {"status": 418}})
    second = vs("b", to(match=[{"uri": {"prefix": "/b"}}]))
    assert decided(gateway(), first, second, path="/b").backends
    assert decided(gateway(), first, second, path="/c").status == 418
