"""Two nodes that tell each other their pods by BGP, and a router beside them that is a BIRD of its own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Network
from typing import Any, Final

import pytest
import yaml

from e2e.lab import REPO, Lab, lab, until
from e2e.objects import idle, namespace, pod, service, web
from tandem.runtime.kernelstate import Picture

pytestmark = pytest.mark.root

ROUTER: Final = "198.18.116.99"
ROUTER_FILE: Final = "/tmp/router.conf"
TOLD: Final = ("0.0.0.0/0", "198.51.100.0/24", "10.244.0.128/25", "10.244.0.0/16")
"""What the router says and nobody may believe: all, a network beyond, a part of a node's own prefix, all pods."""
BIRD: Final = f"""
log stderr all;
router id {ROUTER};
protocol device {{}}
protocol kernel {{ ipv4 {{ export all; }}; }}
protocol static {{ ipv4; {" ".join(f"route {prefix} blackhole {{ preference = 1; }};" for prefix in TOLD)} }}
template bgp node {{
  local {ROUTER} as 65000;
  ipv4 {{ import all; export where source = RTS_STATIC; }};
}}
protocol bgp one from node {{ password "beside them"; neighbor 198.18.116.11 as 64512; }}
protocol bgp two from node {{ password "beside them"; neighbor 198.18.116.12 as 64512; }}
"""
NETWORK: Final[dict[str, Any]] = yaml.safe_load((REPO / "examples" / "network" / "bgp.yaml").read_text())
NETWORK["spec"]["bgp"]["peers"][0]["passwordSecretRef"] = {"namespace": "mesh", "name": "router"}
PASSWORD: Final[dict[str, Any]] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "router", "namespace": "mesh"},
    "stringData": {"password": "beside them"},
}


@pytest.fixture(scope="module")
def bare() -> Iterator[Lab]:
    """A world with the router's namespace, and nothing of ours."""
    with lab() as made:
        made.add_machine("router", "r0", at=f"{ROUTER}/24")
        yield made


@pytest.fixture(scope="module")
def world(bare: Lab, before: Picture) -> Lab:
    """`near` runs on node-1, `far` on node-2 behind a Service with an address of the pool; a router is beside them."""
    assert before
    bare.tandem("up", "--nodes", "2", "--lb-pool", "203.0.113.64/28", "--detach", status=0)
    bare.run("ip", "link", "set", "r0", "master", "tandem-ul", status=0)
    balanced = service("mesh", "far")
    balanced["spec"]["type"] = "LoadBalancer"
    bare.apply(
        NETWORK,
        *namespace("mesh"),
        PASSWORD,
        pod("mesh", "near", idle(), nodeSelector={"kubernetes.io/hostname": "node-1"}),
        pod("mesh", "far", web("far"), nodeSelector={"kubernetes.io/hostname": "node-2"}),
        balanced,
    )
    bare.run("sh", "-c", f"cat > {ROUTER_FILE}", stdin=BIRD, status=0)
    route(bare)
    return bare


def route(world: Lab) -> None:
    """Start the router."""
    command = f"ip netns exec router bird -f -c {ROUTER_FILE} -s /tmp/router.sock >/tmp/router.log 2>&1 &"
    world.run("sh", "-c", command, status=0)


def learnt(world: Lab, where: str) -> dict[str, str]:
    """Prefix -> next hop of the routes that BIRD has made in a namespace."""
    lines = world.run("ip", "-n", where, "route", "show", "proto", "bird", status=0).out.splitlines()
    return {line.split()[0]: line.split()[2] for line in lines}


def sessions(world: Lab, node: str) -> dict[str, Any]:
    """Those of a node, by the address of the peer."""
    [found] = [n for n in world.status()["nodes"] if n["name"] == node]
    return {s["address"]: s for s in (found["bgp"] or {"sessions": []})["sessions"]}


def leads(prefix: str, hop: str, routes: dict[str, str]) -> bool:
    return routes.get(prefix) == hop


def prefix(world: Lab, node: str) -> str:
    """Of the node's pods."""
    [found] = [n["podCIDR"] for n in world.status()["nodes"] if n["name"] == node]
    return str(found)


def condition(world: Lab, kind: str) -> dict[str, Any]:
    """A condition of the Network."""
    network = world.tandem("get", "network", "default", "-o", "json", status=0).json()
    found: dict[str, Any] = next(c for c in network["status"]["conditions"] if c["type"] == kind)
    return found


def bird_of(world: Lab, node: str) -> int:
    """The process of a node's speaker; 0: none."""
    return next((pid for pid, line in world.processes().items() if "bird" in line and f"{node}/bgp.conf" in line), 0)


def test_nodes_tell_each_other_their_pods_and_pods_reach_each_other(world: Lab) -> None:
    for node, other, hop in (("node-1", "node-2", "198.18.116.12"), ("node-2", "node-1", "198.18.116.11")):
        until(partial(learnt, world, f"tandem-{node}"), partial(leads, prefix(world, other), hop))
    address = world.get("mesh", "pod", "far")["status"]["podIP"]
    assert world.curl("mesh", "near", f"http://{address}:8080/").out.splitlines()[-1] == "200"


