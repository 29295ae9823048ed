"""Pods and Services of both families on two nodes, and a cluster of IPv6 alone: real names, packets, certificates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any, Final

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import account, idle, namespace, pod, policy, service, strict, web
from tandem.runtime.kernelstate import Picture

pytestmark = pytest.mark.root

OUTSIDE: Final = "fd00:51::9"
NODES: Final = ("fd74:616e:6465:6d00::b", "fd74:616e:6465:6d00::c")
BOTH: Final = ("--pod-cidr", "10.244.0.0/16,fd00:10:244::/56", "--service-cidr", "10.96.0.0/16,fd00:10:96::/112")
SIX: Final = ("--pod-cidr", "fd00:10:244::/56", "--service-cidr", "fd00:10:96::/112")
POOL: Final = "198.18.116.192/28,fd74:616e:6465:6d00::100/120"
SERVER: Final = "/usr/bin/python3 -m http.server 8000 --bind ::"
RESOLVE: Final = """
import socket, sys
for kind in (socket.AF_INET, socket.AF_INET6):
    try: print(" ".join(sorted({a[4][0] for a in socket.getaddrinfo(sys.argv[1], 80, kind, socket.SOCK_STREAM)})))
    except socket.gaierror as e: print(e.errno == socket.EAI_NODATA and "no data" or e)
"""
HOLD: Final = """
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], 8080, timeout=3)
c.connect(); print("open", flush=True)
while sys.stdin.readline():
    try: c.request("GET", "/"); c.getresponse().read(); print("answer", flush=True)
    except (OSError, http.client.HTTPException): print("cut", flush=True)
