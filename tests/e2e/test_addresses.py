"""Small pools on two nodes: a full node borrows addresses, gets another block when there is one, and gives all back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import deployment, idle, namespace, pod, web

pytestmark = pytest.mark.root

ON: dict[str, dict[str, str]] = {n: {"kubernetes.io/hostname": n} for n in ("node-1", "node-2")}
SMALL = ("--pod-cidr", "10.244.0.0/28", "--node-prefix", "29")
UP = ("up", "--nodes", "2", "--detach", *SMALL, "--ip-cool-down", "1", "--leak-grace", "2")
CONTAINERS = ("leaked", "lived-in", "kept", "shared")
NODE = "/run/tandem/nodes/node-2"


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """There is one block of five addresses for either node; node-1 has given all of its own."""
    with lab() as made:
        for name in CONTAINERS:
            made.run("ip", "netns", "add", name, status=0)
        made.tandem(*UP, status=0)
        full = deployment("n", "full", idle(), replicas=5)
        full["spec"]["template"]["spec"]["nodeSelector"] = ON["node-1"]
        made.apply(*namespace("n"), full, pod("n", "caller", idle(), nodeSelector=ON["node-2"]))
        made.settled()
        yield made


def blocks(world: Lab) -> list[dict[str, Any]]:
    found = world.tandem("get", "ipamblocks", "-o", "json", status=0).json()["items"]
    return [item["spec"] for item in found]


def address(world: Lab, name: str) -> str:
    return str(world.get("n", "pod", name)["status"]["podIP"])


def answers(world: Lab, name: str) -> str:
    return world.curl("n", "caller", f"http://{address(world, name)}:8080/").out.splitlines()[-1]


def test_a_pod_of_a_full_node_has_a_borrowed_address_that_all_nodes_reach(world: Lab) -> None:
    world.apply(pod("n", "guest", web("guest"), nodeSelector=ON["node-1"]))
    world.settled()
    borrowed = address(world, "guest")
    owner = next(b for b in blocks(world) if b["node"] == "node-2")
    assert [(x["node"], x["state"]) for x in owner["loans"] if x["address"] == borrowed] == [("node-1", "Lent")]
    assert answers(world, "guest") == "200"  # from a pod of the node whose block it is
    neighbour = world.tandem("get", "pods", "-n", "n", "-l", "app=full", "-o", "name", status=0).out.split()[0]
    near = world.curl("n", neighbour.partition("/")[2], f"http://{borrowed}:8080/")
    assert near.out.splitlines()[-1] == "200"


def test_show_tells_who_has_what_and_check_finds_nothing(world: Lab) -> None:
    borrowed = address(world, "guest")
    found = world.tandem("ipam", "show", borrowed, "-o", "json", status=0).json()
    assert (found["node"], found["borrowed"], found["pod"]) == ("node-1", True, "n/guest")
    assert found["container"]
    every = world.tandem("ipam", "show", "-o", "json", status=0).json()
    assert borrowed in next(n for n in every["nodes"] if n["name"] == "node-1")["borrowed"]
    assert sum(b["used"] for b in every["blocks"]) == 7
    assert "10.244.0.0/28" in world.tandem("ipam", "show", "--show-blocks", status=0).out
    assert world.tandem("ipam", "check", status=0).out == "journals, kernel and API agree\n"


def test_an_address_that_a_pod_asks_for_is_brought_to_its_node(world: Lab) -> None:
    free = next(a for a in (f"10.244.0.{n}" for n in (10, 11, 12, 13, 14)) if a not in taken(world))
    fixed = pod("n", "fixed", web("fixed"), nodeSelector=ON["node-1"])
    fixed["metadata"]["annotations"] = {"tandem.io/ip-addresses": free}
    world.apply(fixed)
    world.settled()
    assert address(world, "fixed") == free
    assert answers(world, "fixed") == "200"


def taken(world: Lab) -> set[str]:
    return {p["address"] for p in world.status()["pods"]}


def test_another_pool_gives_the_node_a_block(world: Lab) -> None:
    spec = {"cidr": "10.245.0.0/29", "blockSize": 29, "nodeSelector": {"matchLabels": ON["node-1"]}}
    world.apply({"apiVersion": "tandem.io/v1", "kind": "IPPool", "metadata": {"name": "more"}, "spec": spec})
    until(lambda: blocks(world), lambda found: any(b["cidr"] == "10.245.0.0/29" for b in found))
    world.apply(pod("n", "late", web("late"), nodeSelector=ON["node-1"]))
    world.settled()
    assert answers(world, "late") == "200"


def test_what_is_not_needed_any_more_goes_back(world: Lab) -> None:
    world.delete("-n", "n", "deployment", "full")
    world.delete("-n", "n", "pod", "guest", "fixed", "late")
    until(lambda: blocks(world), lambda found: not any(b.get("loans") for b in found) and len(found) == 2)


def attach(world: Lab, name: str) -> str:
    """A container as a runtime makes it, in its namespace; its address."""
    config = {"cniVersion": "1.1.0", "name": "tandem", "type": "tandem-cni", "socket": f"{NODE}/cni.sock"}
    container = (f"CNI_CONTAINERID={name}", f"CNI_NETNS=/run/netns/{name}", "CNI_IFNAME=eth0", "CNI_COMMAND=ADD")
    plugin = ("env", *container, "CNI_PATH=/x", f"{NODE}/cni/bin/tandem-cni")
    added = world.run(*plugin, stdin=json.dumps(config), status=0)
    return str(added.json()["ips"][0]["address"].partition("/")[0])


def test_what_a_runtime_left_behind_is_taken_back_and_nothing_that_lives(world: Lab) -> None:
    leaked, lived_in, kept = (attach(world, name) for name in CONTAINERS[:3])
    waits = "until [ -e /tmp/leave ]; do sleep 0.1; done"
    with world.start("ip", "netns", "exec", "lived-in", "sh", "-c", waits):
        for name in ("leaked", "lived-in"):
            world.run("ip", "netns", "delete", name, status=0)
        until(lambda: held(world), lambda addresses: leaked not in addresses)
        assert {lived_in, kept} <= held(world)
        world.run("touch", "/tmp/leave", status=0)
    until(lambda: held(world), lambda addresses: lived_in not in addresses)
    assert kept in held(world)


def test_check_finds_what_is_wrong_and_release_mends_it_but_refuses_what_lives(world: Lab) -> None:
    kept = next(iter(held(world) - {address(world, "caller")}))
    refused = world.tandem("ipam", "release", kept, status=1)
    assert "which lives" in refused.err
    (agent,) = (str(n) for n, words in world.processes().items() if "tandem.apps.agent" in words and "node-2" in words)
    world.run("kill", "-STOP", agent, status=0)  # or it would make the link again
    world.run("ip", "-n", "tandem-node-2", "link", "delete", link_of(world, kept), status=0)
    findings = world.tandem("ipam", "check", "-o", "json", status=1).json()["findings"]
    world.run("kill", "-CONT", agent, status=0)
    assert [(f["kind"], f["node"], f["address"]) for f in findings] == [("missing", "node-2", kept)]
    world.tandem("ipam", "release", kept, "--force", status=0)
    assert kept not in held(world)
    world.tandem("ipam", "check", status=0)


def link_of(world: Lab, wanted: str) -> str:
    found = world.run("ip", "-n", "tandem-node-2", "-j", "route", "get", wanted, status=0).json()
    return str(found[0]["dev"])


def held(world: Lab) -> set[str]:
    found = world.tandem("cni", "status", "--node", "node-2", "-o", "json").json()["attachments"]
    return {address for one in found for address in one["addresses"]}


def test_a_node_and_host_local_give_addresses_of_one_range_and_none_twice(world: Lab) -> None:
    subnet = next(b["cidr"] for b in blocks(world) if b["node"] == "node-2")
    theirs = host_local(world, subnet, "first")
    done = world.tandem("ipam", "import", "--from-host-local", "/tmp/nets", "--node", "node-2", "-o", "json", status=0)
    assert done.json()["addresses"] == [theirs]
    ours = attach(world, "shared")
    assert host_local(world, subnet, "second") not in {theirs, ours, address(world, "caller")}
    assert world.run("cat", f"/tmp/nets/net/{ours}", status=0).out.split() == ["shared", "eth0"]
    world.tandem("ipam", "check", status=0)


def host_local(world: Lab, subnet: str, container: str) -> str:
    part = {"subnet": subnet, "rangeStart": "10.244.0.12"}  # of 10.244.0.8/29, which has 10 to 14
    ipam = {"type": "host-local", "dataDir": "/tmp/nets", "ranges": [[part]]}
    config = json.dumps({"cniVersion": "1.0.0", "name": "net", "type": "x", "ipam": ipam})
    words = (f"CNI_CONTAINERID={container}", "CNI_COMMAND=ADD", "CNI_IFNAME=eth0", "CNI_NETNS=/x", "CNI_PATH=/x")
    added = world.run("env", *words, "/usr/lib/cni/host-local", stdin=config, status=0)
    return str(added.json()["ips"][0]["address"].partition("/")[0])


def test_down_leaves_nothing(world: Lab) -> None:
    world.tandem("down", status=0)
    left = world.picture()
    assert (left["tables"], left["processes"]) == ((), ())
    assert [line for line in left["links"] if not line.startswith("lo ")] == []
    files = world.run("sh", "-c", "cd /tmp/nets/net; cat [0-9]*", status=0).out
    assert "first" in files
    assert "shared" not in files
