"""A node that shall serve gateways no more: its clients are told to leave before another node has the address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from e2e.lab import RUN, Lab, lab, until
from e2e.objects import idle, namespace, pod, service, web
from e2e.test_gateway_tls import made
from tandem.model.core import GATEWAYS, NO_BALANCER, SERVES

pytestmark = pytest.mark.root

POOL: Final = "198.18.116.192/28"
"""On the underlay, of which this machine is a neighbour."""
NODES: Final = ("node-1", "node-2")
ASK: Final = """
import http.client, sys, threading, time
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
client = http.client.HTTPConnection(sys.argv[1], timeout=3)
while not stop.wait(0.05):
    try:
        client.request("GET", "/", headers={"host": "shop.test"})
        answer = client.getresponse()
        answer.read()
        print(answer.status, answer.headers.get("connection", ""), flush=True)
    except OSError as err:
        client.close()
        print("-", type(err).__name__, flush=True)
"""
"""One client that keeps its connection as long as it may; the status of each answer, and whether it may."""


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as found:
        found.tandem("up", "--nodes", "2", "--lb-pool", POOL, "--detach", status=0)
        listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
        rules = [{"backendRefs": [{"name": "web", "port": 80}]}]
        found.apply(
            *namespace("shop", mesh=True),
            *(pod("shop", f"web-{n}", web(), labels={"app": "web"}, nodeSelector=on(n)) for n in NODES),
            *(pod("shop", f"caller-{n}", idle(), nodeSelector=on(n)) for n in NODES),
            service("shop", "web"),
            made("Gateway", "edge", {"gatewayClassName": "tandem", "listeners": listeners}),
            made("HTTPRoute", "web", {"parentRefs": [{"name": "edge"}], "rules": rules}),
        )
        yield found


def on(node: str) -> dict[str, str]:
    return {"kubernetes.io/hostname": node}


def holder(world: Lab, address: str) -> str:
    """The node that answers for the address; empty while none does."""
    for node in NODES:
        if f"{address}/32" in world.run("ip", "-n", f"tandem-{node}", "-o", "address", "show").out:
            return node
    return ""


def told(world: Lab, node: str) -> Any:
    raw = world.tandem("get", "node", node, "-o", "json", status=0).json()
    return raw["metadata"].get("annotations", {}).get(SERVES)


def label(world: Lab, node: str, value: str) -> None:
    world.run("kubectl", f"--kubeconfig={RUN}/kubeconfig", "label", "node", node, f"{NO_BALANCER}{value}", status=0)


def test_clients_are_told_to_leave_and_then_another_node_answers(world: Lab) -> None:
    (given,) = world.get("shop", "gateway", "edge")["status"]["addresses"]
    address = given["value"]
    curl = ("curl", "-sv", "-m", "5", "-H", "host: shop.test", f"http://{address}/")
    until(lambda: world.run(*curl).err, lambda said: "200 OK" in said, world.logs)
    first = holder(world, address)
    until(lambda: [told(world, node) for node in NODES], lambda found: found == [GATEWAYS] * 2, world.logs)
    client = world.start("/usr/bin/python3", "-c", ASK, address)
    assert client.stdout is not None
    assert client.stdout.readline() == "200 \n"
    label(world, first, "=true")
    called = [world.curl("shop", f"caller-{first}", "http://web/", "-D", "-").out]
    by_h2 = world.run(*curl, "--http2-prior-knowledge")
    while told(world, first) == GATEWAYS:
        called.append(world.curl("shop", f"caller-{first}", "http://web/", "-D", "-").out)
        by_h2 = by_h2 if "GOAWAY" in by_h2.err else world.run(*curl, "--http2-prior-knowledge")
    assert "GOAWAY" in by_h2.err, by_h2.err
    until(lambda: holder(world, address), lambda node: node not in {"", first}, world.logs)
    said = until(lambda: world.run(*curl).err, lambda said: "200 OK" in said, world.logs)
    assert "connection: close" not in said.lower()
    answers = client.communicate("")[0].splitlines()
    assert "200 close" in answers, answers
    assert [one for one in answers if one.startswith("5")] == []
    # Nobody in the mesh is told anything, on the same Envoy.
    assert len(called) > 1
    assert [one for one in called if not one.endswith("200") or "connection: close" in one.lower()] == []
    label(world, first, "-")
    until(lambda: told(world, first), lambda found: found == GATEWAYS, world.logs)
    until(lambda: holder(world, address), lambda node: node == first, world.logs)
