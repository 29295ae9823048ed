"""Two nodes on one underlay, and the way out of the cluster: across nodes everything is as on one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from e2e.lab import RUN, Lab, lab, until
from e2e.objects import Raw, account, idle, namespace, pod, policy, service, web

pytestmark = pytest.mark.root

OUTSIDE = "198.51.100.9"
SERVER = "/usr/bin/python3 -m http.server 8000"


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """Pod `far` runs on node-2, `near` and `plain/caller` on node-1; `outside` is a machine beyond this one."""
    with lab() as made:
        made.add_machine("outside", "out0", at=f"{OUTSIDE}/24", ours="198.51.100.1/24")
        made.run("sh", "-c", f"ip netns exec outside {SERVER} >/dev/null 2>&1 &", status=0)  # ends with its world
        made.tandem("up", "--nodes", "2", "--detach", status=0)
        made.apply(
            *namespace("mesh", mesh=True),
            *namespace("plain"),
            account("mesh", "near"),
            pod("mesh", "near", idle(), serviceAccountName="near", nodeSelector={"kubernetes.io/hostname": "node-1"}),
            pod("mesh", "far", web("far"), nodeSelector={"kubernetes.io/hostname": "node-2"}),
            service("mesh", "far"),
            pod("plain", "caller", idle(), nodeSelector={"kubernetes.io/hostname": "node-1"}),
        )
        yield made


def address(world: Lab, namespace_: str, name: str) -> str:
    found: str = world.get(namespace_, "pod", name)["status"]["podIP"]
    return found


def test_a_request_crosses_nodes_by_mtls_and_keeps_the_clients_address(world: Lab) -> None:
    seen = json.loads(world.curl("mesh", "near", "http://far/").out.splitlines()[0])
    assert seen["peer"] == "spiffe://cluster.local/ns/mesh/sa/near"
    assert seen["from"] == address(world, "mesh", "near")
    assert {p["node"] for p in world.status()["pods"]} == {"node-1", "node-2"}


def test_a_pod_outside_the_mesh_crosses_nodes_in_plain_text(world: Lab) -> None:
    seen = json.loads(world.curl("plain", "caller", "http://far.mesh/").out.splitlines()[0])
    assert (seen["peer"], seen["from"]) == ("", address(world, "plain", "caller"))


def test_calls_stay_in_the_zone_where_the_service_says_so(world: Lab) -> None:
    """By the kernel for a pod outside the mesh, by Envoy for one inside."""

    def on(number: int, name: str) -> Raw:
        host = {"kubernetes.io/hostname": f"node-{number}"}
        return pod("mesh", name, web(name), labels={"app": "zoned"}, nodeSelector=host)

    zoned = service("mesh", "zoned")
    zoned["spec"]["trafficDistribution"] = "PreferSameZone"
    for number in (1, 2):
        label = f"topology.kubernetes.io/zone=zone-{number}"
        kubectl = ("kubectl", f"--kubeconfig={RUN}/kubeconfig")
        world.run(*kubectl, "label", "--overwrite", "node", f"node-{number}", label, status=0)
    world.apply(on(1, "here"), on(2, "there"), zoned)

    def answers() -> list[set[str]]:
        ask = ("curl", "-s", "-m", "5", "-H", "connection: close", *["http://zoned.mesh/"] * 8)
        found = (world.inside(where, caller, *ask).out for where, caller in (("plain", "caller"), ("mesh", "near")))
        return [set(re.findall(r'"name": "(\w+)"', text)) for text in found]

    until(answers, lambda found: found == [{"here"}] * 2, world.logs)
    del zoned["spec"]["trafficDistribution"]
    world.apply(zoned)
    until(answers, lambda found: found == [{"here", "there"}] * 2, world.logs)
    world.delete("pods", "here", "there", "-n", "mesh")
    world.delete("service", "zoned", "-n", "mesh")


def test_names_that_a_runtime_gives_are_answered_on_every_node_until_the_container_is_gone(world: Lab) -> None:
    """The plugin as a runtime executes it, with names for a container of node-2; asked by a pod of node-1."""
    full, space = "db.tandem.net.cluster.local", "box"
    world.run("ip", "netns", "add", space, status=0)

    def plugin(verb: str) -> str:
        config = {
            "cniVersion": "1.1.0",
            "name": "tandem",
            "type": "tandem-cni",
            "socket": f"{RUN}/nodes/node-2/cni.sock",
            "runtimeConfig": {"aliases": {"tandem": ["db"]}},
        }
        variables = (f"CNI_COMMAND={verb}", "CNI_CONTAINERID=box-1", "CNI_IFNAME=eth0", f"CNI_NETNS=/run/netns/{space}")
        run = ("env", "CNI_PATH=/opt/cni/bin", *variables, f"{RUN}/nodes/node-2/cni/bin/tandem-cni")
        return world.run(*run, stdin=json.dumps(config), status=0).out

    def resolved() -> str:
        return world.inside("plain", "caller", "/bin/busybox", "nslookup", full, "10.96.0.10").out

    given = json.loads(plugin("ADD"))["ips"][0]["address"].partition("/")[0]
    until(resolved, lambda said: given in said, world.logs)
    old = world.pid("control")
    world.kill("control")
    world.back("control", old)
    world.settled()
    assert given in resolved(), "what is known of other nodes outlives control"
    plugin("DEL")
    until(resolved, lambda said: given not in said, world.logs)
    world.run("ip", "netns", "delete", space, status=0)


def test_policy_judges_what_comes_from_another_node(world: Lab) -> None:
    world.apply(policy("mesh", "alone", "far", ingress=[]))
    assert world.curl("plain", "caller", "http://far.mesh/", "-m", "2").status == 28
    flows = until(
        lambda: world.tandem("flows", "--denied", "-o", "json", status=0).json()["flows"],
        lambda found: any(r["name"] == "alone" for f in found for r in f["rules"]),
    )
    assert {f["node"] for f in flows} == {"node-2"}
    world.delete("networkpolicy", "alone", "-n", "mesh")


@pytest.mark.parametrize(("where", "name"), [("plain", "caller"), ("mesh", "near")])
def test_a_pod_reaches_the_outside_under_its_nodes_address(world: Lab, where: str, name: str) -> None:
    assert world.curl(where, name, f"http://{OUTSIDE}:8000/").out.splitlines()[-1] == "200"


def test_down_removes_both_nodes_and_the_underlay(world: Lab) -> None:
    world.tandem("down", status=0)
    left = world.picture()
    assert [line for line in left["links"] if not line.startswith(("lo ", "out0"))] == []
    assert left["namespaces"] == ("outside",)
    assert (left["tables"], left["processes"]) == ((), ())
    assert [file for file in left["files"] if file.startswith("/run/")] == []
    assert "net/ipv4/ip_forward=0" in left["sysctls"]
