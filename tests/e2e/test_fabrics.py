"""Three nodes whose underlay knows nothing of pods: everything is as on one node, and what is wrong between is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import account, idle, namespace, pod, policy, service, web

pytestmark = pytest.mark.root

NETWORK = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}}
SNIFF = '''
"""What passes eth0 until standard input ends: frames of VXLAN, and frames of pods that nobody has wrapped."""
import os, select, socket

sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
sock.bind(("eth0", 0))
found = {"wrapped": 0, "bare": 0}
print("ready", flush=True)
while True:
    ready = select.select([sock, 0], [], [])[0]
    if 0 in ready:
        break
    frame = sock.recv(65535)
    if frame[12:14] == b"\\x08\\x00" and frame[23] == 17 and frame[36:38] == (4789).to_bytes(2, "big"):
        found["wrapped"] += 1
    elif frame[12:14] == b"\\x08\\x00" and bytes([10, 244]) in (frame[26:28], frame[30:32]):
        found["bare"] += 1
print(found["wrapped"], found["bare"], flush=True)
'''
DATAGRAM = '''
"""One datagram of a given IP length that nobody may fragment, to ADDRESS; prints whether it could be sent."""
import socket, sys

address, length = sys.argv[1], int(sys.argv[2])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, 10, 2)
sock.connect((address, 9))
try:
    sock.send(bytes(length - 28))
    print("sent")
except OSError as err:
    print(err.strerror)
'''


HEAR = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", 9999))
print("ready", flush=True)
print(sock.recvfrom(99)[1][0])
"""
SHOUT = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
sock.sendto(b"hello", ("255.255.255.255", 9999))
"""


FORGE = """
import socket, struct, sys

node, mac, source, target = sys.argv[1:]
ends = socket.inet_aton(source) + socket.inet_aton(target)
header = struct.pack("!BBHHHBBH", 0x45, 0, 34, 1, 0, 64, 17, 0) + ends
total = sum(struct.unpack("!10H", header))
total = (total & 0xFFFF) + (total >> 16)
inner = header[:10] + struct.pack("!H", ~total & 0xFFFF) + header[12:] + struct.pack("!HHHH", 1, 9999, 14, 0)
frame = bytes.fromhex(mac.replace(":", "")) + bytes(6) + b"\\x08\\x00" + inner + b"forged"
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.sendto(struct.pack("!II", 1 << 27, 116 << 8) + frame, (node, 4789))
"""
"""A datagram to a pod, wrapped as a node would wrap it."""
BEFORE: dict[str, tuple[str, ...]] = {}
"""The machine as it was."""


def on(number: int) -> dict[str, dict[str, str]]:
    return {"nodeSelector": {"kubernetes.io/hostname": f"node-{number}"}}


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """`near` on node-1 and `far` on node-2 in the mesh, `caller` on node-3 outside it."""
    with lab() as made:
        BEFORE.update(made.picture())
        both = ("--pod-cidr", "10.244.0.0/16,fd00:10:244::/56", "--service-cidr", "10.96.0.0/16,fd00:10:96::/112")
        made.tandem("up", "--nodes", "3", "--fabric", "vxlan", *both, "--detach", status=0)
        made.apply(
            *namespace("mesh", mesh=True),
            *namespace("plain"),
            account("mesh", "near"),
            pod("mesh", "near", idle(), serviceAccountName="near", **on(1)),
            pod("mesh", "far", web("far"), **on(2)),
            service("mesh", "far"),
            pod("plain", "caller", idle(), **on(3)),
            pod("plain", "open", web("open", listen="::"), **on(1)),
            service("plain", "open"),
        )
        yield made


@contextmanager
def sniffing(world: Lab, node: str) -> Iterator[dict[str, int]]:
    found: dict[str, int] = {}
    sniffer = world.start("ip", "netns", "exec", f"tandem-{node}", "python3", "-c", SNIFF)
    assert sniffer.stdout is not None
    assert sniffer.stdout.readline() == "ready\n"
    yield found
    out, _ = sniffer.communicate("", timeout=20)
    found["wrapped"], found["bare"] = map(int, out.split())


def address(world: Lab, namespace_: str, name: str, which: int = 0) -> str:
    """The pod's address of IPv4 (0) or IPv6 (1)."""
    found: str = world.get(namespace_, "pod", name)["status"]["podIPs"][which]["ip"]
    return found


