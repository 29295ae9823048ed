"""Policies about names with real pods, a name server beyond the machine, and an agent that is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from certificates import Authority
from e2e.lab import Lab, lab, until
from e2e.objects import Raw, idle, namespace, pod
from e2e.probing import Probe

pytestmark = pytest.mark.root

UPSTREAM = "198.51.100.53"
ZONE = "/tmp/zone.json"
SERVER = f"""
import json, socket, struct, threading
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 53))

def echo(client):
    with client:
        while data := client.recv(99):
            client.sendall(data)

def serve(listener):
    while True:
        threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()

threading.Thread(target=serve, args=(socket.create_server(("", 80)),), daemon=True).start()
while True:
    data, peer = server.recvfrom(4096)
    zone = json.load(open("{ZONE}"))
    if zone.get("silent"):
        continue
    end = data.index(0, 12) + 5
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].decode().lower())
        at += 1 + data[at]
    found = zone.get(".".join(labels), []) if data[end - 4 : end - 2] == b"\\0\\1" else []
    code = 0x8180 if ".".join(labels) in zone else 0x8183
    records = b"".join(b"\\xc0\\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + socket.inet_aton(a) for a in found)
    server.sendto(data[:2] + struct.pack(">HHHHH", code, 1, len(found), 0, 0) + data[12:end] + records, peer)
"""
CONNECT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def connect(host):
    try:
        socket.create_connection((host, 80), timeout=2).close()
    except socket.gaierror:
        return host, "no name"
    except OSError as error:
        return host, "silence" if isinstance(error, TimeoutError) else type(error).__name__
    return host, "open"

with ThreadPoolExecutor() as threads:
    print(json.dumps(dict(threads.map(connect, sys.argv[1:]))))
"""
KEEP = """
import os, socket, sys, threading, time
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
made = socket.create_connection((sys.argv[1], 80), timeout=3)
while True:
    made.sendall(b"ping")
    print(made.recv(9).decode() or "over", flush=True)
    time.sleep(0.02)
"""
EXACT, WILD, DEEP, OTHER = "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.9"


def names(*patterns: str, name: str = "names", **labels: str) -> Raw:
    """What pods of namespace `app` may reach outside: these names, and DNS."""
    dns = [{"udp": {"destinationPort": {"number": 53}}}, {"tcp": {"destinationPort": {"number": 53}}}]
    return {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": name},
        "spec": {
            "tier": "Admin",
            "priority": 10,
            "subject": {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": labels or {"app": "client"}}}},
            "egress": [
                {"action": "Accept", "to": [{"domainNames": list(patterns)}]},
                {"action": "Accept", "to": [{"networks": ["10.96.0.10/32"]}], "protocols": dns},
                {"action": "Deny", "to": [{"networks": ["0.0.0.0/0", "::/0"]}]},
            ],
        },
    }


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.add_machine("outside", "out0", at=f"{UPSTREAM}/24", ours="198.51.100.1/24")
        for command in (
            "-n outside route add default via 198.51.100.1",
            "-n outside route add local 203.0.113.0/24 dev lo",
            f"route add 203.0.113.0/24 via {UPSTREAM}",
        ):
            made.run("ip", *command.split(), status=0)
        zone(made, {"example.test": [EXACT], "www.shop.test": [WILD], "other.test": [OTHER]})
        script = (
            f"echo nameserver {UPSTREAM} > /tmp/resolv.conf && mount --bind /tmp/resolv.conf /etc/resolv.conf"
            f" && (ip netns exec outside python3 -c '{SERVER}' >/dev/null 2>&1 &)"
        )
        made.run("sh", "-c", script, status=0)
        (made.root / "tmp/own.pem").write_bytes(b"".join(Authority("wild").issue("a.wild.test")))
        for serve in ("python3 -m http.server 8080", "openssl s_server -quiet -www -accept 8443 -cert /tmp/own.pem"):
            made.run("sh", "-c", f"(ip netns exec outside {serve} >/dev/null 2>&1 &)", status=0)
        made.tandem("up", "--detach", status=0)
        made.apply(
            *namespace("mesh", mesh=True),
            pod("mesh", "caller", idle()),
            *namespace("app"),
            pod("app", "client", idle()),
            pod("app", "free", idle()),
            names("example.test", "*.Shop.test."),
        )
        yield made


def zone(world: Lab, records: dict[str, Any]) -> None:
    """What the name server says from now on; written beside and moved, so that it is never half there."""
    world.run("sh", "-c", f"cat > {ZONE}.new && mv {ZONE}.new {ZONE}", stdin=json.dumps(records), status=0)


def connects(world: Lab, *hosts: str, pod_: str = "client") -> dict[str, str]:
    ran = world.inside("app", pod_, "/usr/bin/python3", "-c", CONNECT, *hosts)
    found: dict[str, str] = json.loads(ran.out)
    return found


def learned(world: Lab) -> dict[str, list[str]]:
    """What the node says that it knows."""
    found: dict[str, list[str]] = world.status()["nodes"][0]["names"]["addresses"]
    return found


def test_names_of_a_policy_are_reached_and_nothing_else_is(world: Lab) -> None:
    hosts = ("example.test", "www.shop.test", "other.test", OTHER)
    assert connects(world, *hosts) == {
        "example.test": "open",
        "www.shop.test": "open",
        "other.test": "silence",
        OTHER: "silence",
    }
    assert connects(world, "other.test", pod_="free") == {"other.test": "open"}
    known = {"example.test": [EXACT], "www.shop.test": [WILD]}
    until(lambda: learned(world), lambda now: now == known)
    described = world.tandem("describe", "cnp", "names", status=0).out
    assert f"Names:\n  example.test on node-1: {EXACT}\n  www.shop.test on node-1: {WILD}\n" in described
    assert world.tandem("explain", "app/client", "www.shop.test:80", status=0).out.startswith(
        "app/client to www.shop.test:80: allowed"
    )
    assert f"{OTHER}:80: denied by ClusterNetworkPolicy names" in (
        world.tandem("explain", "app/client", f"{OTHER}:80", status=1).out
    )


def test_a_wildcard_stands_for_any_number_of_labels_but_not_for_none(world: Lab) -> None:
    zone(world, {"a.b.shop.test": [DEEP], "shop.test": [OTHER], "myshop.test": [OTHER], "example.test": [EXACT]})
    assert connects(world, "a.b.shop.test", "shop.test", "myshop.test") == {
        "a.b.shop.test": "open",
        "shop.test": "silence",
        "myshop.test": "silence",
    }


def test_what_is_open_stays_open_without_agent_and_without_dns(world: Lab) -> None:
    zone(world, {"example.test": [EXACT], "www.shop.test": [WILD]})
    assert connects(world, "example.test", "www.shop.test") == {"example.test": "open", "www.shop.test": "open"}
    running = Probe(world.begin("app", "client", "/usr/bin/python3", "-c", KEEP, EXACT, stdin=True))
    try:
        running.more(1)
        zone(world, {"silent": True})
        old = world.pid("agent")
        world.run("kill", "-STOP", str(world.pid("supervisor")), status=0)
        world.kill("agent")
        assert connects(world, EXACT, WILD, OTHER) == {EXACT: "open", WILD: "open", OTHER: "silence"}
        world.run("kill", "-CONT", str(world.pid("supervisor")), status=0)
        world.back("agent", old)
        world.settled()
        assert connects(world, EXACT, WILD, OTHER) == {EXACT: "open", WILD: "open", OTHER: "silence"}
        running.more(20)
        assert running.tally().keys() == {"ping"}
    finally:
        running.end()
        zone(world, {"example.test": [EXACT], "www.shop.test": [WILD]})


def test_a_policy_that_goes_takes_its_names_with_it(world: Lab) -> None:
    world.apply(names("example.test"))
    until(lambda: connects(world, EXACT, WILD), lambda found: found == {EXACT: "open", WILD: "silence"})
    world.delete("clusternetworkpolicy", "names")
    until(lambda: connects(world, EXACT, WILD, OTHER), lambda found: set(found.values()) == {"open"})
    until(lambda: world.status()["nodes"][0]["names"]["patterns"], lambda found: found == [], world.logs)


NOBODY = "198.18.0.1"
"""An address of nobody."""


def test_each_name_below_a_wildcard_is_resolved_when_somebody_asks_for_it(world: Lab) -> None:
    zone(world, {"a.wild.test": [WILD], "b.c.wild.test": [DEEP], "own.other.test": [OTHER], "example.test": [EXACT]})
    ports = [
        {"number": 8080, "name": "http", "protocol": "HTTP"},
        {"number": 8443, "name": "tls", "protocol": "TLS"},
    ]
    spec: Any = {"hosts": ["*.wild.test"], "ports": ports, "resolution": "DYNAMIC_DNS"}
    meta = {"name": "wild", "namespace": "mesh"}
    entry = {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": meta, "spec": spec}
    world.apply(entry)

    def asked(host: str, *more: str, scheme: str = "http") -> str:
        port = "8443" if scheme == "https" else "8080"
        dialled = ("--connect-to", f"::{NOBODY}:{port}", "-m", "5", "-k", "-o", "/dev/null", "-w", "%{http_code}")
        return world.curl("mesh", "caller", f"{scheme}://{host}:{port}/", *dialled, *more).out[-3:]

    until(lambda: asked("a.wild.test"), lambda code: code == "200", world.logs)
    assert asked("b.c.wild.test") == "200"
    assert asked("a.wild.test", "-H", "Host: a.wild.test") == "200", "without a port that of the connection counts"
    assert asked("a.wild.test", scheme="https") == "200"
    # Nobody but names below the wildcard is resolved, and at no other port: those go where they were dialled.
    assert asked("gone.wild.test") == "503"
    assert asked("own.other.test") != "200"
    assert asked("a.wild.test", "-H", "Host: a.wild.test:80") != "200"
    assert asked("own.other.test", scheme="https") != "200"

    def verified(**tls: Any) -> Raw:
        traffic = {"portLevelSettings": [{"port": {"number": 8443}, "tls": {"mode": "SIMPLE", **tls}}]}
        spec = {"host": "*.wild.test", "trafficPolicy": traffic}
        return {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": meta, "spec": spec}

    # The proxy begins TLS: nobody signed the certificate whom the node believes, unless that is not asked.
    spec["ports"][1] = {"number": 8443, "name": "http-tls", "protocol": "HTTP"}
    world.apply(entry, verified())
    url = ("--connect-to", f"::{NOBODY}:8443", "-o", "/dev/null")
    until(
        lambda: world.curl("mesh", "caller", "http://a.wild.test:8443/", *url).out[-3:],
        lambda code: code == "503",
        world.logs,
    )
    world.apply(verified(insecureSkipVerify=True))
    until(
        lambda: world.curl("mesh", "caller", "http://a.wild.test:8443/", *url).out[-3:],
        lambda code: code == "200",
        world.logs,
    )
    until(
        lambda: world.get("mesh", "destinationrule", "wild")["status"]["conditions"],
        lambda told: all(condition["status"] == "True" for condition in told),
        world.logs,
    )
