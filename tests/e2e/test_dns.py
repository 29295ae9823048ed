"""Cluster DNS with real pods: what names mean, a server of the machine behind it, and processes that are killed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import Raw, deployment, idle, namespace, pod, policy, service, web
from e2e.probing import Probe

pytestmark = pytest.mark.root

UPSTREAM = "198.51.100.53"
SERVER = """
import socket, struct
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 53))
while True:
    data, peer = server.recvfrom(4096)
    end = data.index(0, 12) + 5
    known = b"\\x07outside" in data[12:end].lower() and data[end - 4 : end - 2] == b"\\0\\x01"
    head = data[:2] + struct.pack(">HHHHH", 0x8580 if known else 0x8583, 1, known, 0, 0)
    answer = b"\\xc0\\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton("192.0.2.7") if known else b""
    server.sendto(head + data[12:end] + answer, peer)
"""
ASK = """
import json, socket, struct, sys

def ask(name, kind, *, tcp=False, server="10.96.0.10", timeout=5.0):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\\0"
    query = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + struct.pack(">HH", kind, 1)
    with socket.socket(type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.connect((server, 53))
        client.sendall(struct.pack(">H", len(query)) + query if tcp else query)
        data = client.recv(4096)
    return data[2:] if tcp else data
"""
ONCE = f"""{ASK}
name, kind, tcp = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "tcp"
server = sys.argv[4]
try:
    data = ask(name, kind, tcp=tcp, server=server)
    print(json.dumps({{"code": data[3] & 15, "answers": data[7], "data": data.hex()}}))
except OSError as error:
    print(json.dumps({{"error": type(error).__name__}}))
"""
AGAIN = f"""{ASK}
import os, subprocess, threading, time
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
for number in range(10**9):
    way = ("udp", "tcp", "getent")[number % 3]
    try:
        if way == "getent":
            good = subprocess.run(["getent", "ahostsv4", "web"], capture_output=True).returncode == 0
        else:
            data = ask("web.app.svc.cluster.local", 1, tcp=way == "tcp")
            good = data[3] & 15 == 0 and data[7] == 1
        print(way if good else "wrong " + way, flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
    time.sleep(0.003)
"""


def external(name: str, target: str, **spec: Any) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "app"},
        "spec": {"type": "ExternalName", "externalName": target, **spec},
    }


def by_hand(name: str, protocol: str, port: int, *, headless: bool = False, **endpoint: Any) -> list[Raw]:
    """A Service without a selector, and its EndpointSlice."""
    made = service("app", name)
    made["spec"] = {"ports": [{"name": "main", "port": port, "protocol": protocol}]}
    made["spec"] |= {"clusterIP": "None"} if headless else {}
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "namespace": "app", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [endpoint],
        "ports": [{"name": "main", "port": port, "protocol": protocol}],
    }
    return [made, piece]


def headless(name: str, app: str) -> Raw:
    made = service("app", name, app=app)
    made["spec"]["clusterIP"] = "None"
    return made


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """`outside` is a machine beyond this one, and its name server the one of this machine."""
    with lab() as made:
        made.add_machine("outside", "out0", at=f"{UPSTREAM}/24", ours="198.51.100.1/24")
        made.run("ip", "-n", "outside", "route", "add", "default", "via", "198.51.100.1", status=0)
        script = (
            f"echo nameserver {UPSTREAM} > /tmp/resolv.conf && mount --bind /tmp/resolv.conf /etc/resolv.conf"
            f" && (ip netns exec outside python3 -c '{SERVER}' >/dev/null 2>&1 &)"
        )
        made.run("sh", "-c", script, status=0)
        made.tandem("up", "--detach", status=0)
        made.apply(
            *namespace("app"),
            pod("app", "client", idle()),
            pod("app", "shut", idle()),
            policy("app", "shut", "shut", egress=[]),
            deployment("app", "web", web("web"), replicas=2),
            service("app", "web"),
            headless("each", "web"),
            pod("app", "named", web("named"), labels={"app": "named"}, hostname="first", subdomain="set"),
            headless("set", "named"),
            external("foreign", "www.outside.example"),
            external("near", "web.app.svc.cluster.local", ports=[{"port": 8080}]),
            *by_hand("manual", "UDP", 53, addresses=[UPSTREAM]),
            *by_hand("bare", "TCP", 5432, addresses=["192.0.2.8"], hostname="db-0", headless=True),
        )
        yield made


def ask(
    world: Lab, name: str, kind: int = 1, *, way: str = "udp", pod_: str = "client", server: str = "10.96.0.10"
) -> Raw:
    ran = world.inside("app", pod_, "/usr/bin/python3", "-c", ONCE, name, str(kind), way, server)
    found: Raw = json.loads(ran.out)
    return found


def addresses(world: Lab, name: str) -> list[str]:
    """As the C library finds them, with the search path of the pod."""
    out = world.inside("app", "client", "getent", "ahostsv4", name).out
    return sorted({line.split()[0] for line in out.splitlines()})


def cluster_ip(world: Lab, name: str) -> str:
    found: str = world.get("app", "service", name)["spec"]["clusterIP"]
    return found


@pytest.mark.parametrize("name", ["web", "web.app", "WEB.app.svc", "web.app.svc.cluster.local", "near"])
def test_a_service_is_found_by_every_form_of_its_name(world: Lab, name: str) -> None:
    assert addresses(world, name) == [cluster_ip(world, "web")]


def test_a_headless_service_has_the_addresses_of_its_pods(world: Lab) -> None:
    pods = world.get("app", "pods")["items"]
    expected = sorted(p["status"]["podIP"] for p in pods if p["metadata"]["labels"]["app"] == "web")
    assert addresses(world, "each") == expected
    assert [a for e in expected for a in addresses(world, f"{e.replace('.', '-')}.each")] == expected
    assert addresses(world, "first.set") == [world.get("app", "pod", "named")["status"]["podIP"]]


def test_named_ports_and_addresses_have_records(world: Lab) -> None:
    assert ask(world, "_main._tcp.web.app.svc.cluster.local", 33)["answers"] == 1
    assert ask(world, "_main._tcp.each.app.svc.cluster.local", 33)["answers"] == 2
    reverse = ".".join(reversed(cluster_ip(world, "web").split(".")))
    assert b"\x03web\x03app".hex() in ask(world, f"{reverse}.in-addr.arpa", 12)["data"]


@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_what_does_not_exist_is_denied(world: Lab, way: str) -> None:
    assert ask(world, "nothing.app.svc.cluster.local", way=way)["code"] == 3
    assert ask(world, "web.app.svc.cluster.local", 28, way=way) | {"data": ""} == {"code": 0, "answers": 0, "data": ""}


def test_other_names_are_asked_of_the_machines_name_server(world: Lab) -> None:
    assert addresses(world, "www.outside.example") == ["192.0.2.7"]
    assert addresses(world, "foreign") == ["192.0.2.7"]
    assert addresses(world, "missing.example") == []


def test_endpoints_written_by_hand_are_reached_and_named(world: Lab) -> None:
    found = ask(world, "www.outside.example", server=cluster_ip(world, "manual"))
    assert found["answers"] == 1, "the Service leads to the name server outside"
    assert addresses(world, "bare") == addresses(world, "db-0.bare") == ["192.0.2.8"]
    assert b"\x04db-0\x04bare".hex() in ask(world, "_main._tcp.bare.app.svc.cluster.local", 33)["data"]


def test_a_pod_searches_its_namespace_first(world: Lab) -> None:
    lines = world.inside("app", "client", "cat", "/etc/resolv.conf").out.splitlines()
    assert "nameserver 10.96.0.10" in lines
    assert any(line.startswith("search app.svc.cluster.local svc.cluster.local cluster.local") for line in lines)
    assert any("ndots:5" in line for line in lines if line.startswith("options"))


def test_an_isolated_pod_reaches_nobody_through_it(world: Lab) -> None:
    assert ask(world, "www.outside.example", pod_="shut") == {"error": "TimeoutError"}


def test_it_is_no_resolver_for_others(world: Lab) -> None:
    command = ["ip", "netns", "exec", "outside", "/usr/bin/python3", "-c", ONCE]
    refused = world.run(*command, "www.outside.example", "1", "udp", "10.96.0.10", status=0).json()
    assert refused.get("code", 5) == 5


def test_a_new_service_resolves_as_soon_as_it_is_in_force(world: Lab) -> None:
    assert addresses(world, "late") == []
    world.apply(service("app", "late", app="web"))
    assert until(lambda: addresses(world, "late"), bool) == [cluster_ip(world, "late")]
    world.delete("service", "late", "-n", "app")
    until(lambda: addresses(world, "late"), lambda found: found == [])


def test_lookups_go_on_while_agent_and_control_are_killed(world: Lab) -> None:
    running = Probe(world.begin("app", "client", "/usr/bin/python3", "-c", AGAIN, stdin=True))
    try:
        running.more(30)
        server = world.status()["nodes"][0]["dns"]["pid"]
        for role in ("agent", "control"):
            old = world.pid(role)
            world.kill(role)
            running.more(60)
            world.back(role, old)
            world.settled()
            running.more(30)
        after = until(lambda: world.status()["nodes"][0]["dns"], lambda dns: dns["ready"] and dns["adopted"])
        assert (after["pid"], after["restarts"]) == (server, 0)
        world.apply(service("app", "newer", app="web"))
        assert until(lambda: addresses(world, "newer"), bool) == [cluster_ip(world, "newer")]
    finally:
        running.end()
    assert Counter(running.outcomes).keys() == {"udp", "tcp", "getent"}


def test_a_server_that_is_killed_comes_back_with_every_name(world: Lab) -> None:
    old = world.status()["nodes"][0]["dns"]["pid"]
    world.run("kill", "-9", str(old), status=0)
    until(lambda: world.status()["nodes"][0]["dns"], lambda dns: dns["ready"] and dns["pid"] != old)
    assert addresses(world, "web") == [cluster_ip(world, "web")]
    assert ask(world, "nothing.app.svc.cluster.local")["code"] == 3


def test_down_ends_it_although_its_agent_is_dead(world: Lab) -> None:
    world.kill("supervisor", "agent")
    world.tandem("down", status=0)
    assert not [command for command in world.processes().values() if "unbound" in command]