def networks(world: Lab) -> dict[str, Any]:
    return {node["name"]: node["network"] for node in world.status()["nodes"]}


def connected(world: Lab) -> dict[str, Any]:
    conditions = world.get("", "network", "default")["status"]["conditions"]
    found: dict[str, Any] = next(c for c in conditions if c["type"] == "Connected")
    return found


def test_pods_of_different_nodes_talk_by_mtls_and_in_plain_text_under_their_own_addresses(world: Lab) -> None:
    seen = json.loads(world.curl("mesh", "near", "http://far/").out.splitlines()[0])
    assert seen["peer"] == "spiffe://cluster.local/ns/mesh/sa/near"
    assert seen["from"] == address(world, "mesh", "near")
    seen = json.loads(world.curl("plain", "caller", "http://open/").out.splitlines()[0])
    assert seen["from"] == address(world, "plain", "caller")
    six = world.curl("plain", "caller", f"http://[{address(world, 'plain', 'open', 1)}]:8080/").out
    assert json.loads(six.splitlines()[0])["from"] == address(world, "plain", "caller", 1)


def test_on_the_underlay_their_packets_are_wrapped_without_exception(world: Lab) -> None:
    with sniffing(world, "node-1") as found:
        for _ in range(3):
            assert world.curl("plain", "caller", "http://open/").out.endswith("200")
    assert found["wrapped"] >= 3
    assert found["bare"] == 0


def test_policy_judges_what_comes_out_of_the_tunnel(world: Lab) -> None:
    world.apply(policy("mesh", "alone", "far", ingress=[]))
    assert world.curl("plain", "caller", "http://far.mesh/", "-m", "2").status == 28
    world.delete("networkpolicy", "alone", "-n", "mesh")
    assert world.curl("plain", "caller", "http://far.mesh/").out.endswith("200")


def test_no_pod_speaks_in_the_name_of_another_by_wrapping_its_packets_itself(world: Lab) -> None:
    target, claimed = address(world, "plain", "open"), address(world, "mesh", "far")
    link = world.run("ip", "-n", "tandem-node-1", "-j", "link", "show", "tandem-vx", status=0).json()[0]
    underlay = world.get("", "node", "node-1")["status"]["addresses"][0]["address"]
    ear = world.begin("plain", "open", "/usr/bin/python3", "-c", HEAR)
    assert ear.stdout is not None
    assert ear.stdout.readline() == "ready\n"
    for ns, name in (("plain", "caller"), ("mesh", "near")):  # of another node, and of the same
        forge = ("/usr/bin/python3", "-c", FORGE, underlay, link["address"], claimed, target)
        assert world.inside(ns, name, *forge).status == 0
    say = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'hello', ('{target}', 9999))"
    world.inside("plain", "caller", "/usr/bin/python3", "-c", say)
    assert ear.communicate(timeout=20)[0] == f"{address(world, 'plain', 'caller')}\n"


def test_the_mtu_is_what_the_underlay_leaves_and_every_path_carries_it(world: Lab) -> None:
    peers = {name: {p["node"]: p["carries"] for p in n["paths"]} for name, n in networks(world).items()}
    if any(set(paths.values()) != {1450} for paths in peers.values()):  # nodes that came first probed too early
        until(lambda: connected(world)["status"], lambda status: status == "True", world.logs)
    for name, network in networks(world).items():
        assert (network["fabric"], network["mtu"], network["underlayMTU"], network["overhead"]) == (
            "vxlan",
            1450,
            1500,
            50,
        )
        assert {p["node"]: p["carries"] for p in network["paths"]} == dict.fromkeys(peers.keys() - {name}, 1450)
    assert "every path carries it" in world.tandem("status").out
    to = address(world, "plain", "open")
    for length, answer in ((1450, "sent\n"), (1451, "Message too long\n")):
        assert world.inside("plain", "caller", "python3", "-c", DATAGRAM, to, str(length)).out == answer


