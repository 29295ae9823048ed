"""Three nodes of both families that encrypt what their pods send each other: the underlay sees WireGuard alone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from e2e.lab import Lab, until
from e2e.objects import container, idle, namespace, pod, service, web
from tandem.runtime.kernelstate import Picture

pytestmark = pytest.mark.root

WORDS: Final = "plain words"
ECHO: Final = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 9000))
while True:
    said, who = server.recvfrom(2000)
    server.sendto(said, who)
"""
ASK: Final = f"""
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(float(sys.argv[3]))
for _ in range(int(sys.argv[2])):
    client.sendto(b"{WORDS}", (sys.argv[1], 9000))
    try:
        print(client.recv(2000).decode(), flush=True)
    except TimeoutError:
        print("lost", flush=True)
"""


@pytest.fixture(scope="module")
def world(bare: Lab, before: Picture) -> Lab:
    """`near` runs on node-1, `far` on node-2, `third` on node-3; the first asks by UDP and HTTP."""
    assert before
    both = ("--pod-cidr", "10.244.0.0/16,fd00:10:244::/56", "--service-cidr", "10.96.0.0/16,fd00:10:96::/112")
    bare.tandem("up", "--nodes", "3", "--encryption", "wireguard", *both, "--detach", status=0)

    def at(number: int) -> dict[str, Any]:
        return {"nodeSelector": {"kubernetes.io/hostname": f"node-{number}"}}

    bare.apply(
        *namespace("app"),
        pod("app", "near", idle(), **at(1)),
        pod("app", "far", container("/usr/bin/python3", "-c", ECHO), **at(2)),
        pod("app", "third", web("third", listen="::"), **at(3)),
        service("app", "third"),
    )
    return bare


def address(world: Lab, name: str) -> str:
    return str(world.get("app", "pod", name)["status"]["podIP"])


def asked(world: Lab, *, tries: int = 1, patience: float = 0.3) -> list[str]:
    """What `near` gets back from `far`."""
    ran = world.inside("app", "near", "/usr/bin/python3", "-c", ASK, address(world, "far"), str(tries), str(patience))
    return ran.out.splitlines()


def encryption(world: Lab, node: str) -> dict[str, Any]:
    [found] = [n["encryption"] for n in world.status()["nodes"] if n["name"] == node]
    return found or {"ready": False, "publicKey": "", "peers": []}


def process(world: Lab, node: str) -> int:
    """wireguard-go of a node; 0: none."""
    return next((pid for pid, line in world.processes().items() if f"{node}/wireguard-go -f" in line), 0)


@contextmanager
def underlay(world: Lab) -> Iterator[Callable[[], str]]:
    """Watch the bridge between the nodes; called, it ends watching and tells what passed, as text."""
    watch = world.start("tcpdump", "-nlAi", "tandem-ul", "--immediate-mode", "(ip or ip6) and not tcp port 6443")
    assert watch.stderr is not None
    while "listening on" not in watch.stderr.readline():
        assert watch.poll() is None

    def seen() -> str:
        world.run("pkill", "-x", "tcpdump")
        return watch.communicate(timeout=20)[0]

    try:
        yield seen
    finally:
        watch.kill()
        watch.communicate()


def test_pods_of_different_nodes_reach_each_other_and_the_underlay_sees_wireguard_only(world: Lab) -> None:
    until(lambda: asked(world), lambda said: said == [WORDS])
    [third] = [i["ip"] for i in world.get("app", "pod", "third")["status"]["podIPs"] if ":" in i["ip"]]
    with underlay(world) as seen:
        assert asked(world, tries=5) == [WORDS] * 5
        for url in ("http://third/", f"http://[{third}]:8080/"):
            assert world.curl("app", "near", url).out.splitlines()[-1] == "200", url
        text = seen()
    assert "198.18.116.11.51820 > 198.18.116.12.51820: UDP" in text
    assert WORDS not in text
    assert "HTTP/1.1" not in text
    assert "10.244." not in text
    assert "fd00:10:244" not in text


def test_status_tells_the_key_and_the_last_handshake_with_each_node(world: Lab) -> None:
    found = until(lambda: encryption(world, "node-1"), lambda e: e["ready"] and e["peers"][0]["handshake"])
    assert [peer["node"] for peer in found["peers"]] == ["node-2", "node-3"]
    keys = {encryption(world, f"node-{n}")["publicKey"] for n in (1, 2, 3)}
    assert len(keys) == 3
    file = world.run_dir / "nodes" / "node-1" / "wireguard.key"
    assert file.stat().st_mode & 0o777 == 0o600
    private = file.read_bytes()
    logs = world.logs() + world.tandem("status", "-o", "json").out
    assert private.hex() not in logs
    assert base64.b64encode(private).decode() not in logs


def test_packets_of_pods_leave_room_for_what_encryption_adds(world: Lab) -> None:
    shown = world.inside("app", "near", "ip", "link", "show", "eth0").out
    assert "mtu 1440" in shown
    big = world.curl("app", "near", "http://third/", "-H", f"x-long: {'x' * 4000}")
    assert big.out.splitlines()[-1] == "200"