def test_a_router_learns_pods_and_addresses_of_services_and_reaches_both(world: Lab) -> None:
    [balancer] = world.get("mesh", "service", "far")["status"]["loadBalancer"]["ingress"]
    one, two = (prefix(world, node) for node in ("node-1", "node-2"))
    found = until(lambda: learnt(world, "router"), lambda routes: {balancer["ip"], one, two} <= routes.keys())
    assert (found[one], found[two]) == ("198.18.116.11", "198.18.116.12")
    pod_address = world.get("mesh", "pod", "far")["status"]["podIP"]
    for url in (f"http://{pod_address}:8080/", f"http://{balancer['ip']}/"):
        asked = world.run("ip", "netns", "exec", "router", "curl", "-s", "-m", "5", url)
        assert '"name": "far"' in asked.out, url


def test_what_a_router_may_not_say_is_refused_and_counted(world: Lab) -> None:
    for node in ("node-1", "node-2"):
        told = until(partial(sessions, world, node), lambda found: found[ROUTER]["refused"] >= len(TOLD) - 1)[ROUTER]
        assert told["state"] == "Established"
        pods, own = IPv4Network("10.244.0.0/16"), IPv4Network(prefix(world, node))
        for found in map(IPv4Network, learnt(world, f"tandem-{node}")):
            assert found.subnet_of(pods)
            assert found.prefixlen >= own.prefixlen
            assert not found.overlaps(own)


def test_the_password_of_a_session_is_in_one_file_alone(world: Lab) -> None:
    found = world.run("grep", "-rlsF", "beside them", "/run/tandem").out.split()
    files = [world.root / path.removeprefix("/") for path in found]
    assert {path.name for path in files} - {"api.db", "api.db-wal"} == {"bgp.conf"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    assert "beside them" not in world.tandem("status", "-o", "json").out


def test_a_speaker_that_is_killed_comes_back_and_no_packet_is_lost_meanwhile(world: Lab) -> None:
    address = world.get("mesh", "pod", "far")["status"]["podIP"]
    ask = f"curl -s -o /dev/null -m 1 -w '%{{http_code}} ' http://{address}:8080/"
    asking = f"for i in $(seq 50); do {ask}; sleep 0.05; done"
    asked = world.begin("mesh", "near", "sh", "-c", asking)
    old = bird_of(world, "node-2")
    world.run("kill", "-9", str(old), status=0)
    until(lambda: bird_of(world, "node-2"), lambda pid: pid not in {0, old})
    until(lambda: sessions(world, "node-1")["198.18.116.12"]["state"], lambda state: state == "Established")
    out, _ = asked.communicate(timeout=60)
    assert out.split() == ["200"] * 50


def test_a_session_that_ends_is_told_and_comes_back_with_its_routes(world: Lab) -> None:
    found = world.run("pgrep", "-f", f"bird -f -c {ROUTER_FILE}", status=0).out.split()
    world.run("kill", *found, status=0)
    until(lambda: learnt(world, "router"), lambda routes: routes == {})
    until(
        lambda: [p for n in world.status()["nodes"] for p in n["problems"]],
        lambda problems: any(p.startswith(f"no BGP session with spec.bgp.peers[0] ({ROUTER})") for p in problems),
        world.logs,
    )
    told = until(lambda: condition(world, "Connected"), lambda found: found["status"] == "False")
    assert f"no BGP session with spec.bgp.peers[0] ({ROUTER})" in told["message"]
    route(world)
    until(lambda: learnt(world, "router"), lambda routes: prefix(world, "node-2") in routes)
    until(lambda: condition(world, "Connected"), lambda found: found["status"] == "True")
    world.settled()


def test_without_bgp_the_agents_make_the_routes_again_and_no_speaker_is_left(world: Lab) -> None:
    world.delete("network", "default")
    until(lambda: (bird_of(world, "node-1"), bird_of(world, "node-2")), lambda pids: pids == (0, 0))
    until(lambda: learnt(world, "tandem-node-1"), lambda routes: routes == {})
    address = world.get("mesh", "pod", "far")["status"]["podIP"]
    until(
        lambda: world.curl("mesh", "near", f"http://{address}:8080/").out.splitlines()[-1], lambda code: code == "200"
    )
    assert not list(world.run_dir.rglob("bgp.conf"))
    world.apply(NETWORK)
    until(lambda: learnt(world, "tandem-node-1"), lambda routes: prefix(world, "node-2") in routes)


def test_beside_encryption_routers_are_told_and_no_route_leads_round_the_tunnel(world: Lab) -> None:
    encrypted = {**NETWORK, "spec": {**NETWORK["spec"], "encryption": {"type": "wireguard"}}}
    world.apply(encrypted)
    until(lambda: [learnt(world, f"tandem-node-{n}") for n in (1, 2)], lambda found: found == [{}, {}])
    until(lambda: learnt(world, "router"), lambda routes: prefix(world, "node-2") in routes)
    address = world.get("mesh", "pod", "far")["status"]["podIP"]
    until(
        lambda: world.curl("mesh", "near", f"http://{address}:8080/").out.splitlines()[-1], lambda code: code == "200"
    )
    assert "dev wgtd" in world.run("ip", "-n", "tandem-node-1", "route", "get", address, status=0).out


def test_down_ends_every_speaker_and_leaves_nothing(world: Lab, before: Picture) -> None:
    world.run("pkill", "-f", f"bird -f -c {ROUTER_FILE}", status=0)  # the router is the test's
    world.tandem("down", status=0)
    assert world.left_since(before) == []
