"""A machine whose chain FORWARD drops what it does not know, as with Docker; and an uplink set not to forward."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import idle, namespace, pod, service, web

pytestmark = pytest.mark.root
OUTSIDE = "198.51.100.9"
SERVE = "import http.server as h; h.ThreadingHTTPServer(('0.0.0.0', 80), h.SimpleHTTPRequestHandler).serve_forever()"
DOCKER = (
    "-P FORWARD DROP",
    "-N DOCKER-USER",
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    "-A DOCKER-USER -j RETURN",
)
LEAVE = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}}


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.add_machine("outside", "up0", at=f"{OUTSIDE}/24", ours="198.51.100.1/24")
        made.run("ip", "route", "add", "default", "via", OUTSIDE, status=0)
        made.run("sh", "-c", f'ip netns exec outside python3 -c "{SERVE}" >/dev/null 2>&1 &', status=0)
        yield made


@pytest.fixture(params=["iptables-nft", "iptables-legacy"])
def firewall(request: pytest.FixtureRequest, world: Lab) -> Iterator[str]:
    program: str = request.param
    chains(world, program, *DOCKER)
    yield program
    chains(world, program, "-F", "-X", "-P FORWARD ACCEPT")


def chains(world: Lab, program: str, *commands: str) -> None:
    for command in commands:
        world.run(program, *command.split(), status=0)


def up(world: Lab) -> None:
    world.tandem("up", "--detach", status=0)
    world.apply(*namespace("app"), pod("app", "one", idle()), pod("app", "two", web()), service("app", "two"))


def reached(world: Lab, url: str) -> bool:
    return world.curl("app", "one", url, "-m", "2").out.endswith("200")


def ours(world: Lab, program: str) -> list[str]:
    return [line for line in world.run(program, "-S", "FORWARD", status=0).out.splitlines() if "tandem:" in line]


def problems(world: Lab) -> str:
    return " ".join(world.status()["nodes"][0]["problems"])


def test_beside_docker_pods_reach_each_other_and_the_world_until_down(world: Lab, firewall: str) -> None:
    before = world.picture()
    up(world)
    until(lambda: ours(world, firewall), bool)
    assert reached(world, "http://two/")
    assert reached(world, f"http://{OUTSIDE}/")
    until(lambda: world.status()["nodes"][0]["network"]["opened"], [f"chain FORWARD of {firewall}"].__eq__)
    assert problems(world) == ""
    assert f"pods are let through chain FORWARD of {firewall}" in world.tandem("status").out

    chains(world, firewall, "-F FORWARD", "-A FORWARD -j DOCKER-USER", "-A FORWARD -i br-9 -j ACCEPT")  # Docker again
    until(lambda: ours(world, firewall), bool)
    assert reached(world, f"http://{OUTSIDE}/")
    until(lambda: str(world.status()["nodes"][0]["drift"]["newest"]), lambda told: "removed" in told)
    chains(world, firewall, "-F FORWARD", "-A FORWARD -j DOCKER-USER", "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT")
    until(lambda: ours(world, firewall), bool)

    world.kill("supervisor")
    world.kill("agent", "control")
    world.tandem("down", status=0)
    assert world.left_since(before) == []


def test_who_wants_chains_left_alone_is_told_what_drops(world: Lab, firewall: str) -> None:
    before = world.picture()
    up(world)
    until(lambda: ours(world, firewall), bool)
    world.apply({**LEAVE, "spec": {"hostFirewall": "Leave"}})
    until(lambda: ours(world, firewall), lambda found: not found)
    until(lambda: problems(world), lambda text: f"the chain FORWARD of {firewall} drops what is forwarded" in text)
    assert not reached(world, f"http://{OUTSIDE}/")
    chains(world, firewall, "-I FORWARD -i td+ -j ACCEPT", "-I FORWARD -o td+ -j ACCEPT")
    until(lambda: problems(world), lambda text: not text)
    assert reached(world, f"http://{OUTSIDE}/")
    chains(world, firewall, "-D FORWARD -i td+ -j ACCEPT", "-D FORWARD -o td+ -j ACCEPT")
    world.tandem("down", status=0)
    assert world.left_since(before) == []


def test_what_a_firewall_denies_by_a_rule_stays_denied(world: Lab, firewall: str) -> None:
    """Rules of its own come before ours: what Docker's networks do not let in, pods do not reach either."""
    chains(world, firewall, f"-A FORWARD -d {OUTSIDE} -j DROP")
    up(world)
    until(lambda: ours(world, firewall), bool)
    assert reached(world, "http://two/")
    assert not reached(world, f"http://{OUTSIDE}/")
    world.tandem("down", status=0)


def test_an_uplink_that_somebody_sets_not_to_forward_forwards_again_and_that_is_told(world: Lab) -> None:
    before = world.picture()
    world.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.up0.forwarding=0", status=0)

    def forwards() -> str:
        return world.run("sysctl", "-n", "net.ipv4.conf.up0.forwarding", status=0).out.strip()

    up(world)
    until(forwards, "1".__eq__)
    assert reached(world, f"http://{OUTSIDE}/")
    found = world.status()["nodes"][0]["drift"]["found"]
    world.run("sysctl", "-qw", "net.ipv4.conf.up0.forwarding=0", status=0)
    until(forwards, "1".__eq__)
    assert reached(world, f"http://{OUTSIDE}/")
    until(lambda: world.status()["nodes"][0]["drift"]["found"], (found + 1).__eq__)
    assert "net.ipv4.conf.up0.forwarding" in str(world.status()["nodes"][0]["drift"]["newest"])
    world.tandem("down", status=0)
    assert forwards() == "0"
    world.run("sysctl", "-qw", "net.ipv4.ip_forward=0", status=0)
    assert world.left_since(before) == []