def test_a_narrow_link_in_the_middle_and_a_node_that_is_cut_off_are_told_and_the_others_go_on(world: Lab) -> None:
    """The underlay's ends of the links of node-2 and node-3."""
    world.run("ip", "link", "set", "tdul1", "mtu", "1300", status=0)
    world.run("ip", "link", "set", "tdul2", "down", status=0)
    wanted = ("set spec.mtu of Network default to 1250", "node node-3 does not answer")
    told = until(lambda: connected(world), lambda c: all(words in c["message"] for words in wanted), world.logs)
    assert told["status"] == "False"
    # Both ends of the narrow link tell of it, each in its own time.
    narrow = "the path to node node-2 carries packets of 1250 bytes"
    until(lambda: networks(world)["node-1"]["problems"], lambda p: any(t.startswith(narrow) for t in p), world.logs)
    stated = until(lambda: world.tandem("cni", "status", "--node", "node-1", "-o", "json").json(), lambda s: s["code"])
    assert stated["code"] == 51
    assert "carries packets of 1250 bytes" in stated["message"]
    assert "node-3" not in stated["message"]  # a node that is gone is no reason to refuse pods here
    assert world.curl("plain", "open", "http://far.mesh/").out.endswith("200")  # short enough
    world.run("ip", "link", "set", "tdul1", "mtu", "1500", status=0)
    world.run("ip", "link", "set", "tdul2", "up", status=0)
    until(lambda: connected(world)["status"], lambda status: status == "True", world.logs)
    assert world.curl("plain", "caller", "http://open/").out.endswith("200")


def test_another_fabric_takes_over_while_pods_run(world: Lab) -> None:
    world.apply({**NETWORK, "spec": {"fabric": "routed"}})
    with sniffing(world, "node-1") as found:
        assert world.curl("plain", "caller", "http://open/").out.endswith("200")
    assert found["bare"]
    assert "tandem-vx" not in world.run("ip", "-n", "tandem-node-1", "link").out
    world.apply({**NETWORK, "spec": {"fabric": "vxlan"}})
    assert world.curl("plain", "caller", "http://open/").out.endswith("200")


def test_pods_of_one_bridge_hear_each_other_and_policy_and_mesh_hold_between_them(world: Lab) -> None:
    for node in ("tandem-node-1", "tandem-node-2"):  # as Ubuntu has it, for every link
        world.run("ip", "netns", "exec", node, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=2", status=0)
    world.apply({**NETWORK, "spec": {"fabric": "bridge"}})
    world.apply(
        pod("plain", "one", idle(), **on(1)),
        pod("plain", "two", web("two", listen="::"), **on(1)),
        service("plain", "two"),
        account("mesh", "one"),
        pod("mesh", "one", idle(), serviceAccountName="one", **on(1)),
        pod("mesh", "two", web("two"), **on(1)),
        service("mesh", "two"),
    )
    hears = world.begin("plain", "two", "python3", "-c", HEAR)
    assert hears.stdout is not None
    assert hears.stdout.readline() == "ready\n"
    world.inside("plain", "one", "python3", "-c", SHOUT)
    assert hears.communicate(timeout=20)[0] == f"{address(world, 'plain', 'one')}\n"
    for host in ("two", f"[{address(world, 'plain', 'two', 1)}]:8080"):
        assert world.curl("plain", "one", f"http://{host}/").out.endswith("200")
    for which in (0, 1):  # one that was made before and is not on the bridge, both ways
        for caller, other in (("one", "open"), ("open", "two")):
            url = (
                f"http://[{to}]:8080/" if ":" in (to := address(world, "plain", other, which)) else f"http://{to}:8080/"
            )
            assert world.curl("plain", caller, url).out.endswith("200"), (caller, url)
    seen = json.loads(world.curl("mesh", "one", "http://two/").out.splitlines()[0])
    assert seen["peer"] == "spiffe://cluster.local/ns/mesh/sa/one"
    world.apply(policy("plain", "alone", "two", ingress=[]))
    assert world.curl("plain", "one", "http://two/", "-m", "2").status == 28
    world.delete("networkpolicy", "alone", "-n", "plain")
    world.delete("pod", "one", "two", "-n", "plain")
    world.delete("pod", "one", "two", "-n", "mesh")
    world.apply({**NETWORK, "spec": {"fabric": "vxlan"}})
    assert "td-br" not in world.run("ip", "-n", "tandem-node-1", "link").out
    assert world.run("ip", "netns", "exec", "tandem-node-1", "nft", "list", "tables").out == "table inet tandem\n"


def test_down_takes_everything_away(world: Lab) -> None:
    world.tandem("down", status=0)
    assert world.left_since(BEFORE) == []