"""


def on(number: int) -> dict[str, Any]:
    return {"nodeSelector": {"kubernetes.io/hostname": f"node-{number}"}}


def of(made: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {**made, "spec": {**made["spec"], **spec}}


class World:
    """The lab, and its picture from before `tandem up`."""

    def __init__(self, made: Lab, before: Picture) -> None:
        self.lab, self.before = made, before

    def addresses(self, namespace_: str, name: str) -> list[str]:
        return [ip["ip"] for ip in self.lab.get(namespace_, "pod", name)["status"]["podIPs"]]

    def call(self, who: str, url: str, *options: str) -> dict[str, Any]:
        """What the server saw."""
        space, name = who.split("/")
        ran = self.lab.curl(space, name, url, *options)
        assert ran.status == 0, ran.text
        found: dict[str, Any] = json.loads(ran.out.splitlines()[0])
        return found


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with lab() as made:
        made.add_machine("outside", "out0", at=f"{OUTSIDE}/64", ours="fd00:51::1/64")
        made.run("ip", "-n", "outside", "route", "add", "default", "via", "fd00:51::1", status=0)
        made.run("sh", "-c", f"ip netns exec outside {SERVER} >/dev/null 2>&1 &", status=0)  # ends with its world
        before = made.picture()
        made.tandem("up", "--nodes", "2", "--lb-pool", POOL, "--detach", *BOTH, status=0)
        made.apply(
            *namespace("mesh", mesh=True),
            *namespace("plain"),
            account("mesh", "near"),
            pod("mesh", "near", idle(), serviceAccountName="near", **on(1)),
            pod("mesh", "far", web("far", listen="::"), **on(2)),
            pod("plain", "caller", idle(), **on(1)),
            pod("plain", "other", web("other", listen="::"), **on(2)),
            of(service("mesh", "far"), ipFamilyPolicy="PreferDualStack"),
            of(service("mesh", "six", app="far"), ipFamilies=["IPv6"]),
            of(
                service("plain", "other"),
                ipFamilyPolicy="RequireDualStack",
                ipFamilies=["IPv6", "IPv4"],
                type="LoadBalancer",
            ),
            service("plain", "four", app="other"),
        )
        yield World(made, before)


def test_a_pod_has_an_address_of_each_family_and_so_has_its_node(world: World) -> None:
    status = world.lab.get("plain", "pod", "other")["status"]
    shares = world.lab.tandem("get", "node", "node-2", "-o", "json", status=0).json()["spec"]["podCIDRs"]
    assert [ip_address(ip["ip"]) in ip_network(share) for ip, share in zip(status["podIPs"], shares, strict=True)] == [
        True,
        True,
    ]
    assert [ip["ip"] for ip in status["hostIPs"]] == ["198.18.116.12", NODES[1]]
    shown = {(s["addressType"], tuple(e["addresses"])) for s in slices(world) for e in s["endpoints"]}
    assert shown == {("IPv4", (status["podIPs"][0]["ip"],)), ("IPv6", (status["podIPs"][1]["ip"],))}


def test_a_load_balancer_has_an_address_of_each_family_and_a_neighbour_reaches_both(world: World) -> None:
    def given() -> list[str]:
        status = world.lab.get("plain", "service", "other")["status"]
        return [i["ip"] for i in status.get("loadBalancer", {}).get("ingress", [])]

    six, four = until(given, lambda found: len(found) == 2, world.lab.logs)
    assert ip_address(six) in ip_network("fd74:616e:6465:6d00::100/120")
    assert ip_address(four) in ip_network("198.18.116.192/28")
    for url in (f"http://[{six}]/", f"http://{four}/"):  # this machine is on the nodes' segment
        get = ("curl", "-s", "--retry", "9", "--retry-connrefused", "--retry-delay", "1", "-m", "10", url)
        assert json.loads(world.lab.run(*get, status=0).out)["name"] == "other"


def slices(world: World) -> list[dict[str, Any]]:
    every = world.lab.get("plain", "endpointslice")["items"]
    return [s for s in every if s["metadata"]["labels"]["kubernetes.io/service-name"] == "other"]


def test_pods_of_two_nodes_meet_under_their_own_addresses_of_ipv6(world: World) -> None:
    own, other = world.addresses("plain", "caller")[1], world.addresses("plain", "other")[1]
    assert world.call("plain/caller", f"http://[{other}]:8080/")["from"] == own


def test_a_service_has_a_name_in_its_own_families_and_no_data_in_the_other(world: World) -> None:
    found = {
        n: world.lab.inside("plain", "caller", "/usr/bin/python3", "-c", RESOLVE, n).out for n in ("other", "four")
    }
    ips = world.lab.get("plain", "service", "other")["spec"]["clusterIPs"]
    assert found["other"].splitlines() == [ips[1], ips[0]]
    assert found["four"].splitlines()[1] == "no data"
    assert world.call("plain/caller", "http://other/", "-6")["from"] == world.addresses("plain", "caller")[1]
    assert world.call("plain/caller", "http://other/", "-4")["from"] == world.addresses("plain", "caller")[0]


def test_a_node_port_is_open_to_outside_over_ipv6_on_every_node(world: World) -> None:
    port = world.lab.get("plain", "service", "other")["spec"]["ports"][0]["nodePort"]
    for node in NODES:
        ran = world.lab.run("ip", "netns", "exec", "outside", "curl", "-s", "-m", "5", f"http://[{node}]:{port}/")
        assert json.loads(ran.out)["from"] == (OUTSIDE if node == NODES[1] else NODES[0])


def test_a_pod_reaches_the_outside_over_ipv6_under_its_nodes_address(world: World) -> None:
    for where, name in (("plain", "caller"), ("mesh", "near")):
        assert world.lab.curl(where, name, f"http://[{OUTSIDE}]:8000/").out.splitlines()[-1] == "200"


def test_mtls_crosses_nodes_over_ipv6_and_keeps_the_clients_address(world: World) -> None:
    world.lab.apply(strict("mesh"))
    seen = world.call("mesh/near", "http://six/")
    assert (seen["peer"], seen["from"]) == (
        "spiffe://cluster.local/ns/mesh/sa/near",
        world.addresses("mesh", "near")[1],
    )
    assert world.lab.curl("plain", "caller", "http://six.mesh/", "-m", "2").status != 0
    assert world.call("mesh/near", "http://far/", "-6")["peer"].endswith("/sa/near")
    told = world.lab.tandem("explain", "mesh/near", "mesh/svc/six:80", status=0).out
    assert f"mesh/far:8080 at {world.addresses('mesh', 'far')[1]} (mtls)" in told


def test_every_fabric_carries_ipv6_between_nodes_and_on_one(world: World) -> None:
    own, other = world.addresses("plain", "caller")[1], world.addresses("plain", "other")[1]
    for fabric in ("vxlan", "bridge", "routed"):
        network = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}}
        world.lab.apply({**network, "spec": {"fabric": fabric}})
        assert world.call("plain/caller", f"http://[{other}]:8080/")["from"] == own
        assert world.call("mesh/near", "http://six/")["peer"].endswith("/sa/near")


def test_policy_ends_connections_over_ipv6_and_says_which_rule_it_was(world: World) -> None:
    other = world.addresses("plain", "other")[1]
    held = world.lab.begin("plain", "caller", "/usr/bin/python3", "-c", HOLD, other, stdin=True)
    assert held.stdin
    assert held.stdout

    def say() -> str:
        assert held.stdin
        assert held.stdout
        held.stdin.write("\n")
        held.stdin.flush()
        return held.stdout.readline().strip()

    assert held.stdout.readline() == "open\n"
    assert say() == "answer"
    world.lab.apply(policy("plain", "alone", "other", ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]))
    assert say() == "cut"
    held.kill()
    held.communicate()
    assert world.lab.curl("plain", "caller", f"http://[{other}]:8080/", "-m", "2").status == 28
    assert world.call("plain/caller", "http://four/")["name"] == "other"
    told = (world.addresses("plain", "caller")[1], other, ["alone"])
    until(
        lambda: world.lab.tandem("flows", "--denied", "-o", "json", status=0).json()["flows"],
        lambda flows: told in [_told(flow) for flow in flows],
    )
    world.lab.delete("networkpolicy", "alone", "-n", "plain")


def _told(flow: dict[str, Any]) -> tuple[str, str, list[str]]:
    return flow["source"]["address"], flow["destination"]["address"], [rule["name"] for rule in flow["rules"]]


def test_down_leaves_the_kernel_as_it_was(world: World) -> None:
    world.lab.tandem("down", status=0)
    assert [line for line in world.lab.left_since(world.before) if "mounts" not in line] == []


def test_a_cluster_of_ipv6_alone_is_whole() -> None:
    with lab() as made:
        before = made.picture()
        made.tandem("up", "--detach", *SIX, status=0)
        made.apply(
            *namespace("app", mesh=True),
            account("app", "near"),
            pod("app", "near", idle(), serviceAccountName="near"),
            pod("app", "web", web("web", listen="::")),
            service("app", "web"),
        )
        world = World(made, before)
        assert [ip.partition("::")[0] for ip in world.addresses("app", "web")] == ["fd00:10:244"]
        assert made.get("app", "service", "web")["spec"]["ipFamilies"] == ["IPv6"]
        seen = world.call("app/near", "http://web/")
        assert (seen["from"], seen["peer"][-8:]) == (world.addresses("app", "near")[0], "/sa/near")
        refused = made.tandem("apply", "-f", "-", stdin=json.dumps(of(service("app", "b"), ipFamilies=["IPv4"])))
        assert "spec.ipFamilies[0]: IPv4 is not configured on this cluster" in refused.text
        made.tandem("down", status=0)
        assert [line for line in made.left_since(before) if "mounts" not in line] == []
