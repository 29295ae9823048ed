"""Host ports of Pods by `tandem up`: from outside, on 127.0.0.1, from the pod itself, and UDP that never pauses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import Raw, container, idle, namespace, pod, web

pytestmark = pytest.mark.root

NODE: Final = "198.51.100.1"
CLIENT: Final = "198.51.100.2"
ECHO: Final = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5353))
while True:
    data, who = s.recvfrom(99)
    s.sendto(b"NAME " + who[0].encode(), who)
"""
ASK: Final = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.2)
for line in sys.stdin:
    s.sendto(b"x", (sys.argv[1], 5300))
    try:
        print(s.recv(99).decode(), flush=True)
    except OSError:
        print("nothing", flush=True)
"""
"""One socket for all questions: for connection tracking a flow that never ends."""


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """A node with a neighbour on a link of its own."""
    with lab() as made:
        made.add_machine("client", "up0", at=f"{CLIENT}/24", ours=f"{NODE}/24")
        made.tandem("up", "--detach", status=0)
        made.apply(*namespace("app"), pod("app", "caller", idle()))
        until(
            lambda: made.status()["nodes"][0]["fastPath"]["addresses"], bool, made.logs
        )  # comes when nothing else does
        yield made


def with_port(body: Raw, host: int, port: int, protocol: str = "TCP") -> Raw:
    return {**body, "ports": [{"containerPort": port, "hostPort": host, "protocol": protocol}]}


def curl(world: Lab, *where: str, address: str) -> str:
    return world.run(*where, "curl", "-s", "-m", "5", f"http://{address}:8088/").out


def test_a_host_port_of_a_pod_leads_to_it_from_everywhere_and_is_closed_when_the_pod_is_gone(world: Lab) -> None:
    before = world.picture()
    world.apply(pod("app", "web", with_port(web("web"), 8088, 8080)))
    outside = ("ip", "netns", "exec", "client")
    assert f'"from": "{CLIENT}"' in curl(world, *outside, address=NODE)
    assert '"name": "web"' in curl(world, address="127.0.0.1")
    assert '"name": "web"' in curl(world, address=NODE)
    assert '"name": "web"' in world.curl("app", "caller", f"http://{NODE}:8088/").out
    assert '"name": "web"' in world.curl("app", "web", f"http://{NODE}:8088/").out  # hairpin
    world.delete("pod", "web", "-n", "app")
    assert curl(world, *outside, address=NODE) == ""
    until(lambda: world.left_since(before), lambda left: not left)


def test_the_second_pod_that_asks_for_a_port_waits_until_the_first_is_gone(world: Lab) -> None:
    first, second = (pod("app", name, with_port(web(name), 8088, 8080)) for name in ("first", "second"))
    world.apply(first)
    world.tandem("apply", "-f", "-", stdin=json.dumps(second), status=0)
    until(
        lambda: json.dumps(world.get("app", "pod", "second")["status"]),
        lambda status: "node-1: app/first has 8088/TCP" in status,
    )
    world.delete("pod", "first", "-n", "app")
    until(lambda: curl(world, address="127.0.0.1"), lambda said: '"name": "second"' in said, world.logs)
    world.delete("pod", "second", "-n", "app")


def test_udp_that_never_pauses_follows_the_port_to_the_next_pod(world: Lab) -> None:
    def echo(name: str) -> Raw:
        body = container("/usr/bin/python3", "-c", ECHO.replace("NAME", name))
        return pod("app", name, with_port(body, 5300, 5353, "UDP"))

    world.apply(echo("one"))
    asking = world.start("ip", "netns", "exec", "client", "/usr/bin/python3", "-c", ASK, NODE)

    def answer() -> str:
        assert asking.stdin is not None
        assert asking.stdout is not None
        asking.stdin.write("\n")
        asking.stdin.flush()
        return asking.stdout.readline().strip()

    until(answer, lambda said: said == f"one {CLIENT}")
    world.delete("pod", "one", "-n", "app")
    until(answer, lambda said: said == "nothing")
    world.apply(echo("two"))
    until(answer, lambda said: said == f"two {CLIENT}")
    asking.kill()
    asking.communicate()
    world.delete("pod", "two", "-n", "app")
