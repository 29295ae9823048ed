"""HTTP/3 at Istio's Gateway under `tandem up`: real requests to VirtualServices, beside HTTPS at the same port."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import Raw, namespace, pod, service, web
from e2e.test_http3 import NEIGHBOUR, NODE, OUTSIDE, ROOTS, Talk
from issuing import authority

pytestmark = pytest.mark.root

API: Final = "networking.istio.io/v1"
ROOT: Final = "istio-system"
MUTUAL: Final = "mutual.test"


def made(kind: str, name: str, spec: Any, **annotations: str) -> Raw:
    meta = {"name": name, "namespace": "shop", "annotations": annotations}
    return {"apiVersion": API, "kind": kind, "metadata": meta, "spec": spec}


def secret(name: str, **data: str) -> Raw:
    meta = {"name": name, "namespace": ROOT}
    encoded = {field.replace("_", "."): base64.b64encode(text.encode()).decode() for field, text in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded}


def server(name: str, host: str, mode: str, of: str) -> Raw:
    port = {"number": 443, "name": name, "protocol": "HTTPS"}
    return {"port": port, "hosts": [host], "tls": {"mode": mode, "credentialName": of}}


def edge(*, asks: bool) -> Raw:
    servers = [server("https-shop", "shop.test", "SIMPLE", "shop"), server("https-mutual", MUTUAL, "MUTUAL", "mutual")]
    annotations = {"tandem.io/http3": "true"} if asks else {}
    return made("Gateway", "edge", {"selector": {"istio": "ingressgateway"}, "servers": servers}, **annotations)


def routes() -> Raw:
    rule = {
        "match": [{"uri": {"prefix": "/shop"}}],
        "route": [{"destination": {"host": "web"}, "headers": {"response": {"add": {"x-told": "back"}}}}],
    }
    shut = {"match": [{"uri": {"prefix": "/shut"}}], "directResponse": {"status": 418}}
    return made("VirtualService", "web", {"hosts": ["shop.test", MUTUAL], "gateways": ["edge"], "http": [shut, rule]})


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as found:
        found.add_machine("outside", "out0", at=f"{OUTSIDE}/24", ours=f"{NODE}/24")
        found.tandem("up", "--lb-pool", "198.51.100.64/28", "--detach", status=0)
        found.run("sh", "-c", f"cat > {ROOTS}", stdin=authority("roots").pem)
        for name in ("clients", "others"):
            found.run("sh", "-c", f"cat > /tmp/{name}.pem", stdin="".join(authority(name).issue(f"{name}-1")))
        (crt, key), (other, its_key) = authority("roots").issue("shop.test"), authority("roots").issue(MUTUAL)
        found.apply(
            *namespace("shop", mesh=True),
            *namespace(ROOT),
            pod("shop", "web", web("web")),
            service("shop", "web"),
            secret("shop", tls_crt=crt, tls_key=key),
            secret("mutual", cert=other, key=its_key, cacert=authority("clients").pem),
            edge(asks=True),
            routes(),
        )
        until(lambda: status(found).get("addresses"), bool, found.logs)
        yield found


@pytest.fixture(scope="module")
def talk(world: Lab) -> Iterator[Talk]:
    found = Talk(world, address(world))
    until(found.status, lambda status: status == 200, world.logs)
    yield found
    found.end()


def status(world: Lab) -> Any:
    return world.get("shop", "istiogateway", "edge").get("status", {})


def address(world: Lab) -> str:
    return str(status(world)["addresses"][0]["value"])


def by_tcp(world: Lab) -> str:
    to = ("--connect-to", f"shop.test:443:{address(world)}:443", "--cacert", ROOTS)
    ask = ("curl", "-sS", "-m", "5", "-D", "-", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", *to)
    return world.run(*NEIGHBOUR, *ask, "https://shop.test/shop").out


def test_requests_have_the_routes_of_virtualservices_and_tcp_tells_of_it(world: Lab, talk: Talk) -> None:
    answer = talk.ask("/shop/h3", on="kept")
    assert (answer["status"], answer["headers"]["x-told"]) == (200, "back")
    assert "istio-ingressgateway" in answer["body"], "the pod knows whose mTLS it is"
    assert [talk.status(path, on="kept") for path in ("/shut", "/elsewhere")] == [418, 404]
    told = by_tcp(world)
    assert told.endswith("200 2"), told
    assert 'alt-svc: h3=":443"; ma=86400' in told


def test_a_server_of_mutual_tls_asks_clients_of_http3_for_certificates(talk: Talk) -> None:
    until(lambda: talk.status(sni=MUTUAL, shown="/tmp/clients.pem"), lambda status: status == 200)
    assert "certificate required" in talk.ask(sni=MUTUAL).get("error", "")
    assert "unknown CA" in talk.ask(sni=MUTUAL, shown="/tmp/others.pem").get("error", "")


def test_flows_tell_the_gateway_and_the_rule(world: Lab, talk: Talk) -> None:
    path = "/shop/told-by-flows"
    assert talk.status(path) == 200

    def told() -> list[Any]:
        found = world.tandem("flows", "-o", "json", "--last", "200", status=0).json()["flows"]
        mine = [one for one in found if one.get("http", {}).get("path") == path]
        return [one for one in mine if one["source"].get("address") == OUTSIDE]

    flow = until(told, bool, world.logs)[0]
    assert flow["verdict"] == "allowed"
    assert [(rule["kind"], rule["name"]) for rule in flow["rules"]] == [("VirtualService", "web")]


def test_without_the_annotation_datagrams_are_refused_and_tcp_goes_on(world: Lab, talk: Talk) -> None:
    world.apply(edge(asks=False))
    try:
        until(talk.status, lambda status: status == 0, world.logs)
        told = by_tcp(world)
        assert told.endswith("200 2"), told
        assert "alt-svc" not in told
    finally:
        world.apply(edge(asks=True))
    until(talk.status, lambda status: status == 200, world.logs)
