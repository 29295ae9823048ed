"""Services from outside: an address of the pool and a node port, answered to a neighbour, to pods and to the node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import account, idle, namespace, pod, service, web

pytestmark = pytest.mark.root

NODE, OUTSIDE = "198.51.100.1", "198.51.100.9"


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        for command in (
            "ip netns add outside",
            "ip link add out0 type veth peer name eth0 netns outside",
            f"ip address add {NODE}/24 dev out0",
            "ip link set out0 up",
            f"ip -n outside address add {OUTSIDE}/24 dev eth0",
            "ip -n outside link set eth0 up",
        ):
            made.run(*command.split(), status=0)
        made.tandem("up", "--lb-pool", "198.51.100.64/28", "--detach", status=0)
        balanced = service("shop", "web")
        balanced["spec"]["type"] = "LoadBalancer"
        made.apply(
            *namespace("shop"),
            account("shop", "caller"),
            pod("shop", "web", web("web")),
            pod("shop", "caller", idle(), serviceAccountName="caller"),
            balanced,
        )
        until(lambda: ingress(made), bool)
        yield made


def found(world: Lab) -> Any:
    return world.get("shop", "service", "web")


def ingress(world: Lab) -> list[dict[str, str]]:
    addresses: list[dict[str, str]] = found(world)["status"].get("loadBalancer", {}).get("ingress", [])
    return addresses


def urls(world: Lab) -> list[str]:
    return [f"http://{ingress(world)[0]['ip']}/", f"http://{NODE}:{found(world)['spec']['ports'][0]['nodePort']}/"]


def test_an_address_of_the_pool_is_in_the_status(world: Lab) -> None:
    assert [i["ip"] for i in ingress(world)] == ["198.51.100.65"]


@pytest.mark.parametrize("way", [0, 1], ids=["pool", "node-port"])
def test_a_neighbour_a_pod_and_the_node_itself_are_answered(world: Lab, way: int) -> None:
    url = urls(world)[way]
    get = ("curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", url)
    outside = until(lambda: world.run("ip", "netns", "exec", "outside", *get), lambda r: r.out == "200")
    assert outside.out == "200"
    assert world.run(*get).out == "200"
    assert world.inside("shop", "caller", *get).out == "200"


def test_a_port_that_the_service_does_not_have_is_refused(world: Lab) -> None:
    refused = world.run("ip", "netns", "exec", "outside", "curl", "-sS", "-m", "5", f"{urls(world)[0][:-1]}:81/")
    assert refused.status == 7


def test_the_address_is_given_back_with_the_service(world: Lab) -> None:
    assert "198.51.100.65" in world.run("ip", "-o", "address", "show", "dev", "lo").out
    world.delete("service", "web", "-n", "shop")
    until(lambda: world.run("ip", "-o", "address", "show", "dev", "lo").out, lambda text: "198.51.100.65" not in text)
