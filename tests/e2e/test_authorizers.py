"""CUSTOM and AUDIT from the manifests of the page to requests in the shop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.lab import Lab, lab, until

pytestmark = pytest.mark.root

EXAMPLES = "examples/external-authorization"


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.tandem("up", "-f", "examples/shop", "--detach", status=0)
        made.tandem("apply", "-f", EXAMPLES, "--wait", "20", status=0)
        made.settled()
        yield made


def code(world: Lab, path: str, *options: str) -> str:
    return world.curl("shop", "client", f"http://orders{path}", "-o", "/dev/null", *options).out.strip()


def flows(world: Lab, path: str) -> list[Any]:
    """Those to orders: who is asked about a request gets one of the same path."""
    found = world.tandem("flows", "-o", "json", status=0).json()["flows"]
    seen = [f for f in found if f["reporter"] == "destination" and f["destination"]["pod"].startswith("orders")]
    return [f for f in seen if f.get("http", {}).get("path") == path]


def programmed(world: Lab) -> str:
    found = world.get("shop", "authorizationpolicy", "orders-private")["status"]["conditions"]
    return next(f"{c['status']} {c['message']}" for c in found if c["type"] == "Programmed")


def test_who_is_asked_decides_about_what_the_policy_names(world: Lab) -> None:
    assert [code(world, "/"), code(world, "/private/a"), code(world, "/private/b", "-H", "x-pass: please")] == [
        "200",
        "403",
        "200",
    ]
    (denied, *_) = until(lambda: flows(world, "/private/a"), bool, world.logs)
    assert (denied["verdict"], denied["reason"]) == ("denied", "the external authorizer refuses it")
    assert (denied["rules"][0]["name"], denied["rules"][0]["path"]) == ("orders-private", "spec.rules[0]")


def test_explain_says_that_somebody_is_asked(world: Lab) -> None:
    told = world.tandem("explain", "shop/client", "shop/svc/orders:80", "--path", "/private/a")
    assert "asks the external authorizer" in told.out, told.text


def test_an_audit_is_in_the_flow(world: Lab) -> None:
    code(world, "/changed", "-X", "POST")
    (flow, *_) = until(lambda: flows(world, "/changed"), bool, world.logs)
    assert [r["name"] for r in flow["audited"]] == ["orders-changes"]
    assert "orders-changes" in world.tandem("flows").out


def test_the_page_on_tokens_is_right_about_who_passes(world: Lab) -> None:
    """The issuer of the example has no keys here: every token of it is refused."""
    world.tandem("apply", "-f", "examples/request-authentication", status=0)
    until(lambda: code(world, "/", "-H", "authorization: Bearer not-a-token"), lambda c: c == "401", world.logs)
    until(lambda: code(world, "/", "-X", "DELETE"), lambda c: c == "403", world.logs)
    assert code(world, "/") == "200"
    world.delete("-f", "examples/request-authentication")
    until(lambda: code(world, "/", "-H", "authorization: Bearer not-a-token"), lambda c: c == "200", world.logs)


def at_gateway(world: Lab, *options: str) -> str:
    (address, *_) = world.get("shop", "gateway", "public")["status"]["addresses"]
    url = f"http://{address['value']}/asked"
    return world.curl("shop", "client", url, "-H", "host: shop.test", "-o", "/dev/null", *options).out.strip()


def test_a_route_of_a_gateway_asks(world: Lab) -> None:
    api = "gateway.networking.k8s.io/v1"
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    edge = {"gatewayClassName": "tandem", "listeners": [listener]}
    asks = {
        "protocol": "HTTP",
        "backendRef": {"name": "authorizer", "port": 8000},
        "http": {"allowedHeaders": ["x-pass"]},
    }
    rule = {
        "filters": [{"type": "ExternalAuth", "externalAuth": asks}],
        "backendRefs": [{"name": "orders", "port": 80}],
    }
    route = {"parentRefs": [{"name": "public"}], "hostnames": ["shop.test"], "rules": [rule]}
    meta = {"namespace": "shop"}
    world.apply(
        {"apiVersion": api, "kind": "Gateway", "metadata": {**meta, "name": "public"}, "spec": edge},
        {"apiVersion": api, "kind": "HTTPRoute", "metadata": {**meta, "name": "asks"}, "spec": route},
    )
    until(lambda: at_gateway(world, "-H", "x-pass: please"), lambda c: c == "200", world.logs)
    assert at_gateway(world) == "403"
    found = until(
        lambda: [
            f
            for f in world.tandem("flows", "--denied", "-o", "json", status=0).json()["flows"]
            if f.get("http", {}).get("path") == "/asked"
        ],
        bool,
        world.logs,
    )
    assert [r["name"] for r in found[0]["rules"]] == ["asks"]
    told = world.tandem("explain", "shop/client", "shop/gateway/public:80", "--host", "shop.test", "--path", "/asked")
    assert "asks Service shop/authorizer first" in told.out, told.text


def test_without_the_authorizer_nothing_passes_and_the_condition_says_so(world: Lab) -> None:
    assert programmed(world).startswith("True")
    world.delete("-n", "shop", "pod", "authorizer")
    assert [code(world, "/private/c", "-H", "x-pass: please"), code(world, "/")] == ["403", "200"]
    until(lambda: programmed(world), lambda told: "gave no answer" in told, world.logs)


def test_a_provider_that_is_not_there_denies_everything(world: Lab) -> None:
    world.delete("-n", "istio-system", "configmap", "istio")
    until(lambda: code(world, "/"), lambda found: found == "403", world.logs)
    until(lambda: programmed(world), lambda told: told.startswith("False"), world.logs)
    found = world.get("shop", "authorizationpolicy", "orders-private")["status"]["conditions"]
    assert "there is no extensionProvider" in next(c["message"] for c in found if c["type"] == "Accepted")