def test_what_comes_in_clear_with_the_address_of_another_nodes_pod_is_dropped(world: Lab) -> None:
    near, far = address(world, "near"), address(world, "far")
    world.run("ip", "route", "add", f"{near}/32", "via", "198.18.116.11", status=0)
    world.run("ip", "address", "add", f"{far}/32", "dev", "lo", status=0)
    forged = f"""
import socket
liar = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
liar.bind(("{far}", 0))
for _ in range(3):
    liar.sendto(b"lie", ("{near}", 9000))
"""
    world.run("/usr/bin/python3", "-c", forged, status=0)
    world.run("ip", "address", "delete", f"{far}/32", "dev", "lo", status=0)
    world.run("ip", "route", "delete", f"{near}/32", status=0)
    nft = ("ip", "netns", "exec", "tandem-node-1", "nft", "list", "chain", "inet", "tandem", "source-check")
    [rule] = [line for line in world.run(*nft, status=0).out.splitlines() if "encrypted4" in line]
    assert "packets 3 " in rule


def test_a_process_that_is_killed_comes_back_and_nothing_is_sent_in_clear_meanwhile(world: Lab) -> None:
    old = process(world, "node-1")
    with underlay(world) as seen:
        asking = world.begin("app", "near", "/usr/bin/python3", "-c", ASK, address(world, "far"), "40", "0.1")
        world.run("kill", "-9", str(old), status=0)
        until(lambda: process(world, "node-1"), lambda pid: pid not in {0, old})
        asking.communicate(timeout=60)
        until(lambda: asked(world), lambda said: said == [WORDS])
        assert WORDS not in seen()


def test_without_its_device_a_node_sends_nothing_in_clear_and_makes_it_anew(world: Lab) -> None:
    with underlay(world) as seen:
        [name] = [
            line.split(": ")[1].split("@")[0]
            for line in world.run("ip", "-n", "tandem-node-1", "-o", "link", "show").out.splitlines()
            if "wgtd" in line
        ]
        asking = world.begin("app", "near", "/usr/bin/python3", "-c", ASK, address(world, "far"), "40", "0.1")
        world.run("ip", "-n", "tandem-node-1", "link", "delete", name, status=0)
        asking.communicate(timeout=60)
        until(lambda: asked(world), lambda said: said == [WORDS])
        assert WORDS not in seen()


def test_a_node_with_another_key_is_believed_once_it_has_told_it(world: Lab) -> None:
    old = encryption(world, "node-2")["publicKey"]
    world.run("rm", "/run/tandem/nodes/node-2/wireguard.key", status=0)
    pids = [p for p, line in world.processes().items() if "tandem.apps.agent" in line and "node-2" in line]
    world.run("kill", "-9", *map(str, pids), status=0)
    until(lambda: encryption(world, "node-2")["publicKey"], lambda key: key not in {"", old})
    until(lambda: asked(world), lambda said: said == [WORDS])


@pytest.mark.parametrize("fabric", ["vxlan", "bridge", "routed"])
def test_the_tunnel_is_the_way_between_nodes_whatever_the_fabric(world: Lab, fabric: str) -> None:
    network = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}}
    world.apply({**network, "spec": {"fabric": fabric, "encryption": {"type": "wireguard"}}})
    bridged = until(
        lambda: world.run("ip", "-n", "tandem-node-1", "link").out,
        lambda links: ("td-br" in links) == (fabric == "bridge"),
    )
    assert "tandem-vx" not in bridged
    until(lambda: world.status()["nodes"][0]["network"]["fabric"], lambda name: name == fabric)
    with underlay(world) as seen:
        until(lambda: asked(world), lambda said: said == [WORDS])
        assert asked(world, tries=3) == [WORDS] * 3
        assert world.curl("app", "near", "http://third/").out.splitlines()[-1] == "200"
        text = seen()
    assert ".51820: UDP" in text
    assert ".4789: VXLAN" not in text
    assert WORDS not in text


def test_without_encryption_the_tunnel_is_gone_and_switched_on_again_it_is_back(world: Lab) -> None:
    network = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}}
    world.apply({**network, "spec": {"fabric": "routed"}})
    until(lambda: [process(world, f"node-{n}") for n in (1, 2, 3)], lambda pids: pids == [0, 0, 0])
    until(lambda: world.run("ip", "-n", "tandem-node-1", "link").out, lambda links: "wgtd" not in links)
    until(lambda: asked(world), lambda said: said == [WORDS])
    world.apply({**network, "spec": {"fabric": "routed", "encryption": {"type": "wireguard", "port": 51821}}})
    until(lambda: encryption(world, "node-2")["ready"], bool)
    until(lambda: asked(world), lambda said: said == [WORDS])
    with underlay(world) as seen:
        assert asked(world, tries=3) == [WORDS] * 3
        text = seen()
    assert ".51821: UDP" in text
    assert WORDS not in text


def test_down_leaves_nothing(world: Lab, before: Picture) -> None:
    world.tandem("down", status=0)
    assert world.left_since(before) == []
    assert not (world.root / "run" / "wireguard").exists()


def test_down_finds_the_tunnel_of_a_node_that_crashed_and_lost_its_directory(bare: Lab, before: Picture) -> None:
    bare.tandem("down", status=0)
    bare.tandem("up", "--encryption", "wireguard", "--detach", status=0)
    until(lambda: encryption(bare, "node-1")["ready"], bool)
    assert any("wgtd" in line for line in bare.left_since(before))
    bare.run("pkill", "-9", "-f", "tandem.runtime.supervisor", status=0)
    bare.run("pkill", "-9", "-f", "tandem.apps")
    bare.run("rm", "-r", "/run/tandem", status=0)
    bare.tandem("down", status=0)
    lost = [line for line in bare.left_since(before) if "sysctls:" not in line]  # what they were was in the directory
    assert lost == []
    assert not (bare.root / "run" / "wireguard").exists()
