"""The Service that stands for a Gateway, under `tandem up`: what it says, and that it is the Gateway for pods."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import account, container, idle, namespace, pod, service, web
from e2e.test_gateways import (
    ASK,
    CONNECTIONS,
    DATAGRAMS,
    LISTENERS,
    NAMES,
    ROUTE,
    address,
    conditions,
    datagram_service,
    get,
    made,
    secret,
)

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as found:
        found.tandem("up", "--detach", status=0)
        found.apply(
            *namespace("shop", mesh=True),
            *namespace("edge"),
            account("shop", "web"),
            account("shop", "caller"),
            pod("shop", "web", web("web"), serviceAccountName="web"),
            pod("shop", "caller", idle(), serviceAccountName="caller"),
            pod("edge", "plain", idle()),
            service("shop", "web"),
            secret("shop-test", "shop.test"),
            made("Gateway", "edge", {"gatewayClassName": "tandem", "listeners": LISTENERS}),
            made("HTTPRoute", "web", ROUTE, ns="shop"),
            made("TCPRoute", "web", CONNECTIONS, ns="shop"),
            pod("shop", "names", container("/usr/bin/python3", "-c", NAMES)),
            datagram_service("shop", "names"),
            made("UDPRoute", "names", DATAGRAMS, ns="shop"),
        )
        until(lambda: conditions(found).get("Programmed"), lambda c: c == ("True", "Programmed"), found.logs)
        yield found


def standing(world: Lab, name: str = "edge-tandem") -> Any:
    """The Service that stands for a gateway; empty: there is none."""
    found = world.get("edge", "services")["items"]
    return next((one for one in found if one["metadata"]["name"] == name), {})


def test_a_service_stands_for_the_gateway_and_kubectl_shows_its_address(world: Lab) -> None:
    found = until(lambda: standing(world), lambda s: s.get("status", {}).get("loadBalancer"), world.logs)
    assert [one["ip"] for one in found["status"]["loadBalancer"]["ingress"]] == [address(world)]
    assert [(p["name"], p["protocol"]) for p in found["spec"]["ports"]] == [
        ("http-80", "TCP"),
        ("https-443", "TCP"),
        ("udp-5300", "UDP"),
        ("tcp-9000", "TCP"),
    ]
    label = "gateway.networking.k8s.io/gateway-name=edge"
    shown = world.tandem("get", "services", "-n", "edge", "-l", label, status=0).out.splitlines()[1].split()
    assert shown[:4] == ["edge-tandem", "LoadBalancer", found["spec"]["clusterIP"], address(world)]


@pytest.mark.parametrize("client", [("shop", "caller"), ("edge", "plain")])
def test_pods_in_the_mesh_and_outside_reach_it_by_the_services_name_and_address(
    world: Lab, client: tuple[str, str]
) -> None:
    found = until(lambda: standing(world), bool, world.logs)
    ways = ("edge-tandem.edge.svc.cluster.local", found["spec"]["clusterIP"])
    asks = [get("shop.test", at, scheme=scheme) for at in ways for scheme in ("http", "https")]
    asks += [("curl", "-sS", "-m", "5", "-w", "\n%{http_code}", f"http://{at}:9000/bytes") for at in ways]
    ran = until(
        lambda: world.inside(*client, "sh", "-c", "; echo; ".join(map(shlex.join, asks))),
        lambda r: r.out.splitlines().count("200") == len(asks),
        world.logs,
    )
    assert ran.out.count('"peer": "spiffe://cluster.local/ns/edge/sa/edge"') == len(asks), ran.text
    datagrams = "; ".join(shlex.join(("/usr/bin/python3", "-c", ASK, at)) for at in ways)
    shut = shlex.join(("curl", "-sS", "-m", "5", f"http://{ways[1]}:81/"))
    ran = world.inside(*client, "sh", "-c", f"{datagrams}; {shut} || echo refused")
    first, second, last = ran.out.splitlines()
    assert (first.endswith(" x"), second.endswith(" x"), last) == (True, True, "refused"), ran.text


def test_explain_knows_the_service_as_the_gateway(world: Lab) -> None:
    ran = world.tandem("explain", "shop/caller", "edge/svc/edge-tandem:80", "--host", "shop.test", status=0)
    assert ran.out.startswith("shop/caller to edge/gateway/edge:80: allowed"), ran.text


def test_the_service_comes_and_goes_with_its_gateway_and_never_takes_a_name(world: Lab) -> None:
    spec = {"gatewayClassName": "tandem", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}
    world.apply(service("edge", "taken-tandem"), made("Gateway", "taken", spec), made("Gateway", "passing", spec))
    until(lambda: standing(world, "passing-tandem"), bool, world.logs)

    def told() -> str:
        conditions = world.get("edge", "gateway", "taken").get("status", {}).get("conditions", [])
        return next((c["message"] for c in conditions if c["type"] == "Accepted" and c["status"] == "True"), "")

    until(told, lambda text: text.startswith("metadata.name: Service taken-tandem"), world.logs)
    assert standing(world, "taken-tandem")["spec"]["selector"] == {"app": "taken-tandem"}
    world.tandem("delete", "gateway", "passing", "taken", "-n", "edge", status=0)
    until(lambda: standing(world, "passing-tandem"), lambda one: not one, world.logs)
    assert standing(world, "taken-tandem")
    assert standing(world)
    world.delete("service", "taken-tandem", "-n", "edge")
